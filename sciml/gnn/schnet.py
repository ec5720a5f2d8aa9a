"""SchNet of Schuett et al. 2018 (J. Chem. Phys. 148, 241722; arXiv:1712.06113).

Shapes: n atoms, p pairs, c channels, k Gaussians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import softplus

from sciml.core.checks import check_ranges
from sciml.gnn.edges import LARGEST_SIZE, MOST_LAYERS, SENSIBLE_CUTOFF_ANGSTROM, Edges
from sciml.gnn.neighbour_sums import filtered_sum
from sciml.nn.radial import cosine_cutoff, gaussian_basis


@dataclass(frozen=True)
class SchNetConfig:
    """Sizes of a SchNet potential.

    Attributes:
        cutoff_angstrom: reach of one interaction.
        channels: features of an atom.
        layers: interactions.
        gaussians: radial basis functions.
    """

    cutoff_angstrom: float = 5.0
    channels: int = 64
    layers: int = 3
    gaussians: int = 50

    def __post_init__(self) -> None:
        check_ranges(
            "model",
            self,
            {
                "cutoff_angstrom": SENSIBLE_CUTOFF_ANGSTROM,
                "channels": (2, LARGEST_SIZE),
                "layers": (1, MOST_LAYERS),
                "gaussians": (2, LARGEST_SIZE),
            },
        )


class ShiftedSoftplus(nn.Module):
    """ln(1 + e^x) - ln 2, equation 10 of the paper."""

    def forward(self, x: Tensor) -> Tensor:
        return softplus(x) - math.log(2.0)


class Interaction(nn.Module):
    """Continuous-filter convolution between two atom-wise layers (figure 2 of the paper)."""

    def __init__(self, channels: int, gaussians: int) -> None:
        super().__init__()
        self.filter = nn.Sequential(nn.Linear(gaussians, channels), ShiftedSoftplus(), nn.Linear(channels, channels))
        self.before = nn.Linear(channels, channels, bias=False)
        self.after = nn.Sequential(nn.Linear(channels, channels), ShiftedSoftplus(), nn.Linear(channels, channels))

    def forward(
        self, x: Float[Tensor, "n c"], basis: Float[Tensor, "p k"], envelope: Float[Tensor, "p 1"], edges: Edges
    ) -> Float[Tensor, "n c"]:
        convolved = filtered_sum(edges, self.filter(basis) * envelope, self.before(x).unsqueeze(1))
        return self.after(convolved.squeeze(1))


class SchNet(nn.Module):
    """Energy of each atom, in arbitrary units, from its species and the edges."""

    def __init__(self, config: SchNetConfig, n_elements: int) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.embedding = nn.Embedding(n_elements, c)
        self.interactions = nn.ModuleList(Interaction(c, config.gaussians) for _ in range(config.layers))
        self.readout = nn.Sequential(nn.Linear(c, c // 2), ShiftedSoftplus(), nn.Linear(c // 2, 1))

    def forward(self, species: Int[Tensor, " n"], edges: Edges) -> Float[Tensor, " n"]:
        distance = edges.vectors.norm(dim=1)
        kind = {"dtype": distance.dtype, "device": distance.device}
        centres = torch.linspace(0.0, self.config.cutoff_angstrom, self.config.gaussians, **kind)
        basis = gaussian_basis(distance, centres)
        envelope = cosine_cutoff(distance, self.config.cutoff_angstrom).unsqueeze(1)
        x = self.embedding(species)
        for interaction in self.interactions:
            x = x + interaction(x, basis, envelope, edges)
        return self.readout(x).squeeze(1)
