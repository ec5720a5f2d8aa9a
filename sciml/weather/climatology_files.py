"""Climatologies from files, ours and those that WeatherBench 2 publishes; names, units and order are made canonical."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.climatology_sums import DAYS
from sciml.weather.units import conversion
from sciml.weather.variables import Variable, find_variable, split_window

_ORDER = ("quantile", "hour", "dayofyear", "level", "latitude", "longitude")
_DIMENSIONS = {"lat": "latitude", "lon": "longitude", "pressure_level": "level", "isobaricInhPa": "level"}
# what WeatherBench 2 puts behind names
_STATISTICS = ("_quantile", "_mean", "_std", "_seeps_threshold", "_seeps_dry_fraction")
_WITHOUT_UNITS = ("_seeps_dry_fraction",)


def open_climatology(source: str | Path | xr.Dataset) -> xr.Dataset:
    """A climatology from a file of ours or of WeatherBench 2 (netCDF or Zarr, long names, any order of dimensions).

    Names and units become those of `sciml.weather.variables`. Sums over a window (total_precipitation_24hr) keep it in
    the attribute `accumulation_hours`; where a file has sums over several, names do too (`tp_6h`, `tp_24h`). Without
    the dimension hour a day has one value; a 366th day that is missing is the 365th.

    Raises:
        UserError: no such file, no days of the year, days or hours missing, or units of another quantity.
    """
    dataset = source if isinstance(source, xr.Dataset) else _open(str(source))
    where = "the dataset" if isinstance(source, xr.Dataset) else str(source)
    dataset = dataset.rename({old: new for old, new in _DIMENSIONS.items() if old in dataset.dims})
    if missing := {"dayofyear", "latitude", "longitude"} - set(dataset.dims):
        raise UserError(
            f"A climatology has the dimensions hour, dayofyear, latitude and longitude, but {where} has no "
            f"{', '.join(sorted(missing))}, only {', '.join(map(str, dataset.dims)) or 'none'}. Make one by "
            "`sciml climatology`."
        )
    if "hour" not in dataset.dims:
        daily = [name for name, array in dataset.data_vars.items() if "dayofyear" in array.dims]
        dataset = dataset.assign({name: dataset[name].expand_dims(hour=[0]) for name in daily})
        dataset = dataset.assign_attrs(daily=1)
    dataset = dataset.assign_coords(longitude=np.mod(dataset["longitude"].values.astype(np.float64), 360))
    dataset = dataset.assign_coords(latitude=dataset["latitude"].values.astype(np.float64))
    for name in [name for name in _ORDER if name in dataset.dims]:
        if (np.diff(dataset[name].values) <= 0).any():
            dataset = dataset.sortby(name)
        if (np.diff(dataset[name].values) == 0).any():
            raise UserError(f"The coordinate {name} of {where} has a value twice. Drop one of them.")
    dataset = _checked_days(dataset, where)
    if "level" in dataset.dims:
        dataset = dataset.assign_coords(level=dataset["level"].values.astype(np.float64))
    return _canonical_fields(dataset).transpose(*[name for name in _ORDER if name in dataset.dims], ...)


def _open(source: str) -> xr.Dataset:
    # `hour` with the unit hours is a number here, no duration
    options = {"decode_times": False, "chunks": {}}
    if "://" not in source and not Path(source).exists():
        raise UserError(f"There is no climatology at {source}. Give a netCDF file or a Zarr folder.")
    is_zarr = source.rstrip("/").endswith(".zarr") or "://" in source or Path(source).is_dir()
    try:
        return xr.open_dataset(source, engine="zarr" if is_zarr else "netcdf4", **options)
    except (OSError, ValueError, KeyError) as error:
        kind = "a Zarr folder" if is_zarr else "a netCDF file"
        raise UserError(f"{source} could not be read as {kind}: {error}") from error


def _checked_days(dataset: xr.Dataset, where: str) -> xr.Dataset:
    days, hours = dataset["dayofyear"].values, dataset["hour"].values
    if np.array_equal(days, np.arange(1, DAYS)):
        last = dataset.isel(dayofyear=[-1]).assign_coords(dayofyear=[DAYS])
        dataset = xr.concat([dataset, last], "dayofyear", data_vars="minimal")
    elif not np.array_equal(days, np.arange(1, DAYS + 1)):
        raise UserError(
            f"A climatology has the days of the year 1 to 366, but {where} has {len(days)}, from {days[0]} to "
            f"{days[-1]}. Make it from whole years."
        )
    if not np.isin(hours, np.arange(24)).all():
        raise UserError(f"Hours of a climatology are whole, 0 to 23, but {where} has {hours.tolist()}.")
    return dataset.assign_coords(hour=hours.astype(np.int64), dayofyear=np.arange(1, DAYS + 1))


def _canonical_fields(dataset: xr.Dataset) -> xr.Dataset:
    found = {name: _Named.parse(str(name)) for name in dataset.data_vars}
    windows: dict[str, set[int | None]] = {}
    for named in found.values():
        windows.setdefault(named.base, set()).add(named.window_h)
    fields: dict[str, xr.DataArray] = {}
    for name, named in found.items():
        array = dataset[name]
        base = f"{named.base}_{named.window_h}h" if named.window_h and len(windows[named.base]) > 1 else named.base
        if named.variable is not None and named.statistic not in _WITHOUT_UNITS:
            change = conversion(array.attrs.get("units", named.variable.units), named.variable.units)
            # a spread is a difference, whose zero stays where it is
            offset = 0.0 if named.statistic == "_std" else change.offset
            if not change.is_identity:
                array = array * np.float32(change.scale) + np.float32(offset)
            array = array.assign_attrs(named.variable.attributes)
        if named.window_h is not None:
            array = array.assign_attrs(accumulation_hours=named.window_h)
        fields[base + named.statistic] = array
    return xr.Dataset(fields, dataset.coords, dataset.attrs)


class _Named(NamedTuple):
    """A name in a file: `total_precipitation_24hr_seeps_threshold`."""

    base: str
    window_h: int | None
    statistic: str
    variable: Variable | None

    @classmethod
    def parse(cls, name: str) -> _Named:
        # WeatherBench 2 puts `_mean` behind names where a file has several statistics
        stem, statistic = next(((name.removesuffix(end), end) for end in _STATISTICS if name.endswith(end)), (name, ""))
        plain, window_h = split_window(stem)
        variable = find_variable(plain)
        base = plain if variable is None else variable.name
        return cls(base, window_h, "" if statistic == "_mean" else statistic, variable)
