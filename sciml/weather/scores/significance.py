"""Whether one forecast is better than another, or only luckier: a paired block bootstrap of the difference of their
scores.

Errors of forecasts that start soon after one another are alike, so whole blocks of initial times are drawn, of a length
that follows from the autocorrelation of the differences (Politis and White 2004, doi:10.1081/ETC-120028836, with the
correction of
Patton, Politis and White 2009, doi:10.1080/07474930802459016). What is drawn are the sums of which a score is a
function, of both forecasts at the same times, so that the root of an RMSE is taken after the mean.

The circular block bootstrap is used: blocks of one length, time going on from its end to its beginning.

Shapes: t initial times, ... other dimensions, s sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
import xarray as xr
from jaxtyping import Float64

from sciml.core.errors import UserError
from sciml.weather.scores.alignment import align, align_climatology
from sciml.weather.scores.ensemble import Ensemble
from sciml.weather.scores.ensemble_sums import EnsembleSums
from sciml.weather.scores.field_sums import FieldSums, ratio
from sciml.weather.scores.fields import weighted_sums

# sums [..., s] to scores [...]
Formula = Callable[[np.ndarray], np.ndarray]

# fewer say nothing of autocorrelation
FEWEST_TIMES = 10
# block lengths are rounded to these steps of a power of two, so that series share draws
_STEPS_PER_OCTAVE = 4


@dataclass(frozen=True)
class Difference:
    """A difference of scores, first minus second, and how sure it is; arrays of one shape.

    Attributes:
        difference: of the scores over all times.
        low, high: the interval of the confidence asked for, symmetric about the difference, a little wider than the
            draws where blocks are few.
        p_value: how often a difference this large comes about by chance where there is none, two-sided.
        effective_sample_size: how many independent initial times would make the difference as sure.
        block_length: in initial times.
    """

    difference: Float64[np.ndarray, "..."]
    low: Float64[np.ndarray, "..."]
    high: Float64[np.ndarray, "..."]
    p_value: Float64[np.ndarray, "..."]
    effective_sample_size: Float64[np.ndarray, "..."]
    block_length: Float64[np.ndarray, "..."]


def block_length(series: Float64[np.ndarray, " t"]) -> float:
    """The length of block that estimates the variance of the mean of a series best, by its autocorrelation.

    Section 3.2 of Politis and White with the flat-top window, for the circular bootstrap; between 1 and the least of
    3 sqrt(t) and t / 3.

    >>> alternating = np.array([1.0, -1.0] * 50)
    >>> block_length(np.ones(50)), 1.0 <= block_length(alternating) <= 30.0
    (1.0, True)
    """
    n = len(series)
    centred = series - series.mean()
    # what is left of a constant series is rounding
    if np.abs(centred).max() <= 1e-12 * np.abs(series).max():
        return 1.0
    quiet = max(5, int(np.sqrt(np.log10(n))))
    most = min(int(np.ceil(np.sqrt(n))) + quiet, n - 1)
    covariance = np.array([centred[: n - lag] @ centred[lag:] for lag in range(most + 1)]) / n
    loud = np.abs(covariance[1:] / covariance[0]) > 2 * np.sqrt(np.log10(n) / n)
    # the last lag before a run of `quiet` lags without correlation
    for last in range(len(loud) - quiet + 1):
        if not loud[last : last + quiet].any():
            break
    else:
        last = most
    window = min(2 * max(last, 1), most)
    lags = np.arange(-window, window + 1)
    flat_top = np.clip(2 * (1 - np.abs(lags) / window), 0, 1)
    at_lags = flat_top * covariance[np.abs(lags)]
    slope, level = np.abs(lags) @ at_lags, at_lags.sum()
    if level <= 0:
        return 1.0
    # b = (2 G^2 / D)^(1/3) t^(1/3) with D = 4/3 g(0)^2 for the circular bootstrap
    best = (1.5 * (slope / level) ** 2 * n) ** (1 / 3)
    return float(np.clip(best, 1, max(1, min(np.ceil(3 * np.sqrt(n)), n / 3))))


def paired_difference(
    first: Float64[np.ndarray, "t ... s"],
    second: Float64[np.ndarray, "t ... s"],
    formula: Formula,
    *,
    length: int | None = None,
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The difference of the scores of two forecasts over the same initial times, and how sure it is.

    Args:
        first, second: sums of each initial time, in the order of time, such as `FieldSums.stacked`. A time at which
            either has no score is left out of both.
        formula: the score of sums [..., s] that are added up over time, such as `lambda s: FieldSums.of(s).rmse()`.
        length: of blocks, in initial times; of each series by `block_length` of its own where not given.
        samples: how many draws.
        confidence: of the interval.
        seed: of the draws.

    Raises:
        UserError: fewer than ten initial times, or two forecasts of other shapes.

    >>> errors = np.random.default_rng(0).normal(size=(200, 2))
    >>> one = np.ones(200)
    >>> first, second = (np.stack([one, (e + shift) ** 2], -1) for e, shift in zip(errors.T, (1.0, 0.0)))
    >>> result = paired_difference(first, second, lambda s: np.sqrt(s[..., 1] / s[..., 0]))
    >>> bool(result.low < np.sqrt(2) - 1 < result.high), bool(result.p_value < 0.01)
    (True, True)
    """
    if first.shape != second.shape or len(first) < FEWEST_TIMES:
        raise UserError(
            f"A paired difference needs the same initial times of both forecasts, {FEWEST_TIMES} or more, but has "
            f"{len(first)} and {len(second)} with sums of shapes {first.shape[1:]} and {second.shape[1:]}."
        )
    times, shape = len(first), first.shape[1:-1]
    both = np.stack([first, second], axis=-2).reshape(times, -1, 2, first.shape[-1])

    def scores_of(sums: np.ndarray) -> np.ndarray:
        # nothing over nothing is a score that is not there
        with np.errstate(divide="ignore", invalid="ignore"):
            return formula(sums)

    def difference(sums: np.ndarray) -> np.ndarray:
        scores = scores_of(sums)
        return scores[..., 0] - scores[..., 1]

    known = np.asarray(~np.isnan(scores_of(both)).any(-1))
    both = np.where(known[..., None, None], both, 0)
    total = both.sum(0)

    # jackknife pseudo-values: a series whose mean is the difference, and which varies as it does
    count = known.sum(0)
    observed = difference(total)
    pseudo = count * observed - (count - 1) * difference(total - both)
    lengths = np.array([_length(pseudo[known[:, i], i], length) for i in range(len(observed))])
    draws = np.empty((samples, len(observed)))
    random = np.random.default_rng(seed)
    for rounded in np.unique(lengths):
        members = np.flatnonzero(lengths == rounded)
        draws[:, members] = difference(_draw(both[:, members], int(rounded), samples, random))
    off = np.abs(draws - observed) * _widening(count / lengths, confidence)
    reach = np.quantile(off, confidence, axis=0)
    with np.errstate(invalid="ignore"):
        # a draw that is the sample itself counts too, so that p is never 0
        p_value = (1 + (off >= np.abs(observed)).sum(0)) / (samples + 1)
    centred = np.where(known, pseudo - ratio(np.where(known, pseudo, 0).sum(0), count), 0)
    spread = ratio((centred**2).sum(0), count)
    effective = ratio(spread, draws.var(0))
    values = {
        "difference": observed,
        "low": observed - reach,
        "high": observed + reach,
        "p_value": p_value,
        "effective_sample_size": effective,
        "block_length": lengths.astype(np.float64),
    }
    undefined = np.isnan(observed)
    return Difference(**{name: np.where(undefined, np.nan, value).reshape(shape) for name, value in values.items()})


def _length(series: np.ndarray, length: int | None) -> int:
    if length is not None:
        return length
    if len(series) < FEWEST_TIMES:
        return 1
    octaves = np.round(np.log2(block_length(series)) * _STEPS_PER_OCTAVE) / _STEPS_PER_OCTAVE
    return int(np.round(2**octaves))


def _widening(blocks: np.ndarray, confidence: float) -> np.ndarray:
    """How much wider than the draws an interval is that rests on few blocks.

    Their mean is drawn with them, which takes one of them away, and Student's distribution has the degrees of freedom
    of an estimate at frequency zero with Bartlett's window as long as a block: 3 / 2 of the number of blocks (Priestley
    1981, Spectral Analysis and Time Series, table 6.2, where it is 3 at other frequencies).
    """
    blocks = np.maximum(blocks, 2)
    tail = 0.5 * (1 + confidence)
    return np.sqrt(blocks / (blocks - 1)) * scipy.special.stdtrit(1.5 * blocks, tail) / scipy.special.ndtri(tail)


def _draw(sums: np.ndarray, length: int, samples: int, random: np.random.Generator) -> np.ndarray:
    """Sums over draws of blocks: [t, ...] to [samples, ...]; the last block is cut so that all draws are as long."""
    times = len(sums)
    whole, rest = divmod(times, length)
    flat = sums.reshape(times, -1)
    ahead = np.concatenate([np.zeros((1, flat.shape[1])), np.cumsum(np.concatenate([flat, flat[:length]]), axis=0)])
    starts = random.integers(times, size=(samples, whole + 1))
    # how often each block is in each draw, so that a draw is one row of a matrix product
    often = np.zeros((samples, times))
    np.add.at(often, (np.arange(samples)[:, None], starts[:, :whole]), 1)
    out = often @ (ahead[length : length + times] - ahead[:times])
    out += (ahead[rest : rest + times] - ahead[:times])[starts[:, whole]]
    return out.reshape(samples, *sums.shape[1:])


# for each score what is added up over time, and what it is added up with; then the score of the mean
_SCORES: dict[str, tuple[Callable[[Any], tuple[np.ndarray, np.ndarray]], Callable[[np.ndarray], np.ndarray]]] = {
    "rmse": (lambda sums: (sums.squared_error, sums.weight), np.sqrt),
    "mae": (lambda sums: (sums.absolute_error, sums.weight), np.asarray),
    "bias": (lambda sums: (sums.error, sums.weight), np.asarray),
    "acc": (lambda sums: (np.nan_to_num(sums.acc()), ~np.isnan(sums.acc())), np.asarray),
    "crps": (lambda sums: (sums.member_error - 0.5 * sums.member_difference, sums.weight), np.asarray),
}


def score_difference(
    first: FieldSums | EnsembleSums, second: FieldSums | EnsembleSums, score: str = "rmse", **options: Any
) -> Difference:
    """The difference of a score of two forecasts, of their sums [t, ..., r] at the same initial times.

    Args:
        first, second: sums with the initial times, in order, in the first dimension: `EnsembleSums` for the fair CRPS.
        score: rmse, mae, bias, acc or crps.
        options: `length`, `samples`, `confidence`, `seed` of `paired_difference`.

    Raises:
        UserError: an unknown score, or what `paired_difference` refuses.
    """
    if score not in _SCORES:
        raise UserError(f"There is no difference of the score '{score}'; there are: {', '.join(_SCORES)}.")
    parts, of_mean = _SCORES[score]
    one, other = (np.stack(parts(sums), axis=-1).astype(np.float64) for sums in (first, second))
    return paired_difference(one, other, lambda sums: of_mean(ratio(sums[..., 0], sums[..., 1])), **options)


def compare(
    first: xr.DataArray,
    second: xr.DataArray,
    truth: xr.DataArray,
    *,
    score: str = "rmse",
    climatology: xr.DataArray | None = None,
    regions: Any = None,
    area: str = "cells",
    **options: Any,
) -> xr.Dataset:
    """Whether `first` is better than `second`: the difference of a score over the initial times that both have.

    Args:
        first, second, truth, climatology, regions, area: as in `fields.field_scores`.
        score, options: as in `score_difference`.

    Returns:
        `difference`, `low`, `high`, `p_value`, `effective_sample_size` and `block_length`, as `Difference` has them,
        over all dimensions of the forecasts but `time` and the horizontal ones.

    Raises:
        UserError: no common initial times, or what `score_difference` and `fields.field_scores` refuse.
    """
    if score == "acc" and climatology is None:
        raise UserError("A difference of anomaly correlations needs a climatology.")
    first, second = xr.align(first, second, join="inner", exclude=("latitude", "longitude", "number"))
    one, other = (_stacked_sums(each, truth, score, climatology, regions, area) for each in (first, second))
    if score == "crps":
        sums = [
            EnsembleSums.of(stacked.values, forecast.sizes["number"], 0)
            for stacked, forecast in ((one, first), (other, second))
        ]
    else:
        sums = [FieldSums.of(stacked.values) for stacked in (one, other)]
    result = score_difference(sums[0], sums[1], score, **options)
    outline = one.isel(time=0, sum=0, drop=True)
    units = first.attrs.get("units", "") if score != "acc" else ""
    arrays = {name: outline.copy(data=value).assign_attrs(units="") for name, value in vars(result).items()}
    for name in ("difference", "low", "high"):
        arrays[name].attrs["units"] = units
    dataset = xr.Dataset(arrays)
    return dataset.isel(region=0, drop=True) if regions is None else dataset


def _stacked_sums(
    forecast: xr.DataArray, truth: xr.DataArray, score: str, climatology: xr.DataArray | None, regions: Any, area: str
) -> xr.DataArray:
    """Sums [time, ..., region, sum] of a forecast, in memory."""
    if score == "crps":
        sums = Ensemble(forecast, truth, regions, area=area).sums
    else:
        sources = [align(forecast, truth)]
        if climatology is not None:
            sources.append(align_climatology(forecast, climatology))
        sums = weighted_sums(forecast, sources, regions, area, True, 1)
    return sums.transpose("time", ..., "region", "sum").compute()
