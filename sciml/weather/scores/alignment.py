"""Which analysis belongs to which forecast.

A forecast of initial time t and lead time l is held against the truth at t + l. The truth is never copied out to all
lead times: each forecast knows the row of the truth that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.grid import SAME_POINT_DEG, Grid
from sciml.weather.units import conversion

SPACE = ("latitude", "longitude")


@dataclass(frozen=True)
class Source:
    """Fields [row, ..., latitude, longitude], and which row of them belongs to each forecast; -1 is none."""

    fields: xr.DataArray
    row: xr.DataArray


def grid_of(array: xr.DataArray) -> Grid:
    """The grid of a field with dimensions `latitude` and `longitude`.

    Raises:
        UserError: it has none.
    """
    missing = [name for name in SPACE if name not in array.dims or name not in array.coords]
    if missing:
        raise UserError(
            f"A field needs the dimensions latitude and longitude with coordinates, but '{array.name}' has "
            f"{', '.join(map(str, array.dims))}. Rename its dimensions, or read it with sciml.weather.era5."
        )
    return Grid(array["latitude"].values, array["longitude"].values)


def in_units_of(field: xr.DataArray, forecast: xr.DataArray) -> xr.DataArray:
    """The field in the forecast's units, where both say theirs.

    Raises:
        UserError: they measure different things.
    """
    wanted = forecast.attrs.get("units")
    return field if wanted is None or "units" not in field.attrs else converted(field, str(wanted))


def converted(field: xr.DataArray, unit: str) -> xr.DataArray:
    """A field that says its units in another unit, in the precision that it has.

    Raises:
        UserError: a unit that is none, or of something else.
    """
    change = conversion(str(field.attrs["units"]), unit)
    values = field if change.is_identity else (field.astype(np.float64) * change.scale + change.offset)
    return values.astype(field.dtype).assign_attrs({**field.attrs, "units": unit})


def on_same_grid(field: xr.DataArray, grid: Grid) -> xr.DataArray | None:
    """The field, turned upside down where the grid's latitudes run the other way, or None if it is on another grid."""
    latitude, longitude = (np.asarray(field[name].values, np.float64) for name in SPACE)
    if longitude.shape == grid.longitude.shape and np.abs(longitude - grid.longitude).max() < SAME_POINT_DEG:
        for step in (1, -1):
            turned = latitude[::step]
            if turned.shape == grid.latitude.shape and np.abs(turned - grid.latitude).max() < SAME_POINT_DEG:
                return field if step > 0 else field.isel(latitude=slice(None, None, -1))
    return None


def valid_times(forecast: xr.DataArray) -> xr.DataArray | None:
    """Initial time + lead time, or None of a field without a time."""
    if "time" not in forecast.coords:
        return None
    lead = forecast.coords.get("lead_time", xr.DataArray(np.timedelta64(0, "ns")))
    return (forecast["time"] + lead).reset_coords(drop=True)


def align(forecast: xr.DataArray, truth: xr.DataArray) -> Source:
    """The truth as rows of fields, and the row that each forecast is held against.

    Args:
        forecast: dimensions `time` (initial time), `lead_time` and others, each or none of them, `latitude`,
            `longitude`.
        truth: on the same grid; a dimension `time` of valid times or, beside `lead_time`, of initial times. Other
            dimensions are some of the forecast's and have every label that the forecast has.

    Raises:
        UserError: other units, grids, dimensions or labels, or no valid time in common.
    """
    truth = in_units_of(truth, forecast)
    times = valid_times(forecast)
    if "lead_time" in truth.dims:
        labels = {name: forecast[name] for name in ("time", "lead_time") if name in truth.dims}
    else:
        labels = {"time": times} if "time" in truth.dims else {}
    if any(label is None for label in labels.values()):
        raise UserError("The truth has times, so the forecast needs a coordinate `time`, but has none. Assign it.")
    source = _source(forecast, truth, labels, "truth")
    if (source.row < 0).all():
        raise UserError(
            f"No forecast has a truth to be held against: forecasts are valid from {_span(times)}, the truth has "
            f"{_span(truth['time'])}. Choose initial times and lead times whose sum is a time of the truth."
        )
    return source


def align_climatology(forecast: xr.DataArray, climatology: xr.DataArray) -> Source:
    """The climatology as rows of fields, and the row that each forecast belongs to.

    Args:
        forecast: as in `align`.
        climatology: on the same grid, with `dayofyear` (1 to 366) and perhaps `hour` of the valid time, or with `time`
            as a truth has it, or constant.

    Raises:
        UserError: as in `align`, or a valid time whose day or hour the climatology does not have.
    """
    if "dayofyear" not in climatology.dims:
        return align(forecast, climatology)
    climatology = in_units_of(climatology, forecast)
    times = valid_times(forecast)
    if times is None:
        raise UserError("A climatology by day of year needs forecasts with a coordinate `time`, which this has not.")
    labels = {"dayofyear": times.dt.dayofyear}
    if "hour" in climatology.dims:
        labels["hour"] = times.dt.hour
    source = _source(forecast, climatology, labels, "climatology")
    if (source.row < 0).any():
        lacking = times.values.ravel()[np.flatnonzero(source.row.broadcast_like(times).values.ravel() < 0)[0]]
        raise UserError(
            f"The climatology has no field for the valid time {np.datetime_as_string(lacking, unit='h')}: it has "
            f"{climatology.sizes['dayofyear']} days of the year and the hours {_few(climatology.coords.get('hour'))}. "
            "Make one for all days and hours that forecasts are valid at, or bring it to them with "
            "sciml.weather.climatology.at_times."
        )
    return source


def _source(forecast: xr.DataArray, fields: xr.DataArray, labels: Mapping[str, Any], what: str) -> Source:
    """Rows of `fields` whose dimensions `labels` have the labels that the forecast asks for."""
    fields = _on_grid(forecast, fields, what)
    shared = [name for name in fields.dims if name not in (*labels, *SPACE)]
    for name in shared:
        if name not in forecast.coords or name not in fields.coords:
            if name in forecast.dims and forecast.sizes[name] == fields.sizes[name]:
                continue
            raise UserError(
                f"The {what} has the dimension {name}, which the forecast has not. "
                f"Select one of its {fields.sizes[name]} labels."
            )
        if not (name in forecast.dims and fields.indexes[name].equals(forecast.indexes[name])):
            try:
                fields = fields.sel({name: forecast[name].values})
            except KeyError as error:
                raise UserError(
                    f"The {what} has {name} {_few(fields[name])}, but the forecast has {_few(forecast[name])}. "
                    "Select what both have."
                ) from error
    shared = [name for name in forecast.dims if name in fields.dims and name not in (*labels, *SPACE)]
    row = xr.DataArray(np.int64(0))
    for name, wanted in labels.items():
        found = fields.indexes[name].get_indexer(wanted.values.ravel()).reshape(wanted.shape)
        place = xr.DataArray(found.astype(np.int64), dims=wanted.dims)
        row = xr.where((row < 0) | (place < 0), -1, row * fields.sizes[name] + place)
    fields = fields.transpose(*labels, *shared, *SPACE)
    sizes = [fields.sizes[name] for name in (*shared, *SPACE)]
    # a view wherever the layout allows
    rows = xr.DataArray(fields.data.reshape(-1, *sizes), dims=("row", *shared, *SPACE))
    return Source(rows, row.astype(np.int64))


def _on_grid(forecast: xr.DataArray, fields: xr.DataArray, what: str) -> xr.DataArray:
    """The fields, turned upside down where the forecast's latitudes run the other way."""
    ours = grid_of(forecast)
    if (same := on_same_grid(fields, ours)) is not None:
        return same
    theirs = grid_of(fields)
    raise UserError(
        f"A forecast and its {what} need the same grid, but the forecast has {_described(ours)} and the {what} has "
        f"{_described(theirs)}. Bring one to the other with sciml.weather.regrid."
    )


def _described(grid: Grid) -> str:
    (height, width), latitude, longitude = grid.shape, grid.latitude, grid.longitude
    return (
        f"{height} latitudes from {latitude[0]:g} to {latitude[-1]:g} and {width} longitudes from {longitude[0]:g} to "
        f"{longitude[-1]:g}"
    )


def _span(times: xr.DataArray | None) -> str:
    if times is None:
        return "no time"
    first, last = (np.datetime_as_string(np.asarray(end), unit="h") for end in (times.min(), times.max()))
    return f"{first} to {last}"


def _few(labels: xr.DataArray | None) -> str:
    if labels is None:
        return "none"
    values = np.atleast_1d(labels.values)
    return ", ".join(f"{value:g}" for value in values[:6]) + (", ..." if len(values) > 6 else "")
