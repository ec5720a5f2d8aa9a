"""An interatomic potential: a network gives each atom an energy; forces and stress are its derivatives.

The network sees edge vectors only, so the potential is translation invariant by construction, and forces, virial
and per-atom energies all follow from dE/d(edge vector), which one autograd call gives. An atom without neighbours
has exactly its reference energy: what the network says of a lone atom is subtracted.

Shapes: n atoms, e directed edges, g structures, s elements that the potential knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sciml.core.architectures import architecture_of
from sciml.core.atoms import AtomGraph, edge_vectors
from sciml.core.errors import UserError
from sciml.gnn.edges import Edges, pair_edges
from sciml.gnn.painn import PaiNN, PaiNNConfig
from sciml.gnn.qace import QACE, QACEConfig
from sciml.gnn.schnet import SchNet, SchNetConfig

POTENTIALS: dict[str, tuple[Any, Any]] = {
    "schnet": (SchNetConfig, SchNet),
    "painn": (PaiNNConfig, PaiNN),
    "qace": (QACEConfig, QACE),
}


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a potential says of a batch.

    Attributes:
        energy: of each structure, in eV.
        forces: in eV/angstrom.
        stress: Cauchy stress in eV/angstrom^3, positive under tension; NaN where the cell has no volume.
        atom_energies: share of each atom in the energy, in eV.
    """

    energy: Float[Tensor, " g"]
    forces: Float[Tensor, "n 3"]
    stress: Float[Tensor, "g 3 3"]
    atom_energies: Float[Tensor, " n"]


class Potential(nn.Module):
    """Energy, forces and stress of structures, from a network over their edges.

    Args:
        network: maps (species [n], edges) to one number an atom, in units of `energy_scale_ev`.
        elements: atomic numbers that the potential knows.
        cutoff_angstrom: distance beyond which atoms do not see each other directly.
        reference_energies_ev: energy of a lone atom of each element.
        energy_scale_ev: unit of the network's output.
    """

    reference_energies_ev: Tensor
    energy_scale_ev: Tensor
    species_of_number: Tensor

    def __init__(
        self,
        network: nn.Module,
        elements: Sequence[int],
        cutoff_angstrom: float,
        reference_energies_ev: Sequence[float],
        energy_scale_ev: float,
    ) -> None:
        super().__init__()
        if len(reference_energies_ev) != len(elements):
            raise ValueError(
                f"A potential of {len(elements)} elements needs as many reference energies, "
                f"but got {len(reference_energies_ev)}."
            )
        self.network = network
        self.elements = tuple(int(z) for z in elements)
        self.cutoff_angstrom = float(cutoff_angstrom)
        self.register_buffer("reference_energies_ev", torch.tensor(list(reference_energies_ev), dtype=torch.float64))
        self.register_buffer("energy_scale_ev", torch.tensor(float(energy_scale_ev), dtype=torch.float64))
        species_of_number = torch.full((128,), -1, dtype=torch.long)
        species_of_number[list(self.elements)] = torch.arange(len(self.elements))
        self.register_buffer("species_of_number", species_of_number, persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the network; energies are summed in float64 whatever it is."""
        return next(self.network.parameters()).dtype

    def species(self, atomic_numbers: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Index of each atom's element among `elements`.

        Raises:
            UserError: an element that the potential was not made for.
        """
        species = self.species_of_number[atomic_numbers]
        if bool((species < 0).any()):
            unknown = sorted(set(atomic_numbers[species < 0].tolist()))
            raise UserError(
                f"The potential knows the elements with atomic numbers {list(self.elements)}, but the structure has "
                f"{unknown}. Train on data that contain them, or use another potential."
            )
        return species

    def forward(self, graph: AtomGraph) -> Prediction:
        """Energy, forces and stress; in training mode they keep their graph for a loss over forces.

        Raises:
            UserError: an element that the potential was not made for.
        """
        species = self.species(graph.atomic_numbers)
        # the lone atoms that energies are counted from stand behind the structure's own
        n_atoms = graph.n_atoms + len(self.elements)
        with torch.enable_grad():
            vectors = edge_vectors(graph.to(self.dtype)).detach()
            edges = pair_edges(graph.edge_index, graph.edge_shift, vectors, n_atoms)
            vectors = edges.vectors.requires_grad_()
            network_energies = self._above_lone_atoms(species, edges)
            (slope_p3,) = torch.autograd.grad(network_energies.sum(), vectors, create_graph=self.training)
            atom_energies = self.reference_energies_ev[species] + self.energy_scale_ev * network_energies
            slope_p3 = slope_p3.double() * self.energy_scale_ev
            forces = slope_p3.new_zeros(graph.n_atoms, 3).index_add(0, edges.first, slope_p3)
            prediction = Prediction(
                energy=atom_energies.new_zeros(graph.n_graphs).index_add(0, graph.graph_index, atom_energies),
                forces=forces.index_add(0, edges.second, slope_p3, alpha=-1.0),
                stress=_stress(graph, edges, slope_p3),
                atom_energies=atom_energies,
            )
        return prediction if self.training else _detached(prediction)

    def _above_lone_atoms(self, species: Int[Tensor, " n"], edges: Edges) -> Float[Tensor, " n"]:
        """The network's output less its output for a lone atom of the same element, in float64."""
        lone = torch.arange(len(self.elements), device=species.device)
        output = self.network(torch.cat([species, lone]), edges).double()
        return output[: len(species)] - output[len(species) :][species]


def _stress(graph: AtomGraph, edges: Edges, slope: Float[Tensor, "p 3"]) -> Float[Tensor, "g 3 3"]:
    """Sum of r (x) dE/dr over the pairs, over the volume; symmetric because the energy does not feel rotations."""
    outer_p9 = (edges.vectors.double().unsqueeze(2) * slope.unsqueeze(1)).flatten(1)
    graph_of_pair = graph.graph_index[edges.first]
    virial_g33 = slope.new_zeros(graph.n_graphs, 9).index_add(0, graph_of_pair, outer_p9).view(-1, 3, 3)
    volume_g = torch.linalg.det(graph.cell.double()).abs()
    has_volume_g = graph.pbc.all(dim=1) & (volume_g > 0)
    # the safe divisor keeps gradients finite where the loss masks a stress that does not exist
    stress_g33 = (
        0.5 * (virial_g33 + virial_g33.transpose(1, 2)) / torch.where(has_volume_g, volume_g, 1.0)[:, None, None]
    )
    return stress_g33.masked_fill(~has_volume_g[:, None, None], torch.nan)


def _detached(prediction: Prediction) -> Prediction:
    return Prediction(
        prediction.energy.detach(),
        prediction.forces.detach(),
        prediction.stress.detach(),
        prediction.atom_energies.detach(),
    )


def build_potential(
    config: Any, elements: Sequence[int], reference_energies_ev: Sequence[float], energy_scale_ev: float = 1.0
) -> Potential:
    """A potential with fresh weights of the architecture that `config` belongs to."""
    _, network_class = POTENTIALS[architecture_of(config, POTENTIALS)]
    network = network_class(config, len(elements))
    return Potential(network, elements, config.cutoff_angstrom, reference_energies_ev, energy_scale_ev)
