"""Blocks, balls and polygons, which geometries are put together from, and how an experiment's file names them.

Each knows which places are inside, and draws points on its boundary with the normals there. Places and points are of
float64; random numbers come from a generator that the caller owns.

Shapes: n points, d coordinates, v vertices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError

# lengths and coordinates whose squares are still numbers
SMALLEST, LARGEST = 1e-100, 1e100

# points [n, d] and unit normals [n, d], outwards
Surface: TypeAlias = tuple[Tensor, Tensor]


class Block:
    """An interval, a rectangle or a cuboid, its faces included.

    Attributes:
        low: least value of each coordinate [d].
        high: largest value of each coordinate [d].
        measure: of the boundary: number of ends, length or area.
    """

    def __init__(self, low: Sequence[float], high: Sequence[float]) -> None:
        self.low, self.high = _numbers(low), _numbers(high)
        sides = self.high - self.low
        # of one face across each axis
        self._faces = torch.stack([sides[torch.arange(len(sides)) != axis].prod() for axis in range(len(sides))])
        self.measure = 2 * float(self._faces.sum())

    def inside(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return ((x >= self.low) & (x <= self.high)).all(dim=1)

    def boundary(self, n: int, generator: Generator) -> Surface:
        points = self.low + (self.high - self.low) * _uniform(n, len(self.low), generator)
        axis = torch.multinomial(self._faces, n, replacement=True, generator=generator)
        is_high = torch.randint(2, (n,), generator=generator).bool()
        rows = torch.arange(n)
        points[rows, axis] = torch.where(is_high, self.high[axis], self.low[axis])
        normals = torch.zeros_like(points)
        normals[rows, axis] = 2 * is_high.double() - 1
        return points, normals

    def nearest(self, x: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
        """Distances [n] of places from the boundary, and its normals [n, d] nearest to them."""
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        beyond = (x - middle).abs() - half
        depth, axis = beyond.max(dim=1)
        rows = torch.arange(len(x))
        normals = torch.zeros_like(x)
        normals[rows, axis] = (x - middle)[rows, axis].sign()
        return depth.abs(), normals


class Ball:
    """A disk or a sphere, filled.

    Attributes:
        low: least value of each coordinate [d].
        high: largest value of each coordinate [d].
        measure: of the boundary: length or area.
    """

    def __init__(self, centre: Sequence[float], radius: float) -> None:
        self.centre, self.radius = _numbers(centre), radius
        self.low, self.high = self.centre - radius, self.centre + radius
        self.measure = {2: 2 * math.pi * radius, 3: 4 * math.pi * radius**2}[len(centre)]

    def inside(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        return (x - self.centre).square().sum(dim=1) <= self.radius**2

    def boundary(self, n: int, generator: Generator) -> Surface:
        # normal numbers have no direction that they prefer
        drawn = torch.randn(n, len(self.centre), dtype=torch.float64, generator=generator)
        normals = drawn / drawn.norm(dim=1, keepdim=True)
        return self.centre + self.radius * normals, normals

    def nearest(self, x: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
        """Distances [n] of places from the boundary, and its normals [n, d] nearest to them."""
        away = x - self.centre
        lengths = away.norm(dim=1)
        return (lengths - self.radius).abs(), away / lengths[:, None]


class Polygon:
    """The inside of a line from vertex to vertex, in either sense, that does not cross itself.

    Attributes:
        low: least value of each coordinate [2].
        high: largest value of each coordinate [2].
        measure: length of the boundary.

    Raises:
        UserError: vertices on one line, a side without length, or sides that cross.
    """

    def __init__(self, vertices: Sequence[Sequence[float]]) -> None:
        corners = torch.tensor(vertices, dtype=torch.float64)
        self.low, self.high = corners.amin(0), corners.amax(0)
        sides = corners.roll(-1, 0) - corners
        twice_area = float(_cross(corners - corners[0], sides).sum())
        largest = float((self.high - self.low).max())
        if abs(twice_area) <= 1e-12 * largest**2 or float(sides.norm(dim=1).min()) < SMALLEST:
            raise UserError("`vertices` need to be those of a polygon with an area, each one once; list them in order.")
        if twice_area < 0:
            corners = corners.flip(0)
            sides = corners.roll(-1, 0) - corners
        self.start, self.sides = corners, sides
        if _crosses_itself(corners, sides):
            raise UserError("`vertices` make a line that crosses itself. List them in order, around the polygon.")
        self.lengths = sides.norm(dim=1)
        # anticlockwise, the outside is to the right
        self._outwards = torch.stack([sides[:, 1], -sides[:, 0]], dim=1) / self.lengths[:, None]
        self.measure = float(self.lengths.sum())

    def inside(self, x: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
        """By the number of sides that a ray to the right meets; odd inside."""
        is_odd = torch.zeros(len(x), dtype=torch.bool)
        for (start_x, start_y), (side_x, side_y) in zip(self.start.tolist(), self.sides.tolist(), strict=True):
            if side_y == 0:
                continue
            part = (x[:, 1] - start_y) / side_y
            # the same comparison of y on both sides of a vertex, so that a ray through it counts once
            spans = (x[:, 1] < start_y) != (x[:, 1] < start_y + side_y)
            is_odd ^= spans & (x[:, 0] < start_x + part * side_x)
        return is_odd

    def boundary(self, n: int, generator: Generator) -> Surface:
        side = torch.multinomial(self.lengths, n, replacement=True, generator=generator)
        points = self.start[side] + _uniform(n, 1, generator) * self.sides[side]
        return points, self._outwards[side]

    def nearest(self, x: Float[Tensor, "n 2"]) -> tuple[Tensor, Tensor]:
        """Distances [n] of places from the boundary, and its normals [n, 2] nearest to them."""
        away = x[:, None] - self.start
        part = ((away * self.sides).sum(dim=2) / self.lengths**2).clamp(0, 1)
        distance, side = (away - part[..., None] * self.sides).norm(dim=2).min(dim=1)
        return distance, self._outwards[side]


Primitive: TypeAlias = Block | Ball | Polygon

# shape -> its number of coordinates and the keys that it needs
SHAPES: dict[str, tuple[int, tuple[str, ...]]] = {
    "interval": (1, ("low", "high")),
    "rectangle": (2, ("low", "high")),
    "cuboid": (3, ("low", "high")),
    "disk": (2, ("centre", "radius")),
    "sphere": (3, ("centre", "radius")),
    "polygon": (2, ("vertices",)),
}


@dataclass(frozen=True)
class ShapeConfig:
    """A shape, with others added to it, then cut to what is in others too, then less others.

    Attributes:
        shape: one of `SHAPES`.
        low: least coordinates of an interval, a rectangle or a cuboid.
        high: largest coordinates of it.
        centre: of a disk or a sphere.
        radius: of it.
        vertices: of a polygon, in order around it, either way.
        plus: shapes to add (union).
        within: shapes that the result must be in as well (intersection).
        minus: shapes to cut out at last (difference).

    Raises:
        UserError: an unknown shape, a key that it needs and has not or that is another shape's, or numbers that give
            no shape.
    """

    OTHER_NAMES: ClassVar[dict[str, str]] = {"center": "centre"}

    shape: str
    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    centre: tuple[float, ...] | None = None
    radius: float | None = None
    vertices: tuple[tuple[float, ...], ...] | None = None
    plus: tuple[ShapeConfig, ...] = ()
    within: tuple[ShapeConfig, ...] = ()
    minus: tuple[ShapeConfig, ...] = ()

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            hint = suggest(self.shape, SHAPES) or f"there are {', '.join(SHAPES)}."
            raise UserError(f"There is no shape `{self.shape}`; {hint}")
        n_dims, needed = SHAPES[self.shape]
        for name in ("low", "high", "centre", "radius", "vertices"):
            if (getattr(self, name) is not None) != (name in needed):
                keys = " and ".join(f"`{key}`" for key in needed)
                has = "has no" if name in needed else "has"
                raise UserError(f"The shape {self.shape} needs {keys}, but {has} `{name}`.")
        for name in ("low", "high", "centre"):
            _check_place(self.shape, name, getattr(self, name), n_dims)
        for vertex in self.vertices or ():
            _check_place(self.shape, "vertices", vertex, n_dims)
        if self.low and self.high and min(b - a for a, b in zip(self.low, self.high, strict=True)) < SMALLEST:
            raise UserError(f"The shape {self.shape} needs low < high, but has {list(self.low)} and {list(self.high)}.")
        if self.radius is not None and not SMALLEST <= self.radius <= LARGEST:
            raise UserError(f"The shape {self.shape} needs a positive `radius`, but has {self.radius}.")
        if self.vertices is not None and len(self.vertices) < 3:
            raise UserError(f"A polygon needs at least 3 `vertices`, but has {len(self.vertices)}.")
        for other in (*self.plus, *self.within, *self.minus):
            if other.n_dims != n_dims:
                raise UserError(
                    f"The shape {self.shape} has {n_dims} coordinates, but {other.shape}, which is put together with "
                    f"it, {other.n_dims}."
                )
        self.primitive()

    @property
    def n_dims(self) -> int:
        return SHAPES[self.shape][0]

    def primitive(self) -> Primitive:
        """The shape alone."""
        if self.low is not None and self.high is not None:
            return Block(self.low, self.high)
        if self.centre is not None and self.radius is not None:
            return Ball(self.centre, self.radius)
        assert self.vertices is not None
        return Polygon(self.vertices)


def _crosses_itself(start: Float[Tensor, "v 2"], sides: Float[Tensor, "v 2"]) -> bool:
    """Whether two sides meet that are no neighbours."""
    count = len(start)
    for first in range(count):
        for second in range(first + 2, count - (first == 0)):
            ends = torch.stack([start[second], start[second] + sides[second]]) - start[first]
            others = torch.stack([start[first], start[first] + sides[first]]) - start[second]
            here, there = _cross(sides[first].expand(2, 2), ends), _cross(sides[second].expand(2, 2), others)
            if float(here.sign().prod()) <= 0 and float(there.sign().prod()) <= 0 and bool(here.any() & there.any()):
                return True
    return False


def _cross(a: Float[Tensor, "n 2"], b: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _numbers(values: Sequence[float]) -> Float[Tensor, " d"]:
    return torch.tensor(tuple(values), dtype=torch.float64)


def _uniform(n: int, d: int, generator: Generator) -> Float[Tensor, "n d"]:
    return torch.rand(n, d, dtype=torch.float64, generator=generator)


def _check_place(shape: str, name: str, place: tuple[float, ...] | None, n_dims: int) -> None:
    if place is not None and (len(place) != n_dims or not all(abs(value) <= LARGEST for value in place)):
        raise UserError(f"The shape {shape} needs {n_dims} finite numbers in `{name}`, but has {list(place)}.")
