"""Products of packed coefficients on the sphere with a matrix of channels for each degree, the same for all orders.

A complex product is a real one with matrices [i, (o 2)] as they are stored, for real and imaginary part of the
coefficients alike, and sums of two of the four results.

Shapes: t coefficients, b batch, 2 real and imaginary part, l degrees, i input and o output channels, n = 2 b rows.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from sciml.fno.sphere_kernels import call, runs_on
from sciml.fno.sphere_sums import Truncation


def mixed(
    packed: Float[Tensor, "t b 2 i"], weight: Float[Tensor, "l i o 2"] | Float[Tensor, "l i o"], kept: Truncation
) -> Float[Tensor, "t b 2 o"]:
    """Complex (with a last axis of 2) or real matrices times the coefficients of each degree."""
    rows, matrices = packed.flatten(0, 2), weight.flatten(2)
    sizes = [2 * packed.shape[1] * size for size in kept.sizes]
    if runs_on(packed) and runs_on(weight):
        product = _Products.apply(rows, matrices, sizes)
    else:
        product = torch.cat([part @ matrix for part, matrix in zip(rows.split(sizes), matrices, strict=True)])
    product = product.unflatten(0, packed.shape[:3])
    return product if weight.ndim == 3 else _combined(product)


def scaled(
    packed: Float[Tensor, "t b 2 c"], weight: Float[Tensor, "l c 2"] | Float[Tensor, "l c"], kept: Truncation
) -> Float[Tensor, "t b 2 c"]:
    """Complex or real numbers, one a channel, times the coefficients of each degree."""
    factor = weight[kept.degree.to(weight.device)].unsqueeze(1)
    if weight.ndim == 2:
        return packed * factor.unsqueeze(1)
    (a, b), (c, d) = packed.unbind(2), factor.unbind(-1)
    return torch.stack([a * c - b * d, a * d + b * c], dim=2)


class _Products(Function):
    """Blocks of rows, of the sizes given, each times its matrix, without a node of a graph for each."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, matrices: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        ctx.save_for_backward(rows, matrices)
        out = rows.new_empty(len(rows), matrices.shape[2])
        for part, matrix, target in zip(rows.split(sizes), matrices, out.split(sizes), strict=True):
            torch.mm(part, matrix, out=target)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        rows, matrices = ctx.saved_tensors
        of_rows, of_matrices = None, None
        if ctx.needs_input_grad[0]:
            of_rows = _Products.apply(gradients[0], matrices.mT, ctx.sizes)
        if ctx.needs_input_grad[1]:
            of_matrices = _Outer.apply(rows, gradients[0], ctx.sizes)
        return of_rows, of_matrices, None


class _Outer(Function):
    """The sum over each block of rows of the products of its channels, [l, i, o]."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, others: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        ctx.save_for_backward(rows, others)
        out = rows.new_empty(len(sizes), rows.shape[1], others.shape[1])
        for part, other, target in zip(rows.split(sizes), others.split(sizes), out, strict=True):
            torch.mm(part.mT, other, out=target)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, others = ctx.saved_tensors
        of_rows = _Products.apply(others, gradients[0].mT, ctx.sizes)
        return of_rows, _Products.apply(rows, gradients[0], ctx.sizes), None


class _Combine(Function):
    """Real and imaginary part times complex numbers, [t, b, 2, (o 2)], to the complex product [t, b, 2, o]."""

    @staticmethod
    def forward(ctx: Any, product: Tensor) -> Tensor:
        t, b, _, o = product.shape
        return call("combine", (t * b, o // 2), [product.contiguous()], product.new_empty(t, b, 2, o // 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Spread.apply(gradients[0])


class _Spread(Function):
    """The transpose of `_Combine`."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor) -> Tensor:
        t, b, _, o = sums.shape
        return call("spread", (t * b, o), [sums.contiguous()], sums.new_empty(t, b, 2, 2 * o))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Combine.apply(gradients[0])


def _combined(product: Tensor) -> Tensor:
    if runs_on(product):
        return _Combine.apply(product)
    first, second = product.unflatten(-1, (-1, 2)).unbind(2)
    return torch.stack([first[..., 0] - second[..., 1], first[..., 1] + second[..., 0]], dim=2)
