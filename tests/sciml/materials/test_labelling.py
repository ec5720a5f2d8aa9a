"""Labels survive a kill, never mix settings, and a failing structure stops nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.materials.labelling import (
    Candidate,
    failure_path,
    fingerprint,
    label_all,
    label_path,
    read_failures,
    read_labels,
    rounded,
    write_frames,
)

SETTINGS = {"sigma": 3.4, "cutoff": 6.0}


def candidates(count: int = 4) -> list[Candidate]:
    made = []
    for number in range(count):
        atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
        atoms.rattle(0.05, seed=number)
        atoms.info = {"family": f"f{number}"}
        made.append(Candidate(f"argon-{number}", "rattled", rounded(atoms)))
    return made


def lennard_jones(atoms: Atoms) -> LennardJones:
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)


def fails_on_the_second(atoms: Atoms) -> LennardJones:
    if atoms.info["family"] == "f1":
        raise RuntimeError("density did not converge in 100 steps")
    return lennard_jones(atoms)


class Odd(Calculator):
    """Gives a free energy beside the energy, and a broken force when asked to."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, force: float = 0.0):
        super().__init__()
        self.force = force

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        forces = np.full((len(self.atoms), 3), self.force)
        self.results = {"energy": -1.0, "free_energy": -1.5, "forces": forces, "stress": np.zeros(6)}


def test_labels_are_the_calculators_own(tmp_path: Path):
    wanted = candidates()
    outcomes = label_all(wanted, lennard_jones, SETTINGS, tmp_path)
    assert [o.name for o in outcomes] == [c.name for c in wanted]
    frames = read_labels(wanted, tmp_path)
    for candidate in wanted:
        frame, atoms = frames[candidate.name], candidate.atoms.copy()
        assert frame.info == {"name": candidate.name, "group": "rattled", **candidate.atoms.info}
        atoms.calc = lennard_jones(atoms)
        # extended XYZ keeps eight decimals of positions and forces
        np.testing.assert_allclose(frame.positions, atoms.positions, atol=1e-8)
        np.testing.assert_allclose(frame.get_forces(), atoms.get_forces(), atol=1e-8)
        np.testing.assert_allclose(frame.get_potential_energy(), atoms.get_potential_energy(), atol=1e-8)
        np.testing.assert_allclose(frame.get_stress(), atoms.get_stress(), atol=1e-10)


def test_two_workers_give_what_one_gives(tmp_path: Path):
    # a spawned worker imports the factory by its module's name, which a test module has not
    (tmp_path / "factory.py").write_text(FACTORY)
    run_script(tmp_path, workers=2)
    two = read_labels(candidates(), tmp_path / "work")
    label_all(candidates(), lennard_jones, SETTINGS, tmp_path / "alone")
    one = read_labels(candidates(), tmp_path / "alone")
    assert list(two) == list(one)
    for name in one:
        np.testing.assert_array_equal(two[name].get_forces(), one[name].get_forces())


# A factory that kills its own process, as SIGKILL from outside would, when the structure of family `f2` comes up.
FACTORY = """
import os, signal
from ase.calculators.lj import LennardJones

def lennard_jones(atoms):
    if os.environ.get("DIE") and atoms.info["family"] == "f2":
        os.kill(os.getpid(), signal.SIGKILL)
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
"""

SCRIPT = """
import json, sys
from pathlib import Path
import ase.io
from factory import lennard_jones
from sciml.materials.labelling import Candidate, label_all

if __name__ == "__main__":
    frames = ase.io.read("structures.xyz", ":")
    made = [Candidate(f"argon-{n}", "rattled", f) for n, f in enumerate(frames)]
    outcomes = label_all(made, lennard_jones, {"sigma": 3.4, "cutoff": 6.0}, Path("work"), workers=int(sys.argv[1]))
    Path("outcomes.json").write_text(json.dumps([o.name for o in outcomes]))
"""


def run_script(folder: Path, workers: int = 1, die: bool = False) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(SCRIPT)
    ase.io.write(folder / "structures.xyz", [c.atoms for c in candidates()], format="extxyz")
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{Path(__file__).parents[3]}"}
    environment |= {"DIE": "1"} if die else {}
    command = [sys.executable, "script.py", str(workers)]
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert die or finished.returncode == 0, finished.stderr
    return finished


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path):
    (tmp_path / "factory.py").write_text(FACTORY)
    assert run_script(tmp_path, die=True).returncode == -signal.SIGKILL
    finished = sorted(path.name for path in (tmp_path / "work" / "labels").iterdir())
    assert finished == ["argon-0.xyz", "argon-1.xyz"]
    before = {name: (tmp_path / "work" / "labels" / name).stat().st_mtime_ns for name in finished}

    run_script(tmp_path)
    assert json.loads((tmp_path / "outcomes.json").read_text()) == ["argon-2", "argon-3"]
    assert {name: (tmp_path / "work" / "labels" / name).stat().st_mtime_ns for name in finished} == before
    label_all(candidates(), lennard_jones, SETTINGS, tmp_path / "uninterrupted")
    whole = read_labels(candidates(), tmp_path / "uninterrupted")
    for name, frame in read_labels(candidates(), tmp_path / "work").items():
        np.testing.assert_array_equal(frame.get_forces(), whole[name].get_forces())


def test_other_settings_are_refused_before_anything_runs(tmp_path: Path):
    label_all(candidates(2), lennard_jones, SETTINGS, tmp_path)
    with pytest.raises(UserError, match=r"argon-0\.xyz was made with other settings"):
        label_all(candidates(3), lennard_jones, {**SETTINGS, "cutoff": 7.0}, tmp_path)
    assert not label_path(tmp_path, "argon-2").exists()


def test_another_structure_under_an_old_name_is_refused(tmp_path: Path):
    label_all(candidates(2), lennard_jones, SETTINGS, tmp_path)
    moved = candidates(2)
    moved[1].atoms.positions[0, 0] += 0.001
    with pytest.raises(UserError, match=r"argon-1\.xyz was made with other settings or from another structure"):
        label_all(moved, lennard_jones, SETTINGS, tmp_path)


def test_a_failure_is_recorded_and_passed_over(tmp_path: Path):
    outcomes = label_all(candidates(3), fails_on_the_second, SETTINGS, tmp_path)
    assert [bool(o.reason) for o in outcomes] == [False, True, False]
    assert read_failures(candidates(3), tmp_path) == {"argon-1": "RuntimeError: density did not converge in 100 steps"}
    assert list(read_labels(candidates(3), tmp_path)) == ["argon-0", "argon-2"]
    assert label_all(candidates(3), lennard_jones, SETTINGS, tmp_path) == []  # not tried again by itself
    failure_path(tmp_path, "argon-1").unlink()
    assert [o.name for o in label_all(candidates(3), lennard_jones, SETTINGS, tmp_path)] == ["argon-1"]


def test_a_run_in_which_all_fail_says_so(tmp_path: Path):
    with pytest.raises(UserError, match="All 1 structures failed; the first, argon-1, said: RuntimeError"):
        label_all(candidates(2)[1:], fails_on_the_second, SETTINGS, tmp_path)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError("12 GiB")])
def test_a_machine_that_fails_stops_the_run_and_spoils_no_structure(tmp_path: Path, error: Exception):
    def machine_fails(atoms: Atoms) -> LennardJones:
        if atoms.info["family"] == "f1":
            raise error
        return lennard_jones(atoms)

    with pytest.raises(UserError, match="argon-1 could not be labelled for no fault of its own: .*run again"):
        label_all(candidates(3), machine_fails, SETTINGS, tmp_path)
    assert read_failures(candidates(3), tmp_path) == {}
    assert [o.name for o in label_all(candidates(3), lennard_jones, SETTINGS, tmp_path)] == ["argon-1", "argon-2"]


def test_a_killed_worker_is_one_line(tmp_path: Path):
    (tmp_path / "factory.py").write_text(FACTORY)
    assert "UserError: A process was killed" in run_script(tmp_path, workers=2, die=True).stderr
    run_script(tmp_path, workers=2)
    assert len(list((tmp_path / "work" / "labels").iterdir())) == 4


def test_infinite_labels_are_failures(tmp_path: Path):
    def by_family(atoms: Atoms) -> Odd:
        return Odd(force=np.nan if atoms.info["family"] == "f1" else 0.0)

    label_all(candidates(2), by_family, SETTINGS, tmp_path)
    assert "non-finite forces" in read_failures(candidates(2), tmp_path)["argon-1"]


def test_the_energy_is_the_one_the_forces_belong_to(tmp_path: Path):
    label_all(candidates(1), lambda atoms: Odd(), SETTINGS, tmp_path)
    assert read_labels(candidates(1), tmp_path)["argon-0"].get_potential_energy() == -1.5


def test_a_damaged_label_names_its_file(tmp_path: Path):
    label_all(candidates(2), lennard_jones, SETTINGS, tmp_path)
    label_path(tmp_path, "argon-1").write_text("4\nnothing here\n")
    with pytest.raises(UserError, match=r"argon-1\.xyz is not a label written here .*Delete it"):
        label_all(candidates(2), lennard_jones, SETTINGS, tmp_path)


def test_the_same_name_twice_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="argon-0 came twice"):
        label_all([*candidates(2), *candidates(1)], lennard_jones, SETTINGS, tmp_path)


@given(st.text(max_size=12))
def test_a_name_is_a_file_name_or_refused(name: str):
    try:
        candidate = Candidate(name, "group", Atoms())
    except UserError:
        return
    assert label_path(Path("work"), candidate.name).parent == Path("work/labels")
    assert not candidate.name.startswith(".")


@given(st.integers(0, 11), st.sampled_from([-1.0, 1.0]))
def test_the_fingerprint_sees_geometry_and_not_the_last_bits(coordinate: int, sign: float):
    atoms = candidates(1)[0].atoms
    moved = atoms.copy()
    moved.positions.flat[coordinate] += sign * 1e-9
    assert fingerprint(moved, SETTINGS) == fingerprint(atoms, SETTINGS)
    moved.positions.flat[coordinate] += sign * 1e-5
    assert fingerprint(moved, SETTINGS) != fingerprint(atoms, SETTINGS)


def test_write_frames_tells_the_sha256_and_leaves_no_scraps(tmp_path: Path):
    path = tmp_path / "train.extxyz"
    digest = write_frames([c.atoms for c in candidates()], path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["train.extxyz"]
