"""`sciml score` and `sciml climatology` end to end, and what they say of a user's mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from sciml.cli.main import main
from sciml.core.errors import UserError
from sciml.core.runs import read_json
from sciml.weather.samples import sample_path

UNITS = {"t2m": "K", "tp": "m"}


def era5() -> Path:
    try:
        return sample_path("era5-1deg")
    except UserError as error:
        pytest.skip(str(error))


def write_years(path: Path, first: str, days: int, *, warmer_k: float = 0.0) -> Path:
    """A year's cycle of temperature on 8 x 16 points, every twelve hours, with weather on it."""
    times = np.datetime64(first, "ns") + np.arange(2 * days) * np.timedelta64(12, "h")
    season = (times - times.astype("datetime64[Y]")) / np.timedelta64(365, "D")
    random = np.random.default_rng(days)
    t2m = 280 + warmer_k - 10 * np.cos(2 * np.pi * season)[:, None, None] + random.normal(0, 2, (len(times), 8, 16))
    data = xr.Dataset(
        {
            "t2m": (("time", "latitude", "longitude"), t2m.astype(np.float32), {"units": "K"}),
            "tp": (("time", "latitude", "longitude"), (0.002 * random.gamma(0.4, 1, t2m.shape)).astype(np.float32)),
        },
        {
            "time": times,
            "latitude": ("latitude", np.linspace(-78.75, 78.75, 8), {"units": "degrees_north"}),
            "longitude": ("longitude", np.arange(16) * 22.5, {"units": "degrees_east"}),
        },
    )
    data["tp"].attrs = {"units": "m", "cell_methods": "time: sum (interval: 12 hours)"}
    data.to_netcdf(path, engine="netcdf4")
    return path


def write_forecast(path: Path, truth: Path) -> Path:
    """Ten forecasts to three days in WeatherBench's layout: the truth and an error that grows."""
    with xr.open_dataset(truth, engine="netcdf4") as data:
        times, leads = data["time"].values[60:80:2], np.arange(1, 7) * np.timedelta64(12, "h")
        valid = xr.DataArray(times[:, None] + leads, dims=("time", "prediction_timedelta"))
        growing = xr.DataArray(0.5 * np.arange(1, 7), dims="prediction_timedelta")
        fields = data[["t2m"]].sel(time=valid).drop_vars("time") + growing
        fields = fields.assign_coords(time=times, prediction_timedelta=leads.astype("timedelta64[ns]"))
        fields = fields.rename(t2m="2m_temperature")
        fields["2m_temperature"].attrs["units"] = "K"
        fields.astype(np.float32).to_zarr(path, zarr_format=2, consolidated=True)
    return path


@pytest.mark.slow
def test_persistence_on_real_era5(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    era5()
    output = tmp_path / "scorecard"
    assert main(["score", "persistence", "--truth", "era5-1deg", "-o", str(output), "--fields", "msl,t2m"]) == 0
    printed = capsys.readouterr().out
    assert "RMSE" in printed
    assert f"scorecard: {output}/index.html" in printed.replace("\n", "")
    facts = read_json(output / "scores.json")
    assert facts["forecast"] == "persistence"
    assert facts["period"][0] == "2026-03-25T00:00"
    store = zarr.open_group(era5(), mode="r")
    raw, stamps = np.asarray(store["msl"], np.float64), np.asarray(store["time_index"])
    # by hand: seven hours are between each first and second of the times, whose first is 755880
    weights = np.cos(np.radians(np.linspace(90, -90, 181)))[:, None] * np.ones(360)
    error = np.stack([raw[b] - raw[a] for a in range(24) for b in range(24) if stamps[b] - stamps[a] == 7])
    by_hand = float(np.sqrt((error**2 * weights).sum() / (weights.sum() * len(error))))
    with xr.open_dataset(output / "scores.nc", engine="netcdf4") as scores:
        first = scores["rmse"].sel(model="persistence", field="msl", region="global").values[0]
        assert scores["lead_time"].values[0] == np.timedelta64(7, "h")
    # cosines of latitude in place of the cells' areas
    assert first == pytest.approx(by_hand, rel=1e-3)
    page = (output / "index.html").read_text(encoding="utf-8")
    assert "persistence" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.mark.slow
def test_from_years_of_analyses_to_a_scorecard(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    truth = write_years(tmp_path / "era5.nc", "2018-01-01", 730)
    forecast = write_forecast(tmp_path / "model.zarr", truth)
    climate = tmp_path / "clim.nc"
    making = ["climatology", str(truth), "-o", str(climate), "--quantiles", "0.1,0.9", "--seeps-dry-mm", "0.25"]
    assert main([*making, "--min-years", "1"]) == 0
    assert "use:  sciml score" in capsys.readouterr().out
    with xr.open_dataset(climate, engine="netcdf4", decode_times=False) as data:
        assert {"t2m", "t2m_quantile", "tp_seeps_dry_fraction", "tp_seeps_threshold"} <= set(data)
        # coldest at New Year, warmest in the middle of the year
        mean = data["t2m"].mean(("hour", "latitude", "longitude")).values
        assert abs(int(np.argmax(mean)) - 182) < 25
    output = tmp_path / "card"
    scoring = ["score", str(forecast), "--truth", str(truth), "--climatology", str(climate), "-o", str(output)]
    assert main(scoring) == 0
    facts = read_json(output / "scores.json")
    rows = {row["lead_hours"]: row for row in facts["headline"]}
    assert facts["forecast"] == "model"
    # the error that was put in: half a kelvin for every twelve hours
    assert rows[24.0]["rmse"]["model"] == pytest.approx(1.0, abs=1e-4)
    assert rows[24.0]["bias"]["model"] == pytest.approx(1.0, abs=1e-4)
    assert set(rows[24.0]["rmse"]) == {"model", "persistence", "climatology"}
    with xr.open_dataset(output / "scores.nc", engine="netcdf4") as scores:
        assert {"acc", "sedi", "rmse_low", "power", "bias_map"} <= set(scores)
    assert main(["report", str(output)]) == 0
    (output / "mine.txt").write_text("mine")
    capsys.readouterr()
    assert main(scoring) == 2
    assert "holds a scorecard already" in capsys.readouterr().err
    assert main([*scoring, "--overwrite", "--leads", "24", "--baselines", "none", "--name", "truth"]) == 0
    with xr.open_dataset(output / "scores.nc", engine="netcdf4") as scores:
        assert read_json(output / "scores.json")["forecast"] == scores["model"].values[0] == "truth (forecast)"
    assert (output / "mine.txt").read_text() == "mine"
    (output / "scores.json").write_text('{"period": 5, "cases": 5}')
    capsys.readouterr()
    assert main(["report", str(output)]) == 2
    assert "is not as `sciml score` writes it" in capsys.readouterr().err
    assert main([*making, "--min-years", "1"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.slow
def test_two_workers_of_a_scheduler(tmp_path: Path):
    from distributed import LocalCluster

    truth = write_years(tmp_path / "era5.nc", "2018-01-01", 60)
    forecast = write_forecast(tmp_path / "model.zarr", truth)
    scoring = ["score", str(forecast), "--truth", str(truth), "--memory", "0.0001", "-o"]
    assert main([*scoring, str(tmp_path / "alone")]) == 0
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        assert main([*scoring, str(tmp_path / "together"), "--scheduler", cluster.scheduler_address]) == 0
    with (
        xr.open_dataset(tmp_path / "alone/scores.nc", engine="netcdf4") as alone,
        xr.open_dataset(tmp_path / "together/scores.nc", engine="netcdf4") as together,
    ):
        # the same sums in another order
        xr.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-9)


def test_mistakes_are_one_line_and_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    truth = write_years(tmp_path / "era5.nc", "2018-01-01", 60)
    forecast = write_forecast(tmp_path / "model.zarr", truth)
    other = write_years(tmp_path / "later.nc", "2025-01-01", 60)
    cut = tmp_path / "cut.nc"
    cut.write_bytes(truth.read_bytes()[:2000])
    files = tmp_path / "files"
    files.mkdir()
    (files / "thesis.tex").write_text("precious")
    there = sorted(tmp_path.iterdir())
    out = str(tmp_path / "card")
    wrong = {
        ("score", str(forecast), "--truth", str(other), "-o", out): "do not overlap",
        ("score", str(forecast), "--truth", str(cut), "-o", out): "cut.nc",
        ("score", str(forecast), "--truth", str(tmp_path / "none.nc"), "-o", out): "none.nc",
        ("score", "climatology", "--truth", str(truth), "-o", out): "--climatology",
        ("score", str(forecast), "--truth", str(truth), "-o", str(files)): "no scorecard",
        ("score", str(forecast), "--truth", str(truth), "-o", str(truth)): "is a file",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--fields", "t2n"): "did you mean `t2m`",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--leads", "soon"): "numbers with commas",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--memory", "0"): "above zero",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--threads", "0"): "above zero",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--baselines", "luck"): "no baseline",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--period", "2018"): "FIRST/LAST",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--cases", str(truth)): "era5.nc",
        ("score", str(forecast), "--truth", str(truth), "-o", out, "--grid", "huge"): "huge",
        ("score", "https://127.0.0.1:9/fc.zarr", "--truth", str(truth), "-o", out): "127.0.0.1:9",
        ("climatology", str(truth), "-o", out + ".nc"): "10 years",
        ("climatology", str(truth), "-o", out + ".nc", "--years", "1990"): "FIRST/LAST",
        ("climatology", str(truth), "-o", out + ".nc", "--quantiles", "98"): "from 0 to 1",
    }
    for argv, said in wrong.items():
        assert main(list(argv)) == 2, argv
        err = capsys.readouterr().err
        last = err.strip().splitlines()[-1]
        assert last.startswith("sciml: "), (argv, err)
        assert said in last, (argv, err)
        assert sorted(tmp_path.iterdir()) == there, argv
    assert (files / "thesis.tex").read_text() == "precious"


@pytest.mark.slow
def test_more_data_than_memory(tmp_path: Path):
    """Scored to the end by a process whose address space grows by less than a fifth of the data."""
    script = Path(__file__).with_name("score_with_little_memory.py")
    # every thread's own heap would reserve addresses that it never uses
    variables = os.environ | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path)]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr[-2000:]
    data, limit = map(int, result.stdout.split()[-2:])
    assert data > 5 * limit
