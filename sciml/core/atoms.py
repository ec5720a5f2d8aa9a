"""Atomic structures as graphs: one immutable value, checked at birth, that torch-geometric can batch.

Shapes: n atoms, e directed edges, g structures (graphs).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from torch_geometric.data import Data


@dataclass(frozen=True, eq=False)
class AtomGraph:
    """One structure, or a batch of them, with its neighbours within a cutoff.

    Attributes:
        positions: Cartesian positions in angstrom.
        atomic_numbers: chemical elements, 1 = hydrogen.
        cell: lattice vectors in angstrom, one a row; zero rows along directions without a lattice.
        pbc: whether the structure repeats along each lattice vector.
        edge_index: row 0 the centre i, row 1 its neighbour j, sorted by centre; both directions are present.
        edge_shift: lattice translations (whole numbers) of the neighbour, so that the edge vector is
            ``positions[j] + edge_shift @ cell - positions[i]``.
        graph_index: the structure that each atom belongs to, non-decreasing.

    Raises:
        ValueError: shapes that do not belong together, or edges that are not sorted by centre.
    """

    positions: Float[Tensor, "n 3"]
    atomic_numbers: Int[Tensor, " n"]
    cell: Float[Tensor, "g 3 3"]
    pbc: Bool[Tensor, "g 3"]
    edge_index: Int[Tensor, "2 e"]
    edge_shift: Float[Tensor, "e 3"]
    graph_index: Int[Tensor, " n"]

    def __post_init__(self) -> None:
        n, e = self.positions.shape[0], self.edge_index.shape[1]
        shapes = {
            "positions": (self.positions, (n, 3)),
            "atomic_numbers": (self.atomic_numbers, (n,)),
            "cell": (self.cell, (self.n_graphs, 3, 3)),
            "pbc": (self.pbc, (self.n_graphs, 3)),
            "edge_index": (self.edge_index, (2, e)),
            "edge_shift": (self.edge_shift, (e, 3)),
            "graph_index": (self.graph_index, (n,)),
        }
        for name, (tensor, shape) in shapes.items():
            if tuple(tensor.shape) != shape:
                raise ValueError(
                    f"AtomGraph.{name} must have shape {shape} ({n} atoms, {e} edges), but has {tuple(tensor.shape)}."
                )
        if e and bool((self.edge_index[0].diff() < 0).any()):
            raise ValueError("AtomGraph.edge_index must be sorted by its first row, the centre atom. Sort it first.")

    @property
    def n_atoms(self) -> int:
        return self.positions.shape[0]

    @property
    def n_graphs(self) -> int:
        return self.cell.shape[0]

    @property
    def atoms_per_graph(self) -> Int[Tensor, " g"]:
        return torch.bincount(self.graph_index, minlength=self.n_graphs)

    def to(self, dtype: torch.dtype) -> AtomGraph:
        """The same graph with its real-valued tensors in `dtype`."""
        return replace(
            self, positions=self.positions.to(dtype), cell=self.cell.to(dtype), edge_shift=self.edge_shift.to(dtype)
        )


@dataclass(frozen=True, eq=False)
class AtomLabels:
    """Reference values of a structure or a batch; NaN stands for a value that the data does not have.

    Attributes:
        energy: total energy in eV.
        forces: in eV/angstrom.
        stress: Cauchy stress in eV/angstrom^3, positive under tension (ASE's sign).
    """

    energy: Float[Tensor, " g"]
    forces: Float[Tensor, "n 3"]
    stress: Float[Tensor, "g 3 3"]


def edge_vectors(graph: AtomGraph) -> Float[Tensor, "e 3"]:
    """Vectors from each centre to its neighbour, in angstrom."""
    centre, neighbour = graph.edge_index
    cell_e33 = graph.cell.index_select(0, graph.graph_index.index_select(0, centre))
    shift_e3 = torch.bmm(graph.edge_shift.unsqueeze(1), cell_e33).squeeze(1)
    return graph.positions.index_select(0, neighbour) - graph.positions.index_select(0, centre) + shift_e3


def to_pyg(graph: AtomGraph, labels: AtomLabels) -> Data:
    """One structure and its labels as torch-geometric's Data, for its DataLoader to batch."""
    from torch_geometric.data import Data

    return Data(
        pos=graph.positions,
        z=graph.atomic_numbers,
        cell=graph.cell,
        pbc=graph.pbc,
        edge_index=graph.edge_index,
        edge_shift=graph.edge_shift,
        energy=labels.energy,
        forces=labels.forces,
        stress=labels.stress,
    )


def from_pyg(data: Data) -> tuple[AtomGraph, AtomLabels]:
    """The inverse of `to_pyg`, also for a torch-geometric Batch."""
    fields: dict[str, Any] = data.to_dict()
    graph = AtomGraph(
        positions=fields["pos"],
        atomic_numbers=fields["z"],
        cell=fields["cell"],
        pbc=fields["pbc"],
        edge_index=fields["edge_index"],
        edge_shift=fields["edge_shift"],
        graph_index=fields.get("batch", torch.zeros_like(fields["z"])),
    )
    return graph, AtomLabels(energy=fields["energy"], forces=fields["forces"], stress=fields["stress"])
