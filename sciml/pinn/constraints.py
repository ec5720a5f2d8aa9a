"""Conditions that hold exactly, whatever the network's weights: fields = value + distance * network.

The value has what is prescribed where the distance is zero (Lagaris, Likas & Fotiadis 1998, IEEE Trans. Neural Netw.
9, 987). A loss then has no terms for these conditions, and nothing to balance. Periodic fields come from the
embedding (`Box.periodic`).

Shapes: n points, d coordinates, f fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError

OfPlace: TypeAlias = Callable[[Tensor], Tensor]


class HardConstraint(nn.Module):
    """A network whose fields meet conditions exactly.

    Args:
        network: coordinates [n, d] to numbers [n, f].
        value: coordinates [n, d] to fields [n, f] that meet the conditions.
        distance: coordinates [n, d] to factors [n, f] or [n, 1] that are zero where conditions hold, and only there. A
            zero of second order keeps the first derivative of `value` as well.
    """

    def __init__(self, network: nn.Module, value: OfPlace, distance: OfPlace) -> None:
        super().__init__()
        self.network, self.value, self.distance = network, value, distance

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        """Raises UserError where value or distance have another shape than the network's output."""
        output, value, distance = self.network(x), self.value(x), self.distance(x)
        if value.shape != output.shape or distance.shape not in (output.shape, (len(output), 1)):
            raise UserError(
                f"A hard constraint needs a value of {tuple(output.shape)} and a distance of this shape or with one "
                f"column, but they have {tuple(value.shape)} and {tuple(distance.shape)}."
            )
        return value + distance * output


def to_wall(x: Float[Tensor, "n d"], axis: int, place: float, scale: float = 1.0) -> Float[Tensor, "n 1"]:
    """Signed distance to a plane across an axis, in units of `scale`; e.g. to the initial time.

    >>> to_wall(torch.tensor([[0.0, 3.0]]), 1, 1.0).tolist()
    [[2.0]]
    """
    return ((x[:, axis] - place) / scale)[:, None]


def to_walls(x: Float[Tensor, "n d"], axis: int, low: float, high: float) -> Float[Tensor, "n 1"]:
    """A parabola that is zero at both ends of an interval and 1 in its middle.

    >>> to_walls(torch.tensor([[-1.0], [0.0], [0.5], [1.0]]), 0, -1.0, 1.0).flatten().tolist()
    [0.0, 1.0, 0.75, 0.0]
    """
    return (4 / (high - low) ** 2 * (x[:, axis] - low) * (high - x[:, axis]))[:, None]


def between(
    x: Float[Tensor, "n d"], axis: int, low: float, at_low: Tensor | float, high: float, at_high: Tensor | float
) -> Float[Tensor, "n 1"]:
    """The straight line from one value at `low` to another at `high`, both numbers or of [n, 1].

    >>> between(torch.tensor([[0.0], [0.25], [1.0]]), 0, 0.0, 2.0, 1.0, 6.0).flatten().tolist()
    [2.0, 3.0, 6.0]
    """
    part = ((x[:, axis] - low) / (high - low))[:, None]
    return at_low + part * (at_high - at_low)


def largest_contradiction(
    first: OfPlace, second: OfPlace, points: Float[Tensor, "n d"]
) -> tuple[float, Float[Tensor, " d"]]:
    """How far two conditions are apart at most where both hold, and at which of the points.

    Args:
        first: coordinates to fields [n, f], e.g. the initial state.
        second: likewise, e.g. the boundary values.
        points: where both hold.

    Raises:
        UserError: no points.

    >>> corners = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    >>> size, place = largest_contradiction(lambda x: x[:, :1], lambda x: 0 * x[:, :1] + 1, corners)
    >>> size, place.tolist()
    (2.0, [-1.0, 0.0])
    """
    if not len(points):
        raise UserError("Two conditions are compared at points where both hold, but there are none.")
    apart = (first(points) - second(points)).abs().amax(dim=1)
    worst = int(torch.argmax(apart))
    return float(apart[worst]), points[worst]
