"""Names to folders, folders to files; whose comes first, and what is said when there is none."""

import gzip
import hashlib
from pathlib import Path

import pytest

from sciml.core import catalogue, native
from sciml.core.errors import UserError

CONTENTS = b"2 atoms\n"
SHA256 = hashlib.sha256(CONTENTS).hexdigest()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own dataset in the current directory, and folders for shared data and downloads."""
    folder = tmp_path / "work"
    (folder / "datasets/mine").mkdir(parents=True)
    (folder / "datasets/mine/dataset.yaml").write_text("domain: materials\nfiles: {train: {path: sub/a.xyz, url: x}}\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SCIML_DATA", str(tmp_path / "shared"))
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path / "cache"))
    return tmp_path


def put(file: Path, contents: bytes = CONTENTS) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(contents)
    return file


def test_the_package_brings_its_own_and_the_current_directory_comes_first(here: Path):
    assert catalogue.find_dataset("mine") == Path("datasets/mine")
    assert (catalogue.find_dataset("mlearn-si") / "dataset.yaml").is_file()
    put(here / "work/datasets/mlearn-si/dataset.yaml", b"domain: materials\n")
    assert catalogue.find_dataset("mlearn-si") == Path("datasets/mlearn-si")


def test_unknown_names_get_the_nearest_one():
    with pytest.raises(UserError, match=r"there is no dataset `mien`; did you mean `mine`\?"):
        catalogue.find_dataset("mien")
    with pytest.raises(UserError, match="there is no model `zzz`; `sciml list models` shows"):
        catalogue.find_model("zzz")


def test_an_experiment_by_name_by_path_and_by_path_in_the_catalogue(here: Path):
    mine = put(here / "work/experiments/materials/wet.yaml", b"domain: materials\n").relative_to(here / "work")
    assert catalogue.find_experiment("wet") == mine
    assert catalogue.find_experiment(str(mine)) == mine
    elsewhere = put(here / "other/wetter.yaml")
    assert catalogue.find_experiment(str(elsewhere)) == elsewhere
    with pytest.raises(UserError, match=r"wett\.yaml: no such file; did you mean `wet`\?"):
        catalogue.find_experiment("wett.yaml")
    with pytest.raises(UserError, match=r"there is no experiment `wett`; did you mean `wet`\?"):
        catalogue.find_experiment("wett")
    with pytest.raises(UserError, match="experiments is a folder, but an experiment is a YAML file"):
        catalogue.find_experiment("experiments")


def test_files_own_folder_then_shared_then_downloads_and_packed_ones_too(here: Path):
    with pytest.raises(UserError, match=r"needs sub/a\.xyz, which is not at .*Run `sciml data get mine`"):
        catalogue.find_data_file("mine", "sub/a.xyz", SHA256)
    expected = [
        put(here / "cache/data/mine/sub/a.xyz"),
        put(here / "shared/sub/a.xyz.gz", gzip.compress(CONTENTS)),
        put(here / "shared/sub/a.xyz"),
        put(here / "work/datasets/mine/sub/a.xyz"),
    ]
    for file in reversed(expected):
        assert catalogue.find_data_file("mine", "sub/a.xyz", SHA256).resolve() == file.resolve()
        file.unlink()


def test_a_dataset_with_a_recipe_alone_says_make(here: Path):
    put(here / "work/datasets/mine/dataset.yaml", b"recipe: {name: boil}\nfiles: {train: {path: a.xyz}}\n")
    with pytest.raises(UserError, match="Run `sciml data make mine`"):
        catalogue.find_data_file("mine", "a.xyz")


def test_other_contents_are_refused(here: Path):
    file = put(here / "shared/sub/a.xyz", b"3 atoms\n")
    with pytest.raises(UserError, match=f"should have sha256 {SHA256}, but has .* damaged or another version"):
        catalogue.find_data_file("mine", "sub/a.xyz", SHA256)
    assert catalogue.find_data_file("mine", "sub/a.xyz") == file
    assert catalogue.find_data_file("mine", "sub/a.xyz", hashlib.sha256(b"3 atoms\n").hexdigest().upper()) == file


@pytest.mark.parametrize(
    "contents",
    [b"no gzip at all", gzip.compress(CONTENTS)[:-4], b"\x1f\x8b\x08\x00garbage!!"],
    ids=["not packed", "cut off", "garbage"],
)
def test_a_damaged_packed_file_is_refused(here: Path, contents: bytes):
    put(here / "shared/sub/a.xyz.gz", contents)
    with pytest.raises(UserError, match=r"a\.xyz\.gz is damaged"):
        catalogue.find_data_file("mine", "sub/a.xyz", SHA256)


@pytest.mark.parametrize("path", ["/etc/hostname", "../outside.xyz", "a/../../b"])
def test_a_path_that_leaves_the_folder_is_refused(path: str):
    with pytest.raises(UserError, match="must be relative and stay inside"):
        catalogue.find_data_file("mine", path)


def test_one_cache_folder_for_downloads_and_kernels_with_the_home_folder_filled_in(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.setenv("SCIML_CACHE", "~/x")
    assert catalogue.cache_dir() == here / "home/x"
    assert catalogue.download_place("mine", "a.xyz") == here / "home/x/data/mine/a.xyz"
    source = put(here / "three.cpp", b'extern "C" int three() { return 3; }\n')
    monkeypatch.delenv("SCIML_KERNELS", raising=False)
    library = native.load(source)
    assert library is not None
    assert library.three() == 3
    assert [file.suffix for file in (here / "home/x/kernels").iterdir()] == [".so"]
