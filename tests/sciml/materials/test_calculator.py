"""The ASE calculator: derivatives of its energy, energy conservation, every kind of cell, changes of the atoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk, fcc111, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

from sciml.core.checkpoint import save_checkpoint
from sciml.core.errors import UserError
from sciml.gnn.potential import POTENTIALS, Potential, build_potential
from sciml.gnn.schnet import SchNetConfig
from sciml.materials.calculator import SciMLCalculator, load_calculator
from sciml.materials.graphs import build_graph
from sciml.materials.potentials import describe_potential
from sciml.materials.structures import from_atoms


def crystal(size: tuple[int, int, int] = (1, 1, 1), rattle: float = 0.15) -> Atoms:
    atoms = bulk("Cu", cubic=True) * size
    atoms.numbers[::3] = 13
    atoms.rattle(rattle, seed=2)
    return atoms


def slab() -> Atoms:
    atoms = fcc111("Al", (2, 1, 2), vacuum=None, orthogonal=False)
    atoms.pbc = (True, True, False)
    atoms.rattle(0.1, seed=3)
    return atoms


def triclinic() -> Atoms:
    atoms = bulk("Cu") * (2, 1, 1)
    atoms.set_cell(atoms.cell @ np.array([[1, 0.1, 0], [0.05, 1, -0.2], [0, 0, 1.1]]), scale_atoms=True)
    atoms.rattle(0.1, seed=4)
    return atoms


KINDS = {
    "crystal": crystal,
    "triclinic, smaller than the cutoff": triclinic,
    "one atom": lambda: bulk("Cu"),
    "slab": slab,
    "molecule": lambda: Atoms("Al2Cu", positions=[[0, 0, 0], [0, 0, 2.5], [0, 2.2, 1.1]]),
    "wire": lambda: Atoms("CuAl", positions=[[0, 0, 0], [0.3, 0.2, 2.1]], cell=[0, 0, 4.3], pbc=(False, False, True)),
}


@pytest.fixture
def calculator(potential: Potential) -> SciMLCalculator:
    return SciMLCalculator(potential)


@pytest.mark.parametrize("kind", KINDS)
def test_forces_are_the_derivative_of_the_energy(kind: str, calculator: SciMLCalculator) -> None:
    atoms = KINDS[kind]()
    atoms.calc = calculator
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    # central differences are off by eps^2 / 6 times the third derivative (of order 100 eV/angstrom^3 here), which is
    # 2e-7, and by rounding of the energy, 1e-13 / eps
    np.testing.assert_allclose(atoms.get_forces(), numerical, rtol=0, atol=1e-6)
    if kind != "one atom":
        assert np.abs(numerical).max() > 5e-3


@pytest.mark.parametrize("kind", ["crystal", "triclinic, smaller than the cutoff", "one atom"])
def test_stress_is_the_derivative_of_the_energy(kind: str, calculator: SciMLCalculator) -> None:
    atoms = KINDS[kind]()
    atoms.calc = calculator
    numerical = calculate_numerical_stress(atoms, eps=1e-4, voigt=True)
    # as for the forces, strains in place of displacements, over the volume
    np.testing.assert_allclose(atoms.get_stress(), numerical, rtol=0, atol=1e-6)
    assert np.abs(numerical).max() > 1e-3


@pytest.mark.parametrize("kind", ["slab", "molecule", "wire"])
def test_no_stress_without_three_periodic_directions(kind: str, calculator: SciMLCalculator) -> None:
    atoms = KINDS[kind]()
    atoms.calc = calculator
    atoms.get_forces()
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_energies_of_the_atoms_add_up(calculator: SciMLCalculator) -> None:
    atoms = crystal()
    atoms.calc = calculator
    assert atoms.get_potential_energies().sum() == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()


def test_a_lone_atom_has_its_reference_energy(calculator: SciMLCalculator) -> None:
    atoms = Atoms("Cu")
    atoms.calc = calculator
    assert atoms.get_potential_energy() == pytest.approx(-0.1, abs=1e-14)
    np.testing.assert_array_equal(atoms.get_forces(), 0.0)


@pytest.mark.parametrize("skin", [0.0, 0.3, 2.0])
def test_the_kept_neighbour_list_changes_nothing(skin: float, potential: Potential) -> None:
    """A walk of large and small steps, strains, wrapping and exchanged atoms, each step beside a fresh list."""
    rng = np.random.default_rng(0)
    atoms = crystal((2, 1, 1))
    atoms.calc = SciMLCalculator(potential, skin_angstrom=skin)
    for step in range(30):
        atoms.positions += rng.normal(scale=0.2 if step % 7 == 0 else 0.02, size=atoms.positions.shape)
        if step == 5:
            atoms.set_cell(atoms.cell * 1.02, scale_atoms=True)
        if step == 8:
            atoms.set_cell(atoms.cell * 0.98)
        if step == 11:
            atoms.wrap()
        if step == 14:
            atoms.numbers = atoms.numbers[::-1].copy()
        if step == 17:
            atoms.pbc = (True, True, False)
        if step == 20:
            atoms.pbc = True
        if step == 23:
            del atoms[3]
        fresh = potential(build_graph(from_atoms(atoms), potential.cutoff_angstrom))
        # the same terms in another order, up to 1e2 eV before they cancel
        assert atoms.get_potential_energy() == pytest.approx(float(fresh.energy), abs=1e-9)
        np.testing.assert_allclose(atoms.get_forces(), fresh.forces.numpy(), rtol=0, atol=1e-9)


def test_the_kept_list_is_not_made_again_in_small_steps(potential: Potential) -> None:
    """Positions within half the skin: the pairs come in the order of the list that was kept."""
    atoms = crystal((2, 2, 2))
    calculator = SciMLCalculator(potential, skin_angstrom=1.0)
    first = calculator.neighbours.compute(atoms.positions, atoms.cell.array, atoms.pbc, "ij")
    again = calculator.neighbours.compute(atoms.positions + 1e-9, atoms.cell.array, atoms.pbc, "ij")
    np.testing.assert_array_equal(first[1], again[1])


def test_changes_of_the_atoms_are_seen(calculator: SciMLCalculator) -> None:
    atoms = crystal()
    atoms.calc = calculator
    start = atoms.get_potential_energy()
    positions = atoms.positions.copy()
    atoms.positions[0, 0] += 0.1
    assert atoms.get_potential_energy() != start
    atoms.positions = positions
    assert atoms.get_potential_energy() == start
    atoms.numbers[0] = 29 if atoms.numbers[0] == 13 else 13
    assert atoms.get_potential_energy() != start
    atoms.numbers[0] = 29 if atoms.numbers[0] == 13 else 13
    atoms.set_cell(atoms.cell * 1.01, scale_atoms=True)
    assert atoms.get_potential_energy() != start
    atoms.pbc = False
    atoms.get_potential_energy()
    assert "stress" not in atoms.calc.results


def test_nve_conserves_energy(calculator: SciMLCalculator) -> None:
    atoms = crystal(rattle=0.02)
    atoms.calc = calculator
    momenta = np.random.default_rng(5).normal(size=(len(atoms), 3))
    atoms.set_momenta(momenta * np.sqrt(units.kB * 300 * atoms.get_masses())[:, None])
    dynamics = VelocityVerlet(atoms, 0.5 * units.fs)
    energies, kinetic = [], []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.attach(lambda: kinetic.append(atoms.get_kinetic_energy()))
    dynamics.run(200)
    # velocity Verlet's error is of second order in the step: 0.5 fs is a hundredth of a period here
    assert np.ptp(energies) < 1e-3 * np.ptp(kinetic)


def test_relaxation_of_positions_and_cell(calculator: SciMLCalculator) -> None:
    atoms = crystal()
    atoms.calc = calculator
    start = atoms.get_potential_energy()
    volume = atoms.get_volume()
    # random weights have no minimum nearby: a dozen short steps downhill are what can be asked for
    BFGS(FrechetCellFilter(atoms), logfile=None, maxstep=0.02).run(fmax=1e-6, steps=12)
    assert atoms.get_potential_energy() < start - 0.01
    assert atoms.get_volume() != pytest.approx(volume, rel=1e-4)


def test_two_calculators_live_side_by_side(potential: Potential) -> None:
    first, second = SciMLCalculator(potential), SciMLCalculator(potential)
    a, b = crystal(), crystal((2, 1, 1))
    a.calc, b.calc = first, second
    energies = a.get_potential_energy(), b.get_potential_energy()
    a.rattle(1e-6, seed=1)
    b.rattle(1e-6, seed=1)
    # 1e-6 angstrom under forces of up to 1 eV/angstrom on up to 8 atoms
    np.testing.assert_allclose((a.get_potential_energy(), b.get_potential_energy()), energies, rtol=0, atol=1e-4)


def test_an_unknown_element(calculator: SciMLCalculator) -> None:
    atoms = molecule("H2O")
    atoms.calc = calculator
    with pytest.raises(UserError, match="H2O has H, O, but the potential knows Al, Cu only"):
        atoms.get_potential_energy()


def test_a_cell_without_volume(calculator: SciMLCalculator) -> None:
    atoms = Atoms("Cu", pbc=True)
    atoms.calc = calculator
    with pytest.raises(UserError, match="Cu: the periodic cell .* has no volume"):
        atoms.get_potential_energy()


def test_a_position_that_is_no_number(calculator: SciMLCalculator) -> None:
    atoms = crystal()
    atoms.calc = calculator
    atoms.positions[0, 0] = np.nan
    with pytest.raises(UserError, match="every coordinate must be a number"):
        atoms.get_potential_energy()


@pytest.mark.parametrize(("name", "value"), [("skin_angstrom", -1.0), ("threads", 0)])
def test_options_that_make_no_sense(name: str, value: float, potential: Potential) -> None:
    with pytest.raises(UserError, match=f"{name} must be at least"):
        SciMLCalculator(potential, **{name: value})


def test_threads_are_set(potential: Potential) -> None:
    before = torch.get_num_threads()
    try:
        SciMLCalculator(potential, threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


# --------------------------------------------------------------------------------------------------------------- files


@pytest.fixture
def checkpoint(potential: Potential, tmp_path: Path) -> Path:
    config = SchNetConfig(cutoff_angstrom=4.0, channels=12, layers=2, gaussians=10)
    path = tmp_path / "cu-al.safetensors"
    save_checkpoint(path, potential.state_dict(), describe_potential(config, (13, 29), (-0.2, -0.1), 500.0))
    return path


def test_a_checkpoint_gives_the_same_calculator(checkpoint: Path, calculator: SciMLCalculator) -> None:
    atoms, again = crystal(), crystal()
    atoms.calc, again.calc = calculator, load_calculator(checkpoint)
    assert again.get_potential_energy() == atoms.get_potential_energy()
    np.testing.assert_array_equal(again.get_forces(), atoms.get_forces())


def test_precision_is_that_asked_for(checkpoint: Path) -> None:
    atoms = crystal((2, 2, 2))
    double, single = load_calculator(checkpoint), load_calculator(checkpoint, precision="float32")
    assert double.potential.dtype == torch.float64
    assert single.potential.dtype == torch.float32
    atoms.calc = double
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    atoms.calc = single
    assert atoms.get_forces().dtype == np.float64
    # float32 keeps seven digits of each atom's energy, of order 100 eV here, over 32 atoms
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-2)
    np.testing.assert_allclose(atoms.get_forces(), forces, rtol=0, atol=1e-3)


def test_a_precision_that_is_none(checkpoint: Path) -> None:
    with pytest.raises(UserError, match="precision must be one of float32, float64, but is 'half'"):
        load_calculator(checkpoint, precision="half")


def test_a_checkpoint_of_another_domain(tmp_path: Path) -> None:
    path = tmp_path / "weather.safetensors"
    save_checkpoint(path, {"w": torch.zeros(2)}, {"domain": "weather", "architecture": "sfno"})
    with pytest.raises(UserError, match="weather.safetensors: an interatomic potential is needed.*domain 'weather'"):
        load_calculator(path)


def test_a_checkpoint_that_lacks_weights(checkpoint: Path, tmp_path: Path, potential: Potential) -> None:
    config = SchNetConfig(cutoff_angstrom=4.0, channels=12, layers=2, gaussians=10)
    tensors = dict(list(potential.state_dict().items())[:3])
    path = tmp_path / "part.safetensors"
    save_checkpoint(path, tensors, describe_potential(config, (13, 29), (-0.2, -0.1), 500.0))
    with pytest.raises(UserError, match="part.safetensors lacks the tensor `network.* that this network needs"):
        load_calculator(path)


def test_a_checkpoint_of_other_sizes(tmp_path: Path, potential: Potential) -> None:
    config = SchNetConfig(cutoff_angstrom=4.0, channels=16, layers=2, gaussians=10)
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, potential.state_dict(), describe_potential(config, (13, 29), (-0.2, -0.1), 500.0))
    with pytest.raises(UserError, match="other.safetensors: `network.* needs shape .*, but has"):
        load_calculator(path)


def test_a_checkpoint_that_is_not_finite(tmp_path: Path, potential: Potential) -> None:
    config = SchNetConfig(cutoff_angstrom=4.0, channels=12, layers=2, gaussians=10)
    tensors = {**potential.state_dict(), "network.embedding.weight": torch.full((2, 12), torch.nan)}
    path = tmp_path / "nan.safetensors"
    save_checkpoint(path, tensors, describe_potential(config, (13, 29), (-0.2, -0.1), 500.0))
    with pytest.raises(UserError, match="nan.safetensors: the weights `network.embedding.weight` are not finite"):
        load_calculator(path)


def test_a_checkpoint_without_a_description(tmp_path: Path, potential: Potential) -> None:
    path = tmp_path / "bare.safetensors"
    save_checkpoint(path, potential.state_dict(), {"domain": "materials", "architecture": "schnet"})
    with pytest.raises(UserError, match="bare.safetensors: the checkpoint does not describe its potential"):
        load_calculator(path)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        load_calculator(tmp_path)


@pytest.mark.parametrize("architecture", ["painn", "qace"])
def test_atoms_in_the_same_place_are_named(architecture: str) -> None:
    config_class, _ = POTENTIALS[architecture]
    potential = build_potential(config_class(channels=8, layers=1), (14,), [0.0])
    atoms = Atoms("Si3", [[0, 0, 0], [2.0, 0, 0], [2.0, 0, 0]])
    atoms.calc = SciMLCalculator(potential)
    with pytest.raises(UserError, match="not finite, first at atom"):
        atoms.get_forces()
