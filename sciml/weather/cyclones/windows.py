"""Parts of a grid around a point: windows, what lies in them, and whether a contour closes there.

A window of a cyclic grid goes on across the seam, and over a pole: near one it holds all longitudes, and the points of
the row next to the pole count as neighbours of each other.

Shapes: y latitudes, x longitudes of the grid; r rows, c columns of a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import ndimage

from sciml.weather.cyclones.sphere import direction_deg, displaced, great_circle_deg
from sciml.weather.grid import EARTH_RADIUS_KM, Grid

Field = Float[np.ndarray, "y x"]


@dataclass(frozen=True)
class Window:
    """Rows and columns of a grid within some distance of a point, and how far each of their points is from it.

    Args:
        rows: [r] indices of latitudes, in the order of the grid.
        columns: [c] indices of longitudes, from west to east.
        distance_deg: [r, c] great-circle distances from the point.
        open_edges: whether the grid ends at the first row, the last row, the first column, the last column.
        joined_rows: the rows (of the window) next to a pole, whose points all touch.
        all_around: whether the last column touches the first.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    distance_deg: Float[np.ndarray, "r c"]
    open_edges: tuple[bool, bool, bool, bool]
    joined_rows: tuple[int, ...]
    all_around: bool

    def of(self, field: Field) -> Float[np.ndarray, "r c"]:
        """The window's part of a field."""
        return field[np.ix_(self.rows, self.columns)]

    def within(self, radius_deg: float) -> NDArray[np.bool_]:
        """[r, c] whether a point lies within a distance; the nearest point always does."""
        return self.distance_deg <= max(radius_deg, self.distance_deg.min(initial=np.inf))


def window(grid: Grid, latitude: float, longitude: float, radius_deg: float) -> Window:
    """All points of the grid within a distance of a point, and a row and a column beyond where there is one."""
    step = float(np.median(np.diff(grid.longitude)))
    reach = radius_deg + max(float(np.abs(np.diff(grid.latitude)).max()), step)
    rows = np.flatnonzero(np.abs(grid.latitude - latitude) <= reach)
    offset = (grid.longitude - longitude + 180) % 360 - 180
    over_pole = abs(latitude) + reach >= 90
    half_width = 180.0 if over_pole else np.degrees(np.arcsin(np.sin(np.radians(reach)) / np.cos(np.radians(latitude))))
    columns = np.flatnonzero(np.abs(offset) <= half_width)
    columns = columns[np.argsort(offset[columns])]
    # a region across Greenwich counts from 0 E eastwards, then from its western edge to 360 E: its edges are at a gap
    ends_after = (np.roll(grid.longitude, -1) - grid.longitude) % 360 > 1.5 * step
    all_around = len(columns) == len(grid.longitude) and not ends_after.any()
    first, last = 0 in rows, len(grid.latitude) - 1 in rows
    first_joined, last_joined = first and _next_to_pole(grid, 0), last and _next_to_pole(grid, len(grid.latitude) - 1)
    west, east = ends_after[columns[:1] - 1].any(), ends_after[columns[-1:]].any()
    return Window(
        rows=rows,
        columns=columns,
        distance_deg=np.asarray(
            great_circle_deg(latitude, longitude, grid.latitude[rows, None], grid.longitude[None, columns])
        ),
        open_edges=(bool(first and not first_joined), bool(last and not last_joined), bool(west), bool(east)),
        joined_rows=(*([0] if first_joined else []), *([len(rows) - 1] if last_joined else [])),
        all_around=all_around,
    )


def contour_closes(values: Float[np.ndarray, "r c"], start: tuple[int, int], radius_deg: float, part: Window) -> bool:
    """Whether the region below zero around `start` stays within a distance of the window's point.

    Points touch along rows and columns. A region that reaches the edge of the grid is not known to close, nor does one
    close at missing values.

    Args:
        values: of the window's points; negative where they belong to the region.
        start: row and column of a point of the region.
        radius_deg: how far the region may reach.
        part: the window.
    """
    label, count = _labelled(~(values >= 0), None)
    same = np.arange(count + 1)
    if part.all_around:
        for west, east in zip(label[:, 0], label[:, -1], strict=True):
            if west and east:
                same[same == same[east]] = same[west]
    for row in part.joined_rows:
        touching = label[row][label[row] > 0]
        if len(touching):
            same[np.isin(same, same[touching])] = same[touching[0]]
    region = (same[label] == same[label[start]]) & (label > 0)
    if not region[start] or (region & (part.distance_deg > radius_deg)).any():
        return False
    edges = (region[0], region[-1], region[:, 0], region[:, -1])
    return not any(is_open and edge.any() for is_open, edge in zip(part.open_edges, edges, strict=True))


def rises_around(field: Field, grid: Grid, row: int, column: int, rise: float, radius_deg: float) -> bool:
    """Whether a field rises so much within a distance to the north, south, east and west: no contour closes without.

    A quick look before `contour_closes`; next to a pole it says yes.
    """
    latitude = grid.latitude[row]
    if abs(latitude) + radius_deg >= 90:
        return True
    half_width = np.degrees(np.arcsin(np.sin(np.radians(radius_deg)) / np.cos(np.radians(latitude))))
    offset = (grid.longitude - grid.longitude[column] + 180) % 360 - 180
    near = np.abs(grid.latitude - latitude) <= radius_deg
    after = np.arange(len(near)) > row
    high_rows, high_columns = field[:, column] >= field[row, column] + rise, field[row] >= field[row, column] + rise
    sides = (high_rows[near & after], high_rows[near & ~after], high_columns[(offset > 0) & (offset <= half_width)])
    return all(side.any() for side in (*sides, high_columns[(offset < 0) & (offset >= -half_width)]))


def local_minima(field: Field, grid: Grid) -> NDArray[np.intp]:
    """[n, 2] rows and columns of the points that none of their eight neighbours undercuts, the lowest first.

    Of a plateau there is one point. Neighbours lie across the seam and over the poles as well; at the edge of a region
    no point is a minimum.
    """
    grid, columns = grid.in_one_piece()
    lowest = np.where(np.isnan(field), np.inf, field)[:, columns]
    rows = [_beyond(lowest, grid, 0), lowest, _beyond(lowest, grid, -1)]
    padded = np.concatenate(rows)
    sides = (padded[:, -1:], padded[:, :1]) if grid.is_cyclic else (np.full((len(padded), 1), -np.inf),) * 2
    padded = np.concatenate([sides[0], padded, sides[1]], axis=1)
    minimum = (ndimage.minimum_filter(padded, size=3)[1:-1, 1:-1] == lowest) & np.isfinite(lowest)
    minimum[_is_pole(grid), 1:] = False  # one point
    plateaus, _ = _labelled(minimum, np.ones((3, 3)))
    number, first = np.unique(plateaus, return_index=True)
    at = np.stack(np.unravel_index(first[number > 0], field.shape), axis=1)
    order = np.argsort(lowest[at[:, 0], at[:, 1]], kind="stable")
    return np.stack([at[:, 0], columns[at[:, 1]]], axis=1)[order]


def refined_minimum(field: Field, grid: Grid, row: int, column: int) -> tuple[float, float]:
    """Latitude and longitude of the lowest point of a quadratic fitted to a minimum and its eight neighbours.

    The fit is in the plane of distance and direction from the point. Where it has no minimum within one spacing, as on
    a plateau, the grid point itself.
    """
    latitude, longitude = float(grid.latitude[row]), float(grid.longitude[column])
    columns = np.arange(column - 1, column + 2) % len(grid.longitude)
    if not 0 < row < len(grid.latitude) - 1:
        return latitude, longitude
    rows = np.arange(row - 1, row + 2)
    around_latitude = grid.latitude[rows, None] + np.zeros(3)
    around_longitude = grid.longitude[None, columns] + np.zeros((3, 1))
    distance = great_circle_deg(latitude, longitude, around_latitude, around_longitude)
    direction = np.radians(direction_deg(latitude, longitude, around_latitude, around_longitude))
    x, y = (distance * np.sin(direction)).ravel(), (distance * np.cos(direction)).ravel()
    values = field[np.ix_(rows, columns)].astype(np.float64).ravel()
    terms = np.stack([np.ones(9), x, y, x * x, x * y, y * y], axis=1)
    _, b, c, d, e, f = np.linalg.lstsq(terms, values - values[4], rcond=None)[0]
    determinant = 4 * d * f - e * e
    if not (determinant > 0 and d > 0):
        return latitude, longitude
    at_x, at_y = (c * e - 2 * b * f) / determinant, (b * e - 2 * c * d) / determinant
    if abs(at_x) > np.abs(x).max() or abs(at_y) > np.abs(y).max():
        return latitude, longitude
    towards = float(np.degrees(np.arctan2(at_x, at_y)))
    found = displaced(latitude, longitude, towards, np.radians(np.hypot(at_x, at_y)) * EARTH_RADIUS_KM)
    return float(found[0]), float(found[1])


def _labelled(where: NDArray[np.bool_], structure: NDArray[np.float64] | None) -> tuple[NDArray[np.int64], int]:
    """Numbers the connected regions from 1, and how many there are; 0 elsewhere."""
    label = np.zeros(where.shape, np.int64)
    ndimage.label(where, structure, output=label)
    return label, int(label.max(initial=0))


def _next_to_pole(grid: Grid, row: int) -> bool:
    """Whether the first or last row of a grid is the last before a pole (or the pole)."""
    spacing = abs(grid.latitude[row] - grid.latitude[1 if row == 0 else row - 1])
    return bool(grid.is_cyclic and 90 - abs(grid.latitude[row]) < spacing)


def _beyond(field: Field, grid: Grid, edge: int) -> Float[np.ndarray, "1 x"]:
    """The row that follows the first (edge 0) or last (edge -1): what lies beyond the pole, or -inf."""
    row = edge % len(field)
    if not _next_to_pole(grid, row):
        return np.full((1, field.shape[1]), -np.inf)
    if _is_pole(grid)[row]:  # its neighbours are all points of the next row
        return np.full((1, field.shape[1]), field[1 if edge == 0 else -2].min())
    return np.roll(field[edge], field.shape[1] // 2)[None]


def _is_pole(grid: Grid) -> NDArray[np.bool_]:
    """[y] whether a row is a pole itself."""
    return 90 - np.abs(grid.latitude) < 1e-3
