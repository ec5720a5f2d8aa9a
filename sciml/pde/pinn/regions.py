"""Where the equation of an experiment holds: all of its box, or a shape in it, with a boundary and its normals.

Shapes: n points, d axes: parameters, coordinates of space, then time where there is time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from sciml.core.errors import UserError
from sciml.pde.pinn.space import DomainConfig
from sciml.pinn.domain import TRIES, Domain, PartConfig
from sciml.pinn.sampling import sobol_points


class Region:
    """The places of `space:`.

    Raises:
        UserError: a shape of another number of coordinates, without an inside, or beyond the coordinates' ranges.
    """

    def __init__(self, space: DomainConfig) -> None:
        self.space = space
        names = list(space.axes)
        along = [name for name in space.coordinates if name != space.time]
        self.axes = [names.index(name) for name in along]
        self.domain = None
        if space.shape is None:
            return
        if space.shape.n_dims != len(along):
            raise UserError(
                f"`space.shape`, {space.shape.shape}, has {space.shape.n_dims} coordinates, but space has "
                f"{', '.join(along)}."
            )
        self.domain = Domain(space.shape)
        shape = self.domain.space
        for name, low, high in zip(along, shape.low.tolist(), shape.high.tolist(), strict=True):
            if low < space.coordinates[name][0] or high > space.coordinates[name][1]:
                raise UserError(
                    f"`space.shape` goes from {low:g} to {high:g} along {name}, beyond `space.coordinates.{name}`, "
                    f"{space.coordinates[name]}. Make that range larger."
                )

    def inside(self, x: Tensor) -> Tensor:
        """Which of the points [n, d] are places of it, [n]."""
        if self.domain is None:
            return torch.ones(len(x), dtype=torch.bool)
        return self.domain.space.inside(x[:, self.axes])

    def points(
        self,
        n: int,
        generator: Generator,
        low: Sequence[float] | None = None,
        high: Sequence[float] | None = None,
    ) -> Tensor:
        """Points [n, d] all over the part from low to high.

        Raises:
            UserError: none of the places tried there is inside of the shape.
        """
        box = self.space.box(low, high)
        if self.domain is None:
            return sobol_points(box, n, generator)
        found: list[Tensor] = []
        drawn = 0
        while sum(map(len, found)) < n:
            if drawn >= TRIES and not sum(map(len, found)):
                raise UserError(f"`space.shape` has no place from {list(box.low)} to {list(box.high)}.")
            x = sobol_points(box, max(2 * n, 1000), generator)
            found.append(x[self.inside(x)])
            drawn += len(x)
        return torch.cat(found)[:n]

    def at(self, places: dict[str, float], n: int, generator: Generator, name: str, box: DomainBounds) -> Tensor:
        """Points with some axes held at places, of the condition `name`.

        Raises:
            UserError: none of them is inside of the shape.
        """
        held = self.space.box(*box)
        names, found, drawn = list(self.space.axes), [], 0
        batch = max(2 * n, 1000) if self.domain is not None else n
        while sum(map(len, found)) < n:
            if drawn >= TRIES and not found:
                raise UserError(
                    f"The condition `{name}` is for {places}, which is nowhere inside of `space.shape`. On its "
                    "boundary a condition has `boundary`."
                )
            x = held.places(torch.rand(batch, len(names), dtype=torch.float64, generator=generator))
            for axis, place in places.items():
                x[:, names.index(axis)] = place
            kept = x[self.inside(x)]
            found += [kept] if len(kept) else []
            drawn += batch
        return torch.cat(found)[:n]

    def boundary(self, part: PartConfig, n: int, generator: Generator, name: str, box: DomainBounds) -> Tensor:
        """Points [n, d] on the shape's boundary, or a part of it, at any other coordinates from low to high.

        Raises:
            UserError: no shape, or a part without a place on the boundary.
        """
        if self.domain is None:
            raise UserError(f"The condition `{name}` is for the boundary of `space.shape`, but there is no shape.")
        x = self.space.box(*box).places(torch.rand(n, len(self.space.axes), dtype=torch.float64, generator=generator))
        x[:, self.axes] = self.domain.boundary_points(n, generator, part, name)[0]
        return x

    def normals(self, x: Tensor) -> Tensor:
        """Unit normals [n, coordinates of space], outwards, at points of the boundary."""
        assert self.domain is not None
        return self.domain.normals(x[:, self.axes])


# the least and largest values of all axes
DomainBounds = tuple[Sequence[float], Sequence[float]]
