"""A Swin transformer over levels, latitudes and longitudes, as Pangu-Weather (Bi et al. 2023, arXiv:2211.02556).

Patches of the fields become tokens of a box (level, latitude, longitude), in which the surface is the last level.
Windows of tokens attend among themselves and are shifted in every second block (Liu et al. 2021, arXiv:2103.14030).
Longitudes go around, so that no window is cut at the date line; at the poles and at the top and bottom a shifted
window is cut by a mask. After the first blocks, tokens are merged to half as many in either direction, and split again
before the last ones.

Shapes: b batch, y latitudes, x longitudes, i inputs, o outputs, k conditions, c channels, h heads; (l, m, n) tokens
along level, latitude and longitude; w windows that differ by level or latitude, t tokens of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
from sciml.weather.networks.windows import Windows, whole_window

# below the largest score by more than any score's size; minus infinity would make NaN of a window of padding alone
_NEVER = -1e9


@dataclass(frozen=True)
class SwinConfig:
    """Sizes of a Swin transformer.

    Attributes:
        channels: of a token of the fine stage; twice as many of the coarse one.
        heads: of the attention in the fine stage; twice as many in the coarse one.
        fine_blocks: before the merging of tokens, and as many after the splitting.
        coarse_blocks: between them; 0 leaves out merging and splitting.
        patch_levels: levels to a token.
        patch_points: latitudes, and longitudes, to a token.
        window_levels: tokens along the levels to a window, the surface counting as one.
        window_latitudes: tokens along the latitudes to a window.
        window_longitudes: at most so many tokens along the longitudes to a window: the largest number that divides the
            circle is taken, as it has no end where a smaller window could be.
        bias: what scores of attention depend on beside tokens: "earth": heights and latitudes of both tokens and how
            far apart their longitudes are, as Pangu-Weather; "relative": how far apart they are, as Swin.
    """

    channels: int = 64
    heads: int = 2
    fine_blocks: int = 2
    coarse_blocks: int = 4
    patch_levels: int = 2
    patch_points: int = 4
    window_levels: int = 5
    window_latitudes: int = 6
    window_longitudes: int = 6
    bias: Literal["earth", "relative"] = "earth"

    def __post_init__(self) -> None:
        check_ranges(
            "model",
            self,
            {
                "channels": (4, 8192),
                "heads": (1, 256),
                "fine_blocks": (1, 100),
                "coarse_blocks": (0, 100),
                "patch_levels": (1, 100),
                "patch_points": (1, 64),
                "window_levels": (1, 100),
                "window_latitudes": (1, 256),
                "window_longitudes": (1, 256),
            },
        )
        if self.channels % self.heads:
            raise UserError(
                f"`model.channels` needs to be a multiple of `model.heads`, but they are {self.channels} and "
                f"{self.heads}."
            )


class WindowAttention(nn.Module):
    """Attention among the tokens of a window."""

    pair: Tensor
    mask: Tensor

    def __init__(self, channels: int, heads: int, windows: Windows, bias: Literal["earth", "relative"]) -> None:
        super().__init__()
        self.heads, self.windows = heads, windows
        self.inputs = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)
        earth, n_earth, relative, n_relative = windows.pairs()
        kinds, pair, entries = (windows.n_kinds, earth, n_earth) if bias == "earth" else (1, relative, n_relative)
        self.bias = nn.Parameter(0.02 * torch.randn(kinds * heads, entries))
        self.register_buffer("pair", pair.flatten(), persistent=False)
        mask = torch.where(windows.apart(), _NEVER, 0.0)
        self.register_buffer("mask", mask.unsqueeze(1) if mask.any() else None, persistent=False)

    def forward(self, x: Float[Tensor, "b_n w t c"]) -> Float[Tensor, "b_n w t c"]:
        b, w, t, c = x.shape
        query, key, value = (
            part.reshape(b, w * self.heads, t, -1)
            for part in self.inputs(x).view(b, w, t, 3, self.heads, -1).permute(3, 0, 1, 4, 2, 5)
        )
        bias = self._score_bias().to(query.dtype)
        if torch.is_grad_enabled():
            # written out: with a bias that learns, torch leaves its fused kernel for a slower route than this
            scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
            seen = torch.softmax(scores + bias, dim=-1).to(value.dtype) @ value
        else:
            seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.output(seen.view(b, w, self.heads, t, -1).transpose(2, 3).reshape(b, w, t, c))

    def _score_bias(self) -> Float[Tensor, "1 w_h t t"]:
        t = self.windows.window[0] * self.windows.window[1] * self.windows.window[2]
        bias = self.bias.index_select(1, self.pair).view(-1, self.heads, t, t)
        if self.mask is not None:
            bias = bias + self.mask
        return bias.expand(self.windows.n_kinds, -1, -1, -1).reshape(1, -1, t, t)


class Block(nn.Module):
    """Attention and a perceptron, each behind a norm and beside an identity."""

    def __init__(
        self, channels: int, heads: int, windows: Windows, bias: Literal["earth", "relative"], n_conditions: int
    ) -> None:
        super().__init__()
        self.windows = windows
        self.first_norm = ConditionalNorm(channels, n_conditions)
        self.attention = WindowAttention(channels, heads, windows, bias)
        self.second_norm = ConditionalNorm(channels, n_conditions)
        self.perceptron = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))

    def forward(self, x: Float[Tensor, "b l m n c"], condition: Tensor | None) -> Float[Tensor, "b l m n c"]:
        seen = self.attention(self.windows.cut(self.first_norm(x, condition)))
        x = x + self.windows.join(seen)
        return x + self.perceptron(self.second_norm(x, condition))


class Swin(nn.Module):
    """Predicts the normalised change of a state from the states before it, forcings and static fields.

    A turn of the input by whole windows, of the fine stage and of the coarse one, turns the output: the date line is a
    meridian as any other, and what the grid of windows leaves is the same all around.

    Args:
        config: sizes.
        layout: what the channels are.
        grid: latitudes and longitudes. Rows that are missing to whole patches are those beyond the north pole.
        n_inputs: channels that come in, for which the layout says what they are.
        n_conditions: numbers beside the fields, such as a lead time or noise.

    Raises:
        UserError: a grid that is not on the sphere or whose longitudes make no whole patches and windows, other
            channels than the layout's, or no variable on levels.
    """

    signs: Tensor

    def __init__(
        self, config: SwinConfig, layout: ChannelLayout, grid: Grid, n_inputs: int, n_conditions: int = 0
    ) -> None:
        super().__init__()
        check_channels(layout, n_inputs)
        latitudes_deg(grid)  # refuses a box
        if not layout.upper:
            raise UserError(
                "The Swin transformer needs variables on levels, but the layout has none. Use another network."
            )
        self.config, self.layout, self.grid, self.n_conditions = config, layout, grid, n_conditions
        size, c = config.patch_points, config.channels
        self.has_surface = bool(layout.surface) or layout.n_others > 0
        self.level_padding = -layout.n_levels % config.patch_levels
        n_layers = (layout.n_levels + self.level_padding) // config.patch_levels
        fine = (n_layers + self.has_surface, -(-grid.shape[0] // size), grid.shape[1] // size)
        coarse = (fine[0], -(-fine[1] // 2), fine[2] // 2)
        _check_longitudes(config, grid.shape[1])

        points = size * size
        self.register_buffer("signs", torch.tensor(layout.input_signs), persistent=False)
        self.embed_upper = nn.Linear(layout.history * len(layout.upper) * config.patch_levels * points, c)
        n_surface = layout.history * len(layout.surface) + layout.n_others
        self.embed_surface = nn.Linear(n_surface * points, c) if self.has_surface else None
        # by height and latitude, the same for all longitudes
        self.position = nn.Parameter(0.02 * torch.randn(fine[0], fine[1], 1, c))

        def blocks(tokens: tuple[int, int, int], count: int, factor: int) -> nn.ModuleList:
            window = (config.window_levels, config.window_latitudes, config.window_longitudes)
            return nn.ModuleList(
                Block(factor * c, factor * config.heads, Windows(tokens, window, i % 2 == 1), config.bias, n_conditions)
                for i in range(count)
            )

        self.first = blocks(fine, config.fine_blocks, 1)
        self.middle = blocks(coarse, config.coarse_blocks, 2)
        self.last = blocks(fine, config.fine_blocks, 1)
        if config.coarse_blocks:
            self.merge = nn.Sequential(nn.LayerNorm(4 * c), nn.Linear(4 * c, 2 * c, bias=False))
            self.split = nn.Sequential(nn.LayerNorm(2 * c), nn.Linear(2 * c, 4 * c, bias=False))
        self.norm = ConditionalNorm(2 * c, n_conditions)
        self.upper = small_output(nn.Linear(2 * c, len(layout.upper) * config.patch_levels * points))
        self.surface = small_output(nn.Linear(2 * c, len(layout.surface) * points)) if layout.surface else None

    def forward(
        self, x: Float[Tensor, "b y x i"], condition: Float[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b y x o"]:
        check_fields(x, condition, self.grid, self.layout.n_inputs, self.n_conditions)
        if condition is not None:
            condition = condition[:, None, None, None]
        tokens = self._embed(x) + self.position
        for block in self.first:
            tokens = block(tokens, condition)
        start = tokens
        if self.config.coarse_blocks:
            coarse = self.merge(_merged(tokens))
            for block in self.middle:
                coarse = block(coarse, condition)
            tokens = tokens + _split(self.split(coarse), tokens.shape[2])
        for block in self.last:
            tokens = block(tokens, condition)
        return self._recover(self.norm(torch.cat([start, tokens], dim=-1), condition))[:, : x.shape[1]]

    def _embed(self, x: Float[Tensor, "b y x i"]) -> Float[Tensor, "b l m n c"]:
        layout, size = self.layout, self.config.patch_points
        missing = -x.shape[1] % size
        x = pad_globe(x, 0, missing, 0, self.signs.to(x.dtype), self.grid.sphere == "equiangular")
        x = x.unflatten(2, (-1, size)).unflatten(1, (-1, size)).transpose(2, 3)  # b m n size size i
        states, others = layout.split(x)
        upper = states[..., : layout.n_upper].unflatten(-1, (len(layout.upper), layout.n_levels))
        # levels that are missing to whole patches are the top repeated
        if self.level_padding:
            top = upper[..., :1].expand(*upper.shape[:-1], self.level_padding)
            upper = torch.cat([top, upper], dim=-1)
        upper = upper.unflatten(-1, (-1, self.config.patch_levels)).movedim(-2, 1)
        tokens = self.embed_upper(upper.flatten(4))
        if self.embed_surface is None:
            return tokens
        surface = torch.cat([states[..., layout.n_upper :].flatten(-2), others], dim=-1)
        return torch.cat([tokens, self.embed_surface(surface.flatten(3)).unsqueeze(1)], dim=1)

    def _recover(self, tokens: Float[Tensor, "b l m n c"]) -> Float[Tensor, "b padded_y x o"]:
        layout, size = self.layout, self.config.patch_points
        n_upper = tokens.shape[1] - self.has_surface
        upper = self.upper(tokens[:, :n_upper])
        upper = upper.unflatten(-1, (size, size, len(layout.upper), self.config.patch_levels))
        # b l m n size size variable level -> b m size n size variable (l level)
        upper = upper.permute(0, 2, 4, 3, 5, 6, 1, 7).flatten(6)[..., self.level_padding :]
        fields = upper.flatten(5)
        if self.surface is not None:
            surface = self.surface(tokens[:, -1]).unflatten(-1, (size, size, len(layout.surface)))
            fields = torch.cat([fields, surface.transpose(2, 3)], dim=-1)
        return fields.flatten(3, 4).flatten(1, 2)


def _check_longitudes(config: SwinConfig, longitudes: int) -> None:
    """Refuses a circle that makes no whole patches, pairs of tokens, or windows of a sensible size."""
    stages = 2 if config.coarse_blocks else 1
    whole = config.patch_points * stages
    if longitudes % whole:
        merged = " twice, as tokens are merged," if config.coarse_blocks else ""
        raise UserError(
            f"The Swin transformer needs a number of longitudes that `model.patch_points` divides{merged} but has "
            f"{longitudes} and {config.patch_points}. Choose another patch size"
            + (" or `model.coarse_blocks: 0`." if config.coarse_blocks else ".")
        )
    for stage in range(stages):
        tokens = longitudes // (config.patch_points * (stage + 1))
        wanted = min(config.window_longitudes, tokens)
        if 2 * whole_window(tokens, wanted) < wanted:
            raise UserError(
                f"The {tokens} tokens along the longitudes make no whole windows of {(wanted + 1) // 2} to {wanted}. "
                "Choose other `model.window_longitudes` or `model.patch_points`."
            )


def _merged(tokens: Float[Tensor, "b l m n c"]) -> Float[Tensor, "b l coarse_m coarse_n merged"]:
    """Four tokens side by side; a missing last row is zero."""
    if tokens.shape[2] % 2:
        tokens = functional.pad(tokens, (0, 0, 0, 0, 0, 1))
    return tokens.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).transpose(3, 4).flatten(4)


def _split(coarse: Float[Tensor, "b l coarse_m coarse_n merged"], rows: int) -> Float[Tensor, "b l m n c"]:
    """The other way."""
    parts = coarse.unflatten(-1, (2, 2, -1)).transpose(3, 4)
    return parts.flatten(4, 5).flatten(2, 3)[:, :, :rows]
