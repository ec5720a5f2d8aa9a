"""Yes-no forecasts of an event: 2 x 2 tables, weighted by area, and the scores that are made of them.

Sources: Jolliffe and Stephenson (eds.), Forecast Verification, 2nd ed. 2012, chapter 3; EDI and SEDI: Ferro and
Stephenson 2011 (doi:10.1175/WAF-D-10-05030.1).

A table streams: `contingency` of a block, tables add up, a score of the sum. Values and thresholds are compared in the
values' own precision, and a point where the forecast, the truth or the threshold is NaN is in no cell of the table.

Shapes: n forecasts, y latitudes, x longitudes, r regions, q thresholds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64

from sciml.core.errors import UserError
from sciml.weather.kernels import table_sums
from sciml.weather.scores.pairs import pair
from sciml.weather.scores.sums import blocks

# (above, inclusive) -> how a value is compared with the threshold
_COMPARE: Mapping[tuple[bool, bool], Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    (True, False): operator.gt,
    (True, True): operator.ge,
    (False, False): operator.lt,
    (False, True): operator.le,
}
# arithmetic makes a number of an array without dimensions
_Values = np.ndarray | np.float64
# WeatherBench-X moves hit rate and false alarm rate this far away from 0 and 1 (weatherbenchX/metrics/categorical.py)
_CLIP = 1e-6


@dataclass(frozen=True)
class Table:
    """Weights of the four outcomes; tables of the same shape add up."""

    hits: Float64[np.ndarray, "*shape"]
    misses: Float64[np.ndarray, "*shape"]
    false_alarms: Float64[np.ndarray, "*shape"]
    correct_negatives: Float64[np.ndarray, "*shape"]

    def __add__(self, other: Table) -> Table:
        return Table(
            self.hits + other.hits,
            self.misses + other.misses,
            self.false_alarms + other.false_alarms,
            self.correct_negatives + other.correct_negatives,
        )

    def sum(self, axis: int | tuple[int, ...]) -> Table:
        """The table of all along these axes together."""
        return Table(
            np.asarray(self.hits.sum(axis)),
            np.asarray(self.misses.sum(axis)),
            np.asarray(self.false_alarms.sum(axis)),
            np.asarray(self.correct_negatives.sum(axis)),
        )


def contingency(
    forecast: Float[np.ndarray, "n y x"],
    truth: Float[np.ndarray, "n y x"],
    threshold: Float[np.ndarray, "..."] | float,
    weights: Float[np.ndarray, "r y x"],
    *,
    above: bool | Sequence[bool] = True,
    inclusive: bool = False,
) -> Table:
    """Tables [n, r] of "beyond the threshold", or [q, n, r] for thresholds [q, n or 1, y or 1, x or 1].

    Args:
        threshold: a number, [y, x], [n, y, x], or several at once in four dimensions.
        weights: of every cell in every region; 0 outside of the region.
        above: whether the event is a value above the threshold or below it, the same for all or one for each of q.
        inclusive: whether a value equal to the threshold is an event.

    >>> forecast, truth = np.array([[[1.0, 3.0], [3.0, 1.0]]]), np.array([[[1.0, 3.0], [1.0, 3.0]]])
    >>> table = contingency(forecast, truth, 2.0, np.array([[[1.0, 1.0], [0.5, 2.0]]]))
    >>> [float(cell[0, 0]) for cell in (table.hits, table.misses, table.false_alarms, table.correct_negatives)]
    [1.0, 2.0, 0.5, 1.0]
    """
    thresholds, single = as_thresholds(threshold, forecast.shape)
    several, times = len(thresholds), len(forecast)
    sides = [above] * several if isinstance(above, bool) else list(above)
    planes = (several, thresholds.shape[1], *forecast.shape[1:])
    limits = np.ascontiguousarray(np.broadcast_to(thresholds.astype(forecast.dtype, copy=False), planes))
    every = np.broadcast_to(limits, (several, *forecast.shape))
    sums = table_sums(forecast, truth, every, sides, inclusive, weights.astype(np.float64, copy=False), threads=1)
    if sums is not None:
        cells = np.moveaxis(sums, -1, 0)
        return Table(*(cells[:, 0] if single else cells))
    points = forecast.shape[1] * forecast.shape[2]
    weights_pr = np.ascontiguousarray(weights.reshape(len(weights), -1).T, np.float64)
    parts = list(blocks(forecast.shape))
    masks = np.empty((4, max((len(forecast[part]) for part in parts), default=0), points))
    cells = np.zeros((4, several, times, len(weights)))
    for q, side in zip(range(several), sides, strict=True):
        for block in parts:
            occurred_f, occurred_o, known = events(
                forecast[block], truth[block], at_block(thresholds[q], block), above=side, inclusive=inclusive
            )
            part = masks[:, : len(known)]
            for mask, cell in zip(
                part,
                (
                    occurred_f & occurred_o,
                    occurred_o & ~occurred_f,
                    occurred_f & ~occurred_o,
                    ~(occurred_f | occurred_o),
                ),
                strict=True,
            ):
                mask[...] = (cell & known).reshape(mask.shape)
            cells[:, q, block] = part @ weights_pr
    return Table(*(cells[:, 0] if single else cells))


def events(
    forecast: Float[np.ndarray, "*several y x"],
    truth: Float[np.ndarray, "*one y x"],
    threshold: Float[np.ndarray, "..."],
    *,
    above: bool,
    inclusive: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether the event is forecast, whether it occurred, and whether neither of the three is NaN."""
    beyond = _COMPARE[above, inclusive]
    occurred_f = beyond(forecast, threshold.astype(forecast.dtype, copy=False))
    occurred_o = beyond(truth, threshold.astype(truth.dtype, copy=False))
    return occurred_f, occurred_o, ~(np.isnan(forecast) | np.isnan(truth) | np.isnan(threshold))


def as_thresholds(
    threshold: Float[np.ndarray, "..."] | float, shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "q _ _ _"], bool]:
    """A threshold in any of its forms as [q, n or 1, y or 1, x or 1], and whether it came without q."""
    values = np.asarray(threshold)
    if values.ndim > 4:
        raise UserError(f"A threshold has at most the dimensions q, n, y, x, but has {values.ndim}.")
    full = values if values.ndim == 4 else values[(None,) * (4 - values.ndim)]
    if any(size not in (1, wanted) for size, wanted in zip(full.shape[1:], shape, strict=True)):
        raise UserError(
            f"A threshold needs the shape [y, x], [n, y, x] or [q, n, y, x] of a field of shape {shape}, "
            f"but has {values.shape}."
        )
    return full, values.ndim < 4


def at_block(thresholds: Float[np.ndarray, "n y x"], block: slice) -> Float[np.ndarray, "b y x"]:
    """The thresholds of some of the forecasts, which may be the same for all."""
    return thresholds[block] if len(thresholds) > 1 else thresholds


def hit_rate(table: Table) -> np.ndarray:
    """Part of the events that were forecast; also probability of detection. NaN without events."""
    return _ratio(table.hits, table.hits + table.misses)


def false_alarm_rate(table: Table) -> np.ndarray:
    """Part of the non-events that were forecast as events; also POFD. NaN when the event always occurs."""
    return _ratio(table.false_alarms, table.false_alarms + table.correct_negatives)


def false_alarm_ratio(table: Table) -> np.ndarray:
    """Part of the forecast events that did not occur; FAR. NaN when none is forecast.

    WeatherBench-X calls this the false alarm rate.
    """
    return _ratio(table.false_alarms, table.hits + table.false_alarms)


def base_rate(table: Table) -> np.ndarray:
    """Part of the whole where the event occurred. NaN of nothing."""
    return _ratio(table.hits + table.misses, _total(table))


def frequency_bias(table: Table) -> np.ndarray:
    """Forecast events per event. NaN without events."""
    return _ratio(table.hits + table.false_alarms, table.hits + table.misses)


def critical_success_index(table: Table) -> np.ndarray:
    """Hits per event that was forecast or occurred; also threat score. NaN when there is none."""
    return _ratio(table.hits, table.hits + table.misses + table.false_alarms)


def equitable_threat_score(table: Table) -> np.ndarray:
    """Critical success index beyond the hits of chance, also Gilbert score: from -1/3 to 1.

    With hits a, false alarms b, misses c, correct negatives d and their sum n it is (a - e) / (a + b + c - e) where
    e = (a + b)(a + c) / n; both parts times n give (ad - bc) / ((b + c) n + ad - bc), which is 0/0, so NaN and not
    noise, when the event always or never occurs and the forecast says so.
    """
    gain = _determinant(table)
    return _ratio(gain, (table.misses + table.false_alarms) * _total(table) + gain)


def peirce_skill_score(table: Table) -> np.ndarray:
    """Hit rate less false alarm rate; also Hanssen-Kuipers, true skill statistic. NaN without events or non-events."""
    return _ratio(_determinant(table), (table.hits + table.misses) * (table.false_alarms + table.correct_negatives))


def heidke_skill_score(table: Table) -> np.ndarray:
    """Part correct beyond the part of chance, from -1 to 1. NaN when both always or both never have the event."""
    observed, forecast = table.hits + table.misses, table.hits + table.false_alarms
    chance = observed * (table.misses + table.correct_negatives) + forecast * (
        table.false_alarms + table.correct_negatives
    )
    return _ratio(2 * _determinant(table), chance)


def extremal_dependence_index(table: Table, degenerate: str = "limit") -> np.ndarray:
    """(ln F - ln H) / (ln F + ln H) of hit rate H and false alarm rate F, from -1 to 1.

    Where a logarithm has no value, `degenerate` decides:
    - "limit": H = 0 or F = 1 give -1, H = 1 or F = 0 give 1; H = F = 0 and H = F = 1 have no limit and give NaN.
    - "nan": NaN at every 0 and 1 that makes the formula 0/0 or infinity/infinity.
    - "clip": H and F are kept 1e-6 away from 0 and 1, as WeatherBench-X does.

    NaN without events or without non-events.
    """
    h, f = _rates(table, degenerate)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (np.log(f) - np.log(h)) / (np.log(f) + np.log(h))
    return _at_limits(value, h, f) if degenerate == "limit" else np.asarray(value)


def symmetric_extremal_dependence_index(table: Table, degenerate: str = "limit") -> np.ndarray:
    """(ln F - ln H - ln(1-F) + ln(1-H)) / (ln F + ln H + ln(1-F) + ln(1-H)), from -1 to 1.

    `degenerate` as in `extremal_dependence_index`; "nan" is what the package `scores` gives, "clip" WeatherBench-X.

    >>> tornadoes = Table(*np.array([[28.0], [23.0], [72.0], [2680.0]]))  # Finley 1884: H = 28/51, F = 72/2752
    >>> round(float(symmetric_extremal_dependence_index(tornadoes)[0]), 3)
    0.753
    """
    h, f = _rates(table, degenerate)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_h, log_f, log_no_h, log_no_f = np.log(h), np.log(f), np.log1p(-h), np.log1p(-f)
        value = (log_f - log_h - log_no_f + log_no_h) / (log_f + log_h + log_no_f + log_no_h)
    return _at_limits(value, h, f) if degenerate == "limit" else np.asarray(value)


# what an evaluation calls them -> the score of a table
CATEGORICAL_SCORES: Mapping[str, Callable[[Table], np.ndarray]] = {
    "hit_rate": hit_rate,
    "false_alarm_rate": false_alarm_rate,
    "false_alarm_ratio": false_alarm_ratio,
    "base_rate": base_rate,
    "frequency_bias": frequency_bias,
    "csi": critical_success_index,
    "ets": equitable_threat_score,
    "peirce": peirce_skill_score,
    "hss": heidke_skill_score,
    "edi": extremal_dependence_index,
    "sedi": symmetric_extremal_dependence_index,
}


def event_scores(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    threshold: xr.DataArray | float,
    *,
    scores: Sequence[str] = tuple(CATEGORICAL_SCORES),
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
    above: bool | Sequence[bool] = True,
    inclusive: bool = False,
) -> xr.Dataset:
    """Scores of "beyond the threshold", one variable each, of one table over the globe and the pooled dimensions.

    Args:
        forecast: dimensions time, lead_time, latitude, longitude and any more.
        truth: dimensions time (valid times), latitude, longitude.
        threshold: a number in the forecast's unit, or a field on its grid with dimensions of its own at will (time is
            then the valid time if lead_time is not there) and one more, e.g. quantile.
        weights: (region, latitude, longitude); the whole grid by area if not given.
        pool: dimensions that go into one table besides space.

    Raises:
        UserError: other grids or units, valid times that the truth lacks, a score that does not exist.
    """
    if unknown := set(scores) - set(CATEGORICAL_SCORES):
        raise UserError(f"Scores of events are {', '.join(CATEGORICAL_SCORES)}, not {', '.join(sorted(unknown))}.")
    pairs = pair(forecast, truth)
    values, before = pairs.threshold(threshold)
    table = contingency(
        pairs.forecast, pairs.truth, values, pairs.region_weights(weights), above=above, inclusive=inclusive
    )
    pooled = [
        pairs.by_region(cell, weights, before).sum([dim for dim in pool if dim in pairs.sizes])
        for cell in (table.hits, table.misses, table.false_alarms, table.correct_negatives)
    ]
    total = Table(*(np.asarray(cell.values) for cell in pooled))
    return xr.Dataset(
        {
            name: pooled[0]
            .copy(data=CATEGORICAL_SCORES[name](total))
            .assign_attrs(long_name=CATEGORICAL_SCORES[name].__name__.replace("_", " "), units="1")
            for name in scores
        }
    )


def _ratio(part: _Values, whole: _Values) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole != 0))


def _total(table: Table) -> _Values:
    return table.hits + table.misses + table.false_alarms + table.correct_negatives


def _determinant(table: Table) -> _Values:
    return table.hits * table.correct_negatives - table.misses * table.false_alarms


def _rates(table: Table, degenerate: str) -> tuple[_Values, _Values]:
    if degenerate not in ("limit", "nan", "clip"):
        raise UserError(f"`degenerate` is limit, nan or clip, but is {degenerate}.")
    h, f = hit_rate(table), false_alarm_rate(table)
    return (np.clip(h, _CLIP, 1 - _CLIP), np.clip(f, _CLIP, 1 - _CLIP)) if degenerate == "clip" else (h, f)


def _at_limits(value: _Values, h: _Values, f: _Values) -> np.ndarray:
    value = np.where((h == 1) | (f == 0), 1.0, np.where((h == 0) | (f == 1), -1.0, value))
    return np.where((h == f) & ((h == 0) | (h == 1)) | np.isnan(h) | np.isnan(f), np.nan, value)
