"""The globe as convolutions and patches need it: latitudes of a grid's kind, and rows beyond the poles.

Across a pole, the next point of a meridian lies half a circle further on the same latitude, where east and north point
the other way: a row beyond the pole is a row before it, turned by half a circle, and components of vectors change sign.

Shapes: b batch, y latitudes, x longitudes, c channels.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.weather.grid import gauss_legendre


def latitudes_deg(grid: Grid) -> Float64[np.ndarray, " y"]:
    """Latitudes of a grid on the sphere in degrees north, ascending.

    Raises:
        UserError: a grid that is not on the sphere.

    >>> latitudes_deg(Grid((3, 4), (False, True), "equiangular")).tolist()
    [-90.0, 0.0, 90.0]
    >>> latitudes_deg(Grid((3, 4), (False, True), "equiangular-offset")).tolist()
    [-60.0, 0.0, 60.0]
    """
    rows = grid.shape[0]
    if grid.sphere == "gauss-legendre":
        return np.degrees(np.arcsin(gauss_legendre(rows)[0]))
    if grid.sphere == "equiangular":
        return np.linspace(-90.0, 90.0, rows)
    if grid.sphere == "equiangular-offset":
        return (np.arange(rows) + 0.5) * (180.0 / rows) - 90.0
    raise UserError(
        f"A weather network needs a grid of latitudes and longitudes, but its grid of {grid.shape} points is a box. "
        "Say which latitudes it has with `sphere`."
    )


def pad_globe(
    x: Float[Tensor, "b y x c"],
    south: int,
    north: int,
    columns: int,
    signs: Float[Tensor, " c"] | None,
    poles_are_rows: bool,
) -> Float[Tensor, "b padded_y padded_x c"]:
    """Adds rows beyond the poles and columns around the circle.

    With an odd number of longitudes the point across the pole lies between two columns, whose mean is taken.

    Args:
        x: a field.
        south: rows to add before the first.
        north: rows to add after the last.
        columns: to add on either side.
        signs: by channel, -1 for components of vectors; None: all are scalars.
        poles_are_rows: whether the first and the last row are the poles themselves, as on "equiangular" grids.

    Raises:
        UserError: more rows to add than there are on one side of a pole.
    """
    pole = int(poles_are_rows)
    height, width = x.shape[1:3]
    if max(south, north) + pole > height:
        raise UserError(f"Padding across a pole by {max(south, north)} rows needs more rows than the {height} given.")
    parts = [x]
    if south:
        parts.insert(0, _across(x[:, pole : pole + south], signs))
    if north:
        parts.append(_across(x[:, height - pole - north : height - pole], signs))
    x = torch.cat(parts, dim=1) if len(parts) > 1 else x
    if not columns:
        return x
    if columns > width:
        raise UserError(f"Padding around the globe by {columns} columns needs more than the {width} given.")
    return torch.cat([x[:, :, width - columns :], x, x[:, :, :columns]], dim=2)


def _across(rows: Tensor, signs: Tensor | None) -> Tensor:
    half, odd = divmod(rows.shape[2], 2)
    turned = rows.flip(1).roll(half, dims=2)
    if odd:
        turned = 0.5 * (turned + turned.roll(1, dims=2))
    return turned if signs is None else turned * signs
