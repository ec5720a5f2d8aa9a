"""Events beyond a local climatological quantile: what is extreme for the place, the day of the year and the hour.

Thresholds are quantiles of `climatology.make_climatology`, taken at the valid time. A quantile below a half makes an
event of falling below it, any other of rising above it. EDI and SEDI stay meaningful however rare it is (Ferro
and Stephenson 2011, doi:10.1175/WAF-D-10-05030.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.climatology import at_times
from sciml.weather.scores.categories import event_scores
from sciml.weather.scores.probability import brier

EXCEEDANCE_SCORES = ("sedi", "edi", "hit_rate", "false_alarm_rate", "base_rate", "frequency_bias")


def seasonal_thresholds(quantiles: xr.DataArray, forecast: xr.DataArray) -> xr.DataArray:
    """Quantiles (quantile, hour, dayofyear, latitude, longitude) at a forecast's valid times, or an analysis' times.

    Returns:
        (quantile, time, lead_time, latitude, longitude), with the attributes of the quantiles.

    Raises:
        UserError: no hour and dayofyear, or not 366 days.
    """
    if missing := [dim for dim in ("hour", "dayofyear") if dim not in quantiles.dims]:
        raise UserError(
            f"Seasonal thresholds need quantiles by hour and dayofyear, but {' and '.join(missing)} are missing. "
            f"Make them with sciml.weather.climatology."
        )
    times = forecast["time"] + forecast["lead_time"] if "lead_time" in forecast.dims else forecast["time"]
    first = [dim for dim in quantiles.dims if dim == "quantile"]
    return at_times(quantiles, times).transpose(*first, *times.dims, ...).assign_attrs(quantiles.attrs)


def is_above(thresholds: xr.DataArray) -> bool | list[bool]:
    """Whether each quantile's event is to be above it: from 0.5 on."""
    if "quantile" not in thresholds.coords:
        raise UserError("Thresholds of climatological quantiles need a coordinate `quantile`, but have none.")
    levels = thresholds["quantile"].values
    return [bool(level >= 0.5) for level in levels] if levels.ndim else bool(levels >= 0.5)


def exceedance_scores(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    quantiles: xr.DataArray,
    *,
    scores: Sequence[str] = EXCEEDANCE_SCORES,
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
) -> xr.Dataset:
    """Scores (quantile, lead_time, region) of being beyond the quantiles; see `event_scores`.

    Args:
        forecast: dimensions time, lead_time, latitude, longitude.
        truth: dimensions time (valid times), latitude, longitude.
        quantiles: dimensions quantile, hour, dayofyear, latitude, longitude, on the forecast's grid.

    Raises:
        UserError: other grids or units, valid times that the truth lacks, quantiles without hour and dayofyear.
    """
    thresholds = seasonal_thresholds(quantiles, forecast)
    return event_scores(
        forecast, truth, thresholds, scores=scores, weights=weights, pool=pool, above=is_above(thresholds)
    )


def exceedance_brier(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    quantiles: xr.DataArray,
    *,
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
    fair: bool = False,
    bins: int | None = None,
) -> xr.Dataset:
    """Brier score and reliability of an ensemble's probability of being beyond the quantiles; see `brier`."""
    thresholds = seasonal_thresholds(quantiles, forecast)
    return brier(
        forecast, truth, thresholds, weights=weights, pool=pool, above=is_above(thresholds), fair=fair, bins=bins
    )
