"""A structure is checked at birth; overlaps and absurd forces are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from sciml.core.errors import UserError
from sciml.materials.structures import Structure, check_distances, check_forces, from_atoms, to_atoms, with_labels


def test_no_atoms() -> None:
    with pytest.raises(UserError, match="empty.xyz@3: .* at least one atom"):
        from_atoms(Atoms(), "empty.xyz@3")


def test_a_dummy_atom() -> None:
    with pytest.raises(UserError, match="s@0: atomic numbers must lie within 1 and 118.*Remove dummy atoms"):
        from_atoms(Atoms("XH", positions=[[0, 0, 0], [0, 0, 1]]), "s@0")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coordinate_that_is_no_number(value: float) -> None:
    with pytest.raises(UserError, match="s@1: every coordinate must be a number"):
        from_atoms(Atoms("H2", positions=[[0, 0, 0], [0, 0, value]]), "s@1")


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        (np.zeros((3, 3)), True),
        ([[3, 0, 0], [0, 3, 0], [3, 3, 0]], True),
        ([[3, 0, 0], [6, 0, 0], [0, 0, 5]], (True, True, False)),
        ([[0, 0, 0], [0, 3, 0], [0, 0, 3]], (True, False, False)),
        (np.diag([3.0, 3.0, 1e-4]), True),
        (np.diag([2.0, 2.0, 0.02]), True),
    ],
)
def test_a_periodic_cell_without_volume(cell: object, pbc: object) -> None:
    with pytest.raises(UserError, match="flat@0: the periodic cell .* has no volume"):
        from_atoms(Atoms("H", cell=cell, pbc=pbc), "flat@0")


@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        (np.zeros((3, 3)), False),
        (np.diag([3.0, 3.0, 0.0]), (True, True, False)),
        (np.diag([0.0, 0.0, 2.5]), (False, False, True)),
        (np.diag([50.0, 50.0, 50.0]), False),
    ],
)
def test_a_cell_needs_volume_along_periodic_directions_only(cell: object, pbc: object) -> None:
    assert from_atoms(Atoms("H", cell=cell, pbc=pbc)).n_atoms == 1


def test_overlapping_atoms() -> None:
    atoms = molecule("H2O")
    atoms.positions[2] = atoms.positions[1] + [0.05, 0, 0]
    with pytest.raises(UserError, match=r"s@7: atoms 1 and 2 are 0.05 angstrom apart"):
        check_distances(from_atoms(atoms, "s@7"), 0.3)


def test_overlap_through_the_boundary_of_the_cell() -> None:
    atoms = Atoms("Si2", positions=[[0.02, 0, 0], [4.98, 0, 0]], cell=np.eye(3) * 5, pbc=True)
    with pytest.raises(UserError, match=r"atoms 0 and 1 are 0.04 angstrom apart"):
        check_distances(from_atoms(atoms), 0.3)
    atoms.pbc = False
    check_distances(from_atoms(atoms), 0.3)


def test_an_atom_that_overlaps_its_own_image() -> None:
    atoms = Atoms("H", cell=np.diag([0.25, 3, 3]), pbc=True)
    with pytest.raises(UserError, match="atoms 0 and 0 are 0.25 angstrom apart"):
        check_distances(from_atoms(atoms), 0.3)


def test_a_limit_beyond_the_usual_one_is_kept() -> None:
    atoms = molecule("C60")  # bonds of 1.4 and 1.45 angstrom
    check_distances(from_atoms(atoms), 1.3)
    with pytest.raises(UserError, match="apart"):
        check_distances(from_atoms(atoms), 1.6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_force_that_is_no_number(value: float) -> None:
    forces = np.zeros((3, 3))
    forces[1, 2] = value
    with pytest.raises(UserError, match="s@2: the force on atom 1 is NaN or inf"):
        check_forces(with_labels(from_atoms(molecule("H2O"), "s@2"), forces=forces), 200.0)


def test_an_absurd_force() -> None:
    forces = np.zeros((3, 3))
    forces[2] = (0, 1200, 0)
    with pytest.raises(UserError, match=r"s@2: the force on atom 2 is 1200 eV/angstrom, but none above 200"):
        check_forces(with_labels(from_atoms(molecule("H2O"), "s@2"), forces=forces), 200.0)


def test_no_forces_at_all_are_allowed() -> None:
    check_forces(from_atoms(molecule("H2O")), 200.0)


def test_to_atoms_and_back(alloys: list[Structure]) -> None:
    for structure in alloys:
        atoms = to_atoms(structure)
        assert atoms.get_potential_energy() == structure.energy
        np.testing.assert_array_equal(atoms.get_forces(), structure.forces)
        np.testing.assert_array_equal(atoms.get_stress(voigt=False), structure.stress)
        again = from_atoms(atoms, structure.name)
        np.testing.assert_array_equal(again.positions, structure.positions)
        assert atoms.info["config_type"] == structure.group


def test_atoms_without_labels_have_no_calculator() -> None:
    assert to_atoms(from_atoms(bulk("Si"))).calc is None


def test_which_structure_is_an_isolated_atom() -> None:
    assert from_atoms(Atoms("H", cell=np.eye(3) * 20)).is_isolated_atom
    assert not from_atoms(Atoms("H", cell=np.eye(3) * 20, pbc=True)).is_isolated_atom
    assert not from_atoms(molecule("H2")).is_isolated_atom


def test_an_atom_a_millimetre_away_is_refused() -> None:
    """The search for neighbours would crash, or ask for all memory there is."""
    with pytest.raises(UserError, match="must lie within 10000 angstrom, but one is 1e\\+07"):
        from_atoms(Atoms("H2", [[0, 0, 0], [0, 1e7, 0]], cell=[5, 5, 5], pbc=[True, False, True]))
