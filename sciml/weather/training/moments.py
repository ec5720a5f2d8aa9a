"""Area-weighted mean, variance and extremes of fields, from pieces in any order.

Two pieces with weights a and b and means m and n make one of mean m + (n - m) b / (a + b), and of summed squares of
deviations those of both plus (n - m)^2 a b / (a + b) (Chan, Golub and LeVeque 1983, The American Statistician 37, 242),
which loses no digits however far the mean is from zero.

Shapes: c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Of every field, over the values that are not missing; without any, weight and squares are 0.

    Attributes:
        weight: sum of the weights.
        mean: weighted.
        squares: weighted sum of squares of deviations from the mean.
        minimum: +inf without values.
        maximum: -inf without values.
        values: how many were not missing.
    """

    weight: Float[np.ndarray, " c"]
    mean: Float[np.ndarray, " c"]
    squares: Float[np.ndarray, " c"]
    minimum: Float[np.ndarray, " c"]
    maximum: Float[np.ndarray, " c"]
    values: Int[np.ndarray, " c"]

    @property
    def std(self) -> Float[np.ndarray, " c"]:
        """Root of the weighted mean square deviation; NaN without values."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.squares / self.weight)

    def __add__(self, other: Moments) -> Moments:
        """Those of both pieces."""
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        apart = other.mean - self.mean
        return Moments(
            weight,
            self.mean + apart * share,
            self.squares + other.squares + apart**2 * self.weight * share,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
            self.values + other.values,
        )


def no_moments(fields: int) -> Moments:
    """What adds nothing."""
    zero, infinite = np.zeros(fields), np.full(fields, np.inf)
    return Moments(zero, zero, zero, infinite, -infinite, np.zeros(fields, np.int64))


def moments_of(frame: Float[np.ndarray, "c y x"], area_weights: Float[np.ndarray, "y x"]) -> Moments:
    """The moments of one frame; NaN is missing.

    >>> frame = np.array([[[1.0, 2.0], [3.0, np.nan]]])
    >>> moments = moments_of(frame, np.array([[1.0, 1.0], [2.0, 2.0]]))
    >>> float(moments.mean[0]), float(moments.squares[0])  # (1 + 2 + 6) / 4; 1.5625 + 0.0625 + 2 x 0.5625
    (2.25, 2.75)
    """
    x_cn = frame.reshape(len(frame), -1).astype(np.float64)
    weight_n = area_weights.reshape(-1)
    missing_cn = np.isnan(x_cn)
    if not missing_cn.any():
        return _of_whole(x_cn, weight_n)
    parts = [_of_whole(x[None, ~gone], weight_n[~gone]) for x, gone in zip(x_cn, missing_cn, strict=True)]
    return Moments(*(np.concatenate([getattr(part, name) for part in parts]) for name in Moments.__dataclass_fields__))


def _of_whole(x_cn: NDArray[np.float64], weight_n: NDArray[np.float64]) -> Moments:
    if x_cn.shape[1] == 0:
        return no_moments(len(x_cn))
    total = weight_n.sum()
    mean = x_cn @ weight_n / total
    deviation = x_cn - mean[:, None]
    squares = np.square(deviation, out=deviation) @ weight_n
    n = np.full(len(x_cn), x_cn.shape[1])
    return Moments(np.full(len(x_cn), total), mean, squares, x_cn.min(axis=1), x_cn.max(axis=1), n)
