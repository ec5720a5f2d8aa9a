"""Networks from coordinates to fields, all in float64: MLP, modified MLP and PirateNet.

The second has two gates that mix each layer's output (Wang, Teng & Perdikaris 2021, arXiv:2001.04536);
the third is made of blocks of three gated layers that start as the identity, so that at first the network is linear in
its features (Wang et al. 2024, arXiv:2402.00326). Weights are Glorot's (normal), biases zero.

Shapes: n points, d coordinates, w hidden features, f fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.pinn.embeddings import Box, Embedding
from sciml.pinn.mlp_jets import SLOPES

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sin": torch.sin,
    "swish": nn.functional.silu,
    "gelu": nn.functional.gelu,
}
# mean and spread of the logarithms of the scales: those of advection in the examples of arXiv:2308.08468 (jaxpi)
FACTOR_MEAN = 1.0
FACTOR_SPREAD = 0.1


@dataclass(frozen=True)
class PinnConfig:
    """Sizes that all of these networks have.

    Attributes:
        width: hidden features.
        layers: hidden layers; for PirateNet its blocks, of three layers each.
        activation: a smooth one, since equations differentiate it.
        waves: of each periodic axis, in the embedding.
        fourier: random Fourier features; 0 for none.
        fourier_scale: of their directions.
        factorised: whether weights are a scale for each output times a direction, both trained (random weight
            factorisation, arXiv:2210.01274).
    """

    width: int = 20
    layers: int = 3
    activation: Literal["tanh", "sin", "swish", "gelu"] = "tanh"
    waves: int = 1
    fourier: int = 0
    fourier_scale: float = 1.0
    factorised: bool = False

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float | int, float | int]] = {
            "width": (1, 1e5),
            "layers": (1, 1000),
            "waves": (1, 1000),
            "fourier": (0, 1e5),
            "fourier_scale": (Excluded(0), 1e6),
        }
        check_ranges("model", self, ranges)


@dataclass(frozen=True)
class MLPConfig(PinnConfig):
    """Sizes of an MLP."""


@dataclass(frozen=True)
class ModifiedMLPConfig(PinnConfig):
    """Sizes of a modified MLP."""


@dataclass(frozen=True)
class PirateNetConfig(PinnConfig):
    """Sizes of a PirateNet."""


class FactorisedLinear(nn.Module):
    """y = exp(s) * (V x) + b, which starts as a plain layer does and has other gradients (arXiv:2210.01274)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        plain = _plain(inputs, outputs)
        logs = FACTOR_MEAN + FACTOR_SPREAD * torch.randn(outputs, dtype=torch.float64)
        self.scale = nn.Parameter(logs)
        self.direction = nn.Parameter(plain.weight.detach() / logs.exp()[:, None])
        self.bias = nn.Parameter(plain.bias.detach())

    def forward(self, x: Float[Tensor, "n i"]) -> Float[Tensor, "n o"]:
        return nn.functional.linear(x, self.scale.exp()[:, None] * self.direction, self.bias)


class _Network(nn.Module):
    """The embedding, the layers' kind and the activation that a config asks for."""

    def __init__(self, config: PinnConfig, box: Box) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(box, config.waves, config.fourier, config.fourier_scale)
        self.activation = ACTIVATIONS[config.activation]

    def layer(self, inputs: int, outputs: int) -> nn.Module:
        return FactorisedLinear(inputs, outputs) if self.config.factorised else _plain(inputs, outputs)


class MLP(_Network):
    """Layer after layer.

    Args:
        config: sizes.
        box: where the coordinates lie.
        fields: number of fields.
    """

    def __init__(self, config: MLPConfig, box: Box, fields: int = 1) -> None:
        super().__init__(config, box)
        sizes = [self.embedding.n_features, *[config.width] * config.layers]
        self.hidden = nn.ModuleList(self.layer(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.project = self.layer(config.width, fields)
        self.n_fields = fields

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        h = self.embedding(x)
        for layer in self.hidden:
            h = self.activation(layer(h))
        return self.project(h)

    @property
    def has_jets(self) -> bool:
        """Whether its derivatives can be carried forward (`sciml.pinn.mlp_jets`)."""
        return not self.config.factorised and self.config.activation in SLOPES

    def weights_and_biases(self) -> tuple[list[Tensor], list[Tensor]]:
        """Of each layer, [out, in] and [out]; for plain weights alone."""
        layers: list[Any] = [*self.hidden, self.project]
        return [layer.weight for layer in layers], [layer.bias for layer in layers]


class ModifiedMLP(_Network):
    """Layers whose outputs mix two gates of the embedding; arguments as of `MLP`."""

    def __init__(self, config: ModifiedMLPConfig, box: Box, fields: int = 1) -> None:
        super().__init__(config, box)
        seen, w = self.embedding.n_features, config.width
        self.gates = nn.ModuleList(self.layer(seen, w) for _ in range(2))
        sizes = [seen, *[w] * config.layers]
        self.hidden = nn.ModuleList(self.layer(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.project = self.layer(w, fields)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        h = self.embedding(x)
        u, v = (self.activation(gate(h)) for gate in self.gates)
        for layer in self.hidden:
            h = v + self.activation(layer(h)) * (u - v)
        return self.project(h)


class _PirateBlock(nn.Module):
    """Three layers, the first two gated, and an adaptive residual connection that starts closed."""

    def __init__(self, layers: list[nn.Module], activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.third = layers
        self.activation = activation
        self.openness = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(
        self, x: Float[Tensor, "n w"], u: Float[Tensor, "n w"], v: Float[Tensor, "n w"]
    ) -> Float[Tensor, "n w"]:
        h = v + self.activation(self.first(x)) * (u - v)
        h = v + self.activation(self.second(h)) * (u - v)
        return x + self.openness * (self.activation(self.third(h)) - x)


class PirateNet(_Network):
    """Residual blocks on the embedding, arguments as of `MLP`.

    The blocks' width is that of the embedding, so a linear layer comes between where the two differ.
    """

    def __init__(self, config: PirateNetConfig, box: Box, fields: int = 1) -> None:
        super().__init__(config, box)
        seen, w = self.embedding.n_features, config.width
        self.lift = nn.Identity() if seen == w else self.layer(seen, w)
        self.gates = nn.ModuleList(self.layer(w, w) for _ in range(2))
        self.blocks = nn.ModuleList(
            _PirateBlock([self.layer(w, w) for _ in range(3)], self.activation) for _ in range(config.layers)
        )
        self.project = self.layer(w, fields)

    def features(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n w"]:
        """What the last layer is applied to."""
        h = self.lift(self.embedding(x))
        u, v = (self.activation(gate(h)) for gate in self.gates)
        for block in self.blocks:
            h = block(h, u, v)
        return h

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        return self.project(self.features(x))

    @torch.no_grad()
    def start_from(self, x: Float[Tensor, "n d"], fields: Float[Tensor, "n f"]) -> None:
        """Sets the last layer to the least-squares fit of known fields: the paper's physics-informed start.

        Args:
            x: points.
            fields: to be met there, e.g. the initial state at any time.

        Raises:
            UserError: factorised weights, or fields of another number.
        """
        if not isinstance(self.project, nn.Linear):
            raise UserError("A start from known fields needs plain weights. Set `model.factorised: false`.")
        if fields.shape[1] != self.project.out_features:
            raise UserError(f"The network has {self.project.out_features} fields, but got {fields.shape[1]}.")
        h = self.features(x)
        with_one = torch.cat([h, torch.ones_like(h[:, :1])], dim=1)
        # gelsd bears features that depend on one another
        solution = torch.linalg.lstsq(with_one, fields, driver="gelsd").solution
        self.project.weight.copy_(solution[:-1].T)
        self.project.bias.copy_(solution[-1])


# name -> (sizes, network)
NETWORKS: dict[str, tuple[Any, Any]] = {
    "mlp": (MLPConfig, MLP),
    "modified-mlp": (ModifiedMLPConfig, ModifiedMLP),
    "piratenet": (PirateNetConfig, PirateNet),
}


def _plain(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, dtype=torch.float64)
    nn.init.normal_(layer.weight, std=math.sqrt(2 / (inputs + outputs)))
    nn.init.zeros_(layer.bias)
    return layer
