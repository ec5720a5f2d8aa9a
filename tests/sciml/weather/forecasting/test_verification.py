"""Where the forecasts that are scored start, and what becomes of their scores."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.core.runs import Run, read_json, write_json, write_text
from sciml.weather.forecasting.data import WeatherDataConfig
from sciml.weather.forecasting.report import _parsed, write_report
from sciml.weather.forecasting.rolling import BlowUp, blown_up_text
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.forecasting.verification import EvaluationConfig, _as_metrics, _starts, evaluate_model, lead_name


def hours(times: np.ndarray) -> list[int]:
    return ((times - np.datetime64("2005-01-01")) / np.timedelta64(1, "h")).astype(int).tolist()


def test_starts_are_evenly_spread_and_have_all_of_their_states(model: ForecastModel, analyses: xr.Dataset):
    # six hours apart, from 1 January on
    analyses = analyses.isel(time=slice(16))
    assert hours(_starts(model, analyses, 1, 18)) == [0, 18, 36, 54]
    two = dataclasses.replace(model, data=dataclasses.replace(model.data, history=2))
    assert hours(_starts(two, analyses, 1, 18)) == [6, 24, 42, 60]
    gap = analyses.isel(time=[number for number in range(16) if number != 3])
    assert hours(_starts(model, gap, 1, 18)) == [0, 36, 54]
    assert hours(_starts(two, gap, 1, 18)) == [6, 42, 60]


def test_no_start_at_all(model: ForecastModel, analyses: xr.Dataset):
    two = dataclasses.replace(model, data=dataclasses.replace(model.data, history=2))
    with pytest.raises(UserError, match="2 states 6 h apart, and the data have none such at times 24 h apart"):
        _starts(two, analyses.isel(time=slice(None, None, 4)), 1, 24)


def test_names_of_scores_have_days_or_hours():
    row = {"field": "z500", "unit": "m**2 s**-2", "rmse": {"model": 300.0, "persistence": 500.0}, "acc": {}}
    rows = [{**row, "lead_hours": hours} for hours in (20.0, 72.0, 80.0)]
    found = _as_metrics(rows, 60, [])
    assert list(found["all"]) == ["z500_hour_20_rmse_m2_s2", "z500_day_3_rmse_m2_s2", "z500_hour_80_rmse_m2_s2"]
    assert found["baselines"] == {"persistence": dict.fromkeys(found["all"], 500.0)}
    assert (found["forecasts"], found["blown_up"]) == (60, [])
    assert [_parsed(name)[1] for name in found["all"]] == ["20 h", "3 d", "80 h"]
    # every lead time has a name of its own, whatever the step
    assert len({lead_name(float(hours)) for hours in range(1, 241)}) == 240


def test_names_of_earlier_runs_are_read():
    assert _parsed("t2m_day_0.833_rmse_k") == ("t2m", "0.833 d", "rmse", "K")


def test_what_blew_up_is_counted_and_named():
    lost = [
        BlowUp("2005-03-01T00:00", 200, "t850", "t850 goes from 1 to 2 K, in training from 3 to 4"),
        BlowUp("2005-05-01T00:00", 144, "z500", "z500 is not finite"),
        BlowUp("2005-06-01T00:00", 160, "mass", "the global mean of mass is 3"),
    ]
    found = _as_metrics([], 60, lost)["blown_up"]
    assert json.loads(json.dumps(found)) == [dataclasses.asdict(one) for one in lost]
    assert blown_up_text(found, 60) == (
        "3 of 60 roll-outs left the range of the training climate and are not scored: first at lead 144 h (z500)."
    )


def test_a_roll_out_that_blows_up_is_left_out_of_the_scores(
    fragile: Callable[[np.ndarray], tuple[ForecastModel, np.ndarray]],
    sample_config: WeatherDataConfig,
    analyses: xr.Dataset,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    times = analyses["time"].values[:3].astype("datetime64[ns]")
    broken, lost = fragile(times)
    assert lost.sum() == 1
    run, source = Run(tmp_path / "run"), str(sample_config.test)
    days = analyses.isel(time=slice(7))
    config = EvaluationConfig(lead_days=1, apart_hours=6, fields=("z500", "t2m"))
    found = evaluate_model(broken, sample_config, days, source, run, "test", config)
    assert found["forecasts"] == 3
    (blown_up,) = found["blown_up"]
    assert (blown_up["start"], blown_up["field"]) == (str(times[lost][0])[:16], "t2m")
    said = blown_up_text([blown_up], 3)
    assert said.startswith("1 of 3 roll-outs left the range")
    assert said in caplog.text
    # nothing changes in the others: they are persistence
    assert found["all"]["z500_day_1_rmse_m2_s2"] == pytest.approx(
        found["baselines"]["persistence"]["z500_day_1_rmse_m2_s2"], rel=1e-4
    )
    assert read_json(run.path / "scorecards" / "test" / "scores.json")["initial_times"] == 2
    write_json(run.metrics_file, {"splits": {"test": found}})
    write_text(run.config_file, "domain: weather\n")
    page = write_report(run).read_text()
    assert html.escape(said) in page or said in page
    assert "1 d" in page


def test_power_and_a_free_run_are_in_the_metrics_and_on_the_page(
    model: ForecastModel, sample_config: WeatherDataConfig, analyses: xr.Dataset, tmp_path: Path
):
    run = Run(tmp_path / "run")
    config = EvaluationConfig(lead_days=1, apart_hours=48, fields=("z500", "t2m"), free_run_days=2)
    source = str(sample_config.source("test"))
    found = evaluate_model(model, sample_config, analyses, source, run, "test", config)
    power = found["power"]
    # T15 on 24 x 48 points
    assert (power["lead_hours"], power["most_waves"]) == (24, 10)
    for ratios in (power["ratios"]["z500"], power["ratios"]["t2m"]):
        assert 0 < ratios["least"] < ratios["most"]
    assert found["free_run"]["days"] == 2 and set(found["free_run"]["fields"]) == {str(one) for one in model.fields}
    write_json(run.metrics_file, {"splits": {"test": found}})
    write_text(run.config_file, "domain: weather\n")
    page = write_report(run).read_text()
    assert "Power over the truth" in page and "One roll-out of 2 days stayed within" in page
