"""Sums over the points of an ensemble, weighted by area, of which its scores are functions.

With members x of M and a truth y at a point, E|x - y| is the mean over members and E|x - x'| the mean over the M (M -
1) pairs of different members. Members are sorted, with many points side by side, so that E|x - x'| is one sum over
them.

Shapes: ... any leading dimensions, m members, r regions, k thresholds, y latitudes, x longitudes, s sums.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from sciml.core.errors import UserError
from sciml.weather import kernels
from sciml.weather.scores.field_sums import Axis, Sums, ratio

_POINT_SUMS = len(kernels.ENSEMBLE_SUMS)


@dataclass(frozen=True)
class EnsembleSums:
    """Sums over the points of regions, each weighted by area: [..., r].

    Scores take the axis, or axes, of what the mean goes over: initial times, as a rule; `()` is none.

    Attributes:
        members: M.
        member_error: of E|x - y|; `member_difference` of E|x - x'|.
        mean_error: of the ensemble mean minus the truth; `squared_mean_error` of its square.
        variance: of the members about their mean, with M - 1.
        threshold_weight: [..., r, k], of points whose limits are known; with `threshold_error` and
            `threshold_difference` of E|v(x) - v(y)| and E|v(x) - v(x')|, v pushing into the limits.
        ranks: [..., r, M + 1], the weight of points with 0, 1, ... members below the truth; of length 0 when not asked
            for.
    """

    members: int
    weight: Sums
    member_error: Sums
    member_difference: Sums
    mean_error: Sums
    squared_mean_error: Sums
    variance: Sums
    threshold_weight: Sums
    threshold_error: Sums
    threshold_difference: Sums
    ranks: Sums

    @classmethod
    def of(cls, stacked: Float64[np.ndarray, "... s"], members: int, thresholds: int) -> EnsembleSums:
        """From all sums in the last axis: those of points, of each threshold, of ranks."""
        names = [*kernels.ENSEMBLE_SUMS, *kernels.THRESHOLD_SUMS, "ranks"]
        fields = [stacked[..., i] for i in range(_POINT_SUMS)]
        step, end = len(kernels.THRESHOLD_SUMS), _POINT_SUMS + len(kernels.THRESHOLD_SUMS) * thresholds
        fields += [stacked[..., _POINT_SUMS + i : end : step] for i in range(step)]
        return cls(members, **dict(zip(names, [*fields, stacked[..., end:]], strict=True)))

    def __add__(self, other: EnsembleSums) -> EnsembleSums:
        assert self.members == other.members
        return self._each(lambda name: getattr(self, name) + getattr(other, name))

    def total(self, axis: Axis) -> EnsembleSums:
        """The sums over an axis or more, which count from the first dimension on."""
        return self._each(lambda name: getattr(self, name).sum(axis))

    def _each(self, function: Callable[[str], np.ndarray]) -> EnsembleSums:
        names = [field.name for field in dataclasses.fields(self)][1:]
        return EnsembleSums(self.members, *map(function, names))

    def crps(self, axis: Axis = (), *, fair: bool = True) -> Sums:
        """Continuous ranked probability score; see `ensemble.crps`."""
        sums = self.total(axis)
        return ratio(sums.member_error - self._half(fair) * sums.member_difference, sums.weight)

    def threshold_weighted_crps(self, axis: Axis = (), *, fair: bool = True) -> Sums:
        """[..., r, k]; see `ensemble.threshold_weighted_crps`."""
        sums = self.total(axis)
        return ratio(sums.threshold_error - self._half(fair) * sums.threshold_difference, sums.threshold_weight)

    def _half(self, fair: bool) -> float:
        """What E|x - x'| counts in the score: a half or, in that of the M members as they are, (M - 1) / M of a
        half."""
        if fair:
            self._need_two("The fair CRPS", "Use fair=False, which with one member is the mean absolute error")
            return 0.5
        return 0.5 * (self.members - 1) / self.members

    def _need_two(self, what: str, remedy: str) -> None:
        if self.members < 2:
            raise UserError(f"{what} needs two members or more, but the ensemble has one. {remedy}.")

    def spread(self, axis: Axis = ()) -> Sums:
        """Root of the mean variance of members, with M - 1."""
        self._need_two("Spread", "Score it as a forecast without members")
        sums = self.total(axis)
        return np.sqrt(ratio(sums.variance, sums.weight))

    def mean_rmse(self, axis: Axis = ()) -> Sums:
        """Root mean squared error of the ensemble mean."""
        sums = self.total(axis)
        return np.sqrt(ratio(sums.squared_mean_error, sums.weight))

    def spread_skill_ratio(self, axis: Axis = (), *, correction: str = "skill") -> Sums:
        """Spread over RMSE of the ensemble mean; see `ensemble.spread_skill_ratio`."""
        if correction not in CORRECTIONS:
            raise UserError(
                f"There is no correction '{correction}' of spread/skill; choose one of: {', '.join(CORRECTIONS)}."
            )
        self._need_two("Spread", "Score it as a forecast without members")
        sums = self.total(axis)
        variance, squared = sums.variance, sums.squared_mean_error
        if correction == "skill":
            squared = squared - variance / self.members
        elif correction == "spread":
            variance = variance * (self.members + 1) / self.members
        # fewer than nothing by chance of a small sample: no ratio
        return np.sqrt(ratio(variance, np.where(squared > 0, squared, 0)))

    def rank_histogram(self, axis: Axis = ()) -> Sums:
        """[..., r, M + 1], adding up to 1; see `ensemble.rank_histogram`."""
        ranks = self.ranks.sum(axis)
        return ratio(ranks, ranks.sum(-1, keepdims=True))


# what makes spread and skill of a perfect ensemble the same; see `ensemble.spread_skill_ratio`
CORRECTIONS = ("skill", "spread", "none")

# where a truth that equals members is counted
TIES = ("equal", "lowest")


def ensemble_sums(
    members: Float[np.ndarray, "*lead m y x"],
    truth: Float[np.ndarray, "*truth y x"],
    weights: Float64[np.ndarray, "r y x"],
    *,
    truth_index: Int[np.ndarray, "..."] | None = None,
    lower: Float[np.ndarray, "*threshold y x"] | None = None,
    upper: Float[np.ndarray, "*threshold y x"] | None = None,
    threshold_index: Int[np.ndarray, "... k"] | None = None,
    ranks: bool = False,
    ties: str = "equal",
    threads: int = 1,
) -> EnsembleSums:
    """The sums of all scores of ensembles in one pass over the members.

    Args:
        members: [..., m, y, x], float32 as a rule, of any strides; a plane without gaps is read where it is.
        truth, weights, truth_index, threads: as in `field_sums.field_sums`.
        lower, upper: [..., y, x], limits of threshold-weighted scores at each point, infinite where there is none; both
            or neither.
        threshold_index: [..., k], which k of the limits belong to each forecast, as an index into their leading
            dimensions put into one; all of them without it.
        ranks: whether to fill the rank histogram.
        ties: as in `ensemble.rank_histogram`.

    Raises:
        UserError: unknown `ties`.

    >>> members = np.array([0.0, 1.0, 4.0], np.float32).reshape(3, 1, 1)
    >>> sums = ensemble_sums(members, np.full((1, 1), 2.0, np.float32), np.ones((1, 1, 1)))
    >>> # mean distance (2 + 1 + 2) / 3, mean difference of pairs (1 + 4 + 3) / 3
    >>> round(float(sums.crps()[0]), 4), round(float(sums.crps(fair=False)[0]), 4)
    (0.3333, 0.7778)
    """
    if ties not in TIES:
        raise UserError(f"There is no way '{ties}' to count ties of ranks; choose one of: {', '.join(TIES)}.")
    thresholds = 0
    if lower is not None:
        if threshold_index is None:
            threshold_index = np.arange(np.prod(lower.shape[:-2], dtype=np.int64))
        thresholds = threshold_index.shape[-1]
    out, histogram = kernels.ensemble_sums(
        members, truth, truth_index, lower, upper, threshold_index, weights, ranks, ties == "lowest", threads
    )
    parts = [out] if histogram is None else [out, histogram]
    return EnsembleSums.of(np.concatenate(parts, axis=-1), members.shape[-3], thresholds)
