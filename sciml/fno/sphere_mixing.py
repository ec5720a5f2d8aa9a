"""Products of packed coefficients on the sphere with a matrix of channels for each degree, the same for all orders.

A complex product is a real one with matrices [i, (o 2)] as they are stored, for real and imaginary part of the
coefficients alike, and sums of two of the four results.

Shapes: t coefficients, b batch, 2 real and imaginary part, l degrees, i input and o output channels, n = 2 b rows.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from sciml.fno import kernels
from sciml.fno.kernel_memory import empty
from sciml.fno.sphere_sums import Truncation


def mixed(
    packed: Float[Tensor, "t b 2 i"], weight: Float[Tensor, "l i o 2"] | Float[Tensor, "l i o"], kept: Truncation
) -> Float[Tensor, "t b 2 o"]:
    """Complex (with a last axis of 2) or real matrices times the coefficients of each degree."""
    if kernels.runs_on(packed) and kernels.runs_on(weight) and packed.dtype == weight.dtype:
        return _Mixed.apply(packed, weight, kept)
    return _plain_mixed(packed, weight, kept)


def _plain_mixed(packed: Tensor, weight: Tensor, kept: Truncation) -> Tensor:
    rows, matrices = packed.flatten(0, 2), weight.flatten(2)
    sizes = [2 * packed.shape[1] * size for size in kept.sizes]
    product = torch.cat([part @ matrix for part, matrix in zip(rows.split(sizes), matrices, strict=True)])
    product = product.unflatten(0, packed.shape[:3])
    if weight.ndim == 3:
        return product
    first, second = product.unflatten(-1, (-1, 2)).unbind(2)
    return torch.stack([first[..., 0] - second[..., 1], first[..., 1] + second[..., 0]], dim=2)


def scaled(
    packed: Float[Tensor, "t b 2 c"], weight: Float[Tensor, "l c 2"] | Float[Tensor, "l c"], kept: Truncation
) -> Float[Tensor, "t b 2 c"]:
    """Complex or real numbers, one a channel, times the coefficients of each degree."""
    factor = weight[kept.degree.to(weight.device)].unsqueeze(1)
    if weight.ndim == 2:
        return packed * factor.unsqueeze(1)
    (a, b), (c, d) = packed.unbind(2), factor.unbind(-1)
    return torch.stack([a * c - b * d, a * d + b * c], dim=2)


class _Mixed(Function):
    """`mixed` by the compiled kernels (kernels_degrees.h)."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, weight: Tensor, kept: Truncation) -> Tensor:
        ctx.kept = kept
        ctx.save_for_backward(packed, weight)
        out = empty(kernels.library(), packed, *packed.shape[:3], weight.shape[2])
        _call("mixed", packed, weight, kept, [out])
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        packed, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is to be differentiated
            plain = functools.partial(_plain_mixed, kept=ctx.kept)
            return (*kernels.plain_gradients(plain, [packed, weight], gradients[0]), None)
        wanted = zip((packed, weight), ctx.needs_input_grad[:2], strict=True)
        slopes = [empty(kernels.library(), tensor, *tensor.shape) if needed else None for tensor, needed in wanted]
        _call("mixed_slope", packed, weight, ctx.kept, [gradients[0].contiguous(), *slopes])
        return slopes[0], slopes[1], None


def _call(name: str, packed: Tensor, weight: Tensor, kept: Truncation, others: list[Tensor | None]) -> None:
    counts = (ctypes.c_int64 * kept.degrees)(*(packed.shape[1] * size for size in kept.sizes))
    degrees, i, o, *complex_parts = weight.shape
    sizes = [ctypes.c_int64(size) for size in (degrees, i, o, *(complex_parts or [1]))]
    kernels.call(kernels.library(), name, packed, [*sizes, counts], [packed.contiguous(), weight.contiguous(), *others])
