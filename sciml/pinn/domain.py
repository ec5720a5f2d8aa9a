"""Where an equation is to hold, from an experiment's file: shapes put together, and time; and points of it.

A point of a shape's boundary is one of the whole geometry's where a step along its normal leads out and one back leads
in. So shapes may share faces or corners, as a step cut out of a channel's corner does.

Shapes: n points, d coordinates: those of space, then t where there is time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from sciml.core.errors import UserError
from sciml.pinn.shapes import Primitive, ShapeConfig

# places tried before something counts as empty
TRIES = 100_000
# the step along a normal, and how near to a part's bounds counts as on them, over the geometry's size
NEAR = 1e-9


@dataclass(frozen=True)
class PartConfig:
    """A part of a boundary: what lies in a box, its faces included.

    Attributes:
        low: least value of each coordinate of space, null for none; empty for no bounds at all.
        high: likewise largest.
    """

    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


class Geometry:
    """A geometry in space: a shape with all that was added to it and cut out of it.

    Attributes:
        low: least value of each coordinate [d]; those of the first shape and of those added to it.
        high: likewise largest.
    """

    def __init__(self, config: ShapeConfig) -> None:
        self._own = config.primitive()
        self._plus, self._within, self._minus = (
            [Geometry(part) for part in parts] for parts in (config.plus, config.within, config.minus)
        )
        self.low, self.high = self._own.low, self._own.high
        for part in self._plus:
            self.low, self.high = torch.minimum(self.low, part.low), torch.maximum(self.high, part.high)

    def inside(self, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
        found = self._own.inside(x)
        for part in self._plus:
            found = found | part.inside(x)
        for part in self._within:
            found = found & part.inside(x)
        for part in self._minus:
            found = found & ~part.inside(x)
        return found

    def sides(self) -> Iterator[tuple[Primitive, int]]:
        """All shapes in it, and 1 where their normals lead out, -1 where in."""
        yield self._own, 1
        for part in (*self._plus, *self._within):
            yield from part.sides()
        for part in self._minus:
            yield from ((shape, -sign) for shape, sign in part.sides())


class Domain:
    """Places in space, or in space and time, and random points of them.

    Args:
        space: the geometry.
        time: first and last time, or None for an equation without it.

    Raises:
        UserError: times that are not in order, or a geometry without an inside.
    """

    def __init__(self, space: ShapeConfig, time: tuple[float, float] | None = None) -> None:
        if time is not None and not -math.inf < time[0] < time[1] < math.inf:
            raise UserError(f"`time` needs to be a first and a last time, in this order, but is {list(time)}.")
        self.space, self.time = Geometry(space), time
        self._size = float((self.space.high - self.space.low).max())
        # the same places each time: whether a geometry is empty is no matter of chance
        self._inside(1, Generator().manual_seed(0))

    @property
    def n_dims(self) -> int:
        """Number of coordinates, with time."""
        return len(self.space.low) + (self.time is not None)

    def inside_points(self, n: int, generator: Generator) -> Float[Tensor, "n d"]:
        """Independent points, alike all over the geometry and the time.

        Raises:
            UserError: fewer than one.
        """
        return self._with_time(self._inside(n, generator), generator)

    def initial_points(self, n: int, generator: Generator) -> Float[Tensor, "n d"]:
        """Independent points at the first time.

        Raises:
            UserError: fewer than one, or no time.
        """
        if self.time is None:
            raise UserError("An initial condition needs a domain with `time`, but there is none.")
        points = self._inside(n, generator)
        return torch.cat([points, torch.full_like(points[:, :1], self.time[0])], dim=1)

    def boundary_points(
        self,
        n: int,
        generator: Generator,
        where: PartConfig | Callable[[Tensor], Tensor] | None = None,
        name: str = "boundary",
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Independent points, alike all over the boundary or a part of it, at any time; and unit normals, outwards.

        Where two shapes share a face, both give points of it.

        Args:
            n: how many.
            generator: of random numbers.
            where: the part, or a function of coordinates of space [n, d] that gives true for places in it [n].
            name: of the condition, for messages.

        Raises:
            UserError: fewer than one, a part with another number of coordinates or without a place on the boundary.
        """
        _check_number(n)
        is_part = self._test_of(where, name)
        sides = list(self.space.sides())
        share = torch.tensor([shape.measure for shape, _ in sides], dtype=torch.float64)
        points, normals, drawn, has_boundary = [], [], 0, False
        while sum(map(len, points)) < n:
            if drawn >= TRIES and not points:
                if has_boundary:
                    raise UserError(
                        f"The condition `{name}` is for none of {drawn} places on the boundary, which lies from "
                        f"{self.space.low.tolist()} to {self.space.high.tolist()}. Compare its bounds with these."
                    )
                raise UserError(
                    f"The geometry has no boundary: none of {drawn} places on its shapes' boundaries is one. Check "
                    "what is cut out, and what is added."
                )
            batch = max(2 * n, 1000)
            counts = torch.bincount(torch.multinomial(share, batch, True, generator=generator), minlength=len(sides))
            for (shape, sign), count in zip(sides, counts.tolist(), strict=True):
                x, normal = shape.boundary(count, generator)
                normal = sign * normal
                step = NEAR * self._size * normal
                keep = self.space.inside(x - step) & ~self.space.inside(x + step)
                has_boundary = has_boundary or bool(keep.any())
                keep &= is_part(x)
                if keep.any():
                    points.append(x[keep])
                    normals.append(normal[keep])
            drawn += batch
        # shape after shape, so mixed before the first n are taken
        order = torch.randperm(sum(map(len, points)), generator=generator)[:n]
        normal = torch.cat(normals)[order]
        if self.time is not None:
            normal = torch.cat([normal, torch.zeros_like(normal[:, :1])], dim=1)
        return self._with_time(torch.cat(points)[order], generator), normal

    def normals(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Unit normals, outwards, of the boundary of space at places of it (those nearest to other places)."""
        distances, normals = [], []
        for shape, sign in self.space.sides():
            distance, normal = shape.nearest(x)
            step = NEAR * self._size * sign * normal
            # a face of one shape may be inside of another
            is_face = self.space.inside(x - step) & ~self.space.inside(x + step)
            distances.append(torch.where(is_face, distance, distance + self._size))
            normals.append(sign * normal)
        nearest = torch.stack(distances).argmin(dim=0)
        return torch.stack(normals)[nearest, torch.arange(len(x))]

    def _test_of(self, where: PartConfig | Callable[[Tensor], Tensor] | None, name: str) -> Callable[[Tensor], Tensor]:
        if callable(where):
            return partial(_told, where, name)
        n_dims, part = len(self.space.low), where or PartConfig()
        bounds = []
        for key, none in (("low", -math.inf), ("high", math.inf)):
            values = getattr(part, key) or (None,) * n_dims
            if len(values) != n_dims:
                raise UserError(
                    f"The part of the condition `{name}` needs a number or null in `{key}` for each of {n_dims} "
                    f"coordinates of space, but has {len(values)}."
                )
            bounds.append(torch.tensor([none if value is None else value for value in values], dtype=torch.float64))
        low, high, near = *bounds, NEAR * self._size
        return lambda x: ((x >= low - near) & (x <= high + near)).all(dim=1)

    def _inside(self, n: int, generator: Generator) -> Float[Tensor, "n d"]:
        _check_number(n)
        found, drawn, space = [], 0, self.space
        while sum(map(len, found)) < n:
            if drawn >= TRIES and not found:
                raise UserError(
                    f"The geometry has none of {drawn} places from {space.low.tolist()} to {space.high.tolist()} "
                    "inside. Check its parts: is what is cut out larger than what it is cut from?"
                )
            batch = max(2 * n, 1000)
            places = torch.rand(batch, len(space.low), dtype=torch.float64, generator=generator)
            places = space.low + (space.high - space.low) * places
            keep = space.inside(places)
            if keep.any():
                found.append(places[keep])
            drawn += batch
        return torch.cat(found)[:n]

    def _with_time(self, points: Tensor, generator: Generator) -> Tensor:
        if self.time is None:
            return points
        start, end = self.time
        t = start + (end - start) * torch.rand(len(points), 1, dtype=torch.float64, generator=generator)
        return torch.cat([points, t], dim=1)


def _check_number(n: int) -> None:
    if n < 1:
        raise UserError(f"A point set needs at least one point, but {n} are asked for.")


def _told(where: Callable[[Tensor], Tensor], name: str, x: Float[Tensor, "n d"]) -> Bool[Tensor, " n"]:
    """What a user's function says of places, checked."""
    found = where(x)
    if found.dtype != torch.bool or found.shape != x.shape[:1]:
        raise UserError(
            f"The function that tells places of the condition `{name}` needs to return {len(x)} booleans, but returns "
            f"{found.dtype} of {list(found.shape)}. Compare single coordinates, as `x[:, 0] > 0` does."
        )
    return found
