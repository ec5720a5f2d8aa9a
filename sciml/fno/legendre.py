"""Associated Legendre functions, and the rules that integrate them from the latitudes of a grid.

Functions are orthonormal on the sphere with the Condon-Shortley phase: Y_lm = P_lm(sin latitude) exp(i m longitude) has
a mean square of 1 / (4 pi), as `scipy.special.sph_harm_y` has it. They follow the three-term recurrence in l from
P_mm (Holmes and Featherstone 2002, doi:10.1007/s00190-002-0216-2, equations 11 to 13).

On Gauss-Legendre latitudes the integral over latitude is Gauss' rule. On equiangular ones a field's part of order m is
a series of cosines of colatitude for even m and of sines for odd m, which its values determine; the series is then
integrated exactly (as in McEwen and Wiaux 2011, arXiv:1110.6298). The weights of the mean are those of Clenshaw and
Curtis (poles included) and Fejer (half a spacing off), but coefficients of twice the degree that these rules allow are
exact.

Shapes: m orders, l degrees, y latitudes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.fno.grids import SphereKind

Array = NDArray[np.float64]
Functions: TypeAlias = Callable[[Array], Array]

# P_mm is cos(latitude)^m, which falls below the smallest float64 where P_lm does not for l above some 1,900
MOST_DEGREES = 1800


def degrees_carried(kind: SphereKind, latitudes: int) -> int:
    """How many degrees l = 0, 1, ... a band-limited field may have, to be found again from its values.

    >>> degrees_carried("gauss-legendre", 32), degrees_carried("equiangular", 121)
    (32, 120)
    """
    return latitudes - 1 if kind == "equiangular" else latitudes


def orders_carried(longitudes: int) -> int:
    """How many orders m = 0, 1, ... have both a cosine and a sine on so many longitudes.

    >>> orders_carried(64), orders_carried(63)
    (32, 32)
    """
    return (longitudes + 1) // 2


def latitudes_rad(kind: SphereKind, latitudes: int) -> Array:
    """Latitudes in radians, ascending from the south.

    >>> np.degrees(latitudes_rad("equiangular-offset", 4)).round(1).tolist()
    [-67.5, -22.5, 22.5, 67.5]
    """
    if kind == "gauss-legendre":
        # of the caller, who may change it
        return _gauss(latitudes)[0].copy()
    if kind == "equiangular":
        return np.linspace(-0.5, 0.5, latitudes) * np.pi
    return ((np.arange(latitudes) + 0.5) / latitudes - 0.5) * np.pi


def area_weights(kind: SphereKind, latitudes: int) -> Array:
    """Weights [y] with a sum of 1 that make the mean over the sphere of a band-limited field exact.

    >>> area_weights("equiangular", 3)  # Simpson's rule in colatitude: poles have an area
    array([0.16666667, 0.66666667, 0.16666667])
    """
    return analysis_matrix(kind, latitudes, 1, 1)[0, 0] * np.sqrt(4 * np.pi) / 2


def legendre_functions(latitude_rad: Array, degrees: int, orders: int) -> Array:
    """P_lm [m, l, y] at any latitudes for l < degrees and m < orders, zero where l < m.

    Raises:
        UserError: more degrees than float64 carries.

    >>> legendre_functions(np.array([np.pi / 6]), 3, 2)[0, :, 0] * np.sqrt(4 * np.pi / np.array([1, 3, 5]))
    array([ 1.   ,  0.5  , -0.125])
    """
    if degrees > MOST_DEGREES:
        raise UserError(f"Legendre functions are computed for at most {MOST_DEGREES} degrees, but {degrees} are asked.")
    x, across = np.sin(latitude_rad), np.cos(latitude_rad)
    p = np.zeros((orders, degrees, len(x)))
    diagonal = np.full_like(x, np.sqrt(1 / (4 * np.pi)))
    for m in range(min(orders, degrees)):
        if m > 0:
            diagonal = -np.sqrt((2 * m + 1) / (2 * m)) * across * diagonal
        p[m, m] = diagonal
        if m + 1 < degrees:
            p[m, m + 1] = np.sqrt(2 * m + 3) * x * diagonal
    m = np.arange(orders)[:, None]
    for l in range(2, degrees):  # noqa: E741
        known = m[: max(0, min(orders, l - 1))]
        a = np.sqrt((4 * l**2 - 1) / (l**2 - known**2))
        b = np.sqrt(((l - 1) ** 2 - known**2) / (4 * (l - 1) ** 2 - 1))
        p[: len(known), l] = a * (x * p[: len(known), l - 1] - b * p[: len(known), l - 2])
    return p


def analysis_matrix(kind: SphereKind, latitudes: int, degrees: int, orders: int) -> Array:
    """What the part f_m of a field is to be multiplied by for its integrals with P_lm over sin(latitude), [m, l, y]."""
    return integrals(kind, latitudes, functools.partial(legendre_functions, degrees=degrees, orders=orders))


def integrals(kind: SphereKind, latitudes: int, functions: Functions, odd: int = 0) -> Array:
    """What values [y] of a series have to be multiplied by for their integrals with functions over sin(latitude).

    Args:
        functions: of latitudes in radians, giving [m, ..., y].
        odd: 1 if the series for m = 0 is of sines, as that of a component of a vector is; 0 if of cosines.
    """
    if kind == "gauss-legendre":
        return functions(latitudes_rad(kind, latitudes)) * _gauss(latitudes)[1]
    # as many points of Gauss' rule integrate the product of two such series exactly
    latitude_rad, weights = _gauss(latitudes)
    weighted = functions(latitude_rad) * weights
    matrix = np.empty(weighted.shape)
    for parity in range(2):
        rows = slice((parity + odd) % 2, None, 2)
        matrix[rows] = weighted[rows] @ _interpolation(kind, latitudes, latitude_rad, sines=bool(parity))
    return matrix


def _interpolation(kind: SphereKind, latitudes: int, latitude_rad: Array, sines: bool) -> Array:
    """Values of the series through points of an equiangular grid at other latitudes, [other, y]."""
    colatitude = np.pi / 2 - latitudes_rad(kind, latitudes)
    poles = kind == "equiangular"
    intervals = latitudes - 1 if poles else latitudes
    function = np.sin if sines else np.cos
    order = np.arange(1, intervals + (not poles)) if sines else np.arange(latitudes)
    # the series' functions are orthogonal over the points, of which a pole counts half
    norm = np.full(len(order), intervals / 2)
    if sines and not poles:
        norm[-1] *= 2
    if not sines:
        norm[0] *= 2
        norm[-1] *= 1 + poles
    count = np.ones(latitudes)
    if poles:
        count[[0, -1]] = 0.5
    coefficients = function(np.outer(order, colatitude)) * count / norm[:, None]
    return function(np.outer(np.pi / 2 - latitude_rad, order)) @ coefficients


@functools.cache
def _gauss(latitudes: int) -> tuple[Array, Array]:
    """Latitudes in radians, ascending, and the weights of Gauss' rule, by Newton's method.

    In colatitude rather than in its cosine, which near a pole says too little: to 1e-14 where numpy's and scipy's rules
    leave 3e-13 in the integrals of products of Legendre functions of 121 degrees.
    """
    # Tricomi's approximation of the roots, good to 1e-3 of their distance
    colatitude: Array = (np.pi / (latitudes + 0.5)) * np.arange(0.75, latitudes)
    slope: Array = np.ones(latitudes)
    for _ in range(6):
        x, before, value = np.cos(colatitude), np.zeros(latitudes), np.ones(latitudes)
        for l in range(1, latitudes + 1):  # noqa: E741
            before, value = value, ((2 * l - 1) * x * value - (l - 1) * before) / l
        slope = latitudes * (x * value - before) / np.sin(colatitude)
        colatitude = colatitude - value / slope
    return (np.pi / 2 - colatitude)[::-1], (2 / slope**2)[::-1]
