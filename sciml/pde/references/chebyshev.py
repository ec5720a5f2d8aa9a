"""Polynomials through values at Chebyshev points cos(pi j / (n - 1)), mapped to ascend from 0 to 1.

Derivatives: Trefethen 2000, Spectral Methods in MATLAB, chapter 6. Interpolation: Berrut and Trefethen 2004 (SIAM
Rev. 46, 501).

Shapes: n points, p points asked for.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def points_of(n: int) -> Float[np.ndarray, " n"]:
    """The points.

    >>> points_of(3).tolist()
    [0.0, 0.5, 1.0]
    """
    # of sines, which are symmetric to the last digit
    return (1 + np.sin(np.pi * np.arange(1 - n, n, 2) / (2 * (n - 1)))) / 2


def differentiation(n: int) -> Float[np.ndarray, "n n"]:
    """The matrix that takes values to derivatives.

    >>> (differentiation(5) @ points_of(5) ** 3 - 3 * points_of(5) ** 2).round(12).any()
    np.False_
    """
    x, weights = points_of(n), _weights(n)
    apart = x[:, None] - x + np.eye(n)
    matrix = weights / weights[:, None] / apart
    # a constant has no derivative
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix


def interpolation(n: int, at: Float[np.ndarray, " p"]) -> Float[np.ndarray, "p n"]:
    """The matrix that takes values to those at other points of the interval.

    >>> interpolation(3, np.array([0.25])) @ points_of(3) ** 2
    array([0.0625])
    """
    apart = at[:, None] - points_of(n)
    exact = apart == 0
    matrix = _weights(n) / np.where(exact, 1, apart)
    matrix /= matrix.sum(axis=1, keepdims=True)
    hit = exact.any(axis=1)
    matrix[hit] = exact[hit]
    return matrix


def _weights(n: int) -> Float[np.ndarray, " n"]:
    weights = (-1.0) ** np.arange(n)
    weights[[0, -1]] /= 2
    return weights
