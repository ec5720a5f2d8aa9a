"""HDF5 files whose damage is told in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether the file begins as HDF5 does, so netCDF-4 too."""
    with path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def open_hdf5(path: Path) -> h5py.File:
    """Opens for reading. Raises UserError when the file is damaged."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"{path} cannot be read as HDF5: {error}. It may have been cut short: get it again.") from None


def dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    """An array of the file. Raises UserError when it is missing, no array, or not of numbers."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise UserError(f"{path} should have an array `{name}`, but has none. Its top names are {', '.join(file)}.")
    if found.dtype.kind not in "fiub":
        raise UserError(f"{path}: `{name}` should hold numbers, but is of type {found.dtype}.")
    return found


def values(file: h5py.File, path: Path, name: str) -> NDArray[np.float64]:
    """All numbers of a small array, in float64."""
    return np.asarray(part(dataset(file, path, name), path, ()), np.float64)


def part(array: h5py.Dataset, path: Path, index: tuple[Any, ...]) -> NDArray[Any]:
    """Some numbers of an array. Raises UserError when the file is damaged there."""
    try:
        return np.asarray(array[index])
    except OSError as error:
        raise UserError(f"{path}: `{array.name}` cannot be read: {error}. Get the file again.") from None


def check_shape(array: h5py.Dataset, path: Path, expected: Sequence[int]) -> None:
    """Refuses, with UserError, an array of another shape."""
    if array.shape != tuple(expected):
        raise UserError(
            f"{path}: `{array.name}` should have the shape {tuple(expected)}, but has {array.shape}. Check the file."
        )
