"""UNet of residual blocks in one to three dimensions, in the form of Gupta & Brandstetter 2022 (arXiv:2209.15616).

On the way down blocks of two convolutions work at ever coarser resolutions, on the way up their results join what the
same resolution had before. Conditions scale and shift the channels behind the second normalisation of each block.

Shapes: b batch, i input and o output channels, c channels inside, k conditions, e channels of their embedding. Inside
the network channels are the second axis, but the memory is that of the input, channels last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, silu

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.fno.conditioning import Embedding, FiLM, check_input
from sciml.fno.convolution import CONVOLUTIONS, Boundary, Convolution, channels_last, check_dimension
from sciml.fno.grids import Grid


@dataclass(frozen=True)
class UNetConfig:
    """Sizes of a UNet.

    Attributes:
        width: channels at the finest resolution.
        multipliers: channels of each resolution by `width`, from the finest on; each has half the points of the one
            before along every axis.
        blocks: residual blocks of each resolution, on the way down and on the way up.
        groups: of channels that are normalised together; divides `width`.
        boundary: how fields go on beyond the ends of an axis that is not periodic.
    """

    width: int = 32
    multipliers: tuple[int, ...] = (1, 2, 2, 4)
    blocks: int = 1
    groups: int = 8
    boundary: Boundary = "replicate"

    def __post_init__(self) -> None:
        check_ranges("model", self, {"width": (1, 4096), "blocks": (1, 16), "groups": (1, 4096)})
        if not 1 <= len(self.multipliers) <= 10 or not all(1 <= multiplier <= 64 for multiplier in self.multipliers):
            raise UserError(
                "`model.multipliers` needs 1 to 10 numbers between 1 and 64, one for each resolution, but is "
                f"{list(self.multipliers)}."
            )
        if self.width % self.groups:
            raise UserError(f"`model.width`, {self.width}, needs to be a multiple of `groups`, {self.groups}.")

    @property
    def stride(self) -> int:
        """Points of the finest grid in a point of the coarsest, along each axis."""
        return 2 ** (len(self.multipliers) - 1)


class ResidualBlock(nn.Module):
    """Normalise, activate, convolve, twice, around which the input is carried."""

    def __init__(self, inputs: int, outputs: int, config: UNetConfig, grid: Grid, embedding: int | None) -> None:
        super().__init__()
        periodic, n_dims = grid.periodic, grid.n_dims
        self.first_norm = nn.GroupNorm(config.groups, inputs)
        self.first = Convolution(inputs, outputs, periodic, config.boundary)
        self.second_norm = nn.GroupNorm(config.groups, outputs)
        self.film = FiLM(embedding, outputs, channel_axis=1)
        self.second = Convolution(outputs, outputs, periodic, config.boundary)
        self.shortcut = nn.Identity() if inputs == outputs else CONVOLUTIONS[n_dims](inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "b i *grid"], embedding: Float[Tensor, "b e"] | None) -> Tensor:
        h = self.first(silu(self.first_norm(x)))
        h = self.second(silu(self.film(self.second_norm(h), embedding)))
        return self.shortcut(x) + h


class UNet(nn.Module):
    """A field from a field of any resolution that can be halved often enough.

    Axes that are not periodic are continued to the next size that can be halved, and what was added is cut off. A
    periodic axis has to have such a size: continued it would no more be periodic. Moving the input along periodic axes
    by multiples of `config.stride` points moves the output alike. On the sphere latitudes are an axis with ends:
    nothing is carried across a pole.

    Args:
        config: sizes.
        in_channels: of the input field.
        out_channels: of the output field.
        grid: that it is trained on; another resolution of the same domain may be given later.
        n_conditions: numbers that come beside the field, as a time or a viscosity.

    Raises:
        UserError: more than three dimensions, or a periodic axis that cannot be halved so often.
    """

    def __init__(
        self, config: UNetConfig, in_channels: int, out_channels: int, grid: Grid, n_conditions: int = 0
    ) -> None:
        super().__init__()
        check_dimension("UNet", grid.n_dims)
        self.config, self.grid = config, grid
        self.in_channels, self.out_channels, self.n_conditions = in_channels, out_channels, n_conditions
        self._missing(grid.shape)
        widths = [config.width * multiplier for multiplier in config.multipliers]
        embedding = 4 * config.width if n_conditions else None
        self.embedding = Embedding(n_conditions, 4 * config.width)

        def stage(inputs: int, outputs: int) -> nn.ModuleList:
            sizes = [(inputs if i == 0 else outputs, outputs) for i in range(config.blocks)]
            return nn.ModuleList(ResidualBlock(*size, config, grid, embedding) for size in sizes)

        convolution = CONVOLUTIONS[grid.n_dims]
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.lift = Convolution(in_channels, widths[0], grid.periodic, config.boundary)
        self.first = stage(widths[0], widths[0])
        self.coarsen = nn.ModuleList(convolution(fine, fine, 2, stride=2) for fine, _ in pairs)
        self.down = nn.ModuleList(stage(fine, coarse) for fine, coarse in pairs)
        self.narrow = nn.ModuleList(convolution(coarse, fine, 1) for fine, coarse in reversed(pairs))
        self.up = nn.ModuleList(stage(2 * fine, fine) for fine, _ in reversed(pairs))
        self.last_norm = nn.GroupNorm(config.groups, widths[0])
        self.project = nn.Linear(widths[0], out_channels)
        channels_last(self, grid.n_dims)

    def forward(
        self, x: Float[Tensor, "b *grid i"], condition: Float[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b *grid o"]:
        """The output field.

        Raises:
            UserError: another dimension, other channels or conditions, or a periodic axis that cannot be halved.
        """
        check_input(self, x, condition)
        shape, embedding = x.shape[1:-1], self.embedding(condition)
        h = x.movedim(-1, 1)
        if any(missing := self._missing(shape)):
            h = pad(h, [width for n in reversed(missing) for width in (0, n)], mode="replicate")
        h = _through(self.first, self.lift(h), embedding)
        finer = [h]
        for coarsen, stage in zip(self.coarsen, self.down, strict=True):
            h = _through(stage, coarsen(h), embedding)
            finer.append(h)
        finer.pop()
        for narrow, stage in zip(self.narrow, self.up, strict=True):
            # each point twice: a transposed convolution would treat even and odd points unlike each other
            h = interpolate(narrow(h), scale_factor=2.0, mode="nearest")
            h = _through(stage, torch.cat([h, finer.pop()], dim=1), embedding)
        h = silu(self.last_norm(h)).movedim(1, -1)
        for axis, n in enumerate(shape, start=1):
            h = h.narrow(axis, 0, n)
        return self.project(h)

    def _missing(self, shape: Sequence[int]) -> list[int]:
        """Points that each axis lacks of a multiple of the stride."""
        stride = self.config.stride
        for axis, (n, is_periodic) in enumerate(zip(shape, self.grid.periodic, strict=True)):
            if is_periodic and n % stride:
                raise UserError(
                    f"A UNet of {len(self.config.multipliers)} resolutions needs a multiple of {stride} points along "
                    f"periodic axes, but axis {axis} has {n}. Give fewer `model.multipliers`, or another grid."
                )
        return [-n % stride for n in shape]


def _through(stage: nn.Module, h: Tensor, embedding: Tensor | None) -> Tensor:
    assert isinstance(stage, nn.ModuleList)
    for block in stage:
        h = block(h, embedding)
    return h
