"""Spherical Fourier neural operator of Bonev et al. 2023 (arXiv:2306.03838), the variant with linear filters.

A block filters its field by degree l, mixing channels, then runs an MLP at each point, and adds itself to its input:
h + mlp(norm(filter(h))). Between encoder and decoder nothing knows where it is, so that what is learnt holds at any
resolution which carries the modes.

Filters with real weights commute with every rotation of the sphere. Complex ones, the paper's, commute with those about
the axis alone: a phase that orders m and -m turn in opposite senses moves patterns east- or westwards.

Shapes: b batch, y latitudes, x longitudes, i input, o output and c inner channels, l degrees, k conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.checks import Excluded, check_ranges
from sciml.fno import legendre
from sciml.fno.blocks import PointwiseMLP
from sciml.fno.conditioning import check_input
from sciml.fno.grids import Grid
from sciml.fno.points import with_sphere_coordinates
from sciml.fno.sphere import SphericalTransform, check_truncation, spherical_transform
from sciml.fno.sphere_mixing import mixed, scaled


@dataclass(frozen=True)
class SFNOConfig:
    """Sizes of a spherical Fourier neural operator.

    Attributes:
        modes: degrees and orders that the filters keep, l and m below `modes`; null for all that the grid carries.
        width: channels inside.
        layers: blocks.
        mlp_ratio: hidden channels of the blocks' MLPs by `width`.
        encoder_ratio: hidden channels of the encoder and decoder by `width`; null makes both a linear map.
        filters: "dense" mixes all channels, "diagonal" none.
        weights: "complex", or "real", which commute with every rotation and cost half.
        skip: whether a linear map around each filter is added behind it, which lets l above `modes` into the MLP.
        norm: whether the MLPs' input is normalised over channels.
        big_skip: whether the decoder sees the network's input too.
        position: whether the points' place on the unit sphere (x, y, z) are further input channels.
        scale_factor: the blocks work on a Gauss-Legendre grid that is so much coarser than the field's; 1.5 brings the
            quadratic grid of a truncation, 48 x 96 for T31, to the linear one, 32 x 64, at less than half the cost.
    """

    modes: int | None = None
    width: int = 64
    layers: int = 4
    mlp_ratio: float = 2.0
    encoder_ratio: float | None = 1.0
    filters: Literal["dense", "diagonal"] = "dense"
    weights: Literal["complex", "real"] = "complex"
    skip: bool = False
    norm: bool = False
    big_skip: bool = True
    position: bool = False
    scale_factor: float = 1.0

    def __post_init__(self) -> None:
        ratio = (Excluded(0), 64)
        check_ranges(
            "model",
            self,
            {
                "modes": (1, legendre.MOST_DEGREES),
                "width": (1, 4096),
                "layers": (1, 64),
                "mlp_ratio": ratio,
                "encoder_ratio": ratio,
                "scale_factor": (1.0, 64.0),
            },
        )


class SphericalFilter(nn.Module):
    """A matrix, or a number a channel, for each degree, times a field's coefficients: a convolution on the sphere."""

    def __init__(self, config: SFNOConfig, modes: int) -> None:
        super().__init__()
        c = config.width
        shape = (modes, c, c) if config.filters == "dense" else (modes, c)
        if config.weights == "complex":
            shape = (*shape, 2)
        # so that the mean square stays, whether c or 1 channels and 2 or 1 parts are summed
        inputs = (c if config.filters == "dense" else 1) * (2 if config.weights == "complex" else 1)
        self.weight = nn.Parameter(torch.randn(shape) * inputs**-0.5)
        self._multiply = mixed if config.filters == "dense" else scaled

    def forward(
        self, h: Float[Tensor, "b y x c"], into: SphericalTransform, back: SphericalTransform
    ) -> Float[Tensor, "b v w c"]:
        # sums over the globe in half precision lose the small degrees
        with torch.autocast(h.device.type, enabled=False):
            weight = self.weight
            packed = into.packed_analysis(h.to(weight.dtype))
            return back.packed_synthesis(self._multiply(packed, weight, into.truncation))


class SFNOBlock(nn.Module):
    """h + mlp(norm(filter(h) + skip(h))), with a scale and a shift of each channel ahead of the MLP if conditioned."""

    def __init__(self, config: SFNOConfig, modes: int) -> None:
        super().__init__()
        c = config.width
        self.filter = SphericalFilter(config, modes)
        self.skip = nn.Linear(c, c) if config.skip else None
        self.norm = nn.LayerNorm(c) if config.norm else None
        self.mlp = PointwiseMLP(c, max(1, round(config.mlp_ratio * c)), c)

    def forward(
        self, h: Float[Tensor, "b y x c"], transform: SphericalTransform, film: Float[Tensor, "b d"] | None
    ) -> Float[Tensor, "b y x c"]:
        z = self.filter(h, transform, transform)
        if self.skip is not None:
            z = z + self.skip(h)
        if self.norm is not None:
            z = self.norm(z)
        if film is not None:
            scale, shift = film[:, None, None].chunk(2, dim=-1)
            z = z + scale * z + shift
        return h + self.mlp(z)


class SFNO(nn.Module):
    """A field on the sphere from a field, at any resolution that carries the modes.

    Args:
        config: sizes.
        in_channels: of the input field.
        out_channels: of the output field.
        grid: its kind, and the resolution that `modes` and `scale_factor` are for.
        n_conditions: numbers that come beside the field, as a time or noise: a scale and a shift of the channels in
            each block, both without effect at the start.

    Raises:
        UserError: a grid that is no sphere, or one that carries fewer modes.
    """

    def __init__(
        self, config: SFNOConfig, in_channels: int, out_channels: int, grid: Grid, n_conditions: int = 0
    ) -> None:
        super().__init__()
        kind, self.modes, _ = check_truncation(_inner_grid(grid, config.scale_factor), config.modes, config.modes)
        check_truncation(grid, self.modes, self.modes)
        self.config = config
        self.in_channels, self.out_channels, self.n_conditions = in_channels, out_channels, n_conditions
        self.grid = grid
        c = config.width
        inputs = in_channels + (3 if config.position else 0)
        self.encoder = _point_map(config, inputs, c)
        self.blocks = nn.ModuleList(SFNOBlock(config, self.modes) for _ in range(config.layers))
        self.decoder = _point_map(config, c + (inputs if config.big_skip else 0), out_channels)
        self.film = None
        if n_conditions:
            self.film = PointwiseMLP(n_conditions, c, 2 * c * config.layers)
            nn.init.zeros_(self.film.second.weight)
            nn.init.zeros_(self.film.second.bias)

    def forward(
        self, x: Float[Tensor, "b y x i"], condition: Float[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b y x o"]:
        """The output field.

        Raises:
            UserError: another shape, other channels or conditions, or a grid that does not carry the modes.
        """
        check_input(self, x, condition)
        grid = Grid((x.shape[1], x.shape[2]), self.grid.periodic, self.grid.sphere)
        inner = _inner_grid(grid, self.config.scale_factor)
        transform = spherical_transform(inner, self.modes, self.modes)
        if self.config.position:
            x = with_sphere_coordinates(x, grid)
        h = self.encoder(x)
        if inner != grid:
            h = _moved(h, spherical_transform(grid, self.modes, self.modes), transform)
        films = [None] * self.config.layers
        if self.film is not None:
            films = self.film(condition).chunk(self.config.layers, dim=-1)
        for block, film in zip(self.blocks, films, strict=True):
            h = block(h, transform, film)
        if inner != grid:
            h = _moved(h, transform, spherical_transform(grid, self.modes, self.modes))
        return self.decoder(torch.cat([h, x], dim=-1) if self.config.big_skip else h)


def _point_map(config: SFNOConfig, inputs: int, outputs: int) -> nn.Module:
    if config.encoder_ratio is None:
        return nn.Linear(inputs, outputs)
    return PointwiseMLP(inputs, max(1, round(config.encoder_ratio * config.width)), outputs)


def _inner_grid(grid: Grid, scale_factor: float) -> Grid:
    if scale_factor == 1 or grid.sphere is None:
        return grid
    latitudes, longitudes = grid.shape
    shape = (int((latitudes - 1) // scale_factor) + 1, int(longitudes // scale_factor))
    return Grid(shape, grid.periodic, "gauss-legendre")


def _moved(h: Tensor, source: SphericalTransform, target: SphericalTransform) -> Tensor:
    with torch.autocast(h.device.type, enabled=False):
        h = h if h.dtype == torch.float64 else h.float()
        return target.packed_synthesis(source.packed_analysis(h))
