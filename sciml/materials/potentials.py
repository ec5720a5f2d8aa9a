"""Trained potentials from files: a run's folder or a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sciml.core.architectures import architecture_of
from sciml.core.checkpoint import load_checkpoint, load_weights
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.trained import find_weights
from sciml.gnn.potential import POTENTIALS, Potential, build_potential

DOMAIN = "materials"
UNITS = {"length": "angstrom", "energy": "eV", "forces": "eV/angstrom", "stress": "eV/angstrom^3"}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def describe_potential(
    model_config: Any, elements: Sequence[int], reference_energies_ev: Sequence[float], energy_scale_ev: float
) -> dict[str, Any]:
    """What a checkpoint must say, in JSON, for `load_potential` to build the same potential."""
    from ase.data import chemical_symbols

    return {
        "domain": DOMAIN,
        "architecture": architecture_of(model_config, POTENTIALS),
        "model": asdict(model_config),
        "elements": [chemical_symbols[number] for number in elements],
        "units": UNITS,
        "normalisation": {
            "reference_energies_ev": list(reference_energies_ev),
            "energy_scale_ev": float(energy_scale_ev),
        },
    }


def load_potential(path: str | Path, precision: str | None = None) -> tuple[Potential, dict[str, Any]]:
    """The potential of a run (its best weights), of a checkpoint or of the catalogue, and the checkpoint's metadata.

    Args:
        path: a run's folder, a checkpoint file, or the name of a trained model such as "si-painn".
        precision: "float32" or "float64" for the network's arithmetic; that of the stored weights if not given,
            float32 for weights that are stored in less.

    Raises:
        UserError: no checkpoint there, or not one of an interatomic potential with weights that fit it and are finite.
    """
    from ase.data import atomic_numbers

    if precision is not None and precision not in DTYPES:
        raise UserError(f"precision must be one of {', '.join(DTYPES)}, but is {precision!r}.")
    file = find_weights(path)
    tensors, metadata = load_checkpoint(file)
    architecture = metadata.get("architecture")
    if metadata.get("domain") != DOMAIN or architecture not in POTENTIALS:
        raise UserError(
            f"{file}: an interatomic potential is needed ({', '.join(POTENTIALS)}), but this is a checkpoint of "
            f"domain {metadata.get('domain')!r}, architecture {architecture!r}."
        )
    try:
        model_config = parse(POTENTIALS[architecture][0], metadata["model"], str(file))
        normalisation = metadata["normalisation"]
        potential = build_potential(
            model_config,
            [atomic_numbers[symbol] for symbol in metadata["elements"]],
            normalisation["reference_energies_ev"],
            normalisation["energy_scale_ev"],
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"{file}: the checkpoint does not describe its potential ({error!r}).") from error
    stored = next((tensors[name].dtype for name, _ in potential.named_parameters() if name in tensors), torch.float32)
    stored = stored if stored in DTYPES.values() else torch.float32
    # only the network changes precision: energies of many atoms are summed in float64 whatever it is
    potential.network.to(DTYPES[precision] if precision else stored)
    load_weights(potential, tensors, file)
    return potential.eval(), metadata
