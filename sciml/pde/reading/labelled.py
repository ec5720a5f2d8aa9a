"""netCDF and Zarr with named dimensions, our own files among them: (sample, time, x, ...), time only if it varies.

A field is a variable with the dimension `sample` and all dimensions of space; a variable with `sample` alone is a
parameter. Dimensions of space are all others but `time`, each with a coordinate, whose attribute `periodic` (0 or 1)
says whether the field goes on at the other end.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.pde.data import Fetch, PdeData, PdeField


def read_labelled(path: Path) -> PdeData:
    """A netCDF file or a Zarr folder.

    Raises:
        UserError: a damaged file, no dimension `sample`, a dimension without coordinate, or no field.
    """
    dataset = _open(path)
    if "sample" not in dataset.dims:
        dims = ", ".join(str(dim) for dim in dataset.dims) or "none"
        raise UserError(f"{path} needs a dimension `sample`, but its dimensions are {dims}. Rename the one of samples.")
    axes = tuple(str(dim) for dim in dataset.dims if dim not in ("sample", "time"))
    missing = [name for name in (*axes, *(["time"] if "time" in dataset.dims else [])) if name not in dataset.coords]
    if missing:
        raise UserError(f"{path} has no values for its dimension `{missing[0]}`. Add a coordinate of that name.")
    fields = []
    parameters: dict[str, NDArray[np.float64]] = {}
    for name, variable in dataset.data_vars.items():
        if variable.dims == ("sample",) and variable.dtype.kind in "fiu":
            parameters[str(name)] = np.asarray(variable.values, np.float64)
        elif {"sample", *axes} <= set(variable.dims) and variable.dtype.kind in "fiub":
            unit = str(variable.attrs.get("units", ""))
            fields.append(PdeField(str(name), unit, _fetch(path, dataset, name, axes), "time" in variable.dims))
    times = np.asarray(dataset["time"].values, np.float64) if "time" in dataset.dims else np.zeros(1)
    return PdeData(
        source=str(path),
        fields=tuple(fields),
        n_samples=dataset.sizes["sample"],
        times=times,
        axes=axes,
        coordinates={axis: np.asarray(dataset[axis].values, np.float64) for axis in axes},
        periodic=tuple(bool(dataset[axis].attrs.get("periodic", 0)) for axis in axes),
        parameters=parameters,
        attributes=dict(dataset.attrs),
    )


def _open(path: Path) -> xr.Dataset:
    try:
        if path.is_dir():
            return xr.open_zarr(path, chunks=None)
        return xr.open_dataset(path, engine="netcdf4", cache=False)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read as {'Zarr' if path.is_dir() else 'netCDF'}: {error}. It may be cut short, or "
            "be of another format: get it again."
        ) from None


def _fetch(path: Path, dataset: xr.Dataset, name: Hashable, axes: tuple[str, ...]) -> Fetch:
    variable = dataset[name]
    varies = "time" in variable.dims

    def fetch(samples: slice, times: slice, grid: tuple[slice, ...]) -> NDArray[np.float32]:
        chosen = {"sample": samples, **dict(zip(axes, grid, strict=True)), **({"time": times} if varies else {})}
        part = variable.isel(chosen).transpose("sample", ..., *axes)
        try:
            found = part.values
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(f"{path}: field `{name}` cannot be read: {error}. Get the file again.") from None
        return found if varies else found[:, None]

    return fetch
