"""Fourier neural operator of Li et al. 2021 (arXiv:2010.08895), in any number of dimensions.

Structure and counts of modes are those of neuraloperator 2.0's `FNO`: lifting MLP, blocks of a spectral convolution and
a channel MLP with a skip around each, projection MLP; `sciml.fno.neuraloperator` takes over its weights.

Shapes: b batch, i input and o output channels, c channels inside, k conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.fno.blocks import OperatorBlock, PointwiseMLP, SkipKind
from sciml.fno.conditioning import check_input
from sciml.fno.fourier import check_modes
from sciml.fno.grids import Grid
from sciml.fno.points import box_coordinates_like
from sciml.fno.spectral_weights import SPECTRAL_CONVOLUTIONS


@dataclass(frozen=True)
class FNOConfig:
    """Sizes of a Fourier neural operator.

    Attributes:
        modes: Fourier modes along each axis, counted as in `sciml.fno.fourier`: (16, 16) keeps frequencies -8 to 7 of
            the first axis and 0 to 8 of the last.
        width: channels inside.
        layers: blocks.
        lifting_ratio: hidden channels of the lifting MLP by `width`.
        projection_ratio: hidden channels of the projection MLP by `width`.
        channel_mlp_expansion: hidden channels of the MLP in each block by `width`; null for no MLP.
        skip: around the spectral convolution: "linear", "identity", "soft-gating" or null.
        channel_mlp_skip: around the channel MLP, the same kinds.
        weights: how the spectral weights are stored, a key of `sciml.fno.spectral_weights.SPECTRAL_CONVOLUTIONS`.
        rank: parameters of "cp", "tucker" and "tt" weights as a fraction of those of "dense".
        padding: zeros around the field along axes that are not periodic, on either side, as a fraction of the axis.
        coordinates: whether the points' coordinates, from 0 to 1 along each axis, are further input channels.
    """

    modes: tuple[int, ...] = (16, 16)
    width: int = 32
    layers: int = 4
    lifting_ratio: float = 2.0
    projection_ratio: float = 2.0
    channel_mlp_expansion: float | None = 0.5
    skip: SkipKind | None = "linear"
    channel_mlp_skip: SkipKind | None = "soft-gating"
    weights: Literal["dense", "separable", "axes", "cp", "tucker", "tt"] = "dense"
    rank: float = 0.1
    padding: float = 0.06
    coordinates: bool = True

    def __post_init__(self) -> None:
        if not self.modes or min(self.modes) < 1:
            raise UserError(f"`model.modes` needs a number of at least 1 for each axis, but is {list(self.modes)}.")
        ratio = (Excluded(0), 64)
        check_ranges(
            "model",
            self,
            {
                "width": (1, 4096),
                "layers": (1, 64),
                "lifting_ratio": ratio,
                "projection_ratio": ratio,
                "channel_mlp_expansion": ratio,
                "rank": (Excluded(0), 1),
                "padding": (0, 1),
            },
        )


class FNO(nn.Module):
    """A field from a field, at any resolution of the same domain that carries the modes.

    Args:
        config: sizes.
        in_channels: of the input field.
        out_channels: of the output field.
        grid: its dimension, what is periodic, and a resolution that has to carry the modes.
        n_conditions: numbers that come beside the field, as a time or a viscosity; they shift the channels behind the
            lifting and in each block.

    Raises:
        UserError: modes of another dimension than the grid's, or more than it has points.
    """

    def __init__(
        self, config: FNOConfig, in_channels: int, out_channels: int, grid: Grid, n_conditions: int = 0
    ) -> None:
        super().__init__()
        if len(config.modes) != grid.n_dims:
            raise UserError(
                f"`model.modes` needs a number for each axis of the grid, which has {grid.n_dims}, "
                f"but is {list(config.modes)}."
            )
        check_modes(config.modes, grid.shape)
        self.config = config
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.grid = grid
        self.n_conditions = n_conditions
        c = config.width
        inputs = in_channels + (grid.n_dims if config.coordinates else 0)
        self.lifting = PointwiseMLP(inputs, _hidden(config.lifting_ratio, c), c)
        self.blocks = nn.ModuleList(_block(config, last=i == config.layers - 1) for i in range(config.layers))
        self.projection = PointwiseMLP(c, _hidden(config.projection_ratio, c), out_channels)
        # one shift behind the lifting and one in each block
        self.shifts = PointwiseMLP(n_conditions, c, c * (config.layers + 1)) if n_conditions else None

    def forward(
        self, x: Float[Tensor, "b *grid i"], condition: Float[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b *grid o"]:
        """The output field.

        Raises:
            UserError: another dimension, other channels or conditions, or a grid that does not carry the modes.
        """
        check_input(self, x, condition)
        shape = tuple(x.shape[1:-1])
        check_modes(self.config.modes, shape)
        lift, *shifts = self._shifts(condition)
        h = self.lifting(x, box_coordinates_like(x, self.grid) if self.config.coordinates else None)
        if lift is not None:
            h = h + lift.reshape(x.shape[0], *[1] * len(shape), self.config.width)
        h = self._pad(h)
        for block, shift in zip(self.blocks, shifts, strict=True):
            h = block(h, shift)
        return self.projection(self._unpad(h, shape))

    def _shifts(self, condition: Tensor | None) -> list[Tensor] | list[None]:
        n = self.config.layers + 1
        if self.shifts is None or condition is None:
            return [None] * n
        return list(self.shifts(condition).chunk(n, dim=1))

    def _pad(self, h: Tensor) -> Tensor:
        widths = [_margins(n, self.config.padding, p) for n, p in zip(h.shape[1:-1], self.grid.periodic, strict=True)]
        # torch pads from the last axis on, channels have none; it would copy the field for margins of 0 too
        before_and_behind = [width for margins in reversed(widths) for width in margins]
        return pad(h, [0, 0, *before_and_behind]) if any(before_and_behind) else h

    def _unpad(self, h: Tensor, shape: tuple[int, ...]) -> Tensor:
        for axis, (n, periodic) in enumerate(zip(shape, self.grid.periodic, strict=True), start=1):
            before, behind = _margins(n, self.config.padding, periodic)
            if before or behind:
                h = h.narrow(axis, before, n)
        return h


def _margins(n: int, fraction: float, periodic: bool) -> tuple[int, int]:
    """Points that are added before and behind an axis of n.

    Points with both ends are n - 1 spacings; p spacings are added on either side, and the last point of a period is
    that before its first again, so it is left out. The period is then the same multiple of the domain at any
    resolution at which p is a whole number.
    """
    p = 0 if periodic else round(fraction * (n - 1))
    return p, max(p - 1, 0)


def _hidden(ratio: float, width: int) -> int:
    return max(1, int(ratio * width))


def _block(config: FNOConfig, last: bool) -> OperatorBlock:
    spectral = SPECTRAL_CONVOLUTIONS[config.weights](config.modes, config.width, config.rank)
    return OperatorBlock(
        spectral, config.width, config.skip, config.channel_mlp_expansion, config.channel_mlp_skip, last
    )
