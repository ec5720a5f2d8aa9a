"""`sciml export` and `sciml lammps` as a user types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sciml.cli.main import main
from sciml.core.catalogue import find_model
from sciml.materials import lammps


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def about(file: Path) -> dict[str, object]:
    data = file.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"]["sciml"])


def test_export_of_a_trained_model(capsys: pytest.CaptureFixture[str]):
    assert main(["export", "si-painn", "-o", "si.sciml"]) == 0
    assert "pair_coeff * * si.sciml Si" in capsys.readouterr().out
    assert list(Path().iterdir()) == [Path("si.sciml")]
    said = about(Path("si.sciml"))
    assert (said["backend"], said["dtype"], said["elements"]) == ("native", "float32", ["Si"])
    # the file that the catalogue carries is this one
    assert Path("si.sciml").read_bytes() == (find_model("si-painn") / "si.sciml").read_bytes()
    assert (
        main(["export", str(find_model("si-painn") / "weights.safetensors"), "-o", "b.sciml", "--precision", "float64"])
        == 0
    )
    assert about(Path("b.sciml"))["dtype"] == "float64"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "-o", "a.sciml"], "no run, checkpoint or trained model at nothing"),
        (["si-painn", "-o", "a.pt"], "ends in .sciml"),
        (["si-painn", "-o", "no/where.sciml"], "no such folder"),
        (["si-painn", "-o", "a.sciml", "--precision", "float16"], "precision must be one of float32, float64"),
        (["si-painn", "-o", "a.sciml", "--backend", "fast"], "back end must be one of native, generic"),
        (["si-painn", "-o", "a.sciml", "--precison", "float32"], "did you mean `--precision`?"),
    ],
)
def test_export_of_what_cannot_be(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert said in refused(["export", *arguments], capsys)
    assert not list(Path().iterdir())


def test_examples_are_copied_with_their_potential(capsys: pytest.CaptureFixture[str]):
    assert main(["lammps", "examples", "--to", "here"]) == 0
    names = {path.name for path in Path("here").iterdir()}
    assert {"in.melt", "in.npt", "in.elastic", "si.sciml"} <= names
    for name in ("in.melt", "in.npt", "in.elastic"):
        text = (Path("here") / name).read_text()
        assert "../models" not in text and "si.sciml" in text
    assert "is there already" in refused(["lammps", "examples", "--to", "here"], capsys)


def test_info_says_what_is_there(capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("lammps", reason="LAMMPS is not installed")
    assert main(["lammps", "info", "--to", "empty"]) == 0
    out = capsys.readouterr().out
    for part in ("22 Jul 2025", "MPICH", "SMALLBIG", "not built", "sciml lammps build"):
        assert part in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "--lammps-source", "src"], "needs both"),
        (["build", "--lammps-source", "src", "--lammps-executable", "lmp"], "no such file"),
        (["build", "--cmake-option", "fast"], "--cmake-option takes -DNAME=VALUE"),
        (["destroy"], "build"),
    ],
)
def test_a_build_of_what_cannot_be(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("lammps", reason="LAMMPS is not installed")
    assert said in refused(["lammps", *arguments], capsys)


def stand_in_lmp(folder: Path, help_text: str) -> Path:
    """A program that says of itself what some other lmp would."""
    program = folder / "lmp"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{help_text}\nEND\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (("MPICH", "Open MPI"), [], "was built with Open MPI, but the MPI compiler found"),
        ((" PLUGIN ", " "), [], "without its package PLUGIN"),
        (("SMALLBIG", "WHATBIG"), [], "does not say whether it is SMALLBIG or BIGBIG"),
        (("", ""), ["-DLAMMPS_SIZES=bigbig"], "was built with SMALLBIG, but LAMMPS_SIZES asks for BIGBIG"),
        (("version.h", ""), [], "but the headers in"),
        (("json.h", ""), [], "needs 22 Jul 2025 or newer"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_lammps_that_the_plugin_does_not_fit_is_refused_when_it_is_configured(
    change: tuple[str, str], options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("lammps", reason="LAMMPS is not installed")
    found = lammps.find_lammps()
    help_text = found.details.replace(*change) if change[1] or change[0].startswith(" ") else found.details
    program = stand_in_lmp(tmp_path, help_text)
    headers = tmp_path / "src"
    headers.mkdir()
    for header in found.headers.iterdir():
        (headers / header.name).symlink_to(header)
    if change[0] == "version.h":
        (headers / "version.h").write_text('#define LAMMPS_VERSION "2 Aug 2023"\n')
    if change[0] == "json.h":
        (headers / "json.h").unlink()
    command = [
        "lammps",
        "build",
        "--lammps-source",
        str(headers),
        "--lammps-executable",
        str(program),
        "--to",
        "plugins",
    ]
    for option in options:
        command.append(f"--cmake-option={option}")
    message = refused(command, capsys)
    assert said in message
    assert "build.log" in message
    # what was there is not replaced by half a build
    assert [path.name for path in Path("plugins").iterdir()] == ["build.log"]


def test_the_entry_point_that_lammps_asks_is_quick():
    """LAMMPS' launcher imports it at each start."""
    code = "import sys, sciml.materials.lammps as lammps; print(lammps.plugin_path()); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines() == [lammps.plugin_path(), "False"]
