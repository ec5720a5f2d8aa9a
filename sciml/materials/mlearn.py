"""The format of github.com/materialsvirtuallab/mlearn: pymatgen structures in JSON, read without pymatgen.

`virial_stress` holds six numbers in kbar, positive under compression, the first four xx, yy, zz, xy. The last two are
yz, xz in some groups of some files (VASP's order, which the authors' code takes for granted) and xz, yz in others; the
forces tell which, see `shear_orders`. Evidence: datasets/mlearn-si/README.md and tests/sciml/materials/test_mlearn.py.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.core.units import conversion_factor
from sciml.materials.labels import (
    DAMAGED,
    ReadOptions,
    as_energy,
    as_forces,
    as_numbers,
    as_tensor,
    opened,
    unreadable,
)
from sciml.materials.pair_virial import stresses_implied_by_forces
from sciml.materials.structures import Structure, check_forces

logger = logging.getLogger(__name__)

ShearOrder = Literal["yz, xz", "xz, yz"]

# places of the six numbers in the tensor when the last two are yz, xz
_VASP_ORDER = np.array([[0, 3, 5], [3, 1, 4], [5, 4, 2]])

# Over the real files the right order correlates with what the forces imply by 0.87 and more and the wrong one by 0.6 at
# most; groups whose shears are near zero correlate with neither. One structure correlates by chance.
_RIGHT_CORRELATION = 0.85
_WRONG_CORRELATION = 0.7
_FEWEST_STRUCTURES = 2


def read_mlearn(path: Path, options: ReadOptions) -> Iterator[Structure]:
    """The structures of an mlearn file. Raises UserError naming the entry that is none."""
    try:
        with opened(path) as file:
            entries = json.loads(file.read())
    except DAMAGED as error:
        raise unreadable(path, error, "mlearn JSON") from error
    if not isinstance(entries, list):
        raise UserError(f"{path}: mlearn JSON is a list of entries, but this is a {type(entries).__name__}.")
    structures = [_entry(entry, f"{path.name}@{index}", options) for index, entry in enumerate(entries)]
    for structure in structures:
        # an absurd force would spoil the orders of all
        check_forces(structure, options.maximum_force_ev_per_angstrom)
    yield from _sorted_shears(structures, path)


def _entry(entry: Any, name: str, options: ReadOptions) -> Structure:
    from ase.data import atomic_numbers

    try:
        sites = entry["structure"]["sites"]
        symbols = [_only_element(site["species"]) for site in sites]
        numbers = np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64)
        positions = np.array([site["xyz"] for site in sites], dtype=np.float64).reshape(len(sites), 3)
        cell = np.array(entry["structure"]["lattice"]["matrix"], dtype=np.float64).reshape(3, 3)
        outputs = entry["outputs"]
        virial_stress = outputs.get("virial_stress")
        group = str(entry.get("group", "all"))
        energy, forces = outputs.get("energy"), outputs.get("forces")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(f"{name}: not an mlearn entry ({type(error).__name__}: {str(error)[:80]}).") from error
    stress = np.full((3, 3), np.nan)
    if virial_stress is not None:
        kbar = as_numbers(virial_stress, "virial_stress", name)
        if kbar.shape != (6,):
            raise UserError(f"{name}: virial_stress must be six numbers, but has shape {kbar.shape}.")
        stress = -as_tensor(kbar[_VASP_ORDER], "virial_stress", name) * conversion_factor("kbar", "eV/angstrom^3")
    return Structure(
        atomic_numbers=numbers,
        positions=positions * options.factor("length"),
        cell=cell * options.factor("length"),
        pbc=np.ones(3, dtype=bool),
        energy=as_energy(energy, name) * options.factor("energy"),
        forces=as_forces(forces, len(sites), name) * options.factor("forces"),
        stress=stress,
        group=group,
        name=name,
    )


def _only_element(species: Any) -> str:
    if len(species) != 1 or species[0].get("occu", 1) != 1:
        raise ValueError(f"a site with partial occupation {species}")
    return species[0]["element"]


def shear_orders(structures: Sequence[Structure]) -> dict[str, ShearOrder]:
    """Which order the last two of the six stress numbers have in each group, given stresses read as if "yz, xz".

    The forces imply a stress (see pair_virial), with which one of the orders agrees. A group that does not tell has the
    order of the largest one that does.
    """
    sheared = [s for s in structures if s.has_forces and s.has_stress and np.abs(s.forces).max() > 0]
    if not sheared:
        return dict.fromkeys((structure.group for structure in structures), "yz, xz")
    labelled_s2 = np.array([structure.stress[[1, 0], 2] for structure in sheared])
    implied_s2 = stresses_implied_by_forces(sheared)[:, [1, 0], 2]
    decided: dict[str, ShearOrder] = {}
    for group, size in Counter(structure.group for structure in sheared).most_common():
        here = np.array([structure.group == group for structure in sheared])
        found = _decide(labelled_s2[here], implied_s2[here]) if size >= _FEWEST_STRUCTURES else None
        if found is not None:
            decided[group] = found
    others: ShearOrder = next(iter(decided.values())) if decided else "yz, xz"
    return {structure.group: decided.get(structure.group, others) for structure in structures}


def _decide(labelled: Float[np.ndarray, "s 2"], implied: Float[np.ndarray, "s 2"]) -> ShearOrder | None:
    norm = float(np.linalg.norm(labelled) * np.linalg.norm(implied))
    if norm == 0 or not np.isfinite(norm):
        return None
    as_read = float(np.sum(labelled * implied)) / norm
    exchanged = float(np.sum(labelled * implied[:, ::-1])) / norm
    if max(as_read, exchanged) < _RIGHT_CORRELATION or min(as_read, exchanged) > _WRONG_CORRELATION:
        return None
    return "yz, xz" if as_read > exchanged else "xz, yz"


def _sorted_shears(structures: list[Structure], path: Path) -> list[Structure]:
    orders = shear_orders(structures)
    exchanged = sorted(group for group, order in orders.items() if order == "xz, yz")
    if exchanged:
        logger.info("%s: the forces say that virial_stress has xz before yz in %s.", path, ", ".join(exchanged))
    return [replace(s, stress=_exchanged_yz_xz(s.stress)) if orders[s.group] == "xz, yz" else s for s in structures]


def _exchanged_yz_xz(stress: np.ndarray) -> np.ndarray:
    exchanged = stress.copy()
    exchanged[[1, 2], [2, 1]] = stress[0, 2]
    exchanged[[0, 2], [2, 0]] = stress[1, 2]
    return exchanged
