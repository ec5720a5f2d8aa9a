"""The pde domain from a configuration to a trained run's scores and predictions, through the command line too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from sciml.cli.main import main
from sciml.core.checkpoint import load_checkpoint, save_checkpoint
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.plain_yaml import dump_yaml
from sciml.core.runs import Run, read_json
from sciml.fno.operators import OPERATORS
from sciml.pde.experiment import PdeExperiment, build, config_class, load_surrogate
from sciml.pde.surrogate import Rollout, Surrogate
from sciml.train.run import fit

Files = Callable[..., Path]
FNO = {"architecture": "fno", "modes": [8], "width": 8, "layers": 2}
TRAIN = {"epochs": 2, "batch_size": 4, "warmup_steps": 0, "learning_rate": 0.01, "ema_decay": 0.5, "threads": 1}


def experiment(file: Path, **parts: Any) -> dict[str, Any]:
    dataset = {"train": str(file), "inputs": ["u"], "outputs": ["u"], "n_test": 3}
    raw = {"domain": "pde", "dataset": dataset, "model": FNO, "train": TRAIN}
    for key, value in parts.items():
        raw[key] = {**raw[key], **value} if key in ("dataset", "train") else value
    return raw


def configured(raw: dict[str, Any]) -> PdeExperiment:
    return parse(config_class(raw), raw, "test.yaml")


def trained(raw: dict[str, Any], folder: Path) -> Run:
    config = configured(raw)
    run = Run.create(folder, raw)
    fit(build(config), config.train, run)
    run.update(status="finished")
    return run


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """What a command that must fail says: one line on the error stream and exit status 2."""
    assert main(list(argv)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("sciml: ")
    return lines[0]


def written(raw: dict[str, Any], folder: Path) -> str:
    file = folder / "experiment.yaml"
    file.write_text(dump_yaml(raw))
    return str(file)


# ------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize("architecture", sorted(OPERATORS))
def test_the_model_has_the_fields_of_its_architecture(architecture: str):
    raw = {"dataset": {"train": "x.nc", "outputs": ["u"]}, "model": {"architecture": architecture}}
    config = configured(raw)
    assert isinstance(config.model, OPERATORS[architecture][0])
    assert config.rollout is None


def test_an_unknown_operator_is_refused_with_the_nearest(heat_file: Files, tmp_path: Path, capsys):
    raw = experiment(heat_file("a.nc"), model={"architecture": "unnet"})
    assert "is 'unnet'. did you mean `unet`?" in said(capsys, "train", written(raw, tmp_path))
    raw = experiment(heat_file("a.nc"), model="fnoo")
    assert "no model `fnoo`; did you mean `fno`?" in said(capsys, "train", written(raw, tmp_path))


# ------------------------------------------------------------------------------------------------------ problem


@pytest.mark.parametrize("shape", [(15, None), (16, 9), (17, 12)])
def test_odd_and_oblong_grids_are_trained_and_predicted(heat_file: Files, tmp_path: Path, shape: tuple):
    n, n2 = shape
    model = {**FNO, "modes": [6] if n2 is None else [6, 5]}
    run = trained(experiment(heat_file("a.nc", n=n, n2=n2), model=model), tmp_path / "run")
    assert main(["predict", str(run.path), str(heat_file("a.nc", n=n, n2=n2)), "-o", str(tmp_path / "p.nc")]) == 0
    with xr.open_dataset(tmp_path / "p.nc") as found:
        assert found.u.shape == (12, n) if n2 is None else (12, n, n2)


@pytest.mark.parametrize("name", ["fno", "unet", "deeponet", "transolver"])
def test_every_operator_maps_and_forecasts(heat_file: Files, name: str):
    small = {"fno": {"modes": [4, 4], "width": 4}, "unet": {"width": 8, "multipliers": [1, 1]}}
    model = {"architecture": name, **small.get(name, {})}
    file = heat_file("a.nc", n_samples=6, n=8, n2=8, n_times=4)
    for rollout in (None, {"history": 2, "residual": True}):
        raw = experiment(file, model=model, dataset={"n_test": 1, "parameters": ["viscosity"]}, rollout=rollout)
        problem = build(configured(raw))
        batch = problem.collate([problem.train_data[0], problem.train_data[1]])  # pyright: ignore[reportOptionalCall]
        problem.loss(problem.network, batch)["loss"].backward()
        assert all(torch.isfinite(p.grad).all() for p in problem.network.parameters() if p.grad is not None)


class Shift(torch.nn.Module):
    """A network that knows: the next frame is the last one half a deviation higher."""

    def __init__(self, bundle: int) -> None:
        super().__init__()
        self.size = torch.nn.Parameter(torch.ones(()))
        self.bundle = bundle

    def forward(self, x: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        last = x[..., -1:]
        return torch.cat([last + 0.5 * self.size * (i + 1) for i in range(self.bundle)], dim=-1)


@pytest.mark.parametrize("bundle", [1, 2, 5])
def test_a_forecast_of_the_true_step_is_exact_at_every_time(heat_file: Files, bundle: int):
    rollout = {"history": 2, "bundle": bundle, "calls": 1}
    problem = build(configured(experiment(heat_file("a.nc", n_times=9), rollout=rollout)))
    surrogate: Surrogate = problem.loss.surrogate  # pyright: ignore[reportFunctionMemberAccess]
    batch = problem.collate([problem.train_data[0], problem.train_data[1]])  # pyright: ignore[reportOptionalCall]
    rising = batch.targets[:, :1] + 0.5 * surrogate.outputs.std[0] * torch.arange(9.0).view(1, 9, 1, 1)
    batch = batch._replace(targets=rising)
    assert surrogate.predict_batch(Shift(bundle), batch).shape == (2, 7, 16, 1)
    # float32, seven steps
    assert torch.allclose(surrogate.predict_batch(Shift(bundle), batch), rising[:, 2:], atol=1e-4)
    network = Shift(bundle).train()
    assert problem.loss(network, batch)["loss"].item() < 1e-4
    assert problem.metrics(network, batch)["relative_l2"][0].item() < 1e-4


def test_training_grows_its_rollouts_with_the_training(heat_file: Files):
    rollout = {"history": 1, "first_calls": 1, "calls": 4, "ramp_start": 0.0, "ramp_end": 1.0}
    problem = build(configured(experiment(heat_file("a.nc", n_times=9), rollout=rollout)))
    calls = []
    batch = problem.collate([problem.train_data[0]])  # pyright: ignore[reportOptionalCall]
    network = problem.network
    network.register_forward_hook(lambda *_: calls.append(1))
    assert problem.on_progress is not None
    for fraction, expected in ((0.0, 1), (0.4, 2), (1.0, 4)):
        calls.clear()
        problem.on_progress(fraction)
        problem.loss(network, batch)
        assert len(calls) == expected


def test_residual_forecasts_begin_as_persistence(heat_file: Files):
    raw = experiment(heat_file("a.nc", n_times=9), rollout={"residual": True})
    problem = build(configured(raw))
    surrogate: Surrogate = problem.loss.surrogate  # pyright: ignore[reportFunctionMemberAccess]
    for parameter in problem.network.parameters():
        torch.nn.init.zeros_(parameter)
    batch = problem.collate([problem.train_data[0]])  # pyright: ignore[reportOptionalCall]
    found = surrogate.predict_batch(problem.network, batch)
    assert torch.allclose(found, batch.targets[:, :1].expand_as(found), atol=1e-6)
    u = xr.open_dataset(heat_file("a.nc", n_times=9)).u.values[:8]
    scale = (u[:, 1:] - u[:, :-1]).std() / u.std()
    assert surrogate.changes[0] == pytest.approx(scale, rel=1e-4)


def test_the_conditions_reach_the_network(heat_file: Files):
    raw = experiment(heat_file("a.nc"), dataset={"parameters": ["viscosity"]})
    problem = build(configured(raw))
    batch = problem.collate([problem.train_data[0], problem.train_data[5]])  # pyright: ignore[reportOptionalCall]
    surrogate: Surrogate = problem.loss.surrogate  # pyright: ignore[reportFunctionMemberAccess]
    one = surrogate.predict_batch(problem.network, batch)
    other = surrogate.predict_batch(problem.network, batch._replace(parameters=batch.parameters + 0.05))
    assert not torch.allclose(one, other)


# --------------------------------------------------------------------------------------------------------- runs


def test_train_resume_evaluate_predict_and_report(heat_file: Files, tmp_path: Path, capsys):
    file = heat_file("a.nc", n_times=9)
    raw = experiment(file, rollout={"history": 2, "bundle": 2, "calls": 2})
    run = tmp_path / "run"
    assert main(["train", written(raw, tmp_path), "--run", str(run), "--model.width=6"]) == 0
    assert "relative L2 error mean" in capsys.readouterr().out
    assert (run / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert main(["evaluate", str(run), "--data", str(heat_file("b.nc", n_times=9, seed=1))]) == 0
    splits = read_json(run / "metrics.json")["splits"]
    assert list(splits) == ["test", "b"]
    assert len(splits["b"]["by_time"]["time"]) == 7
    assert main(["predict", str(run), str(file), "-o", str(tmp_path / "p.nc")]) == 0
    with xr.open_dataset(tmp_path / "p.nc") as found:
        assert found.u.dims == ("sample", "time", "x") and found.u.attrs["units"] == "K"
        assert np.allclose(found.time, np.linspace(0, 1, 9)[2:])
        assert found.attrs["input_title"] == "waves that decay"
        surrogate, network, _ = load_surrogate(Run(run))
        u = torch.from_numpy(xr.open_dataset(file).u.values[..., None])
        with torch.no_grad():
            again = surrogate.predict(network, u[:, 0, :, :0], u[:, :2], torch.empty(12, 0), 7)
        # batches of other sizes round otherwise
        assert np.allclose(found.u, again[..., 0], atol=1e-5)
    capsys.readouterr()
    slower = str(heat_file("c.nc", n_times=7))
    assert "0.166667 apart in time, but the training had 0.125" in said(capsys, "evaluate", str(run), "--data", slower)
    assert main(["train", "--resume", str(run)]) == 0


def test_a_finer_file_is_predicted_at_its_own_points(heat_file: Files, tmp_path: Path):
    run = trained(experiment(heat_file("a.nc"), dataset={"test_resolutions": [8, 16]}), tmp_path / "run")
    assert main(["evaluate", str(run.path)]) == 0
    assert list(run.scores()["test"]["groups"]) == ["8 points", "16 points"]
    assert main(["predict", str(run.path), str(heat_file("b.nc", n=48)), "-o", str(tmp_path / "p.nc")]) == 0
    with xr.open_dataset(tmp_path / "p.nc") as found:
        assert found.u.shape == (12, 48) and "time" not in found.dims


def test_a_run_in_double_precision(heat_file: Files, tmp_path: Path):
    run = trained(experiment(heat_file("a.nc"), train={"precision": "float64"}), tmp_path / "run")
    surrogate, network, _ = load_surrogate(run)
    assert next(network.parameters()).dtype == torch.float64
    assert main(["evaluate", str(run.path)]) == 0


# ----------------------------------------------------------------------------------------------------- bad input


def test_more_modes_than_the_grid_carries(heat_file: Files, tmp_path: Path, capsys):
    raw = experiment(heat_file("a.nc"), model={**FNO, "modes": [40]})
    assert "modes" in said(capsys, "train", written(raw, tmp_path), "--run", str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_bad_data_through_the_command_line(heat_file: Files, rewrite: Files, tmp_path: Path, capsys):
    broken = rewrite(heat_file("broken.nc"))
    raw = experiment(heat_file("a.nc"))
    there = written(raw, tmp_path), "--run", str(tmp_path / "run")
    assert "sample 7 has NaN" in said(capsys, "train", *there, f"--dataset.train={broken}")
    assert "leaves none for train" in said(capsys, "train", *there, "--dataset.n_test=12")
    assert "a history of 9" in said(capsys, "train", *there, "--rollout.history=9")
    assert "no such file" in said(capsys, "train", *there, "--dataset.test=none.nc")
    assert "`rollout.bundel`" in said(capsys, "train", *there, "--rollout.bundel=2")


def test_a_checkpoint_for_other_fields(heat_file: Files, rewrite: Files, tmp_path: Path, capsys):
    run = trained(experiment(heat_file("a.nc")), tmp_path / "run")
    out = str(tmp_path / "p.nc")
    other = heat_file("two.nc", n2=8)
    assert "has the axes x, y, but the training had x" in said(capsys, "predict", str(run.path), str(other), "-o", out)
    assert "has the axes x, y, but the training had x" in said(capsys, "evaluate", str(run.path), "--data", str(other))
    coarse = heat_file("coarse.nc", n=6)
    assert "modes" in said(capsys, "predict", str(run.path), str(coarse), "-o", out)
    renamed = rewrite(heat_file("v.nc"), lambda d: d.rename(u="v"))
    assert "has no field `u`" in said(capsys, "predict", str(run.path), str(renamed), "-o", out)
    assert "name the file .nc" in said(capsys, "predict", str(run.path), str(heat_file("a.nc")), "-o", out + ".csv")
    assert not Path(out).exists()


def test_a_checkpoint_that_is_not_this_surrogate(heat_file: Files, tmp_path: Path, capsys):
    run = trained(experiment(heat_file("a.nc")), tmp_path / "run")
    tensors, metadata = load_checkpoint(run.best)
    for change, message in (
        ({"domain": "materials"}, "an operator is needed"),
        ({"architecture": "unet", "model": {}}, "lacks the tensor"),
        ({"normalisation": {**metadata["normalisation"], "outputs": {"u": [0.0, 0.0]}}}, "normalisation of `u`"),
        ({"normalisation": {**metadata["normalisation"], "inputs": {"u": [0, 1], "v": [0, 1]}}}, "needs shape"),
        ({"grid": {"shape": [16, 16], "periodic": [True, True]}}, "`model.modes` needs a number for each axis"),
    ):
        save_checkpoint(run.best, tensors, {**metadata, **change})
        assert message in said(capsys, "evaluate", str(run.path))


def test_a_rollout_of_fields_that_do_not_change(heat_file: Files, rewrite: Files):
    raw = experiment(rewrite(heat_file("a.nc"), lambda d: d.isel(time=0, drop=True)), rollout={})
    with pytest.raises(UserError, match="`u` does not change with time"):
        build(configured(raw))
    with pytest.raises(UserError, match="`rollout.frames`"):
        Rollout(frames=0)
