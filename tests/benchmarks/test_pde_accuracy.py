"""The harness of `pde_accuracy.py`, with a stand-in for the peer; how well a network learns is not looked at."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

from sciml.core.config import compose, parse
from sciml.core.plain_yaml import dump_yaml
from sciml.pde.experiment import PdeExperiment, config_class

HERE = Path(__file__).parent

# a peer whose predictions are the truth, three quarters of it
STAND_IN = """
import json, pathlib, sys
import numpy as np
spec = pathlib.Path(sys.argv[1])
told = json.loads(spec.read_text())
truth = np.load(spec.parent / "test_y.npy")
np.save(spec.parent / "test_predicted.npy", 0.75 * truth[:, told["history"]:])
print("a library's chatter")
shape = np.load(spec.parent / "train_x.npy").shape
print(json.dumps({"parameters": 7, "training_cpu_seconds": 6.0, "told": told, "train": shape}))
"""


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("pde_accuracy", HERE / "pde_accuracy.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pde_accuracy", module)
    spec.loader.exec_module(module)
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(STAND_IN)
    monkeypatch.setattr(module, "WORKER", stand_in)
    return module


def written(folder: Path, rollout: bool) -> tuple[str, Path]:
    """An experiment and its data."""
    random = np.random.default_rng(0)
    for split, n in {"train": 6, "validation": 2, "test": 3}.items():
        u = random.normal(size=(n, 4, 16)).astype(np.float32)
        coordinates = {"time": np.arange(4.0), "x": ("x", np.arange(16) / 16, {"periodic": 1})}
        xr.Dataset({"u": (("sample", "time", "x"), u)}, coordinates).to_netcdf(folder / f"{split}.nc", engine="netcdf4")
    raw = {
        "domain": "pde",
        "dataset": {"train": str(folder / "train.nc"), "inputs": ["u"], "outputs": ["u"]},
        "model": {"architecture": "fno", "modes": [4], "width": 4, "layers": 1},
        "train": {"epochs": 1, "max_minutes": 0.05, "threads": 1},
        **({"rollout": {"history": 2}} if rollout else {}),
    }
    (folder / "waves.yaml").write_text(dump_yaml(raw))
    return str(folder / "waves.yaml"), folder


def configured(experiment: str) -> PdeExperiment:
    raw = compose(experiment, [])
    return parse(config_class(raw), raw, experiment)


def test_both_are_scored_on_the_same_samples(harness: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    experiment, data = written(tmp_path, rollout=True)
    task = harness.Task(experiment, peer={"loss": "h1"})
    found = harness.measure(task, sys.executable, data, None, tmp_path / "runs")
    harness.show("waves", found)
    theirs, ours = found["neuraloperator"], found["sciml"]
    assert (theirs.relative_l2, theirs.worst) == (pytest.approx(0.25), pytest.approx(0.25))
    told = theirs.about["told"]
    assert (told["minutes"], told["modes"], told["width"], told["loss"]) == (0.05, [4], 4, "h1")
    assert (told["history"], told["bundle"], theirs.about["train"]) == (2, 1, [6, 16, 0])
    assert ours.relative_l2 > 0.5  # of random numbers
    assert f"{0.25 / ours.relative_l2:.2f} times ours" in capsys.readouterr().out
    again = harness.measure(task, sys.executable, data, None, tmp_path / "runs", keep=True)
    assert again["sciml"] == ours


def test_a_map_is_handed_over_as_a_map(harness: ModuleType, tmp_path: Path):
    experiment, data = written(tmp_path, rollout=False)
    config = configured(experiment)
    files = {split: str(data / f"{split}.nc") for split in ("validation", "test")}
    theirs = harness.theirs(replace(config, dataset=replace(config.dataset, **files)), {}, sys.executable)
    assert theirs.relative_l2 == pytest.approx(0.25)
    assert (theirs.about["told"]["history"], theirs.about["train"]) == (0, [6, 16, 1])


def test_a_peer_that_fails_is_named(harness: ModuleType, tmp_path: Path):
    harness.WORKER.write_text("raise SystemExit(3)")
    experiment, data = written(tmp_path, rollout=False)
    config = configured(experiment)
    files = {split: str(data / f"{split}.nc") for split in ("validation", "test")}
    with pytest.raises(SystemExit, match="ended with 3"):
        harness.theirs(replace(config, dataset=replace(config.dataset, **files)), {}, sys.executable)


def test_the_peers_python_is_asked_for(harness: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.delenv("SCIML_BENCH_NEURALOPERATOR", raising=False)
    monkeypatch.setattr(sys, "argv", ["pde_accuracy.py", "--data", "made"])
    with pytest.raises(SystemExit):
        harness.main()
    assert "--neuraloperator (or SCIML_BENCH_NEURALOPERATOR)" in capsys.readouterr().err
