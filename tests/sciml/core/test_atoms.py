"""The graph of atoms is checked at birth, and torch-geometric carries it there and back."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch_geometric.data import Batch

from sciml.core.atoms import AtomGraph, AtomLabels, edge_vectors, from_pyg, to_pyg


@pytest.fixture
def graph() -> AtomGraph:
    """Two atoms a chain apart along z, whose cell is 3 long: each is the other's neighbour twice."""
    return AtomGraph(
        positions=torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        atomic_numbers=torch.tensor([6, 1]),
        cell=torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]]]),
        pbc=torch.tensor([[False, False, True]]),
        edge_index=torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0]]),
        edge_shift=torch.tensor([[0.0, 0, 0], [0, 0, -1], [0, 0, 0], [0, 0, 1]]),
        graph_index=torch.tensor([0, 0]),
    )


@pytest.fixture
def labels() -> AtomLabels:
    return AtomLabels(
        energy=torch.tensor([-3.0], dtype=torch.float64),
        forces=torch.arange(6, dtype=torch.float64).reshape(2, 3),
        stress=torch.full((1, 3, 3), torch.nan, dtype=torch.float64),
    )


def test_edge_vectors_by_hand(graph: AtomGraph) -> None:
    expected = torch.tensor([[0.0, 0, 1], [0, 0, -2], [0, 0, -1], [0, 0, 2]])
    assert torch.equal(edge_vectors(graph), expected)


def test_counts(graph: AtomGraph) -> None:
    assert (graph.n_atoms, graph.n_graphs, graph.atoms_per_graph.tolist()) == (2, 1, [2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("atomic_numbers", torch.tensor([6])),
        ("pbc", torch.ones(2, 3, dtype=torch.bool)),
        ("edge_shift", torch.zeros(3, 3)),
        ("graph_index", torch.tensor([0, 0, 0])),
    ],
)
def test_shapes_that_do_not_belong_together(name: str, value: torch.Tensor, graph: AtomGraph) -> None:
    # jaxtyping sees it first where it is on, __post_init__ where it is not
    with pytest.raises(Exception, match=name):
        replace(graph, **{name: value})


def test_edges_must_be_sorted_by_centre(graph: AtomGraph) -> None:
    with pytest.raises(ValueError, match="sorted by its first row"):
        replace(graph, edge_index=torch.tensor([[0, 1, 0, 1], [1, 0, 1, 0]]))


def test_a_graph_is_immutable(graph: AtomGraph) -> None:
    with pytest.raises(FrozenInstanceError):
        graph.positions = graph.positions  # type: ignore[misc]


def test_to_changes_real_numbers_only(graph: AtomGraph) -> None:
    double = graph.to(torch.float64)
    assert double.positions.dtype == double.cell.dtype == double.edge_shift.dtype == torch.float64
    assert double.edge_index.dtype == double.atomic_numbers.dtype == torch.int64
    assert double.pbc.dtype == torch.bool


def test_torch_geometric_and_back(graph: AtomGraph, labels: AtomLabels) -> None:
    again, labels_again = from_pyg(to_pyg(graph, labels))
    for name in ("positions", "atomic_numbers", "cell", "pbc", "edge_index", "edge_shift", "graph_index"):
        assert torch.equal(getattr(again, name), getattr(graph, name)), name
    assert torch.equal(labels_again.energy, labels.energy)
    assert torch.equal(labels_again.forces, labels.forces)
    assert labels_again.stress.isnan().all()


def test_a_batch_of_torch_geometric(graph: AtomGraph, labels: AtomLabels) -> None:
    moved = replace(graph, positions=graph.positions + 7.0)
    batch = Batch.from_data_list([to_pyg(graph, labels), to_pyg(moved, labels)])
    both, both_labels = from_pyg(batch)
    assert both.n_graphs == 2
    assert both.graph_index.tolist() == [0, 0, 1, 1]
    assert both.edge_index[:, 4:].min() == 2
    assert torch.equal(edge_vectors(both), torch.cat([edge_vectors(graph), edge_vectors(moved)]))
    assert both_labels.energy.tolist() == [-3.0, -3.0]
    assert both_labels.stress.shape == (2, 3, 3)
