"""What networks do alike with their input: check it, and let the numbers of a sample scale and shift their channels.

Shapes: b batch, i input channels, c channels, k conditions, e channels of the conditions' embedding.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.grids import Grid


def check_input(grid: Grid, in_channels: int, n_conditions: int, x: Tensor, condition: Tensor | None) -> None:
    """Refuses fields of another dimension or other channels, and other conditions, than a network was made for.

    Raises:
        UserError: what was needed and what came.
    """
    axes = grid.n_dims
    if x.ndim != axes + 2 or x.shape[-1] != in_channels:
        raise UserError(
            f"The network was made for fields of {axes} dimension(s) and {in_channels} channel(s), as "
            f"[batch, {axes} axes, channels], but got a tensor of shape {list(x.shape)}."
        )
    given = 0 if condition is None else condition.shape[-1]
    if given != n_conditions:
        raise UserError(f"The network was made for {n_conditions} condition(s) a sample, but got {given}.")


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
