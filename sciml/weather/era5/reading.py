"""One dataset as a file has it, turned into a canonical piece: selected first, then cut into chunks, then converted.

Shapes: t times, l lead times, m members, p levels, y latitudes, x longitudes.
"""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.chunks import chunked
from sciml.weather.era5.clock import Clock, analysis_clock, forecast_clock
from sciml.weather.era5.coordinates import find_name, levels_hpa, ordered_horizontally, with_horizontal, with_zeros
from sciml.weather.era5.expver import EXPVER, without_expver
from sciml.weather.era5.fields import asked_names, canonical_name, choose, in_units_of_table
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.request import Request, within
from sciml.weather.era5.sources import Raw
from sciml.weather.variables import VARIABLES, find_variable

DIMENSIONS = ("time", "lead_time", "number", "level", "latitude", "longitude")
# two levels of a file are one when they are this near, in hPa; the highest of ERA5 are 1 and 2 hPa
SAME_LEVEL_HPA = 1e-3


def canonical_piece(raw: Raw, request: Request, repairs: Repairs) -> xr.Dataset:
    """A canonical dataset of one file, in the file's order of times; empty where it has nothing of what is asked for.

    Raises:
        UserError: what the file has cannot be told or contradicts itself.
    """
    source = raw.name
    dataset = with_horizontal(with_zeros(raw.dataset, repairs), source, repairs)
    clock = (forecast_clock if request.is_forecast else analysis_clock)(dataset, source, repairs)
    names = _dimension_names(dataset, clock)
    arrays = _gridded(dataset, names, request, source, repairs)
    level = find_name(dataset, "level")
    on_levels = {own: _is_on_levels(array, level) for own, array in arrays.items()}
    arrays = choose(arrays, on_levels, request, source, repairs)
    levels = None
    if level is not None and any(on_levels[str(array.name)] for array in arrays.values()):
        levels = levels_hpa(dataset[level], source, repairs)
    chosen = _positions(clock, names, levels, raw.dataset.attrs, request, repairs)
    if levels is not None and not len(chosen["level"]):
        arrays = {name: array for name, array in arrays.items() if not on_levels[str(array.name)]}
    if not arrays or any(not len(chosen[axis]) for axis in ("time", "lead_time") if axis in chosen):
        return xr.Dataset()
    for own, axis in names.items():
        repairs.rename(own, axis)
    lazy = {name: _lazily(array, names, chosen, request, raw.token) for name, array in arrays.items()}
    lazy = without_expver(lazy, dataset, repairs)
    pieces = {
        name: in_units_of_table(array.rename(arrays[name].name), name, request, source, repairs).rename(name)
        for name, array in lazy.items()
    }
    scalars, coordinates = _coordinates(dataset, clock, names, levels, chosen)
    for name, array in pieces.items():
        own_levels = on_levels[str(arrays[name].name)]
        missing = [axis for axis in scalars if _belongs(axis, name, own_levels=own_levels)]
        pieces[name] = array.expand_dims([axis for axis in missing if axis not in array.dims])
    piece = xr.Dataset(pieces)
    piece = piece.assign_coords({axis: values for axis, values in coordinates.items() if axis in piece.dims})
    piece = _along_valid_time(piece, clock) if not request.is_forecast else piece
    piece = _with_sorted_levels(piece, source, repairs)
    piece = ordered_horizontally(piece, request.latitude, source, repairs)
    return piece.transpose(*(axis for axis in DIMENSIONS if axis in piece.dims))


def _dimension_names(dataset: xr.Dataset, clock: Clock) -> dict[str, str]:
    """Canonical name of each dimension of the file that is known, by the file's name."""
    names = {"latitude": "latitude", "longitude": "longitude"}
    for axis, name in (("time", clock.time), ("lead_time", clock.lead)):
        if name is not None and name.dimension is not None:
            names[name.dimension] = axis
    for axis in ("number", "level"):
        name = find_name(dataset, axis)
        if name is not None and name in dataset.dims:
            names[name] = axis
    return names


def _gridded(
    dataset: xr.Dataset, names: Mapping[str, str], request: Request, source: str, repairs: Repairs
) -> dict[str, xr.DataArray]:
    """The variables on latitudes and longitudes, without dimensions of one value that say nothing."""
    arrays = {}
    for key, array in dataset.data_vars.items():
        own = str(key)
        if not {"latitude", "longitude"} <= set(array.dims) or array.dtype.kind not in "iufb":
            continue
        unknown = [dimension for dimension in array.dims if dimension not in (*names, EXPVER)]
        long = [str(dimension) for dimension in unknown if array.sizes[dimension] > 1]
        if not long:
            arrays[own] = array.isel(dict.fromkeys(unknown, 0), drop=True)
            continue
        words = f"has the dimension `{long[0]}`, which is none of time, level, member and grid"
        if request.variables is not None and asked_names([own]) & asked_names(request.variables):
            raise UserError(
                f"{source}: `{own}` {words}. If it is one of these, rename it: "
                f'ds.rename({long[0]}="time") or the like; if not, choose one value: ds.isel({long[0]}=0).'
            )
        repairs.add(
            f"`{own}` was left out: it {words}. If it is one of these, rename it: "
            f'ds.rename({long[0]}="time") or the like; if not, choose one value: ds.isel({long[0]}=0).'
        )
    return arrays


def _is_on_levels(array: xr.DataArray, level: str | None) -> bool:
    if level is None:
        return False
    if level in array.dims:
        return True
    variable = find_variable(canonical_name(array, has_levels=True))
    return level in array.coords and array[level].ndim == 0 and variable is not None and variable.on_levels


def _positions(
    clock: Clock,
    names: Mapping[str, str],
    levels: np.ndarray | None,
    attributes: Mapping[Hashable, object],
    request: Request,
    repairs: Repairs,
) -> dict[str, np.ndarray]:
    """Positions to read along canonical dimensions on which something is chosen; a single value has position 0."""
    chosen = {}
    time, lead = clock.time, clock.lead
    is_flat = request.is_forecast or lead is None
    if time is not None and is_flat:
        stamps = np.atleast_1d(time.values)
        keep = within(stamps, request.time_with_run_up)
        written = _written_range(attributes)
        if written is not None:
            outside = ~within(stamps, written)
            if (outside & keep).any():
                repairs.add(
                    f"{np.count_nonzero(outside & keep)} times outside of {written.start} to {written.stop} were cut "
                    "off: the store says that nothing is written there."
                )
            keep &= ~outside
        chosen["time"] = np.flatnonzero(keep)
    if lead is not None and request.is_forecast:
        chosen["lead_time"] = np.flatnonzero(within(np.atleast_1d(lead.values), request.lead_time))
    if levels is not None:
        asked = np.array(request.levels if request.levels is not None else levels)
        near = np.abs(np.atleast_1d(levels)[:, None] - np.atleast_1d(asked)) < SAME_LEVEL_HPA
        chosen["level"] = np.flatnonzero(near.any(axis=1))
    return chosen


def _written_range(attributes: Mapping[Hashable, object]) -> slice | None:
    """What ARCO-ERA5 says of itself: its time axis goes on where nothing is written yet, up to ERA5T's last day."""
    ends = [str(attributes[key]) for key in ("valid_time_stop", "valid_time_stop_era5t") if key in attributes]
    if not ends and "valid_time_start" not in attributes:
        return None
    start = attributes.get("valid_time_start")
    return slice(None if start is None else str(start), max(ends, key=pd.Timestamp) if ends else None)


def _lazily(
    array: xr.DataArray,
    names: Mapping[str, str],
    chosen: Mapping[str, np.ndarray],
    request: Request,
    token: str,
) -> xr.DataArray:
    bare = array.drop_vars([*array.coords])
    here: dict[Hashable, np.ndarray] = {
        dimension: chosen[axis] for dimension, axis in names.items() if axis in chosen and dimension in bare.dims
    }
    asked: dict[Hashable, int] = {
        dimension: request.chunks[axis]
        for dimension, axis in names.items()
        if axis in request.chunks and dimension in bare.dims
    }
    if array.chunks is None:
        lazy = chunked(bare, here, asked, token or uuid.uuid4().hex)
    else:
        lazy = bare.isel(here).chunk(asked) if asked else bare.isel(here)
    return lazy.rename(
        {dimension: axis for dimension, axis in names.items() if dimension in bare.dims and dimension != axis}
    )


def _coordinates(
    dataset: xr.Dataset,
    clock: Clock,
    names: Mapping[str, str],
    levels: np.ndarray | None,
    chosen: Mapping[str, np.ndarray],
) -> tuple[list[str], dict[str, tuple]]:
    """The axes that are single values in the file, and the coordinates of all."""
    values: dict[str, np.ndarray] = {}
    if clock.time is not None:
        values["time"] = clock.time.values
    if clock.lead is not None:
        values["lead_time"] = clock.lead.values
    if levels is not None:
        values["level"] = levels
    scalars = [axis for axis, value in values.items() if np.ndim(value) == 0]
    number = next((name for name, axis in names.items() if axis == "number"), None)
    if number is not None:
        members = dataset[number].values if number in dataset.coords else np.arange(dataset.sizes[number])
        values["number"] = members.astype(np.int64) if members.dtype.kind in "iuf" else np.arange(len(members))
    picked = {axis: np.atleast_1d(value)[chosen.get(axis, slice(None))] for axis, value in values.items()}
    picked |= {axis: dataset[axis].values for axis in ("latitude", "longitude")}
    return scalars, {axis: (axis, value) for axis, value in picked.items()}


def _belongs(axis: str, name: str, *, own_levels: bool) -> bool:
    """Whether a variable runs along an axis of which the file has a single value."""
    if axis == "level":
        return own_levels
    return name not in VARIABLES or VARIABLES[name].kind != "static"


def _along_valid_time(piece: xr.Dataset, clock: Clock) -> xr.Dataset:
    """Steps of several initial times in one row of valid times, as ERA5 keeps what its short forecasts give."""
    if "lead_time" not in piece.dims:
        return piece
    parts = []
    for position, lead in enumerate(piece["lead_time"].values):
        part = piece.isel(lead_time=position, drop=True)
        parts.append(part.assign_coords(time=part["time"].values + lead))
    moving_names = [str(name) for name in piece if "time" in piece[name].dims]
    moving_parts: list[xr.Dataset] = [part[moving_names] for part in parts]
    moving = xr.concat(
        moving_parts,
        "time",
        coords="minimal",
        compat="override",
        join="override",
    )
    fixed = parts[0][[name for name in piece if "time" not in piece[name].dims]]
    return moving.assign(fixed.data_vars)


def _with_sorted_levels(piece: xr.Dataset, source: str, repairs: Repairs) -> xr.Dataset:
    if "level" not in piece.dims:
        return piece
    levels = piece["level"].values
    order = np.argsort(levels, kind="stable")
    if (np.diff(levels[order]) < SAME_LEVEL_HPA).any():
        raise UserError(f"{source}: a level is there twice. Drop one: ds.drop_duplicates('level').")
    if (np.diff(levels) > 0).all():
        return piece
    repairs.add("Levels were sorted from the top of the atmosphere down.")
    return piece.isel(level=order if (np.diff(order) != -1).any() else slice(None, None, -1))
