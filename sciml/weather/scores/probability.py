"""Probabilities of an event: the Brier score, what it is made of, and the reliability diagram.

Sources: Murphy 1973 (reliability - resolution + uncertainty); Stephenson, Coelho and Jolliffe 2008
(doi:10.1175/2007WAF2006116.1) for what binning leaves over; Ferro 2014 (doi:10.1002/qj.2270) for the fair score.

A forecast p falls into a bin; of every bin we keep sums of the weight w, w p, w p^2, w o and w p o, where o is 1 when
the event occurs. They add up over blocks, and all else follows from them. An ensemble of M members has M + 1 exact
bins, one for every count of members beyond the threshold; `coarsen` joins them for drawing.

Shapes: m members, n forecasts, y latitudes, x longitudes, r regions, q thresholds, b bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64

from sciml.core.errors import UserError
from sciml.weather.scores.categories import as_thresholds, at_block, events
from sciml.weather.scores.pairs import pair


@dataclass(frozen=True)
class BrierSums:
    """Weighted sums by bin, which add up.

    Args:
        weight: of the forecasts in the bin.
        probability: p times weight.
        probability_squared: p^2 times weight.
        occurred: o times weight.
        probability_occurred: p o times weight.
    """

    weight: Float64[np.ndarray, "*shape b"]
    probability: Float64[np.ndarray, "*shape b"]
    probability_squared: Float64[np.ndarray, "*shape b"]
    occurred: Float64[np.ndarray, "*shape b"]
    probability_occurred: Float64[np.ndarray, "*shape b"]

    def __add__(self, other: BrierSums) -> BrierSums:
        return BrierSums(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def sum(self, axis: int | tuple[int, ...]) -> BrierSums:
        """The sums of all along these axes together; the last axis, of the bins, stays."""
        return BrierSums(*(getattr(self, part.name).sum(axis) for part in fields(self)))


@dataclass(frozen=True)
class BrierScore:
    """The score and its parts: score = reliability - resolution + uncertainty + variance_within - covariance_within.

    The two last are the variance of the probabilities, and twice their covariance with the event, within bins: 0 when a
    bin holds one probability alone.
    """

    score: Float64[np.ndarray, "*shape"]
    reliability: Float64[np.ndarray, "*shape"]
    resolution: Float64[np.ndarray, "*shape"]
    uncertainty: Float64[np.ndarray, "*shape"]
    variance_within: Float64[np.ndarray, "*shape"]
    covariance_within: Float64[np.ndarray, "*shape"]


def ensemble_brier_sums(
    forecast: Float[np.ndarray, "m n y x"],
    truth: Float[np.ndarray, "n y x"],
    threshold: Float[np.ndarray, "..."] | float,
    weights: Float[np.ndarray, "r y x"],
    *,
    above: bool | Sequence[bool] = True,
    inclusive: bool = False,
) -> BrierSums:
    """Sums [n, r, m + 1] of the part of members beyond the threshold, or [q, n, r, m + 1]; arguments as `contingency`.

    A point where a member, the truth or the threshold is NaN is left out.
    """
    members = len(forecast)
    thresholds, single = as_thresholds(threshold, truth.shape)
    sides = [above] * len(thresholds) if isinstance(above, bool) else list(above)
    inside = [np.flatnonzero(region) for region in weights.reshape(len(weights), -1)]
    sums = np.zeros((2, len(thresholds), len(truth), len(weights), members + 1))
    for q, side in zip(range(len(thresholds)), sides, strict=True):
        for n in range(len(truth)):
            beyond, occurred, known = events(
                forecast[:, n], truth[n], at_block(thresholds[q], slice(n, n + 1))[0], above=side, inclusive=inclusive
            )
            count = beyond.sum(0, dtype=np.int32)
            # bins of o = 0, bins of o = 1, and one for what is not known
            code = np.where(known.all(0), count + (members + 1) * occurred, 2 * (members + 1)).ravel()
            for r, points in enumerate(inside):
                found = np.bincount(code[points], weights[r].ravel()[points], 2 * members + 3)
                sums[:, q, n, r] = found[:-1].reshape(2, -1)
    if single:
        sums = sums[:, 0]
    probability = np.arange(members + 1) / members
    weight, occurred = sums.sum(0), sums[1]
    return BrierSums(weight, weight * probability, weight * probability**2, occurred, occurred * probability)


def probability_brier_sums(
    probability: Float[np.ndarray, "n y x"],
    occurred: Float[np.ndarray, "n y x"],
    weights: Float[np.ndarray, "r y x"],
    *,
    bins: int = 10,
) -> BrierSums:
    """Sums [n, r, bins] of probabilities in bins of equal width, the last with its upper edge.

    Args:
        probability: from 0 to 1, NaN is missing.
        occurred: 0 or 1, NaN is missing.

    Raises:
        UserError: a probability outside of 0 to 1.
    """
    if probability.size and (np.nanmin(probability) < 0 or np.nanmax(probability) > 1):
        raise UserError(
            f"Probabilities are between 0 and 1, but go from {np.nanmin(probability):g} to {np.nanmax(probability):g}."
        )
    sums = np.zeros((5, len(probability), len(weights), bins))
    for n in range(len(probability)):
        known = ~(np.isnan(probability[n]) | np.isnan(occurred[n])).ravel()
        p, o = (field[n].ravel()[known].astype(np.float64) for field in (probability, occurred))
        code = np.minimum((p * bins).astype(np.int64), bins - 1)
        for r, region in enumerate(weights.reshape(len(weights), -1)):
            w = region[known]
            for part, value in zip(sums[:, n, r], (w, w * p, w * p * p, w * o, w * p * o), strict=True):
                part[...] = np.bincount(code, value, bins)
    return BrierSums(*sums)


def coarsen(sums: BrierSums, bins: int = 10) -> BrierSums:
    """Exact bins of an ensemble joined to bins of equal width, the last with its upper edge."""
    members = sums.weight.shape[-1] - 1
    index = np.minimum(np.arange(members + 1) * bins // members, bins - 1)
    joins = (index[:, None] == np.arange(bins)).astype(np.float64)
    return BrierSums(*(getattr(sums, part.name) @ joins for part in fields(sums)))


def brier_score(sums: BrierSums, *, fair_members: int | None = None) -> BrierScore:
    """The Brier score and its parts; NaN without any forecast.

    Args:
        fair_members: the members of the ensemble that the probabilities are parts of. The score is then Ferro's fair
            one, what an infinitely large ensemble would get: less by the mean of p (1 - p) / (members - 1), and so
            is the reliability, which the too few members make too large. WeatherBench 2 calls it debiased.

    Raises:
        UserError: a fair score of fewer than two members.

    >>> members, one = np.array([1.0, 3.0, 3.0, 3.0]).reshape(4, 1, 1, 1), np.ones((1, 1, 1))
    >>> sums = ensemble_brier_sums(members, 2.5 * one, 2.0, one)  # p = 3/4, and it occurs
    >>> float(brier_score(sums).score[0, 0]), float(brier_score(sums, fair_members=4).score[0, 0])
    (0.0625, 0.0)
    """
    if fair_members is not None and fair_members < 2:
        raise UserError(f"A fair Brier score needs at least 2 members, but there is {fair_members}.")
    total = np.where(sums.weight.sum(-1) > 0, sums.weight.sum(-1), np.nan)
    filled = np.where(sums.weight > 0, sums.weight, 1)
    p, o = sums.probability / filled, sums.occurred / filled
    base = sums.occurred.sum(-1) / total
    excess = (sums.probability - sums.probability_squared).sum(-1) / total / ((fair_members or np.inf) - 1)
    squares = (sums.probability_squared - 2 * sums.probability_occurred + sums.occurred).sum(-1) / total
    parts = {
        "score": squares - excess,
        "reliability": (sums.weight * (p - o) ** 2).sum(-1) / total - excess,
        "resolution": (sums.weight * (o - base[..., None]) ** 2).sum(-1) / total,
        "uncertainty": base * (1 - base),
        "variance_within": (sums.probability_squared - p * sums.probability).sum(-1) / total,
        "covariance_within": 2 * (sums.probability_occurred - p * sums.occurred).sum(-1) / total,
    }
    return BrierScore(**{name: np.asarray(value) for name, value in parts.items()})


def reliability(sums: BrierSums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The reliability diagram: mean probability, frequency of the event, and weight of every bin; NaN in empty ones."""
    weight = np.where(sums.weight > 0, sums.weight, np.nan)
    return sums.probability / weight, sums.occurred / weight, sums.weight


def brier(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    threshold: xr.DataArray | float,
    *,
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
    above: bool | Sequence[bool] = True,
    inclusive: bool = False,
    fair: bool = False,
    bins: int | None = None,
) -> xr.Dataset:
    """Brier score of the part of members beyond a threshold, its parts, and the reliability diagram.

    Args:
        forecast: dimensions time, lead_time, number, latitude, longitude; without number it is an ensemble of one.
        truth: dimensions time (valid times), latitude, longitude.
        threshold: a number in the forecast's unit, or a field on its grid with dimensions of its own and one more.
        weights: (region, latitude, longitude); the whole grid by area if not given.
        pool: dimensions that are averaged over besides space.
        fair: whether finite ensembles are corrected for; see `brier_score`.
        bins: of equal width; by default one for every probability that the ensemble can give.

    Returns:
        brier, brier_reliability, brier_resolution, brier_uncertainty, brier_variance_within, brier_covariance_within,
        and by bin reliability_forecast, reliability_observed, reliability_count (a sum of weights).

    Raises:
        UserError: other grids or units, valid times that the truth lacks, fair with one member.
    """
    ensemble = forecast if "number" in forecast.dims else forecast.expand_dims("number")
    pairs = pair(ensemble, truth, members=True)
    values, before = pairs.threshold(threshold)
    sums = ensemble_brier_sums(
        pairs.forecast, pairs.truth, values, pairs.region_weights(weights), above=above, inclusive=inclusive
    )
    pooled = [
        pairs.by_region(getattr(sums, part.name), weights, before, {"bin": None}).sum(
            [dim for dim in pool if dim in pairs.sizes]
        )
        for part in fields(sums)
    ]
    total = BrierSums(*(np.asarray(part.values) for part in pooled))
    if bins is not None:
        total = coarsen(total, bins)
    score = brier_score(total, fair_members=len(pairs.forecast) if fair else None)
    one = pooled[0].isel(bin=0, drop=True)
    found = {"brier": score.score} | {
        f"brier_{part.name}": getattr(score, part.name) for part in fields(score) if part.name != "score"
    }
    forecast_mean, observed, count = reliability(total)
    diagram = {"reliability_forecast": forecast_mean, "reliability_observed": observed, "reliability_count": count}
    return xr.Dataset(
        {name: one.copy(data=value).assign_attrs(_described(name)) for name, value in found.items()}
        | {
            name: xr.DataArray(value, dims=pooled[0].dims, coords=one.coords, attrs=_described(name))
            for name, value in diagram.items()
        }
    )


def _described(name: str) -> dict[str, str]:
    return {"long_name": name.replace("_", " "), "units": "1"}
