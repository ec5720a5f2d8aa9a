"""Derivatives of fields at points, by automatic differentiation of what was computed from the coordinates.

Each call differentiates the graph that the one before has built. A field at a point must depend on that point alone,
as a network's does without normalisation over the batch: the gradient of the sum then is each point's own. Fields that
have their jet beside them (`sciml.pinn.jet_fields`) are not differentiated: what is asked for stands there.

Shapes: n points, d coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.pinn.jet_fields import Points


def gradient(u: Float[Tensor, " n"], x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """All first derivatives, which cost as much as one of them; differentiable again.

    Zero where u was not computed from x.

    >>> x = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> gradient(x[:, 0] ** 2 * x[:, 1], x).tolist()
    [[30.0, 9.0]]
    """
    if isinstance(x, Points):
        return x.jet.gradient(u)
    if not u.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True, materialize_grads=True)
    return found


class _Columns:
    """The derivatives by the last ones of all columns."""

    def __init__(self, whole: Tensor, count: int) -> None:
        self.whole, self.count = whole, count

    def gradient(self, u: Tensor, /) -> Tensor:
        return gradient(u, self.whole)[:, -self.count :]


def last_columns(x: Float[Tensor, "n k"], count: int) -> Float[Tensor, "n d"]:
    """The last coordinates of points, by which the functions of this module differentiate what was computed from all.

    >>> x = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> gradient(x[:, 0] ** 2 * x[:, 1], last_columns(x, 1)).tolist()
    [[9.0]]
    """
    if count == x.shape[1]:
        return x
    points = x[:, -count:].as_subclass(Points)
    points.jet = _Columns(x, count)
    return points


def derivative(u: Float[Tensor, " n"], x: Float[Tensor, "n d"], *axes: int) -> Float[Tensor, " n"]:
    """The derivative by one coordinate after another.

    >>> x = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> derivative(x[:, 0] ** 3 * x[:, 1], x, 0, 0, 1).tolist()
    [18.0]
    """
    for axis in axes:
        u = gradient(u, x)[:, axis]
    return u


def divergence(flux: Float[Tensor, "n k"], x: Float[Tensor, "n d"], axes: Sequence[int]) -> Float[Tensor, " n"]:
    """Sum of the derivative of each column of the flux by the axis of the same place.

    >>> x = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> divergence(torch.stack([x[:, 0] ** 2, x[:, 0] * x[:, 1]], dim=1), x, (0, 1)).tolist()
    [9.0]
    """
    parts = [gradient(flux[:, column], x)[:, axis] for column, axis in zip(range(flux.shape[1]), axes, strict=True)]
    return torch.stack(parts).sum(0)


def laplacian(u: Float[Tensor, " n"], x: Float[Tensor, "n d"], axes: Sequence[int]) -> Float[Tensor, " n"]:
    """Sum of the second derivatives by the axes.

    >>> x = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> laplacian(x[:, 0] ** 3 + x[:, 1] ** 2, x, (0, 1)).tolist()
    [20.0]
    """
    return divergence(gradient(u, x)[:, list(axes)], x, axes)
