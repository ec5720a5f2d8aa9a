"""Neighbours of every kind of cell, against a sum over images and two other libraries."""

from __future__ import annotations

import itertools

import matscipy.neighbours
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.geometry import complete_cell
from ase.neighborlist import primitive_neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sciml.core.atoms import AtomGraph, edge_vectors
from sciml.materials.graphs import batch_graphs, build_graph, build_labels
from sciml.materials.structures import Structure, from_atoms

Edge = tuple[int, int, int, int, int]


def edges_of(graph: AtomGraph) -> list[Edge]:
    i, j = graph.edge_index.tolist()
    return sorted(zip(i, j, *graph.edge_shift.to(torch.long).T.tolist(), strict=True))


def edges_by_summing_images(structure: Structure, cutoff: float) -> tuple[list[Edge], float]:
    """Every image that can be within the cutoff is tried; also how near to the cutoff the nearest distance comes."""
    x, cell, pbc = structure.positions, structure.cell, structure.pbc
    reach = np.zeros(3, dtype=int)
    if pbc.any():
        # dual vectors of the periodic rows: their product with a difference vector is its fractional coordinate
        dual = np.zeros((3, 3))
        dual[pbc] = np.linalg.pinv(cell[pbc]).T
        spread = np.abs((x[:, None] - x[None]) @ dual.T).max(axis=(0, 1))
        reach = np.ceil(spread + cutoff * np.linalg.norm(dual, axis=1)).astype(int) * pbc
    found, margin = [], np.inf
    for shift in itertools.product(*(range(-r, r + 1) for r in reach)):
        d = np.linalg.norm(x[None] + np.array(shift) @ cell - x[:, None], axis=2)
        if shift == (0, 0, 0):
            np.fill_diagonal(d, np.inf)
        margin = min(margin, float(np.abs(d - cutoff).min()))
        found += [(int(i), int(j), *shift) for i, j in np.argwhere(d < cutoff)]
    return sorted(found), margin


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    n = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    cell = rng.normal(size=(3, 3)) * draw(st.floats(1.0, 5.0))
    pbc = np.array(draw(st.tuples(st.booleans(), st.booleans(), st.booleans())))
    if draw(st.booleans()):
        cell[~pbc] = 0.0
    heights = 1 / np.linalg.norm(np.linalg.pinv(cell[pbc]), axis=0) if pbc.any() else np.array([9.0])
    assume(heights.min() > 0.8)
    # atoms inside, and up to three cells outside
    positions = rng.uniform(-3, 4, size=(n, 3)) @ np.where(cell.any(axis=1, keepdims=True), cell, 3 * np.eye(3))
    symbols = "Si" + ("C" + str(n - 1) if n > 1 else "")
    return from_atoms(Atoms(symbols, positions, cell=cell, pbc=pbc))


@settings(max_examples=150, deadline=None)
@given(structures(), st.floats(1.5, 6.0))
def test_neighbours_are_those_of_a_sum_over_images(structure: Structure, cutoff: float) -> None:
    expected, margin = edges_by_summing_images(structure, cutoff)
    assume(margin > 1e-9)  # on the cutoff itself rounding decides
    assert edges_of(build_graph(structure, cutoff)) == expected


@settings(max_examples=60, deadline=None)
@given(structures(), st.floats(1.5, 6.0))
def test_neighbours_are_those_of_ase(structure: Structure, cutoff: float) -> None:
    assume(structure.n_atoms > 1 or structure.pbc.any())
    graph = build_graph(structure, cutoff)
    d = edge_vectors(graph).norm(dim=1)
    assume(len(d) == 0 or float((d - cutoff).abs().min()) > 1e-9)
    # ASE loses neighbours when a row of the cell is zero
    cell = complete_cell(structure.cell)
    i, j, shift = primitive_neighbor_list("ijS", structure.pbc, cell, structure.positions, cutoff)
    assert edges_of(graph) == sorted((int(a), int(b), *map(int, s)) for a, b, s in zip(i, j, shift, strict=True))


@pytest.mark.parametrize("cutoff", [2.9, 6.1])
def test_neighbours_of_a_crystal_are_those_of_matscipy(cutoff: float) -> None:
    atoms = bulk("Si", cubic=True) * (2, 1, 1)
    atoms.rattle(0.1, seed=0)
    i, j, shift = matscipy.neighbours.neighbour_list("ijS", atoms, cutoff)
    graph = build_graph(from_atoms(atoms), cutoff)
    assert edges_of(graph) == sorted((int(a), int(b), *map(int, s)) for a, b, s in zip(i, j, shift, strict=True))


def test_each_edge_has_its_opposite_to_the_last_bit() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.2, seed=1)
    graph = build_graph(from_atoms(atoms), 5.0)
    vectors = dict(
        zip(
            zip(*graph.edge_index.tolist(), *graph.edge_shift.long().T.tolist(), strict=True),
            edge_vectors(graph).tolist(),
            strict=True,
        )
    )
    for (i, j, *shift), vector in vectors.items():
        assert vectors[(j, i, *(-s for s in shift))] == [-v for v in vector]


def test_centres_are_sorted() -> None:
    graph = build_graph(from_atoms(molecule("C60")), 3.0)
    assert bool((graph.edge_index[0].diff() >= 0).all())


def test_one_atom_sees_its_own_images() -> None:
    graph = build_graph(from_atoms(Atoms("Po", cell=np.eye(3) * 3.0, pbc=True)), 3.5)
    # simple cubic: six neighbours at the lattice constant, the next ones at 3 * sqrt(2) = 4.24
    assert graph.edge_index.shape == (2, 6)


def test_an_isolated_atom_has_no_neighbours() -> None:
    graph = build_graph(from_atoms(Atoms("He")), 6.0)
    assert graph.edge_index.shape == (2, 0)
    assert graph.n_graphs == 1


def test_a_slab_has_no_images_across_its_surface() -> None:
    atoms = fcc111("Al", (1, 1, 3), vacuum=None)
    atoms.pbc = (True, True, False)
    atoms.cell[2] = 0.0
    graph = build_graph(from_atoms(atoms), 6.0)
    assert bool((graph.edge_shift[:, 2] == 0).all())
    assert bool((graph.edge_shift[:, :2] != 0).any())


def test_dtype_is_that_asked_for() -> None:
    graph = build_graph(from_atoms(bulk("Si")), 4.0, torch.float32)
    assert graph.positions.dtype == graph.cell.dtype == graph.edge_shift.dtype == torch.float32


def test_a_batch_keeps_its_structures_apart() -> None:
    parts = [build_graph(from_atoms(atoms), 4.0) for atoms in (bulk("Si"), molecule("H2O"), bulk("Cu"))]
    batch = batch_graphs(parts)
    assert batch.n_graphs == 3
    assert batch.atoms_per_graph.tolist() == [2, 3, 1]
    centre, neighbour = batch.graph_index[batch.edge_index]
    assert torch.equal(centre, neighbour)
    lengths = torch.cat([edge_vectors(part).norm(dim=1) for part in parts])
    # the same subtraction of the same numbers
    assert torch.equal(edge_vectors(batch).norm(dim=1), lengths)


def test_labels_that_are_missing_are_nan(alloys: list[Structure]) -> None:
    labels = build_labels(from_atoms(bulk("Si")))
    assert labels.energy.isnan().all()
    assert labels.forces.isnan().all()
    assert labels.stress.isnan().all()
    labels = build_labels(alloys[0])
    assert float(labels.energy[0]) == alloys[0].energy
    np.testing.assert_array_equal(labels.stress[0].numpy(), alloys[0].stress)
