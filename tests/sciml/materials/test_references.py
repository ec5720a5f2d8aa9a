"""Energies of lone atoms, the scale of energies, the fingerprint of a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.db import connect
from ase.io import write
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.materials.reading import read_structures
from sciml.materials.references import elements_of, energy_scale, fingerprint, geometry_digest, reference_energies
from sciml.materials.structures import Structure, from_atoms, to_atoms, with_labels

H, C, O = 1, 6, 8  # noqa: E741 - oxygen


def labelled(atoms: Atoms, energy: float) -> Structure:
    return with_labels(from_atoms(atoms), energy=energy)


@given(st.lists(st.floats(-3000, 0), min_size=3, max_size=3))
def test_energies_that_are_sums_over_atoms_give_their_terms(terms: list[float]) -> None:
    energy_of = dict(zip((H, C, O), terms, strict=True))
    molecules = [molecule(name) for name in ("H2O", "CH4", "CO2", "CH3OH", "H2")]
    structures = [labelled(atoms, sum(energy_of[z] for z in atoms.numbers)) for atoms in molecules]
    # sums over up to 6 atoms of up to 3000 eV: 1e-16 * 2e4, times the condition of the counts, below 10
    np.testing.assert_allclose(reference_energies(structures, (H, C, O)), terms, rtol=0, atol=1e-9)


def test_one_composition_cannot_tell_its_elements_apart_but_gives_the_total() -> None:
    structures = [labelled(molecule("H2O"), -470.0), labelled(molecule("H2O"), -472.0)]
    h, o = reference_energies(structures, (H, O))
    assert 2 * h + o == pytest.approx(-471.0, abs=1e-9)
    # the least norm shares in proportion to the counts
    assert h == pytest.approx(2 * o, abs=1e-9)


def test_isolated_atoms_count_exactly_and_the_rest_is_fitted() -> None:
    structures = [
        labelled(Atoms("H"), -13.6),
        labelled(molecule("H2"), -31.7),
        labelled(molecule("H2O"), -2 * 13.6 - 2041.0),
    ]
    h, o = reference_energies(structures, (H, O))
    assert h == -13.6
    assert o == pytest.approx(-2041.0, abs=1e-9)


def test_given_energies_come_before_everything() -> None:
    structures = [labelled(Atoms("H"), -13.6), labelled(molecule("H2"), -31.7)]
    assert reference_energies(structures, (H,), known_ev={H: -1.0}) == [-1.0]


def test_two_energies_of_one_isolated_atom() -> None:
    with pytest.raises(UserError, match="isolated atom 1 has -12.0 eV here and -13.6 eV elsewhere"):
        reference_energies([labelled(Atoms("H"), -13.6), labelled(Atoms("H"), -12.0)], (H,))


def test_a_periodic_atom_is_not_isolated() -> None:
    crystal = labelled(Atoms("H", cell=np.eye(3) * 2, pbc=True), -14.0)
    assert reference_energies([crystal, labelled(Atoms("H"), -13.6)], (H,)) == [-13.6]


def test_without_energies_the_references_are_zero() -> None:
    assert reference_energies([from_atoms(molecule("H2O"))], (H, O)) == [0.0, 0.0]


def test_the_scale_is_the_rms_force_component() -> None:
    forces = np.array([[3.0, 0, 0], [-3.0, 0, 0]])
    structure = with_labels(from_atoms(molecule("H2")), energy=-30.0, forces=forces)
    assert energy_scale([structure]) == pytest.approx(np.sqrt(18 / 6))


def test_the_scale_without_forces_is_the_spread_of_energies() -> None:
    structures = [labelled(molecule("H2"), energy) for energy in (-30.0, -31.0)]
    assert energy_scale(structures) == pytest.approx(0.25)


@pytest.mark.parametrize("structures", [[labelled(molecule("H2"), -30.0)], [from_atoms(molecule("H2"))]])
def test_the_scale_is_1_ev_where_nothing_varies(structures: list[Structure]) -> None:
    assert energy_scale(structures) == 1.0


def test_elements_of_a_set(alloys: list[Structure]) -> None:
    assert elements_of(alloys) == (13, 29)


def test_the_fingerprint_knows_no_format_and_no_order(alloys: list[Structure], tmp_path: Path) -> None:
    images = [to_atoms(structure) for structure in alloys]
    write(tmp_path / "a.traj", images)
    write(tmp_path / "a.json", images[::-1])
    with connect(tmp_path / "a.db") as database:
        for atoms in images:
            database.write(atoms)
    found = {fingerprint(read_structures(tmp_path / name)) for name in ("a.traj", "a.json", "a.db")}
    assert found == {fingerprint(alloys)}


def test_the_fingerprint_sees_the_last_digit(alloys: list[Structure]) -> None:
    changed = [replace(alloys[0], energy=np.nextafter(alloys[0].energy, 0.0)), *alloys[1:]]
    assert fingerprint(changed) != fingerprint(alloys)
    assert fingerprint(alloys[1:]) != fingerprint(alloys)


def test_the_fingerprint_takes_minus_zero_for_zero(alloys: list[Structure]) -> None:
    zero = with_labels(alloys[0], forces=np.zeros((4, 3)))
    assert fingerprint([zero]) == fingerprint([with_labels(alloys[0], forces=-np.zeros((4, 3)))])


def test_the_geometry_has_a_digest_of_its_own(alloys: list[Structure]) -> None:
    assert geometry_digest(alloys[0]) == geometry_digest(with_labels(alloys[0]))
    assert geometry_digest(alloys[0]) != geometry_digest(alloys[1])
