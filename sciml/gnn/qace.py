"""QACE: an equivariant, message-passing atomic cluster expansion of squared densities.

The neighbours of an atom make a density on the sphere around it, kept as coefficients of spherical harmonics (Drautz
2019, Phys. Rev. B 99, 014104). Its square, taken with Gaunt's coefficients, and the contractions of both give
invariants of body order two to five, as the symmetric products of MACE do (Batatia et al. 2022, arXiv:2206.07697), at
a fraction of the arithmetic. Messages carry scalars of the neighbour, its density along the bond, which is the m = 0
part of the tensor product in the frame of the bond (Passaro and Zitnick 2023, arXiv:2302.03655), and its density as it
stands, without which a turn about the bond, a dihedral, would be lost.

Shapes: n atoms, p pairs, k = (l_max + 1)^2 harmonics, c channels, r radial functions, h hidden features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sciml.core.checks import check_ranges
from sciml.gnn.edges import LARGEST_SIZE, MOST_LAYERS, SENSIBLE_CUTOFF_ANGSTROM, Edges
from sciml.gnn.neighbour_sums import bond_sum, expanded_sum, filtered_sum
from sciml.gnn.sphere_product import SphereProduct
from sciml.nn.radial import bessel_basis, polynomial_cutoff
from sciml.nn.sphere import MAXIMUM_DEGREE, SphericalHarmonics


@dataclass(frozen=True)
class QACEConfig:
    """Sizes of a QACE potential.

    Attributes:
        cutoff_angstrom: reach of one layer.
        channels: densities that an atom keeps.
        l_max: highest degree of the spherical harmonics, at most 3.
        layers: interactions; the first is local, each further one passes messages.
        radial_functions: Bessel functions of the distance.
        hidden: width of the scalar networks.
        species_channels: size of the element embedding; up to so many elements are kept apart exactly.
        typical_neighbours: number of neighbours that sums over them are scaled for.
    """

    cutoff_angstrom: float = 5.0
    channels: int = 32
    l_max: int = 3
    layers: int = 2
    radial_functions: int = 8
    hidden: int = 64
    species_channels: int = 4
    typical_neighbours: float = 25.0

    def __post_init__(self) -> None:
        check_ranges(
            "model",
            self,
            {
                "cutoff_angstrom": SENSIBLE_CUTOFF_ANGSTROM,
                "channels": (1, LARGEST_SIZE),
                "l_max": (0, MAXIMUM_DEGREE),
                "layers": (1, MOST_LAYERS),
                "radial_functions": (1, LARGEST_SIZE),
                "hidden": (2, LARGEST_SIZE),
                "species_channels": (1, LARGEST_SIZE),
                "typical_neighbours": (0.1, math.inf),
            },
        )


class DegreeLinear(nn.Module):
    """Mixes channels within each degree: the 2l + 1 harmonics of a degree share their weights."""

    def __init__(self, inputs: int, outputs: int, l_max: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(l_max + 1, inputs, outputs) / inputs**0.5)
        self.sizes = [2 * degree + 1 for degree in range(l_max + 1)]

    def forward(self, x: Float[Tensor, "n k i"]) -> Float[Tensor, "n k o"]:
        parts = x.split(self.sizes, dim=1)
        return torch.cat([part @ self.weight[degree] for degree, part in enumerate(parts)], dim=1)


class Interaction(nn.Module):
    """What an atom makes of the messages it received: a density, its invariants, a new state and an energy."""

    def __init__(self, config: QACEConfig, n_elements: int, inputs: int) -> None:
        super().__init__()
        c, hidden = config.channels, config.hidden
        self.scale = config.typical_neighbours**-0.5
        self.mix = DegreeLinear(inputs, c, config.l_max)
        self.centre_scale = nn.Parameter(torch.ones(n_elements, c))
        self.product = SphereProduct(config.l_max)
        self.update = nn.Sequential(nn.Linear(4 * c + hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.readout = nn.Sequential(nn.Linear(hidden, hidden // 2), nn.SiLU(), nn.Linear(hidden // 2, 1, bias=False))

    def forward(
        self,
        species: Int[Tensor, " n"],
        received: Float[Tensor, "n k i"],
        carried: Float[Tensor, "n k c"] | None,
        state: Float[Tensor, "n h"],
    ) -> tuple[Float[Tensor, "n k c"], Float[Tensor, "n k c"], Float[Tensor, "n h"], Float[Tensor, " n"]]:
        density = self.mix(received * self.scale) * self.centre_scale[species].unsqueeze(1)
        if carried is not None:
            density = density + carried
        density = bounded(density)
        # the mean over the harmonics, not the sum, keeps a square of order 1 where the density is
        square = self.product(density, density) / density.shape[1]
        # body orders 2, 3, 4 and 5: the density, and its square contracted with 1, with the density and with itself
        invariants = [density[:, 0], square[:, 0], (square * density).sum(1), (square * square).sum(1)]
        state = state + self.update(torch.cat([*invariants, state], dim=1))
        return density, square, state, self.readout(state).squeeze(-1)


# Densities of equilibrium structures are of order 1 to 5; the bound must not touch them.
LARGEST_DENSITY = 10.0


def bounded(density: Float[Tensor, "n k c"]) -> Float[Tensor, "n k c"]:
    """The density, scaled down smoothly as it grows: atoms far too close do not send powers of it to infinity."""
    size = density.square().mean(dim=(1, 2), keepdim=True)
    return density * (1.0 + size / LARGEST_DENSITY**2).rsqrt()


class Message(nn.Module):
    """What an atom sends along each bond: its scalars, its density in the direction of the bond, its whole density."""

    def __init__(self, config: QACEConfig) -> None:
        super().__init__()
        c = config.channels
        self.gates = nn.Linear(config.hidden, 3 * c)
        self.mix = DegreeLinear(c, c, config.l_max)
        self.filters = nn.Parameter(torch.randn(3, config.radial_functions, c) / config.radial_functions)
        # a density along a direction is a sum over (l_max + 1)^2 coefficients; neighbours mostly add up in step
        self.scale = config.typical_neighbours**-0.5 / (config.l_max + 1)

    def forward(
        self,
        density: Float[Tensor, "n k c"],
        square: Float[Tensor, "n k c"],
        state: Float[Tensor, "n h"],
        harmonics: Float[Tensor, "p k"],
        radial: Float[Tensor, "p r"],
        odd: Int[Tensor, " k"],
        edges: Edges,
    ) -> tuple[Float[Tensor, "n k c"], Float[Tensor, "n k c"]]:
        scalar, gate_density, gate_square = self.gates(state).chunk(3, dim=1)
        carried = self.mix(density * gate_density.unsqueeze(1) + square * gate_square.unsqueeze(1))
        filter_scalar, filter_density, filter_whole = (radial @ weight for weight in self.filters)
        received = expanded_sum(edges, odd, harmonics, filter_scalar, scalar)
        received = received + bond_sum(edges, odd, harmonics, filter_density, carried)
        received = received + filtered_sum(edges, filter_whole, carried)
        return received * self.scale, carried


class QACE(nn.Module):
    """Energy of each atom, in arbitrary units, from its species and the edges."""

    def __init__(self, config: QACEConfig, n_elements: int) -> None:
        super().__init__()
        self.config = config
        q = min(n_elements, config.species_channels)
        apart = n_elements <= config.species_channels
        self.species_embedding = nn.Parameter(torch.eye(n_elements) if apart else torch.randn(n_elements, q))
        self.state_embedding = nn.Embedding(n_elements, config.hidden)
        self.harmonics = SphericalHarmonics(config.l_max)
        first, further = config.radial_functions * q, config.channels
        self.interactions = nn.ModuleList(
            Interaction(config, n_elements, further if layer else first) for layer in range(config.layers)
        )
        self.messages = nn.ModuleList(Message(config) for _ in range(config.layers - 1))

    def forward(self, species: Int[Tensor, " n"], edges: Edges) -> Float[Tensor, " n"]:
        config = self.config
        distance = edges.vectors.norm(dim=1)
        harmonics = self.harmonics(edges.vectors / distance.unsqueeze(1))
        odd = self.harmonics.odd.to(species.device)
        radial = bessel_basis(distance, config.cutoff_angstrom, config.radial_functions)
        radial = radial * polynomial_cutoff(distance, config.cutoff_angstrom).unsqueeze(1)

        # the first density keeps each radial function of each kind of neighbour apart
        kinds = self.species_embedding.shape[1]
        kind_of_neighbour = self.species_embedding[species].repeat_interleave(config.radial_functions, dim=1)
        received = expanded_sum(edges, odd, harmonics, radial.repeat(1, kinds), kind_of_neighbour)
        density, square, state, energy = self.interactions[0](species, received, None, self.state_embedding(species))
        for message, interaction in zip(self.messages, self.interactions[1:], strict=True):
            received, carried = message(density, square, state, harmonics, radial, odd, edges)
            density, square, state, share = interaction(species, received, carried, state)
            energy = energy + share
        return energy
