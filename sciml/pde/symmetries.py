"""Transformations of space that take solutions of an equation to solutions: further training data that cost nothing.

A network that has seen a square from all sides needs not learn each side by itself. Which transformations hold is a
fact about the equation, its domain and the law of its data; the catalogue's dataset.yaml states it.

Shapes: b samples, t times, grid points along each axis, c channels, i and o of inputs and outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError


@dataclass(frozen=True)
class Symmetry:
    """What is done to scalar fields, in this order; together one transformation under which solutions stay solutions.

    Attributes:
        swap: the first two axes change places.
        flip: axes that are turned around: a periodic one at its first point, x to -x, another one end for end.
        shift: along periodic axes, in periods: the field at x comes to x + shift.
        slide: a further shift by a distance that is drawn anew each time, times these whole numbers; with it the
            symmetry stands for all such shifts.
        negate: variables that change their sign, as the vorticity of a flow does in a mirror.
    """

    swap: bool = False
    flip: tuple[str, ...] = ()
    shift: dict[str, float] = field(default_factory=dict)
    slide: dict[str, int] = field(default_factory=dict)
    negate: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.swap or self.flip or self.shift or self.slide or self.negate):
            raise UserError("A symmetry needs one of swap, flip, shift, slide and negate, but has none.")


@dataclass(frozen=True)
class Symmetries:
    """The symmetries of an equation on a grid.

    Args:
        symmetries: each is applied or not, in this order, so a few that generate a group give all of it.
        axes: names of the axes of space.
        periodic: of each axis.
        shape: points along each axis; shifts have to be whole numbers of them.

    Raises:
        UserError: an axis that the fields do not have, a shift along one that is not periodic or by a part of a
            spacing, a swap of axes that are unlike each other.
    """

    symmetries: tuple[Symmetry, ...]
    axes: tuple[str, ...]
    periodic: tuple[bool, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        is_periodic = dict(zip(self.axes, self.periodic, strict=True))
        points = dict(zip(self.axes, self.shape, strict=True))
        alike = len(self.axes) > 1 and self.shape[0] == self.shape[1] and self.periodic[0] == self.periodic[1]
        for symmetry in self.symmetries:
            for axis in (*symmetry.flip, *symmetry.shift, *symmetry.slide):
                if axis not in points:
                    raise UserError(f"`dataset.symmetries` has the axis `{axis}`, but the axes are {self.axes}.")
            for axis in (*symmetry.shift, *symmetry.slide):
                if not is_periodic[axis]:
                    raise UserError(f"`dataset.symmetries` shifts along `{axis}`, which is not periodic.")
            for axis, periods in symmetry.shift.items():
                _whole(periods, points[axis], axis)
            if symmetry.swap and not alike:
                raise UserError(
                    "`dataset.symmetries` swaps the first two axes, which needs two alike, but the points are "
                    f"{self.shape}, periodic {self.periodic}."
                )

    def apply(
        self, symmetry: Symmetry, fields: Float[Tensor, "*times *grid c"], names: Sequence[str], distance: int = 0
    ) -> Float[Tensor, "*times *grid c"]:
        """The transformed fields of one sample.

        Args:
            symmetry: one of these.
            fields: axes of space stand before the channels.
            names: of the channels.
            distance: points to slide by.
        """
        dims = {axis: fields.ndim - 1 - len(self.axes) + i for i, axis in enumerate(self.axes)}
        if symmetry.swap:
            fields = fields.transpose(dims[self.axes[0]], dims[self.axes[1]])
        turned = [dims[axis] for axis in symmetry.flip]
        moves = {axis: 1 if self.periodic[self.axes.index(axis)] else 0 for axis in symmetry.flip}
        for axis, periods in symmetry.shift.items():
            moves[axis] = moves.get(axis, 0) + _whole(periods, fields.shape[dims[axis]], axis)
        for axis, times in symmetry.slide.items():
            moves[axis] = moves.get(axis, 0) + times * distance
        fields = fields.flip(turned) if turned else fields
        if any(moves.values()):
            fields = fields.roll(list(moves.values()), [dims[axis] for axis in moves])
        if not set(symmetry.negate) & set(names):
            return fields
        signs = [-1.0 if name in symmetry.negate else 1.0 for name in names]
        return fields * torch.tensor(signs, dtype=fields.dtype, device=fields.device)

    def undo(
        self, symmetry: Symmetry, fields: Float[Tensor, "*times *grid c"], names: Sequence[str]
    ) -> Float[Tensor, "*times *grid c"]:
        """The inverse of `apply`, for a symmetry without `slide`."""
        shift = {axis: -periods for axis, periods in symmetry.shift.items()}
        steps = [
            *([Symmetry(negate=symmetry.negate)] if symmetry.negate else []),
            *([Symmetry(shift=shift)] if shift else []),
            *([Symmetry(flip=symmetry.flip)] if symmetry.flip else []),
            *([Symmetry(swap=True)] if symmetry.swap else []),
        ]
        for step in steps:
            fields = self.apply(step, fields, names)
        return fields

    def draw(
        self,
        inputs: Float[Tensor, "b *grid i"],
        targets: Float[Tensor, "b t *grid o"],
        input_names: Sequence[str],
        output_names: Sequence[str],
    ) -> tuple[Float[Tensor, "b *grid i"], Float[Tensor, "b t *grid o"]]:
        """Samples, each transformed by some of the symmetries, by torch's generator."""
        pairs = []
        for one, other in zip(inputs, targets, strict=True):
            for symmetry in self.symmetries:
                if not symmetry.slide and torch.rand(()) < 0.5:
                    continue
                distance = int(torch.randint(max(self.shape), ())) if symmetry.slide else 0
                one = self.apply(symmetry, one, input_names, distance)
                other = self.apply(symmetry, other, output_names, distance)
            pairs.append((one, other))
        return torch.stack([one for one, _ in pairs]), torch.stack([other for _, other in pairs])

    def combinations(self) -> list[tuple[Symmetry, ...]]:
        """Every choice of the symmetries without `slide`, in their order; the first one is to do nothing.

        All of them together have to be a group for a mean over them to have the symmetries; the stated ones of the
        catalogue are one, those of flows together with the slides.

        >>> mirrors = (Symmetry(flip=("x",)), Symmetry(flip=("y",)))
        >>> [len(some) for some in Symmetries(mirrors, ("x", "y"), (False, False), (5, 5)).combinations()]
        [0, 1, 1, 2]
        """
        single = [symmetry for symmetry in self.symmetries if not symmetry.slide]
        return [some for n in range(len(single) + 1) for some in itertools.combinations(single, n)]


def symmetries_from(described: Mapping[str, Any]) -> Symmetries:
    """The inverse of `dataclasses.asdict`, also of what JSON makes of it.

    Raises:
        KeyError, TypeError: it is no such thing.
    """
    return Symmetries(
        tuple(
            Symmetry(**{**one, "flip": tuple(one["flip"]), "negate": tuple(one["negate"])})
            for one in described["symmetries"]
        ),
        tuple(described["axes"]),
        tuple(described["periodic"]),
        tuple(described["shape"]),
    )


def _whole(periods: float, points: int, axis: str) -> int:
    """Points of a shift."""
    exact = periods * points
    if abs(exact - round(exact)) > 1e-6:  # a third of 48 points is 16 but for rounding
        raise UserError(
            f"`dataset.symmetries` shifts by {periods:g} periods along `{axis}`, which is not a whole number of its "
            f"{points} points. Change `dataset.resolution`, or leave that symmetry out."
        )
    return round(exact)
