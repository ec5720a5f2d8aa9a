"""Which files an experiment reads, how it cuts them, and what it says about them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.catalogue import file_sha256, find_dataset
from sciml.core.config import parse
from sciml.core.data_files import FileConfig
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.materials.dataset import (
    VALIDATION_BLOCKS,
    DatasetConfig,
    StructureFile,
    load_training_data,
    read_split,
    split_validation,
)
from sciml.materials.structures import Structure, from_atoms, to_atoms, with_labels


def save(path: Path, structures: list[Structure]) -> str:
    write(path, [to_atoms(structure) for structure in structures], format="extxyz")
    return str(path)


def in_groups(sizes: dict[str, int]) -> list[Structure]:
    lone = from_atoms(Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]]))
    return [replace(lone, group=group, name=f"{group}{k}") for group, n in sizes.items() for k in range(n)]


# --------------------------------------------------------------------------------------------------------- validation


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1),
    st.floats(0.01, 0.9),
    st.integers(0, 2**32),
)
def test_a_split_is_a_partition(sizes: dict[str, int], fraction: float, seed: int) -> None:
    structures = in_groups(sizes)
    if len(structures) < 2:
        with pytest.raises(UserError, match="at least 2 structures"):
            split_validation(structures, fraction, seed)
        return
    train, validation = split_validation(structures, fraction, seed)
    assert len(train) + len(validation) == len(structures)
    assert {s.name for s in train} | {s.name for s in validation} == {s.name for s in structures}
    assert train
    assert validation
    # order is kept, so that the seed alone says which
    assert [s.name for s in validation] == [s.name for s in structures if s.name in {v.name for v in validation}]


def test_every_group_gives_its_share() -> None:
    structures = in_groups({"melt": 200, "crystal": 100, "surface": 20, "single": 1})
    _, validation = split_validation(structures, 0.1, seed=0)
    assert Counter(s.group for s in validation) == {"melt": 20, "crystal": 10, "surface": 2}


def test_a_group_never_validates_as_a_whole() -> None:
    structures = in_groups({"a": 3, "b": 2, "c": 40})
    for seed in range(20):
        train, _ = split_validation(structures, 0.4, seed)
        assert {s.group for s in train} == {"a", "b", "c"}


def test_validation_comes_in_runs_of_neighbours() -> None:
    structures = in_groups({"trajectory": 1000})
    _, validation = split_validation(structures, 0.1, seed=3)
    places = [int(s.name.removeprefix("trajectory")) for s in validation]
    assert len(places) == 100
    assert sum(np.diff(places) > 1) + 1 <= VALIDATION_BLOCKS


def test_the_seed_decides() -> None:
    structures = in_groups({"a": 100})
    names = [[s.name for s in split_validation(structures, 0.1, seed)[1]] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


# -------------------------------------------------------------------------------------------------------------- files


def test_files_of_ones_own(alloys: list[Structure], tmp_path: Path) -> None:
    config = DatasetConfig(train=save(tmp_path / "a.xyz", alloys[:8]), test=save(tmp_path / "b.xyz", alloys[8:]))
    data = load_training_data(config)
    assert len(data.train) + len(data.validation) == 8
    assert data.elements == (13, 29)
    assert config.test_splits == ["test"]
    assert len(read_split(config, "test")) == 4


def test_a_validation_file_of_ones_own(alloys: list[Structure], tmp_path: Path) -> None:
    config = DatasetConfig(train=save(tmp_path / "a.xyz", alloys[:9]), validation=save(tmp_path / "b.xyz", alloys[9:]))
    data = load_training_data(config)
    assert (len(data.train), len(data.validation)) == (9, 3)


def test_a_train_of_ones_own_replaces_every_file() -> None:
    files = {"train": StructureFile("x"), "validation": StructureFile("y"), "test": StructureFile("z")}
    assert DatasetConfig(files=files, train="own.xyz").sources == {"train": FileConfig(str(Path.cwd() / "own.xyz"))}


def test_a_test_of_ones_own_replaces_test_files_only() -> None:
    files = {"train": StructureFile("x"), "test_300K": StructureFile("y"), "test_600K": StructureFile("z")}
    config = DatasetConfig(files=files, test="own.xyz")
    assert config.sources == {
        "train": StructureFile(str(Path.cwd() / "x")),
        "test": FileConfig(str(Path.cwd() / "own.xyz")),
    }
    assert DatasetConfig(files=files).test_splits == ["test_300K", "test_600K"]


def test_isolated_atoms_are_references_not_samples(alloys: list[Structure], tmp_path: Path) -> None:
    copper, aluminium = (with_labels(from_atoms(Atoms(symbol)), energy=e) for symbol, e in (("Cu", -1.0), ("Al", -2.0)))
    config = DatasetConfig(
        train=save(tmp_path / "a.xyz", [copper, *alloys]), isolated_atoms=save(tmp_path / "i.xyz", [aluminium])
    )
    data = load_training_data(config)
    assert len(data.train) + len(data.validation) == len(alloys)
    assert {s.atomic_numbers[0]: s.energy for s in data.isolated_atoms} == {13: -2.0, 29: -1.0}


def test_a_file_of_isolated_atoms_with_something_else(alloys: list[Structure], tmp_path: Path) -> None:
    path = save(tmp_path / "a.xyz", alloys)
    with pytest.raises(UserError, match=r"a.xyz@0: an isolated atom is one atom without periodicity"):
        load_training_data(DatasetConfig(train=path, isolated_atoms=path))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "there is no training file"),
        ({"files": {"trian": StructureFile("x")}}, "`files.trian`"),
        ({"train": "x", "validation_fraction": 1.0}, "`validation_fraction` must lie between 0 and 1"),
    ],
)
def test_configurations_that_make_no_sense(wrong: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        DatasetConfig(**wrong)


def test_a_format_that_is_none_is_refused_when_the_configuration_is_read() -> None:
    raw = {"files": {"train": {"path": "a.xyz", "format": "extxzy"}}}
    with pytest.raises(UserError, match=r"x.yaml: `files.train`: `extxzy` is no format .* did you mean `extxyz`\?"):
        parse(DatasetConfig, raw, "x.yaml")


def test_paths_of_ones_own_are_those_of_the_shell(
    alloys: list[Structure], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "a.xyz", alloys)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    configs = [
        DatasetConfig(train="~/a.xyz", test="a.xyz"),
        DatasetConfig(files={"train": StructureFile("~/a.xyz"), "test": StructureFile("a.xyz")}),
    ]
    # a run is evaluated from wherever one is
    monkeypatch.chdir(tmp_path / "elsewhere")
    for config in configs:
        assert [len(read_split(config, role)) for role in ("train", "test")] == [12, 12]
    nobody = DatasetConfig(train="~no-such-user/a.xyz")
    assert nobody.train == str(tmp_path / "elsewhere/~no-such-user/a.xyz")
    # the catalogue looks in places of its own
    assert DatasetConfig("mlearn-si", files={"train": StructureFile("a.xyz")}).files["train"].path == "a.xyz"


def test_the_checksum_of_a_file_of_ones_own(alloys: list[Structure], tmp_path: Path) -> None:
    path = save(tmp_path / "a.xyz", alloys)
    right = StructureFile(path, sha256=file_sha256(Path(path)).upper())
    assert len(read_split(DatasetConfig(files={"train": right}), "train")) == 12
    wrong = replace(right, sha256="0" * 64)
    with pytest.raises(UserError, match=r"a.xyz should have sha256 0+, but has .*Correct dataset.files.train"):
        read_split(DatasetConfig(files={"train": wrong}), "train")
    with pytest.raises(UserError, match=r"b.xyz: no such file"):
        read_split(DatasetConfig(files={"train": replace(wrong, path=str(tmp_path / "b.xyz"))}), "train")


def test_declared_elements_that_are_not_those_of_the_file(alloys: list[Structure], tmp_path: Path) -> None:
    save(tmp_path / "a.xyz", alloys)
    files = {"train": StructureFile(str(tmp_path / "a.xyz"), "extxyz")}
    with pytest.raises(UserError, match="a.xyz holds Al, Cu, but `dataset.elements` says Si"):
        load_training_data(DatasetConfig(files=files, elements=["Si"]))
    assert load_training_data(DatasetConfig(files=files, elements=["Cu", "Al"])).elements == (13, 29)


def test_a_validation_element_that_training_lacks(alloys: list[Structure], tmp_path: Path) -> None:
    silver = [replace(alloys[0], atomic_numbers=np.array([29, 29, 47, 29]))]
    config = DatasetConfig(train=save(tmp_path / "a.xyz", alloys), validation=save(tmp_path / "b.xyz", silver))
    with pytest.raises(UserError, match=r"b.xyz@0 of the validation set has Ag, which the training structures lack"):
        load_training_data(config)


def test_a_test_file_is_looked_at_before_training(alloys: list[Structure], tmp_path: Path) -> None:
    silver = [replace(alloys[0], atomic_numbers=np.array([29, 29, 47, 29]))]
    train = save(tmp_path / "a.xyz", alloys)
    with pytest.raises(UserError, match=r"b.xyz@0 of the test set has Ag, which the training structures lack"):
        load_training_data(DatasetConfig(train=train, test=save(tmp_path / "b.xyz", silver)))
    with pytest.raises(UserError, match=r"none.xyz: no such file"):
        load_training_data(DatasetConfig(train=train, test=str(tmp_path / "none.xyz")))


# -------------------------------------------------------------------------------------------------- what is said of it


def notes_of(structures: list[Structure], tmp_path: Path) -> list[str]:
    return load_training_data(DatasetConfig(train=save(tmp_path / "a.xyz", structures))).notes


def test_complete_data_need_no_words(alloys: list[Structure], tmp_path: Path) -> None:
    assert notes_of(alloys, tmp_path) == []


def test_missing_labels_are_noted(alloys: list[Structure], tmp_path: Path) -> None:
    bare = [with_labels(s, energy=s.energy, forces=s.forces, group=s.group) for s in alloys]
    assert notes_of(bare, tmp_path) == ["The training data have no stress: the potential is trained without."]
    assert notes_of([with_labels(s, energy=s.energy) for s in alloys], tmp_path) == [
        "The training data have no forces: the potential is trained without.",
        "The training data have no stress: the potential is trained without.",
    ]
    assert notes_of([bare[0], *alloys[1:]], tmp_path) == [
        "1 of 12 training structures have no stress: they are trained without it."
    ]


def test_molecules_have_no_stress_to_miss(tmp_path: Path) -> None:
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]])
    structures = [
        with_labels(from_atoms(atoms), energy=-31.0 - k, forces=np.zeros((2, 3)), group=str(k)) for k in range(4)
    ]
    for k, structure in enumerate(structures):
        structure.positions[1, 2] += 0.01 * k
    assert notes_of(structures, tmp_path) == []


def test_structures_without_any_label_are_left_out(alloys: list[Structure], tmp_path: Path) -> None:
    notes = notes_of([with_labels(alloys[0]), *alloys[1:]], tmp_path)
    assert notes == ["1 of 12 structures have no label: left out."]


def test_no_label_at_all(alloys: list[Structure], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a.xyz has neither energies nor forces nor stresses.*dataset.keys.energy"):
        notes_of([with_labels(s) for s in alloys], tmp_path)


def test_the_same_structure_in_both_sets_is_said(alloys: list[Structure], tmp_path: Path) -> None:
    config = DatasetConfig(
        train=save(tmp_path / "a.xyz", alloys[:10]),
        validation=save(tmp_path / "b.xyz", alloys[:3]),
        test=save(tmp_path / "c.xyz", alloys[9:]),
    )
    assert load_training_data(config).notes == [
        "The validation set shares 3 of its 3 structures with the training set, e.g. b.xyz@0.",
        "The test set shares 1 of its 3 structures with the training set, e.g. c.xyz@0.",
    ]


def test_wrong_units_are_refused_unless_told_not_to_look(alloys: list[Structure], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kcal = []
    for _ in range(10):
        structure = replace(alloys[1], positions=alloys[1].positions + rng.normal(scale=0.01, size=(4, 3)))
        kcal.append(with_labels(structure, energy=-1.0, forces=rng.normal(scale=30.0, size=(4, 3))))
    path = save(tmp_path / "k.xyz", kcal)
    with pytest.raises(UserError, match=r"k.xyz: .*root mean square.*--dataset.variables"):
        load_training_data(DatasetConfig(train=path))
    load_training_data(DatasetConfig(train=path, check_units=False))
    load_training_data(DatasetConfig(train=path, variables={"energy": "kcal/mol", "forces": "kcal/mol/angstrom"}))


# ----------------------------------------------------------------------------------------------------- the catalogue's


@pytest.mark.parametrize(
    ("name", "elements", "counts", "tests"),
    [
        ("mlearn-si", (14,), (193, 21), ["test"]),
        ("mlearn-li", (3,), (217, 24), ["test"]),
        ("si-gpaw", (14,), (162, 41), ["test"]),
        ("acac", (1, 6, 8), (450, 50), ["test_300K", "test_600K", "test_dihedral", "test_H_transfer"]),
    ],
)
def test_the_published_sets(name: str, elements: tuple[int, ...], counts: tuple[int, int], tests: list[str]) -> None:
    facts = read_yaml(find_dataset(name) / "dataset.yaml")
    path = next(iter(facts["files"].values()))["path"]
    if not (Path(os.environ.get("SCIML_DATA", "")) / path).parent.is_dir():
        pytest.skip(f"needs {Path(path).parent} below $SCIML_DATA")
    keys = {"files", "elements", "variables", "validation_fraction", "reference_energies"}
    config = parse(DatasetConfig, {"name": name, **{key: facts[key] for key in keys & facts.keys()}})
    data = load_training_data(config)
    assert data.elements == elements
    assert (len(data.train), len(data.validation)) == counts
    assert config.test_splits == tests
    assert data.notes == []
    for split in tests:
        assert all(structure.has_energy for structure in read_split(config, split))
