"""Potentials compiled ahead of time and run by the plugin's libtorch back end, against those of the package."""

from __future__ import annotations

import ctypes
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from sciml.core.atoms import AtomGraph, edge_vectors
from sciml.core.errors import UserError
from sciml.gnn.compiled import PairPotential, compile_package, instruction_sets
from sciml.gnn.edges import Edges, pair_edges
from sciml.gnn.potential import POTENTIALS, Potential, build_potential
from sciml.materials.graphs import build_graph
from sciml.materials.lammps import GENERIC, plugin_path
from sciml.materials.potential_file import around_package, describe_file, potential_bytes
from sciml.materials.potentials import describe_potential
from sciml.materials.structures import from_atoms
from tests.lammps.conftest import Exported, Lammps, problem
from tests.lammps.test_forces import compare, script, structure

ELEMENTS = (14, 8, 6, 1)
ENERGY_SCALE_EV = 1.7
# small, for a short compilation; together they call each kernel: 20 channels any width, 16 an unrolled one
SIZES: dict[str, dict[str, Any]] = {
    "schnet": {"channels": 20, "layers": 2},
    "painn": {"channels": 20, "layers": 2, "cutoff_angstrom": 4.0},
    "qace": {"channels": 16, "l_max": 2, "hidden": 16, "cutoff_angstrom": 4.0},
}
# eV and eV/angstrom, for forces of order 1: rounding in either precision
TOLERANCE = {64: 1e-12, 32: 2e-5}
COMPILED = [("painn", 64), ("qace", 32)]


def small_potential(name: str, bits: int) -> Potential:
    torch.manual_seed(0)
    potential = build_potential(POTENTIALS[name][0](**SIZES[name]), ELEMENTS, [0.0] * 4, ENERGY_SCALE_EV)
    potential.network.to(torch.float64 if bits == 64 else torch.float32)
    return potential.eval()


def pairs(atoms: Atoms, cutoff_angstrom: float) -> tuple[AtomGraph, Edges]:
    """The structure's graph, and its pairs in float64."""
    graph = build_graph(from_atoms(atoms, "test"), cutoff_angstrom)
    return graph, pair_edges(graph.edge_index, graph.edge_shift, edge_vectors(graph), graph.n_atoms)


def structures() -> dict[str, Atoms]:
    crystal = bulk("Si", cubic=True).repeat(2)
    crystal.rattle(0.1, seed=0)
    crystal.numbers[::3] = 8
    small = bulk("Si")  # two atoms that see many images of themselves
    small.rattle(0.05, seed=1)
    return {
        "crystal": crystal,
        "images": small,
        "molecule": molecule("CH3CH2OH"),
        "one": Atoms("Si"),
        "two": Atoms("SiO", [[0, 0, 0], [0, 0, 1.6]]),
        "apart": Atoms("O2", [[0, 0, 0], [0, 0, 9.0]]),
    }


def forces_of(slope: np.ndarray, edges: Edges, n_atoms: int) -> np.ndarray:
    forces = np.zeros((n_atoms, 3))
    np.add.at(forces, edges.first.numpy(), slope)
    np.add.at(forces, edges.second.numpy(), -slope)
    return forces


@pytest.mark.parametrize("name", POTENTIALS)
def test_a_function_of_pairs_gives_the_energies_and_forces_of_the_potential(name: str):
    potential = small_potential(name, 64)
    for atoms in structures().values():
        graph, edges = pairs(atoms, potential.cutoff_angstrom)
        # pairs may come in any order, and in either direction
        order = torch.randperm(len(edges.first), generator=torch.Generator().manual_seed(1))
        species, own = potential.species(graph.atomic_numbers), torch.ones(len(atoms), dtype=torch.float64)
        energy, slope = PairPotential(potential)(
            species, own, edges.second[order], edges.first[order], -edges.vectors[order]
        )
        expected = potential(graph)
        np.testing.assert_allclose(energy, expected.atom_energies, rtol=0, atol=1e-12)
        forces = forces_of(-slope.numpy()[order.argsort()], edges, len(atoms))
        np.testing.assert_allclose(forces, expected.forces, rtol=0, atol=1e-12)


def test_without_a_compiler_the_user_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"no-such-compiler was not found.*apt install g\+\+"):
        compile_package(small_potential("schnet", 32), tmp_path / "potential.pt2")


def test_the_name_of_a_package_is_checked(tmp_path: Path):
    with pytest.raises(UserError, match=r"ends in \.pt2"):
        compile_package(small_potential("schnet", 32), tmp_path / "potential.so")


@dataclass(frozen=True)
class Package:
    """A compiled potential, the potential itself, and what the compilation said."""

    file: Path
    potential: Potential
    bits: int
    metadata: dict[str, str]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    if reason := problem():
        pytest.skip(reason)
    file = Path(plugin_path()) / GENERIC
    if not file.is_file():
        pytest.skip("pair_style sciml was built without torch: run `sciml lammps build`")
    loaded = ctypes.CDLL(str(file))
    loaded.sciml_generic_new.restype = ctypes.c_void_p
    loaded.sciml_generic_torch_version.restype = loaded.sciml_generic_isa.restype = ctypes.c_char_p
    return loaded


@pytest.fixture(scope="module", params=COMPILED, ids=lambda param: f"{param[0]}-{param[1]}")
def package(library: ctypes.CDLL, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Package:
    name, bits = request.param
    potential, file = small_potential(name, bits), tmp_path_factory.mktemp(name) / f"{name}.pt2"
    metadata = compile_package(potential, file)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    return Package(file, potential, bits, metadata)


class Generic:
    """A compiled potential in the plugin's back end."""

    def __init__(self, library: ctypes.CDLL, file: Path, threads: int = 1) -> None:
        self.library = library
        self.message = ctypes.create_string_buffer(1000)
        self.model = ctypes.c_void_p(library.sciml_generic_new(str(file).encode(), threads, self.message, 1000))

    def __del__(self) -> None:
        self.library.sciml_generic_delete(self.model)

    def run(self, bits: int, species: torch.Tensor, own: np.ndarray, edges: Edges) -> tuple[np.ndarray, np.ndarray]:
        """Energies above the lone atoms, and slopes."""
        real = {32: np.float32, 64: np.float64}[bits]
        n, p = len(species), len(edges.first)
        energy, slope = np.full(n, np.nan), np.full((p, 3), np.nan, real)
        arrays = [species.numpy(), own.astype(real), edges.first.numpy(), edges.second.numpy()]
        arrays = [np.ascontiguousarray(array) for array in (*arrays, edges.vectors.numpy().astype(real))]
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*arrays, energy, slope)]
        sizes = ctypes.c_int64(n), ctypes.c_int64(p)
        if self.library.sciml_generic_evaluate(self.model, bits, *sizes, *pointers, self.message, 1000):
            raise RuntimeError(self.message.value.decode())
        return energy, slope


@pytest.mark.slow
def test_energies_and_forces_are_those_of_the_package(library: ctypes.CDLL, package: Package):
    model, potential = Generic(library, package.file), package.potential
    assert model.model, model.message.value
    for name, atoms in structures().items():
        graph, edges = pairs(atoms, potential.cutoff_angstrom)
        expected = potential(graph)
        energy, slope = model.run(package.bits, potential.species(graph.atomic_numbers), np.ones(len(atoms)), edges)
        tolerance = {"rtol": 0, "atol": TOLERANCE[package.bits], "err_msg": name}
        np.testing.assert_allclose(energy, expected.atom_energies, **tolerance)
        np.testing.assert_allclose(forces_of(slope, edges, len(atoms)), expected.forces, **tolerance)


@pytest.mark.slow
def test_the_halo_shapes_energies_but_its_own_do_not_count(library: ctypes.CDLL, package: Package):
    model, potential = Generic(library, package.file), package.potential
    graph, edges = pairs(structures()["crystal"], potential.cutoff_angstrom)
    species = potential.species(graph.atomic_numbers)
    own = np.random.default_rng(0).integers(0, 2, graph.n_atoms)
    energy, slope = model.run(package.bits, species, own, edges)
    function = PairPotential(small_potential(type(potential.network).__name__.lower(), 64))
    # float32 weights are exact in float64
    function.load_state_dict(PairPotential(potential).state_dict())
    expected = function(species, torch.from_numpy(own.astype(float)), edges.first, edges.second, edges.vectors)
    tolerance = TOLERANCE[package.bits]
    np.testing.assert_allclose(energy, expected[0], rtol=0, atol=tolerance)
    np.testing.assert_allclose(slope, expected[1], rtol=0, atol=tolerance)
    # slopes are linear in the mask
    rest = model.run(package.bits, species, 1 - own, edges)[1]
    whole = model.run(package.bits, species, np.ones(graph.n_atoms), edges)[1]
    np.testing.assert_allclose(slope + rest, whole, rtol=0, atol=tolerance)


@pytest.mark.slow
def test_two_instances_live_side_by_side(library: ctypes.CDLL, package: Package):
    one, other = Generic(library, package.file), Generic(library, package.file, threads=2)
    runs = []
    for model, name in ((one, "crystal"), (other, "molecule"), (one, "crystal"), (other, "crystal")):
        graph, edges = pairs(structures()[name], package.potential.cutoff_angstrom)
        species = package.potential.species(graph.atomic_numbers)
        runs.append(model.run(package.bits, species, np.ones(len(species)), edges))
    for before, after, threaded in zip(runs[0], runs[2], runs[3], strict=True):
        np.testing.assert_array_equal(before, after)
        np.testing.assert_allclose(before, threaded, rtol=0, atol=TOLERANCE[package.bits])


@pytest.mark.slow
def test_the_other_precision_is_refused(library: ctypes.CDLL, package: Package):
    graph, edges = pairs(structures()["two"], package.potential.cutoff_angstrom)
    species = package.potential.species(graph.atomic_numbers)
    with pytest.raises(RuntimeError, match=f"in {package.bits} bits, but was called with {96 - package.bits}"):
        Generic(library, package.file).run(96 - package.bits, species, np.ones(2), edges)


@pytest.mark.slow
def test_a_package_of_another_machine_is_refused(library: ctypes.CDLL, package: Package, tmp_path: Path):
    assert package.metadata == {
        "torch": library.sciml_generic_torch_version().decode(),
        "isa": library.sciml_generic_isa().decode(),
        "bits": str(package.bits),
    }
    assert package.metadata["isa"] == instruction_sets()
    for change, said in FOREIGN.items():
        model = Generic(library, of_another_machine(package.file, tmp_path, *change))
        assert not model.model
        assert said in model.message.value.decode()
        assert b"Export the potential again" in model.message.value


# what a package may say of itself that does not fit, and what the user is told
FOREIGN = {("sciml_isa", "avx9000"): "instructions (avx9000)", ("sciml_torch", "1.0.0"): "torch 1.0.0"}


def of_another_machine(package: Path, folder: Path, key: str, value: str) -> Path:
    """A copy of the package that says `value` of itself."""
    file = folder / f"{key}.pt2"
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(file, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("metadata.json"):
                content = json.dumps(json.loads(content) | {key: value}).encode()
            new.writestr(entry, content)
    return file


@pytest.mark.slow
def test_a_file_that_is_no_package_is_refused(library: ctypes.CDLL, tmp_path: Path):
    text = tmp_path / "text.pt2"
    text.write_text("not a package")
    for file in (text, tmp_path / "missing.pt2"):
        model = Generic(library, file)
        assert not model.model
        assert b"the compiled potential cannot be loaded" in model.message.value


# ------------------------------------------------------------------------------------------------------- in LAMMPS


def exported(package: Package, lammps: Lammps) -> Exported:
    """The package in a .sciml file, as `sciml export` makes it."""
    name, config = type(package.potential.network).__name__.lower(), package.potential.network.config
    about = describe_potential(config, ELEMENTS, [0.5, -1.0, 0.0, 0.0], ENERGY_SCALE_EV)
    package.potential.reference_energies_ev[:2] = torch.tensor([0.5, -1.0])
    tensors, made = around_package(package.file, package.metadata)
    file = lammps.folder / f"{name}.sciml"
    file.write_bytes(potential_bytes(tensors, describe_file(package.potential, about, f"float{package.bits}") | made))
    return Exported(file, package.potential)


# eV/angstrom: positions pass through LAMMPS' own arithmetic of images, which moves them by some 1e-15 angstrom
IN_LAMMPS = {64: 1e-12, 32: 2e-5}


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_structures_of_every_kind_in_lammps(lammps: Lammps, package: Package, ranks: int):
    potential = exported(package, lammps)
    numbers = range(200) if ranks == 1 else range(14)
    commands = []
    for number in numbers:
        atoms, boundary = structure(number)
        lammps.write(f"{number}.data", atoms)
        commands.append(script(potential, atoms, boundary, number, newton="off" if number % 3 else "on"))
    # one potential for all: reading it is slow
    lammps("".join(commands), ranks=ranks)
    for number in numbers:
        compare(lammps, potential, structure(number)[0], number, IN_LAMMPS[package.bits])


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_package_of_another_machine_is_refused_in_lammps(lammps: Lammps, package: Package, ranks: int):
    atoms, boundary = structure(0)
    lammps.write("0.data", atoms)
    for change, said in FOREIGN.items():
        foreign = replace(package, file=of_another_machine(package.file, lammps.folder, *change))
        potential = exported(foreign, lammps)
        done = lammps(script(potential, atoms, boundary, 0), ranks=ranks, check=False)
        assert done.returncode != 0
        line = next(line for line in done.stdout.splitlines() if line.startswith("ERROR"))
        assert potential.file.name in line and said in line and "Export the potential again" in line


@pytest.mark.slow
def test_a_compiled_potential_is_asked_for_its_own_precision(lammps: Lammps, package: Package):
    atoms, boundary = structure(0)
    lammps.write("0.data", atoms)
    potential = exported(package, lammps)
    other = f"float{96 - package.bits}"
    done = lammps(script(potential, atoms, boundary, 0, style=f"sciml {other}"), check=False)
    assert done.returncode != 0
    assert f"so pair_style cannot ask for {other}" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_neighbours_at_the_very_cutoff(lammps: Lammps, package: Package, ranks: int):
    """Rounding may leave one direction of such a pair out, and where the crystal begins decides for which."""
    potential = exported(package, lammps)
    crystals = {}
    for number in range(8):
        crystal = bulk("Si", "sc", a=package.potential.cutoff_angstrom / 2, cubic=True).repeat(4)
        crystal.translate([0.1 * number] * 3)
        crystal.wrap()
        crystals[number] = crystal
        lammps.write(f"{number}.data", crystal)
    commands = [script(potential, crystal, "p p p", number) for number, crystal in crystals.items()]
    lammps("".join(commands), ranks=ranks)
    for number, crystal in crystals.items():
        compare(lammps, potential, crystal, number, IN_LAMMPS[package.bits])
