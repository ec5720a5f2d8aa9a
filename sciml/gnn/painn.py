"""PaiNN of Schuett et al. 2021 (ICML, arXiv:2102.03150).

Shapes: n atoms, p pairs, c channels, k radial functions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sciml.core.checks import check_ranges
from sciml.gnn.edges import LARGEST_SIZE, MOST_LAYERS, SENSIBLE_CUTOFF_ANGSTROM, Edges
from sciml.gnn.neighbour_sums import expanded_sum, filtered_sum
from sciml.nn.radial import bessel_basis, cosine_cutoff


@dataclass(frozen=True)
class PaiNNConfig:
    """Sizes of a PaiNN potential.

    Attributes:
        cutoff_angstrom: reach of one interaction.
        channels: scalar features of an atom, and as many vectors.
        layers: interactions.
        radial_functions: Bessel functions of the distance.
    """

    cutoff_angstrom: float = 5.0
    channels: int = 64
    layers: int = 3
    radial_functions: int = 20

    def __post_init__(self) -> None:
        check_ranges(
            "model",
            self,
            {
                "cutoff_angstrom": SENSIBLE_CUTOFF_ANGSTROM,
                "channels": (2, LARGEST_SIZE),
                "layers": (1, MOST_LAYERS),
                "radial_functions": (1, LARGEST_SIZE),
            },
        )


# Added to the squared length of a vector under its root. By symmetry the vectors of a perfect crystal are zero, where
# a bare length has a kink: atoms would be pushed off their sites, and force constants would be of the kink alone. Moved
# by 0.1 angstrom, an atom of silicon has vectors of some 0.2; the root is smooth on this scale.
LENGTH_FLOOR = 0.1


class MessageBlock(nn.Module):
    """Equations 7 and 8 of the paper: messages from neighbours change scalars and vectors (None: all zero)."""

    odd: Tensor

    def __init__(self, channels: int, radial_functions: int) -> None:
        super().__init__()
        self.context = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, 3 * channels))
        # the last row is the bias of the linear filter; the basis ends in the cutoff function itself
        bound = radial_functions**-0.5
        self.filter = nn.Parameter(torch.empty(3, radial_functions + 1, channels).uniform_(-bound, bound))
        self.register_buffer("odd", torch.ones(3, dtype=torch.long), persistent=False)

    def forward(
        self,
        scalars: Float[Tensor, "n c"],
        vectors: Float[Tensor, "n 3 c"] | None,
        basis: Float[Tensor, "p k"],
        direction: Float[Tensor, "p 3"],
        edges: Edges,
    ) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n 3 c"]]:
        of_scalar, of_vector, of_edge = self.context(scalars).chunk(3, dim=1)
        # one product each: a joint one would have to be copied apart
        filter_scalar, filter_vector, filter_edge = (basis @ weight for weight in self.filter)
        scalars = scalars + filtered_sum(edges, filter_scalar, of_scalar.unsqueeze(1)).squeeze(1)
        pulled = expanded_sum(edges, self.odd, direction, filter_edge, of_edge)
        if vectors is None:
            return scalars, pulled
        return scalars, vectors + pulled + filtered_sum(edges, filter_vector, of_vector.unsqueeze(1) * vectors)


class UpdateBlock(nn.Module):
    """Equations 9 and 10 of the paper: an atom's scalars and vectors change each other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Linear(channels, 2 * channels, bias=False)
        self.context = nn.Sequential(nn.Linear(2 * channels, channels), nn.SiLU(), nn.Linear(channels, 3 * channels))

    def forward(
        self, scalars: Float[Tensor, "n c"], vectors: Float[Tensor, "n 3 c"]
    ) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n 3 c"]]:
        u, v = self.mix(vectors).chunk(2, dim=2)
        length = (v.square().sum(dim=1) + LENGTH_FLOOR).sqrt()
        scalar, of_product, of_vector = self.context(torch.cat([scalars, length], dim=1)).chunk(3, dim=1)
        return scalars + scalar + of_product * (u * v).sum(dim=1), vectors + of_vector.unsqueeze(1) * u


class PaiNN(nn.Module):
    """Energy of each atom, in arbitrary units, from its species and the edges."""

    def __init__(self, config: PaiNNConfig, n_elements: int) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.embedding = nn.Embedding(n_elements, c)
        self.messages = nn.ModuleList(MessageBlock(c, config.radial_functions) for _ in range(config.layers))
        self.updates = nn.ModuleList(UpdateBlock(c) for _ in range(config.layers))
        self.readout = nn.Sequential(nn.Linear(c, c // 2), nn.SiLU(), nn.Linear(c // 2, 1))

    def forward(self, species: Int[Tensor, " n"], edges: Edges) -> Float[Tensor, " n"]:
        distance = edges.vectors.norm(dim=1)
        direction = edges.vectors / distance.unsqueeze(1)
        basis = bessel_basis(distance, self.config.cutoff_angstrom, self.config.radial_functions)
        envelope = cosine_cutoff(distance, self.config.cutoff_angstrom).unsqueeze(1)
        basis = torch.cat([basis * envelope, envelope], dim=1)
        scalars, vectors = self.embedding(species), None
        for message, update in zip(self.messages, self.updates, strict=True):
            scalars, vectors = message(scalars, vectors, basis, direction, edges)
            scalars, vectors = update(scalars, vectors)
        return self.readout(scalars).squeeze(1)
