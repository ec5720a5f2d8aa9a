"""Harmonic functions around disks in a rectangle, by least squares on the boundary.

u = Re p(z) + sum_j (a_j log |z - z_j| + Re q_j(1 / (z - z_j))), with polynomials p and q_j, is harmonic whatever its
coefficients are (Trefethen 2018, Appl. Math. Lett. 80, 1, "Series solution of Laplace problems"). By the maximum
principle it is nowhere farther from the solution than on the boundary, where values are given.

Shapes: n points, m points of the boundary, c coefficients, j disks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float

from sciml.core.errors import UserError

# points of a side or a circle for each degree
_OVERSAMPLING = 3
# of the polynomial's degree, that of each disk's; series around disks converge sooner
_SHARE = 4


@dataclass(frozen=True)
class Disk:
    """A disk that is cut out, and the value on its circle."""

    centre: tuple[float, float]
    radius: float
    value: float


@dataclass(frozen=True, eq=False)
class Harmonic:
    """A harmonic function.

    Attributes:
        error: largest difference from the values of the boundary at points between those that it was fitted at, which
            bounds the difference everywhere.
    """

    disks: Sequence[Disk]
    size: float
    degree: int
    coefficients: Float[np.ndarray, " c"]
    error: float

    def __call__(self, x: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
        """Its values at points outside of the disks."""
        return _basis(x[:, 0] + 1j * x[:, 1], self.disks, self.size, self.degree) @ self.coefficients


def harmonic_around_disks(half_width: float, value: float, disks: Sequence[Disk], degree: int = 96) -> Harmonic:
    """The harmonic function in the square from -half_width to half_width without some disks.

    Args:
        half_width: of the square.
        value: on its sides.
        disks: that do not meet one another or the sides.
        degree: of the polynomial; errors fall geometrically.

    Raises:
        UserError: a degree below one, or disks that meet.
    """
    if degree < 1:
        raise UserError(f"A harmonic series needs a `degree` of at least 1, but got {degree}.")
    for place, disk in enumerate(disks):
        away = [abs(complex(*disk.centre) - complex(*other.centre)) - other.radius for other in disks[:place]]
        if min([*away, half_width - max(map(abs, disk.centre))]) <= disk.radius:
            raise UserError(f"The disk at {disk.centre} meets another one or a side. Make it smaller.")
    m = _OVERSAMPLING * degree
    z, given = _boundary(half_width, value, disks, m, 0.0)
    size = np.sqrt(2) * half_width
    coefficients = np.linalg.lstsq(_basis(z, disks, size, degree), given, rcond=1e-15)[0]
    between, there = _boundary(half_width, value, disks, 4 * m, 0.5)
    error = float(np.abs(_basis(between, disks, size, degree) @ coefficients - there).max())
    return Harmonic(disks, size, degree, coefficients, error)


def _boundary(
    half_width: float, value: float, disks: Sequence[Disk], m: int, shift: float
) -> tuple[Complex[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Points of all sides and circles, and the values there."""
    # closer together at corners
    side = half_width * (1 - 1j * np.cos(np.pi * (np.arange(m) + shift) / m))
    circle = np.exp(2j * np.pi * (np.arange(m) + shift) / m)
    parts = [side * 1j**turn for turn in range(4)] + [complex(*d.centre) + d.radius * circle for d in disks]
    return np.concatenate(parts), np.repeat([value] * 4 + [disk.value for disk in disks], m)


def _basis(z: Complex[np.ndarray, " n"], disks: Sequence[Disk], size: float, degree: int) -> Float[np.ndarray, "n c"]:
    powers = (z[:, None] / size) ** np.arange(degree + 1)
    columns = [powers.real, powers.imag[:, 1:]]
    for disk in disks:
        from_centre = (z - complex(*disk.centre)) / disk.radius
        inverse = from_centre[:, None] ** -np.arange(1.0, degree // _SHARE + 2)
        columns += [np.log(np.abs(from_centre))[:, None], inverse.real, inverse.imag]
    return np.concatenate(columns, axis=1)
