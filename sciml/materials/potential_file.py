"""A trained potential as the one file that `pair_style sciml` of LAMMPS reads.

The file is safetensors: the tensors of the network, or for the generic back end the compiled package as bytes. Its
header's ``__metadata__`` has one key, ``sciml``, with JSON that describes the potential; its ``sha256`` is the digest
of the whole file with zeros in the digest's own place. lammps_plugin/src/potential_file.cpp reads and checks it all.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from sciml import __version__
from sciml.core.errors import UserError
from sciml.core.runs import write_bytes
from sciml.gnn.painn import PaiNN
from sciml.gnn.potential import Potential
from sciml.gnn.schnet import SchNet
from sciml.materials.potentials import DTYPES, UNITS, load_potential

FORMAT = "sciml-potential"
FORMAT_VERSION = 1
BACKENDS = ("native", "generic")


def export_potential(
    source: str | Path, output: Path, *, precision: str | None = None, backend: str | None = None
) -> str:
    """Writes a trained potential for LAMMPS.

    Args:
        source: a run's folder, a checkpoint, or the name of a trained model.
        output: the .sciml file.
        precision: "float32" or "float64" for the arithmetic; float32 if not given, which is the faster.
        backend: "native" (hand-written, for SchNet and PaiNN), or "generic" (any potential, compiled by torch for the
            processor that this runs on); native where it can be, if not given.

    Returns:
        One line on what was written.

    Raises:
        UserError: no potential there, a back end that this architecture lacks, no compiler for the generic one, or
            the file cannot be written.
    """
    precision = precision or "float32"
    if precision not in DTYPES:
        raise UserError(f"precision must be one of {', '.join(DTYPES)}, but is {precision!r}.")
    potential, metadata = load_potential(source)
    sizes = _native_sizes(potential)
    backend = backend or ("native" if sizes else "generic")
    if backend not in BACKENDS:
        raise UserError(f"the back end must be one of {', '.join(BACKENDS)}, but is {backend!r}.")
    if backend == "native" and not sizes:
        raise UserError(
            f"there is no native code for {metadata['architecture']}; leave out `--backend native` for the generic one."
        )
    about = describe_file(potential, metadata, precision)
    if backend == "native":
        about |= {"backend": backend, "sizes": sizes}
        # as they were trained: the plugin computes in the precision that is asked for
        tensors = {name: tensor for name, tensor in potential.state_dict().items() if name.startswith("network.")}
    else:
        from sciml.gnn.compiled import compile_package

        potential.network.to(DTYPES[precision])
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "potential.pt2"
            tensors, made = around_package(package, compile_package(potential, package))
        about |= made
    write_bytes(output, potential_bytes(tensors, about))
    megabytes = output.stat().st_size / 1e6
    elements = " ".join(metadata["elements"])
    return (
        f"{output}: {metadata['architecture']} for {elements}, {precision}, {backend} back end, {megabytes:.1f} MB\n"
        f"in LAMMPS:  pair_style sciml\n            pair_coeff * * {output.name} {elements}"
    )


def describe_file(potential: Potential, metadata: Mapping[str, Any], precision: str) -> dict[str, Any]:
    """What both back ends must know of a potential; `metadata` is that of its checkpoint."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sciml_version": __version__,
        "architecture": metadata["architecture"],
        "model": metadata["model"],
        "elements": metadata["elements"],
        "units": UNITS,
        "dtype": precision,
        "cutoff_angstrom": potential.cutoff_angstrom,
        "layers": metadata["model"]["layers"],
        "reference_energies_ev": potential.reference_energies_ev.tolist(),
        "energy_scale_ev": float(potential.energy_scale_ev),
        "dataset": metadata.get("dataset"),
        "data_fingerprint": metadata.get("data_fingerprint"),
        "trained_on": _trained_on(metadata),
    }


def around_package(package: Path, metadata: Mapping[str, str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and description of the generic back end, for a package and what `compile_package` said of it."""
    tensors = {"package": torch.from_numpy(np.frombuffer(package.read_bytes(), np.uint8).copy())}
    return tensors, {"backend": "generic", "torch_version": metadata["torch"], "instructions": metadata["isa"]}


def potential_bytes(tensors: Mapping[str, torch.Tensor], about: Mapping[str, Any]) -> bytes:
    """The file's bytes, with the digest of all of them in its place."""
    zeros = "0" * hashlib.sha256().digest_size * 2
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"sha256": zeros, **about}, allow_nan=False)
    data = safetensors.torch.save(plain, {"sciml": text})
    # the first zeros are the digest's: the description, which begins with it, begins the header
    return data.replace(zeros.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def _native_sizes(potential: Potential) -> dict[str, int]:
    """What the plugin's native code must know of the architecture besides its layers; empty where it has none."""
    network = potential.network
    if isinstance(network, PaiNN):
        return {"channels": network.config.channels, "radial": network.config.radial_functions}
    if isinstance(network, SchNet):
        return {"channels": network.config.channels, "radial": network.config.gaussians}
    return {}


def _trained_on(metadata: Mapping[str, Any]) -> str:
    """Which data, in words that fit a line of LAMMPS' log."""
    fingerprint = str(metadata.get("data_fingerprint") or "")[:12]
    parts = [str(metadata["dataset"])] if metadata.get("dataset") else []
    return " ".join([*parts, *([f"(fingerprint {fingerprint})"] if fingerprint else [])])
