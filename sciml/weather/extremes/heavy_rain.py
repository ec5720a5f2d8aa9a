"""Heavy rain: totals over a window of hours, whether they reach amounts that matter, and how far off the most rain is.

Events are "at least so many mm in so many hours", scored point by point without looking for objects. Local thresholds
are climatological quantiles of the same totals: `exceedance.exceedance_scores(rain_totals(...), ...)`. The error
of the maximum compares the most rain anywhere in a region, wherever it falls: what a table of points cannot see.

Shapes: n forecasts, y latitudes, x longitudes, r regions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64

from sciml.core.errors import UserError
from sciml.weather.scores.categories import event_scores
from sciml.weather.scores.pairs import in_unit, pair

# mm in 24 h: from rain that is frequent in most climates to rain that floods
THRESHOLDS_MM = (10.0, 25.0, 50.0, 100.0)
_HOUR = np.timedelta64(1, "h")


def rain_totals(rain: xr.DataArray, hours: int) -> xr.DataArray:
    """Sums over the window of hours that ends at each time, in mm; times before the first whole window are left out.

    Args:
        rain: amounts in m or mm that fell within `accumulation_hours` (attribute) before each time, or lead time of a
            forecast, with no gaps: steps of that many hours.

    Raises:
        UserError: no unit of length, no attribute, a window that is no multiple of it, gaps, too few times.
    """
    along = "lead_time" if "lead_time" in rain.dims else "time"
    millimetres = in_unit(rain, "mm")
    step = rain.attrs.get("accumulation_hours")
    if step is None:
        raise UserError(
            "Totals of rain need the attribute `accumulation_hours` of the amounts, but there is none. Set it."
        )
    count, left = divmod(hours, float(step))
    if left or count < 1:
        raise UserError(
            f"A total over {hours} h needs amounts of a part of it, but these are of {step:g} h. Ask for more."
        )
    steps = np.diff(rain[along].values) / _HOUR
    if (steps != float(step)).any():
        wrong = steps[steps != float(step)][0]
        raise UserError(
            f"Totals of rain of {step:g} h need a time every {step:g} h, but two are {wrong:g} h apart. "
            f"Sum or select the amounts so that they follow one another."
        )
    if rain.sizes[along] < count:
        raise UserError(
            f"A total over {hours} h needs {count:g} times of {step:g} h, but there are {rain.sizes[along]}."
        )
    total = millimetres.rolling({along: int(count)}).sum().isel({along: slice(int(count) - 1, None)})
    return total.assign_attrs({**millimetres.attrs, "accumulation_hours": hours})


def region_maxima(field: Float[np.ndarray, "n y x"], weights: Float[np.ndarray, "r y x"]) -> Float64[np.ndarray, "n r"]:
    """The largest value where the weight is not 0, NaN where there is none; NaN values do not count."""
    found = np.full((len(field), len(weights)), np.nan)
    for r, region in enumerate(weights):
        inside = field[:, region != 0]
        if inside.shape[1]:
            largest = np.fmax.reduce(inside, axis=1)
            found[:, r] = largest
    return found


def heavy_rain_scores(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    *,
    hours: int = 24,
    thresholds_mm: Sequence[float] = THRESHOLDS_MM,
    scores: Sequence[str] = ("ets", "csi", "hit_rate", "false_alarm_ratio", "frequency_bias", "base_rate", "sedi"),
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
) -> xr.Dataset:
    """Scores (threshold, lead_time, region) of totals of at least a threshold, and the error of the largest total.

    Args:
        forecast: rain (time, lead_time, latitude, longitude) as in `rain_totals`.
        truth: rain (time, latitude, longitude) as in `rain_totals`.
        hours: of the totals; lead times are those at the end of the window.
        weights: (region, latitude, longitude); the whole grid by area if not given.
        pool: dimensions that go together besides space.

    Returns:
        the scores, and maximum_error and maximum_absolute_error in mm: forecast less truth, mean over the pooled.

    Raises:
        UserError: as `rain_totals`; other grids, valid times that the truth lacks.
    """
    totals, true_totals = rain_totals(forecast, hours), rain_totals(truth, hours)
    levels = xr.DataArray(list(thresholds_mm), {"threshold": list(thresholds_mm)}, ["threshold"], attrs={"units": "mm"})
    found = event_scores(totals, true_totals, levels, scores=scores, weights=weights, pool=pool, inclusive=True)
    pairs = pair(totals, true_totals)
    regions = pairs.region_weights(weights)
    known = np.isnan(pairs.forecast) | np.isnan(pairs.truth)
    maxima = [
        region_maxima(np.where(known, np.nan, values).astype(values.dtype), regions)
        for values in (pairs.forecast, pairs.truth)
    ]
    error = pairs.by_region(maxima[0] - maxima[1], weights)
    pooled = [dim for dim in pool if dim in pairs.sizes]
    described = {"units": "mm", "long_name": f"error of the largest {hours} h rain"}
    return found.assign(
        maximum_error=error.mean(pooled).assign_attrs(described),
        maximum_absolute_error=abs(error)
        .mean(pooled)
        .assign_attrs({**described, "long_name": f"absolute {described['long_name']}"}),
    )
