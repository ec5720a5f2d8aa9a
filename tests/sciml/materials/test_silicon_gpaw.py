"""The recipe of si-gpaw: its structures, its refusals, and the committed dataset against physics."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.units import kB
from rich.console import Console

from sciml.core.errors import UserError
from sciml.materials.labelling import label_all, label_path
from sciml.materials.recipes import RECIPES, silicon_structures
from sciml.materials.recipes import silicon_gpaw as recipe
from sciml.materials.recipes.keating import (
    ALPHA_EV_PER_ANGSTROM2,
    BETA_EV_PER_ANGSTROM2,
    keating_hessian,
    thermal_displacements,
)
from sciml.materials.recipes.silicon_checks import equation_of_state, group_table, pressure_mismatch_gpa, read_frames
from sciml.materials.recipes.silicon_structures import kpoint_mesh, minimum_distance, silicon_draws

DATASET = Path(__file__).parents[3] / "datasets" / "si-gpaw"
SPEC = yaml.safe_load((DATASET / "dataset.yaml").read_text())
STRUCTURES = SPEC["recipe"]["structures"]
DENSITY = SPEC["recipe"]["gpaw"]["kpoint_density_per_angstrom"]
needs_gpaw = pytest.mark.skipif(
    importlib.util.find_spec("gpaw") is None, reason="GPAW is not installed; datasets/si-gpaw/README.md says how"
)


@pytest.fixture(scope="module")
def draws():
    return silicon_draws(STRUCTURES, DENSITY)


@pytest.fixture(scope="module")
def frames():
    return read_frames(DATASET)


# ---------------------------------------------------------------------------------------------------- structures


def test_the_same_seed_gives_the_same_structures(draws):
    for one, two in zip(draws, silicon_draws(STRUCTURES, DENSITY), strict=True):
        assert one.candidate.name == two.candidate.name
        np.testing.assert_array_equal(one.candidate.atoms.positions, two.candidate.atoms.positions)


def test_another_seed_gives_others(draws):
    other = {d.candidate.name: d for d in silicon_draws({**STRUCTURES, "seed": 1}, DENSITY)}
    hot = [d for d in draws if d.candidate.group == "rattled"]
    assert not any(
        np.allclose(d.candidate.atoms.positions, other[d.candidate.name].candidate.atoms.positions) for d in hot
    )


def test_more_families_leave_the_first_as_they_were(draws):
    more = copy.deepcopy(STRUCTURES)
    for options in more.values():
        if isinstance(options, dict) and "families" in options:
            options["families"] += 2
    grown = {d.candidate.name: d for d in silicon_draws(more, DENSITY)}
    assert len(grown) > len(draws)
    for draw in draws:
        np.testing.assert_array_equal(
            draw.candidate.atoms.positions, grown[draw.candidate.name].candidate.atoms.positions
        )
        assert draw.split == grown[draw.candidate.name].split


def test_names_are_unique_and_atoms_keep_their_distance(draws):
    assert len({d.candidate.name for d in draws}) == len(draws) >= 200
    for draw in draws:
        least = {**STRUCTURES, **STRUCTURES[draw.candidate.group]}["minimum_distance_angstrom"]
        # positions are rounded to 1e-6 after the distance was checked
        assert minimum_distance(draw.candidate.atoms) > least - 1e-5, draw.candidate.name


def test_a_family_stays_on_one_side_and_keeps_one_mesh(draws):
    for key in ("split", "kpoints"):
        seen = {}
        for draw in draws:
            value = draw.split if key == "split" else draw.candidate.atoms.info[key]
            assert seen.setdefault(draw.candidate.atoms.info["family"], value) == value


def test_the_mesh_is_finer_in_smaller_cells():
    cell = bulk("Si", "diamond", a=5.47)
    assert kpoint_mesh(cell.cell.array, 3.48) == (6, 6, 6)
    assert kpoint_mesh(cell.repeat((1, 1, 2)).cell.array, 3.48) == (6, 6, 3)


def test_a_mistyped_group_is_refused():
    with pytest.raises(UserError, match="knows no structures ratled; it knows .*rattled"):
        silicon_draws({**STRUCTURES, "ratled": {}}, DENSITY)


def test_a_distance_out_of_reach_is_refused(monkeypatch):
    monkeypatch.setattr(silicon_structures, "TRIES", 3)
    crowded = {**STRUCTURES, "disordered": {**STRUCTURES["disordered"], "minimum_distance_angstrom": 4.0}}
    with pytest.raises(UserError, match=r"disordered-00: no draw out of 3 kept its atoms 4.0 angstrom apart"):
        silicon_draws(crowded, DENSITY)


# ---------------------------------------------------------------------------------------------------------- keating


def test_keating_has_no_force_under_translation_and_the_known_raman_stiffness():
    hessian = keating_hessian(bulk("Si", "diamond", a=5.43, cubic=True))
    np.testing.assert_allclose(hessian @ np.tile(np.eye(3), (8, 1)), 0, atol=1e-10)
    # Keating (1966): M omega^2 = 8 (alpha + beta) for the optical mode at Gamma
    highest = np.linalg.eigvalsh(hessian)[-1]
    assert highest == pytest.approx(8 * (ALPHA_EV_PER_ANGSTROM2 + BETA_EV_PER_ANGSTROM2), rel=1e-10)


def test_thermal_displacements_share_the_energy_equally():
    cell, kelvin, random = bulk("Si", "diamond", a=5.43, cubic=True), 600.0, np.random.RandomState(0)
    hessian = keating_hessian(cell)
    draws = [thermal_displacements(cell, kelvin, random).ravel() for _ in range(400)]
    energy = np.mean([u @ hessian @ u / 2 for u in draws])
    # 21 modes of kT/2; the mean of 400 draws scatters by sqrt(2 / (21 * 400)) = 1.5 %, four of which are allowed
    assert energy == pytest.approx(21 * kB * kelvin / 2, rel=0.06)
    assert np.abs(np.mean(draws, axis=0).reshape(-1, 3).sum(axis=0)).max() < 1e-12


# ------------------------------------------------------------------------------------------------------------ recipe


def lennard_jones(atoms: Atoms) -> LennardJones:
    return LennardJones(sigma=2.1, epsilon=0.3, rc=5.0, smooth=True)


def test_write_dataset_changes_only_the_checksums(tmp_path: Path, draws):
    small = [d for d in draws if d.candidate.group == "primitive"][:9]
    assert {d.split for d in small} == {"train", "validation", "test"}
    label_all([d.candidate for d in small], lennard_jones, {}, tmp_path / "work")
    (tmp_path / "out").mkdir()
    before = (DATASET / "dataset.yaml").read_text()
    (tmp_path / "out" / "dataset.yaml").write_text(before)
    recipe.write_dataset(SPEC, small, tmp_path / "out", tmp_path / "work", Console(quiet=True))
    after = (tmp_path / "out" / "dataset.yaml").read_text()
    changed = [b for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(changed) == 3
    for split, entry in yaml.safe_load(after)["files"].items():
        path = tmp_path / "out" / entry["path"]
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert {f.info["name"] for f in ase.io.read(path, ":")} == {d.candidate.name for d in small if d.split == split}


def test_a_dataset_yaml_in_other_lines_is_told_the_checksum(tmp_path: Path):
    path = tmp_path / "dataset.yaml"
    path.write_text("files:\n  train:\n    path: train.extxyz\n")
    with pytest.raises(UserError, match=r"needs one line `train: .*has 0\. Write it so, with sha256: abc"):
        recipe._put_sha256(path, "train", "abc")


@pytest.mark.parametrize("change", [{"cutof_ev": 300}, {"smearing_ev": None}])
def test_an_unknown_or_missing_setting_is_named(change: dict):
    settings = {k: v for k, v in {**SPEC["recipe"]["gpaw"], **change}.items() if v is not None}
    with pytest.raises(UserError, match=next(iter(change))):
        recipe.checked_settings(settings)


def test_without_gpaw_the_recipe_says_how_to_get_it(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gpaw", None)
    with pytest.raises(UserError, match="needs GPAW, which is not installed.*libxc-dev.*pip install gpaw"):
        RECIPES["silicon-gpaw"](SPEC, tmp_path / "out", tmp_path / "work", limit=1)


@needs_gpaw
@pytest.mark.filterwarnings("ignore")  # GPAW's own, and they change with its versions
def test_gpaw_labels_one_structure_and_does_not_label_it_again(tmp_path: Path):
    spec = copy.deepcopy(SPEC)
    spec["recipe"]["gpaw"] |= {"kpoint_density_per_angstrom": 1.74}  # 2x2x2
    RECIPES["silicon-gpaw"](spec, tmp_path / "out", tmp_path / "work", limit=1)
    (frame,) = ase.io.read(tmp_path / "out" / "train.extxyz", ":")
    assert frame.get_potential_energy() / len(frame) == pytest.approx(-5.3, abs=0.2)
    label = label_path(tmp_path / "work", frame.info["name"])
    before = label.stat().st_mtime_ns
    RECIPES["silicon-gpaw"](spec, tmp_path / "out", tmp_path / "work", limit=1)
    assert label.stat().st_mtime_ns == before


# ----------------------------------------------------------------------------------------------------------- dataset


def test_the_committed_files_are_those_of_the_yaml(frames):
    for entry in SPEC["files"].values():
        assert hashlib.sha256((DATASET / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]
    assert len(frames) >= 200
    assert sum((DATASET / entry["path"]).stat().st_size for entry in SPEC["files"].values()) < 5e6


def test_the_committed_files_are_what_the_recipe_draws(frames, draws):
    assert {d.candidate.name for d in draws} == set(frames)
    for draw in draws:
        frame = frames[draw.candidate.name]
        assert (frame.info["split"], frame.info["group"]) == (draw.split, draw.candidate.group)
        # structures are rounded to 1e-6 before labelling, and last bits of a machine may tip that rounding
        np.testing.assert_allclose(frame.positions, draw.candidate.atoms.positions, atol=2e-6)
        np.testing.assert_allclose(frame.cell.array, draw.candidate.atoms.cell.array, atol=2e-6)


def test_forces_of_a_frame_sum_to_nothing(frames):
    for name, frame in frames.items():
        # SCF and real-space-grid noise of GPAW at these settings: below 1 meV/angstrom an atom
        assert np.abs(frame.get_forces().sum(axis=0)).max() < 1e-3 * len(frame), name
        assert np.isfinite(frame.get_stress()).all()


def test_symmetric_frames_have_the_forces_of_their_symmetry(frames):
    perfect = [f for f in frames.values() if f.info["group"] == "volume"]
    assert max(np.abs(f.get_forces()).max() for f in perfect) < 1e-3
    for frame in perfect:
        stress = frame.get_stress(voigt=False)
        np.testing.assert_allclose(stress, stress[0, 0] * np.eye(3), atol=1e-5)


def test_the_equation_of_state_is_that_of_pbe(frames):
    a_angstrom, modulus_gpa = equation_of_state(frames)
    # all-electron PBE (WIEN2k, Lejaeghere et al., Science 351, aad3000 (2016)): 20.453 angstrom^3/atom, that is
    # 5.469 angstrom, and 88.5 GPa; PAW data, mesh and smearing leave 0.2 % and 3 %
    assert a_angstrom == pytest.approx(5.469, abs=0.01)
    assert modulus_gpa == pytest.approx(88.5, abs=2.5)


def test_the_stress_has_the_sign_and_size_of_the_slope_of_the_energy(frames):
    # Pulay stress at 250 eV, 0.03 GPa, and the SCF noise; a wrong sign or unit is off by 10 GPa
    assert pressure_mismatch_gpa(frames) < 0.1


def test_the_group_table_counts_every_frame(frames):
    rows = group_table(frames)[2:]
    assert sum(int(cell) for row in rows for cell in row.split("|")[2:5]) == len(frames)
