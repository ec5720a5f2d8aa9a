"""The layers of an operator network between its spectral convolutions, channels last.

The order of things is that of neuraloperator 2.0's FNO (post-activation, no normalisation), so that weights can be
shared. One difference: without a channel MLP that package applies GELU twice in a row, we do once, as in the paper.

Shapes: b batch, c = i = o channels, g grid.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.fno import kernels
from sciml.fno.spectral_weights import Dense, LowRank

SkipKind: TypeAlias = Literal["linear", "identity", "soft-gating"]


class PointwiseMLP(nn.Module):
    """Two linear maps of channels with GELU between, the same at every point."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.second = nn.Linear(hidden, outputs)

    def forward(
        self, x: Float[Tensor, "*points i"], places: Float[Tensor, "*grid j"] | None = None
    ) -> Float[Tensor, "*points o"]:
        """The output; `places` are further input channels that each sample has alike, such as coordinates."""
        first, second = self.first, self.second
        return kernels.two_layers(x, first.weight, first.bias, second.weight, second.bias, places)


class SoftGating(nn.Module):
    """Each channel times a learnt number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Float[Tensor, "*points c"]) -> Float[Tensor, "*points c"]:
        return self.weight * x


def skip(kind: SkipKind | None, channels: int) -> nn.Module | None:
    """What goes around a layer and is added behind it."""
    match kind:
        case "linear":
            return nn.Linear(channels, channels, bias=False)
        case "identity":
            return nn.Identity()
        case "soft-gating":
            return SoftGating(channels)
    return None


class OperatorBlock(nn.Module):
    """Global and local part of one layer: y = gelu(spectral(h) + skip(h) + bias), then gelu(mlp(y) + mlp_skip(h)).

    Args:
        spectral: the convolution, [b, *g, c] to [b, *g, c].
        channels: of the layer.
        skip_kind: around the convolution; None for none.
        expansion: hidden channels of the MLP by `channels`; None for no MLP, and the block ends with y.
        mlp_skip_kind: around the MLP; None for none.
        last: without the two GELUs on sums, as the last block of a network is.
    """

    def __init__(
        self,
        spectral: nn.Module,
        channels: int,
        skip_kind: SkipKind | None,
        expansion: float | None,
        mlp_skip_kind: SkipKind | None,
        last: bool,
    ) -> None:
        super().__init__()
        self.spectral = spectral
        self.bias = nn.Parameter(torch.randn(channels) * channels**-0.5)
        self.skip = skip(skip_kind, channels)
        self.mlp, self.mlp_skip = None, None
        if expansion is not None:
            self.mlp = PointwiseMLP(channels, max(1, round(expansion * channels)), channels)
            self.mlp_skip = skip(mlp_skip_kind, channels)
        self.activate = not last

    def forward(self, h: Float[Tensor, "b *g c"], shift: Float[Tensor, "b c"] | None = None) -> Float[Tensor, "b *g c"]:
        """The layer's output; `shift` is added to the bias of each sample."""
        bias = self.bias if shift is None else self.bias + shift
        around = [_skip_weight(module, self.bias) for module in (self.skip, self.mlp_skip)]
        fused = self._fused(h, bias, *around)
        if fused is not None:
            return fused
        return kernels.behind_convolution(self.spectral(h), h, bias, around[0], self.mlp, around[1], self.activate)

    def _fused(self, h: Tensor, bias: Tensor, skip: Tensor | None, mlp_skip: Tensor | None) -> Tensor | None:
        """The output by the compiled kernels, None where they do not run."""
        if not isinstance(self.spectral, Dense | LowRank) or not kernels.runs_on(h):
            return None
        mlp = None
        if self.mlp is not None:
            mlp = (self.mlp.first.weight, self.mlp.first.bias, self.mlp.second.weight, self.mlp.second.bias)
        return kernels.block(self.spectral.modes, h, self.spectral.dense(), bias, skip, mlp, mlp_skip, self.activate)


def _skip_weight(module: nn.Module | None, like: Tensor) -> Tensor | None:
    """The matrix or the factors that a skip multiplies with."""
    if isinstance(module, nn.Identity):
        return torch.ones_like(like)
    return module.weight if isinstance(module, nn.Linear | SoftGating) else None
