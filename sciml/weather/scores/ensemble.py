"""Scores of ensembles: CRPS, threshold-weighted CRPS, spread and skill, rank histogram.

With members x of M and a truth y at a point, the fair CRPS is E|x - y| - E|x - x'| / 2, the second mean over pairs of
different members: what an ensemble would get in the mean if it were infinite (Ferro 2014, doi:10.1002/qj.2270).

A point counts where the truth and all members are known. `scores.probability.crps_for_ensemble` takes the members that
there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather import kernels
from sciml.weather.scores.alignment import align, align_climatology, grid_of
from sciml.weather.scores.blocks import mean_dims, reduced, refuse_gaps, score_of
from sciml.weather.scores.ensemble_sums import TIES, EnsembleSums
from sciml.weather.scores.regions import Regions, region_weights


@dataclass(frozen=True)
class _Score:
    long_name: str
    formula: Callable[..., np.ndarray]
    has_units: bool = True


_SCORES: dict[str, _Score] = {
    "crps": _Score("continuous ranked probability score", EnsembleSums.crps),
    "spread": _Score("ensemble spread", EnsembleSums.spread),
    "mean_rmse": _Score("root mean squared error of the ensemble mean", EnsembleSums.mean_rmse),
    "spread_skill_ratio": _Score("spread over skill", EnsembleSums.spread_skill_ratio, has_units=False),
}


def ensemble_scores(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    *,
    scores: Sequence[str] = ("crps", "spread", "spread_skill_ratio"),
    regions: Regions | None = None,
    over: Sequence[str] | None = None,
    area: str = "cells",
    skipna: bool = True,
    threads: int = 1,
) -> xr.Dataset:
    """Several scores in one pass over the members; each as the function of its name has it.

    Args:
        forecast: as in `fields.field_scores`, with the dimension `number` of members.
        truth, regions, over, area, skipna, threads: as in `fields.field_scores`.
        scores: of crps, spread, mean_rmse, spread_skill_ratio.

    Raises:
        UserError: an unknown score, no members or, but for the mean's error, one; or what `align` and `region_weights`
            refuse.
    """
    unknown = [name for name in scores if name not in _SCORES]
    if unknown:
        raise UserError(f"There is no score '{unknown[0]}' of an ensemble; there are: {', '.join(_SCORES)}.")
    ensemble = Ensemble(forecast, truth, regions, over, area, skipna, threads)
    return xr.Dataset({name: ensemble.score(name) for name in scores})


class Ensemble:
    """The sums of an ensemble against its truth, and scores of them."""

    def __init__(
        self,
        forecast: xr.DataArray,
        truth: xr.DataArray,
        regions: Regions | None = None,
        over: Sequence[str] | None = None,
        area: str = "cells",
        skipna: bool = True,
        threads: int = 1,
        limits: tuple[xr.DataArray, xr.DataArray] | None = None,
        ties: str | None = None,
    ) -> None:
        if "number" not in forecast.dims:
            raise UserError(
                f"An ensemble needs the dimension `number` of members, but '{forecast.name}' has "
                f"{', '.join(map(str, forecast.dims))}. Rename the dimension of its members."
            )
        if "number" in truth.dims:
            raise UserError("A truth has no members, but this one has the dimension `number`. Select one of them.")
        self.forecast, self.regions, self.over = forecast, regions, mean_dims(forecast, over)
        self.members, self.thresholds = forecast.sizes["number"], 0 if limits is None else 1
        sources = [align(forecast, truth)]
        if limits is not None:
            sources += [align_climatology(forecast, limit) for limit in limits]
        names, weights = region_weights(grid_of(forecast), regions, area)
        whole = (
            len(kernels.ENSEMBLE_SUMS)
            + len(kernels.THRESHOLD_SUMS) * self.thresholds
            + (0 if ties is None else self.members + 1)
        )

        def reduction(block: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
            (fields, index), *rest = pairs
            lower, upper = (limit for limit, _ in rest) if rest else (None, None)
            # both limits have the same labels, so what points at one points at the other
            at = rest[0][1][..., None] if rest else None
            out, histogram = kernels.ensemble_sums(
                block, fields, index, lower, upper, at, weights, ties is not None, ties == "lowest", threads
            )
            out = out if histogram is None else np.concatenate([out, histogram], axis=-1)
            if not skipna:
                refuse_gaps(out, weights, [0])
            return out

        sums = reduced(forecast, sources, reduction, {"region": len(names), "sum": whole}, core=("number",))
        self.sums = sums.assign_coords(region=names)

    def score(self, name: str, **options: Any) -> xr.DataArray:
        score = _SCORES[name]
        result = self.apply(lambda sums, axis: score.formula(sums, axis, **options))
        units = self.forecast.attrs.get("units", "") if score.has_units else ""
        return result.rename(name).assign_attrs(long_name=score.long_name, units=units)

    def apply(
        self, formula: Callable[[EnsembleSums, tuple[int, ...]], np.ndarray], tail: Mapping[str, int] | None = None
    ) -> xr.DataArray:
        def scored(stacked: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
            # axes count from the first dimension, as ranks and thresholds stand last
            first = tuple(stacked.ndim - 1 + place for place in axis)
            return formula(EnsembleSums.of(stacked, self.members, self.thresholds), first)

        return score_of(self.sums, self.over, self.regions, scored, tail)


def crps(forecast: xr.DataArray, truth: xr.DataArray, *, fair: bool = True, **options: Any) -> xr.DataArray:
    """Continuous ranked probability score of an ensemble. Other options as in `ensemble_scores`.

    Args:
        forecast, truth: as in `ensemble_scores`.
        fair: True does not reward or punish an ensemble for its size, and needs two members (`scores`' method "fair",
            WeatherBench's). False is the score of the M members' own distribution, with M^2 in place of M (M - 1):
            `scores`' "ecdf" and `xskillscore.crps_ensemble`. With one member that is the absolute error.

    Raises:
        UserError: one member and `fair`, or what `ensemble_scores` refuses.
    """
    return Ensemble(forecast, truth, **options).score("crps", fair=fair)


def threshold_weighted_crps(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    *,
    lower: float | int | xr.DataArray | None = None,
    upper: float | int | xr.DataArray | None = None,
    fair: bool = True,
    **options: Any,
) -> xr.DataArray:
    """CRPS that looks at values from `lower` to `upper` alone, and so at one tail where the other is not given.

    It is the CRPS of members and truth that are pushed into the limits, the chaining function of the weight that is 1
    between them and 0 elsewhere (Allen et al. 2023, doi:10.1137/22M1532184);
    `scores.probability.tail_tw_crps_for_ensemble` with `fair` and its method the same. Other options as in
    `ensemble_scores`.

    Args:
        forecast, truth: as in `ensemble_scores`.
        lower, upper: a number, or an array such as a climatological quantile: with `dayofyear` and perhaps `hour`, with
            `time` as a truth has it, or constant in time. NaN leaves the point out.
        fair: as in `crps`.

    Raises:
        UserError: no limit, or what `crps` refuses.
    """
    given = {name: limit for name, limit in (("lower", lower), ("upper", upper)) if limit is not None}
    if not given:
        raise UserError(
            "A threshold-weighted CRPS needs a limit: `lower` for the upper tail, `upper` for the lower one, or both."
        )
    plane = forecast.isel({name: 0 for name in forecast.dims if name not in ("latitude", "longitude")}, drop=True)
    arrays = {
        name: limit if isinstance(limit, xr.DataArray) else xr.full_like(plane, limit) for name, limit in given.items()
    }
    some = next(iter(arrays.values()))
    low = arrays.get("lower", xr.full_like(some, -np.inf))
    high = arrays.get("upper", xr.full_like(some, np.inf))
    low, high = xr.broadcast(low, high)
    ensemble = Ensemble(forecast, truth, limits=(low, high), **options)
    result = ensemble.apply(lambda sums, axis: sums.threshold_weighted_crps(axis, fair=fair)[..., 0])
    attributes = {"long_name": "threshold-weighted CRPS", "units": forecast.attrs.get("units", "")}
    return result.rename("threshold_weighted_crps").assign_attrs(attributes)


def spread(forecast: xr.DataArray, truth: xr.DataArray, **options: Any) -> xr.DataArray:
    """Root of the mean variance of the members, with M - 1, where the truth is known. Options as in `ensemble_scores`.

    Raises:
        UserError: one member, or what `ensemble_scores` refuses.
    """
    return Ensemble(forecast, truth, **options).score("spread")


def spread_skill_ratio(
    forecast: xr.DataArray, truth: xr.DataArray, *, correction: str = "skill", **options: Any
) -> xr.DataArray:
    """Spread over the RMSE of the ensemble mean, in the mean 1 for a perfect ensemble of any size.

    Other options as in `ensemble_scores`.

    Args:
        forecast, truth: as in `ensemble_scores`.
        correction: the RMSE of a mean of M members has variance / M too much in its square. `skill` takes this out of
            the squared error (WeatherBench-X, `UnbiasedSpreadSkillRatio`); `spread` multiplies the variance by (M + 1)
            / M (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1); `none` leaves both (WeatherBench 2).

    Raises:
        UserError: one member, an unknown correction, or what `ensemble_scores` refuses.
    """
    return Ensemble(forecast, truth, **options).score("spread_skill_ratio", correction=correction)


def rank_histogram(forecast: xr.DataArray, truth: xr.DataArray, *, ties: str = "equal", **options: Any) -> xr.DataArray:
    """How often, by area, the truth has 0, 1, ... M members below it: the dimension `rank`, along which it adds up to
    1.

    Other options as in `ensemble_scores`.

    Args:
        forecast, truth: as in `ensemble_scores`.
        ties: where the truth equals members, as in dry weather, `equal` gives each rank that it could have the same
            part of the point, as `scores.probability.rank_histogram` does, whose ranks begin at 1; `lowest` counts the
            lowest of them (WeatherBench-X). `xskillscore` draws one at random.

    Raises:
        UserError: unknown `ties`, or what `ensemble_scores` refuses.
    """
    if ties not in TIES:
        raise UserError(f"There is no way '{ties}' to count ties of ranks; choose one of: {', '.join(TIES)}.")
    ensemble = Ensemble(forecast, truth, ties=ties, **options)
    result = ensemble.apply(EnsembleSums.rank_histogram, {"rank": ensemble.members + 1})
    coordinates = {"rank": np.arange(ensemble.members + 1)}
    return result.assign_coords(coordinates).rename("rank_histogram").assign_attrs(long_name="rank histogram", units="")
