"""Weights of points and of loss terms: causal in time, by residual attention, by gradients and by the tangent kernel.

Shapes: n points, k slices of time, t terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from sciml.core.errors import UserError


def causal_weights(losses: Float[Tensor, " k"], tolerance: float) -> Float[Tensor, " k"]:
    """exp(-tolerance * sum of the losses of earlier slices): later times wait for earlier ones (arXiv:2203.07404).

    Without gradient. Training in a slice begins when all before it are solved; when the last weight is near 1, the
    tolerance may grow.

    >>> [round(weight, 6) for weight in causal_weights(torch.tensor([0.0, math.log(2), 3.0]), 1.0).tolist()]
    [1.0, 1.0, 0.5]
    """
    losses = losses.detach()
    return torch.exp(-tolerance * (torch.cumsum(losses, 0) - losses))


def causal_point_weights(
    time: Float[Tensor, " n"], residual: Float[Tensor, " n"], slices: int, tolerance: float, start: float, end: float
) -> Float[Tensor, " n"]:
    """`causal_weights` of points anywhere, by the mean square of the residual in equal slices of time.

    An empty slice counts as solved.

    Raises:
        UserError: no slices, or times outside of start and end.
    """
    if slices < 1 or not start < end:
        raise UserError(f"Causal weights need a slice at least and start < end, but got {slices}, {start}, {end}.")
    if len(time) and not (start <= float(time.min()) and float(time.max()) <= end):
        raise UserError(f"Causal weights are of times from {start} to {end}, but got some outside.")
    number = ((time.detach() - start) / (end - start) * slices).long().clamp_max(slices - 1)
    sums = torch.zeros(slices, dtype=residual.dtype).index_add_(0, number, residual.detach().square())
    counts = torch.bincount(number, minlength=slices).clamp_min(1)
    return causal_weights(sums / counts, tolerance)[number]


def residual_attention(
    weights: Float[Tensor, " n"], residual: Float[Tensor, " n"], decay: float = 0.999, rate: float = 0.01
) -> Float[Tensor, " n"]:
    """The next weights of points: decay * weight + rate * |r| / max |r| (Anagnostopoulos et al., arXiv:2307.00379).

    They multiply residuals, before the square, and end below rate / (1 - decay).

    >>> residual_attention(torch.tensor([1.0, 1.0]), torch.tensor([-2.0, 1.0]), decay=0.5, rate=1.0).tolist()
    [1.5, 1.0]

    Raises:
        UserError: a decay outside of [0, 1), or a rate that is not positive.
    """
    if not (0 <= decay < 1 and 0 < rate < math.inf):
        raise UserError(f"Residual attention needs a decay in [0, 1) and a positive rate, but got {decay} and {rate}.")
    size = residual.detach().abs()
    largest = size.max()
    return decay * weights + (rate * size / largest if largest > 0 else 0 * size)


def gradient_norm_weights(losses: Sequence[Tensor], parameters: Sequence[Tensor]) -> Float[Tensor, " t"]:
    """Sum of the norms of all terms' gradients over each one's own: alike for all then (arXiv:2308.08468).

    The caller averages them over steps. A term without any gradient gets the weight 1.

    Raises:
        UserError: no terms, or a gradient that is not finite.
    """
    if not losses:
        raise UserError("Balancing needs a term of the loss at least, but got none.")
    norms = []
    for loss in losses:
        found = torch.autograd.grad(loss, list(parameters), retain_graph=True, materialize_grads=True)
        norms.append(torch.stack([part.square().sum() for part in found]).sum().sqrt())
    return _inverse_shares(torch.stack(norms), "gradient")


def ntk_weights(
    residuals: Sequence[Tensor], parameters: Sequence[Tensor], generator: Generator, probes: int = 4
) -> Float[Tensor, " t"]:
    """Sum of the terms' mean squared gradient of a point's residual over each one's own (arXiv:2007.14527).

    It is the trace of the neural tangent kernel over the number of points, estimated by random signs (Hutchinson
    1989): the square of the gradient of signs times residuals has that mean. Doubling the probes halves the variance.

    Args:
        residuals: of each term, any shape.
        parameters: of the network.
        generator: of the signs.
        probes: gradients a term.

    Raises:
        UserError: no terms, a term without points, or a gradient that is not finite.
    """
    if not residuals or any(residual.numel() == 0 for residual in residuals):
        raise UserError("Balancing needs a term of the loss and points of each, but there are none of one.")
    traces = []
    for residual in residuals:
        total = torch.zeros((), dtype=residual.dtype)
        for _ in range(probes):
            signs = 2 * torch.randint(2, residual.shape, generator=generator).to(residual) - 1
            found = torch.autograd.grad(residual, list(parameters), signs, retain_graph=True, materialize_grads=True)
            total = total + torch.stack([part.square().sum() for part in found]).sum()
        traces.append(total / (probes * residual.numel()))
    return _inverse_shares(torch.stack(traces), "tangent kernel")


def _inverse_shares(sizes: Float[Tensor, " t"], what: str) -> Float[Tensor, " t"]:
    if not torch.isfinite(sizes).all():
        place = int((~torch.isfinite(sizes)).int().argmax())
        raise UserError(f"The {what} of term {place} of the loss is not finite; terms cannot be balanced by it.")
    return torch.where(sizes > 0, sizes.sum() / sizes, torch.ones_like(sizes))
