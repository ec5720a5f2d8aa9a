"""What the data say before any network: energies of lone atoms, the scale of energies, a fingerprint.

Shapes: s structures, c chemical elements, n atoms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from sciml.core.errors import UserError
from sciml.materials.structures import Structure


def elements_of(structures: Sequence[Structure]) -> tuple[int, ...]:
    """Atomic numbers of all elements present, ascending."""
    return tuple(sorted({int(number) for structure in structures for number in structure.atomic_numbers}))


def reference_energies(
    structures: Sequence[Structure], elements: Sequence[int], known_ev: Mapping[int, float] | None = None
) -> list[float]:
    """Energy of an atom of each element such that their sum is nearest to the structures' energies.

    An element in `known_ev`, or with an isolated atom (one atom, no periodicity) among the structures, has exactly
    that energy; the others follow by least squares over the rest. Where compositions do not tell elements apart
    (water alone cannot say what H and O have), the solution of least norm is taken: it is unique and it still
    reproduces the total.

    Args:
        structures: labelled structures; those without energy are passed over.
        elements: atomic numbers.
        known_ev: energies that are given, by atomic number.

    Raises:
        UserError: two isolated atoms of one element with different energies.
    """
    fixed = {**_isolated_atoms(structures), **(known_ev or {})}
    rest = [structure for structure in structures if structure.has_energy and not structure.is_isolated_atom]
    free = [element for element in elements if element not in fixed]
    if free and rest:
        counts_sc = np.array([[np.sum(s.atomic_numbers == e) for e in elements] for s in rest], dtype=np.float64)
        energy_s = np.array([structure.energy for structure in rest])
        is_free = np.array([element in free for element in elements])
        energy_s = energy_s - counts_sc[:, ~is_free] @ np.array([fixed[e] for e in elements if e in fixed])
        # every structure counts alike, whatever its size, as in a loss over energies per atom
        weight_s = 1.0 / counts_sc.sum(axis=1)
        # singular values below 1e-8 of the largest are compositions that differ by rounding only
        solution, *_ = np.linalg.lstsq(counts_sc[:, is_free] * weight_s[:, None], energy_s * weight_s, rcond=1e-8)
        fixed = {**fixed, **dict(zip(free, solution.tolist(), strict=True))}
    return [float(fixed.get(element, 0.0)) for element in elements]


def _isolated_atoms(structures: Sequence[Structure]) -> dict[int, float]:
    found: dict[int, float] = {}
    for structure in structures:
        if structure.is_isolated_atom and structure.has_energy:
            element = int(structure.atomic_numbers[0])
            # two spin states of one atom differ by a tenth of an eV or more; printing digits by far less
            if abs(found.setdefault(element, structure.energy) - structure.energy) > 1e-3:
                raise UserError(
                    f"{structure.name}: the isolated atom {element} has {structure.energy} eV here and "
                    f"{found[element]} eV elsewhere. Keep one of them."
                )
    return found


def energy_scale(structures: Sequence[Structure]) -> float:
    """A natural unit of energy in eV: the root mean square force component times one angstrom.

    Without forces, the standard deviation of the energies per atom; 1 eV where neither varies.
    """
    forces = [structure.forces.ravel() for structure in structures if structure.has_forces]
    scale = float(np.sqrt(np.mean(np.square(np.concatenate(forces))))) if forces else 0.0
    if scale < 1e-6:
        energies = [structure.energy / structure.n_atoms for structure in structures if structure.has_energy]
        scale = float(np.std(energies)) if energies else 0.0
    return scale if scale >= 1e-6 else 1.0


def fingerprint(structures: Sequence[Structure]) -> str:
    """sha256 of what the structures say: neither file format nor order nor names change it, a digit does."""
    digests = sorted(_digest(structure) for structure in structures)
    return hashlib.sha256(b"".join(digests)).hexdigest()


def geometry_digest(structure: Structure) -> bytes:
    """sha256 of the atoms and cell alone, to find a structure that is in two sets."""
    return _sha256(structure.atomic_numbers, structure.positions, structure.cell, structure.pbc)


def _digest(structure: Structure) -> bytes:
    energy = np.array([structure.energy])
    return _sha256(
        structure.atomic_numbers,
        structure.positions,
        structure.cell,
        structure.pbc,
        energy,
        structure.forces,
        structure.stress,
    )


def _sha256(*arrays: np.ndarray) -> bytes:
    hasher = hashlib.sha256()
    for array in arrays:
        # adding zero makes -0.0 and 0.0 the same bytes; all NaN are written alike
        value = np.where(np.isnan(array), np.nan, array + 0.0) if array.dtype.kind == "f" else array
        kind = "<f8" if array.dtype.kind == "f" else "<i8"
        hasher.update(np.ascontiguousarray(value, dtype=kind).tobytes())
    return hasher.digest()
