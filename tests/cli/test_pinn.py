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
    "sampling": {"points": 80, "every": 5, "validation": 50},
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
ADAM = {"optimizer": "adam", "epochs": 8}


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
        experiment = changed(HEAT, parts)
        equation, units = experiment["equation"], experiment["space"]["units"]
        if "diffusivity" not in {**equation.get("constants", {}), **equation.get("unknowns", {})}:
            units = {name: unit for name, unit in units.items() if name != "diffusivity"}
        Path("heat.yaml").write_text(dump_yaml({**experiment, "space": {**experiment["space"], "units": units}}))
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


# parts of the experiment, and the largest relative error after some seconds: ten times what was measured and more
WAYS: dict[str, tuple[dict[str, Any], float]] = {
    "exact": ({}, 1e-4),
    "soft": ({"exact": {}, "conditions": SOFT}, 1e-3),
    "ssbroyden": ({"train": {"optimizer": "ssbroyden"}, "sampling": {"every": 30}}, 1e-3),
    "limited": ({"train": {"optimizer": "limited-ssbroyden"}, "sampling": {"every": 30}}, 1e-3),
    "causal, attention, decay": ({"weights": {"attention": True, "causal": 1.0, "slices": 5, "decay": 1.0}}, 1e-4),
    "ntk": ({"exact": {}, "conditions": SOFT, "weights": {"balance": "ntk"}}, 1e-3),
    "gradient-norm": ({"exact": {}, "conditions": SOFT, "weights": {"balance": "gradient-norm"}}, 2e-3),
    "windows": ({"windows": 2}, 1e-3),
    "windows, soft": ({"windows": 2, "exact": {}, "conditions": SOFT}, 1e-2),
    "retain": ({"sampling": {"method": "retain"}}, 1e-4),
    "uniform": ({"sampling": {"method": "uniform"}, "weights": {"causal": 1e4, "slices": 5}}, 1e-1),
    "curriculum": ({"curriculum": {"diffusivity": {"start": 0.5, "until": 0.5}}}, 1e-4),
}
EVERYTHING = {
    "exact": {},
    "conditions": SOFT,
    "weights": {"attention": True, "causal": 1.0, "balance": "gradient-norm"},
}
FIRST_ORDER: dict[str, dict[str, Any]] = {
    "adam": {},
    "everything": {**EVERYTHING, "windows": 2},
    "soap": {"train": {"optimizer": "soap"}},
    "modified-mlp": {"model": {"architecture": "modified-mlp"}},
    "piratenet": {"model": {"architecture": "piratenet", "layers": 1}, "weights": {"attention": True}},
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_train_finds_the_solution(written: Callable[..., str], way: str):
    parts, largest = WAYS[way]
    scores = trained(written(**parts)).scores()["solution"]
    assert scores["all"]["u_relative_l2"] < largest
    assert scores["reference"] == "exact solution"


@pytest.mark.parametrize("way", FIRST_ORDER)
def test_first_order_methods_lower_the_loss(written: Callable[..., str], way: str):
    parts = FIRST_ORDER[way]
    run = trained(written(**{**parts, "train": {**ADAM, **parts.get("train", {})}}))
    log = rows(run)
    if "windows" not in parts:
        assert float(log[-1]["train_loss"]) < 0.5 * float(log[0]["train_loss"])
    assert float(log[-1]["validation_residual_rmse"]) < float(log[0]["validation_residual_rmse"])


def rows(run: Run) -> list[dict[str, str]]:
    with run.log_file.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_is_printed_and_reported(written: Callable[..., str], capsys: pytest.CaptureFixture[str]):
    conditions = {"initial": {"at": {"t": 0}, "values": {"u": "sin(pi * x)"}}}
    reference = {"conserved": {"heat": "u / exp(-0.1 * pi**2 * t)"}}
    run = trained(written(conditions=conditions, reference=reference))
    table = capsys.readouterr().out.split("report:")[0]
    for words in ("u relative L2 error", "u largest error", "equation residual RMS", "heat relative drift", "training"):
        assert words in table
    assert "│ K" in table
    page = run.report_file.read_text()
    for heading in ("Errors", "When not to use a network", "The solution", "Profiles", "What was trained"):
        assert f">{heading}</h2>" in page
    for words in ("x (m)", "t (s)", "u (K)", "diffusivity = 0.1 m^2/s", "names no conventional solver"):
        assert words in page
    assert f'value="{run.scores()["solution"]["all"]["u_relative_l2"]!r}"' in page
    assert "<script" not in page


# ------------------------------------------------------------------------------------------------------------- resume

RESUMED: dict[str, tuple[dict[str, Any], int]] = {
    # and the call of the loss in which Ctrl-C comes
    "levenberg-marquardt": ({"weights": {"attention": True, "causal": 1.0}, "windows": 2}, 13),
    "at the end of an epoch": ({"sampling": {"method": "retain"}}, 10),
    "adam": ({**EVERYTHING, "train": {"optimizer": "adam"}}, 13),
    "ssbroyden": ({"train": {"optimizer": "ssbroyden", "epochs": 3}, "sampling": {"every": 5}}, 9),
}


@pytest.mark.parametrize("way", RESUMED)
def test_an_interrupted_run_goes_on_bit_for_bit(written: Callable[..., str], way: str, monkeypatch: pytest.MonkeyPatch):
    parts, when = RESUMED[way]
    experiment = written(**parts)
    assert main(["train", experiment, "--run", "unbroken"]) == 0
    build, calls = pinn.build, 0

    def interrupted(config: Any) -> Problem:
        problem = build(config)

        def loss(network: Any, batch: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == when:
                os.kill(os.getpid(), signal.SIGINT)
            return problem.loss(network, batch)

        return replace(problem, loss=loss)

    with monkeypatch.context() as patch:
        patch.setattr(pinn, "build", interrupted)
        assert main(["train", experiment, "--run", "broken"]) == 130
    assert main(["train", "--resume", "broken"]) == 0
    unbroken, broken = Run(Path("unbroken")), Run(Path("broken"))
    expected, found = (load_checkpoint(run.last)[0] for run in (unbroken, broken))
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert [row["train_loss"] for row in rows(unbroken)] == [row["train_loss"] for row in rows(broken)]


# ------------------------------------------------------------------------------------------------- predict, evaluate


def test_fields_at_the_points_of_a_table(written: Callable[..., str], capsys: pytest.CaptureFixture[str]):
    run = trained(written())
    Path("points.csv").write_text("t [ms],x [m],name\n500,0.5,a\n0,0.25,b\n2000,0.5,c\n")
    capsys.readouterr()
    assert main(["predict", "run", "points.csv", "-o", "fields.csv"]) == 0
    assert "u at 3 points; 1 of them outside of where it was trained" in capsys.readouterr().out
    with Path("fields.csv").open(newline="") as file:
        header, *found = csv.reader(file)
    assert header == ["x [m]", "t [s]", "u [K]"]
    assert [float(number) for number in found[1][:2]] == [0.25, 0.0]
    assert float(found[0][2]) == pytest.approx(np.exp(-0.05 * np.pi**2), abs=1e-4)
    assert float(found[1][2]) == np.sin(np.pi / 4), "exact, whatever the weights are"
    assert "name the file .csv" in refusal(capsys, "predict", "run", "points.csv", "-o", "fields.nc")
    Path("other.csv").write_text("x [m]\n0.5\n")
    assert "has no t" in refusal(capsys, "predict", "run", "other.csv", "-o", "new.csv")
    assert not Path("new.csv").exists()
    assert run.best.is_file()


def test_scores_against_a_file(written: Callable[..., str], capsys: pytest.CaptureFixture[str]):
    run = trained(written(reference=None))
    assert "u_relative_l2" not in run.scores()["solution"]["all"]
    assert "has no reference" in run.report_file.read_text()
    x, t = np.linspace(0, 1, 9), np.linspace(0, 1, 5)
    u = np.exp(-0.1 * np.pi**2 * t)[:, None] * np.sin(np.pi * x)
    xr.Dataset({"u": (("t", "x"), u)}, {"x": x, "t": t}).to_netcdf("truth.nc", engine="netcdf4")
    assert main(["evaluate", "run", "--data", "truth.nc"]) == 0
    assert set(run.scores()) == {"solution", "truth"}
    assert run.scores()["truth"]["all"]["u_relative_l2"] < 1e-4
    assert main(["report", "run"]) == 0
    assert "against: truth.nc" in run.report_file.read_text()
    before = run.metrics_file.read_bytes()
    xr.Dataset({"v": (("t", "x"), u)}, {"x": x, "t": t}).to_netcdf("other.nc", engine="netcdf4")
    assert "needs coordinates x, t and one of the fields u" in refusal(capsys, "evaluate", "run", "--data", "other.nc")
    Path("none.nc").write_text("no netCDF")
    assert "cannot be read as a reference" in refusal(capsys, "evaluate", "run", "--data", "none.nc")
    assert run.metrics_file.read_bytes() == before


# ---------------------------------------------------------------------------------------------------- several processes


@pytest.mark.parametrize("optimizer", ["levenberg-marquardt", "adam"])
def test_two_processes_share_the_points(written: Callable[..., str], optimizer: str):
    experiment = written(exact={}, conditions=SOFT, train={"optimizer": optimizer, "epochs": 4})
    done = subprocess.run(
        [sys.executable, "-m", "sciml", "train", experiment, "--run", "two", "--train.devices=2"],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report:") == 1
    one, two = trained(experiment), Run(Path("two"))
    # the same points and the same weights of them, so the same run but for the order of sums, which grows on the way
    first, second = (float(rows(run)[0]["validation_residual_rmse"]) for run in (one, two))
    assert second == pytest.approx(first, rel=1e-6)
    assert json.loads(two.metrics_file.read_text())["splits"]["solution"]["all"]["u_relative_l2"] < 1.0


# ---------------------------------------------------------------------------------------------------------- bad input

MINE = """
import torch
def flat(x, u): return u[:, 0]
def many(x, u): return torch.cat([u, u])
def fails(x, u): return u[:, 3:4].item()
def fine(x, u, rate): return u - rate[:, None]
value = 3
from sciml.pinn.derivatives import derivative
def sixth(x, u): return derivative(u[:, 0], x, 0, 0, 0, 0, 0, 0)[:, None]
"""
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown equation": ({"equation": {"name": "heet"}}, "no equation `heet`; did you mean `heat`?"),
    "unknown constant": (
        {"equation": {"constants": {"difusivity": 0.1}}},
        "heat has no constant `difusivity`; did you mean `diffusivity`?",
    ),
    "missing constant": ({"equation": {"constants": None}}, "`equation.constants` needs diffusivity for heat"),
    "constant that is no formula": (
        {"equation": {"constants": {"diffusivity": "0.1 * y"}}},
        "`equation.constants.diffusivity`, '0.1 * y': there is no `y`",
    ),
    "unknown name in a formula": (
        {"exact": {**EXACT, "value": {"u": "sin(pi * z)"}}},
        "`exact.value.u`, 'sin(pi * z)': there is no `z`",
    ),
    "no formula": ({"exact": {**EXACT, "value": {"u": "sin(pi *"}}}, "is not a formula"),
    "unknown field": ({"exact": {"value": {"w": 1}}}, "`exact.value`: there is no field `w`"),
    "shape": ({"equation": {"name": "mine:flat", "constants": None}}, "needs to return residuals of [16, r]"),
    "too many": ({"equation": {"name": "mine:many", "constants": None}}, "but they are [32, 1]"),
    "fails": (
        {"equation": {"name": "mine:fails", "constants": None}},
        "`equation.name: mine:fails` fails on coordinates [16, 2] and fields [16, 1]: RuntimeError",
    ),
    "no such function": ({"equation": {"name": "mine:heat", "constants": None}}, "has no attribute 'heat'"),
    "no such module": ({"equation": {"name": "yours:heat", "constants": None}}, "No module named 'yours'"),
    "no function": ({"equation": {"name": "mine:value", "constants": None}}, "needs to be a function, but is int"),
    "outside": (
        {"conditions": {"left": {"at": {"x": -1}, "values": {"u": 0}}}},
        "`conditions.left.at.x` needs to be from 0.0 to 1.0, but is -1.0",
    ),
    "no coordinate": ({"conditions": {"a": {"at": {"y": 0}, "values": {"u": 0}}}}, "there is no coordinate `y`"),
    "no derivative": ({"conditions": {"a": {"at": {"x": 0}, "values": {"u_y": 0}}}}, "'u_y' is neither a field (u)"),
    "not a number": (
        {"equation": {"constants": {"diffusivity": "log(x - 0.5)"}}},
        "The term `equation` is not finite at [",
    ),
    "float32": ({"train": {"precision": "float32"}}, "needs `train.precision: float64`"),
    "adam in float32": ({"train": {"optimizer": "adam", "precision": "float32"}}, "train in float64"),
    "another network": (
        {"model": {"architecture": "piratenet"}},
        "`train.optimizer: levenberg-marquardt` needs `model.architecture: mlp`",
    ),
    "factorised": ({"model": {"factorised": True}}, "needs `model.architecture: mlp` without `factorised`"),
    "windows": (
        {"windows": 2, "train": {"optimizer": "ssbroyden"}},
        "`windows: 2` goes with levenberg-marquardt, adam and the like, not with ssbroyden",
    ),
    "processes": ({"train": {"optimizer": "l-bfgs", "devices": 2}}, "`train.devices: 2` goes with levenberg-marquardt"),
    "time": ({"space": {"time": None}, "weights": {"causal": 1.0}}, "follow the time, but `space.time` names none"),
    "windows of no time": ({"space": {"time": None}, "windows": 2}, "`windows` cuts the time"),
    "architecture": ({"model": {"architecture": "mpl"}}, "did you mean `mlp`?"),
    "no unit": ({"space": {"units": {"w": "m"}}}, "`space.units`: there is no `w`"),
    "a term's name": (
        {"conditions": {"equation": {"at": {"x": 0}, "values": {"u": 0}}}},
        "`conditions.equation`: this name is taken",
    ),
    "solver of one coordinate": (
        {"reference": {"formula": None, "solver": "oscillator"}},
        "`reference.solver: oscillator` needs 1 coordinates, but `space` has 2",
    ),
    "solver without its constant": (
        {"reference": {"formula": None, "solver": "burgers"}},
        "`reference.constants` needs viscosity for the solver burgers",
    ),
    "order": (
        {"equation": {"name": "mine:sixth", "constants": None}},
        "levenberg-marquardt needs derivatives up to order 4",
    ),
    "no solver": ({"reference": {"formula": None, "solver": "burgrs"}}, "did you mean `burgers`?"),
    "unknowns": (
        {"equation": {"constants": None, "unknowns": {"diffusivity": {"start": 1.0}}}},
        "`equation.unknowns` needs `observations`",
    ),
    "twice": ({"equation": {"unknowns": {"diffusivity": {"start": 1.0}}}}, "`diffusivity` is given and unknown"),
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)


@pytest.mark.parametrize("mistake", REFUSED)
def test_each_mistake_is_one_line_and_leaves_no_run(
    written: Callable[..., str], mine: None, capsys: pytest.CaptureFixture[str], mistake: str
):
    parts, said = REFUSED[mistake]
    assert said in refusal(capsys, "train", written(**parts), "--run", "run")
    assert not Path("run").exists()


def test_an_equation_of_ones_own(written: Callable[..., str], mine: None):
    equation = {"name": "mine:fine", "constants": {"rate": "x * t", "diffusivity": None}}
    run = trained(written(equation=equation, exact={}, reference=None))
    assert run.scores()["solution"]["all"]["equation_rms"] < 1e-2


def test_second_order_is_for_these_networks_alone(
    written: Callable[..., str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    written()
    build = pinn.build
    monkeypatch.setattr(pinn, "build", lambda config: replace(build(config), second_order=None))
    assert "`train.optimizer: levenberg-marquardt` is for physics-informed networks" in refusal(
        capsys, "train", "heat.yaml", "--run", "run"
    )
    assert not Path("run").exists()


@pytest.mark.parametrize("optimizer", ["levenberg-marquardt", "adam", "ssbroyden"])
def test_a_loss_that_is_not_finite_stops_and_the_last_weights_stay(
    written: Callable[..., str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, optimizer: str
):
    import sciml.pde.pinn.training as training

    experiment, draw, drawn = written(train={"optimizer": optimizer}), training.PinnTraining.draw, 0

    def draw_that_breaks(self: training.PinnTraining) -> None:
        nonlocal drawn
        drawn += 1
        if drawn == 3:  # in the third epoch
            self.equation.formulas["diffusivity"] = lambda x: 0.1 * torch.sqrt(x[:, 0] - 0.5)
        draw(self)

    monkeypatch.setattr(training.PinnTraining, "draw", draw_that_breaks)
    err = refusal(
        capsys, "train", experiment, "--run", "run", "--sampling.method=uniform", "--train.save_every_minutes=0"
    )
    assert "the term `equation` is not finite at [0." in err
    assert "other points" in err
    run = Run(Path("run"))
    assert run.record()["status"] == "failed"
    for file in (run.best, run.last):
        assert all(
            torch.isfinite(tensor).all() for tensor in load_checkpoint(file)[0].values() if tensor.is_floating_point()
        )
    assert main(["evaluate", "run"]) == 0


def test_conditions_that_contradict_are_named(written: Callable[..., str], caplog: pytest.LogCaptureFixture):
    conditions = {**SOFT, "left": {"at": {"x": 0}, "values": {"u": "0.5 + t"}, "points": 20}}
    trained(written(exact={}, conditions=conditions, train={"epochs": 1}))
    assert "`conditions.initial` and `conditions.left` differ by 0.5 in u at x = 0, t = 0." in caplog.text


# ------------------------------------------------------------------------------------------------------- observations

OBSERVATIONS: dict[str, tuple[str, str]] = {
    "no field": ("x [m],t [s]\n0,0\n", "a column of a field is needed (u)"),
    "no coordinate": ("x [m],u [K]\n0,0\n", "needs columns x, t, but has no t"),
    "no unit": ("x [m],t,u [K]\n0,0,0\n", "the column `t` has no unit. Write `t [s]`"),
    "another dimension": ("x [m],t [kg],u [K]\n0,0,0\n", "kg"),
    "no number": ("x [m],t [s],u [K]\n0,zero,0\n", "line 2: a number is needed in column 2, but there is 'zero'"),
    "short line": ("x [m],t [s],u [K]\n0,0,0\n0,0\n", "line 3: a number is needed in column 3, but there is nothing"),
    "not finite": ("x [m],t [s],u [K]\n0,0,nan\n", "line 2: a finite number is needed in column 3"),
    "outside": ("x [m],t [s],u [K]\n0,0,0\n0,3000,0\n", "line 3: the point [0.0, 3000.0] is outside"),
    "empty": ("", "a first line with names and units and a line of numbers"),
    "header alone": ("x [m],t [s],u [K]\n", "a first line with names and units and a line of numbers"),
}
INVERSE = {"equation": {"constants": None, "unknowns": {"diffusivity": {"start": 1.0, "positive": True}}}}


@pytest.mark.parametrize("mistake", OBSERVATIONS)
def test_observations_that_are_refused(written: Callable[..., str], capsys: pytest.CaptureFixture[str], mistake: str):
    text, said = OBSERVATIONS[mistake]
    Path("measured.csv").write_text(text)
    err = refusal(capsys, "train", written(**INVERSE, observations={"file": "measured.csv"}), "--run", "run")
    assert said in err
    assert "measured.csv" in err or mistake == "another dimension"
    assert not Path("run").exists()


def test_a_constant_from_observations(written: Callable[..., str], capsys: pytest.CaptureFixture[str]):
    x, t = np.meshgrid(np.linspace(0.1, 0.9, 5), np.linspace(100, 1000, 4))
    u = np.exp(-0.1 * np.pi**2 * t / 1000) * np.sin(np.pi * x)
    lines = [f"{a},{b},{c}" for a, b, c in zip(x.ravel(), t.ravel(), u.ravel(), strict=True)]
    Path("measured.csv").write_text("\n".join(["x [m],t [ms],u [K]", *lines]))
    parts = {**INVERSE, "observations": {"file": "measured.csv"}, "reference": None}
    run = trained(written(**parts, train={"epochs": 12}))
    assert run.scores()["solution"]["all"]["diffusivity"] == pytest.approx(0.1, rel=1e-3)
    assert "│ m^2/s" in capsys.readouterr().out
    assert "Unknown constant" in run.report_file.read_text()
