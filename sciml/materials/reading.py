"""Structures from files, with their labels or without, in eV and angstrom.

Extended XYZ, ASE databases, mlearn's JSON and whatever else ase.io reads. Every mistake is one line naming file and
structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.core.units import conversion_factor
from sciml.materials.formats import format_of, read_images
from sciml.materials.labels import (
    DEFAULT_KEYS,
    DEFAULT_UNITS,
    ReadOptions,
    as_energy,
    as_forces,
    as_tensor,
)
from sciml.materials.mlearn import read_mlearn
from sciml.materials.structures import (
    Structure,
    check_distances,
    check_forces,
    from_atoms,
    to_atoms,
    with_labels,
)

if TYPE_CHECKING:
    from ase import Atoms

# what ASE's calculators may say of a structure and a prediction says anew
_RESULTS = ("energy", "free_energy", "energies", "forces", "stress", "stresses")

# what extended XYZ says of every structure, and ASE's names for it
_GEOMETRY = ("species", "symbols", "Z", "pos", "move_mask", "Lattice", "Properties", "pbc")

# a magnitude, in the default unit, that tells two units apart when their labels are compared
_SAME_UNIT = 1e-6


def read_structures(path: str | Path, format: str = "auto", options: ReadOptions | None = None) -> list[Structure]:
    """Every structure of a file, in its order, with the labels that it has, in eV and angstrom.

    Args:
        path: the file, gzip-compressed or not.
        format: "auto", "mlearn", "extxyz", "db" or another name that ase.io knows.
        options: names and units of the labels, limits.

    Raises:
        UserError: an unreadable or empty file, or a structure that no calculation can have given.
    """
    path, options = Path(path), options or ReadOptions()
    kind = format_of(path, format)
    read = read_mlearn(path, options) if kind == "mlearn" else _read_ase(path, kind, options)
    structures = [_checked(structure, options) for structure in read]
    if not structures:
        raise _no_structure(path)
    missing_keys = [name for name in options.keys if name != "group" and not _any_label(structures, name)]
    if missing_keys:
        names = ", ".join(f"{name} as `{options.keys[name]}`" for name in missing_keys)
        raise UserError(f"{path}: no structure has {names}. Check dataset.keys against the file.")
    return structures


def read_unlabelled(path: str | Path, options: ReadOptions | None = None) -> list[tuple[Structure, Atoms]]:
    """Every structure of a file without labels, and as Atoms with what else the file says of it in info and arrays.

    Args:
        path: as of `read_structures`.
        options: the unit of length and the least distance; names and units of labels do not matter.

    Raises:
        UserError: an unreadable or empty file, or atoms on top of each other.
    """
    path, options = Path(path), options or ReadOptions()
    kind = format_of(path, "auto")
    if kind == "mlearn":
        bare = [with_labels(structure) for structure in read_mlearn(path, options)]
        found = [(structure, to_atoms(structure)) for structure in bare]
    else:
        found = []
        for index, (atoms, extra, metadata) in enumerate(read_images(path, kind)):
            name = f"{path.name}@{index}"
            declared = {**_declared_units(metadata), **_declared_units(atoms.info)}
            _check_declared(name, {key: unit for key, unit in declared.items() if key == "length"}, options)
            bare = _unlabelled(atoms, extra, options.factor("length"))
            found.append((from_atoms(bare, name), bare))
    if not found:
        raise _no_structure(path)
    for structure, _ in found:
        check_distances(structure, options.minimum_distance_angstrom)
    return found


def _no_structure(path: Path) -> UserError:
    return UserError(f"{path}: needs at least one structure, but has none.")


def _any_label(structures: list[Structure], name: str) -> bool:
    attribute = {"energy": "has_energy", "forces": "has_forces", "stress": "has_stress", "virial": "has_stress"}[name]
    return any(getattr(structure, attribute) for structure in structures)


def _checked(structure: Structure, options: ReadOptions) -> Structure:
    check_forces(structure, options.maximum_force_ev_per_angstrom)
    check_distances(structure, options.minimum_distance_angstrom)
    return structure


# ------------------------------------------------------------------------------------------------------ ASE's formats


def _read_ase(path: Path, kind: str, options: ReadOptions) -> Iterator[Structure]:
    for index, (atoms, extra, metadata) in enumerate(read_images(path, kind)):
        _check_declared(path.name, _declared_units(metadata), options)
        yield _from_ase(atoms, f"{path.name}@{index}", options, extra)


def _unlabelled(atoms: Atoms, extra: Mapping[str, Any], length: float) -> Atoms:
    """`atoms` in angstrom with all info and arrays that extended XYZ can hold, but results and statements of units."""
    from ase import Atoms

    bare = Atoms(atoms.numbers, atoms.positions * length, cell=atoms.cell.array * length, pbc=atoms.pbc)
    bare.info = {
        key: value
        for key, value in {**extra, **atoms.info}.items()
        if key not in (*_RESULTS, *_GEOMETRY) and not _UNIT_KEY.fullmatch(str(key)) and _fits_a_header(key, value)
    }
    for key, array in atoms.arrays.items():
        if key not in (*_RESULTS, *_GEOMETRY, *bare.arrays) and _fits_columns(key, array):
            bare.set_array(key, array)
    return bare


def _fits_a_header(key: Any, value: Any) -> bool:
    """Whether a value may stand in the header of extended XYZ, which is one line of words, text and numbers."""
    if not isinstance(key, str) or re.fullmatch(r"[\w.-]+", key) is None:
        return False
    if isinstance(value, str):
        return value != "" and value.isprintable()
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        return False
    return array.dtype.kind in "fib" and array.ndim <= 2 and array.size > 0


def _fits_columns(key: str, array: np.ndarray) -> bool:
    """Whether an array may be columns of extended XYZ, which spaces part."""
    words = array.ravel().tolist() if array.dtype.kind in "UO" else []
    if not all(isinstance(word, str) and word.split() == [word] for word in words):
        return False
    return array.dtype.kind in "fibUO" and array.ndim <= 2 and re.fullmatch(r"[\w.-]+", key) is not None


def _from_ase(atoms: Atoms, name: str, options: ReadOptions, extra: Mapping[str, Any]) -> Structure:
    """A structure from Atoms whose labels are calculator results, `info`, `arrays` or a database row's data."""
    results = getattr(atoms.calc, "results", None) or {}
    found = {**extra, **atoms.info, **atoms.arrays, **{k: v for k, v in results.items() if v is not None}}
    _check_declared(name, _declared_units(atoms.info), options)
    n = len(atoms)
    cell = np.array(atoms.cell.array, dtype=np.float64) * options.factor("length")
    group = _label(found, "group", options)
    return Structure(
        atomic_numbers=np.asarray(atoms.numbers, dtype=np.int64),
        positions=np.array(atoms.positions, dtype=np.float64) * options.factor("length"),
        cell=cell,
        pbc=np.array(atoms.pbc, dtype=bool),
        energy=as_energy(_label(found, "energy", options), name) * options.factor("energy"),
        forces=as_forces(_label(found, "forces", options), n, name) * options.factor("forces"),
        # without three periodic directions there is no volume, and a number that a code prints means nothing
        stress=_stress(found, cell, name, options) if atoms.pbc.all() else np.full((3, 3), np.nan),
        group="all" if group is None else str(group),
        name=name,
    )


def _label(found: Mapping[str, Any], quantity: str, options: ReadOptions) -> Any:
    if quantity in options.keys:
        return found.get(options.keys[quantity])
    return next((found[key] for key in DEFAULT_KEYS[quantity] if found.get(key) is not None), None)


def _stress(found: Mapping[str, Any], cell: np.ndarray, name: str, options: ReadOptions) -> Float[np.ndarray, "3 3"]:
    """From a stress, or from a virial W = -stress * volume as QUIP and MACE store it."""
    stress, virial = _label(found, "stress", options), _label(found, "virial", options)
    volume = abs(float(np.linalg.det(cell)))
    if stress is not None:
        return as_tensor(stress, "stress", name) * options.factor("stress")
    if virial is None or volume == 0:
        return np.full((3, 3), np.nan)
    return -as_tensor(virial, "virial", name) * options.factor("virial") / volume


# ------------------------------------------------------------------------------------------- units that a file declares

_UNIT_KEY = re.compile(r"_?(length|distance|positions?|energy|energies|forces?|stress|virials?)_?units?", re.IGNORECASE)
_QUANTITY_OF = {
    "distance": "length",
    "position": "length",
    "positions": "length",
    "energies": "energy",
    "force": "forces",
    "virials": "virial",
}


def _declared_units(info: Mapping[Any, Any]) -> dict[str, str]:
    """Units that a file states: `energy_unit=Hartree` beside a structure, or SchNetPack's metadata of a database."""
    declared = {
        match[1].lower(): value
        for key, value in info.items()
        if isinstance(value, str) and (match := _UNIT_KEY.fullmatch(str(key)))
    }
    properties = info.get("_property_unit_dict")
    if isinstance(properties, Mapping):
        declared |= {key: value for key, value in properties.items() if isinstance(value, str)}
    return {_QUANTITY_OF.get(key, key): value for key, value in declared.items()}


def _check_declared(name: str, declared: Mapping[str, str], options: ReadOptions) -> None:
    for quantity, unit in declared.items():
        if quantity not in DEFAULT_UNITS:
            continue
        expected = options.units.get(quantity, DEFAULT_UNITS[quantity])
        try:
            same = abs(conversion_factor(unit, expected) - 1) < _SAME_UNIT
        except ValueError:
            same = False
        if not same:
            raise UserError(
                f"{name}: the file states {quantity} in {unit}, but it would be read as {expected}. "
                f"Declare it: --dataset.variables.{quantity}={unit}"
            )
