"""The inputs in lammps_plugin/examples run from any folder, on one process and on two, and their physics holds.

What they find is compared with the same potential in Python. No figure of the trained potential stands here, so that a
better one can replace it.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.optimize import BFGS
from scipy.optimize import minimize_scalar

from sciml import load_calculator
from sciml.core.catalogue import find_model
from sciml.materials.calculator import SciMLCalculator
from tests.lammps.conftest import ROOT, SCRIPTS, Lammps

EXAMPLES = ROOT / "lammps_plugin" / "examples"
GPA = 160.21766  # in one eV per cubic angstrom
# of one silicon atom, u; grams per cubic centimetre in one u per cubic angstrom
MASS, G_CM3 = 28.0855, 1.66054


def potential(name: str) -> Path:
    return find_model("si-painn").resolve() / name


def run(folder: Path, example: str, *, ranks: int = 1, **variables: str) -> str:
    """Runs an example in another folder as a user would, some of its variables changed; gives what it printed."""
    command = [str(SCRIPTS / "lmp"), "-in", str(EXAMPLES / example), "-log", "none", "-nocite"]
    if ranks > 1:
        command = [str(SCRIPTS / "mpiexec"), "-n", str(ranks), *command]
    for name, value in {"potential": str(potential("si.sciml")), **variables}.items():
        command += ["-var", name, *value.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        pytest.fail(f"{example} failed:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}", pytrace=False)
    return done.stdout


@pytest.fixture(scope="module")
def calculator() -> SciMLCalculator:
    return load_calculator(potential("weights.safetensors"), precision="float64")


@pytest.fixture(scope="module")
def lattice_constant(calculator: SciMLCalculator) -> float:
    """Where the energy of the crystal is lowest, in angstrom."""

    def energy(length: float) -> float:
        atoms = bulk("Si", "diamond", a=length)
        atoms.calc = calculator
        return atoms.get_potential_energy()

    return minimize_scalar(energy, bounds=(5.2, 5.7), method="bounded", options={"xatol": 1e-6}).x


class Strained:
    """The crystal with two atoms a cell and its stress by differences of energies: no virial takes part."""

    def __init__(self, calculator: SciMLCalculator, length: float) -> None:
        self.atoms = bulk("Si", "diamond", a=length)
        self.atoms.calc = calculator
        self.cell, self.volume = self.atoms.cell.array.copy(), self.atoms.get_volume()
        self.sites = self.atoms.get_scaled_positions()

    def relax(self, strain: np.ndarray) -> None:
        self.atoms.set_scaled_positions(self.sites)
        self.atoms.set_cell(self.cell @ (np.eye(3) + strain).T, scale_atoms=True)
        BFGS(self.atoms, logfile=None).run(fmax=1e-6, steps=200)

    def stress(self, strain: np.ndarray, i: int, j: int, step: float = 1e-4) -> float:
        """Slope of the energy with strain[i, j] by the volume without strain, in GPa.

        The atoms ride along: where no force acts on them, that they could relax changes nothing to first order.
        """
        energies = []
        for sign in (1, -1):
            moved = strain.copy()
            moved[i, j] += sign * step
            self.atoms.set_cell(self.cell @ (np.eye(3) + moved).T, scale_atoms=True)
            energies.append(self.atoms.get_potential_energy())
        self.atoms.set_cell(self.cell @ (np.eye(3) + strain).T, scale_atoms=True)
        return (energies[0] - energies[1]) / (2 * step) / self.volume * GPA


@pytest.fixture(scope="module")
def expected(calculator: SciMLCalculator, lattice_constant: float) -> dict[float, tuple[float, float, float]]:
    """C11, C12, C44 in GPa as the input defines them, for two strains."""
    crystal = Strained(calculator, lattice_constant)
    results = {}
    for size in (0.01, 0.02):
        constants = np.zeros(3)
        for sign in (1, -1):
            stretch, shear = np.zeros((3, 3)), np.zeros((3, 3))
            stretch[0, 0] = shear[1, 2] = sign * size
            crystal.relax(stretch)
            # the force along x acts on the face without strain; the one along y on a face that x has stretched
            constants[0] += sign * crystal.stress(stretch, 0, 0)
            constants[1] += sign * crystal.stress(stretch, 1, 1) / (1 + sign * size)
            crystal.relax(shear)
            constants[2] += sign * crystal.stress(shear, 1, 2)
        results[size] = tuple(constants / (2 * size))
    return results


@pytest.mark.parametrize("ranks", [1, 2])
def test_elastic_constants(lammps: Lammps, expected: dict[float, tuple], lattice_constant: float, ranks: int):
    run(lammps.folder, "in.elastic", ranks=ranks, strain="0.01 0.02")
    rows = np.loadtxt(lammps.folder / "elastic.txt")
    np.testing.assert_array_equal(rows[:, 0], [0.01, 0.02])
    for strain, c11, c12, c44, modulus, length in rows:
        # printed to 0.01 GPa; differences of energies are good to a thousandth of that
        np.testing.assert_allclose([c11, c12, c44], expected[strain], rtol=0.01)
        assert modulus == pytest.approx((c11 + 2 * c12) / 3, abs=0.02)
        assert length == pytest.approx(lattice_constant, abs=2e-5)
        assert 100 < c11 < 250, "this is no silicon"


@pytest.mark.slow
def test_thermal_expansion(lammps: Lammps, lattice_constant: float):
    printed = run(lammps.folder, "in.npt", T="100 900", settle="500", length="400", blocks="5")
    temperature, length, error = np.loadtxt(lammps.folder / "npt.txt").T
    np.testing.assert_array_equal(temperature, [100, 900])
    # volumes of 64 atoms scatter by 0.02 angstrom at most, and the more the hotter they are
    assert 0 < error[0] < error[1] < 0.01
    # at 100 K silicon has expanded by less than 0.1 %
    assert length[0] == pytest.approx(lattice_constant, rel=0.005)
    # 800 K times some 4e-6/K, as in real silicon; 64 atoms and short blocks leave room
    assert 0.001 < length[1] / length[0] - 1 < 0.01
    slope, doubt = map(float, re.findall(r"^linear expansion coefficient (\S+) \+- (\S+)", printed, re.M)[0])
    assert slope == pytest.approx(1e6 * (length[1] - length[0]) / 800 / length.mean(), abs=0.02)
    assert doubt == pytest.approx(1e6 * np.hypot(*error) / 800 / length.mean(), abs=0.02)


def table(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """r in angstrom, g(r), neighbours within the end of the bin."""
    return tuple(np.loadtxt(file, skiprows=4)[:, 1:].T)


def energies(printed: str) -> np.ndarray:
    """Potential energy an atom in every row of thermodynamic output."""
    return np.array([float(row.split()[2]) for row in re.findall(r"^ +\d+ +[\d.]+ .*$", printed, re.MULTILINE)])


@pytest.mark.slow
def test_melt_and_quench(lammps: Lammps):
    steps = {"melt": "600", "settle": "500", "liquid": "400", "quench": "700", "solid": "300"}
    printed = run(lammps.folder, "in.melt", **steps)

    names = ("liquid", "quenched")
    words = {
        name: re.search(rf"^{name}: +density (\S+) g/cm3, diffusion coefficient (\S+) ", printed, re.M)
        for name in names
    }
    density, flow = ({name: float(words[name][k]) for name in names} for k in (1, 2))
    assert flow["liquid"] > 0.3, "angstrom^2/ps; it has not melted"
    assert flow["quenched"] < 0.1 * flow["liquid"], "it has not frozen"
    assert np.isfinite(energies(printed)).all()
    # the liquid holds more energy than the crystal that it started as; no atom has fallen into another or flown away
    assert np.ptp(energies(printed)) < 2.0

    for name in names:
        r, g, neighbours = table(lammps.folder / f"rdf-{name}.txt")
        assert 2.1 < density[name] < 2.8, name
        assert not g[r < 1.8].any(), f"{name}: atoms overlap"
        assert 2.3 < r[g.argmax()] < 2.6, name
        # beyond the third shell of neighbours nothing is ordered any more
        assert g[r > 6.5].mean() == pytest.approx(1, abs=0.05), name
        # the count of neighbours is the integral of g; the mean density of the run stands for that of each step
        shells = 4 * np.pi * r**2 * g * density[name] / (MASS * G_CM3) * (r[1] - r[0])
        assert neighbours[-1] == pytest.approx(shells.sum(), rel=0.02), name
    # a liquid fills the space between its first two shells; a solid does not
    between = {name: np.interp(2.95, *table(lammps.folder / f"rdf-{name}.txt")[:2]) for name in names}
    assert between["quenched"] < between["liquid"]


@pytest.mark.slow
def test_molecular_dynamics_on_two_processes(lammps: Lammps, lattice_constant: float):
    # few steps: processes that share a processor wait for each other for most of the time
    run(lammps.folder, "in.npt", ranks=2, T="300 600", settle="20", length="20", blocks="2")
    np.testing.assert_allclose(np.loadtxt(lammps.folder / "npt.txt")[:, 1], lattice_constant, rtol=0.01)
    steps = dict.fromkeys(("melt", "settle", "liquid", "quench", "solid"), "20")
    printed = run(lammps.folder, "in.melt", ranks=2, **steps)
    assert np.isfinite(energies(printed)).all()
    for name in ("liquid", "quenched"):
        r, g, _ = table(lammps.folder / f"rdf-{name}.txt")
        assert 2.1 < r[g.argmax()] < 2.7, name
