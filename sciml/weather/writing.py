"""Writes datasets so that a reader sees all of a file or none of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import xarray as xr

from sciml.core.errors import UserError


def write_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Writes netCDF, or Zarr when the name ends in .zarr, to a temporary name and renames it; replaces what is there.

    Raises:
        UserError: it cannot be written; what was there is left as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".zarr":
            # format 2 is what all readers of Zarr know
            dataset.to_zarr(temporary, zarr_format=2, consolidated=True)
        else:
            compressed = {name: {"zlib": True, "complevel": 1, "shuffle": True} for name in dataset.data_vars}
            dataset.to_netcdf(temporary, engine="netcdf4", encoding=compressed)
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. Free some space or choose another folder."
        ) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
