"""Weighted sums over regions that add up: the streaming form of every score that is a weighted mean.

Shapes: n forecasts, y latitudes, x longitudes, r regions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

# so many points are worked on at once, so that their float64 copies stay in a cache of a few MB
POINTS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class WeightedSums:
    """Sums of weight x value, and of the weights of the values that are there."""

    total: Float64[np.ndarray, "*shape"]
    weight: Float64[np.ndarray, "*shape"]

    def __add__(self, other: WeightedSums) -> WeightedSums:
        return WeightedSums(self.total + other.total, self.weight + other.weight)

    def sum(self, axis: int | tuple[int, ...]) -> WeightedSums:
        """The sums of all along these axes together."""
        return WeightedSums(np.asarray(self.total.sum(axis)), np.asarray(self.weight.sum(axis)))

    def mean(self) -> Float64[np.ndarray, "*shape"]:
        """The weighted mean, NaN where there was nothing."""
        return np.divide(self.total, self.weight, out=np.full(self.weight.shape, np.nan), where=self.weight > 0)


def weighted_sums(values: Float[np.ndarray, "n y x"], weights: Float[np.ndarray, "r y x"]) -> WeightedSums:
    """Sums [n, r]; a value that is NaN counts nowhere.

    >>> sums = weighted_sums(np.array([[[1.0, 4.0, np.nan]]]), np.array([[[3.0, 1.0, 9.0]]]))
    >>> float(sums.mean()[0, 0])  # (3 + 4) / 4
    1.75
    """
    weights_pr = np.ascontiguousarray(weights.reshape(len(weights), -1).T, np.float64)
    total, weight = (np.zeros((len(values), len(weights))) for _ in range(2))
    for block in blocks(values.shape):
        flat = values[block].reshape(-1, len(weights_pr))
        there = ~np.isnan(flat)
        total[block] = np.where(there, flat, 0).astype(np.float64, copy=False) @ weights_pr
        weight[block] = there.astype(np.float64) @ weights_pr
    return WeightedSums(total, weight)


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Parts of the fields [n, y, x] that are worked on one after the other."""
    rows = max(1, POINTS_AT_ONCE // max(1, shape[1] * shape[2]))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))
