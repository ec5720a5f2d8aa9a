"""The values of a field at the pixels of a map.

Shapes: y latitudes and x longitudes of the field's grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sciml.weather.grid import Grid

Array = NDArray[np.float64]


def interpolated(values: Array, grid: Grid, longitude: Array, latitude: Array) -> Array:
    """The [y, x] field at any places (arrays of one shape, degrees), linear between grid points; NaN off the grid.

    A place is missing where the grid point nearest to it is; other missing points have no weight. Beyond the last
    latitude, up to the cell's edge, the field stays as it is there.
    """
    west = grid.longitude_edges[0]
    east = (longitude - west) % 360 + west
    points, columns = grid.longitude, np.arange(len(grid.longitude))
    if grid.is_cyclic:
        points = np.concatenate([points[-1:] - 360, points, points[:1] + 360])
        columns = np.concatenate([columns[-1:], columns, columns[:1]])
    rising = np.argsort(grid.latitude)
    across = np.interp(east, points, np.arange(len(points)))
    up = np.interp(latitude, grid.latitude[rising], np.arange(len(rising)))
    south, north = np.sort(grid.latitude_edges[[0, -1]])
    off = ~((east <= grid.longitude_edges[-1]) & (latitude >= south) & (latitude <= north))
    across, up = np.where(off, 0, across), np.where(off, 0, up)

    total, weight = np.zeros(across.shape), np.zeros(across.shape)
    left, below = np.floor(across).astype(int), np.floor(up).astype(int)
    for i in (0, 1):
        for j in (0, 1):
            column = columns[np.minimum(left + i, len(points) - 1)]
            value = values[rising[np.minimum(below + j, len(rising) - 1)], column]
            share = (1 - np.abs(across - left - i)) * (1 - np.abs(up - below - j))
            share = np.where(np.isnan(value), 0, share)
            total += share * np.nan_to_num(value)
            weight += share
    nearest = values[rising[np.rint(up).astype(int)], columns[np.rint(across).astype(int)]]
    known = ~off & ~np.isnan(nearest)
    return np.where(known, total / np.where(known, weight, 1), np.nan)
