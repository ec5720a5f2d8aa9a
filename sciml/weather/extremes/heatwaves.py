"""Heat waves and cold spells: three days or more beyond a quantile of the time of year, and how well they are forecast.

Perkins and Alexander 2013 (doi:10.1175/JCLI-D-12-00383.1): a heat wave is at least three consecutive days whose maximum
(or minimum) temperature is above the 90th percentile of the calendar day, from a window of 15 days around it. A cold
spell is the same below the 10th percentile. ExtremeWeatherBench takes the 85th percentile of 6-hourly temperature, and
counts what equals it. Quantiles come from `climatology.make_climatology` of daily values; days are those of UTC.

Onset errors are in days, forecast less observed; see `spells` for what is a hit, and what is left out of an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.climatology import at_times
from sciml.weather.extremes.spells import SpellSums, find_spells, match_spells, spell_sums
from sciml.weather.scores.alignment import SPACE, grid_of
from sciml.weather.scores.pairs import in_unit, on_grid

# what a day's values become -> the method of xarray's groups
DAILY = ("max", "mean", "min")
_DAY = np.timedelta64(1, "D")


def daily_values(field: xr.DataArray, statistic: str = "max") -> xr.DataArray:
    """Maximum, mean or minimum of every whole UTC day (valid time) along `time`, or of a forecast along `lead_time`.

    Days that have fewer values than the fullest one are dropped: a maximum of half a day is not the day's. A forecast
    must begin at the same hour every time; its new lead times are from the initial time to the start of the day.

    Raises:
        UserError: an unknown statistic, initial times at different hours, no whole day.
    """
    if statistic not in DAILY:
        raise UserError(f"The statistic of a day is {', '.join(DAILY)}, not {statistic}.")
    if "lead_time" in field.dims:
        along, start = "lead_time", field["time"].values - field["time"].values.astype("datetime64[D]")
        if len(np.unique(start)) > 1:
            raise UserError(
                f"Days of a forecast need initial times at one hour of the day, but there are {len(np.unique(start))}. "
                f"Select one, e.g. those at 00 UTC."
            )
        offset = start[0]
        day = (field[along].values + offset) // _DAY
    else:
        along, offset = "time", np.timedelta64(0, "ns")
        day = field[along].values.astype("datetime64[D]")
    if not len(day):
        raise UserError("Daily values need at least one time, but there is none.")
    found, count = np.unique(day, return_counts=True)
    whole = found[count == count.max()]
    kept = field.isel({along: np.isin(day, whole)})
    groups = kept.assign_coords({along: day[np.isin(day, whole)]}).groupby(along)
    values = getattr(groups, statistic)(skipna=False).transpose(*field.dims).assign_attrs(field.attrs)
    begins = whole.astype("datetime64[ns]") if along == "time" else whole * _DAY - offset
    return values.assign_coords({along: begins.astype("datetime64[ns]" if along == "time" else "timedelta64[ns]")})


def spell_scores(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    threshold: xr.DataArray,
    *,
    min_days: int = 3,
    above: bool = True,
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """How spells of daily values are forecast, over all initial times together.

    Args:
        forecast: daily values (time, lead_time, latitude, longitude), of `daily_values`; or those of one forecast or a
            region mean, without time, latitude or longitude.
        truth: daily values (time of the day's start, latitude, longitude).
        threshold: quantile of the day, (hour, dayofyear, latitude, longitude) with one hour, or (time, latitude,
            longitude).
        min_days: days in a row that make a spell.
        above: heat waves; False for cold spells.
        weights: (region, latitude, longitude); the whole grid by area if not given.

    Returns:
        hits, misses, false_alarms (sums of weights of points), hit_rate, false_alarm_ratio; mean errors onset_error,
        duration_error in days, peak_error in the forecast's unit, total_error in it times days, and their mean
        absolute values onset_absolute_error and so on; NaN where there is no hit to compare.

    Raises:
        UserError: other grids, units or days.
    """
    spaced = [dim for dim in SPACE if dim in forecast.dims]
    weights_rp = _point_weights(forecast, weights, spaced)
    units = forecast.attrs.get("units")
    if units is not None:
        truth, threshold = (
            field if field.attrs.get("units", units) == units else in_unit(field, str(units))
            for field in (truth, threshold)
        )
    if spaced:
        grid = grid_of(forecast)
        truth = on_grid(truth, grid, "the truth", "the forecast")
        threshold = on_grid(threshold, grid, "the threshold", "the forecast")
    initial = np.atleast_1d(forecast["time"].values)
    leads = forecast["lead_time"].values
    sums: SpellSums | None = None
    for number, start in enumerate(initial):
        one = forecast.isel(time=number) if "time" in forecast.dims else forecast
        days = start + leads
        missing = np.setdiff1d(days, truth["time"].values)
        if missing.size:
            raise UserError(
                f"The truth needs all days of the forecast from {start:.10}, but lacks {missing.size}, first "
                f"{missing[0]:.10}. Give a longer truth or fewer forecasts."
            )
        observed = truth.sel(time=days).transpose("time", *spaced).values
        limit = _limit(threshold, days).transpose("time", *spaced).values
        spells_f, spells_o = (
            find_spells(values, limit.astype(values.dtype), min_days=min_days, above=above)
            for values in (one.transpose("lead_time", *spaced).values, observed)
        )
        found = spell_sums(spells_f, spells_o, match_spells(spells_f, spells_o), weights_rp)
        sums = found if sums is None else sums + found
    if sums is None:
        raise UserError("Scores of spells need at least one initial time, but the forecast has none.")
    return _scores(sums, weights, str(units or "1"))


def heat_waves(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    threshold: xr.DataArray,
    *,
    statistic: str = "max",
    min_days: int = 3,
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """Scores of heat waves of sub-daily temperature, whose daily maxima (or other statistic) are made here."""
    return spell_scores(
        daily_values(forecast, statistic),
        daily_values(truth, statistic),
        threshold,
        min_days=min_days,
        weights=weights,
    )


def cold_spells(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    threshold: xr.DataArray,
    *,
    statistic: str = "min",
    min_days: int = 3,
    weights: xr.DataArray | None = None,
) -> xr.Dataset:
    """Scores of cold spells of sub-daily temperature, whose daily minima (or other statistic) are made here."""
    return spell_scores(
        daily_values(forecast, statistic),
        daily_values(truth, statistic),
        threshold,
        min_days=min_days,
        above=False,
        weights=weights,
    )


def _limit(threshold: xr.DataArray, days: np.ndarray) -> xr.DataArray:
    if "dayofyear" in threshold.dims:
        if threshold.sizes.get("hour") != 1:
            raise UserError(
                f"A threshold of days has one hour, but this has {threshold.sizes.get('hour', 'no dimension hour')}. "
                f"Make the climatology of daily values, or select one."
            )
        return at_times(threshold, days)
    missing = np.setdiff1d(days, threshold["time"].values)
    if missing.size:
        raise UserError(
            f"The threshold needs all days of the forecast, but lacks {missing.size}, first {missing[0]:.10}. "
            f"Give it for more days, or by hour and dayofyear."
        )
    return threshold.sel(time=days)


def _point_weights(forecast: xr.DataArray, weights: xr.DataArray | None, spaced: Sequence[str]) -> np.ndarray:
    if not spaced:
        return np.ones((1,))
    grid = grid_of(forecast)
    if weights is None:
        return grid.area_weights()[None]
    weights = on_grid(weights, grid, "the weights", "the forecast")
    order = [dim for dim in weights.dims if dim not in SPACE]
    return weights.transpose(*order, *SPACE).values.reshape(-1, *grid.shape).astype(np.float64)


def _scores(sums: SpellSums, weights: xr.DataArray | None, unit: str) -> xr.Dataset:
    regional = weights is not None and "region" in weights.dims
    dims = ["region"] if regional else []

    def variable(values: np.ndarray, long_name: str, units: str) -> tuple[list[str], np.ndarray, dict[str, str]]:
        return dims, values if regional else np.asarray(values[0]), {"long_name": long_name, "units": units}

    def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)

    found = {
        name: variable(getattr(sums, name), name.replace("_", " "), "1") for name in ("hits", "misses", "false_alarms")
    }
    found["hit_rate"] = variable(ratio(sums.hits, sums.hits + sums.misses), "hit rate of spells", "1")
    found["false_alarm_ratio"] = variable(
        ratio(sums.false_alarms, sums.hits + sums.false_alarms), "false alarm ratio of spells", "1"
    )
    units = {"onset": "day", "duration": "day", "peak": unit, "total": f"{unit} day"}
    for name, its_unit in units.items():
        mean = ratio(getattr(sums, name), np.broadcast_to(getattr(sums, f"{name}_weight"), getattr(sums, name).shape))
        found[f"{name}_error"] = variable(mean[0], f"mean {name} error of spells", its_unit)
        found[f"{name}_absolute_error"] = variable(mean[1], f"mean absolute {name} error of spells", its_unit)
    coordinates = (
        {"region": weights["region"]} if regional and weights is not None and "region" in weights.coords else {}
    )
    return xr.Dataset(found, coords=coordinates)
