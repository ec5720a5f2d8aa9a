"""Labels from every format, and refusals that name file and structure."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.db import connect
from ase.io import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.materials import reading
from sciml.materials.reading import ReadOptions, read_structures, read_unlabelled
from sciml.materials.structures import Structure, attach_labels, extxyz_text, to_atoms, with_labels

KBAR = 1e8 / 1.602176634e-19 * 1e-30  # eV/angstrom^3


def mlearn_entry(structure: Structure, **outputs: object) -> dict:
    s = structure.stress / KBAR
    labels = {
        "energy": structure.energy,
        "forces": structure.forces.tolist(),
        "virial_stress": [-s[0, 0], -s[1, 1], -s[2, 2], -s[0, 1], -s[1, 2], -s[2, 0]],
    }
    symbols = to_atoms(structure).get_chemical_symbols()
    sites = [
        {"species": [{"element": symbol, "occu": 1}], "xyz": xyz}
        for symbol, xyz in zip(symbols, structure.positions.tolist(), strict=True)
    ]
    return {
        "structure": {"lattice": {"matrix": structure.cell.tolist()}, "sites": sites},
        "group": structure.group,
        "outputs": {**labels, **outputs},
    }


def write_db(path: Path, structures: list[Structure]) -> None:
    with connect(path) as database:
        for structure in structures:
            database.write(to_atoms(structure), group=structure.group)


def write_mlearn(path: Path, structures: list[Structure]) -> None:
    text = json.dumps([mlearn_entry(structure) for structure in structures])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


WRITERS: dict[str, Callable[[Path, list[Structure]], None]] = {
    "s.extxyz": lambda path, structures: write(path, [to_atoms(s) for s in structures]),
    "s.xyz": lambda path, structures: write(path, [to_atoms(s) for s in structures], format="extxyz"),
    "s.xyz.gz": lambda path, structures: write(path, [to_atoms(s) for s in structures], format="extxyz"),
    "s.traj": lambda path, structures: write(path, [to_atoms(s) for s in structures]),
    "s.db": write_db,
    "s.json": lambda path, structures: write(path, [to_atoms(s) for s in structures]),
    "mlearn.json": write_mlearn,
    "mlearn.json.gz": write_mlearn,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_structures(name: str, alloys: list[Structure], tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, alloys)
    found = read_structures(tmp_path / name)
    assert [structure.name for structure in found] == [f"{name}@{index}" for index in range(len(alloys))]
    # extxyz prints eight decimals of positions and forces; the mlearn unit of stress costs two roundings
    digits = 1e-8 if "xyz" in name else 1e-15
    for structure, expected in zip(found, alloys, strict=True):
        np.testing.assert_array_equal(structure.atomic_numbers, expected.atomic_numbers)
        np.testing.assert_allclose(structure.positions, expected.positions, rtol=0, atol=digits)
        np.testing.assert_allclose(structure.cell, expected.cell, rtol=0, atol=1e-15)
        assert structure.pbc.all()
        assert structure.energy == expected.energy
        np.testing.assert_allclose(structure.forces, expected.forces, rtol=0, atol=digits)
        np.testing.assert_allclose(structure.stress, expected.stress, rtol=1e-14, atol=1e-17)
        if name not in {"s.traj", "s.json"}:  # they keep no info
            assert structure.group == expected.group


def extxyz(tmp_path: Path, header: str, atoms: str = "H 0 0 0 0.1 0.2 0.3\nH 0 0 0.74 0.4 0.5 0.6") -> Path:
    path = tmp_path / "s.xyz"
    n = len(atoms.splitlines())
    path.write_text(f"{n}\n{header}\n{atoms}\n")
    return path


CELL = 'Lattice="4 0 0 0 5 0 0 0 6" '
COLUMNS = "Properties=species:S:1:pos:R:3:{}:R:3 "


@pytest.mark.parametrize("key", ["energy", "free_energy", "REF_energy", "dft_energy", "Energy"])
def test_names_of_the_energy(key: str, tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format("forces") + f"{key}=-3.5")
    assert read_structures(path)[0].energy == -3.5


@pytest.mark.parametrize("key", ["forces", "force", "REF_forces", "dft_forces"])
def test_names_of_the_forces(key: str, tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format(key) + "energy=-3.5")
    np.testing.assert_array_equal(read_structures(path)[0].forces, [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


STRESS = np.array([[0.1, 0.04, 0.05], [0.04, 0.2, 0.06], [0.05, 0.06, 0.3]])


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("stress", STRESS.ravel()),
        ("REF_stress", STRESS.ravel()),
        ("REF_stress", [0.1, 0.2, 0.3, 0.06, 0.05, 0.04]),
        ("virial", -120 * STRESS.ravel()),
        ("virials", -120 * STRESS.ravel()),
        ("REF_virial", [-12, -24, -36, -7.2, -6.0, -4.8]),
    ],
)
def test_names_and_shapes_of_the_stress(key: str, numbers: object, tmp_path: Path) -> None:
    text = " ".join(str(number) for number in numbers)  # type: ignore[attr-defined]
    path = extxyz(tmp_path, CELL + COLUMNS.format("forces") + f'energy=-3.5 {key}="{text}"')
    np.testing.assert_allclose(read_structures(path)[0].stress, STRESS, rtol=1e-14)


def test_a_name_of_ones_own(tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format("gap_force") + "energy=1 my_energy=-3.5 label=melt")
    options = ReadOptions(keys={"energy": "my_energy", "forces": "gap_force", "group": "label"})
    (structure,) = read_structures(path, options=options)
    assert structure.energy == -3.5
    assert structure.forces[0, 0] == 0.1
    assert structure.group == "melt"


def test_a_name_of_ones_own_that_is_not_there(tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format("forces") + "energy=1")
    with pytest.raises(UserError, match=r"s.xyz: no structure has energy as `my_energy`"):
        read_structures(path, options=ReadOptions(keys={"energy": "my_energy"}))


@pytest.mark.parametrize("kind", ["units", "keys"])
def test_a_quantity_that_is_none(kind: str) -> None:
    with pytest.raises(UserError, match="is one of .*energy.* but `enrgy` came"):
        ReadOptions(**{kind: {"enrgy": "eV"}})


def test_labels_that_are_missing_are_nan(tmp_path: Path) -> None:
    path = tmp_path / "s.xyz"
    write(path, [molecule("H2O")], format="extxyz")
    (structure,) = read_structures(path)
    assert not (structure.has_energy or structure.has_forces or structure.has_stress)


def test_a_stress_without_three_periodic_directions_is_dropped(tmp_path: Path) -> None:
    header = 'Lattice="4 0 0 0 5 0 0 0 6" pbc="T T F" energy=1 stress="1 0 0 0 1 0 0 0 1" '
    (structure,) = read_structures(extxyz(tmp_path, COLUMNS.format("forces") + header))
    assert structure.has_energy
    assert not structure.has_stress


def test_constraints_do_not_change_forces(tmp_path: Path) -> None:
    atoms = molecule("H2O")
    atoms.set_constraint(FixAtoms([0]))
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.ones((3, 3)))
    write(tmp_path / "s.traj", atoms)
    np.testing.assert_array_equal(read_structures(tmp_path / "s.traj")[0].forces, np.ones((3, 3)))


# ---------------------------------------------------------------------------------------------------------------- units


def test_units_are_converted_when_declared(tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format("forces") + "energy=-1.0")
    options = ReadOptions(units={"length": "bohr", "energy": "hartree", "forces": "hartree/bohr"})
    (structure,) = read_structures(path, options=options)
    # CODATA 2022: hartree 27.211386245981 eV, bohr 0.529177210544 angstrom
    assert structure.energy == pytest.approx(-27.211386246, rel=1e-9)
    assert structure.positions[1, 2] == pytest.approx(0.74 * 0.529177210544, rel=1e-9)
    assert structure.forces[0, 0] == pytest.approx(0.1 * 51.4220674, rel=1e-8)


def test_a_virial_is_an_energy_and_the_volume_follows_the_length(tmp_path: Path) -> None:
    text = " ".join(str(number) for number in (-120 * STRESS).ravel())
    path = extxyz(tmp_path, CELL + COLUMNS.format("forces") + f'virial="{text}"')
    (structure,) = read_structures(path, options=ReadOptions(units={"length": "bohr", "virial": "hartree"}))
    np.testing.assert_allclose(structure.stress, STRESS * 27.211386246 / 0.529177210544**3, rtol=1e-8)


def test_an_unknown_unit(tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format("forces") + "energy=1")
    with pytest.raises(UserError, match=r"variables.energy: `furlong`"):
        read_structures(path, options=ReadOptions(units={"energy": "furlong"}))


def test_a_unit_that_the_file_states_is_not_overlooked(tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format("forces") + "energy=-1.0 energy_unit=Hartree")
    with pytest.raises(
        UserError, match=r"s.xyz@0: the file states energy in Hartree.*--dataset.variables.energy=Hartree"
    ):
        read_structures(path)
    (structure,) = read_structures(path, options=ReadOptions(units={"energy": "hartree"}))
    assert structure.energy == pytest.approx(-27.211386246, rel=1e-9)


def test_the_units_of_a_schnetpack_database(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with connect(path) as database:
        database.metadata = {
            "_property_unit_dict": {"energy": "kcal/mol", "forces": "kcal/mol/Ang"},
            "_distance_unit": "Ang",
        }
        database.write(molecule("H2"), data={"energy": np.array([-10.0]), "forces": np.ones((2, 3))})
    with pytest.raises(UserError, match=r"s.db: the file states energy in kcal/mol"):
        read_structures(path)
    options = ReadOptions(units={"energy": "kcal/mol", "forces": "kcal/mol/angstrom"})
    (structure,) = read_structures(path, options=options)
    assert structure.energy == pytest.approx(-0.43364104, rel=1e-7)
    assert structure.forces[0, 0] == pytest.approx(0.043364104, rel=1e-7)


# ------------------------------------------------------------------------------------------------------------- refusals


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none.xyz: no such file"):
        read_structures(tmp_path / "none.xyz")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is a folder"):
        read_structures(tmp_path)


@pytest.mark.parametrize("name", ["s.xyz", "s.db", "s.json", "s.traj", "s.json.gz", "POSCAR", "s"])
def test_an_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"{name}: the file is empty"):
        read_structures(tmp_path / name)


@pytest.mark.parametrize("name", ["s.xyz", "s.db", "s.json", "s.traj", "s.json.gz", "s.cif", "POSCAR", "s"])
def test_a_file_of_something_else(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("nothing of the kind\nat all\n\n")
    with pytest.raises(UserError, match=rf"{name}: "):
        read_structures(tmp_path / name)


def test_a_file_cut_short_names_no_traceback(alloys: list[Structure], tmp_path: Path) -> None:
    for name, writer in WRITERS.items():
        writer(tmp_path / name, alloys)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: int(len(content) * 0.7)])
        with pytest.raises(UserError, match=rf"{re.escape(name)}"):
            read_structures(tmp_path / name)


def test_no_structures(tmp_path: Path) -> None:
    with connect(tmp_path / "s.db") as database:
        database.write(molecule("H2"))
        del database[1]
    (tmp_path / "s.json").write_text("[]")
    for name in ("s.db", "s.json"):
        with pytest.raises(UserError, match=f"{name}: needs at least one structure"):
            read_structures(tmp_path / name)


@pytest.mark.parametrize(
    ("header", "atoms", "message"),
    [
        ("energy=nan", None, "s.xyz@0: the energy is NaN or inf"),
        ("energy=1", "H 0 0 0 nan 0 0\nH 0 0 1 0 0 0", "s.xyz@0: the force on atom 0 is NaN or inf"),
        ("energy=1", "H 0 0 0 0 0 0\nH 0 0 1 0 -inf 0", "s.xyz@0: the force on atom 1 is NaN or inf"),
        ("energy=1", "H 0 0 0 0 0 0\nH 0 0 1 0 0 5e3", "s.xyz@0: the force on atom 1 is 5000 eV/angstrom"),
        ("energy=1", "H 0 0 0 0 0 0\nH 0 0 nan 0 0 0", "s.xyz@0: every coordinate must be a number"),
        ("energy=1", "H 0 0 0 0 0 0\nH 0 0 .01 0 0 0", "s.xyz@0: atoms 0 and 1 are 0.01 angstrom apart"),
        ('energy="1 2 3"', None, r"s.xyz@0: energy must be one number, but has shape \(3,\)"),
        ("energy=low", None, "s.xyz@0: energy must be numbers, but is 'low'"),
        ('REF_stress="1 2 3 4" Lattice="4 0 0 0 5 0 0 0 6"', None, r"stress must be 3 x 3, 9 or 6 numbers.*\(4,\)"),
        ('REF_stress="1 2 0 0 1 0 0 0 1" Lattice="4 0 0 0 5 0 0 0 6"', None, "stress must be symmetric"),
        ('stress="1 nan 0 nan 1 0 0 0 1" Lattice="4 0 0 0 5 0 0 0 6"', None, "the stress has NaN or inf"),
        ('Lattice="4 0 0 0 5 0 0 0 0"', None, "s.xyz@0: the periodic cell .* has no volume"),
        ('pbc="T T T"', None, "s.xyz@0: the periodic cell .* has no volume"),
    ],
)
def test_values_that_no_calculation_gives(header: str, atoms: str | None, message: str, tmp_path: Path) -> None:
    text = COLUMNS.format("forces") + header
    path = extxyz(tmp_path, text) if atoms is None else extxyz(tmp_path, text, atoms)
    with pytest.raises(UserError, match=message):
        read_structures(path)


def test_forces_of_a_wrong_shape(tmp_path: Path) -> None:
    header = "Properties=species:S:1:pos:R:3:forces:R:2 energy=1"
    with pytest.raises(UserError, match=r"s.xyz@0: forces must have shape \(2, 3\), but have \(2, 2\)"):
        read_structures(extxyz(tmp_path, header, "H 0 0 0 1 2\nH 0 0 1 1 2"))


def test_the_structure_at_fault_is_named(alloys: list[Structure], tmp_path: Path) -> None:
    images = [to_atoms(structure) for structure in alloys]
    images[7].calc.results["forces"][2] = 1e4
    write(tmp_path / "train.extxyz", images)
    with pytest.raises(UserError, match="train.extxyz@7: the force on atom 2"):
        read_structures(tmp_path / "train.extxyz")
    assert len(read_structures(tmp_path / "train.extxyz", options=ReadOptions(maximum_force_ev_per_angstrom=1e5))) == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e["outputs"].update(forces=[[0, 0, 0]]), r"forces must have shape \(4, 3\)"),
        (lambda e: e["outputs"].update(virial_stress=[1, 2, 3]), "virial_stress must be six numbers"),
        (lambda e: e["outputs"].update(energy="low"), "energy must be numbers"),
        (lambda e: e["structure"].pop("lattice"), r"not an mlearn entry \(KeyError"),
        (lambda e: e["structure"].update(sites=3), "not an mlearn entry"),
        (lambda e: (e["structure"].update(sites=[]), e.update(outputs={})), "at least one atom"),
        (lambda e: e["structure"]["sites"][0].update(species=[{"element": "Qq", "occu": 1}]), "Qq"),
        (lambda e: e["structure"]["sites"][0].update(species=[{"element": "Cu", "occu": 0.5}]), "partial occupation"),
        (lambda e: e["structure"]["sites"][0].update(xyz=[1, 2]), "not an mlearn entry"),
    ],
)
def test_mlearn_entries_that_are_none(
    change: Callable[[dict], object], message: str, alloys: list[Structure], tmp_path: Path
) -> None:
    entries = [mlearn_entry(structure) for structure in alloys]
    change(entries[5])
    path = tmp_path / "m.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(UserError, match=rf"m.json@5: .*{message}"):
        read_structures(path)


def test_mlearn_labels_may_be_missing(alloys: list[Structure], tmp_path: Path) -> None:
    entry = mlearn_entry(alloys[0])
    entry["outputs"] = {"energy": -1.0}
    (tmp_path / "m.json").write_text(json.dumps([entry]))
    (structure,) = read_structures(tmp_path / "m.json")
    assert structure.energy == -1.0
    assert not structure.has_forces
    assert not structure.has_stress


# ------------------------------------------------------------------------------------------------------ without labels


@pytest.mark.parametrize("name", WRITERS)
def test_structures_without_labels_from_every_format(name: str, alloys: list[Structure], tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, alloys)
    # names and units of labels do not matter
    found = read_unlabelled(tmp_path / name, ReadOptions(keys={"energy": "none"}, units={"energy": "kcal/mol"}))
    for (structure, atoms), expected in zip(found, alloys, strict=True):
        assert not (structure.has_energy or structure.has_forces or structure.has_stress)
        np.testing.assert_allclose(structure.positions, expected.positions, atol=1e-8)
        np.testing.assert_array_equal(atoms.positions, structure.positions)
        assert atoms.calc is None
        # ASE's JSON has no info
        assert expected.group in atoms.info.values() or name == "s.json"


def test_labels_that_are_none_do_not_matter_without_labels(tmp_path: Path) -> None:
    path = extxyz(tmp_path, COLUMNS.format("forces") + "energy=nan", "H 0 0 0 nan 0 0\nH 0 0 1 0 0 9e9")
    ((structure, atoms),) = read_unlabelled(path)
    assert structure.name == "s.xyz@0"
    assert "forces" not in atoms.arrays
    for text, message in (("H 0 0 0 0 0 0\nH 0 0 nan 0 0 0", "every coordinate"), ("H 0 0 0 0 0 0\n" * 2, "0 and 1")):
        with pytest.raises(UserError, match=f"s.xyz@0: .*{message}"):
            read_unlabelled(extxyz(tmp_path, COLUMNS.format("forces"), text))


def test_what_else_a_file_says_is_kept_in_angstrom(tmp_path: Path) -> None:
    header = CELL + "Properties=species:S:1:pos:R:3:forces:R:3:tags:I:1:site:S:1 length_unit=bohr energy=3 run=7 "
    path = extxyz(
        tmp_path, header + 'REF_energy=-1 config_type="hot melt" axis="1 0 0"', "H 0 0 0 1 1 1 3 a\nH 0 0 2 1 1 1 4 b"
    )
    with pytest.raises(UserError, match="the file states length in bohr"):
        read_unlabelled(path)
    ((structure, atoms),) = read_unlabelled(path, ReadOptions(units={"length": "bohr"}))
    assert structure.positions[1, 2] == pytest.approx(2 * 0.529177210544, rel=1e-9)
    assert atoms.cell[0, 0] == structure.cell[0, 0]
    assert set(atoms.info) == {"run", "REF_energy", "config_type", "axis"}
    assert atoms.info["config_type"] == "hot melt"
    assert atoms.arrays["tags"].tolist() == [3, 4]
    assert atoms.arrays["site"].tolist() == ["a", "b"]


VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@given(
    st.dictionaries(st.text(max_size=6), VALUE | st.lists(VALUE, max_size=3) | st.dictionaries(st.text(), VALUE)),
    st.text(min_size=1, max_size=5),
    st.lists(st.text(max_size=4), min_size=2, max_size=2),
)
def test_what_is_kept_never_spoils_the_file(info: dict, key: str, words: list[str]) -> None:
    atoms = molecule("H2")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.traj"
        write(path, atoms)
        images = [(atoms.copy(), info, {})]
        images[0][0].arrays.setdefault(key, np.array(words))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "read_images", lambda path, kind: images)
            ((structure, kept),) = read_unlabelled(path)
    attach_labels(kept, with_labels(structure, energy=-1.0, forces=np.ones((2, 3))))
    again = ase.io.read(io.StringIO(extxyz_text([kept, kept])), index=":", format="extxyz")
    assert [one.get_potential_energy() for one in again] == [-1.0, -1.0]
    np.testing.assert_array_equal(again[1].get_forces(), np.ones((2, 3)))
    np.testing.assert_allclose(again[1].positions, atoms.positions, atol=1e-8)


# ----------------------------------------------------------------------------------------------------------- hypothesis

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_or_refuse(name: str, content: bytes, kind: str = "auto") -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / name).write_bytes(content)
        try:
            structures = read_structures(folder / name, kind)
        except UserError as error:
            assert "\n" not in str(error)
            assert name in str(error)
        else:
            assert structures
    finally:
        shutil.rmtree(folder)


@FUZZ
@given(st.sampled_from(sorted(WRITERS)), st.binary(max_size=400))
def test_random_bytes(name: str, content: bytes) -> None:
    read_or_refuse(name, content)


@FUZZ
@given(st.sampled_from(["s.xyz", "s.json", "mlearn.json", "POSCAR", "s.cif"]), st.text(max_size=300))
def test_random_text(name: str, content: str) -> None:
    read_or_refuse(name, content.encode())


class Files(dict[str, bytes]):
    """Contents by name, printed in short when a test fails."""

    def __repr__(self) -> str:
        return f"Files({', '.join(self)})"


@pytest.fixture(scope="session")
def valid_files(alloys: list[Structure], tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("valid")
    for name, writer in WRITERS.items():
        writer(folder / name, alloys[:2])
    write(folder / "POSCAR", bulk("Si"), format="vasp")
    write(folder / "s.cif", bulk("Si"))
    return Files({path.name: path.read_bytes() for path in folder.iterdir()})


@settings(FUZZ, max_examples=100)
@given(st.sampled_from([*sorted(WRITERS), "POSCAR", "s.cif"]), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_damaged_files(valid_files: Files, name: str, seed: int, n_changes: int) -> None:
    """Bytes are changed, put in, taken out; the rest is as it was, so the damage reaches deep."""
    rng, content = random.Random(seed), bytearray(valid_files[name])
    for _ in range(n_changes):
        start, length = rng.randrange(len(content) + 1), rng.choice([0, 1, 1, 2, 50])
        new = rng.choice([b"", b"-", b"0", b"9999999999", b" ", b"\n", b"nan", b"\x00\xff", rng.randbytes(4)])
        content[start : start + length] = new
    read_or_refuse(name, bytes(content))


MLEARN_KEYS = ["structure", "outputs", "lattice", "sites", "matrix", "species", "xyz", "energy", "forces", "group"]


def containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    lists = st.lists(inner, max_size=4)
    return lists | st.dictionaries(st.sampled_from(MLEARN_KEYS), inner, max_size=6)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(LEAVES, containers, max_leaves=25)


@FUZZ
@given(JSON)
def test_any_json_as_mlearn(value: object) -> None:
    read_or_refuse("m.json", json.dumps(value).encode(), "mlearn")


@FUZZ
@given(st.data())
def test_an_mlearn_entry_with_any_part_replaced(alloys: list[Structure], data: st.DataObject) -> None:
    entry = mlearn_entry(alloys[0])
    where = data.draw(st.sampled_from([("outputs",), ("structure",), ("outputs", "energy"), ("outputs", "forces"),
        ("outputs", "virial_stress"), ("structure", "sites"), ("structure", "lattice"), ("group",)]))  # fmt: skip
    part = entry
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = data.draw(JSON)
    read_or_refuse("m.json", json.dumps([entry]).encode(), "mlearn")


def test_a_header_that_promises_more_atoms_than_memory(tmp_path: Path) -> None:
    path = tmp_path / "s.xyz"
    path.write_text("99999999999999\nenergy=1\nH 0 0 0\n")
    with pytest.raises(UserError, match="s.xyz"):
        read_structures(path)


def test_deep_json(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match="m.json"):
        read_structures(tmp_path / "m.json")


def test_an_at_sign_in_a_name_is_part_of_it(tmp_path: Path) -> None:
    write(tmp_path / "a@1.xyz", [molecule("H2"), molecule("H2O")], format="extxyz")
    assert len(read_structures(tmp_path / "a@1.xyz")) == 2


def test_plain_xyz(tmp_path: Path) -> None:
    write(tmp_path / "s.xyz", Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]]), format="xyz")
    assert read_structures(tmp_path / "s.xyz")[0].n_atoms == 2
