"""Residuals of an equation at points, checked, and their mean square by minibatches.

Shapes: n points, d coordinates, f fields, r residuals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError

# coordinates to fields
Fields: TypeAlias = Callable[[Tensor], Tensor]
# coordinates and fields to residuals, all parameters set
Residual: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def residuals(equation: Residual, fields: Fields, points: Float[Tensor, "n d"], name: str) -> Float[Tensor, "n r"]:
    """The residuals at points, with a graph to the parameters of the fields.

    Args:
        equation: with its parameters set, e.g. `partial(burgers, viscosity=0.01)`.
        fields: a network, perhaps within a hard constraint.
        points: coordinates.
        name: of the term, for messages.

    Raises:
        UserError: no points, fields that do not depend on the coordinates, residuals of another shape than [n, r], or
            one that is not finite, with its place.
    """
    if not len(points):
        raise UserError(f"The term `{name}` has no points. Check its geometry and its condition.")
    with torch.enable_grad():
        x = points.detach().clone().requires_grad_()
        u = fields(x)
        if not u.requires_grad:
            raise UserError(f"The fields of the term `{name}` do not depend on the coordinates; are they detached?")
        found = equation(x, u)
    check_residuals(found, points, name)
    bad = ~torch.isfinite(found).all(dim=1)
    if bad.any():
        place = [float(f"{number:.6g}") for number in points[int(bad.int().argmax())].tolist()]
        raise UserError(f"The term `{name}` is not finite at {place} and {int(bad.sum()) - 1} other points.")
    return found


def check_residuals(found: Any, points: Float[Tensor, "n d"], name: str) -> Float[Tensor, "n r"]:
    """What an equation returned, refused with UserError if it is of another shape than [n, r]."""
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(points):
        shape = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise UserError(
            f"The equation of the term `{name}` needs to return residuals of [{len(points)}, r], but they are "
            f"{shape}. Index fields as `u[:, 0]` and give columns back with `[:, None]`."
        )
    return found


def mean_square(
    equation: Residual,
    fields: Fields,
    points: Float[Tensor, "n d"],
    name: str,
    *,
    weights: Float[Tensor, " n"] | None = None,
    batch: int | None = None,
    scale: float = 1.0,
    backward: bool = True,
) -> float:
    """scale times the mean over points of weight times the sum of squared residuals; adds its gradient to `.grad`.

    Args:
        equation: as of `residuals`, and so are fields, points, name and errors.
        weights: of points; None for ones.
        batch: points at once, to bound memory: the gradient is the same but for rounding. None for all.
        scale: weight of the term.
        backward: whether to compute the gradient.
    """
    total = 0.0
    for start in range(0, max(len(points), 1), batch or max(len(points), 1)):
        part = slice(start, start + (batch or len(points)))
        square = residuals(equation, fields, points[part], name).square().sum(dim=1)
        if weights is not None:
            square = square * weights[part]
        loss = scale * square.sum() / len(points)
        if backward:
            loss.backward()
        total += float(loss.detach())
    return total
