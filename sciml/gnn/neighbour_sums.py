"""Sums over the neighbours of atoms, differentiable to any order.

Two forms suffice for the message passing of SchNet and PaiNN, and each is symmetric under exchange of the two atoms of
a pair, so the gradients of every sum below are again sums below: no derivative needs a kernel of its own.

    filtered:  T = sum over edges of  filter[pair, c] x[neighbour, b, c] y[centre, b, c]
    expanded:  T = sum over edges of  s_k harmonic[pair, k] filter[pair, c] x[neighbour, c] y[centre, k, c]

s_k is the edge's sign for harmonics of odd parity and 1 for the others. On a CPU the sums are C++ (kernels.cpp); without
a compiler, or on another device, they are gathers and scatters of torch.

Shapes: n atoms, p pairs, e = 2 p directed edges, b components, k harmonics, c channels.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import Function

from sciml.core import native
from sciml.gnn.edges import Edges

_SOURCE = Path(__file__).with_name("kernels.cpp")
_SUFFIX = {torch.float32: "f32", torch.float64: "f64"}


def filtered_sum(edges: Edges, weight: Float[Tensor, "p c"], x: Float[Tensor, "n b c"]) -> Float[Tensor, "n b c"]:
    """out[i, b, c] = sum over neighbours j of weight[pair, c] x[j, b, c] (SchNet's convolution for b = 1)."""
    return _Filtered.apply(edges, "y", weight, x)  # pyright: ignore[reportReturnType]


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
    return _Expanded.apply(edges, odd, "y", harmonic, weight, x)  # pyright: ignore[reportReturnType]


class _Filtered(Function):
    """Derivative of the filtered form by the factor that is `missing` among weight, x and y; the others are given."""

    @staticmethod
    def forward(ctx: Any, edges: Edges, missing: str, *factors: Tensor) -> Tensor:
        ctx.edges, ctx.missing = edges, missing
        ctx.save_for_backward(*factors)
        factors = tuple(factor.contiguous() for factor in factors)
        return _pair_product(edges, *factors) if missing == "weight" else _filtered_sum(edges, *factors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        given = _given(("weight", "x", "y"), ctx.missing, ctx.saved_tensors)
        needed = ctx.needs_input_grad[2:]
        slopes = [
            _Filtered.apply(ctx.edges, name, *_others(given, name, ctx.missing, gradients[0])) if need else None
            for name, need in zip((name for name in given if name != ctx.missing), needed, strict=True)
        ]
        return None, None, *slopes


class _Expanded(Function):
    """Derivative of the expanded form by the factor that is `missing` among harmonic, weight, x and y."""

    @staticmethod
    def forward(ctx: Any, edges: Edges, odd: Tensor, missing: str, *factors: Tensor) -> Tensor:
        ctx.edges, ctx.odd, ctx.missing = edges, odd, missing
        ctx.save_for_backward(*factors)
        return _EXPANDED[missing](edges, odd, *(factor.contiguous() for factor in factors))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        given = _given(("harmonic", "weight", "x", "y"), ctx.missing, ctx.saved_tensors)
        needed = ctx.needs_input_grad[3:]
        slopes = [
            _Expanded.apply(ctx.edges, ctx.odd, name, *_others(given, name, ctx.missing, gradients[0]))
            if need
            else None
            for name, need in zip((name for name in given if name != ctx.missing), needed, strict=True)
        ]
        return None, None, None, *slopes


def _given(names: tuple[str, ...], missing: str, factors: tuple[Tensor, ...]) -> dict[str, Tensor | None]:
    """Every factor of the form by its name, in order; None for the missing one."""
    remaining = iter(factors)
    return {name: None if name == missing else next(remaining) for name in names}


def _others(given: dict[str, Tensor | None], name: str, missing: str, gradient: Tensor) -> list[Tensor | None]:
    """The factors but `name`, with `gradient` in the place of the missing one."""
    return [gradient if other == missing else factor for other, factor in given.items() if other != name]


def _filtered_sum(edges: Edges, weight: Tensor, x: Tensor) -> Tensor:
    n, (b, c) = edges.n_atoms, x.shape[1:]
    if (kernel := _kernel("filtered_sum", x)) is None:
        message = weight[edges.pair].unsqueeze(1) * x[edges.neighbour]
        return x.new_zeros(n, b, c).index_add_(0, edges.centre, message)
    return kernel((n, b, c), [edges.row_start, edges.neighbour, edges.pair, weight, x], x.new_empty(n, b, c))


def _pair_product(edges: Edges, x: Tensor, y: Tensor) -> Tensor:
    first, second, (b, c) = edges.first, edges.second, x.shape[1:]
    if (kernel := _kernel("pair_product", x)) is None:
        return (x[second] * y[first] + x[first] * y[second]).sum(1)
    return kernel((len(first), b, c), [first, second, x, y], x.new_empty(len(first), c))


def _expanded_sum(edges: Edges, odd: Tensor, harmonic: Tensor, weight: Tensor, x: Tensor) -> Tensor:
    n, k, c = edges.n_atoms, len(odd), x.shape[1]
    if (kernel := _kernel("expanded_sum", x)) is None:
        message = (weight[edges.pair] * x[edges.neighbour]).unsqueeze(1)
        message = message * _directed(edges, odd, harmonic).unsqueeze(2)
        return x.new_zeros(n, k, c).index_add_(0, edges.centre, message)
    inputs = [edges.row_start, edges.neighbour, edges.pair, edges.sign, odd, harmonic, weight, x]
    return kernel((n, k, c), inputs, x.new_empty(n, k, c))


def _contracted_sum(edges: Edges, odd: Tensor, harmonic: Tensor, weight: Tensor, y: Tensor) -> Tensor:
    n, k, c = edges.n_atoms, len(odd), y.shape[2]
    if (kernel := _kernel("contracted_sum", y)) is None:
        seen_from_neighbour = _directed(edges, odd, harmonic)[edges.opposite]
        message = weight[edges.pair] * (seen_from_neighbour.unsqueeze(2) * y[edges.neighbour]).sum(1)
        return y.new_zeros(n, c).index_add_(0, edges.centre, message)
    inputs = [edges.row_start, edges.neighbour, edges.pair, edges.sign, odd, harmonic, weight, y]
    return kernel((n, k, c), inputs, y.new_empty(n, c))


def _weight_slope(edges: Edges, odd: Tensor, harmonic: Tensor, x: Tensor, y: Tensor) -> Tensor:
    first, second, (k, c) = edges.first, edges.second, y.shape[1:]
    if (kernel := _kernel("weight_slope", x)) is None:
        turned = torch.where(odd.bool(), -harmonic, harmonic).unsqueeze(2)
        along = x[second] * (harmonic.unsqueeze(2) * y[first]).sum(1)
        return along + x[first] * (turned * y[second]).sum(1)
    return kernel((len(first), k, c), [first, second, odd, harmonic, x, y], x.new_empty(len(first), c))


def _harmonic_slope(edges: Edges, odd: Tensor, weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
    first, second, (k, c) = edges.first, edges.second, y.shape[1:]
    if (kernel := _kernel("harmonic_slope", x)) is None:
        along = ((weight * x[second]).unsqueeze(1) * y[first]).sum(2)
        against = ((weight * x[first]).unsqueeze(1) * y[second]).sum(2)
        return along + torch.where(odd.bool(), -against, against)
    return kernel((len(first), k, c), [first, second, odd, weight, x, y], x.new_empty(len(first), k))


_EXPANDED = {"harmonic": _harmonic_slope, "weight": _weight_slope, "x": _contracted_sum, "y": _expanded_sum}


def _directed(edges: Edges, odd: Tensor, harmonic: Tensor) -> Tensor:
    """Harmonics [e, k] of the directed edges, seen from their centres."""
    directed = harmonic[edges.pair]
    return torch.where(odd.bool(), directed * edges.sign.unsqueeze(1), directed)


def _kernel(name: str, x: Tensor) -> Callable[[tuple[int, ...], list[Tensor], Tensor], Tensor] | None:
    """The C++ sum for x's device and precision as a function (sizes, inputs, output) -> output, or None."""
    if x.device.type != "cpu" or x.dtype not in _SUFFIX:
        return None
    library = native.load(_SOURCE)
    if library is None:
        return None
    function = getattr(library, f"{name}_{_SUFFIX[x.dtype]}")

    def run(sizes: tuple[int, ...], inputs: list[Tensor], out: Tensor) -> Tensor:
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (*inputs, out)]
        function(*map(ctypes.c_int64, sizes), *pointers, ctypes.c_int(torch.get_num_threads()))
        return out

    return run
