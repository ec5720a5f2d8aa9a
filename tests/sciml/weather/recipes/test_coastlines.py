"""The recipe on a small package, and the files that came out of it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.catalogue import file_sha256, find_dataset
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.weather.recipes import RECIPES
from sciml.weather.recipes.coastlines import DEGREES_PER_UNIT, coast_lines, packed, read_member, simplified

# a square across the antimeridian, cut there as land is; the third and the last side are the cut
TOPOLOGY = {
    "transform": {"scale": [0.5, 0.5], "translate": [-180.0, 0.0]},
    "arcs": [
        [[700, 0], [20, 0], [0, 20], [-20, 0], [0, -20]],
        [[0, 0], [20, 0], [0, 20], [-20, 0], [0, -20]],
        [[10, -178], [20, -2], [0, 1]],
    ],
}


def package(folder: Path, member: str = "package/land.json", text: str = json.dumps(TOPOLOGY)) -> Path:
    file = folder / "land.tgz"
    with tarfile.open(file, "w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(text.encode())
        archive.addfile(info, io.BytesIO(text.encode()))
    return file


def test_cuts_are_left_out() -> None:
    lines = coast_lines(TOPOLOGY)
    assert [line.tolist() for line in lines[:4]] == [
        [[170.0, 0.0], [180.0, 0.0]],
        [[180.0, 10.0], [170.0, 10.0], [170.0, 0.0]],
        [[-180.0, 0.0], [-170.0, 0.0], [-170.0, 10.0], [-180.0, 10.0]],
        [[-175.0, -89.0], [-165.0, -90.0]],
    ]


def test_packed_lines_come_back() -> None:
    random = np.random.default_rng(0)
    lines = [np.cumsum(random.normal(0, 2, (n, 2)), axis=0) for n in (2, 50)]
    read = json.loads(packed(lines))
    for line, units in zip(lines, read["lines"], strict=True):
        back = np.cumsum(np.array(units).reshape(-1, 2), axis=0) * read["degrees_per_unit"]
        np.testing.assert_allclose(back, line, atol=0.51 * DEGREES_PER_UNIT)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1.0))
def test_a_simplified_line_stays_within_the_tolerance(seed: int, tolerance: float) -> None:
    random = np.random.default_rng(seed)
    line = np.cumsum(random.normal(0, 0.3, (60, 2)), axis=0)
    kept = simplified(line, tolerance)
    assert (kept[[0, -1]] == line[[0, -1]]).all()
    # every point is near to one of the new segments, sampled a hundredfold
    part = np.linspace(0, 1, 101)[:, None]
    dense = np.concatenate([a + part * (b - a) for a, b in zip(kept[:-1], kept[1:], strict=True)])
    distance = np.hypot(*(line[:, None] - dense[None]).T).min(axis=0)
    spacing = np.hypot(*np.diff(kept, axis=0).T).max() / 100
    assert distance.max() <= tolerance + spacing


def test_make_writes_what_dataset_yaml_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = package(tmp_path)
    monkeypatch.setenv("SCIML_DATA", str(tmp_path))
    facts = {
        "files": {
            "globe": {"path": "coast.json"},
            "source": {"path": "land.tgz", "sha256": file_sha256(made_up)},
        },
        "recipe": {
            "files": {"globe": {"member": "package/land.json", "tolerance_degrees": 0.0, "smallest_degrees": 5.0}}
        },
    }
    RECIPES["coastlines"](facts, tmp_path / "out", tmp_path / "work", limit=3)
    assert len(json.loads((tmp_path / "out" / "coast.json").read_text())["lines"]) == 3


@pytest.mark.parametrize(("member", "text"), [("package/sea.json", "{}"), ("package/land.json", "{")])
def test_another_package_is_refused(tmp_path: Path, member: str, text: str) -> None:
    with pytest.raises(UserError, match="should hold package/land.json"):
        read_member(package(tmp_path, member, text), "package/land.json")


def test_the_shipped_files_are_small_and_of_the_recipe() -> None:
    folder = find_dataset("natural-earth")
    facts = read_yaml(folder / "dataset.yaml")
    for role in facts["recipe"]["files"]:
        file = folder / facts["files"][role]["path"]
        assert file_sha256(file) == facts["files"][role]["sha256"]
        assert file.stat().st_size < 150_000
    assert facts["recipe"]["name"] in RECIPES
