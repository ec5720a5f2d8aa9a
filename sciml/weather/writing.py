"""Writes datasets so that a reader sees all of a file or none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from sciml.core.writing import replaced


def write_dataset(dataset: xr.Dataset, path: Path, *, packed: bool = False) -> None:
    """Writes netCDF, or Zarr when the name ends in .zarr, to a temporary name and renames it; replaces what is there.

    Args:
        dataset: lazy or not.
        path: its name says the format.
        packed: netCDF in two bytes a value, as ERA5 used to come: exact to half of a 65,000th of a variable's range.

    Raises:
        UserError: it cannot be written; what was there is left as it was.
    """
    with replaced(path) as temporary:
        if path.suffix == ".zarr":
            # format 2 is what all readers of Zarr know
            dataset.to_zarr(temporary, zarr_format=2, consolidated=True)
        else:
            compressed = {
                name: {"zlib": True, "complevel": 9 if packed else 1, "shuffle": True}
                | (_packing(values) if packed else {})
                for name, values in dataset.data_vars.items()
            }
            dataset.to_netcdf(temporary, engine="netcdf4", encoding=compressed)


def _packing(values: xr.DataArray) -> dict[str, Any]:
    """The encoding of a variable without missing values in whole numbers of two bytes."""
    low, high = float(values.min()), float(values.max())
    scale = (high - low) / 65_000 or 1.0
    # a multiple of the scale, so that zeros stay zeros
    middle = round(0.5 * (high + low) / scale) * scale
    return {"dtype": "int16", "scale_factor": scale, "add_offset": middle, "_FillValue": -32768}
