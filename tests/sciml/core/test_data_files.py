"""Files of a data set: which are in force, where they are, and what is refused. Materials test the rest of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from sciml.core.config import parse
from sciml.core.data_files import FileConfig, SplitFiles
from sciml.core.errors import UserError


@dataclass(frozen=True)
class Config(SplitFiles):
    ROLES: ClassVar[tuple[str, ...]] = (*SplitFiles.ROLES, "static")

    files: dict[str, FileConfig] = field(default_factory=dict)
    static: str | None = None


def test_a_configuration_is_read_with_the_fields_of_both():
    raw = {"files": {"train": {"path": "a.nc", "sha256": "00"}}, "static": "s.nc"}
    config = parse(Config, raw, "x.yaml")
    here = str(Path.cwd())
    assert config.sources == {
        "train": FileConfig(f"{here}/a.nc", sha256="00"),
        "static": FileConfig(f"{here}/s.nc"),
    }
    with pytest.raises(UserError, match="did you mean"):
        parse(Config, {"train": "a.nc", "statics": "s.nc"}, "x.yaml")


def test_a_file_of_the_catalogue_is_looked_for_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "datasets" / "mine"
    folder.mkdir(parents=True)
    (folder / "dataset.yaml").write_text("summary: mine\n")
    (folder / "a.nc").touch()
    (tmp_path / "b.nc").touch()
    monkeypatch.chdir(tmp_path)
    files = {"train": FileConfig("a.nc"), "test_far": FileConfig("c.nc")}
    config = Config("mine", files, validation="b.nc")
    assert config.place("train") == Path("datasets/mine/a.nc")
    assert config.place("validation") == tmp_path / "b.nc"
    assert config.test_splits == ["test_far"]
    with pytest.raises(UserError, match="dataset `mine` needs c.nc"):
        config.place("test_far")
    assert Config("mine", files, test="b.nc").test_splits == ["test"]
    with pytest.raises(UserError, match=r"c.nc: no such file, but it is the train file"):
        Config("mine", files, train="c.nc").place("train")


def test_a_file_of_no_role():
    with pytest.raises(UserError, match=r"`files.statics`: a file is train, validation, test, static or test_NAME"):
        Config(files={"train": FileConfig("a"), "statics": FileConfig("b")})
