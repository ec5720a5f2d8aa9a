"""Convolutions that know of a grid which of its axes are periodic.

Shapes: b batch, i input and o output channels, grid points along one to three axes. Channels are the second axis as
torch wants it; their memory may lie last, which the convolutions of torch keep and are faster with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from sciml.core.errors import UserError

Boundary: TypeAlias = Literal["replicate", "zeros"]

CONVOLUTIONS: dict[int, type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def check_dimension(network: str, n_dims: int) -> None:
    """Raises UserError unless torch has convolutions of so many dimensions."""
    if n_dims not in CONVOLUTIONS:
        raise UserError(f"{network} works on grids of 1 to 3 dimensions, but the grid has {n_dims}.")


class Convolution(nn.Module):
    """Each point from its 3^n neighbours; the field goes on periodically, or as `boundary` says along other axes."""

    def __init__(self, inputs: int, outputs: int, periodic: Sequence[bool], boundary: Boundary) -> None:
        super().__init__()
        self.periodic = tuple(periodic)
        self.boundary: Boundary = boundary
        self.weights = CONVOLUTIONS[len(self.periodic)](inputs, outputs, 3)

    def forward(self, x: Float[Tensor, "b i *grid"]) -> Float[Tensor, "b o *grid"]:
        # one call for all axes with ends, as it copies the field
        widths = [0 if is_periodic else 1 for is_periodic in reversed(self.periodic) for _ in range(2)]
        if any(widths):
            x = pad(x, widths, mode="replicate") if self.boundary == "replicate" else pad(x, widths)
        for dim, is_periodic in enumerate(self.periodic, start=2):
            if is_periodic:
                x = torch.cat([x.narrow(dim, x.shape[dim] - 1, 1), x, x.narrow(dim, 0, 1)], dim=dim)
        return self.weights(x)


def channels_last(module: nn.Module, n_dims: int) -> None:
    """Stores the weights of convolutions as those of fields whose channels lie last in memory."""
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    if n_dims in formats:
        module.to(memory_format=formats[n_dims])  # pyright: ignore[reportCallIssue]
