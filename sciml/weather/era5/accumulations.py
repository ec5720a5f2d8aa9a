"""Sums over time, as rain and radiation are: over which window a file has them, and over which one they are wanted.

A stamp is the end of its window. ERA5 has the hour before each stamp; ERA5-Land what fell since 00 UTC, at 00 UTC that
of the whole day before; most forecasts what fell since their start. Windows that are wanted end at 00 UTC and every
`accumulate_hours` from there on; in a forecast, every `accumulate_hours` from its start on.

Shapes: t times or lead times.
"""

from __future__ import annotations

import functools
import logging
import operator
import re
from collections.abc import Mapping

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.request import Request, window_hours
from sciml.weather.variables import VARIABLES

_log = logging.getLogger("sciml.weather")
_HOUR = np.timedelta64(1, "h")
# "time: sum (interval: 1 hour)", CF conventions, section 7.3
_CELL_METHOD = re.compile(r"time: sum.*?interval: (\d+) ?h(?:ou)?rs?\b")
# packing in 16 bits leaves 1e-5 of the range of the field: up to 1e-5 m of rain, 100 J m**-2 of radiation
SMALLEST_NEGATIVE = {"m": -1e-4, "J m**-2": -1e4}


def is_sum(name: str) -> bool:
    """Whether it is a sum over time.

    >>> is_sum("tp"), is_sum("t2m")
    (True, False)
    """
    return name in VARIABLES and VARIABLES[name].kind == "accumulated"


def accumulate(
    arrays: Mapping[str, xr.DataArray], request: Request, source: str, repairs: Repairs
) -> dict[str, xr.DataArray]:
    """Sums over the asked window, with the attribute `accumulation_hours`; other variables as they are.

    Without `accumulate_hours` sums stay over the window of the file, said in the same attribute where it is known.

    Raises:
        UserError: a window that is not known, or from which the asked one cannot be made.
    """
    return {
        name: _accumulated(array, name, request, source, repairs) if is_sum(name) else _without_window(array)
        for name, array in arrays.items()
    }


def _without_window(array: xr.DataArray) -> xr.DataArray:
    return array.drop_attrs().assign_attrs({key: value for key, value in array.attrs.items() if key != "accumulation"})


def _accumulated(array: xr.DataArray, name: str, request: Request, source: str, repairs: Repairs) -> xr.DataArray:
    axis = "lead_time" if request.is_forecast else "time"
    window = _window(array, name, axis, request, source, repairs)
    asked = request.accumulate_hours
    attributes = {key: value for key, value in array.attrs.items() if key not in ("accumulation", "cell_methods")}
    hours = window_hours(window)
    if asked is None or hours == asked or axis not in array.dims:
        attributes |= {"accumulation_hours": hours} if hours else {"accumulation": window} if window else {}
    else:
        if hours is None:
            array = _differences(array, window, axis, asked, name, source)
        else:
            array = _sums(array, hours, asked, axis, name, source)
        came = f"sums over {window}" if hours else f"sums {str(window).replace('-', ' ')}"
        repairs.add(f"`{name}`: {came} became sums over the {asked} h before each time.")
        attributes["accumulation_hours"] = asked
    return array.drop_attrs(deep=False).assign_attrs(attributes)


def _window(array: xr.DataArray, name: str, axis: str, request: Request, source: str, repairs: Repairs) -> str | None:
    said = request.accumulation or array.attrs.get("accumulation")
    if said is None and (match := _CELL_METHOD.search(str(array.attrs.get("cell_methods", "")))):
        said = f"{int(match[1])}h"
    if said is not None:
        return said
    is_hourly = axis in array.dims and array.sizes[axis] > 1 and (np.diff(array[axis].values) == _HOUR).all()
    if is_hourly and not request.is_forecast:
        _check_not_growing(array, name, source)
        repairs.add(f"`{name}` comes hourly and was taken as sums over the hour before each time, as ERA5 has them.")
        return "1h"
    if request.accumulate_hours is None:
        example = "6h" if request.is_forecast else "1h"
        option = "--forecast-accumulation" if request.is_forecast else "--accumulation"
        repairs.add(
            f"`{name}`: the files do not say over how many hours it is summed, so it cannot be summed to other windows "
            "or compared with sums over a known one. If you know it, say it: "
            f'accumulation="{example}" or another (in the shell: {option} {example}).'
        )
        return None
    examples = (
        'accumulation="since-start" or "6h" (in the shell: --forecast-accumulation 6h)'
        if request.is_forecast
        else 'accumulation="1h", "6h" or "since-midnight" (in the shell: --accumulation 1h)'
    )
    raise UserError(
        f"{source}: the files do not say over which window `{name}` is summed, and every sixth of hourly sums looks "
        f"like a sum over 6 h. Say which it is, as {examples}, or open files with every hour."
    )


def _check_not_growing(array: xr.DataArray, name: str, source: str) -> None:
    """Refuses hourly values that grow over a day everywhere, as sums since 00 UTC do and sums over an hour never."""
    hour = array["time"].dt.hour.values
    rows = np.flatnonzero((hour >= 2) & (hour <= 23))
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    run = max(runs, key=len)
    # sunshine grows all morning, so that a whole day is looked at, every third hour of it
    run = run[::3] if len(run) > 6 else run
    if len(run) < 3:
        return
    stride = {axis: slice(None, None, max(1, array.sizes[axis] // 64)) for axis in ("latitude", "longitude")}
    first = {axis: 0 for axis in ("number", "level") if axis in array.dims}
    growth = np.diff(array.isel({"time": run, **first, **stride}).transpose("time", ...).values, axis=0)
    if (growth[np.isfinite(growth)] >= -1e-7).all() and (growth > 1e-5).any():
        raise UserError(
            f"{source}: `{name}` comes hourly and grows from hour to hour everywhere, as sums since 00 UTC do. Say "
            'which it is: accumulation="since-midnight" (ERA5-Land) or accumulation="1h" (ERA5; in the shell: '
            "--accumulation 1h)."
        )


def _sums(array: xr.DataArray, hours: int, asked: int, axis: str, name: str, source: str) -> xr.DataArray:
    if asked % hours:
        raise UserError(
            f"{source}: `{name}` is summed over {hours} h, from which sums over {asked} h cannot be made. Ask for a "
            f"multiple: accumulate_hours={hours * max(1, round(asked / hours))} (in the shell: --accumulate-hours)."
        )
    parts = [np.timedelta64(back, "h") for back in range(0, asked, hours)]
    stamps = array[axis].values
    ends = _ends(stamps, asked, axis)
    ends = ends[np.all([np.isin(ends - back, stamps) for back in parts], axis=0)]
    _check_any(ends, asked, axis, name, source)
    terms = [_at(array, ends - back, axis) for back in parts]
    return functools.reduce(operator.add, terms).assign_coords({axis: array[axis].sel({axis: ends})})


def _differences(
    array: xr.DataArray, window: str | None, axis: str, asked: int, name: str, source: str
) -> xr.DataArray:
    """Windows cut out of sums that go on since 00 UTC or since the start of a forecast."""
    if (window == "since-start") != (axis == "lead_time"):
        raise UserError(
            f"{source}: `{name}` is summed {str(window).replace('-', ' ')}, which "
            f"{'open_forecast' if window == 'since-start' else 'open_era5'} reads. Open it with that."
        )
    if window == "since-midnight" and asked > 24:
        raise UserError(f"{source}: `{name}` is summed since 00 UTC. Ask for accumulate_hours of at most 24.")
    stamps = array[axis].values
    ends = _ends(stamps, asked, axis)
    begins = ends - np.timedelta64(asked, "h")
    is_zero = begins == np.timedelta64(0) if axis == "lead_time" else begins == begins.astype("datetime64[D]")
    there = np.isin(begins, stamps) | is_zero
    ends, begins, is_zero = ends[there], begins[there], is_zero[there]
    _check_any(ends, asked, axis, name, source)
    parts: list[xr.DataArray] = []
    for zero in (True, False):
        mine = is_zero == zero
        if mine.any():
            part = _at(array, ends[mine], axis)
            part = part if zero else part - _at(array, begins[mine], axis)
            parts.append(part.assign_coords({axis: ends[mine]}))
    joined = (
        parts[0] if len(parts) == 1 else xr.concat(parts, axis, coords="minimal", compat="override", join="override")
    )
    order = np.argsort(joined[axis].values)
    return joined if (order == np.arange(len(order))).all() else joined.isel({axis: order})


def _ends(stamps: np.ndarray, asked: int, axis: str) -> np.ndarray:
    since = stamps if axis == "lead_time" else stamps - np.datetime64("1970-01-01", "ns")
    return stamps[since % np.timedelta64(asked, "h") == np.timedelta64(0)]


def _at(array: xr.DataArray, stamps: np.ndarray, axis: str) -> xr.DataArray:
    return array.isel({axis: np.searchsorted(array[axis].values, stamps)}).drop_vars(axis)


def _check_any(ends: np.ndarray, asked: int, axis: str, name: str, source: str) -> None:
    if not len(ends):
        what = "lead time" if axis == "lead_time" else "time"
        raise UserError(
            f"{source}: `{name}` has no {what} at the end of a window of {asked} h all of which is there. Open more "
            "times, or ask for a shorter accumulate_hours."
        )


def without_negative(array: xr.DataArray, name: str, source: str) -> xr.DataArray:
    """Sums that cannot be negative with what packing leaves below zero set to zero, as they are computed.

    Raises:
        UserError: when computed, for values so negative that packing does not explain them.
    """
    if not is_sum(name) or VARIABLES[name].smallest < 0:
        return array
    kept = xr.apply_ufunc(
        _clipped,
        array,
        kwargs={"name": name, "units": array.attrs["units"], "source": source},
        dask="parallelized",
        output_dtypes=[np.float32],
        keep_attrs=True,
    )
    return kept.rename(array.name)


def _clipped(values: np.ndarray, *, name: str, units: str, source: str) -> np.ndarray:
    if not values.size or not (lowest := np.fmin.reduce(values, axis=None)) < 0:
        return values
    if lowest < SMALLEST_NEGATIVE[units]:
        raise UserError(
            f"{source}: `{name}` falls to {lowest:g} {units}, which cannot be and is more than packing leaves. Check "
            "the file and over which window it is summed (accumulation=, in the shell --accumulation)."
        )
    _say_clipped(name, source)
    return np.maximum(values, np.float32(0))


@functools.cache
def _say_clipped(name: str, source: str) -> None:
    _log.warning("%s: tiny negative values of `%s`, as packing leaves them, are read as 0.", source, name)
