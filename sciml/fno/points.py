"""Numbers that tell a network where a point is: smooth across the ends of a periodic axis, and on the sphere.

Shapes: grid points along one or more axes, f features, d axes.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sciml.fno.constants import constant
from sciml.fno.grids import Grid, SphereKind
from sciml.fno.legendre import latitudes_rad


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
        latitude = latitudes_rad(sphere, shape[0])[:, None]
        longitude = 2 * np.pi * np.arange(shape[1]) / shape[1]
        cosine = np.cos(latitude)
        return np.stack(
            [cosine * np.cos(longitude), cosine * np.sin(longitude), np.sin(latitude) + 0 * longitude], axis=-1
        )
    features = []
    for axis, (n, is_periodic) in enumerate(zip(shape, periodic, strict=True)):
        angle = 2 * np.pi * np.arange(n)[:, None] / n * np.arange(1, waves + 1)
        ends = np.linspace(-1, 1, n)[:, None]
        of_axis = np.concatenate([np.sin(angle), np.cos(angle)], axis=1) if is_periodic else ends
        view = [n if i == axis else 1 for i in range(len(shape))]
        features.append(np.broadcast_to(of_axis.reshape(*view, -1), (*shape, of_axis.shape[1])))
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
    dtype = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
    return constant(point_features, shape, grid.periodic, grid.sphere, waves, dtype=dtype, device=x.device)
