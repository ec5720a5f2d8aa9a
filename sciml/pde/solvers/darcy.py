"""Darcy flow on the unit square: -div(a grad u) = f, u = 0 on the boundary.

Second-order finite differences on the points (i / (n - 1), j / (n - 1)), as in `solve_gwf.m` published with Li et al.
2021 (arXiv:2010.08895): the flux between two points has the mean of their coefficients. That script takes the
coefficient at the centres of n x n cells, goes to the points with a cubic spline and back with another; here the
coefficient is given at the points themselves, so it keeps its two values, and u is exactly zero on the boundary.

The linear system is solved with conjugate gradients, preconditioned with the same differences for a = 1, which a sine
transform inverts. Its condition number is max(a) / min(a) on every grid, so 4 for the paper's coefficient: a factor
of 3 an iteration (Concus and Golub 1973, SIAM J. Numer. Anal. 10, 1103).

Shapes: n points an axis.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.pde.solvers.transforms import fft

# (max(a) / min(a))^(1/2) * log(2 / tolerance) / 2 iterations are enough: 10 000 serve a contrast of 10^6
_MOST_ITERATIONS = 10_000

Faces = Literal["arithmetic", "harmonic"]


def solve_darcy(
    coefficient: Float[np.ndarray, "n n"],
    source: Float[np.ndarray, "n n"] | float = 1.0,
    faces: Faces = "arithmetic",
    tolerance: float = 1e-10,
) -> Float[np.ndarray, "n n"]:
    """u on all points, boundary included.

    Args:
        coefficient: a on the points.
        source: f on the points, or one number; its values on the boundary do not matter.
        faces: mean of the two coefficients for the flux between two points.
        tolerance: largest norm of the residual, relative to that of the source.

    Raises:
        UserError: fewer than three points an axis, a coefficient that is not positive everywhere, NaN, or a contrast
            too large for the iteration.
    """
    n = len(coefficient)
    if n < 3:
        raise UserError(f"Darcy flow needs at least 3 points an axis, but has {n}.")
    if not (np.isfinite(coefficient).all() and (coefficient > 0).all()):
        raise UserError("The coefficient of Darcy flow needs to be a finite number above zero at every point.")
    if not np.isfinite(source).all():
        raise UserError("The source of Darcy flow has NaN or infinity in it. Give a whole field.")
    if not 1e-13 <= tolerance < 1:
        raise UserError(f"The tolerance of Darcy flow needs to be between 1e-13 and 1, but is {tolerance:g}.")
    right = np.broadcast_to(np.asarray(source, np.float64), (n, n))[1:-1, 1:-1].copy()
    east = _face_mean(coefficient[1:, 1:-1], coefficient[:-1, 1:-1], faces) * (n - 1) ** 2
    north = _face_mean(coefficient[1:-1, 1:], coefficient[1:-1, :-1], faces) * (n - 1) ** 2
    solution = np.zeros((n, n))
    found = _conjugate_gradients(right, east, north, tolerance)
    if found is None:
        raise UserError(
            f"Darcy flow did not reach a residual of {tolerance:g} in {_MOST_ITERATIONS} iterations: the contrast of "
            f"its coefficient, {coefficient.max() / coefficient.min():.3g}, is too large. Lower it, or raise the "
            "tolerance."
        )
    solution[1:-1, 1:-1] = found
    return solution


def threshold(field: Float[np.ndarray, "n n"], at_or_above: float, below: float) -> Float[np.ndarray, "n n"]:
    """The two-valued coefficient of Li et al. 2021, section 5.2: 12 where a Gaussian field is not negative, else 3.

    >>> threshold(np.array([[-0.1, 0.0], [0.3, -2.0]]), 12.0, 3.0).tolist()
    [[3.0, 12.0], [12.0, 3.0]]
    """
    return np.where(field >= 0, at_or_above, below)


def _face_mean(a: np.ndarray, b: np.ndarray, faces: Faces) -> np.ndarray:
    return (a + b) / 2 if faces == "arithmetic" else 2 * a * b / (a + b)


def _conjugate_gradients(right: np.ndarray, east: np.ndarray, north: np.ndarray, tolerance: float) -> np.ndarray | None:
    """u inside of the square; None if it takes too long."""
    inverse_laplacian = _inverse_laplacian(len(right))
    diagonal = east[1:] + east[:-1] + north[:, 1:] + north[:, :-1]
    inner_east, inner_north = east[1:-1], north[:, 1:-1]

    def operator(u: np.ndarray) -> np.ndarray:
        result = diagonal * u
        result[1:] -= inner_east * u[:-1]
        result[:-1] -= inner_east * u[1:]
        result[:, 1:] -= inner_north * u[:, :-1]
        result[:, :-1] -= inner_north * u[:, 1:]
        return result

    size = np.linalg.norm(right)
    u = np.zeros_like(right)
    if size == 0:
        return u
    residual = right.copy()
    direction = z = inverse_laplacian(residual)
    product = np.vdot(residual, z)
    for _ in range(_MOST_ITERATIONS):
        image = operator(direction)
        length = product / np.vdot(direction, image)
        u += length * direction
        residual -= length * image
        if np.linalg.norm(residual) <= tolerance * size:
            return u
        z = inverse_laplacian(residual)
        before, product = product, np.vdot(residual, z)
        direction = z + (product / before) * direction
    return None


def _inverse_laplacian(n: int):
    """u with -Laplacian u = r on n x n points inside of the square, by sine transforms."""
    along = (2 * (n + 1) * np.sin(np.pi * np.arange(1, n + 1) / (2 * (n + 1)))) ** 2
    inverse = 1 / (along[:, None] + along[None])

    def solve(right: np.ndarray) -> np.ndarray:
        modes = fft.dstn(right, type=1)
        modes *= inverse
        return fft.idstn(modes, type=1, overwrite_x=True)

    return solve
