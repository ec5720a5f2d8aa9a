"""The native potentials of the LAMMPS plugin against those of the package, in both precisions, by instruction set."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from sciml.gnn.potential import POTENTIALS, Potential, build_potential
from sciml.materials.graphs import build_graph
from sciml.materials.structures import from_atoms

SOURCE = Path(__file__).parents[2] / "lammps_plugin" / "src" / "native" / "c_api.cpp"
# the number of intervals of the radial tables by precision
INTERVALS = {64: 2048, 32: 256}
# eV/angstrom for forces of about 1: the tables' error in double precision, rounding in single
TOLERANCE = {64: 1e-9, 32: 2e-5}
SETS = {"v3": ["-march=x86-64-v3"], "v4": ["-march=x86-64-v4", "-mprefer-vector-width=512"]}
SIZES = [{}, {"channels": 20, "layers": 2}, {"channels": 33, "layers": 1}]


def _runs(instructions: str) -> bool:
    needed = {"v3": {"avx2", "fma"}, "v4": {"avx512f", "avx512vl", "avx512bw", "avx512dq"}}[instructions]
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and needed <= set(cpuinfo.read_text().split())


@pytest.fixture(scope="module", params=SETS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    if not _runs(request.param):
        pytest.skip(f"this processor has not the instructions of x86-64-{request.param}")
    file = tmp_path_factory.mktemp("native") / "native.so"
    options = ["-std=c++17", "-O3", "-fno-math-errno", "-fopenmp", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror"]
    command = ["g++", *options, *SETS[request.param], f"-DSCIML_ISA=isa_{request.param}", str(SOURCE), "-o", str(file)]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(file))
    loaded.tensors_new.restype = loaded.model_new.restype = ctypes.c_void_p
    return loaded


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


class Native:
    """A native model with the weights of a potential."""

    def __init__(self, library: ctypes.CDLL, potential: Potential, name: str, bits: int, **changes: int) -> None:
        self.library = library
        tensors = ctypes.c_void_p(library.tensors_new())
        for key, tensor in potential.state_dict().items():
            if key.startswith("network."):
                values, shape = tensor.double().numpy().copy(), np.array(tensor.shape, np.int64)
                library.tensors_add(tensors, key.encode(), values.ndim, pointer(shape), pointer(values))
        config: Any = potential.network.config
        radial = config.radial_functions if name == "painn" else config.gaussians
        sizes = {"species": len(potential.elements), "channels": config.channels, "layers": config.layers} | changes
        self.message = ctypes.create_string_buffer(256)
        self.model = library.model_new(
            tensors, int(name == "painn"), bits, *sizes.values(), radial, ctypes.c_double(config.cutoff_angstrom),
            INTERVALS[bits], self.message,
        )  # fmt: skip
        library.tensors_delete(tensors)

    def __call__(self, potential: Potential, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
        """Energies of the atoms, and forces."""
        graph = build_graph(from_atoms(atoms, "test"), potential.cutoff_angstrom)
        centre, neighbour = graph.edge_index.numpy()
        vectors = (graph.positions[neighbour] + graph.edge_shift @ graph.cell[0] - graph.positions[centre]).numpy()
        species = potential.species(graph.atomic_numbers).numpy().astype(np.int32)
        rows = np.concatenate([[0], np.cumsum(np.bincount(centre, minlength=len(atoms)))]).astype(np.int64)
        energy, slope = np.full(len(atoms), np.nan), np.full((len(centre), 3), np.nan)
        arrays = (species, rows, neighbour.astype(np.int32), np.ascontiguousarray(vectors), energy, slope)
        self.library.model_evaluate(ctypes.c_void_p(self.model), len(atoms), *map(pointer, arrays))
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, centre, slope)
        np.add.at(forces, neighbour, -slope)
        return energy, forces


def structures() -> list[Atoms]:
    crystal = bulk("Si", cubic=True).repeat(2)
    crystal.rattle(0.1, seed=0)
    crystal.numbers[::3] = 8
    small = bulk("Si")  # two atoms that see many images of themselves
    small.rattle(0.05, seed=1)
    return [crystal, small, Atoms("Si"), Atoms("SiO", [[0, 0, 0], [0, 0, 1.6]]), Atoms("O2", [[0, 0, 0], [0, 0, 9.0]])]


@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "-".join(map(str, sizes.values())) or "default")
@pytest.mark.parametrize("bits", [64, 32])
@pytest.mark.parametrize("name", ["schnet", "painn"])
def test_energies_and_forces_are_those_of_the_package(
    library: ctypes.CDLL, name: str, bits: int, sizes: dict[str, int]
):
    potential = build_potential(POTENTIALS[name][0](**sizes), (14, 8), [0.0, 0.0]).double().eval()
    native = Native(library, potential, name, bits)
    for atoms in structures():
        expected = potential(build_graph(from_atoms(atoms, "test"), potential.cutoff_angstrom))
        energy, forces = native(potential, atoms)
        np.testing.assert_allclose(energy, expected.atom_energies.numpy(), rtol=0, atol=TOLERANCE[bits])
        np.testing.assert_allclose(forces, expected.forces.numpy(), rtol=0, atol=TOLERANCE[bits])


def test_two_models_live_side_by_side(library: ctypes.CDLL):
    torch.manual_seed(0)
    potentials = [build_potential(POTENTIALS["painn"][0](), (14, 8), [0.0, 0.0]).double().eval() for _ in range(2)]
    models = [Native(library, potential, "painn", 64) for potential in potentials]
    crystal, small, *_ = structures()
    first = models[0](potentials[0], crystal)
    models[1](potentials[1], small)
    for one, again in zip(first, models[0](potentials[0], crystal), strict=True):
        np.testing.assert_array_equal(one, again)


def test_sizes_that_do_not_fit_the_tensors_are_refused(library: ctypes.CDLL):
    potential = build_potential(POTENTIALS["painn"][0](), (14, 8), [0.0, 0.0])
    for changes, said in (({"channels": 32}, b"another shape"), ({"layers": 5}, b"is missing")):
        native = Native(library, potential, "painn", 32, **changes)
        assert not native.model
        assert said in native.message.value


def test_a_molecule(library: ctypes.CDLL):
    atoms = molecule("CH3CH2OH")
    potential = build_potential(POTENTIALS["painn"][0](cutoff_angstrom=3.0), (1, 6, 8), [0.0] * 3).double().eval()
    expected = potential(build_graph(from_atoms(atoms, "ethanol"), 3.0))
    energy, forces = Native(library, potential, "painn", 64)(potential, atoms)
    assert energy.sum() == pytest.approx(expected.energy.item(), abs=1e-9)
    np.testing.assert_allclose(forces, expected.forces.numpy(), rtol=0, atol=1e-9)
