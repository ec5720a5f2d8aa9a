"""Readers of files with samples of fields: our own netCDF, any netCDF or Zarr, PDEBench, The Well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sciml.core.errors import UserError
from sciml.pde.data import PdeData
from sciml.pde.reading.hdf5 import is_hdf5, open_hdf5
from sciml.pde.reading.labelled import read_labelled
from sciml.pde.reading.pdebench import is_pdebench, read_pdebench
from sciml.pde.reading.the_well import is_the_well, read_the_well


def read_pde(path: Path, periodic: Sequence[bool] | None = None) -> PdeData:
    """What is in a file, whose layout is told from its contents; the numbers of the fields are not read yet.

    Args:
        path: netCDF, HDF5 or a Zarr folder.
        periodic: whether fields go on at the other end, by axis; None for what the file says, and no where it says
            nothing. PDEBench's files say nothing.

    Raises:
        UserError: no file, a damaged one, a layout that none of the readers knows, or a name or shape that does not
            belong to the layout.
    """
    data = _read(path)
    if periodic is None:
        return data
    if len(periodic) != len(data.axes):
        raise UserError(f"{path} has the axes {', '.join(data.axes)}, so `periodic` needs {len(data.axes)} values.")
    return replace(data, periodic=tuple(periodic))


def _read(path: Path) -> PdeData:
    if not path.exists():
        raise UserError(f"there is no file {path}. Check the path.")
    if path.is_dir() or not is_hdf5(path):
        return read_labelled(path)
    file = open_hdf5(path)
    if is_the_well(file):
        return read_the_well(path, file)
    if is_pdebench(file):
        return read_pdebench(path, file)
    file.close()
    return read_labelled(path)
