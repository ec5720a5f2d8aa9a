"""Tensors and what they mean in one safetensors file that is checked when it is read; nothing is ever unpickled.

The header's ``__metadata__`` has one key, ``sciml``, with JSON: ``format`` "sciml-checkpoint", ``format_version``,
``metadata`` (any JSON of the caller), ``complex`` (names of tensors stored as pairs of real numbers), and ``sha256`` of
all of that and of every tensor, so that a file that was cut or changed anywhere is refused.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from sciml.core.errors import UserError

FORMAT = "sciml-checkpoint"
FORMAT_VERSION = 1

# what the names of the trainer's own tensors start with
TRAINER_PREFIX = "trainer/"

# what the system says when there is no room: disk, quota, or the largest file that this process may write
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Writes a checkpoint so that a reader, or a crash, finds the old file or the new one, never a part.

    Args:
        path: the file; its folder is made.
        tensors: any shapes and types, on any device.
        metadata: values that JSON has; no NaN, no infinity.

    Raises:
        UserError: the file cannot be written (a full disk, no permission); a file that was there is left as it was.
    """
    plain = {name: _storable(tensor) for name, tensor in tensors.items()}
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "metadata": dict(metadata),
        "complex": sorted(name for name, tensor in tensors.items() if tensor.is_complex()),
    }
    content["sha256"] = _digest(content, plain)
    data = safetensors.torch.save(plain, {"sciml": json.dumps(content, allow_nan=False)})
    temporary = path.with_name(f".{path.name}.tmp")
    with disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and the metadata of a checkpoint.

    Raises:
        UserError: the file is missing, cut, changed, from a newer version, or no checkpoint of ours.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the checkpoint {path}: {error.strerror}.") from error
    content = _header(path, data)
    version = content.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise UserError(
            f"{path} has checkpoint format {version}, but this version of sciml reads up to {FORMAT_VERSION}. "
            "Upgrade sciml to read it."
        )
    try:
        plain = safetensors.torch.load(data)
    except (SafetensorError, ValueError, RuntimeError, KeyError, OverflowError) as error:
        raise UserError(f"{path} is damaged: {_first_line(error)}. Use another checkpoint.") from error
    recorded = content.pop("sha256", None)
    if not isinstance(content.get("metadata"), dict) or recorded != _digest(content, plain):
        raise UserError(
            f"{path} was altered or damaged after it was written: its contents do not match the sha256 that it carries."
            " Use another checkpoint."
        )
    for name in content["complex"]:
        plain[name] = torch.view_as_complex(plain[name])
    return plain, content["metadata"]


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], source: Path | str) -> None:
    """Puts a checkpoint's tensors into a network whose names and shapes they must fit; the trainer's are passed over.

    Raises:
        UserError: a tensor is missing, unknown, of another shape, or has NaN or infinite numbers.
    """
    tensors = network_tensors(tensors)
    expected = network.state_dict()
    if missing := [name for name in expected if name not in tensors]:
        raise UserError(f"{source} lacks the tensor `{missing[0]}` that this network needs. Was another model trained?")
    if unknown := [name for name in tensors if name not in expected]:
        raise UserError(f"{source} has the tensor `{unknown[0]}`, which this network lacks. Was another model trained?")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            needed, came = tuple(expected[name].shape), tuple(tensor.shape)
            raise UserError(f"{source}: `{name}` needs shape {needed}, but has {came}. Was another model trained?")
    if bad := not_finite(tensors):
        raise UserError(f"{source}: the weights `{bad}` are not finite numbers. Use an earlier checkpoint.")
    network.load_state_dict(tensors)


def network_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint that belong to the network, without those that only the trainer needs."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(TRAINER_PREFIX)}


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor with NaN or infinite numbers, or None.

    >>> not_finite({"bias": torch.tensor([1.0]), "weight": torch.tensor([1.0, math.nan])})
    'weight'
    """
    return next((name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())), None)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns the system's refusal to write below `path` into one line for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            reason = "there is no space left on the disk" if error.errno == errno.ENOSPC else error.strerror
            raise UserError(f"cannot write {path}: {reason}. Free some space and continue with --resume.") from error
        raise UserError(f"cannot write {path}: {error.strerror or error}.") from error


# ------------------------------------------------------------------------------------------------ any nested value


def pack_state(state: Any, prefix: str = "") -> tuple[dict[str, Tensor], Any]:
    """Splits a nested value into tensors and JSON that together hold all of it: the inverse of `unpack_state`.

    Takes dicts (keys text or whole numbers), lists, tuples, tensors, text, numbers (also NaN and infinity), bool and
    None. Tensors are named by where they are, after `prefix`.

    >>> pack_state({0: (1, float("inf"))})
    ({}, {'dict': [[0, {'tuple': [1, {'float': 'inf'}]}]]})

    Raises:
        TypeError: the value holds something else.
    """
    tensors: dict[str, Tensor] = {}

    def pack(value: Any, path: tuple[str, ...]) -> Any:
        where = "/".join(path)
        match value:
            case None | bool() | int() | str():
                return value
            case float():
                return value if math.isfinite(value) else {"float": repr(value)}
            case Tensor():
                tensors[prefix + where] = value
                return {"tensor": prefix + where}
            case Mapping():
                if odd := [key for key in value if type(key) not in (str, int)]:
                    raise TypeError(f"pack_state: a key at {where or 'the top'} is {odd[0]!r}, not text or an int.")
                return {"dict": [[key, pack(item, (*path, str(key)))] for key, item in value.items()]}
            case list() | tuple():
                kind = "list" if isinstance(value, list) else "tuple"
                return {kind: [pack(item, (*path, str(i))) for i, item in enumerate(value)]}
            case _:
                raise TypeError(f"pack_state: cannot store the {type(value).__name__} at {where or 'the top'}.")

    structure = pack(state, ())
    return tensors, structure


def unpack_state(tensors: Mapping[str, Tensor], structure: Any) -> Any:
    """The value that `pack_state` split.

    >>> unpack_state(*pack_state({0: (1, float("inf"))}))
    {0: (1, inf)}
    """
    match structure:
        case {"float": number}:
            return float(number)
        case {"tensor": where}:
            return tensors[where]
        case {"dict": items}:
            return {key: unpack_state(tensors, item) for key, item in items}
        case {"list": items}:
            return [unpack_state(tensors, item) for item in items]
        case {"tuple": items}:
            return tuple(unpack_state(tensors, item) for item in items)
        case _:
            return structure


# ------------------------------------------------------------------------------------------------ the file's parts


def _storable(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    # a copy, because safetensors refuses tensors that share memory, as tied weights do
    return tensor.to("cpu", copy=True, memory_format=torch.contiguous_format).contiguous()


def _digest(content: Mapping[str, Any], plain: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(plain):
        tensor = plain[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _header(path: Path, data: bytes) -> dict[str, Any]:
    """The JSON of the header's `sciml` key; says what the file is when it is no checkpoint."""
    if not data:
        raise UserError(f"{path} is empty: the checkpoint was never written. Use another checkpoint.")
    # a header's size may begin with any byte, but what follows it is a brace
    if data.startswith((b"PK\x03\x04", b"\x80")) and data[8:9] not in (b"{", b""):
        raise UserError(
            f"{path} is a pickle of PyTorch, which can run code when it is read, and sciml never does so. "
            "A checkpoint is a .safetensors file that `sciml train` wrote."
        )
    size = int.from_bytes(data[:8], "little")
    if data[8:9] in (b"{", b"") and 0 < size < 2**32 and len(data) < 8 + size:
        raise UserError(f"{path} is truncated: it ends inside its header. Use another checkpoint.")
    try:
        header = json.loads(data[8 : 8 + size])
        text = header["__metadata__"]["sciml"] if "__metadata__" in header else None
        end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        content = json.loads(text) if text is not None else None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        header, content, end = None, None, 0
    if header is None or not isinstance(content, dict) or content.get("format") != FORMAT:
        kind = "a safetensors file of another program" if isinstance(header, dict) else "not a safetensors file"
        raise UserError(f"{path} is {kind}. A checkpoint is a .safetensors file that `sciml train` wrote.")
    if isinstance(end, int) and len(data) < 8 + size + end:
        raise UserError(
            f"{path} is truncated: it should have {8 + size + end} bytes, but has {len(data)}. Use another checkpoint."
        )
    return content


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
