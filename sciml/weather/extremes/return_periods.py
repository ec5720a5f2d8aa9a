"""How rare an extreme is: return levels and periods of a forecast's climate against those of the truth.

Peaks over a threshold (Coles 2001, An Introduction to Statistical Modeling of Extreme Values, ch. 4): a threshold u is
a quantile of the series at the place; values above it at most `separation` steps apart are one event, of which the
largest counts. The excesses of events follow a generalised Pareto distribution with scale s and shape k (k > 0: heavy
tail), found by probability-weighted moments (Hosking and Wallis 1987, doi:10.2307/1269343), which suit small samples
better than maximum likelihood. With r events a year, the level that is reached once in T years on average is
u + s ((r T)^k - 1) / k.

This takes for granted that the climate does not drift, that events are independent, and that u is high enough. Periods
much longer than the series are extrapolated. Places with fewer than `min_events` events get NaN.

Shapes: t times, in regular steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64, Int64

from sciml.core.errors import UserError
from sciml.weather.scores.alignment import SPACE
from sciml.weather.scores.pairs import pair

# below this the formulas are those of the exponential distribution, their limit
_SMALL_SHAPE = 1e-6
# a Julian year
_YEAR = np.timedelta64(31_557_600, "s")
# the shape of an exponential tail then has a standard error of sqrt(4 / 3 / 20) = 0.26 (Hosking and Wallis 1987)
MIN_EVENTS = 20


@dataclass(frozen=True)
class Tail:
    """The tail of a distribution at every place; NaN where there were too few events.

    Args:
        threshold: u.
        scale: s, in the unit of the values.
        shape: k, without unit.
        rate: events a year.
        events: how many there were.
    """

    threshold: Float64[np.ndarray, "*place"]
    scale: Float64[np.ndarray, "*place"]
    shape: Float64[np.ndarray, "*place"]
    rate: Float64[np.ndarray, "*place"]
    events: Int64[np.ndarray, "*place"]


def fit_tail(
    series: Float[np.ndarray, "t *place"],
    *,
    steps_per_year: float,
    quantile: float = 0.95,
    separation: int = 3,
    min_events: int = MIN_EVENTS,
) -> Tail:
    """The tail of every series; NaN values are left out.

    Raises:
        UserError: a quantile or a separation out of range.
    """
    if not 0 < quantile < 1 or separation < 1:
        raise UserError(
            f"A tail needs a quantile above 0 and below 1 and a separation of at least 1 step, but has {quantile:g} "
            f"and {separation}."
        )
    place = series.shape[1:]
    series_pt = np.ascontiguousarray(series.reshape(len(series), -1).T, np.float64)
    known = (~np.isnan(series_pt)).sum(1)
    threshold = _quantile(series_pt, known, quantile)
    excess, owner = _peaks(series_pt - threshold[:, None], separation)
    # the smallest first within each place
    order = np.lexsort((excess, owner))
    excess, owner = excess[order], owner[order]
    events = np.bincount(owner, minlength=len(series_pt))
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(events) - events, events)
    enough = events >= max(min_events, 2)
    count = np.where(enough, events, np.nan)
    mean = np.bincount(owner, excess, len(series_pt)) / count
    second = np.bincount(owner, excess * rank, len(series_pt)) / (count * (count - 1))
    spread = 2 * second - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0, mean / spread, np.nan)
    return Tail(
        threshold.reshape(place),
        (mean * (ratio - 1)).reshape(place),
        (2 - ratio).reshape(place),
        (count * steps_per_year / np.maximum(known, 1)).reshape(place),
        events.astype(np.int64).reshape(place),
    )


def return_level(tail: Tail, years: float) -> Float64[np.ndarray, "*place"]:
    """The level that is reached once in so many years on average; NaN where the threshold is reached less often.

    >>> one = np.ones(1)
    >>> tail = Tail(10 * one, 2 * one, 0.5 * one, 4 * one, np.array([80]))
    >>> return_level(tail, 25.0).round(9).tolist()  # 10 + 2 (sqrt(100) - 1) / (1/2)
    [46.0]
    """
    number = tail.rate * years
    with np.errstate(invalid="ignore"):
        log = np.log(np.where(number >= 1, number, np.nan))
    small = np.abs(tail.shape) < _SMALL_SHAPE
    shape = np.where(small, 1.0, tail.shape)
    return np.asarray(tail.threshold + tail.scale * np.where(small, log, np.expm1(shape * log) / shape))


def return_period(tail: Tail, level: Float64[np.ndarray, "*place"]) -> Float64[np.ndarray, "*place"]:
    """Years between events that reach the level, on average; infinite beyond the tail's end, NaN below the threshold.

    >>> one = np.ones(1)
    >>> tail = Tail(10 * one, 2 * one, 0.5 * one, 4 * one, np.array([80]))
    >>> return_period(tail, 46 * one).round(9).tolist()
    [25.0]
    """
    excess = (level - tail.threshold) / tail.scale
    small = np.abs(tail.shape) < _SMALL_SHAPE
    shape = np.where(small, 1.0, tail.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(small, excess, np.log(np.maximum(1 + shape * excess, 0)) / shape)
        years = np.exp(log) / tail.rate
    return np.asarray(np.where(excess >= 0, years, np.nan))


def return_period_errors(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    years: Sequence[float],
    *,
    quantile: float = 0.95,
    separation_days: float = 3.0,
    min_events: int = MIN_EVENTS,
    above: bool = True,
) -> xr.Dataset:
    """Return levels of the forecast's climate at every lead time and place against those of the truth then and there.

    Args:
        forecast: (time, lead_time, latitude, longitude), initial times in regular steps.
        truth: (time of validity, latitude, longitude).
        years: return periods.
        quantile: of the threshold, in each series its own; of the other tail when `above` is False.
        separation_days: values nearer than that are of one event.
        above: whether large values are the extreme ones; False for cold, say.

    Returns:
        by `years`, lead_time and place: return_level_forecast, return_level_truth, return_level_error in the forecast's
        unit; return_period_forecast, the years that the forecast's climate gives to the truth's level; and
        return_period_error, its logarithm to base 2 over `years`: 1 says that the forecast has it half as often.

    Raises:
        UserError: no two times, irregular ones, other grids or units, valid times that the truth lacks.
    """
    if "time" not in forecast.dims or forecast.sizes["time"] < 2:
        raise UserError("Return periods need a series of at least two initial times along `time`.")
    steps = np.diff(forecast["time"].values)
    if (steps != steps[0]).any():
        raise UserError(
            f"Return periods need initial times in regular steps, but they are {steps.min()} to {steps.max()} apart. "
            f"Select regular ones."
        )
    pairs = pair(forecast.transpose("time", ...), truth)
    sign = 1.0 if above else -1.0
    separation = max(1, round(separation_days * np.timedelta64(86400, "s") / steps[0]))
    rest = [dim for dim in pairs.sizes if dim != "time"]
    tails = [
        fit_tail(
            (sign * field).reshape(pairs.sizes["time"], -1, *pairs.grid.shape),
            steps_per_year=float(_YEAR / steps[0]),
            quantile=quantile,
            separation=separation,
            min_events=min_events,
        )
        for field in (pairs.forecast, pairs.truth)
    ]
    levels_f, levels_o = (np.stack([return_level(tail, float(period)) for period in years]) for tail in tails)
    periods = np.stack([return_period(tails[0], level) for level in levels_o])
    asked = np.asarray(years, np.float64)[:, None, None, None]
    with np.errstate(divide="ignore"):
        error = np.log2(periods / asked)
    unit = pairs.units or "1"
    found = {
        "return_level_forecast": (sign * levels_f, "return level of the forecast", unit),
        "return_level_truth": (sign * levels_o, "return level of the truth", unit),
        "return_level_error": (sign * (levels_f - levels_o), "error of the return level", unit),
        "return_period_forecast": (periods, "return period in the forecast of the truth's return level", "year"),
        "return_period_error": (error, "return period of the forecast over the truth's, logarithm to base 2", "1"),
    }
    shape = (len(years), *(pairs.sizes[dim] for dim in rest), *pairs.grid.shape)
    coordinates = {
        "years": xr.Variable("years", asked.ravel(), {"units": "year"}),
        **{dim: pairs.coordinates[dim] for dim in rest if dim in pairs.coordinates},
        **{dim: forecast[dim].variable for dim in SPACE},
    }
    return xr.Dataset(
        {
            name: (("years", *rest, *SPACE), values.reshape(shape), {"long_name": text, "units": its_unit})
            for name, (values, text, its_unit) in found.items()
        },
        coords=coordinates,
    )


def _quantile(series_pt: np.ndarray, known: np.ndarray, quantile: float) -> np.ndarray:
    """Linear between the ordered values that are there; NaN where there are none."""
    ascending = np.sort(series_pt, axis=1)  # NaN last
    position = quantile * np.maximum(known - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(known - 1, 0))
    below, above = (np.take_along_axis(ascending, at[:, None], 1)[:, 0] for at in (low, high))
    return below + (position - low) * (above - below)


def _peaks(excess_pt: np.ndarray, separation: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest excess of every event, and the place it is at."""
    owner, step = np.nonzero(excess_pt > 0)
    if not len(owner):
        return np.zeros(0), owner
    begins = np.append(True, (np.diff(owner) > 0) | (np.diff(step) > separation))
    first = np.flatnonzero(begins)
    return np.maximum.reduceat(excess_pt[owner, step], first), owner[first]
