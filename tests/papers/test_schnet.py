"""SchNet against torch-geometric's, which the authors of torch-geometric checked against the published model."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms
from torch import nn
from torch_geometric.nn import SchNet as ReferenceSchNet

from sciml.gnn.edges import pair_edges
from sciml.gnn.schnet import SchNet, SchNetConfig
from sciml.materials.graphs import build_graph
from sciml.materials.structures import from_atoms

CUTOFF = 4.0
SPECIES = {1: 0, 6: 1, 8: 2}


class RadiusGraph(nn.Module):
    """All pairs within the cutoff, for torch-geometric's model: its own search needs another package."""

    def forward(self, positions: torch.Tensor, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        distance = torch.cdist(positions, positions)
        centre, neighbour = ((distance < CUTOFF) & (distance > 0)).nonzero(as_tuple=True)
        return torch.stack([neighbour, centre]), distance[centre, neighbour]


def share_weights(ours: SchNet, theirs: ReferenceSchNet) -> None:
    """Copies their weights to ours, so that both compute the same function if the architectures coincide."""
    numbers = sorted(SPECIES, key=SPECIES.__getitem__)
    pairs = [(ours.embedding.weight, theirs.embedding.weight[numbers])]
    modules = [(ours.readout[0], theirs.lin1), (ours.readout[2], theirs.lin2)]
    for mine, reference in zip(ours.interactions, theirs.interactions, strict=True):
        modules += [
            (mine.filter[0], reference.mlp[0]),
            (mine.filter[2], reference.mlp[2]),
            (mine.before, reference.conv.lin1),
            (mine.after[0], reference.conv.lin2),
            (mine.after[2], reference.lin),
        ]
    for mine, reference in modules:
        pairs.append((mine.weight, reference.weight))
        if reference.bias is not None:
            pairs.append((mine.bias, reference.bias))
    with torch.no_grad():
        for mine, reference in pairs:
            mine.copy_(reference)
    assert len(pairs) == len(list(ours.parameters()))


def test_agrees_with_torch_geometric() -> None:
    torch.manual_seed(0)
    theirs = ReferenceSchNet(
        hidden_channels=24, num_filters=24, num_interactions=3, num_gaussians=20, cutoff=CUTOFF,
        interaction_graph=RadiusGraph(),
    ).double()  # fmt: skip
    ours = SchNet(SchNetConfig(cutoff_angstrom=CUTOFF, channels=24, layers=3, gaussians=20), len(SPECIES)).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)  # theirs starts with zero biases, which would hide a mistake in them
    share_weights(ours, theirs)

    rng = np.random.default_rng(1)
    positions = rng.normal(size=(24, 3)) * 2.5
    numbers = rng.choice(list(SPECIES), size=24)
    position = torch.tensor(positions, requires_grad=True)
    reference = theirs(torch.from_numpy(numbers), position).squeeze()
    (reference_slope,) = torch.autograd.grad(reference, position)

    graph = build_graph(from_atoms(Atoms(numbers, positions)), CUTOFF)
    moved = graph.positions.clone().requires_grad_()
    centre, neighbour = graph.edge_index
    edges = pair_edges(graph.edge_index, graph.edge_shift, moved[neighbour] - moved[centre], graph.n_atoms)
    energy = ours(torch.tensor([SPECIES[int(z)] for z in numbers]), edges).sum()
    (slope,) = torch.autograd.grad(energy, moved)

    assert reference.detach().abs() > 1.0
    # theirs rounds the width of the Gaussians to single precision
    torch.testing.assert_close(energy, reference, rtol=1e-6, atol=0)
    torch.testing.assert_close(slope, reference_slope, rtol=0, atol=1e-6 * float(reference_slope.abs().max()))
