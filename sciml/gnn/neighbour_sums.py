"""Sums over the neighbours of atoms, differentiable to any order.

Three multilinear forms cover the message passing of SchNet, PaiNN and QACE. Each keeps its shape when the two atoms of
a pair change places, so the derivative by any factor is again one of a few sums, and so are the derivatives of those:

    filtered:  sum over edges of  weight[pair, c] x[j, b, c] y[i, b, c]
    expanded:  sum over edges of  weight[pair, c] x[j, c] (near . y[i])[c]
    bond:      sum over edges of  weight[pair, c] (far . x[j])[c] (near . y[i])[c]

i is the edge's centre and j its neighbour; (near . y)[c] = sum over k of s_k near[pair, k] y[k, c], where s_k is the
direction's sign for harmonics of odd parity and 1 for the others. With harmonics for `near` it is the density of y in
the direction of the edge. A sum below is the derivative of its form by y.

On a CPU the sums are C++ (kernels.cpp); without a compiler, or on another device, they are gathers and scatters.

Shapes: n atoms, p pairs, e = 2 p directed edges, b components, k harmonics, c channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function

from sciml.gnn.edges import Edges
from sciml.gnn.kernels import kernel


def filtered_sum(edges: Edges, weight: Float[Tensor, "p c"], x: Float[Tensor, "n b c"]) -> Float[Tensor, "n b c"]:
    """out[i, b, c] = sum over neighbours j of weight[pair, c] x[j, b, c] (SchNet's convolution for b = 1)."""
    return _Derivative.apply("filtered", "y", edges, None, weight, x)  # pyright: ignore[reportReturnType]


def expanded_sum(
    edges: Edges,
    odd: Int[Tensor, " k"],
    harmonic: Float[Tensor, "p k"],
    weight: Float[Tensor, "p c"],
    x: Float[Tensor, "n c"],
) -> Float[Tensor, "n k c"]:
    """out[i, k, c] = sum over neighbours j of s_k harmonic[pair, k] weight[pair, c] x[j, c].

    `odd[k]` is 1 where harmonic k changes sign with the direction, as the components of a vector do, and 0 elsewhere.
    """
    return _Derivative.apply("expanded", "y", edges, odd, harmonic, weight, x)  # pyright: ignore[reportReturnType]


def bond_sum(
    edges: Edges,
    odd: Int[Tensor, " k"],
    harmonic: Float[Tensor, "p k"],
    weight: Float[Tensor, "p c"],
    x: Float[Tensor, "n k c"],
) -> Float[Tensor, "n k c"]:
    """As `expanded_sum`, with x[j, c] the density of neighbour j in the direction from j to i."""
    return _Derivative.apply("bond", "y", edges, odd, harmonic, harmonic, weight, x)  # pyright: ignore[reportReturnType]


class _Derivative(Function):
    """Derivative of a form by the factor that is `missing`; the others are given, in the order of _FORMS."""

    @staticmethod
    def forward(ctx: Any, form: str, missing: str, edges: Edges, odd: Tensor | None, *factors: Tensor) -> Tensor:
        ctx.form, ctx.missing, ctx.edges, ctx.odd = form, missing, edges, odd
        ctx.save_for_backward(*factors)
        return _FORMS[form][missing](edges, odd, *(factor.contiguous() for factor in factors))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        given = [name for name in _FORMS[ctx.form] if name != ctx.missing]
        factors = dict(zip(given, ctx.saved_tensors, strict=True)) | {ctx.missing: gradients[0]}
        slopes = []
        for name, needed in zip(given, ctx.needs_input_grad[4:], strict=True):
            others = [factors[other] for other in _FORMS[ctx.form] if other != name]
            slopes.append(_Derivative.apply(ctx.form, name, ctx.edges, ctx.odd, *others) if needed else None)
        return None, None, None, None, *slopes


def _filtered_sum(edges: Edges, odd: None, weight: Tensor, x: Tensor) -> Tensor:
    n, (b, c) = edges.n_atoms, x.shape[1:]
    if (run := kernel("filtered_sum", x)) is None:
        message = weight[edges.pair].unsqueeze(1) * x[edges.neighbour]
        return x.new_zeros(n, b, c).index_add_(0, edges.centre, message)
    return run((n, b, c), [edges.row_start, edges.neighbour, edges.pair, weight, x], x.new_empty(n, b, c))


def _pair_product(edges: Edges, odd: None, x: Tensor, y: Tensor) -> Tensor:
    first, second, (b, c) = edges.first, edges.second, x.shape[1:]
    if (run := kernel("pair_product", x)) is None:
        return (x[second] * y[first] + x[first] * y[second]).sum(1)
    return run((first.shape[0], b, c), [first, second, x, y], x.new_empty(first.shape[0], c))


def _expanded_sum(edges: Edges, odd: Tensor, near: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    n, k, c = edges.n_atoms, len(odd), x.shape[1]
    if (run := kernel("expanded_sum", x)) is None:
        return _spread(edges, odd, near, weight[edges.pair] * x[edges.neighbour])
    inputs = [*_rows(edges), odd, near, weight, x]
    return run((n, k, c), inputs, x.new_empty(n, k, c))


def _contracted_sum(edges: Edges, odd: Tensor, near: Tensor, weight: Tensor, y: Tensor) -> Tensor:
    n, k, c = edges.n_atoms, len(odd), y.shape[2]
    if (run := kernel("contracted_sum", y)) is None:
        message = weight[edges.pair] * _along(edges, odd, near, y)[edges.opposite]
        return y.new_zeros(n, c).index_add_(0, edges.centre, message)
    return run((n, k, c), [*_rows(edges), odd, near, weight, y], y.new_empty(n, c))


def _weight_slope(edges: Edges, odd: Tensor, near: Tensor, x: Tensor, y: Tensor) -> Tensor:
    first, second, (k, c) = edges.first, edges.second, y.shape[1:]
    if (run := kernel("weight_slope", x)) is None:
        return _over_pairs(edges, x[edges.neighbour] * _along(edges, odd, near, y))
    return run((first.shape[0], k, c), [first, second, odd, near, x, y], x.new_empty(first.shape[0], c))


def _near_slope(edges: Edges, odd: Tensor, weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
    first, second, (k, c) = edges.first, edges.second, y.shape[1:]
    if (run := kernel("harmonic_slope", x)) is None:
        message = weight[edges.pair] * x[edges.neighbour]
        return _over_pairs(edges, _signs(edges, odd) * (message.unsqueeze(1) * y[edges.centre]).sum(2))
    return run((first.shape[0], k, c), [first, second, odd, weight, x, y], x.new_empty(first.shape[0], k))


def _bond_sum(edges: Edges, odd: Tensor, far: Tensor, near: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    n, k, c = edges.n_atoms, len(odd), x.shape[2]
    if (run := kernel("bond_sum", x)) is None:
        return _spread(edges, odd, near, weight[edges.pair] * _along(edges, odd, far, x)[edges.opposite])
    return run((n, k, c), [*_rows(edges), odd, far, near, weight, x], x.new_empty(n, k, c))


def _bond_weight_slope(edges: Edges, odd: Tensor, far: Tensor, near: Tensor, x: Tensor, y: Tensor) -> Tensor:
    first, second, (k, c) = edges.first, edges.second, x.shape[1:]
    if (run := kernel("bond_weight_slope", x)) is None:
        return _over_pairs(edges, _along(edges, odd, far, x)[edges.opposite] * _along(edges, odd, near, y))
    return run((first.shape[0], k, c), [first, second, odd, far, near, x, y], x.new_empty(first.shape[0], c))


def _far_slope(edges: Edges, odd: Tensor, near: Tensor, weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
    first, second, (k, c) = edges.first, edges.second, x.shape[1:]
    if (run := kernel("bond_harmonic_slope", x)) is None:
        received = (weight[edges.pair] * _along(edges, odd, near, y))[edges.opposite]
        return _over_pairs(edges, _signs(edges, odd) * (received.unsqueeze(1) * x[edges.centre]).sum(2))
    return run((first.shape[0], k, c), [first, second, odd, near, weight, x, y], x.new_empty(first.shape[0], k))


# by form, its factors in order, and the derivative by each; a form reads the same with x and y, near and far exchanged
_FORMS: dict[str, dict[str, Callable[..., Tensor]]] = {
    "filtered": {"weight": _pair_product, "x": _filtered_sum, "y": _filtered_sum},
    "expanded": {"near": _near_slope, "weight": _weight_slope, "x": _contracted_sum, "y": _expanded_sum},
    "bond": {
        "far": _far_slope,
        "near": lambda edges, odd, far, weight, x, y: _far_slope(edges, odd, far, weight, y, x),
        "weight": _bond_weight_slope,
        "x": lambda edges, odd, far, near, weight, y: _bond_sum(edges, odd, near, far, weight, y),
        "y": _bond_sum,
    },
}


def _rows(edges: Edges) -> list[Tensor]:
    return [edges.row_start, edges.neighbour, edges.pair, edges.sign]


def _signs(edges: Edges, odd: Tensor) -> Tensor:
    """s_k [e, k] of the directed edges."""
    return torch.where(odd.bool(), edges.sign.unsqueeze(1), 1.0)


def _along(edges: Edges, odd: Tensor, harmonic: Tensor, y: Tensor) -> Tensor:
    """(harmonic . y[centre]) [e, c] of the directed edges."""
    return ((_signs(edges, odd) * harmonic[edges.pair]).unsqueeze(2) * y[edges.centre]).sum(1)


def _spread(edges: Edges, odd: Tensor, harmonic: Tensor, message: Tensor) -> Tensor:
    """Sum [n, k, c] of messages [e, c] times the harmonics of their edges."""
    expanded = (_signs(edges, odd) * harmonic[edges.pair]).unsqueeze(2) * message.unsqueeze(1)
    return message.new_zeros(edges.n_atoms, *expanded.shape[1:]).index_add_(0, edges.centre, expanded)


def _over_pairs(edges: Edges, x: Tensor) -> Tensor:
    """Sum of both directions of each pair."""
    return x.new_zeros(edges.first.shape[0], x.shape[1]).index_add_(0, edges.pair, x)
