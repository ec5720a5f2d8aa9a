"""core/checkpoint: what goes in comes out, and nothing else is ever accepted."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import resource
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sciml.core.checkpoint import load_checkpoint, load_weights, not_finite, pack_state, save_checkpoint, unpack_state
from sciml.core.errors import UserError

METADATA = {"domain": "toy", "elements": [14], "units": {"energy": "eV"}, "name": "Müller"}


def same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(7.5), b.nan_to_num(7.5))


def example_tensors() -> dict[str, Tensor]:
    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    return {
        "weight": weight,
        "tied": weight,
        "transposed": weight.T,
        "double": torch.tensor([1 / 3, math.nan], dtype=torch.float64),
        "half": torch.tensor([0.1], dtype=torch.bfloat16),
        "step": torch.tensor(3),
        "empty": torch.zeros(0, 3),
        "spectral": torch.randn(2, 2, dtype=torch.complex64),
        "conjugate": torch.randn(3, dtype=torch.complex128).conj(),
        "mask": torch.tensor([True, False]),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"weight": torch.randn(4, 3), "bias": torch.zeros(3)}, METADATA)
    return path


def test_round_trip(tmp_path: Path) -> None:
    tensors, path = example_tensors(), tmp_path / "folder" / "a.safetensors"
    save_checkpoint(path, tensors, METADATA)
    loaded, metadata = load_checkpoint(path)
    assert metadata == METADATA
    assert loaded.keys() == tensors.keys()
    assert all(same(loaded[name], tensor) for name, tensor in tensors.items())
    assert [entry.name for entry in path.parent.iterdir()] == ["a.safetensors"], "a temporary file was left"


def test_other_programs_can_read_it(file: Path) -> None:
    assert set(safetensors.torch.load_file(file)) == {"weight", "bias"}


def test_no_pickle_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, forbidden)
    load_checkpoint(file)


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_missing_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "none.safetensors")


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.touch()
    assert "is empty" in refusal(path)


def test_every_truncation_is_refused(file: Path) -> None:
    data = file.read_bytes()
    for length in range(1, len(data)):
        file.write_bytes(data[:length])
        message = refusal(file)
        assert "truncated" in message or length < 9, message


@settings(max_examples=300, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_flipped_bit_is_refused(tmp_path_factory: pytest.TempPathFactory, where: float, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "a.safetensors"
    save_checkpoint(path, {"weight": torch.ones(4, 3), "spectral": torch.ones(2, dtype=torch.complex64)}, METADATA)
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    refusal(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.safetensors"
    path.write_bytes(data)
    refusal(path)


def test_appended_bytes_are_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"more")
    refusal(file)


def test_altered_number_says_so(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "altered or damaged" in refusal(file)


def test_foreign_files_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "foreign"
    safetensors.torch.save_file({"weight": torch.ones(2)}, path)
    assert "safetensors file of another program" in refusal(path)
    torch.save({"weight": torch.ones(2)}, path)
    assert "pickle of PyTorch" in refusal(path)
    path.write_bytes(pickle.dumps({"weight": 1}))
    assert "pickle of PyTorch" in refusal(path)
    path.write_text("epoch,step\n1,2\n")
    assert "not a safetensors file" in refusal(path)


def test_any_size_of_header_is_no_pickle(tmp_path: Path) -> None:
    """The file begins with the header's size, whose lowest byte runs through all values, a pickle's 0x80 too."""
    path, first_bytes = tmp_path / "a", set()
    for length in range(0, 256, 8):  # safetensors pads headers to multiples of eight
        save_checkpoint(path, {"weight": torch.ones(1)}, {"name": "x" * length})
        load_checkpoint(path)
        first_bytes.add(path.read_bytes()[0])
    assert 0x80 in first_bytes


def test_newer_version(file: Path) -> None:
    content = {"format": "sciml-checkpoint", "format_version": 2, "metadata": {}, "complex": [], "sha256": "00"}
    safetensors.torch.save_file({"weight": torch.ones(2)}, file, {"sciml": json.dumps(content)})
    message = refusal(file)
    assert "format 2" in message
    assert "Upgrade sciml" in message


def test_nan_in_metadata_is_refused_before_the_file_changes(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save_checkpoint(file, {"weight": torch.ones(2)}, {"score": math.nan})
    assert file.read_bytes() == before


# ------------------------------------------------------------------------------------------------ no room to write


def test_full_disk_keeps_the_old_file(file: Path) -> None:
    """The system refuses to write beyond a size, in the middle of the file, as it does when a disk fills."""
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(UserError, match=r"cannot write .*a\.safetensors: File too large\. Free some space"):
            save_checkpoint(file, {"weight": torch.randn(100, 100)}, METADATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert [entry.name for entry in file.parent.iterdir()] == ["a.safetensors"], "a temporary file was left"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_no_space_left_on_device(file: Path) -> None:
    """The temporary file is led to the device that is always full."""
    before = file.read_bytes()
    file.with_name(".a.safetensors.tmp").symlink_to("/dev/full")
    with pytest.raises(UserError, match="no space left on the disk"):
        save_checkpoint(file, {"weight": torch.randn(100, 100)}, METADATA)
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == ["a.safetensors"]


def test_folder_that_is_a_file(file: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        save_checkpoint(file / "b.safetensors", {"weight": torch.ones(1)}, {})


def test_leftover_of_a_killed_writer_does_no_harm(file: Path) -> None:
    file.with_name(".a.safetensors.tmp").write_bytes(os.urandom(100))
    save_checkpoint(file, {"weight": torch.ones(2)}, {})
    assert torch.equal(load_checkpoint(file)[0]["weight"], torch.ones(2))
    assert len(list(file.parent.iterdir())) == 1


# ------------------------------------------------------------------------------------------------ weights, any state


def test_load_weights_wants_exactly_the_networks_tensors() -> None:
    network = nn.Linear(3, 2)
    good = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    load_weights(network, good, "file")
    assert torch.equal(network.weight, good["weight"])
    with pytest.raises(UserError, match=r"file lacks the tensor `bias`"):
        load_weights(network, {"weight": good["weight"]}, "file")
    with pytest.raises(UserError, match=r"file has the tensor `scale`, which this network lacks"):
        load_weights(network, {**good, "scale": torch.ones(1)}, "file")
    with pytest.raises(UserError, match=r"`bias` needs shape \(2,\), but has \(3,\)"):
        load_weights(network, {**good, "bias": torch.ones(3)}, "file")
    with pytest.raises(UserError, match=r"the weights `bias` are not finite"):
        load_weights(network, {**good, "bias": torch.tensor([1.0, math.inf])}, "file")
    assert torch.equal(network.bias, good["bias"]), "a refused file changed the network"


def test_not_finite_ignores_whole_numbers() -> None:
    assert not_finite({"step": torch.tensor(1), "weight": torch.ones(1)}) is None


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
states = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(states)
def test_states_survive_json(state: object) -> None:
    tensors, structure = pack_state(state)
    restored = unpack_state(tensors, json.loads(json.dumps(structure, allow_nan=False)))
    assert restored == state
    assert repr(restored) == repr(state), "a type changed, as 1 into True or a tuple into a list"


def test_state_of_an_optimiser(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    tensors, structure = pack_state({"optimizer": optimizer.state_dict(), "score": math.nan})
    save_checkpoint(tmp_path / "a", tensors, {"trainer": structure})
    tensors, metadata = load_checkpoint(tmp_path / "a")
    restored = unpack_state(tensors, metadata["trainer"])
    assert math.isnan(restored["score"])
    assert restored["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    for index, moments in optimizer.state_dict()["state"].items():
        assert all(same(restored["optimizer"]["state"][index][name], value) for name, value in moments.items())


def test_states_that_cannot_be_stored() -> None:
    with pytest.raises(TypeError, match="cannot store the set at a/0"):
        pack_state({"a": [{1, 2}]})
    with pytest.raises(TypeError, match="a key at a is"):
        pack_state({"a": {(1, 2): 3}})
