"""A labelled atomic structure: one immutable value, checked at birth.

Shapes: n atoms. Units: angstrom, eV, eV/angstrom, eV/angstrom^3 (Cauchy stress, positive under tension).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int
from vesin import NeighborList

from sciml.core.errors import UserError
from sciml.materials.labels import as_voigt

if TYPE_CHECKING:
    from ase import Atoms

# A periodic cell with less room than this has no volume: solid hydrogen at 500 GPa, the densest that one computes,
# still has 1 angstrom^3 an atom (Loubeyre et al. 2020, Nature 577:631, fig. 1).
SMALLEST_VOLUME_ANGSTROM3 = 0.1

# The thinnest height of a periodic cell. A lattice needs thousands of images of a thinner one within any cutoff.
SMALLEST_HEIGHT_ANGSTROM = 0.01

# A micrometre, beyond any structure that one labels. vesin 0.6 crashes on an atom ten times as far away.
LARGEST_LENGTH_ANGSTROM = 1e4

HIGHEST_ATOMIC_NUMBER = 118


@dataclass(frozen=True, eq=False)
class Structure:
    """Atoms in a cell, with what a reference calculation says of them; NaN where it says nothing.

    Attributes:
        atomic_numbers: chemical elements, 1 = hydrogen.
        positions: Cartesian, in angstrom, inside the cell or not.
        cell: lattice vectors in angstrom, one a row; zero rows along directions without a lattice.
        pbc: whether the structure repeats along each lattice vector.
        energy: in eV.
        forces: in eV/angstrom.
        stress: in eV/angstrom^3, positive under tension.
        group: kind of configuration, e.g. "Surface"; scores are given for each.
        name: where it comes from, e.g. "train.xyz@17" (counted from 0, as in `ase gui train.xyz@17`).

    Raises:
        UserError: no atoms, an unknown element, a coordinate that is not a number or absurdly large, a periodic cell
            without volume.
    """

    atomic_numbers: Int[np.ndarray, " n"]
    positions: Float[np.ndarray, "n 3"]
    cell: Float[np.ndarray, "3 3"]
    pbc: Bool[np.ndarray, " 3"]
    energy: float
    forces: Float[np.ndarray, "n 3"]
    stress: Float[np.ndarray, "3 3"]
    group: str = "all"
    name: str = "structure"

    def __post_init__(self) -> None:
        numbers = self.atomic_numbers
        if not len(numbers):
            raise UserError(f"{self.name}: a structure needs at least one atom, but this one has none.")
        if numbers.min() < 1 or numbers.max() > HIGHEST_ATOMIC_NUMBER:
            raise UserError(
                f"{self.name}: atomic numbers must lie within 1 and {HIGHEST_ATOMIC_NUMBER}, but go from "
                f"{numbers.min()} to {numbers.max()}. Remove dummy atoms."
            )
        if not (np.isfinite(self.positions).all() and np.isfinite(self.cell).all()):
            raise UserError(
                f"{self.name}: every coordinate must be a number, but positions or cell have NaN or inf. "
                "Remove the structure."
            )
        farthest = max(float(np.abs(self.positions).max()), float(np.abs(self.cell).max()))
        if farthest > LARGEST_LENGTH_ANGSTROM:
            raise UserError(
                f"{self.name}: positions and cell must lie within {LARGEST_LENGTH_ANGSTROM:g} angstrom, but one is "
                f"{farthest:.3g}. Check the file, or that lengths are in angstrom."
            )
        volume, height = _room(self.cell, self.pbc)
        if volume < SMALLEST_VOLUME_ANGSTROM3 or height < SMALLEST_HEIGHT_ANGSTROM:
            raise UserError(
                f"{self.name}: the periodic cell {self.cell.tolist()} (pbc {self.pbc.tolist()}) has no volume "
                f"({volume:.3g} angstrom^3, thinnest height {height:.3g} angstrom). Give a cell, or set pbc to false."
            )

    @property
    def n_atoms(self) -> int:
        return len(self.atomic_numbers)

    @property
    def is_isolated_atom(self) -> bool:
        """One atom that nothing surrounds: its energy is the reference energy of its element."""
        return self.n_atoms == 1 and not self.pbc.any()

    @property
    def has_energy(self) -> bool:
        return bool(np.isfinite(self.energy))

    @property
    def has_forces(self) -> bool:
        return bool(np.isfinite(self.forces).all())

    @property
    def has_stress(self) -> bool:
        return bool(np.isfinite(self.stress).all())


def with_labels(
    structure: Structure,
    *,
    energy: float | None = None,
    forces: Float[np.ndarray, "n 3"] | None = None,
    stress: Float[np.ndarray, "3 3"] | None = None,
    group: str | None = None,
) -> Structure:
    """The same structure with these labels and no others, in eV and angstrom."""
    return replace(
        structure,
        energy=float("nan") if energy is None else energy,
        forces=np.full((structure.n_atoms, 3), np.nan) if forces is None else forces,
        stress=np.full((3, 3), np.nan) if stress is None else stress,
        group=structure.group if group is None else group,
    )


def from_atoms(atoms: Atoms, name: str = "structure") -> Structure:
    """An unlabelled structure from ASE's Atoms."""
    return Structure(
        atomic_numbers=np.asarray(atoms.numbers, dtype=np.int64),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=bool),
        energy=float("nan"),
        forces=np.full((len(atoms), 3), np.nan),
        stress=np.full((3, 3), np.nan),
        name=name,
    )


def to_atoms(structure: Structure) -> Atoms:
    """ASE's Atoms with the labels in a SinglePointCalculator, and the group as info["config_type"]."""
    from ase import Atoms

    atoms = Atoms(structure.atomic_numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.info["config_type"] = structure.group
    attach_labels(atoms, structure)
    return atoms


def attach_labels(atoms: Atoms, structure: Structure) -> None:
    """Puts the labels, those that there are, into a SinglePointCalculator of `atoms`."""
    from ase.calculators.singlepoint import SinglePointCalculator

    labels: dict[str, object] = {}
    if structure.has_energy:
        labels["energy"] = structure.energy
    if structure.has_forces:
        labels["forces"] = structure.forces
    if structure.has_stress:
        labels["stress"] = as_voigt(structure.stress)
    if labels:
        atoms.calc = SinglePointCalculator(atoms, **labels)


def extxyz_text(frames: Sequence[Atoms]) -> str:
    """The contents of an extended-XYZ file."""
    from ase.io import write

    text = io.StringIO()
    write(text, list(frames), format="extxyz")
    return text.getvalue()


def check_distances(structure: Structure, minimum_distance_angstrom: float) -> None:
    """Refuses atoms on top of each other, periodic images included.

    Raises:
        UserError: naming the structure, the two atoms and their distance.
    """
    # with a short cutoff the neighbour list spends its time on empty cells
    i, j, d = neighbour_pairs(structure, max(minimum_distance_angstrom, 1.5), "ijd")
    k = int(np.argmin(d)) if len(d) else 0
    if len(d) and d[k] < minimum_distance_angstrom:
        raise UserError(
            f"{structure.name}: atoms {i[k]} and {j[k]} are {d[k]:.3g} angstrom apart, periodic images counted: closer "
            f"than {minimum_distance_angstrom:g}. Remove the structure, or check that lengths are in angstrom."
        )


def check_forces(structure: Structure, maximum_force_ev_per_angstrom: float) -> None:
    """Refuses forces that are not numbers or larger than any that a converged calculation gives.

    Raises:
        UserError: naming the structure, the atom and the force.
    """
    missing = np.isnan(structure.forces)
    if missing.all():
        return
    broken = ~np.isfinite(structure.forces).all(axis=1)
    if broken.any():
        raise UserError(
            f"{structure.name}: the force on atom {int(np.argmax(broken))} is NaN or inf. Remove the structure."
        )
    size = np.linalg.norm(structure.forces, axis=1)
    k = int(np.argmax(size))
    if size[k] > maximum_force_ev_per_angstrom:
        raise UserError(
            f"{structure.name}: the force on atom {k} is {size[k]:.4g} eV/angstrom, but none above "
            f"{maximum_force_ev_per_angstrom:g} is believed. Declare the file's unit if it is another "
            "(dataset.variables.forces), remove the structure, or raise dataset.maximum_force_ev_per_angstrom."
        )


def neighbour_pairs(structure: Structure, cutoff_angstrom: float, quantities: str) -> tuple[np.ndarray, ...]:
    """Pairs within the cutoff, both ways, periodic images included, sorted by the first atom (see vesin)."""
    neighbours = NeighborList(cutoff=cutoff_angstrom, full_list=True, sorted=True)
    return tuple(neighbours.compute(structure.positions, structure.cell, structure.pbc, quantities))


def _room(cell: Float[np.ndarray, "3 3"], pbc: Bool[np.ndarray, " 3"]) -> tuple[float, float]:
    """Volume of the cell and its thinnest periodic height, with 1 angstrom along each direction without a lattice."""
    rows = cell[pbc]
    if not len(rows):
        return float("inf"), float("inf")
    # the product of singular values is the length, area or volume that the periodic vectors span
    volume = float(np.prod(np.linalg.svd(rows, compute_uv=False)))
    if len(rows) == 1:
        return volume, volume
    faces = [float(np.prod(np.linalg.svd(np.delete(rows, k, axis=0), compute_uv=False))) for k in range(len(rows))]
    return volume, min(volume / face if face > 0 else 0.0 for face in faces)
