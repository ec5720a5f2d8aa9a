"""Transolver of Wu et al. 2024 (ICML, arXiv:2402.02366) on grids of one to three dimensions.

Attention between physical states instead of points: each point is shared out among a few slices, the points of a slice
are averaged to one token, the tokens attend to each other, and each point takes back its share of their results. The
cost is linear in points, some 3 n h g c multiplications a block beside the MLP (and 18 n c^2 of a convolution in two
dimensions), where attention between points has 2 n^2 c.

Shapes: b batch, i input and o output channels, c channels inside, h heads, d channels of a head, n points, g slices,
k conditions, e channels of their embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, softmax

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.fno.blocks import PointwiseMLP
from sciml.fno.conditioning import Embedding, FiLM, check_input
from sciml.fno.convolution import Boundary, Convolution, channels_last, check_dimension
from sciml.fno.grids import Grid
from sciml.fno.points import count_point_features, points_like


@dataclass(frozen=True)
class TransolverConfig:
    """Sizes of a Transolver.

    Attributes:
        width: channels inside; a multiple of `heads`.
        layers: blocks of attention and MLP.
        heads: of the attention.
        slices: of the points, in each head.
        mlp_expansion: hidden channels of the MLP in each block by `width`.
        local: whether a point's slices follow from its neighbours too, by a convolution, as in the paper's version for
            structured grids; else from the point alone, which knows nothing of the grid and is cheaper.
        boundary: how fields go on beyond the ends of an axis that is not periodic, where `local`.
        coordinates: whether the points' places are further input channels.
    """

    width: int = 64
    layers: int = 4
    heads: int = 4
    slices: int = 32
    mlp_expansion: float = 1.0
    local: bool = True
    boundary: Boundary = "replicate"
    coordinates: bool = True

    def __post_init__(self) -> None:
        check_ranges(
            "model",
            self,
            {
                "width": (1, 4096),
                "layers": (1, 64),
                "heads": (1, 256),
                "slices": (1, 4096),
                "mlp_expansion": (Excluded(0), 64),
            },
        )
        if self.width % self.heads:
            raise UserError(f"`model.width`, {self.width}, needs to be a multiple of `heads`, {self.heads}.")


# Bounds of the temperature of the shares (the authors' code for structured grids); it begins at a half.
COLDEST, HOTTEST = 0.1, 5.0
# Points of a slice that has none, for the mean over its points (the authors' code).
NO_POINTS = 1e-5


class PhysicsAttention(nn.Module):
    """The paper's attention: slice, attend, and give back.

    Linear maps of points are applied to what is fewer: those before the slices' logits become one map, that of the
    values is applied to tokens where it is not local, and that behind the attention to what tokens give back.
    """

    def __init__(self, config: TransolverConfig, grid: Grid) -> None:
        super().__init__()
        c, h, g = config.width, config.heads, config.slices
        d = c // h
        self.convolution = Convolution(c, 2 * c, grid.periodic, config.boundary) if config.local else None
        self.keys_and_values = None if config.local else nn.Linear(c, 2 * c)
        self.slice = nn.Linear(d, g)
        # so that slices begin as different as they can
        nn.init.orthogonal_(self.slice.weight)
        self.temperature = nn.Parameter(torch.full((h, 1), 0.5))
        self.to_query, self.to_key, self.to_value = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.merge = nn.Linear(c, c)

    def forward(self, x: Float[Tensor, "b *grid c"]) -> Float[Tensor, "b *grid c"]:
        h, c = len(self.temperature), x.shape[-1]
        if self.convolution is not None:
            mixed = self.convolution(x.movedim(-1, 1)).movedim(1, -1).flatten(1, -2)
            keys_bnc, points_bnc = mixed.chunk(2, dim=-1)
            maps_hdc = torch.eye(c, dtype=x.dtype, device=x.device).view(h, -1, c)
            key_maps_hdc, key_biases_hd, value_maps_hdc, value_biases_hd = maps_hdc, None, maps_hdc, None
        else:
            assert self.keys_and_values is not None
            keys_bnc = points_bnc = x.flatten(1, -2)
            key_maps_hdc, value_maps_hdc = self.keys_and_values.weight.view(2, h, -1, c)
            key_biases_hd, value_biases_hd = self.keys_and_values.bias.view(2, h, -1)
        shares_bnhg = self._shares(keys_bnc, key_maps_hdc, key_biases_hd)
        shares_bns = shares_bnhg.flatten(2)
        sums_bhgc = (shares_bns.transpose(1, 2) @ points_bnc).unflatten(1, (h, -1))
        sizes_bhg1 = shares_bnhg.sum(dim=1).unsqueeze(-1)
        values_bhgd = sums_bhgc @ value_maps_hdc.transpose(1, 2)
        if value_biases_hd is not None:
            values_bhgd = values_bhgd + sizes_bhg1 * value_biases_hd.unsqueeze(1)
        tokens_bhgd = values_bhgd / (sizes_bhg1 + NO_POINTS)
        parts = (self.to_query(tokens_bhgd), self.to_key(tokens_bhgd), self.to_value(tokens_bhgd))
        given_bhgc = scaled_dot_product_attention(*parts) @ self.merge.weight.view(c, h, -1).permute(1, 2, 0)
        return (shares_bns @ given_bhgc.flatten(1, 2) + self.merge.bias).view(x.shape)

    def _shares(
        self, keys: Float[Tensor, "b n c"], maps: Float[Tensor, "h d c"], biases: Float[Tensor, "h d"] | None
    ) -> Float[Tensor, "b n h g"]:
        """What each point gives to each slice; one altogether in every head."""
        weights_hgc = self.slice.weight @ maps
        biases_hg = self.slice.bias.expand(len(maps), -1)
        if biases is not None:
            biases_hg = biases_hg + biases @ self.slice.weight.T
        coldness_h1 = 1 / self.temperature.clamp(COLDEST, HOTTEST)
        logits = linear(
            keys, (weights_hgc * coldness_h1.unsqueeze(-1)).flatten(0, 1), (biases_hg * coldness_h1).flatten()
        )
        # shares of half precision would not add up to one
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return softmax(logits.unflatten(-1, (len(maps), -1)), dim=-1)


class TransolverBlock(nn.Module):
    """Attention and an MLP of points, each behind a normalisation that conditions scale and shift."""

    def __init__(self, config: TransolverConfig, grid: Grid, embedding: int | None) -> None:
        super().__init__()
        c = config.width
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(2))
        self.films = nn.ModuleList(FiLM(embedding, c, channel_axis=-1) for _ in range(2))
        self.attention = PhysicsAttention(config, grid)
        self.mlp = PointwiseMLP(c, max(1, round(config.mlp_expansion * c)), c)

    def forward(self, h: Float[Tensor, "b *grid c"], embedding: Float[Tensor, "b e"] | None) -> Tensor:
        for norm, film, layer in zip(self.norms, self.films, (self.attention, self.mlp), strict=True):
            h = h + layer(film(norm(h), embedding))
        return h


class Transolver(nn.Module):
    """A field from a field of any resolution.

    Args:
        config: sizes.
        in_channels: of the input field.
        out_channels: of the output field.
        grid: that it is trained on; another resolution of the same domain may be given later.
        n_conditions: numbers that come beside the field, as a time or a viscosity.

    Raises:
        UserError: more than three dimensions.
    """

    def __init__(
        self, config: TransolverConfig, in_channels: int, out_channels: int, grid: Grid, n_conditions: int = 0
    ) -> None:
        super().__init__()
        check_dimension("Transolver", grid.n_dims)
        self.config, self.grid = config, grid
        self.in_channels, self.out_channels, self.n_conditions = in_channels, out_channels, n_conditions
        c = config.width
        embedding = 4 * c if n_conditions else None
        self.embedding = Embedding(n_conditions, 4 * c)
        self.lift = PointwiseMLP(in_channels + (count_point_features(grid) if config.coordinates else 0), 2 * c, c)
        self.blocks = nn.ModuleList(TransolverBlock(config, grid, embedding) for _ in range(config.layers))
        self.last_norm = nn.LayerNorm(c)
        self.project = nn.Linear(c, out_channels)
        channels_last(self, grid.n_dims)

    def forward(
        self, x: Float[Tensor, "b *grid i"], condition: Float[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b *grid o"]:
        """The output field.

        Raises:
            UserError: another dimension, other channels or other conditions.
        """
        check_input(self, x, condition)
        embedding = self.embedding(condition)
        if self.config.coordinates:
            places = points_like(x, tuple(x.shape[1:-1]), self.grid)
            x = torch.cat([x, places.expand(*x.shape[:-1], -1)], dim=-1)
        h = self.lift(x)
        for block in self.blocks:
            h = block(h, embedding)
        return self.project(self.last_norm(h))
