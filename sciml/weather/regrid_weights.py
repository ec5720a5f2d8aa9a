"""Weights of regridding, one sparse matrix over latitudes and one over longitudes (`sciml.weather.regrid`).

Shapes: y rows and x columns of the source, v rows and u columns of the target.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

from sciml.weather.grid import Grid

# half the spacing of single precision near 360 degrees is 1.5e-5: a point so near to the border is on it
_ON_BORDER_DEG = 5e-5

Matrix = scipy.sparse.csr_array


def _conservative_rows(source: Grid, target: Grid) -> Matrix:
    """[v, y] the part of a target row's area that lies in a source row."""
    from_edges, source_order = _ascending(source.latitude_edges)
    to_edges, target_order = _ascending(target.latitude_edges)
    row, column, low, high = _common_parts(from_edges, to_edges)
    area = _sine(to_edges[1:]) - _sine(to_edges[:-1])
    share = (_sine(high) - _sine(low)) / area[row]
    return _matrix(target_order[row], source_order[column], share, (len(target_order), len(source_order)))


def _conservative_columns(source: Grid, target: Grid) -> Matrix:
    """[u, x] the part of a target column's width that lies in a source column."""
    from_edges, to_edges = source.longitude_edges, target.longitude_edges
    to_edges = to_edges - 360 * np.floor((to_edges[0] - from_edges[0]) / 360)
    # the target now begins within the circle that begins with the source, and may end in the next one
    rounds = [_common_parts(from_edges + turn, to_edges) for turn in (0.0, 360.0)]
    row, column, low, high = (np.concatenate(parts) for parts in zip(*rounds, strict=True))
    share = (high - low) / np.diff(to_edges)[row]
    return _matrix(row, column, share, (len(target.longitude), len(source.longitude)))


def _bilinear_rows(source: Grid, target: Grid) -> Matrix:
    """[v, y] weights; y counts the poles that are added to the source."""
    first, last = poles_to_add(source)
    ends = np.copysign(90.0, source.latitude[[0, -1]])
    points = np.concatenate([ends[: int(first)], source.latitude, ends[1 : 1 + int(last)]])
    sign = 1.0 if points[-1] > points[0] else -1.0
    row, column, share = _between(sign * points, sign * target.latitude)
    return _matrix(row, column, share, (len(target.latitude), len(points)))


def _bilinear_columns(source: Grid, target: Grid) -> Matrix:
    start, count = source.longitude[0], len(source.longitude)
    offset = np.mod(target.longitude - start, 360)
    # just west of the first point, not almost once around
    offset[offset > 360 - _ON_BORDER_DEG] -= 360
    points = source.longitude - start
    row, column, share = _between(np.append(points, 360.0) if source.is_cyclic else points, offset)
    return _matrix(row, column % count, share, (len(target.longitude), count))


WEIGHTS = {
    "conservative": (_conservative_rows, _conservative_columns),
    "bilinear": (_bilinear_rows, _bilinear_columns),
}


def poles_to_add(source: Grid) -> tuple[bool, bool]:
    """Whether a global grid has no row at the pole, before its first row and after its last."""
    missing = np.abs(source.latitude[[0, -1]]) < 90 - _ON_BORDER_DEG
    is_global = source.kind != "regional"
    return bool(missing[0] and is_global), bool(missing[1] and is_global)


def _between(points: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and weights of linear interpolation between ascending points; nothing for what lies outside."""
    inside = (wanted >= points[0] - _ON_BORDER_DEG) & (wanted <= points[-1] + _ON_BORDER_DEG)
    row = np.flatnonzero(inside)
    at = np.clip(wanted[inside], points[0], points[-1])
    lower = np.clip(np.searchsorted(points, at, side="right") - 1, 0, len(points) - 2)
    upper_share = (at - points[lower]) / (points[lower + 1] - points[lower])
    return (
        np.concatenate([row, row]),
        np.concatenate([lower, lower + 1]),
        np.concatenate([1 - upper_share, upper_share]),
    )


def _common_parts(
    from_edges: np.ndarray, to_edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The pieces that two rows of cells, with ascending edges, cut each other into: target, source, from, to."""
    cuts = np.unique(np.concatenate([from_edges, to_edges]))
    low, high = cuts[:-1], cuts[1:]
    middle = 0.5 * (low + high)
    source = np.searchsorted(from_edges, middle) - 1
    target = np.searchsorted(to_edges, middle) - 1
    inside = (source >= 0) & (source < len(from_edges) - 1) & (target >= 0) & (target < len(to_edges) - 1)
    return target[inside], source[inside], low[inside], high[inside]


def _ascending(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending edges, and the index of each of their cells in the order that came."""
    order = np.arange(len(edges) - 1)
    return (edges, order) if edges[0] < edges[-1] else (edges[::-1], order[::-1])


def _sine(degrees: np.ndarray) -> np.ndarray:
    return np.sin(np.radians(degrees))


def _matrix(row: np.ndarray, column: np.ndarray, share: np.ndarray, shape: tuple[int, int]) -> Matrix:
    kept = share > 0
    return scipy.sparse.coo_array((share[kept], (row[kept], column[kept])), shape=shape).tocsr()
