"""Laws of physics over every interatomic potential, in float64, with random weights.

Energies are of the order of 1 eV and forces of 1 eV/angstrom above the reference, so rounding stays below 1e-12 of
them; the tolerances leave two to three decimals of room for the length of the sums.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck

from sciml.core.atoms import AtomGraph
from sciml.core.errors import UserError
from sciml.gnn.edges import pair_edges
from sciml.gnn.potential import Potential
from sciml.materials.graphs import batch_graphs

GraphOf = Callable[[Atoms], AtomGraph]
REFERENCE = {1: -13.6, 8: -430.0, 14: -5.5}


def energy_of(potential: Potential, graph: AtomGraph) -> float:
    return float(potential(graph).energy[0])


def reference_of(atoms: Atoms) -> float:
    return sum(REFERENCE[z] for z in atoms.numbers)


def test_the_network_says_something(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    """Guards the laws below against being kept by a potential that is zero."""
    prediction = potential(graph_of(crystal))
    assert abs(float(prediction.energy[0]) - reference_of(crystal)) > 1e-3
    assert prediction.forces.abs().max() > 1e-3
    assert prediction.stress.abs().max() > 1e-6


def test_translation_changes_nothing(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    before = potential(graph_of(crystal))
    crystal.translate([3.7, -11.2, 0.4])
    after = potential(graph_of(crystal))
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(after.forces, before.forces, rtol=0, atol=1e-9)


def test_wrapping_atoms_into_the_cell_changes_nothing(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    before = potential(graph_of(crystal))
    crystal.positions += crystal.cell.array[1] * np.arange(len(crystal))[:, None]
    after = potential(graph_of(crystal))
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(after.forces, before.forces, rtol=0, atol=1e-9)


@pytest.mark.parametrize("reflect", [False, True], ids=["rotation", "reflection"])
def test_rotation_and_reflection(potential: Potential, crystal: Atoms, graph_of: GraphOf, reflect: bool) -> None:
    before = potential(graph_of(crystal))
    turn = Rotation.from_rotvec([0.3, -1.1, 2.0]).as_matrix() * (-1.0 if reflect else 1.0)
    crystal.set_cell(crystal.cell.array @ turn.T)
    crystal.set_positions(crystal.positions @ turn.T)
    after = potential(graph_of(crystal))
    rotation = torch.from_numpy(turn)
    # Lebedev's tables have 12 digits, hence more room than rounding would need
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-8)
    torch.testing.assert_close(after.forces, before.forces @ rotation.T, rtol=0, atol=1e-8)
    torch.testing.assert_close(after.stress[0], rotation @ before.stress[0] @ rotation.T, rtol=0, atol=1e-9)


def test_permutation_of_atoms(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    before = potential(graph_of(crystal))
    order = np.random.default_rng(0).permutation(len(crystal))
    after = potential(graph_of(crystal[order]))
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(after.forces, before.forces[torch.from_numpy(order)], rtol=0, atol=1e-9)


@pytest.mark.parametrize("repeat", [(2, 1, 1), (1, 2, 1), (1, 1, 3)])
def test_extensivity(potential: Potential, crystal: Atoms, graph_of: GraphOf, repeat: tuple[int, int, int]) -> None:
    once, times = potential(graph_of(crystal)), int(np.prod(repeat))
    often = potential(graph_of(crystal * repeat))
    torch.testing.assert_close(often.energy, once.energy * times, rtol=0, atol=1e-8)
    torch.testing.assert_close(often.forces, once.forces.repeat(times, 1), rtol=0, atol=1e-9)
    torch.testing.assert_close(often.stress, once.stress, rtol=0, atol=1e-10)


def test_distant_groups_do_not_see_each_other(potential: Potential, graph_of: GraphOf) -> None:
    near = Atoms("SiOH", [[0, 0, 0], [1.6, 0, 0], [2.2, 0.8, 0]])
    far = near.copy()
    far.translate([60.0, 0, 0])
    assert energy_of(potential, graph_of(near + far)) == pytest.approx(
        2 * energy_of(potential, graph_of(near)), abs=1e-9
    )


def test_a_lone_atom_has_its_reference_energy(potential: Potential, graph_of: GraphOf) -> None:
    for symbol, number in (("H", 1), ("O", 8), ("Si", 14)):
        prediction = potential(graph_of(Atoms(symbol, [[0.3, 0.2, 0.1]])))
        # exact: the same numbers are subtracted from each other
        assert float(prediction.energy[0]) == REFERENCE[number]
        assert prediction.forces.abs().max() == 0.0
        assert prediction.stress.isnan().all()


def test_energy_and_force_are_smooth_at_the_cutoff(potential: Potential, graph_of: GraphOf) -> None:
    cutoff, step = potential.cutoff_angstrom, 1e-5

    def dimer(distance: float) -> tuple[float, float]:
        prediction = potential(graph_of(Atoms("SiO", [[0, 0, 0], [distance, 0, 0]])))
        return float(prediction.energy[0]) - REFERENCE[14] - REFERENCE[8], float(prediction.forces[1, 0])

    outside = dimer(cutoff + step)
    assert outside == (0.0, 0.0)
    energy, force = dimer(cutoff - step)
    further_energy, further_force = dimer(cutoff - 10 * step)
    # a cutoff function with zero slope: the energy falls as step^2 or faster and the force as step or faster
    assert abs(energy) < 1e-8
    assert abs(force) < 1e-3
    assert abs(energy) <= abs(further_energy) / 50 + 1e-13
    assert abs(force) <= abs(further_force) / 5 + 1e-13


def test_forces_are_the_slope_of_the_energy(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    forces = potential(graph_of(crystal)).forces
    step = 1e-4
    for atom, axis in ((0, 0), (3, 1), (7, 2)):
        energies = []
        for sign in (-2, -1, 1, 2):
            moved = crystal.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(energy_of(potential, graph_of(moved)))
        slope = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * step)
        # fourth-order difference: truncation 1e-16, rounding 1e-13 * 1e3 eV / 1e-4 angstrom
        assert float(forces[atom, axis]) == pytest.approx(-slope, abs=2e-7)


def test_forces_sum_to_zero(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    assert potential(graph_of(crystal)).forces.sum(0).abs().max() < 1e-12


def test_stress_is_the_slope_by_strain(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    stress, step = potential(graph_of(crystal)).stress[0], 1e-5
    for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)):
        energies = []
        for sign in (-1, 1):
            strain = np.eye(3)
            strain[a, b] += 0.5 * sign * step
            strain[b, a] += 0.5 * sign * step
            strained = crystal.copy()
            strained.set_cell(crystal.cell.array @ strain.T, scale_atoms=True)
            energies.append(energy_of(potential, graph_of(strained)))
        slope = (energies[1] - energies[0]) / (2 * step) / crystal.get_volume()
        assert float(stress[a, b]) == pytest.approx(slope, abs=1e-8)


def test_batch_of_many_is_many_batches_of_one(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    structures = [crystal, Atoms("H", [[0, 0, 0]]), crystal[:3] * (1, 2, 1), Atoms("OH", [[0, 0, 0], [0, 1.0, 0]])]
    graphs = [graph_of(atoms) for atoms in structures]
    together, apart = potential(batch_graphs(graphs)), [potential(graph) for graph in graphs]
    torch.testing.assert_close(together.energy, torch.cat([p.energy for p in apart]), rtol=0, atol=1e-9)
    torch.testing.assert_close(together.forces, torch.cat([p.forces for p in apart]), rtol=0, atol=1e-10)
    torch.testing.assert_close(
        together.stress, torch.cat([p.stress for p in apart]), rtol=0, atol=1e-11, equal_nan=True
    )


def test_network_gradients_of_both_orders(potential: Potential, graph_of: GraphOf) -> None:
    """Training differentiates forces, so the second derivative of the energy has to be right as well."""
    graph = graph_of(Atoms("SiOHSi", [[0, 0, 0], [1.6, 0, 0.2], [2.2, 0.9, 0], [0.4, 1.3, -1.5]]))
    species = potential.species(graph.atomic_numbers)
    edges = pair_edges(graph.edge_index, graph.edge_shift, torch.zeros(graph.edge_index.shape[1], 3), graph.n_atoms)
    vectors = (graph.positions[edges.second] - graph.positions[edges.first]).requires_grad_()

    def energies(pair_vectors: torch.Tensor) -> torch.Tensor:
        return potential.network(
            species, type(edges)(**{**vars(edges), "vectors": pair_vectors, "sign": edges.sign.double()})
        )

    def slopes(pair_vectors: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(energies(pair_vectors).square().sum(), pair_vectors, create_graph=True)[0]

    assert gradcheck(energies, (vectors,), atol=1e-6)
    assert gradcheck(slopes, (vectors,), atol=1e-6)


def test_training_mode_gives_every_weight_a_gradient(potential: Potential, crystal: Atoms, graph_of: GraphOf) -> None:
    prediction = potential.train()(graph_of(crystal))
    (prediction.forces.square().sum() + prediction.energy.sum() + prediction.stress.square().sum()).backward()
    silent = [name for name, weight in potential.named_parameters() if weight.grad is None or not weight.grad.any()]
    # an additive constant of the readout cancels against the lone atom
    assert all(name.startswith("network.readout") and name.endswith("bias") for name in silent), silent


def test_an_unknown_element_is_refused(potential: Potential, graph_of: GraphOf) -> None:
    with pytest.raises(UserError, match=r"knows the elements .* but the structure has \[79\]"):
        potential(graph_of(Atoms("Au", [[0, 0, 0]])))


def test_an_atom_in_a_perfect_crystal_feels_a_spring(potential: Potential, graph_of: GraphOf) -> None:
    """No kink where symmetry makes vectors vanish: the force grows with the displacement, however small it is."""
    crystal = bulk("Si", cubic=True)

    def stiffness(displacement: float) -> np.ndarray:
        moved = crystal.copy()
        moved.positions[0] += displacement * np.array([0.6, 0.0, 0.8])
        return potential(graph_of(moved)).forces[0].numpy() / displacement

    assert np.abs(potential(graph_of(crystal)).forces.numpy()).max() < 1e-9
    smallest = stiffness(1e-5)
    assert np.abs(smallest).max() > 1e-3
    # what is left is the anharmonic part, of the order of the displacement over a bond
    np.testing.assert_allclose(stiffness(2e-3), smallest, rtol=0, atol=0.1 * np.abs(smallest).max())
