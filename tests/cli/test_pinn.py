"""The verbs on physics-informed networks: each way to train on heat in one dimension, resumed, scored, predicted."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from sciml.cli.main import main
from sciml.core.checkpoint import load_checkpoint
from sciml.core.plain_yaml import dump_yaml
from sciml.core.runs import Run
from sciml.pde.pinn import experiment as pinn
from sciml.train.problem import Problem

# u = exp(-pi^2 d t) sin(pi x) with d = 0.1 m^2/s
SOLUTION = "exp(-0.1 * pi**2 * t) * sin(pi * x)"
EXACT = {"value": {"u": "sin(pi * x)"}, "distance": {"u": "t * x * (1 - x)"}}
SOFT = {
    "initial": {"at": {"t": 0}, "values": {"u": "sin(pi * x)"}, "points": 40},
    "left": {"at": {"x": 0}, "values": {"u": 0}, "points": 20},
    "right": {"at": {"x": 1}, "values": {"u": 0}, "points": 20},
}
HEAT: dict[str, Any] = {
    "domain": "pinn",
    "name": "heat",
    "space": {
        "coordinates": {"x": [0, 1], "t": [0, 1]},
        "fields": ["u"],
        "time": "t",
        "units": {"x": "m", "t": "s", "u": "K", "diffusivity": "m^2/s"},
    },
    "equation": {"name": "heat", "constants": {"diffusivity": 0.1}},
    "exact": EXACT,
    "sampling": {"points": 100, "every": 5, "validation": 100},
    "model": {"architecture": "mlp", "width": 8, "layers": 2},
    "reference": {"formula": {"u": SOLUTION}, "points": {"x": 21, "t": 11}},
    "train": {
        "optimizer": "levenberg-marquardt",
        "precision": "float64",
        "epochs": 6,
        "threads": 1,
        "warmup_steps": 0,
        "ema_decay": None,
        "learning_rate": 0.01,
    },
}
ADAM = {"optimizer": "adam", "epochs": 40}


def changed(base: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """The base with parts of parts replaced; None takes one out."""
    found = dict(base)
    for key, value in parts.items():
        if isinstance(value, Mapping) and isinstance(found.get(key), Mapping) and key not in ("exact", "conditions"):
            found[key] = changed(found[key], value)
        elif value is None and key in found and key != "ema_decay":
            del found[key]
        else:
            found[key] = value
    return found


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes HEAT with changes as heat.yaml in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def write(**parts: Any) -> str:
        Path("heat.yaml").write_text(dump_yaml(changed(HEAT, parts)))
        return "heat.yaml"

    return write


def trained(experiment: str, *options: str) -> Run:
    assert main(["train", experiment, "--run", "run", "--overwrite", *options]) == 0
    return Run(Path("run"))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a mistake prints."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1, err
    return err


# parts of the experiment, and the largest relative error: reached in a few seconds, with a factor of three to spare
WAYS: dict[str, tuple[dict[str, Any], float]] = {
    "levenberg-marquardt": ({}, 0),
    "adam": ({"train": ADAM}, 0),
    "soap": ({"train": {**ADAM, "optimizer": "soap"}}, 0),
    "ssbroyden": ({"train": {"optimizer": "ssbroyden"}, "sampling": {"every": 30}}, 0),
    "limited": ({"train": {"optimizer": "limited-ssbroyden"}, "sampling": {"every": 30}}, 0),
    "soft": ({"exact": {}, "conditions": SOFT}, 0),
    "soft, adam": ({"exact": {}, "conditions": SOFT, "train": ADAM}, 0),
    "causal": ({"weights": {"causal": 1.0, "slices": 5}}, 0),
    "attention": ({"weights": {"attention": True}}, 0),
    "attention, adam": ({"weights": {"attention": True}, "train": ADAM}, 0),
    "causal, attention, decay": ({"weights": {"attention": True, "causal": 1.0, "slices": 5, "decay": 1.0}}, 0),
    "ntk": ({"exact": {}, "conditions": SOFT, "weights": {"balance": "ntk"}}, 0),
    "gradient-norm": ({"exact": {}, "conditions": SOFT, "weights": {"balance": "gradient-norm"}}, 0),
    "gradient-norm, adam": ({"exact": {}, "conditions": SOFT, "weights": {"balance": "gradient-norm"}, "train": ADAM}, 0),
    "windows": ({"windows": 2}, 0),
    "windows, adam": ({"windows": 2, "train": ADAM}, 0),
    "windows, soft": ({"windows": 2, "exact": {}, "conditions": SOFT}, 0),
    "retain": ({"sampling": {"method": "retain"}}, 0),
    "uniform": ({"sampling": {"method": "uniform"}}, 0),
    "curriculum": ({"curriculum": {"diffusivity": {"start": 0.5, "until": 0.5}}}, 0),
    "modified-mlp": ({"model": {"architecture": "modified-mlp"}, "train": ADAM}, 0),
    "piratenet": ({"model": {"architecture": "piratenet", "layers": 1}, "train": ADAM}, 0),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_train(written: Callable[..., str], way: str):
    parts, largest = WAYS[way]
    run = trained(written(**parts))
    scores = run.scores()["solution"]["all"]
    print(way, scores["u_relative_l2"], run.record()["seconds"])
