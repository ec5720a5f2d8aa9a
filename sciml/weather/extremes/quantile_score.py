"""Quantile score, also pinball loss: the error of a forecast of a quantile, proper for that quantile.

Source: Bentzien and Friederichs 2014 (doi:10.1002/qj.2284). With level p, forecast f and truth o it is (o - f) p where
o >= f, and (f - o) (1 - p) where o < f; at p = 1/2 that is half the absolute error, and twice its integral over p is
the CRPS. Levels near 1 judge what a forecast says about extremes without choosing cases by what occurred, which would
reward forecasting extremes always.

Shapes: m members, n forecasts, y latitudes, x longitudes, r regions, q levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.weather.extremes.exceedance import seasonal_thresholds
from sciml.weather.scores.pairs import pair
from sciml.weather.scores.sums import WeightedSums, weighted_sums


def pinball(
    forecast: Float[np.ndarray, "*shape"], truth: Float[np.ndarray, "*shape"], level: float
) -> Float[np.ndarray, "*shape"]:
    """The quantile score of every value, in its unit; NaN where either is NaN.

    >>> pinball(np.array([10.0, 10.0]), np.array([12.0, 7.0]), 0.75).tolist()  # 2 * 3/4 and 3 * 1/4
    [1.5, 0.75]
    """
    below = truth - forecast
    return np.maximum(level * below, (level - 1) * below)


def quantile_score_sums(
    forecast: Float[np.ndarray, "*m n y x"],
    truth: Float[np.ndarray, "n y x"],
    levels: Sequence[float],
    weights: Float[np.ndarray, "r y x"],
) -> WeightedSums:
    """Sums [q, n, r] whose mean is the quantile score.

    Args:
        forecast: [n, y, x], taken as the forecast of each quantile, or members [m, n, y, x], whose quantile (linear
            between the ordered members, the lowest being level 0 and the highest 1) is taken.
        levels: each above 0 and below 1.

    Raises:
        UserError: a level out of range.
    """
    if outside := [level for level in levels if not 0 < level < 1]:
        raise UserError(f"Levels of a quantile are above 0 and below 1, but there is {outside[0]:g}.")
    ordered = np.sort(forecast, axis=0) if forecast.ndim == 4 else forecast[None]
    parts = []
    for level in levels:
        position = level * (len(ordered) - 1)
        low = int(position)
        high = min(low + 1, len(ordered) - 1)
        value = ordered[low] + (ordered[high] - ordered[low]) * ordered.dtype.type(position - low)
        # NaN sorts last, so one NaN member is seen there
        value = np.where(np.isnan(ordered[-1]), ordered.dtype.type(np.nan), value)
        parts.append(weighted_sums(pinball(value, truth.astype(value.dtype, copy=False), float(level)), weights))
    return WeightedSums(np.stack([part.total for part in parts]), np.stack([part.weight for part in parts]))


def quantile_score(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    levels: Sequence[float],
    *,
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
    climatology: xr.DataArray | None = None,
) -> xr.Dataset:
    """Quantile score (quantile, lead_time, region) in the forecast's unit.

    Args:
        forecast: dimensions time, lead_time, [number], latitude, longitude.
        truth: dimensions time (valid times), latitude, longitude.
        levels: of the quantiles, each above 0 and below 1.
        weights: (region, latitude, longitude); the whole grid by area if not given.
        climatology: quantiles (quantile, hour, dayofyear, latitude, longitude) with these levels; with it comes the
            skill against forecasting them, 1 being perfect and 0 no better.

    Returns:
        quantile_score, and quantile_skill with a climatology.

    Raises:
        UserError: other grids or units, valid times that the truth lacks, levels out of range or unknown there.
    """
    ensemble = "number" in forecast.dims
    pairs = pair(forecast, truth, members=ensemble)
    regions = pairs.region_weights(weights)
    before = {"quantile": xr.Variable("quantile", list(levels))}

    def mean(sums: WeightedSums) -> xr.DataArray:
        total, weight = (
            pairs.by_region(part, weights, {**before}).sum([dim for dim in pool if dim in pairs.sizes])
            for part in (sums.total, sums.weight)
        )
        return total.copy(data=WeightedSums(np.asarray(total.values), np.asarray(weight.values)).mean())

    score = mean(quantile_score_sums(pairs.forecast, pairs.truth, levels, regions))
    unit = pairs.units or "1"
    found = xr.Dataset({"quantile_score": score.assign_attrs(long_name="quantile score", units=unit)})
    if climatology is None:
        return found
    try:
        chosen = climatology.sel(quantile=list(levels), method="nearest", tolerance=1e-6)
    except KeyError as error:
        raise UserError(
            f"The climatology needs the quantiles {', '.join(f'{level:g}' for level in levels)}, but has "
            f"{', '.join(f'{level:g}' for level in climatology['quantile'].values)}. Make it with these."
        ) from error
    normal, _ = pairs.threshold(seasonal_thresholds(chosen, forecast))
    parts = [quantile_score_sums(normal[q], pairs.truth, [level], regions) for q, level in enumerate(levels)]
    reference = mean(WeightedSums(np.concatenate([p.total for p in parts]), np.concatenate([p.weight for p in parts])))
    skill = (1 - score / reference.where(reference != 0)).assign_attrs(long_name="quantile skill score", units="1")
    return found.assign(quantile_skill=skill)
