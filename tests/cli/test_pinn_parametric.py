"""One network for many parameters: heat for all diffusivities of a range, and training that starts from it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sciml.cli.main import main
from sciml.core.checkpoint import load_checkpoint
from sciml.core.config import parse
from sciml.core.plain_yaml import dump_yaml
from sciml.core.runs import Run
from sciml.pde.pinn import experiment as pinn
from sciml.pde.pinn.comparison import fields_at

TRAIN = {"optimizer": "levenberg-marquardt", "precision": "float64", "epochs": 12, "threads": 1, "ema_decay": None}
SPACE = {"coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"], "time": "t", "units": {"x": "m", "t": "s"}}
PARAMETERS = {"parameters": {"diffusivity": [0.02, 0.2]}, "log": ["diffusivity"]}
HEAT: dict[str, Any] = {
    "domain": "pinn",
    "space": {**SPACE, **PARAMETERS},
    "equation": {"name": "heat"},
    "exact": {"value": {"u": "sin(pi * x)"}, "distance": {"u": "t * x * (1 - x)"}},
    "sampling": {"points": 300, "every": 4, "validation": 200},
    "model": {"architecture": "mlp", "width": 8, "layers": 2},
    "reference": {
        "formula": {"u": "exp(-diffusivity * pi**2 * t) * sin(pi * x)"},
        "parameters": {"diffusivity": [0.02, 0.1, 0.2]},
        "points": {"x": 21, "t": 11},
    },
    "train": TRAIN,
}
ONE: dict[str, Any] = {
    **HEAT,
    "space": SPACE,
    "equation": {"name": "heat", "constants": {"diffusivity": 0.1}},
    "reference": {"formula": {"u": "exp(-0.1 * pi**2 * t) * sin(pi * x)"}, "points": {"x": 21, "t": 11}},
    "train": {**TRAIN, "epochs": 1},
}


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Trains an experiment as the run of a name."""
    monkeypatch.chdir(tmp_path)

    def train(name: str, experiment: dict[str, Any], *options: str) -> Run:
        Path(f"{name}.yaml").write_text(dump_yaml(experiment))
        assert main(["train", f"{name}.yaml", "--run", name, *options]) == 0
        return Run(Path(name))

    return train


def scores(run: Run) -> dict[str, Any]:
    return run.scores()["solution"]


def test_one_network_has_all_solutions_and_a_start_for_each(
    trained: Callable[..., Run], capsys: pytest.CaptureFixture[str]
):
    run = trained("many", HEAT)
    found = scores(run)
    each = [group["u_relative_l2"] for group in found["groups"].values()]
    assert list(found["groups"]) == ["diffusivity=0.02", "diffusivity=0.1", "diffusivity=0.2"]
    assert found["all"]["u_worst_relative_l2"] == max(each)
    assert max(each) < 1e-3  # 1.2e-4 was reached
    assert found["all"]["prediction_seconds"] > 0
    assert len(list(run.predictions("any").parent.glob("*.safetensors"))) == 3
    assert main(["report", str(run.path)]) == 0
    assert "diffusivity=0.02" in run.report_file.read_text()

    # the parameter is a column of a table
    Path("points.csv").write_text("t [s],diffusivity,x [m]\n0.5,0.1,0.5\n1.0,0.03,0.25\n")
    assert main(["predict", str(run.path), "points.csv", "--output", "fields.csv"]) == 0
    for row in list(csv.reader(Path("fields.csv").read_text().splitlines()))[1:]:
        diffusivity, x, t, u = map(float, row)
        assert u == pytest.approx(np.exp(-diffusivity * np.pi**2 * t) * np.sin(np.pi * x), abs=3e-3)

    # a network for one of the values begins as what the trained one says of it
    config = parse(pinn.config_class(raw := {**ONE, "start_from": "many"}), raw, "one.yaml")
    start = pinn.build(config).network
    points = np.array([[0.5, 0.5], [0.25, 1.0]])
    whole = pinn.load_network(run, pinn.config_of(run))
    with_parameter = np.concatenate([np.full((2, 1), 0.1), points], axis=1)
    np.testing.assert_allclose(fields_at(start, points), fields_at(whole, with_parameter), rtol=1e-12)

    after = scores(trained("fine", ONE, "--start_from=many"))["all"]["u_relative_l2"]
    afresh = scores(trained("fresh", ONE))["all"]["u_relative_l2"]
    # 1.3e-5 after one epoch, 1.6e-3 of fresh weights
    assert after < min(afresh / 20, found["groups"]["diffusivity=0.1"]["u_relative_l2"])
    assert load_checkpoint(Run(Path("fine")).best)[1]["started_from"] == "many"

    # and so does a search for the value
    unknown = {"name": "heat", "unknowns": {"diffusivity": {"start": 0.05, "positive": True}}}
    raw = {**ONE, "equation": unknown, "start_from": "many", "observations": {"file": "seen.csv"}}
    Path("seen.csv").write_text("x [m],t [s],u\n0.5,0.5,0.61\n")
    start = pinn.build(parse(pinn.config_class(raw), raw, "one.yaml")).network
    with_parameter[:, 0] = 0.05
    np.testing.assert_allclose(fields_at(start, points), fields_at(whole, with_parameter), rtol=1e-12)

    for wrong, words in (
        ({"model": {**HEAT["model"], "width": 9}}, "needs a network with the same model.width, 9, but its is 8"),
        ({"equation": {"name": "advection", "constants": {"speed": 1.0}}}, "the same equation, advection"),
        ({"space": {**SPACE, "coordinates": {"x": [0, 2], "t": [0, 1]}}}, "the same coordinates"),
        ({"space": {**HEAT["space"], "parameters": {"diffusivity": [0.01, 0.2]}}}, "the same `space.parameters`"),
        ({"windows": 2}, "the same windows, 2, but its is 1"),
    ):
        given = {**(HEAT if "parameters" in json.dumps(wrong) else ONE), **wrong, "start_from": "many"}
        Path("wrong.yaml").write_text(dump_yaml(given))
        capsys.readouterr()
        assert main(["train", "wrong.yaml", "--run", "wrong"]) == 2
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        assert words in err


@pytest.mark.parametrize(
    ("space", "equation", "reference", "words"),
    [
        ({"log": ["difusivity"]}, {}, {}, "no parameter `difusivity`; did you mean"),
        ({"parameters": {"diffusivity": [0, 0.2]}}, {}, {}, "`diffusivity` needs a positive range"),
        ({"parameters": {"u": [1, 2]}, "log": []}, {}, {}, "need names of their own"),
        ({}, {"constants": {"diffusivity": 0.1}}, {}, "is in `space.parameters` and in `equation` at once"),
        ({}, {}, {"parameters": {"diffusivity": [0.3]}}, "needs numbers from 0.02 to 0.2, but is [0.3]"),
        ({}, {}, {"parameters": {"speed": [0.3]}}, "`reference.parameters`: there is no parameter `speed`"),
    ],
)
def test_what_is_wrong_with_parameters_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    space: dict[str, Any],
    equation: dict[str, Any],
    reference: dict[str, Any],
    words: str,
):
    monkeypatch.chdir(tmp_path)
    parts = {"space": space, "equation": equation, "reference": reference}
    Path("wrong.yaml").write_text(dump_yaml({**HEAT, **{key: {**HEAT[key], **part} for key, part in parts.items()}}))
    assert main(["train", "wrong.yaml", "--run", "wrong"]) == 2
    assert words in capsys.readouterr().err
