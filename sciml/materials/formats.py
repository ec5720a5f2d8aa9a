"""Which format a file has, and what ASE reads of it.

Nothing here unpickles, connects to a server or runs a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.materials.labels import DAMAGED, opened, unreadable

if TYPE_CHECKING:
    from ase import Atoms

# ase.io formats that are no file on this disk, or that unpickle
REFUSED_FORMATS = {
    "postgresql": "a database server",
    "mysql": "a database server",
    "bundletrajectory": "a folder, in old versions with pickles",
    "mongodb": "a database server",
}

# the readers one is told of; ase.io has many more
_USUAL_FORMATS = ("auto", "mlearn", "extxyz", "db", "json", "traj", "vasp", "vasp-xml", "vasp-out", "cif")

# Atoms, what a database says of them besides, and its metadata, which hold for all
Image = tuple["Atoms", Mapping[str, Any], Mapping[str, Any]]


def check_format(kind: str) -> None:
    """Refuses a format that nothing here reads.

    Raises:
        UserError: naming the usual formats and the nearest one.
    """
    if kind in REFUSED_FORMATS:
        raise UserError(f"the format `{kind}` is {REFUSED_FORMATS[kind]}. Convert it to extxyz first.")
    if kind in _USUAL_FORMATS:
        return
    from ase.io.formats import ioformats

    readable = [name for name, known in ioformats.items() if known.can_read and name not in REFUSED_FORMATS]
    if kind not in readable:
        hint = suggest(kind, [*_USUAL_FORMATS, *readable])
        raise UserError(
            f"`{kind}` is no format that ase.io reads{f'; {hint}' if hint else '.'} "
            f"Known are {', '.join(_USUAL_FORMATS)}, and others that `ase info --formats` lists."
        )


def format_of(path: Path, format: str) -> str:
    """The file's format, guessed where it is "auto".

    Raises:
        UserError: no such file, an empty one, or a format that nothing here reads.
    """
    _check_file(path)
    kind = _guess_format(path) if format == "auto" else format
    try:
        check_format(kind)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return kind


def read_images(path: Path, kind: str) -> Iterator[Image]:
    """What ASE reads of a file, in its order. Raises UserError for a damaged file."""
    from ase.io import read as ase_read

    if kind == "db":
        yield from _db_images(path)
        return
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
    for atoms in images if isinstance(images, list) else [images]:
        yield atoms, {}, {}


def _check_extxyz_length(path: Path) -> None:
    """Refuses a count of atoms beyond the end of the file: ASE would count up to it, line by line."""
    try:
        with opened(path) as file:
            lines_after = sum(1 for _ in file)
            file.seek(0)
            for line in file:
                lines_after -= 1
                if not line.strip():
                    if any(rest.strip() for rest in file):
                        raise UserError(
                            f"{path}: an empty line stands before a structure, and ASE stops reading there. Remove it."
                        )
                    return
                if line.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
                    raise UserError(f"{path}: starts with a byte order mark. Save it as UTF-8 without one.")
                if line.startswith(b"VEC"):
                    continue  # lattice vectors may follow the atoms
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


def _db_images(path: Path) -> list[Image]:
    from ase.db import connect

    try:
        database = connect(str(path.resolve()), type="db", use_lock_file=False)
        metadata = {str(key): value for key, value in database.metadata.items()}
        return [(row.toatoms(), {**row.data, **row.key_value_pairs}, metadata) for row in database.select()]
    except Exception as error:  # sqlite3, JSON and ASE raise their own kinds over a damaged file
        raise unreadable(path, error, "an ASE database") from error


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
    packed = head == b"\x1f\x8b"
    if packed and (path.suffix != ".gz" or path.suffixes[-2:-1] in ([".traj"], [".db"])):
        raise UserError(f"{path}: packed with gzip, which is read of text files named .gz. Unpack it first.")
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
