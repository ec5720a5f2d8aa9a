"""Latitude-longitude grids: what kind they are, where their cells end, and how much area a cell has.

A cell has the area (sin(north edge) - sin(south edge)) x (width in longitude). On a regular grid the edges lie midway
between the points; the outermost cell of a global grid ends at the pole, that of a part of the globe half a spacing
outwards and never beyond the pole. On a global Gaussian grid they lie where the areas are the Gauss-Legendre weights,
which makes means of polynomials in sin(latitude) exact.

Shapes: y latitudes, x longitudes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.fno.legendre import area_weights, latitudes_rad

Array = NDArray[np.float64]

# a latitude is of a Gaussian grid when it is this near to a root: files round to 1e-3 degrees or better
_GAUSSIAN_TOLERANCE_DEG = 2e-3
# points of two grids are the same when they are this near: files round to 1e-3 degrees or better
SAME_POINT_DEG = 2e-3
# a step in longitude of so many usual ones is no step
_GAP_STEPS = 2.5
# mean radius, IUGG 1980 (Moritz 2000, doi:10.1007/s001900050278)
EARTH_RADIUS_KM = 6371.0088


@dataclass(frozen=True)
class Grid:
    """A latitude-longitude grid, which may be a part of the globe.

    Args:
        latitude: [y] degrees north, strictly ascending or strictly descending.
        longitude: [x] degrees east, strictly ascending, spanning less than a full circle between first and last.

    Raises:
        UserError: too few points, coordinates out of range, unsorted or repeated.
    """

    latitude: Array
    longitude: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "latitude", np.asarray(self.latitude, np.float64))
        object.__setattr__(self, "longitude", np.asarray(self.longitude, np.float64))
        for name, values in (("latitude", self.latitude), ("longitude", self.longitude)):
            if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
                raise UserError(f"A grid needs at least two finite values of {name} in a row, but has {_few(values)}.")
        step = np.diff(self.latitude)
        if not ((step > 0).all() or (step < 0).all()) or np.abs(self.latitude).max() > 90 + 1e-6:
            raise UserError(
                "A grid needs latitudes from -90 to 90 degrees, strictly ascending or strictly descending, but has "
                f"{_few(self.latitude)}. Sort them and drop repeated rows."
            )
        if (np.diff(self.longitude) <= 0).any() or self.longitude[-1] - self.longitude[0] > 360 - 1e-6:
            raise UserError(
                "A grid needs strictly ascending longitudes that span less than 360 degrees, but has "
                f"{_few(self.longitude)}. Sort them and drop the column that repeats the first."
            )

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.latitude), len(self.longitude)

    @property
    def is_cyclic(self) -> bool:
        """Whether the longitudes go once around."""
        step = np.median(np.diff(self.longitude))
        closes = abs(self.longitude[0] + 360 - self.longitude[-1] - step) < 0.5 * step
        return bool(closes and self._gap is None)

    @property
    def _gap(self) -> int | None:
        """The column before the gap of a region across 0 degrees east, which longitudes from 0 to 360 tear in two."""
        step = np.diff(self.longitude)
        widest = int(step.argmax())
        # a region is torn where the way round the other side is shorter; else its columns are uneven, no more
        shorter = self.longitude[0] + 360 - self.longitude[-1] < step[widest]
        return widest if shorter and step[widest] > _GAP_STEPS * np.median(step) else None

    def in_one_piece(self) -> tuple[Grid, NDArray[np.int64]]:
        """The same grid with a torn region joined, its west below 0 degrees east, and which column each column was.

        >>> joined, columns = Grid(np.array([40.0, 50.0]), np.array([0.0, 10.0, 340.0, 350.0])).in_one_piece()
        >>> joined.longitude.tolist(), columns.tolist()
        ([-20.0, -10.0, 0.0, 10.0], [2, 3, 0, 1])
        """
        columns = np.arange(len(self.longitude))
        if self._gap is None:
            return self, columns
        west, east = columns[self._gap + 1 :], columns[: self._gap + 1]
        longitude = np.concatenate([self.longitude[west] - 360, self.longitude[east]])
        return Grid(self.latitude, longitude), np.concatenate([west, east])

    @property
    def kind(self) -> str:
        """`gaussian`, `regular` (global, with or without poles) or `regional`."""
        if not self.is_cyclic:
            return "regional"
        if gaussian_latitudes_match(self.latitude):
            return "gaussian"
        step = np.abs(np.diff(self.latitude))
        reaches = 90 - np.abs(self.latitude[[0, -1]]) < 0.75 * np.median(step)
        return "regular" if reaches.all() else "regional"

    @property
    def latitude_edges(self) -> Array:
        """[y + 1] degrees, in the order of the latitudes."""
        if self.is_cyclic and gaussian_latitudes_match(self.latitude):
            _, weight = gauss_legendre(len(self.latitude))
            ascending = np.degrees(np.arcsin(np.clip(np.concatenate([[-1.0], np.cumsum(weight) - 1]), -1, 1)))
            ascending[-1] = 90.0
            return ascending if self.latitude[0] < self.latitude[-1] else ascending[::-1].copy()
        edges = np.clip(_midway(self.latitude), -90, 90)
        if self.kind == "regular":
            edges[[0, -1]] = np.copysign(90.0, self.latitude[[0, -1]])
        return edges

    @property
    def longitude_edges(self) -> Array:
        """[x + 1] degrees, of a grid in one piece; on a cyclic grid the last is the first plus 360."""
        assert self._gap is None
        edges = _midway(self.longitude)
        if self.is_cyclic:
            first = 0.5 * (self.longitude[-1] - 360 + self.longitude[0])
            edges[[0, -1]] = first, first + 360
        return edges

    @property
    def longitude_widths(self) -> Array:
        """[x] degrees."""
        joined, columns = self.in_one_piece()
        widths = np.empty(len(columns))
        widths[columns] = np.diff(joined.longitude_edges)
        return widths

    def area_weights(self) -> Array:
        """[y, x] cell areas over their mean.

        >>> half = Grid(np.array([-60.0, 0.0, 60.0]), np.arange(0.0, 360.0, 90.0)).area_weights()[:, 0]
        >>> [round(float(w), 4) for w in half]  # (1 - 1/2, 1/2 + 1/2, 1 - 1/2) / (2/3)
        [0.75, 1.5, 0.75]
        """
        rows = np.abs(np.diff(np.sin(np.radians(self.latitude_edges))))
        columns = self.longitude_widths
        return np.outer(rows / rows.mean(), columns / columns.mean())


@functools.cache
def gauss_legendre(points: int) -> tuple[Array, Array]:
    """Sines of the Gaussian latitudes, ascending, and their weights, which add up to 2."""
    return np.sin(latitudes_rad("gauss-legendre", points)), 2 * area_weights("gauss-legendre", points)


def gaussian_latitudes_match(latitude: Sequence[float] | Array) -> bool:
    """Whether these are all the latitudes of a global Gaussian grid, in either order."""
    ascending = np.sort(np.asarray(latitude, np.float64))
    # its outermost latitude is about 0.77 spacings from the pole, so most other grids need no roots
    if len(ascending) < 4 or not 0.6 < (90 - ascending[-1]) / (ascending[-1] - ascending[-2]) < 0.9:
        return False
    roots = np.degrees(np.arcsin(gauss_legendre(len(ascending))[0]))
    return bool(np.abs(ascending - roots).max() < _GAUSSIAN_TOLERANCE_DEG)


def _midway(points: Array) -> Array:
    middle = 0.5 * (points[1:] + points[:-1])
    return np.concatenate([[2 * points[0] - middle[0]], middle, [2 * points[-1] - middle[-1]]])


def _few(values: Array) -> str:
    shown = ", ".join(f"{value:g}" for value in np.ravel(values)[:4])
    return f"{shown}, ... ({values.size} values)" if values.size > 4 else shown or "none"
