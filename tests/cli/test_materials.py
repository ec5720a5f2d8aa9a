"""The verbs on a real domain, as a user types them: train, evaluate, predict, report, resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest

from sciml.cli.main import main


def test_from_an_experiment_to_predictions(
    stand_in: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    Path("mine.yaml").write_text(
        "domain: materials\n"
        "dataset: {train: train.extxyz, test: test.extxyz}\n"
        "model: {name: painn, channels: 8, layers: 1, cutoff_angstrom: 4.0}\n"
        "train: {epochs: 2, batch_size: 4}\n"
    )
    stand_in("train.extxyz", ["Al", "Cu"])
    test = stand_in("test.extxyz", ["Cu"], 3)
    assert main(["train", "mine.yaml"]) == 0
    out = capsys.readouterr().out
    for part in ("(meV/atom)", "(eV/Å)", "(GPa)", "baseline", "runs/mine/report.html", "sciml predict runs/mine"):
        assert part in out
    scores = json.loads(Path("runs/mine/metrics.json").read_text())["splits"]["test"]["all"]
    assert scores["n_structures"] == 3

    assert main(["predict", "runs/mine", "test.extxyz", "-o", "predicted.extxyz"]) == 0
    reference, predicted = (ase.io.read(file, index=":") for file in (test, "predicted.extxyz"))
    errors = [np.abs(a.get_forces() - b.get_forces()).ravel() for a, b in zip(reference, predicted, strict=True)]
    # single precision on both sides, text with eight decimals between
    assert np.concatenate(errors).mean() == pytest.approx(scores["forces_mae_ev_per_angstrom"], rel=1e-4)

    capsys.readouterr()
    assert main(["evaluate", "runs/mine", "--data", "train.extxyz"]) == 0
    assert main(["report", "runs/mine"]) == 0
    assert main(["train", "--resume", "runs/mine"]) == 0
    assert main(["predict", "runs/mine", "mine.yaml", "-o", "other.extxyz"]) == 2
    assert "mine.yaml" in capsys.readouterr().err
