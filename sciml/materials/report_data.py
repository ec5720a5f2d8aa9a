"""What a report reads: the run's records, and reference and predicted values of each structure with their errors.

Shapes: s structures, n atoms of all structures together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from sciml.core import evidence
from sciml.core.checkpoint import load_checkpoint
from sciml.core.errors import UserError
from sciml.core.runs import Run
from sciml.core.units import EV_PER_ANGSTROM3_IN_GPA

_OPTIONAL = ("positions", "atomic_numbers", "cell")


@dataclass(frozen=True, eq=False)
class Predictions:
    """The contents of one predictions/<split>.safetensors, checked at birth; NaN where the reference has no value.

    Energies in eV, forces in eV/angstrom, stresses in eV/angstrom^3; positions and cells, in angstrom, may be absent.

    Raises:
        UserError: arrays that do not belong together.
    """

    split: str
    names: list[str]
    groups: list[str]
    n_atoms: Int[np.ndarray, " s"]
    energy: Float[np.ndarray, " s"]
    energy_predicted: Float[np.ndarray, " s"]
    forces: Float[np.ndarray, "n 3"]
    forces_predicted: Float[np.ndarray, "n 3"]
    stress: Float[np.ndarray, "s 3 3"]
    stress_predicted: Float[np.ndarray, "s 3 3"]
    positions: Float[np.ndarray, "n 3"] | None = None
    atomic_numbers: Int[np.ndarray, " n"] | None = None
    cell: Float[np.ndarray, "s 3 3"] | None = None

    def __post_init__(self) -> None:
        s, n = len(self.n_atoms), int(self.n_atoms.sum())
        per_structure = {"energy": (s,), "energy_predicted": (s,), "stress": (s, 3, 3), "stress_predicted": (s, 3, 3)}
        per_atom = {"forces": (n, 3), "forces_predicted": (n, 3), "positions": (n, 3), "atomic_numbers": (n,)}
        for name, shape in {**per_structure, **per_atom, "cell": (s, 3, 3)}.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise UserError(f"split `{self.split}`: {name} should have shape {shape}, but has {array.shape}.")
        if (self.n_atoms < 1).any() or len(self.names) != s or len(self.groups) != s:
            raise UserError(
                f"split `{self.split}`: {s} structures need {s} names and groups and at least one atom each, but there "
                f"are {len(self.names)} names and {len(self.groups)} groups."
            )

    @property
    def structure_of_atom(self) -> Int[np.ndarray, " n"]:
        return np.repeat(np.arange(len(self.n_atoms)), self.n_atoms)

    @property
    def energy_error_mev_per_atom(self) -> Float[np.ndarray, " s"]:
        return 1000 * (self.energy_predicted - self.energy) / self.n_atoms

    @property
    def force_error(self) -> Float[np.ndarray, " n"]:
        """Length of the difference of the two force vectors."""
        return np.linalg.norm(self.forces_predicted - self.forces, axis=1)

    @property
    def stress_error_gpa(self) -> Float[np.ndarray, "s 9"]:
        return EV_PER_ANGSTROM3_IN_GPA * (self.stress_predicted - self.stress).reshape(-1, 9)

    @property
    def force_rmse(self) -> Float[np.ndarray, " s"]:
        """Root mean square over the force components of each structure."""
        total = np.bincount(self.structure_of_atom, self.force_error**2, minlength=len(self.n_atoms))
        return np.sqrt(total / (3 * self.n_atoms))

    @property
    def largest_force_error(self) -> Float[np.ndarray, " s"]:
        largest = np.full(len(self.n_atoms), -np.inf)
        np.maximum.at(largest, self.structure_of_atom, self.force_error)
        return largest

    def atoms_of(self, structure: int) -> slice:
        stop = int(self.n_atoms[: structure + 1].sum())
        return slice(stop - int(self.n_atoms[structure]), stop)

    def scores(self) -> dict[str, float]:
        """MAE and RMSE of this split under the names of metrics.json, for the labels that the split has."""
        errors = {
            ("energy", "mev_per_atom"): self.energy_error_mev_per_atom,
            ("forces", "ev_per_angstrom"): self.forces_predicted - self.forces,
            ("stress", "gpa"): self.stress_error_gpa,
        }
        found: dict[str, float] = {}
        for (quantity, unit), error in errors.items():
            known = error[np.isfinite(error)]
            if known.size:
                found[f"{quantity}_mae_{unit}"] = float(np.abs(known).mean())
                found[f"{quantity}_rmse_{unit}"] = float(np.sqrt((known**2).mean()))
        return found


def read_predictions(path: Path) -> Predictions:
    """Read one split's predictions.

    Raises:
        UserError: the file is damaged, or does not hold what a predictions file holds.
    """
    tensors, metadata = load_checkpoint(path)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    needed = ("energy", "energy_predicted", "n_atoms", "forces", "forces_predicted", "stress", "stress_predicted")
    if missing := [name for name in needed if name not in arrays]:
        raise UserError(f"{path} should hold {', '.join(missing)}, but does not. Run `sciml evaluate` again.")
    arrays["n_atoms"] = arrays["n_atoms"].astype(np.int64)
    s = len(arrays["n_atoms"])
    return Predictions(
        split=path.stem,
        names=_texts(metadata, "names") or [f"structure {i}" for i in range(s)],
        groups=_texts(metadata, "groups") or ["all"] * s,
        **{name: arrays[name] for name in (*needed, *_OPTIONAL) if name in arrays},
    )


def _texts(metadata: Mapping[str, Any], key: str) -> list[str]:
    value = metadata.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []


Evidence = evidence.Evidence[Predictions]


def read_evidence(run: Run) -> Evidence:
    """Every piece of the run that is there."""
    return evidence.read_evidence(run, read_predictions)


def judged(found: Evidence) -> list[Predictions]:
    """The predictions that say how good the potential is: those of the test splits, or else what there is."""
    seen = {"train", "validation"}
    return (
        [p for p in found.predictions if p.split not in seen]
        or [p for p in found.predictions if p.split == "validation"]
        or list(found.predictions)
    )
