"""Numbers that tell a network where a point is: in the unit box, smoothly across the ends of a period, on the sphere.

Shapes: b batch, grid points along one or more axes, y latitudes, x longitudes, f features, d axes.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sciml.fno.constants import Builder, constant
from sciml.fno.grids import Grid, SphereKind
from sciml.fno.legendre import latitudes_rad


def box_coordinates(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Float64[np.ndarray, "*grid d"]:
    """Where the points of a grid are in the unit box: at i / n of a periodic axis, at i / (n - 1) of another.

    >>> box_coordinates((4,), (True,))[:, 0], box_coordinates((3,), (False,))[:, 0]
    (array([0.  , 0.25, 0.5 , 0.75]), array([0. , 0.5, 1. ]))
    """
    axes = [np.arange(n) / (n if p else n - 1) for n, p in zip(shape, periodic, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def sphere_coordinates(kind: SphereKind, latitudes: int, longitudes: int) -> Float64[np.ndarray, "y x 3"]:
    """The points of a grid on the unit sphere; its axes are 0 and 90 degrees east on the equator, and the north pole.

    >>> sphere_coordinates("equiangular", 3, 4)[1].round(1) + 0.0
    array([[ 1.,  0.,  0.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  0.],
           [ 0., -1.,  0.]])
    """
    y = latitudes_rad(kind, latitudes)[:, None]
    x = 2 * np.pi * np.arange(longitudes) / longitudes
    return np.stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y) + 0 * x], axis=-1)


def point_features(
    shape: tuple[int, ...], periodic: tuple[bool, ...], sphere: SphereKind | None, waves: int
) -> Float64[np.ndarray, "*grid f"]:
    """Features of the points of a grid, from -1 to 1.

    Of a box: sine and cosine of the first `waves` waves along each periodic axis, the place from -1 to 1 along each
    other one. Of the sphere: the point on the unit sphere, in three numbers.

    >>> point_features((4,), (True,), None, waves=1).round(6) + 0.0
    array([[ 0.,  1.],
           [ 1.,  0.],
           [ 0., -1.],
           [-1.,  0.]])
    >>> point_features((3,), (False,), None, waves=1)[:, 0]
    array([-1.,  0.,  1.])
    """
    if sphere is not None:
        return sphere_coordinates(sphere, *shape)
    features = []
    for place, is_periodic in zip(np.moveaxis(box_coordinates(shape, periodic), -1, 0), periodic, strict=True):
        angle = 2 * np.pi * place[..., None] * np.arange(1, waves + 1)
        features += [np.sin(angle), np.cos(angle)] if is_periodic else [2 * place[..., None] - 1]
    return np.concatenate(features, axis=-1)


def count_point_features(grid: Grid, waves: int = 1) -> int:
    """Features of each point of a grid.

    >>> count_point_features(Grid((8, 9), (True, False)), waves=3)
    7
    """
    if grid.sphere is not None:
        return 3
    return sum(2 * waves if is_periodic else 1 for is_periodic in grid.periodic)


def points_like(x: Tensor, shape: tuple[int, ...], grid: Grid, waves: int = 1) -> Float[Tensor, "*grid f"]:
    """`point_features` of a grid of another shape, in the precision and on the device of a tensor."""
    return _constant_like(x, point_features, shape, grid.periodic, grid.sphere, waves)


def box_coordinates_like(x: Float[Tensor, "b *grid i"], grid: Grid) -> Float[Tensor, "*grid d"]:
    """`box_coordinates` of a field's points, in its precision and on its device."""
    return _constant_like(x, box_coordinates, tuple(x.shape[1:-1]), grid.periodic)


def with_sphere_coordinates(x: Float[Tensor, "b y x i"], grid: Grid) -> Float[Tensor, "b y x f"]:
    """A field with `sphere_coordinates` as further channels."""
    return _joined(x, _constant_like(x, sphere_coordinates, grid.sphere, *x.shape[1:-1]))


def _joined(x: Tensor, places: Tensor) -> Tensor:
    return torch.cat([x, places.expand(*x.shape[:-1], -1)], dim=-1)


def _constant_like(x: Tensor, build: Builder, *sizes: Hashable) -> Tensor:
    # bfloat16 would tell some hundred points of an axis apart
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return constant(build, *sizes, dtype=dtype, device=x.device)
