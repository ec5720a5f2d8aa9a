"""Spherical harmonic transforms of real fields, channels last.

A field is f = sum over l and m >= 0 of Re(a_lm (2 - [m = 0]) Y_lm) with the orthonormal harmonics of `legendre`, so the
coefficients are those of the complex expansion with m >= 0. Latitudes ascend from the south as in `Grid`; the radius of
the sphere is 1.

Shapes: b batch, y latitudes, x longitudes, c channels, l degrees, m orders, p points, 2 real and imaginary part.
"""

from __future__ import annotations

import functools
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno import legendre
from sciml.fno.constants import outside_graphs
from sciml.fno.grids import Grid, SphereKind
from sciml.fno.sphere_sums import Sums, Truncation, truncation

Coefficients: TypeAlias = Float[Tensor, "b l m 2 c"]
Packed: TypeAlias = Float[Tensor, "t b 2 c"]


class SphericalTransform:
    """Fields <-> coefficients on one grid with one truncation; `spherical_transform` makes and keeps it.

    `analysis` finds the coefficients of a field that has no others exactly, and `synthesis` its values. Coefficients
    with l < m, and the imaginary parts for m = 0, are zero in the result and ignored in the input. The packed forms
    leave out l < m: [t, b, 2, c] in the order of `truncation`.
    """

    def __init__(self, kind: SphereKind, latitudes: int, longitudes: int, degrees: int, orders: int) -> None:
        self.kind: SphereKind = kind
        self.latitudes, self.longitudes = latitudes, longitudes
        self.truncation: Truncation = truncation(degrees, orders)
        weights = legendre.analysis_matrix(kind, latitudes, degrees, orders)
        self._into = Sums(weights * (2 * np.pi / longitudes), longitudes)
        values = legendre.legendre_functions(legendre.latitudes_rad(kind, latitudes), degrees, orders)
        self._from = Sums(values * counted_twice(orders), longitudes)

    def analysis(self, field: Float[Tensor, "b y x c"]) -> Coefficients:
        return self.truncation.unpack(self.packed_analysis(field))

    def synthesis(self, coefficients: Coefficients) -> Float[Tensor, "b y x c"]:
        check_coefficients(coefficients, self.truncation)
        return self.packed_synthesis(self.truncation.pack(coefficients))

    def packed_analysis(self, field: Float[Tensor, "b y x c"]) -> Packed:
        check_field(field, (self.latitudes, self.longitudes))
        return self._into.analysis(field)

    def packed_synthesis(self, packed: Packed) -> Float[Tensor, "b y x c"]:
        return self._from.synthesis(packed)


def counted_twice(orders: int) -> NDArray[np.float64]:
    """Each order's share [m, 1, 1] in a real field: m and -m together, 0 alone."""
    return np.where(np.arange(orders) == 0, 1.0, 2.0)[:, None, None]


def check_field(field: Tensor, shape: tuple[int, int]) -> None:
    """Raises UserError unless a field has so many latitudes and longitudes."""
    if field.ndim != 4 or tuple(field.shape[1:3]) != shape:
        raise UserError(
            f"A transform on {shape[0]} latitudes and {shape[1]} longitudes needs fields [batch, latitude, longitude, "
            f"channel], but got {list(field.shape)}."
        )


def check_coefficients(coefficients: Tensor, kept: Truncation) -> None:
    """Raises UserError unless coefficients are of this truncation."""
    if coefficients.ndim != 5 or tuple(coefficients.shape[1:4]) != (kept.degrees, kept.orders, 2):
        raise UserError(
            f"A transform with {kept.degrees} degrees and {kept.orders} orders needs coefficients [batch, degree, "
            f"order, 2, channel], but got {list(coefficients.shape)}."
        )


def check_truncation(grid: Grid, degrees: int | None, orders: int | None) -> tuple[SphereKind, int, int]:
    """The kind of a grid, and how many degrees and orders are kept: all that the grid carries unless given.

    Raises:
        UserError: the grid is no sphere, or carries fewer.
    """
    if grid.sphere is None:
        raise UserError(
            f"Spherical harmonics need a grid of latitudes and longitudes with `sphere` set, but got {grid}."
        )
    most_degrees = legendre.degrees_carried(grid.sphere, grid.shape[0])
    most_orders = legendre.orders_carried(grid.shape[1])
    degrees = min(most_degrees, most_orders) if degrees is None else degrees
    orders = min(degrees, most_orders) if orders is None else orders
    if not (1 <= orders <= degrees <= most_degrees and orders <= most_orders):
        raise UserError(
            f"A grid of {grid.shape[0]} x {grid.shape[1]} points ({grid.sphere}) carries {most_degrees} degrees and "
            f"{most_orders} orders, and each order a degree, but {degrees} degrees and {orders} orders are asked. "
            "Ask for fewer or use a finer grid."
        )
    return grid.sphere, degrees, orders


def spherical_transform(grid: Grid, degrees: int | None = None, orders: int | None = None) -> SphericalTransform:
    """The transform on a grid; what it needs is computed once for all who ask.

    Args:
        degrees: l = 0 .. degrees - 1 are kept, 32 for T31; None keeps all for which the grid carries all orders.
        orders: m = 0 .. orders - 1 are kept; None keeps as many as degrees (triangular) if the grid carries them.

    Raises:
        UserError: the grid is no sphere, or carries fewer.

    >>> transform = spherical_transform(Grid((8, 16), (False, True), "gauss-legendre"))
    >>> coefficients = transform.analysis(torch.ones(1, 8, 16, 1, dtype=torch.float64))
    >>> f"{coefficients[0, 0, 0, 0, 0]:.6f}", f"{coefficients.square().sum():.6f}"  # the area is 4 pi
    ('3.544908', '12.566371')
    """
    kind, degrees, orders = check_truncation(grid, degrees, orders)
    return _transform(kind, *grid.shape, degrees, orders)


@outside_graphs
@functools.cache
def _transform(kind: SphereKind, latitudes: int, longitudes: int, degrees: int, orders: int) -> SphericalTransform:
    return SphericalTransform(kind, latitudes, longitudes, degrees, orders)


def resample(field: Float[Tensor, "b y x c"], source: Grid, target: Grid) -> Float[Tensor, "b v w c"]:
    """A field at the points of another grid, without the degrees that one of both does not carry.

    Raises:
        UserError: a grid is no sphere, or the field is not on `source`.
    """
    degrees = min(check_truncation(source, None, None)[1], check_truncation(target, None, None)[1])
    packed = spherical_transform(source, degrees).packed_analysis(field)
    return spherical_transform(target, degrees).packed_synthesis(packed)


def values_at(
    coefficients: Coefficients, latitude_rad: Float[Tensor, " p"], longitude_rad: Float[Tensor, " p"]
) -> Float[Tensor, "b p c"]:
    """A field's values at any points."""
    degrees, orders = coefficients.shape[1:3]
    functions = legendre.legendre_functions(latitude_rad.detach().cpu().double().numpy(), degrees, orders)
    functions = torch.from_numpy(functions * counted_twice(orders)).to(coefficients)
    angle = longitude_rad.to(coefficients) * torch.arange(orders).to(coefficients).unsqueeze(1)
    waves = torch.stack([angle.cos(), -angle.sin()])
    return torch.einsum("mlp,rmp,blmrc->bpc", functions, waves, coefficients)


def power_by_degree(coefficients: Coefficients) -> Float[Tensor, "b l c"]:
    """Each degree's share in the mean square over the sphere: their sum is the mean of the field's square."""
    both = torch.from_numpy(counted_twice(coefficients.shape[2]).squeeze()).to(coefficients)
    squares = coefficients.square().sum(3)
    return torch.einsum("blmc,m->blc", squares, both.reshape(-1)) / (4 * np.pi)
