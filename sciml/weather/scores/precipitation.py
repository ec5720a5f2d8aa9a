"""SEEPS, the stable equitable error in probability space, of rain: dry, light or heavy where that is a fair question.

Source: Rodwell, Richardson, Hewson and Haiden 2010 (doi:10.1002/qj.656), equation 15. With the climatological
probability p1 of dry, and light rain twice as frequent as heavy rain, a forecast (rows) pays for what occurs (columns)

              dry                    light          heavy
    dry       0                      1 / (1 - p1)   4 / (1 - p1)
    light     1 / p1                 0              3 / (1 - p1)
    heavy     1 / p1 + 3 / (2 + p1)  3 / (2 + p1)   0

times a half: 0 for a perfect forecast, 1 in expectation for any that is always the same or knows nothing. Climates with
p1 outside of 0.1 to 0.85 are not scored. The fractions skill score is in `neighbourhoods.py`.

Shapes: n forecasts, y latitudes, x longitudes, r regions, t times of a climatology.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64

from sciml.core.errors import UserError
from sciml.core.units import conversion_factor
from sciml.weather.scores.pairs import Pairs, pair
from sciml.weather.scores.sums import WeightedSums, blocks, weighted_sums

# Rodwell et al. 2010, section 3: amounts are reported to 0.1 or 0.2 mm, so 0.25 mm parts them; of 24 hours
DRY_THRESHOLD_MM = 0.25
# Rodwell et al. 2010, section 3
_SCORED_P1 = (0.1, 0.85)


@dataclass(frozen=True)
class SeepsRules:
    """Where definitions differ: what happens to amounts and probabilities that equal a limit.

    Args:
        dry_at_threshold: an amount equal to the dry threshold: "dry", "wet", or "none", which costs nothing.
        heavy_at_threshold: whether an amount equal to the heavy threshold is heavy.
        limits_scored: whether p1 equal to 0.1 or 0.85 is scored.
        unknown_heavy_scored: whether a wet amount costs nothing, and is counted, where the heavy threshold is NaN.
    """

    dry_at_threshold: str
    heavy_at_threshold: bool
    limits_scored: bool
    unknown_heavy_scored: bool


SEEPS_RULES: Mapping[str, SeepsRules] = {
    "rodwell": SeepsRules("wet", heavy_at_threshold=True, limits_scored=False, unknown_heavy_scored=False),
    # these two take p1 averaged over the year (give it without time), and the heavy threshold by hour and day of year
    "weatherbench2": SeepsRules("none", heavy_at_threshold=True, limits_scored=False, unknown_heavy_scored=True),
    "weatherbenchx": SeepsRules("dry", heavy_at_threshold=True, limits_scored=True, unknown_heavy_scored=True),
    # the package `scores`, whose dry threshold is 0.2 mm unless told otherwise
    "scores": SeepsRules("dry", heavy_at_threshold=False, limits_scored=True, unknown_heavy_scored=False),
}


def seeps_sums(
    forecast: Float[np.ndarray, "n y x"],
    truth: Float[np.ndarray, "n y x"],
    dry_probability: Float[np.ndarray, "*p y x"],
    heavy_threshold: Float[np.ndarray, "*h y x"],
    weights: Float[np.ndarray, "r y x"],
    *,
    dry_threshold: float,
    rules: str = "rodwell",
) -> WeightedSums:
    """Sums [n, r] of a block, whose mean is SEEPS; arguments as in `seeps_error`."""
    parts = [WeightedSums(np.zeros((0, len(weights))), np.zeros((0, len(weights))))]
    for block in blocks(forecast.shape):
        p1, heavy = (
            field[block] if field.ndim == 3 and len(field) > 1 else field
            for field in (dry_probability, heavy_threshold)
        )
        error = seeps_error(forecast[block], truth[block], p1, heavy, dry_threshold=dry_threshold, rules=rules)
        parts.append(weighted_sums(error, weights))
    return WeightedSums(np.concatenate([part.total for part in parts]), np.concatenate([part.weight for part in parts]))


def seeps_error(
    forecast: Float[np.ndarray, "*n y x"],
    truth: Float[np.ndarray, "*n y x"],
    dry_probability: Float[np.ndarray, "*p y x"],
    heavy_threshold: Float[np.ndarray, "*h y x"],
    *,
    dry_threshold: float,
    rules: str = "rodwell",
) -> Float64[np.ndarray, "*n y x"]:
    """What every point pays; NaN where an argument is NaN or the climate is not scored.

    Args:
        forecast: amounts of rain, in any unit that the two thresholds share.
        dry_probability: p1 of the place, or of place and time.
        heavy_threshold: the amount above which a third of the wet cases lie.
        dry_threshold: the amount below which it is dry.
        rules: a name in `SEEPS_RULES`.

    >>> amounts = np.array([[[0.0, 1.0, 9.0]]])  # dry, light, heavy
    >>> half, three = np.full((1, 3), 0.5), np.full((1, 3), 3.0)
    >>> forecasts = [np.full((1, 1, 3), amount) for amount in (0.0, 1.0, 9.0)]
    >>> pays = [seeps_error(forecast, amounts, half, three, dry_threshold=0.25) for forecast in forecasts]
    >>> [[round(float(p), 2) for p in row[0, 0]] for row in pays]  # p1 = 1/2: halves of 2, 8; 2, 6; 3.2, 1.2
    [[0.0, 1.0, 4.0], [1.0, 0.0, 3.0], [1.6, 0.6, 0.0]]
    """
    if rules not in SEEPS_RULES:
        raise UserError(f"SEEPS has the rules {', '.join(SEEPS_RULES)}, not {rules}.")
    chosen = SEEPS_RULES[rules]
    p1 = np.asarray(dry_probability, np.float64)
    low, high = _SCORED_P1
    scored = (p1 >= low) & (p1 <= high) if chosen.limits_scored else (p1 > low) & (p1 < high)
    p1 = np.where(scored, p1, np.nan)
    dry_f, heavy_f, none_f = _categories(forecast, heavy_threshold, dry_threshold, chosen)
    dry_o, heavy_o, none_o = _categories(truth, heavy_threshold, dry_threshold, chosen)
    pays = np.where(dry_f & ~dry_o, 1 / (1 - p1), 0) + np.where(~heavy_f & heavy_o, 3 / (1 - p1), 0)
    pays += np.where(~dry_f & dry_o, 1 / p1, 0) + np.where(heavy_f & ~heavy_o, 3 / (2 + p1), 0)
    free = none_f | none_o
    unknown = np.isnan(forecast) | np.isnan(truth) | ~scored
    if not chosen.unknown_heavy_scored:
        unknown |= np.isnan(heavy_threshold)
    return np.where(unknown, np.nan, np.where(free, 0, 0.5 * pays))


def seeps_climatology(
    rain: Float[np.ndarray, "t *place"], dry_threshold: float
) -> tuple[Float64[np.ndarray, "*place"], Float64[np.ndarray, "*place"]]:
    """p1 and the heavy threshold of a sample: part of the amounts below dry, two-thirds quantile of the others.

    The quantile interpolates linearly. NaN amounts are left out; a place that was never wet has the threshold NaN.

    >>> p1, heavy = seeps_climatology(np.array([0.0, 0.0, 1.0, 2.0, 3.0, 4.0]), 0.25)
    >>> round(float(p1), 4), float(heavy)  # two of six; 1 + 2/3 * 3
    (0.3333, 3.0)
    """
    known = ~np.isnan(rain)
    wet = known & ~(rain < dry_threshold)
    ascending = np.sort(np.where(wet, rain, np.inf), axis=0)
    count, known_count = wet.sum(0), known.sum(0)
    position = np.maximum(count - 1, 0) * (2 / 3)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ascending, at[None], 0)[0].astype(np.float64) for at in (below, above))
    with np.errstate(invalid="ignore", divide="ignore"):
        heavy = np.where(count > 0, low + (position - below) * (high - low), np.nan)
        return np.asarray(np.where(known_count > 0, 1 - count / known_count, np.nan)), np.asarray(heavy)


def seeps(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    dry_probability: xr.DataArray,
    heavy_threshold: xr.DataArray,
    *,
    dry_threshold_mm: float = DRY_THRESHOLD_MM,
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
    rules: str = "rodwell",
) -> xr.DataArray:
    """SEEPS of rain over what `pool` leaves, weighted by area.

    Args:
        forecast: rain in m, mm or another length; dimensions time, lead_time, latitude, longitude.
        truth: the same, at times or at the forecast's times and lead times.
        dry_probability: p1 in (latitude, longitude), with time (a valid time) at will.
        heavy_threshold: likewise, with an attribute `units`.
        dry_threshold_mm: 0.25 mm is made for 24 hours; WeatherBench 2 takes 0.1 mm for 6 hours.
        weights: (region, latitude, longitude); the whole grid by area if not given.
        rules: "rodwell", or what WeatherBench 2, WeatherBench-X or `scores` do at the limits: `SEEPS_RULES`.

    Raises:
        UserError: no unit of length, other grids, valid times that the truth or the climatology lacks.
    """
    pairs, dry = rain_pair(forecast, truth, dry_threshold_mm)
    if "units" not in heavy_threshold.attrs:
        raise UserError("The heavy threshold needs an attribute `units`, e.g. mm, but has none. Set it.")
    heavy, _ = pairs.threshold(heavy_threshold)
    p1, _ = pairs.threshold(dry_probability.drop_attrs())
    sums = seeps_sums(
        pairs.forecast, pairs.truth, p1, heavy, pairs.region_weights(weights), dry_threshold=dry, rules=rules
    )
    pooled = [
        pairs.by_region(part, weights).sum([dim for dim in pool if dim in pairs.sizes])
        for part in (sums.total, sums.weight)
    ]
    mean = WeightedSums(*(np.asarray(part.values) for part in pooled)).mean()
    return pooled[0].copy(data=mean).rename("seeps").assign_attrs(long_name="SEEPS", units="1")


def rain_pair(forecast: xr.DataArray, truth: xr.DataArray, amount_mm: float) -> tuple[Pairs, float]:
    """Rain side by side, and an amount of mm in the forecast's unit.

    Raises:
        UserError: a rain without a unit, or with one that is no length, and as `pair`.
    """
    for name, rain in (("forecast", forecast), ("truth", truth)):
        if "units" not in rain.attrs:
            raise UserError(f"The {name} of rain needs an attribute `units`, m or mm, but has none. Set it.")
        conversion_factor(str(rain.attrs["units"]), "mm")
    return pair(forecast, truth), amount_mm * conversion_factor("mm", str(forecast.attrs["units"]))


def _categories(
    rain: np.ndarray, heavy_threshold: np.ndarray, dry_threshold: float, rules: SeepsRules
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether an amount is dry, is heavy, and is of no category."""
    limit = rain.dtype.type(dry_threshold)
    heavy_limit = heavy_threshold.astype(rain.dtype, copy=False)
    dry = rain <= limit if rules.dry_at_threshold == "dry" else rain < limit
    heavy = (rain >= heavy_limit if rules.heavy_at_threshold else rain > heavy_limit) & ~dry
    free = (rain == limit) & (rules.dry_at_threshold == "none") & ~heavy
    return dry, heavy, free | (np.isnan(heavy_limit) & ~dry)
