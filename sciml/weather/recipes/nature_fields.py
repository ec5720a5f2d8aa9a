"""Weather of the SPEEDY-physics model's chunks: from sigma to pressure levels, with the names and units of ECMWF.

Shapes: t times, l sigma levels, p pressure levels, x longitudes, y latitudes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.recipes.sigma_levels import GRAVITY_M_S2, SigmaColumn, to_levels

Arrays = dict[str, NDArray[Any]]

# the reference of the model's normalised surface pressure (jcm/constants.py, p0)
_REFERENCE_PRESSURE_PA = 1e5
_WATER_KG_M3 = 1000.0
UNITS = {
    "z": "m2 s-2",
    "t": "K",
    "u": "m s-1",
    "v": "m s-1",
    "q": "kg kg-1",
    "t2m": "K",
    "u10": "m s-1",
    "v10": "m s-1",
    "msl": "Pa",
    "sp": "Pa",
    "tp": "m",
    "lsm": "1",
}


def chunks(work: Path) -> list[Path]:
    """What the model wrote, in order of time."""
    return sorted((work / "chunks").glob("*.npz"))


def _load(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def static_fields(work: Path) -> xr.Dataset:
    """Land fraction and the surface's geopotential."""
    grid = _load(work / "grid.npz")
    place = {"latitude": grid["latitude"], "longitude": grid["longitude"]}
    fields = {"lsm": grid["land_fraction"], "z": GRAVITY_M_S2 * grid["orography_m"]}
    variables = {
        name: (("latitude", "longitude"), values.T.astype(np.float32), {"units": UNITS[name]})
        for name, values in fields.items()
    }
    return xr.Dataset(variables, coords=_with_units(place))


def canonical(work: Path, levels_hpa: tuple[float, ...]) -> xr.Dataset:
    """All chunks as one dataset with the names and units of ECMWF, lazily, a chunk at a time.

    Raises:
        UserError: there is no chunk.
    """
    import dask.array as da
    from dask.delayed import delayed

    paths = chunks(work)
    if not paths:
        raise UserError(f"{work / 'chunks'} has no chunk of the model. Run the recipe again.")
    grid = _load(work / "grid.npz")
    times = [_times(path) for path in paths]
    sizes = (len(levels_hpa), len(grid["latitude"]), len(grid["longitude"]))
    chunk: Any = delayed(chunk_fields)
    parts = [chunk(path, grid["sigma"], levels_hpa) for path in paths]
    variables = {}
    for name in UNITS:
        if name == "lsm":
            continue
        dims = ("level", "latitude", "longitude") if name in "ztuvq" else ("latitude", "longitude")
        shape = sizes if name in "ztuvq" else sizes[1:]
        pieces = [
            da.from_delayed(part[name], (len(time), *shape), np.float32)
            for part, time in zip(parts, times, strict=True)
        ]
        attributes = {"units": UNITS[name]} | ({"accumulation_hours": 6} if name == "tp" else {})
        variables[name] = (("time", *dims), da.concatenate(pieces), attributes)
    place = {"latitude": grid["latitude"], "longitude": grid["longitude"], "level": np.array(levels_hpa)}
    coords = _with_units(place) | {"time": np.concatenate(times)}
    return xr.Dataset(variables, coords=coords)


def _times(path: Path) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as file:
        return file["time"].astype("datetime64[s]").astype("datetime64[ns]")


def chunk_fields(path: Path, sigma: NDArray[np.float64], levels_hpa: tuple[float, ...]) -> Arrays:
    """The canonical fields of a chunk, float32, [t, p, y, x] or [t, y, x]."""
    raw = _load(path)
    surface_pressure = _REFERENCE_PRESSURE_PA * raw["normalized_surface_pressure"].astype(np.float64)
    column = SigmaColumn(sigma, surface_pressure)
    # levels first, as the column has them
    upper = {name: np.moveaxis(raw[name].astype(np.float64), 1, 0) for name in "ztuvq"}
    found = {name: np.moveaxis(values, 0, 1) for name, values in to_levels(column, upper, levels_hpa).items()}
    found["msl"] = column.mean_sea_level_pressure(upper["z"], upper["t"])
    found["sp"] = surface_pressure
    found["tp"] = raw["rain_kg_m2"] / _WATER_KG_M3
    found |= {name: raw[name] for name in ("t2m", "u10", "v10")}
    return {name: np.ascontiguousarray(values.swapaxes(-1, -2), np.float32) for name, values in found.items()}


def _with_units(place: Arrays) -> dict[str, Any]:
    units = {"latitude": "degrees_north", "longitude": "degrees_east", "level": "hPa"}
    return {name: (name, values, {"units": units[name]}) for name, values in place.items()}


def twins(work: Path, levels_hpa: tuple[float, ...]) -> dict[str, Arrays]:
    """The canonical fields of each twin, by its name."""
    sigma = _load(work / "grid.npz")["sigma"]
    return {
        path.stem: chunk_fields(path, sigma, levels_hpa) | {"time": _times(path)}
        for path in sorted((work / "twins").glob("*.npz"))
    }
