"""What networks do alike with their input: check it, and let the numbers of a sample scale and shift their channels.

Shapes: b batch, i input channels, c channels, k conditions, e channels of the conditions' embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.grids import Grid


@runtime_checkable
class Operator(Protocol):
    """What the operator networks have in common."""

    grid: Grid
    in_channels: int
    n_conditions: int

    def parameters(self) -> Iterator[nn.Parameter]: ...


def check_input(network: Operator, x: Tensor, condition: Tensor | None) -> None:
    """Refuses fields of another dimension, channels or precision, and other conditions, than a network was made for.

    Raises:
        UserError: what was needed and what came.
    """
    axes = network.grid.n_dims
    if x.ndim != axes + 2 or x.shape[-1] != network.in_channels:
        raise UserError(
            f"The network was made for fields of {axes} dimension(s) and {network.in_channels} channel(s), as "
            f"[batch, {axes} axes, channels], but got a tensor of shape {list(x.shape)}."
        )
    _check_precision(network, x, "field")
    given = 0 if condition is None else condition.shape[-1] if condition.ndim else 1
    if given != network.n_conditions:
        raise UserError(f"The network was made for {network.n_conditions} condition(s) a sample, but got {given}.")
    if condition is None:
        return
    if condition.ndim != 2 or condition.shape[0] != x.shape[0]:
        raise UserError(
            f"{x.shape[0]} field(s) need conditions of shape {[x.shape[0], network.n_conditions]}, but got "
            f"{list(condition.shape)}."
        )
    _check_precision(network, condition, "condition")


def _check_precision(network: Operator, given: Tensor, name: str) -> None:
    weights = next(network.parameters()).dtype
    if weights not in (torch.float32, torch.float64):
        raise UserError(
            f"The network's weights are {weights}, but transforms and normalisations need float32 or float64. "
            "Call `.float()` on it, and use `torch.autocast` for products in bfloat16."
        )
    if given.dtype == weights:
        return
    # products cast by themselves what is not of double precision
    cast = (torch.float32, torch.bfloat16, torch.float16)
    if not (torch.is_autocast_enabled(given.device.type) and weights in cast and given.dtype in cast):
        raise UserError(f"The network's weights are {weights}, but the {name} is {given.dtype}. Use `.to({weights})`.")


class Embedding(nn.Module):
    """Channels from the conditions of a sample, for all of a network's `FiLM`; None for a network without any."""

    def __init__(self, n_conditions: int, channels: int) -> None:
        super().__init__()
        self.layers = None
        if n_conditions:
            self.layers = nn.Sequential(nn.Linear(n_conditions, channels), nn.SiLU(), nn.Linear(channels, channels))

    def forward(self, condition: Float[Tensor, "b k"] | None) -> Float[Tensor, "b e"] | None:
        return None if self.layers is None or condition is None else self.layers(condition)


class FiLM(nn.Module):
    """A scale and a shift for each channel from a sample's conditions (Perez et al. 2018, arXiv:1709.07871).

    Behind a normalisation it is the conditioning of Gupta & Brandstetter 2022 (arXiv:2209.15616).

    Args:
        embedding_channels: None for a network without conditions, which leaves fields as they are.
        channels: of the field.
        channel_axis: of the field.
    """

    def __init__(self, embedding_channels: int | None, channels: int, channel_axis: int) -> None:
        super().__init__()
        self.channel_axis = channel_axis
        self.linear = None if embedding_channels is None else nn.Linear(embedding_channels, 2 * channels)

    def forward(self, h: Float[Tensor, "b *gc"], embedding: Float[Tensor, "b e"] | None) -> Float[Tensor, "b *gc"]:
        if self.linear is None or embedding is None:
            return h
        shape = [1] * h.ndim
        shape[0], shape[self.channel_axis] = h.shape[0], h.shape[self.channel_axis]
        scale, shift = self.linear(embedding).chunk(2, dim=1)
        return h * (1 + scale.view(shape)) + shift.view(shape)
