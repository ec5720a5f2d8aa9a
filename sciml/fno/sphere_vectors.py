"""Tangent vector fields on the unit sphere: winds (u eastwards, v northwards) <-> vorticity and divergence.

With streamfunction s and velocity potential p, vorticity = laplacian(s) and divergence = laplacian(p),

    u = dp/dx / cos(latitude) - ds/dy        v = dp/dy + ds/dx / cos(latitude)

for longitude x and latitude y. s and p are the toroidal and spheroidal potentials of vector spherical harmonics; their
coefficients are -1 / (l (l + 1)) times those of vorticity and divergence. On a sphere of another radius vorticity and
divergence are to be divided by it.

Shapes: b batch, y latitudes, x longitudes, c channels, l degrees, m orders, 2 real and imaginary part.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sciml.fno import legendre
from sciml.fno.constants import outside_graphs
from sciml.fno.grids import Grid, SphereKind
from sciml.fno.legendre import Array
from sciml.fno.sphere import Coefficients, check_coefficients, check_field, check_truncation, counted_twice
from sciml.fno.sphere_sums import Sums, truncation


class VectorTransform:
    """Winds <-> coefficients of vorticity and divergence, exact on band-limited winds; see `vector_transform`."""

    def __init__(self, kind: SphereKind, latitudes: int, longitudes: int, degrees: int, orders: int) -> None:
        self.shape = latitudes, longitudes
        self.truncation = truncation(degrees, orders)
        points = legendre.latitudes_rad(kind, latitudes)
        self._into, self._from = {}, {}
        for name, slopes, odd in (("northwards", _northwards, 1), ("eastwards", _eastwards, 0)):
            functions = functools.partial(slopes, degrees=degrees, orders=orders)
            # a component of a vector is a series of sines where a scalar is one of cosines
            weights = legendre.integrals(kind, latitudes, functions, odd=1)
            self._into[name] = Sums(weights * (2 * np.pi / longitudes), longitudes, odd)
            self._from[name] = Sums(functions(points) * counted_twice(orders), longitudes, odd)

    def analysis(
        self, eastwards: Float[Tensor, "b y x c"], northwards: Float[Tensor, "b y x c"]
    ) -> tuple[Coefficients, Coefficients]:
        """Vorticity and divergence."""
        check_field(eastwards, self.shape)
        check_field(northwards, self.shape)
        winds = torch.cat([eastwards, northwards], dim=-1)
        u_y, v_y = self._into["northwards"].analysis(winds).chunk(2, dim=-1)
        u_x, v_x = self._into["eastwards"].analysis(winds).chunk(2, dim=-1)
        unpack = self.truncation.unpack
        return unpack(u_y + _times_i(v_x)), unpack(_times_i(u_x) - v_y)

    def synthesis(
        self, vorticity: Coefficients, divergence: Coefficients
    ) -> tuple[Float[Tensor, "b y x c"], Float[Tensor, "b y x c"]]:
        """Winds eastwards and northwards; the mean (l = 0) of vorticity and divergence has none and is ignored."""
        check_coefficients(vorticity, self.truncation)
        check_coefficients(divergence, self.truncation)
        potentials = [self.truncation.pack(inverse_laplacian(each)) for each in (vorticity, divergence)]
        stream, potential = potentials
        along = self._from["northwards"].synthesis(torch.cat([-stream, potential], dim=-1))
        across = self._from["eastwards"].synthesis(_times_i(torch.cat([potential, stream], dim=-1)))
        eastwards, northwards = (along + across).chunk(2, dim=-1)
        return eastwards, northwards


def vector_transform(grid: Grid, degrees: int | None = None, orders: int | None = None) -> VectorTransform:
    """The transform of winds on a grid, with arguments and errors of `spherical_transform`."""
    kind, degrees, orders = check_truncation(grid, degrees, orders)
    return _transform(kind, *grid.shape, degrees, orders)


@outside_graphs
@functools.cache
def _transform(kind: SphereKind, latitudes: int, longitudes: int, degrees: int, orders: int) -> VectorTransform:
    return VectorTransform(kind, latitudes, longitudes, degrees, orders)


def laplacian(coefficients: Coefficients) -> Coefficients:
    """Of a scalar field: -l (l + 1) times each coefficient."""
    return coefficients * _eigenvalues(coefficients)


def inverse_laplacian(coefficients: Coefficients) -> Coefficients:
    """The field without a mean whose laplacian is given; the mean of what is given is ignored."""
    return coefficients / _eigenvalues(coefficients).clamp(max=-1.0) * (_eigenvalues(coefficients) < 0)


def gradient(
    coefficients: Coefficients, transform: VectorTransform
) -> tuple[Float[Tensor, "b y x c"], Float[Tensor, "b y x c"]]:
    """Slopes of a scalar field eastwards and northwards on the transform's grid."""
    return transform.synthesis(torch.zeros_like(coefficients), laplacian(coefficients))


def vorticity(
    eastwards: Float[Tensor, "b y x c"], northwards: Float[Tensor, "b y x c"], transform: VectorTransform
) -> Coefficients:
    """Of a wind."""
    return transform.analysis(eastwards, northwards)[0]


def divergence(
    eastwards: Float[Tensor, "b y x c"], northwards: Float[Tensor, "b y x c"], transform: VectorTransform
) -> Coefficients:
    """Of a wind."""
    return transform.analysis(eastwards, northwards)[1]


def _eigenvalues(like: Tensor) -> Tensor:
    degree = torch.arange(like.shape[1]).to(like)
    return (-degree * (degree + 1)).view(-1, 1, 1, 1)


def _times_i(packed: Tensor) -> Tensor:
    real, imaginary = packed.unbind(2)
    return torch.stack([-imaginary, real], dim=2)


# Both from neighbours in m, so that poles are points as any other.


def _northwards(latitude_rad: Array, degrees: int, orders: int) -> Array:
    """dP/d(latitude), [m, l, y]."""
    l, m, p = _neighbours(latitude_rad, degrees, orders)  # noqa: E741
    below, above = p[:-2, :-1], p[2:, :-1]
    rises = np.sqrt(np.maximum((l + m) * (l - m + 1), 0)) * below
    return 0.5 * (rises - np.sqrt(np.maximum((l - m) * (l + m + 1), 0)) * above) * (l >= m)


def _eastwards(latitude_rad: Array, degrees: int, orders: int) -> Array:
    """m P / cos(latitude), [m, l, y]."""
    l, m, p = _neighbours(latitude_rad, degrees, orders)  # noqa: E741
    below, above = p[:-2, 1:], p[2:, 1:]
    total = np.sqrt(np.maximum((l - m + 1) * (l - m + 2), 0)) * below + np.sqrt((l + m + 1) * (l + m + 2)) * above
    return -0.5 * np.sqrt((2 * l + 1) / (2 * l + 3)) * total * (l >= m)


def _neighbours(latitude_rad: Array, degrees: int, orders: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """l and m in shapes that broadcast, and P of orders -1 to `orders` and of one degree more."""
    p = legendre.legendre_functions(latitude_rad, degrees + 1, orders + 1)
    l, m = np.arange(degrees)[:, None], np.arange(orders)[:, None, None]  # noqa: E741
    # P of order -1 is that of order 1 with the other sign
    return l, m, np.concatenate([-p[1:2], p])
