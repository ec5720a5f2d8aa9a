"""Fractions skill score: how alike the frequencies of an event are in a window around every point.

Source: Roberts and Lean 2008 (doi:10.1175/2007MWR2123.1); pooled over forecasts as Mittermaier 2021
(doi:10.1175/MWR-D-18-0106.1): the ratio of sums, not the mean of ratios. FSS = 1 - sum (F - O)^2 / sum (F^2 + O^2).

Windows go around a cyclic grid in longitude. At the first and last latitude, and in longitude on a regional grid,
`edges` says what happens: "truncate" takes the fraction of the cells that exist; "zeros" counts cells outside as cells
without the event; "inside" takes no window that does not fit. Sums over windows are differences of running sums, so the
time does not depend on the size of the window.

Elsewhere: `scores.spatial.fss_2d` is "inside" with cyclic=False, and gives 0 where nothing has an event; its
zero_padding=True has one row and one column of windows more than points, which is "zeros" of fields with an empty last
row and column appended. WeatherBench-X is "inside", with wrap_longitude cyclic. pysteps is "zeros" with cyclic=False.

Shapes: n forecasts, y latitudes, x longitudes, q thresholds, s windows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64, Int

from sciml.core.errors import UserError
from sciml.weather.grid import EARTH_RADIUS_KM, Grid
from sciml.weather.scores.categories import as_thresholds, at_block, events
from sciml.weather.scores.precipitation import rain_pair
from sciml.weather.scores.sums import blocks

EDGES = ("truncate", "zeros", "inside")


@dataclass(frozen=True)
class Window:
    """So many rows, and columns at every latitude; an even number reaches one further back than forward."""

    rows: int
    columns: Int[np.ndarray, " y"]


@dataclass(frozen=True)
class FractionSums:
    """Sums of (F - O)^2 and of F^2 + O^2 over windows; they add up."""

    error: Float64[np.ndarray, "*shape"]
    reference: Float64[np.ndarray, "*shape"]

    def __add__(self, other: FractionSums) -> FractionSums:
        return FractionSums(self.error + other.error, self.reference + other.reference)

    def sum(self, axis: int | tuple[int, ...]) -> FractionSums:
        """The sums of all along these axes together."""
        return FractionSums(np.asarray(self.error.sum(axis)), np.asarray(self.reference.sum(axis)))

    def score(self) -> Float64[np.ndarray, "*shape"]:
        """The fractions skill score, from 0 to 1; NaN where neither has an event."""
        ratio = np.divide(
            self.error, self.reference, out=np.full_like(self.reference, np.nan), where=self.reference > 0
        )
        return np.asarray(1 - ratio)


def square_window(grid: Grid, points: int) -> Window:
    """So many points in latitude and in longitude."""
    if points < 1:
        raise UserError(f"A window needs at least 1 point, but has {points}.")
    return Window(points, np.full(len(grid.latitude), points))


def km_window(grid: Grid, scale_km: float) -> Window:
    """About scale_km from south to north, and from west to east at every latitude: odd numbers of points.

    A row that is shorter than that, near a pole, is taken as a whole.

    >>> grid = Grid(np.arange(-60.0, 61.0, 30.0), np.arange(0.0, 360.0, 10.0))
    >>> window = km_window(grid, 3335.0)  # 30 degrees of a meridian
    >>> window.rows, window.columns.tolist()  # 10 degrees are 556, 963, 1112, ... km
    (1, [5, 3, 3, 3, 5])
    """
    if not 0 < scale_km < np.inf:
        raise UserError(f"The scale of a window needs to be a length above 0 km, but is {scale_km}.")
    degree_km = np.radians(1) * EARTH_RADIUS_KM
    step_y = np.median(np.abs(np.diff(grid.latitude))) * degree_km
    step_x = np.median(np.diff(grid.longitude)) * degree_km * np.cos(np.radians(grid.latitude))
    # twice around is everything, so that near the poles there is an end
    columns = _odd(scale_km / np.maximum(step_x, scale_km / (2 * len(grid.longitude))))
    if grid.is_cyclic:
        columns = np.minimum(columns, len(grid.longitude))
    return Window(_odd(np.array([scale_km / step_y]))[0].item(), columns)


def fss_sums(
    forecast: Float[np.ndarray, "n y x"],
    truth: Float[np.ndarray, "n y x"],
    thresholds: Float[np.ndarray, "q *fields"],
    windows: Sequence[Window],
    *,
    cyclic: bool,
    edges: str = "truncate",
    weights: Float[np.ndarray, "y x"] | None = None,
    cell_weights: Float[np.ndarray, "y x"] | None = None,
    above: bool = True,
    inclusive: bool = True,
) -> FractionSums:
    """Sums [q, s, n] of a block.

    A point where the forecast, the truth or the threshold is NaN is not in any fraction ("zeros" and "inside" count it
    as a point without the event) and is the middle of no window.

    Args:
        thresholds: [q] numbers, or [q, n or 1, y or 1, x or 1].
        windows: from `square_window` or `km_window`.
        weights: of windows, by their middle; all 1 if not given. Areas, or a region.
        cell_weights: of cells within a window; all 1 if not given. Areas make fractions of area; not with "zeros".
        above, inclusive: as in `contingency`; the event is "at least the threshold" by default.

    Raises:
        UserError: an unknown word for edges, or cell weights with "zeros".
    """
    if edges not in EDGES or (edges == "zeros" and cell_weights is not None):
        raise UserError(f"`edges` is {', '.join(EDGES)} (zeros without cell weights), but is {edges}.")
    levels, _ = as_thresholds(thresholds if thresholds.ndim == 4 else thresholds.reshape(-1, 1, 1, 1), forecast.shape)
    shape = forecast.shape[1:]
    middle = np.ones(shape) if weights is None else weights.astype(np.float64)
    cells = np.ones(shape, np.int32) if cell_weights is None else cell_weights.astype(np.float64)
    error, reference = (np.zeros((len(levels), len(windows), len(forecast))) for _ in range(2))
    everything = np.ones((1, *shape), bool)
    usual_scale = [_scale(window, everything, middle, cells, cyclic, edges) for window in windows]
    for q in range(len(levels)):
        for block in blocks(forecast.shape):
            event_f, event_o, known = events(
                forecast[block], truth[block], at_block(levels[q], block), above=above, inclusive=inclusive
            )
            complete = bool(known.all())
            for s, window in enumerate(windows):
                scale = usual_scale[s] if complete else _scale(window, known, middle, cells, cyclic, edges)
                count_f, count_o = (
                    _box_sums((event & known) * cells, window, cyclic).astype(np.float64)
                    for event in (event_f, event_o)
                )
                error[q, s, block] = _dot(np.square(count_f - count_o), scale)
                reference[q, s, block] = _dot(np.square(count_f), scale) + _dot(np.square(count_o), scale)
    return FractionSums(error, reference)


def fractions_skill_score(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    *,
    thresholds_mm: Sequence[float],
    scales_km: Sequence[float] | None = None,
    points: Sequence[int] | None = None,
    edges: str = "truncate",
    by_area: bool = True,
    pool: Sequence[str] = ("time",),
) -> xr.DataArray:
    """Fractions skill score (threshold, scale, ...) of rain of at least a threshold.

    Args:
        forecast: rain in m, mm or another length; dimensions time, lead_time, latitude, longitude.
        truth: the same, at times or at the forecast's times and lead times.
        scales_km: sizes of windows that are as wide everywhere, or
        points: sizes in grid points, which is narrow near the poles; one of the two.
        edges: "truncate", "zeros" or "inside" at the edges of the grid; a cyclic grid has none in longitude.
        by_area: whether fractions and windows count by area ("zeros": windows alone), or every grid point as one.

    Raises:
        UserError: no unit of length, other grids, valid times that the truth lacks, none or both of the kinds of scale.
    """
    if (scales_km is None) == (points is None):
        raise UserError("Give `scales_km` or `points`, one of the two.")
    pairs, millimetre = rain_pair(forecast, truth, 1.0)
    grid = pairs.grid
    windows = [km_window(grid, float(km)) for km in scales_km or []] + [square_window(grid, n) for n in points or []]
    area = grid.area_weights() if by_area else None
    sums = fss_sums(
        pairs.forecast,
        pairs.truth,
        np.asarray(thresholds_mm, np.float64) * millimetre,
        windows,
        cyclic=grid.is_cyclic,
        edges=edges,
        weights=area,
        cell_weights=None if edges == "zeros" else area,
    )
    scale = xr.Variable("scale", list(scales_km or points or []), {"units": "1" if scales_km is None else "km"})
    before: dict[Hashable, xr.Variable] = {
        "threshold": xr.Variable("threshold", list(thresholds_mm), {"units": "mm"}),
        "scale": scale,
    }
    pooled = [
        pairs.unstacked(part, before).sum([dim for dim in pool if dim in pairs.sizes])
        for part in (sums.error, sums.reference)
    ]
    score = FractionSums(*(np.asarray(part.values) for part in pooled)).score()
    return pooled[0].copy(data=score).rename("fss").assign_attrs(long_name="fractions skill score", units="1")


def _scale(
    window: Window, known: np.ndarray, middle: np.ndarray, cells: np.ndarray, cyclic: bool, edges: str
) -> np.ndarray:
    """The weight of every window over the square of its cells: what turns squared counts into squared fractions."""
    counted = known if edges == "truncate" else np.ones((1, *middle.shape), bool)
    whole = (
        _whole_window(window, middle.shape, cyclic) if edges == "zeros" else _box_sums(counted * cells, window, cyclic)
    )
    fits = _fitting(window, middle.shape, cyclic) if edges == "inside" else True
    return np.divide(middle * fits * known, np.square(whole), out=np.zeros(known.shape), where=whole > 0)


def _dot(values_nyx: np.ndarray, scale: np.ndarray) -> np.ndarray:
    if len(scale) == 1:
        return values_nyx.reshape(len(values_nyx), -1) @ scale.ravel()
    return np.einsum("nyx,nyx->n", values_nyx, scale)


def _box_sums(field_nyx: np.ndarray, window: Window, cyclic: bool) -> np.ndarray:
    widths = np.unique(window.columns)
    if len(widths) == 1:
        along_x = _running_sums(field_nyx, int(widths[0]), 2, cyclic)
    else:
        along_x = np.empty_like(field_nyx)
        for columns in widths:
            rows = window.columns == columns
            along_x[:, rows] = _running_sums(field_nyx[:, rows], int(columns), 2, cyclic)
    return _running_sums(along_x, window.rows, 1, False)


def _running_sums(field: np.ndarray, length: int, axis: int, cyclic: bool) -> np.ndarray:
    """Sums of `length` values along an axis, from length // 2 before every point."""
    points = field.shape[axis]
    back = length // 2
    if cyclic:
        length = min(length, points)
        back = length // 2
        before, after = (
            np.take(field, range(first, last), axis)
            for first, last in ((points - back, points), (0, length - 1 - back))
        )
        field = np.concatenate([before, field, after], axis)
    sums = np.cumsum(field, axis, dtype=field.dtype)
    sums = np.concatenate([np.zeros_like(np.take(sums, [0], axis)), sums], axis)
    first = np.arange(points) + (0 if cyclic else -back)
    last = sums.shape[axis] - 1
    upper, lower = (np.take(sums, np.clip(ends, 0, last), axis) for ends in (first + length, first))
    return np.subtract(upper, lower, out=upper)


def _whole_window(window: Window, shape: tuple[int, ...], cyclic: bool) -> np.ndarray:
    """[y, 1] cells of a window, those outside of the grid too; rows outside are as wide as the middle one."""
    columns = np.minimum(window.columns, shape[1]) if cyclic else window.columns
    inside, existing = (
        _running_sums(values, window.rows, 0, False) for values in (columns, np.ones(shape[0], np.int64))
    )
    return (inside + (window.rows - existing) * columns)[:, None]


def _fitting(window: Window, shape: tuple[int, ...], cyclic: bool) -> np.ndarray:
    """Which windows are within the grid."""
    whole = np.minimum(window.columns, shape[1]) if cyclic else window.columns
    along_x = _box_sums(np.ones((1, *shape), np.int32), Window(1, window.columns), cyclic)[0]
    return _running_sums((along_x == whole[:, None]).astype(np.int32), window.rows, 0, False) == window.rows


def _odd(number: np.ndarray) -> np.ndarray:
    return (2 * np.round((number - 1) / 2).astype(np.int64) + 1).clip(1)
