"""Map projections, and lines cut to the part of the globe that a map shows.

The globe is drawn in the Equal Earth projection (Savric, Patterson & Jenny, Int. J. Geogr. Inf. Sci. 33, 2019), on
which areas compare; a region in the equidistant cylindrical one that is true to scale at its middle latitude (Snyder,
Map Projections: A Working Manual, 1987, section 12).

Shapes: p points; longitude and latitude in degrees, plane coordinates for a globe of radius 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError

Array = NDArray[np.float64]

# Savric et al. 2019, equation 4
_A = (1.340264, -0.081106, 0.000893, 0.003796)
# Newton's method at the pole, where the derivative is smallest, needs 6 to reach double precision
_NEWTON_STEPS = 8
# degrees that a piece of line moves towards an edge, below which it does not
_PARALLEL = 1e-12


@dataclass(frozen=True)
class Bounds:
    """A part of the globe. `west` lies in [-360, 360] and `east` up to 360 degrees to its east."""

    south: float
    north: float
    west: float
    east: float

    def __post_init__(self) -> None:
        if not (-90 <= self.south < self.north <= 90 and 0 < self.east - self.west <= 360 and abs(self.west) <= 360):
            raise UserError(
                "A map needs south < north within -90 to 90 and east at most 360 degrees east of west, but has south "
                f"{self.south:g}, north {self.north:g}, west {self.west:g}, east {self.east:g}."
            )


@dataclass(frozen=True)
class EqualEarth:
    """The whole globe around a central longitude."""

    centre_deg: float = 0.0

    @property
    def bounds(self) -> Bounds:
        return Bounds(-90.0, 90.0, self.centre_deg - 180, self.centre_deg + 180)

    @property
    def half_size(self) -> tuple[float, float]:
        """How far the map reaches east and north of its middle.

        >>> [round(length, 4) for length in EqualEarth().half_size]
        [2.7066, 1.3174]
        """
        edge, pole = np.array([[180.0 + self.centre_deg, 0.0], [self.centre_deg, 90.0]])[:, :, None]
        return float(self.forward(*edge)[0][0]), float(self.forward(*pole)[1][0])

    def forward(self, longitude: Array, latitude: Array) -> tuple[Array, Array]:
        """Plane coordinates; longitudes must lie within the bounds."""
        theta = np.arcsin(np.sqrt(3) / 2 * np.sin(np.radians(latitude)))
        y, slope = _northing(theta)
        return 2 / np.sqrt(3) * np.radians(longitude - self.centre_deg) * np.cos(theta) / slope, y

    def inverse(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Longitude and latitude, NaN outside the map."""
        theta = np.clip(y / _A[0], -np.pi / 3, np.pi / 3)
        for _ in range(_NEWTON_STEPS):
            value, slope = _northing(theta)
            theta = np.clip(theta - (value - y) / slope, -np.pi / 3, np.pi / 3)
        value, slope = _northing(theta)
        longitude = np.degrees(np.sqrt(3) / 2 * x * slope / np.cos(theta))
        latitude = np.degrees(np.arcsin(np.clip(2 / np.sqrt(3) * np.sin(theta), -1, 1)))
        inside = (np.abs(longitude) <= 180) & (np.abs(value - y) < 1e-9)
        return np.where(inside, longitude + self.centre_deg, np.nan), np.where(inside, latitude, np.nan)


def _northing(theta: Array) -> tuple[Array, Array]:
    """y of the parametric latitude, and dy/dtheta."""
    square = theta**2
    y = theta * (_A[0] + square * (_A[1] + square**2 * (_A[2] + square * _A[3])))
    return y, _A[0] + square * (3 * _A[1] + square**2 * (7 * _A[2] + 9 * square * _A[3]))


@dataclass(frozen=True)
class Cylindrical:
    """A region, true to scale along its middle latitude."""

    bounds: Bounds

    @property
    def _shrink(self) -> float:
        # a region that reaches both poles is drawn as if its middle were the equator, so this stays above zero
        return float(np.cos(np.radians(0.5 * (self.bounds.south + self.bounds.north))))

    @property
    def half_size(self) -> tuple[float, float]:
        """How far the map reaches east and north of its middle."""
        b = self.bounds
        return float(np.radians(b.east - b.west) / 2 * self._shrink), float(np.radians(b.north - b.south) / 2)

    def forward(self, longitude: Array, latitude: Array) -> tuple[Array, Array]:
        """Plane coordinates."""
        b = self.bounds
        east = np.radians(longitude - 0.5 * (b.west + b.east)) * self._shrink
        return east, np.radians(latitude - 0.5 * (b.south + b.north))

    def inverse(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Longitude and latitude."""
        b = self.bounds
        return np.degrees(x / self._shrink) + 0.5 * (b.west + b.east), np.degrees(y) + 0.5 * (b.south + b.north)


Projection = EqualEarth | Cylindrical


def clip_lines(lines: Iterable[Array], bounds: Bounds) -> list[Array]:
    """The parts of [p, 2] lines (longitude, latitude) that lie within the bounds, in longitudes from west to east.

    A line must run on without a jump, at whatever multiple of 360 degrees it starts; one that leaves and comes back is
    cut in two. Liang & Barsky, ACM Transactions on Graphics 3, 1 (1984).

    >>> box = Bounds(0.0, 10.0, 0.0, 10.0)
    >>> [part.tolist() for part in clip_lines([np.array([[-5.0, 5.0], [5.0, 5.0], [365.0, 5.0]])], box)]
    [[[0.0, 5.0], [5.0, 5.0]], [[0.0, 5.0], [5.0, 5.0], [10.0, 5.0]]]
    """
    found: list[Array] = []
    for line in lines:
        # how many turns the line has to be moved by to meet the bounds, at the least and at the most
        first = np.ceil((bounds.west - line[:, 0].max()) / 360)
        last = np.floor((bounds.east - line[:, 0].min()) / 360)
        for turns in np.arange(first, last + 1):
            found += _clipped(line + np.array([360 * turns, 0.0]), bounds)
    return found


def _clipped(line: Array, b: Bounds) -> list[Array]:
    start, step = line[:-1], np.diff(line, axis=0)
    enter, leave = np.zeros(len(start)), np.ones(len(start))
    for axis, low, high in ((0, b.west, b.east), (1, b.south, b.north)):
        for towards, room in ((-step[:, axis], start[:, axis] - low), (step[:, axis], high - start[:, axis])):
            parallel = np.abs(towards) < _PARALLEL
            part = room / np.where(parallel, 1.0, towards)
            enter = np.where(~parallel & (towards < 0), np.maximum(enter, part), enter)
            leave = np.where(~parallel & (towards > 0), np.minimum(leave, part), leave)
            leave = np.where(parallel & (room < 0), -1.0, leave)
    inside = enter < leave
    # a piece goes on while a segment ends inside and the next one starts there
    goes_on = inside[:-1] & inside[1:] & (leave[:-1] == 1) & (enter[1:] == 0)
    breaks = np.flatnonzero(~goes_on) + 1
    pieces = [piece for piece in np.split(np.arange(len(start)), breaks) if inside[piece[0]]]
    return [
        np.concatenate([start[p[:1]] + enter[p[0]] * step[p[:1]], start[p] + leave[p, None] * step[p]]) for p in pieces
    ]
