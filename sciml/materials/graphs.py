"""From labelled structures to graphs that a potential takes.

Shapes: n atoms, e directed edges.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int, UInt

from sciml.core.atoms import AtomGraph, AtomLabels
from sciml.materials.structures import Structure, neighbour_pairs


def build_graph(structure: Structure, cutoff_angstrom: float, dtype: torch.dtype = torch.float64) -> AtomGraph:
    """The structure with all its neighbours within the cutoff, whatever its cell.

    The cell may be triclinic, smaller than the cutoff, absent (zero rows) or periodic along some directions only;
    atoms may lie outside of it.

    Args:
        structure: atoms in their cell.
        cutoff_angstrom: distance up to which atoms are neighbours.
        dtype: of the positions, cell and shifts.
    """
    i, j, shift = neighbour_pairs(structure, cutoff_angstrom, "ijS")
    return graph_from_pairs(structure, i, j, shift, dtype)


def graph_from_pairs(
    structure: Structure,
    i: Int[np.ndarray, " e"] | UInt[np.ndarray, " e"],
    j: Int[np.ndarray, " e"] | UInt[np.ndarray, " e"],
    shift: Int[np.ndarray, "e 3"],
    dtype: torch.dtype = torch.float64,
) -> AtomGraph:
    """The structure with the pairs that a neighbour list has found, sorted by the first atom.

    Args:
        structure: atoms in their cell.
        i: centres.
        j: neighbours.
        shift: lattice translations of the neighbours, whole numbers.
        dtype: of the positions, cell and shifts.
    """
    return AtomGraph(
        positions=torch.from_numpy(structure.positions).to(dtype),
        atomic_numbers=torch.from_numpy(structure.atomic_numbers),
        cell=torch.from_numpy(structure.cell).to(dtype).unsqueeze(0),
        pbc=torch.from_numpy(structure.pbc).unsqueeze(0),
        edge_index=torch.from_numpy(np.stack([i, j]).astype(np.int64)),
        edge_shift=torch.from_numpy(shift).to(dtype),
        graph_index=torch.zeros(structure.n_atoms, dtype=torch.long),
    )


def build_labels(structure: Structure) -> AtomLabels:
    """The structure's labels in float64, NaN where it has none; a stress needs three periodic directions."""
    stress = torch.from_numpy(structure.stress).unsqueeze(0)
    return AtomLabels(
        energy=torch.tensor([structure.energy], dtype=torch.float64),
        forces=torch.from_numpy(structure.forces),
        stress=stress if structure.pbc.all() else torch.full_like(stress, torch.nan),
    )


def batch_graphs(graphs: list[AtomGraph]) -> AtomGraph:
    """Several graphs as one, whose structures do not see each other."""
    n_before = np.cumsum([0] + [graph.n_atoms for graph in graphs])
    g_before = np.cumsum([0] + [graph.n_graphs for graph in graphs])
    return replace(
        graphs[0],
        positions=torch.cat([graph.positions for graph in graphs]),
        atomic_numbers=torch.cat([graph.atomic_numbers for graph in graphs]),
        cell=torch.cat([graph.cell for graph in graphs]),
        pbc=torch.cat([graph.pbc for graph in graphs]),
        edge_index=torch.cat([graph.edge_index + int(n) for graph, n in zip(graphs, n_before, strict=False)], dim=1),
        edge_shift=torch.cat([graph.edge_shift for graph in graphs]),
        graph_index=torch.cat([graph.graph_index + int(g) for graph, g in zip(graphs, g_before, strict=False)]),
    )
