"""Errors of a potential over labelled structures: all, by group, beside what a trivial guess gives.

Shapes: s structures, n atoms of all structures together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sciml.core.checkpoint import save_checkpoint
from sciml.core.errors import UserError
from sciml.core.units import EV_PER_ANGSTROM3_IN_GPA
from sciml.gnn.potential import Potential
from sciml.materials.graphs import batch_graphs, build_graph
from sciml.materials.loss import MEV_PER_EV
from sciml.materials.potentials import UNITS
from sciml.materials.structures import Structure, with_labels

# Structures are predicted together up to so many atoms: enough to keep a core busy, little memory.
ATOMS_AT_ONCE = 512


def predict_structures(potential: Potential, structures: Sequence[Structure]) -> list[Structure]:
    """The same structures with the potential's energy, forces and stress (NaN without a periodic volume) as labels.

    Raises:
        UserError: an element that the potential does not know, naming the structure.
    """
    check_elements(potential, structures)
    predicted: list[Structure] = []
    for chunk in _chunks(structures):
        graph = batch_graphs([build_graph(structure, potential.cutoff_angstrom) for structure in chunk])
        with torch.no_grad():
            prediction = potential(graph)
        forces = np.split(prediction.forces.numpy(), np.cumsum([s.n_atoms for s in chunk])[:-1])
        predicted += [
            with_labels(
                structure, energy=float(energy), forces=np.asarray(force, float), stress=np.asarray(stress, float)
            )
            for structure, energy, force, stress in zip(
                chunk, prediction.energy.tolist(), forces, prediction.stress.numpy(), strict=True
            )
        ]
    return predicted


def check_elements(potential: Potential, structures: Sequence[Structure]) -> None:
    """Refuses elements that the potential was not trained on."""
    from ase.data import chemical_symbols

    for structure in structures:
        if unknown := sorted(set(structure.atomic_numbers.tolist()) - set(potential.elements)):
            raise UserError(
                f"{structure.name} has {', '.join(chemical_symbols[z] for z in unknown)}, but the potential knows "
                f"{', '.join(chemical_symbols[z] for z in potential.elements)} only. Train on data that contain it."
            )


def evaluate_split(
    potential: Potential, structures: Sequence[Structure], split: str, metadata: Mapping[str, Any], file: Path
) -> dict[str, Any]:
    """Scores of one split, whose predictions go to `file`.

    The baseline knows what every atom costs on average (least squares over the training data) and nothing else: no
    forces, no stress.

    Raises:
        UserError: an unknown element, or no label to compare with.
    """
    if not any(s.has_energy or s.has_forces or s.has_stress for s in structures):
        raise UserError(f"{structures[0].name} and the others have no energies, forces or stresses to compare with.")
    predicted = predict_structures(potential, structures)
    save_checkpoint(file, _tensors(structures, predicted), _described(structures, split))
    energy_of = dict(zip(potential.elements, metadata["baseline_energies_ev"], strict=True))
    baseline = [_guess(structure, energy_of) for structure in structures]
    groups = sorted({structure.group for structure in structures})
    return {
        "all": score(structures, predicted),
        "groups": {
            group: score(
                [s for s in structures if s.group == group],
                [p for s, p in zip(structures, predicted, strict=True) if s.group == group],
            )
            for group in groups
        },
        "baseline": score(structures, baseline),
    }


def score(reference: Sequence[Structure], predicted: Sequence[Structure]) -> dict[str, float]:
    """MAE and RMSE: energy in meV/atom over structures, forces in eV/angstrom and stress in GPa over components.

    A quantity that no structure is labelled with has no score.
    """
    pairs = list(zip(reference, predicted, strict=True))
    errors = {
        ("energy", "mev_per_atom"): np.array([MEV_PER_EV * (p.energy - r.energy) / r.n_atoms for r, p in pairs]),
        ("forces", "ev_per_angstrom"): np.concatenate([(p.forces - r.forces).ravel() for r, p in pairs]),
        ("stress", "gpa"): np.concatenate([EV_PER_ANGSTROM3_IN_GPA * (p.stress - r.stress).ravel() for r, p in pairs]),
    }
    found: dict[str, float] = {}
    for (quantity, unit), error in errors.items():
        known = error[~np.isnan(error)]
        if known.size:
            found[f"{quantity}_mae_{unit}"] = float(np.abs(known).mean())
            found[f"{quantity}_rmse_{unit}"] = float(np.sqrt(np.square(known).mean()))
    return {**found, "n_structures": len(reference), "n_atoms": sum(structure.n_atoms for structure in reference)}


def _guess(structure: Structure, energy_of: Mapping[int, float]) -> Structure:
    return with_labels(
        structure,
        energy=sum(energy_of[int(number)] for number in structure.atomic_numbers),
        forces=np.zeros((structure.n_atoms, 3)),
        stress=np.zeros((3, 3)),
    )


def _chunks(structures: Sequence[Structure]) -> Iterator[list[Structure]]:
    chunk: list[Structure] = []
    for structure in structures:
        if chunk and sum(s.n_atoms for s in chunk) + structure.n_atoms > ATOMS_AT_ONCE:
            yield chunk
            chunk = []
        chunk.append(structure)
    yield chunk


def _tensors(reference: Sequence[Structure], predicted: Sequence[Structure]) -> dict[str, torch.Tensor]:
    def stacked(of: Sequence[Structure], name: str) -> np.ndarray:
        return np.stack([np.asarray(getattr(structure, name)) for structure in of])

    def joined(of: Sequence[Structure], name: str) -> np.ndarray:
        return np.concatenate([getattr(structure, name) for structure in of])

    arrays = {
        "energy": stacked(reference, "energy"),
        "energy_predicted": stacked(predicted, "energy"),
        "n_atoms": stacked(reference, "n_atoms"),
        "forces": joined(reference, "forces"),
        "forces_predicted": joined(predicted, "forces"),
        "stress": stacked(reference, "stress"),
        "stress_predicted": stacked(predicted, "stress"),
        "positions": joined(reference, "positions"),
        "atomic_numbers": joined(reference, "atomic_numbers"),
        "cell": stacked(reference, "cell"),
    }
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _described(structures: Sequence[Structure], split: str) -> dict[str, Any]:
    return {
        "names": [structure.name for structure in structures],
        "groups": [structure.group for structure in structures],
        "split": split,
        "units": UNITS,
    }
