"""`sciml train` on the sample of the nature run, and `sciml forecast` from what it trained, to the scorecard."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciml.cli.main import main
from sciml.core.runs import Run, read_json
from sciml.weather.era5 import open_forecast
from sciml.weather.forecasting.saved import load_model
from sciml.weather.samples import sample_path

SMALL = ("--model.width=8", "--model.layers=1", "--train.epochs=1", "--train.max_minutes=null", "--train.threads=1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(["train", "speedy-sfno", "--run", str(path), *SMALL]) == 0
    assert f"next:   sciml forecast {path} --init" in printed.getvalue()
    return path


def test_a_run_is_scored_beside_persistence_and_reported(run: Path):
    scores = Run.open(run).scores()["test"]
    assert {"z500_day_1_rmse_m2_s2", "t2m_day_3_rmse_k", "tp_day_1_rmse_m"} <= set(scores["all"])
    assert set(scores["all"]) <= set(scores["baselines"]["persistence"]) | {"z500_day_1_acc"}
    page = (run / "report.html").read_text()
    assert "scorecards/test/index.html" in page
    assert (run / "scorecards" / "test" / "index.html").is_file()


def test_analyses_by_pattern_and_by_address_are_scored(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    with xr.open_dataset(sample_path("speedy-t31", "test"), engine="netcdf4") as file:
        days = file.isel(time=slice(9)).load().drop_encoding()
    days.isel(time=slice(5)).to_netcdf(tmp_path / "era5_a.nc", engine="netcdf4")
    days.isel(time=slice(5, 9)).to_netcdf(tmp_path / "era5_b.nc", engine="netcdf4")
    assert main(["evaluate", str(run), "--data", str(tmp_path / "era5_*.nc")]) == 0
    assert "z500 day 1 RMSE" in capsys.readouterr().out
    assert Run.open(run).scores()["own_era5"]["forecasts"] == 1
    # an address comes to the reader as it was given
    for verb in (["evaluate", str(run), "--data"], ["forecast", str(run), "-o", str(tmp_path / "fc.zarr"), "--init"]):
        assert main([*verb, "https://127.0.0.1:9/era5.zarr"]) == 2
        assert "https://127.0.0.1:9/era5.zarr" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--data", "none.nc"]) == 2
    assert "none.nc: no such file" in capsys.readouterr().err


def test_more_processes_than_the_data_are_for_leave_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    several = ["--run", str(tmp_path / "run"), *SMALL, "--train.devices=3", "--train.batch_size=30"]
    assert main(["train", "speedy-sfno", *several]) == 2
    assert "3 processes with batches of 30 need more samples" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_forecast_and_its_scorecard(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    init = str(sample_path("speedy-t31", "test").absolute())
    output = tmp_path / "fc.zarr"
    # after the last analysis there is nothing to score with; files of a dataset go by its name
    assert main(["forecast", str(run), "--init", "speedy-t31/test", "--steps", "1", "-o", str(tmp_path / "a.nc")]) == 0
    assert "--truth ANALYSES_OF_THESE_DAYS" in capsys.readouterr().out
    assert main(["forecast", str(run), "--init", "speedy-t31", "-o", str(tmp_path / "b.nc")]) == 2
    assert "say which one is meant: speedy-t31/train, speedy-t31/validation, speedy-t31/test" in capsys.readouterr().err
    given = ["--init", init, "--time", "2005-01-01", "--steps", "4", "-o", str(output)]
    assert main(["forecast", str(run), *given]) == 0
    assert f"sciml score {output} --truth {init}" in capsys.readouterr().out
    found = open_forecast(str(output))
    assert found.sizes["lead_time"] == 4
    card = tmp_path / "card"
    assert main(["score", str(output), "--truth", init, "-o", str(card), "--fields", "z500,tp"]) == 0
    assert read_json(card / "scores.json")["initial_times"] == 1

    assert main(["forecast", str(run), *given]) == 2
    assert "is there already. Replace it with --overwrite" in capsys.readouterr().err
    assert main(["forecast", str(run), *given, "--overwrite"]) == 0


def test_an_ensemble_and_several_starts(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    init = str(sample_path("speedy-t31", "test").absolute())
    common = ["forecast", str(run), "--init", init, "--steps", "2", "-o", str(tmp_path / "fc.nc")]
    starts = ["--time", "2005-01-01/2005-01-02/12", "--fields", "t2m"]
    assert main([*common, *starts, "--members", "3", "--perturbation", "0.5"]) == 0
    with xr.open_dataset(tmp_path / "fc.nc", engine="netcdf4") as found:
        assert dict(found.sizes) == {"time": 3, "lead_time": 2, "number": 3, "latitude": 24, "longitude": 48}
        assert (found["t2m"].std("number") > 0).all()
    capsys.readouterr()
    assert main([*common, *starts, "--members", "3", "--overwrite"]) == 2
    assert "the members would all be alike" in capsys.readouterr().err


def test_a_start_outside_of_the_training_climate_is_warned_of(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with xr.open_dataset(sample_path("speedy-t31", "test"), engine="netcdf4") as file:
        hot = file.load()
    hot["t2m"][:, 5, 5] = 345.0
    hot.drop_encoding().to_netcdf(tmp_path / "hot.nc", engine="netcdf4")
    given = ["--init", str(tmp_path / "hot.nc"), "--steps", "1", "-o", str(tmp_path / "fc.zarr")]
    assert main(["forecast", str(run), *given]) == 0
    assert "outside of the training climate: t2m goes from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "fc.grib"], "name it .zarr or .nc"),
        (["-o", "fc.zarr", "--time", "soon"], "--time needs a time such as"),
        (["-o", "fc.zarr", "--time", "1990-01-01"], "needs the state at 1990-01-01T00:00"),
        (["-o", "fc.zarr", "--time", "2005-01-02/2005-01-01/6"], "the first comes after the last"),
        (["-o", "fc.zarr", "--steps", "0"], "whole number above zero"),
        (["-o", "fc.zarr", "--fields", "z300"], "no field `z300`"),
        (["-o", "fc.zarr", "--time", "2005-01-01,"], "--time needs a time such as"),
        (["-o", "fc.zarr", "--time", f"2005-01-01/2005-01-02/{10**30}"], "--time needs a time such as"),
        (["-o", "fc.zarr", "--every", "41"], "40 steps has none to write when each 41-th is"),
        (["-o", "fc.zarr", "--perturbation", "-1"], "from 0 to 100"),
        (["-o", "fc.zarr", "--perturbation", "0.3"], "--perturbation needs --members of two at least"),
        (["-o", "fc.zarr", "--perturbation", "0.3", "--members", "1"], "--perturbation needs --members of two"),
    ],
)
def test_mistakes(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
):
    init = str(sample_path("speedy-t31", "test").absolute())
    monkeypatch.chdir(tmp_path)
    assert main(["forecast", str(run), "--init", init, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_starts_are_sorted_and_come_once(run: Path, tmp_path: Path):
    given = ["--init", str(sample_path("speedy-t31", "test").absolute()), "--steps", "1", "--fields", "t2m"]
    times = "2005-01-02,2005-01-01,2005-01-02"
    assert main(["forecast", str(run), *given, "--time", times, "-o", str(tmp_path / "fc.zarr")]) == 0
    with open_forecast(str(tmp_path / "fc.zarr")) as found:
        assert found["time"].values.astype("datetime64[D]").astype(str).tolist() == ["2005-01-01", "2005-01-02"]


def test_the_analyses_are_not_replaced(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    init = tmp_path / "analyses.nc"
    init.write_bytes(sample_path("speedy-t31", "test").read_bytes())
    assert main(["forecast", str(run), "--init", str(init), "-o", str(init), "--overwrite", "--steps", "1"]) == 2
    assert "holds the analyses to start from" in capsys.readouterr().err
    assert init.read_bytes() == sample_path("speedy-t31", "test").read_bytes()


def test_weights_of_another_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    init = str(sample_path("speedy-t31", "test").absolute())
    assert main(["forecast", "si-painn", "--init", init, "-o", str(tmp_path / "fc.zarr")]) == 2
    assert "a forecasting model is needed" in capsys.readouterr().err
    (run := tmp_path / "empty").mkdir()
    assert main(["forecast", str(run), "--init", init, "-o", str(tmp_path / "fc.zarr")]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_training_starts_from_weights_and_refuses_others(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    longer = ["--loss.steps=2", f"--start_from={run}", "--train.learning_rate=1e-6", "--train.minimum_learning_rate=0"]
    assert main(["train", "speedy-sfno", "--run", str(tmp_path / "fine"), *SMALL, *longer]) == 0
    before, after = (Run.open(path).scores()["test"]["all"]["t2m_day_1_rmse_k"] for path in (run, tmp_path / "fine"))
    # steps this small change next to nothing
    assert np.isclose(before, after, rtol=1e-2)
    capsys.readouterr()
    wider = ["--run", str(tmp_path / "wide"), *SMALL, "--model.width=12", f"--start_from={run}"]
    assert main(["train", "speedy-sfno", *wider]) == 2
    assert "needs shape" in capsys.readouterr().err


def test_weights_alone_in_half_precision_forecast_nearly_the_same(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    weights = tmp_path / "sfno.safetensors"
    assert main(["export", str(run), "-o", str(weights), "--precision", "float16"]) == 0
    assert "weights in float16" in capsys.readouterr().out
    # what describes the model stays as long as it is
    assert weights.stat().st_size < 0.7 * Run.open(run).best.stat().st_size
    init = ["--init", str(sample_path("speedy-t31", "test").absolute()), "--steps", "4", "--fields", "t500"]
    found = []
    for model in (run, weights):
        assert main(["forecast", str(model), *init, "-o", str(tmp_path / f"{model.name}.zarr")]) == 0
        with open_forecast(str(tmp_path / f"{model.name}.zarr")) as forecast:
            found.append(forecast["t"].values)
    change = found[0] - found[0][:, :1]
    assert 0 < np.abs(found[1] - found[0]).max() < 0.01 * np.abs(change).max()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["-o", "w.safetensors", "--precision", "float8"], "one of float16, float32, float64, but is float8"),
        (["-o", "w.safetensors", "--backend", "native"], "--backend is for potentials"),
        (["-o", "w.pt"], "weights in .safetensors"),
        (["-o", "nowhere/w.safetensors"], "no such folder"),
    ],
)
def test_exports_that_cannot_be(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    message: str,
):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run), *given]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_with_dynamics_trains_forecasts_and_is_no_start_for_one_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = [*SMALL, "--model.scale_factor=1.5", "--train.optimizer=muon", "--train.precision=bf16-mixed"]
    assert main(["train", "speedy-sfno", "--run", str(tmp_path / "run"), *given, "--dynamics=true"]) == 0
    init = ["--init", str(sample_path("speedy-t31", "test").absolute()), "--steps", "2"]
    assert main(["forecast", str(tmp_path / "run"), *init, "-o", str(tmp_path / "fc.zarr")]) == 0
    with open_forecast(str(tmp_path / "fc.zarr")) as found:
        assert np.isfinite(found["t2m"].values).all()
    capsys.readouterr()
    other = ["--run", str(tmp_path / "other"), *given, "--dynamics=false", f"--start_from={tmp_path / 'run'}"]
    assert main(["train", "speedy-sfno", *other]) == 2
    assert "`start_from` needs a model with `dynamics: false`" in capsys.readouterr().err


def test_an_ensemble_starts_from_a_model_without_noise(run: Path, tmp_path: Path):
    noisy = ["--noise=4", "--loss.kind=crps", "--loss.members=2", f"--start_from={run}"]
    still = ["--train.learning_rate=1e-9", "--train.minimum_learning_rate=0"]
    assert main(["train", "speedy-sfno", "--run", str(tmp_path / "crps"), *SMALL, *noisy, *still]) == 0
    before, after = (
        next(iter(Run.open(path).scores().values()))["all"]["t2m_day_1_rmse_k"] for path in (run, tmp_path / "crps")
    )
    # what hears the noise says nothing before it has learnt
    assert np.isclose(before, after, rtol=1e-3)


def test_bounds_are_those_of_the_training_data_and_may_come_and_go(run: Path, tmp_path: Path):
    bounded, free = tmp_path / "bounded", tmp_path / "free"
    assert main(["train", "speedy-sfno", "--run", str(bounded), *SMALL, "--bounded=true", f"--start_from={run}"]) == 0
    model, _ = load_model(bounded)
    with xr.open_dataset(sample_path("speedy-t31", "train"), engine="netcdf4") as file:
        # the last time starts no step
        rows = file["t2m"].transpose("time", "latitude", "longitude").sortby("latitude").values[:-1]
    number = [str(field) for field in model.fields].index("t2m")
    mean, std = model.statistics.mean[number], model.statistics.std[number]
    lowest, highest = (
        bound[:, 0, number].numpy() * std + mean for bound in (model.forecaster.lowest, model.forecaster.highest)
    )
    least, most = rows.min((0, 2)), rows.max((0, 2))
    np.testing.assert_allclose(lowest, least - 0.15 * (most - least), rtol=1e-4)
    np.testing.assert_allclose(highest, most + 0.15 * (most - least), rtol=1e-4)
    assert main(["train", "speedy-sfno", "--run", str(free), *SMALL, f"--start_from={bounded}"]) == 0
    assert not load_model(free)[0].forecaster.bounded


def test_weights_of_other_data_are_no_start(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with xr.open_dataset(sample_path("speedy-t31", "train"), engine="netcdf4") as file:
        warmer = file.load()
    warmer["t2m"] = (warmer["t2m"] + 5).assign_attrs(warmer["t2m"].attrs)
    warmer.drop_encoding().to_netcdf(tmp_path / "warmer.nc", engine="netcdf4")
    given = ["--run", str(tmp_path / "fine"), *SMALL, f"--start_from={run}"]
    own = [f"--dataset.{split}={sample_path('speedy-t31', split).absolute()}" for split in ("validation", "test")]
    assert main(["train", "speedy-sfno", *given, *own, f"--dataset.train={tmp_path / 'warmer.nc'}"]) == 2
    assert "its normalisation differ" in capsys.readouterr().err
    assert main(["train", "speedy-sfno", *given, "--dataset.levels_hpa=[500]"]) == 2
    assert "its fields differ" in capsys.readouterr().err
    assert main(["train", "speedy-sfno", *given, "--dataset.static_fields=[position, z, lsm]"]) == 2
    assert "needs a model with the same `dataset.static_fields`" in capsys.readouterr().err
    assert main(["train", "speedy-sfno", *given[:-1], "--start_from=si-painn"]) == 2
    assert "`start_from` needs a forecasting model" in capsys.readouterr().err
