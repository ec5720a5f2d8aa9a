"""Labelled structures from files: extended XYZ, ASE databases, mlearn's JSON and whatever else ase.io reads.

Nothing here unpickles, connects to a server or runs a file. Every mistake is one line naming file and structure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.core.units import conversion_factor
from sciml.materials.labels import (
    DAMAGED,
    DEFAULT_KEYS,
    DEFAULT_UNITS,
    ReadOptions,
    as_energy,
    as_forces,
    as_tensor,
    opened,
    unreadable,
)
from sciml.materials.mlearn import read_mlearn
from sciml.materials.structures import Structure, check_distances, check_forces

if TYPE_CHECKING:
    from ase import Atoms

# ase.io formats that are no file on this disk, or that unpickle
REFUSED_FORMATS = {
    "postgresql": "a database server",
    "mysql": "a database server",
    "bundletrajectory": "a folder, in old versions with pickles",
    "mongodb": "a database server",
}

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
    _check_file(path)
    kind = _guess_format(path) if format == "auto" else format
    if kind in REFUSED_FORMATS:
        raise UserError(f"{path}: the format `{kind}` is {REFUSED_FORMATS[kind]}. Convert it to extxyz first.")
    read = _READERS.get(kind, _read_ase(kind))
    structures = [_checked(structure, options) for structure in read(path, options)]
    if not structures:
        raise UserError(f"{path}: needs at least one structure, but has none.")
    missing_keys = [name for name in options.keys if name != "group" and not _any_label(structures, name)]
    if missing_keys:
        names = ", ".join(f"{name} as `{options.keys[name]}`" for name in missing_keys)
        raise UserError(f"{path}: no structure has {names}. Check dataset.keys against the file.")
    return structures


def _any_label(structures: list[Structure], name: str) -> bool:
    attribute = {"energy": "has_energy", "forces": "has_forces", "stress": "has_stress", "virial": "has_stress"}[name]
    return any(getattr(structure, attribute) for structure in structures)


def _checked(structure: Structure, options: ReadOptions) -> Structure:
    check_forces(structure, options.maximum_force_ev_per_angstrom)
    check_distances(structure, options.minimum_distance_angstrom)
    return structure


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path}: a file with structures is needed, but this is a folder.")
    try:
        with path.open("rb") as file:
            head = file.read(2)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    if not head:
        raise UserError(f"{path}: the file is empty.")
    # protocol 2 and later of Python's pickle module open with PROTO and the protocol's number
    if len(head) > 1 and head[0] == 0x80 and head[1] <= 5:
        raise UserError(f"{path}: a Python pickle, which may run code. Convert it to extxyz where you trust it.")


def _guess_format(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".xyz", ".extxyz")):
        return "extxyz"
    if name.endswith(".db"):
        return "db"
    if name.endswith(".json"):
        try:
            with opened(path) as file:
                return "mlearn" if file.read(64).lstrip()[:1] == b"[" else "json"
        except DAMAGED as error:
            raise unreadable(path, error, "JSON") from error
    if name.endswith(".traj"):
        return "traj"
    from ase.io.formats import UnknownFileTypeError, filetype

    try:
        return filetype(str(path.resolve()))
    except UnknownFileTypeError as error:
        raise UserError(
            f"{path}: its format is not recognised. Use extxyz, or name one of ase.io's formats (files.*.format)."
        ) from error
    except Exception as error:
        raise unreadable(path, error) from error


# ------------------------------------------------------------------------------------------------------ ASE's formats


def _read_ase(kind: str) -> Callable[[Path, ReadOptions], Iterator[Structure]]:
    def read(path: Path, options: ReadOptions) -> Iterator[Structure]:
        from ase.io import read as ase_read
        from ase.io.formats import ioformats

        if kind not in ioformats or not ioformats[kind].can_read:
            raise UserError(f"{path}: `{kind}` is no format that ase.io reads; `ase info --formats` lists them.")
        if kind == "traj":
            with path.open("rb") as file:
                # without one of these words ASE takes the file for a pickle of its first versions
                if file.read(8) not in (b"- of Ulm", b"AFFormat"):
                    raise UserError(f"{path}: not an ASE trajectory, or one of 2014 and before, which is a pickle.")
        if kind == "extxyz":
            _check_extxyz_length(path)
        try:
            images = ase_read(str(path.resolve()), index=":", format=kind, do_not_split_by_at_sign=True)
        except Exception as error:  # a reader may raise anything over a damaged file
            raise unreadable(path, error, kind) from error
        for index, atoms in enumerate(images if isinstance(images, list) else [images]):
            yield _from_ase(atoms, f"{path.name}@{index}", options)

    return read


def _check_extxyz_length(path: Path) -> None:
    """Refuses a count of atoms beyond the end of the file: ASE would count up to it, line by line."""
    try:
        with opened(path) as file:
            lines_after = sum(1 for _ in file)
            file.seek(0)
            for line in file:
                lines_after -= 1
                if not line.strip():
                    return  # a structure is never followed by another after an empty line
                n_atoms = int(line.split()[0])
                if n_atoms < 0 or n_atoms + 1 > lines_after:
                    raise UserError(f"{path}: a header says {n_atoms} atoms, but only {lines_after} lines follow.")
                for _ in range(n_atoms + 1):
                    next(file)
                lines_after -= n_atoms + 1
    except DAMAGED as error:
        if isinstance(error, UserError):
            raise
        raise unreadable(path, error, "extended XYZ") from error


def _read_db(path: Path, options: ReadOptions) -> Iterator[Structure]:
    from ase.db import connect

    try:
        database = connect(str(path.resolve()), type="db", use_lock_file=False)
        declared = _declared_units(dict(database.metadata))
        rows = [(row.toatoms(), {**row.data, **row.key_value_pairs}) for row in database.select()]
    except Exception as error:  # sqlite3, JSON and ASE raise their own kinds over a damaged file
        raise unreadable(path, error, "an ASE database") from error
    _check_declared(path.name, declared, options)
    for index, (atoms, extra) in enumerate(rows):
        yield _from_ase(atoms, f"{path.name}@{index}", options, extra)


def _from_ase(atoms: Atoms, name: str, options: ReadOptions, extra: Mapping[str, Any] | None = None) -> Structure:
    """A structure from Atoms whose labels are calculator results, `info`, `arrays` or a database row's data."""
    results = getattr(atoms.calc, "results", None) or {}
    found = {**(extra or {}), **atoms.info, **atoms.arrays, **{k: v for k, v in results.items() if v is not None}}
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


_READERS: dict[str, Callable[[Path, ReadOptions], Iterator[Structure]]] = {"mlearn": read_mlearn, "db": _read_db}
