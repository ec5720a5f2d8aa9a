"""What QACE can tell apart, of which the laws say nothing."""

import math

import torch

from sciml.core.atoms import AtomGraph
from sciml.gnn.potential import build_potential
from sciml.gnn.qace import QACEConfig

# the bonds below are 1.0 and 1.1 long, the next distances at least 1.6
BONDS_ONLY_ANGSTROM = 1.4


def test_a_dihedral_is_seen_through_bonds_alone() -> None:
    """Ends of a chain of four do not see each other: the density that is sent along the middle bond keeps its turn."""
    config = QACEConfig(cutoff_angstrom=BONDS_ONLY_ANGSTROM, channels=4, hidden=8, typical_neighbours=2.0)
    potential = build_potential(config, (6,), [0.0]).double()
    energies = [potential(_chain(math.radians(angle))).energy.item() for angle in (40.0, 80.0, 180.0, -40.0)]
    differences = [abs(energies[0] - other) for other in energies[1:3]]
    assert min(differences) > 1e-6 * abs(energies[0])
    assert math.isclose(energies[0], energies[3], rel_tol=1e-12), "a mirror image has the same energy"


def _chain(dihedral: float) -> AtomGraph:
    """Four atoms with right angles between their bonds."""
    positions = torch.tensor(
        [[1.0, 0, 0], [0, 0, 0], [0, 0, 1.1], [math.cos(dihedral), math.sin(dihedral), 1.1]], dtype=torch.float64
    )
    bonds = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    return AtomGraph(
        positions=positions,
        atomic_numbers=torch.full((4,), 6),
        cell=torch.zeros(1, 3, 3, dtype=torch.float64),
        pbc=torch.zeros(1, 3, dtype=torch.bool),
        edge_index=bonds,
        edge_shift=torch.zeros(6, 3, dtype=torch.float64),
        graph_index=torch.zeros(4, dtype=torch.int64),
    )
