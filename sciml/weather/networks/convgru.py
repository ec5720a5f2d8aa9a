"""A recurrent network on the grid: a convolutional encoder, gated recurrent units (ConvGRU) and a decoder.

The units are those of Ballas et al. 2016 (arXiv:1511.06432), with the reset gate after the recurrent convolution as
cuDNN has it, so that one convolution serves all gates. The state after an encoder as in Shi et al. 2017
(arXiv:1706.03458), on a coarser grid than the fields.

Fields are padded around the globe and across the poles. Beyond a pole, wind components of the input change sign, as
their axes turn around; so does the last quarter of the features of every layer (`odd_signs`), which gives the network
something to carry wind over a pole with.

Shapes: b batch, y latitudes, x longitudes, i inputs, o outputs, c channels, k conditions, l recurrent layers;
coarse_y and coarse_x points of the coarser grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.weather.networks.conditions import ConditionalNorm, check_channels, check_fields, small_output
from sciml.weather.networks.globe import latitudes_deg, pad_globe
from sciml.weather.networks.layout import ChannelLayout

# one in so many features changes its sign across a pole
_ODD_SHARE = 4


@dataclass(frozen=True)
class ConvGRUConfig:
    """Sizes of a ConvGRU network.

    Attributes:
        channels: features of the coarse grid, and as many in the state of each recurrent layer.
        fine_channels: features of the grid of the fields.
        stride: points of the grid to one of the coarse grid, in both directions.
        layers: recurrent layers.
        encoder_blocks: residual blocks before them, at every state of the history.
        decoder_blocks: residual blocks after them.
        kernel_size: of all convolutions, odd.
    """

    channels: int = 96
    fine_channels: int = 48
    stride: int = 2
    layers: int = 2
    encoder_blocks: int = 1
    decoder_blocks: int = 2
    kernel_size: int = 3

    def __post_init__(self) -> None:
        check_ranges(
            "model",
            self,
            {
                "channels": (4, 4096),
                "fine_channels": (4, 4096),
                "stride": (1, 16),
                "layers": (1, 20),
                "encoder_blocks": (0, 100),
                "decoder_blocks": (0, 100),
                "kernel_size": (1, 15),
            },
        )
        if self.kernel_size % 2 == 0:
            raise UserError(f"`model.kernel_size` needs to be odd, so that it has a middle, but is {self.kernel_size}.")


def odd_signs(channels: int) -> Float[Tensor, " c"]:
    """1 for features that are scalars to a pole, -1 for the last quarter, which are components of vectors."""
    signs = torch.ones(channels)
    signs[channels - channels // _ODD_SHARE :] = -1
    return signs


class GlobeConv(nn.Module):
    """A convolution of fields on the globe that keeps their size."""

    signs: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, signs: Float[Tensor, " i"], poles_are_rows: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size)
        self.conv = self.conv.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.reach = kernel_size // 2
        self.poles_are_rows = poles_are_rows
        self.register_buffer("signs", signs, persistent=False)

    def forward(self, x: Float[Tensor, "b y x i"]) -> Float[Tensor, "b y x o"]:
        padded = pad_globe(x, self.reach, self.reach, self.reach, self.signs.to(x.dtype), self.poles_are_rows)
        return self.conv(padded.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def of_uniform(self, x: Float[Tensor, " i"]) -> Float[Tensor, " o"]:
        """What it makes of a field that is the same everywhere, and so has no odd features."""
        weight, bias = self.conv.weight, self.conv.bias
        assert bias is not None
        return weight.sum(dim=(2, 3)) @ (x * (self.signs > 0)) + bias


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, config: ConvGRUConfig, n_conditions: int, poles_are_rows: bool) -> None:
        super().__init__()
        c, kernel, signs = config.channels, config.kernel_size, odd_signs(config.channels)
        self.norm = ConditionalNorm(c, n_conditions)
        self.first = GlobeConv(c, c, kernel, signs, poles_are_rows)
        self.second = GlobeConv(c, c, kernel, signs, poles_are_rows)

    def forward(self, x: Float[Tensor, "b y x c"], condition: Tensor | None) -> Float[Tensor, "b y x c"]:
        return x + self.second(functional.silu(self.first(self.norm(x, condition))))


class RecurrentLayer(nn.Module):
    """A gated recurrent unit whose products with matrices are convolutions."""

    def __init__(self, config: ConvGRUConfig, n_conditions: int, poles_are_rows: bool) -> None:
        super().__init__()
        c, kernel, signs = config.channels, config.kernel_size, odd_signs(config.channels)
        self.norm = ConditionalNorm(c, n_conditions)
        self.of_input = GlobeConv(c, 3 * c, kernel, signs, poles_are_rows)
        self.of_hidden = GlobeConv(c, 3 * c, kernel, signs, poles_are_rows)
        # what is remembered before the first state; not zero, which would keep `of_hidden` from learning at once
        self.start = nn.Parameter(0.1 * torch.randn(c))

    def forward(
        self, x: Float[Tensor, "b y x c"], hidden: Float[Tensor, "b y x c"] | None, condition: Tensor | None
    ) -> Float[Tensor, "b y x c"]:
        """The next hidden state."""
        update, reset, candidate = self.of_input(self.norm(x, condition)).chunk(3, dim=3)
        if hidden is None:
            hidden = (self.start * (self.of_hidden.signs > 0)).expand_as(x)
            remembered = self.of_hidden.of_uniform(self.start).chunk(3)
        else:
            remembered = self.of_hidden(hidden).chunk(3, dim=3)
        update = torch.sigmoid(update + remembered[0])
        candidate = torch.tanh(candidate + torch.sigmoid(reset + remembered[1]) * remembered[2])
        return torch.lerp(hidden.to(candidate.dtype), candidate, update)


class ConvGRU(nn.Module):
    """Predicts the normalised change of a state from the states before it, forcings and static fields.

    A turn of the input by `stride` longitudes turns the output. Rows that are missing to a multiple of the stride are
    those beyond the north pole. The coarse grid ends half a spacing from the poles, which is exact where the fine one
    does so too and the stride divides its rows, and half a row of the fine grid off elsewhere.

    Args:
        config: sizes.
        layout: what the channels are; with a history, its states go in one after another.
        grid: latitudes and longitudes.
        n_inputs: channels that come in, for which the layout says what they are.
        n_conditions: numbers beside the fields, such as a lead time or noise.

    Raises:
        UserError: a grid that is not on the sphere or whose longitudes the stride does not divide, or other channels
            than the layout's.
    """

    def __init__(
        self, config: ConvGRUConfig, layout: ChannelLayout, grid: Grid, n_inputs: int, n_conditions: int = 0
    ) -> None:
        super().__init__()
        check_channels(layout, n_inputs)
        latitudes_deg(grid)  # refuses a box
        if grid.shape[1] % config.stride:
            raise UserError(
                f"The ConvGRU needs a number of longitudes that its stride divides, but has {grid.shape[1]} and "
                f"`model.stride` {config.stride}. Choose another stride."
            )
        self.config, self.layout, self.grid, self.n_conditions = config, layout, grid, n_conditions
        c, fine, stride, kernel = config.channels, config.fine_channels, config.stride, config.kernel_size
        poles = grid.sphere == "equiangular"
        coarse_poles = poles and stride == 1
        signs = torch.tensor(layout.state_signs + (1.0,) * layout.n_others)
        self.enter = GlobeConv(len(signs), fine, kernel, signs, poles)
        self.down = nn.Linear(stride * stride * fine, c)
        self.encoder = nn.ModuleList(
            ResidualBlock(config, n_conditions, coarse_poles) for _ in range(config.encoder_blocks)
        )
        self.recurrent = nn.ModuleList(RecurrentLayer(config, n_conditions, coarse_poles) for _ in range(config.layers))
        self.decoder = nn.ModuleList(
            ResidualBlock(config, n_conditions, coarse_poles) for _ in range(config.decoder_blocks)
        )
        self.norm = ConditionalNorm(c, n_conditions)
        self.up = nn.Linear(c, stride * stride * fine)
        self.leave = GlobeConv(fine, fine, kernel, odd_signs(fine), poles)
        self.project = small_output(nn.Linear(fine, layout.n_state))

    def forward(
        self, x: Float[Tensor, "b y x i"], condition: Float[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b y x o"]:
        return self.advance(x, condition)[0]

    def advance(
        self,
        x: Float[Tensor, "b y x i"],
        condition: Float[Tensor, "b k"] | None = None,
        hidden: Float[Tensor, "l b coarse_y coarse_x c"] | None = None,
    ) -> tuple[Float[Tensor, "b y x o"], Float[Tensor, "l b coarse_y coarse_x c"]]:
        """The prediction, and what to remember for the next step of a roll-out.

        With `hidden` of the step before, which remembers earlier states, only the last state of the history is read.
        """
        check_fields(x, condition, self.grid, self.layout.n_inputs, self.n_conditions)
        if condition is not None:
            condition = condition[:, None, None]
        states, others = self.layout.split(x)
        fields = [torch.cat([state, others], dim=-1) for state in states.unbind(-2)]
        remembered: Sequence[Tensor | None] = [None] * len(self.recurrent)
        if hidden is not None:
            fields, remembered = fields[-1:], hidden.unbind()
        for field in fields[:-1]:
            *_, remembered = self._read(field, remembered, condition)
        fine, coarse, remembered = self._read(fields[-1], remembered, condition)
        for block in self.decoder:
            coarse = block(coarse, condition)
        fine = fine + self._points(self.up(self.norm(coarse, condition)), x.shape[1])
        return self.project(functional.silu(self.leave(fine))), torch.stack(remembered)

    def _read(
        self, field: Float[Tensor, "b y x i"], hidden: Sequence[Tensor | None], condition: Tensor | None
    ) -> tuple[Float[Tensor, "b y x f"], Float[Tensor, "b coarse_y coarse_x c"], list[Tensor]]:
        """Features of one state on either grid, and what is remembered after it."""
        fine = functional.silu(self.enter(field))
        coarse = self.down(self._patches(fine))
        for block in self.encoder:
            coarse = block(coarse, condition)
        remembered = []
        for cell, before in zip(self.recurrent, hidden, strict=True):
            remembered.append(cell(coarse, before, condition))
            coarse = coarse + remembered[-1]
        return fine, coarse, remembered

    def _patches(self, fine: Float[Tensor, "b y x c"]) -> Float[Tensor, "b coarse_y coarse_x patch"]:
        """Features of `stride` x `stride` points side by side."""
        stride, missing = self.config.stride, -fine.shape[1] % self.config.stride
        fine = pad_globe(fine, 0, missing, 0, self.leave.signs.to(fine.dtype), self.enter.poles_are_rows)
        b, y, x, c = fine.shape
        patches = fine.view(b, y // stride, stride, x // stride, stride, c).transpose(2, 3)
        return patches.reshape(b, y // stride, x // stride, -1)

    def _points(self, patches: Float[Tensor, "b coarse_y coarse_x patch"], rows: int) -> Float[Tensor, "b y x c"]:
        """The other way, without the rows that were added."""
        stride, (b, y, x, _) = self.config.stride, patches.shape
        points = patches.view(b, y, x, stride, stride, -1).transpose(2, 3)
        return points.reshape(b, y * stride, x * stride, -1)[:, :rows]
