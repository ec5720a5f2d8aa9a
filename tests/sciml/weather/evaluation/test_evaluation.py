"""`sciml.weather.evaluation` against the scores of whole arrays, in blocks of any size, by threads and by workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.baselines import climatology_forecast, persistence
from sciml.weather.climatology import at_times
from sciml.weather.evaluation import execution
from sciml.weather.evaluation.agreement import ScoreOptions, baseline_leads
from sciml.weather.evaluation.execution import Pool, pool
from sciml.weather.evaluation.plan import make_plan
from sciml.weather.evaluation.run import evaluate
from sciml.weather.fields import Field
from sciml.weather.scores import ensemble as ensembles
from sciml.weather.scores import fields as scores_of_fields
from sciml.weather.scores.categories import event_scores
from sciml.weather.scores.precipitation import seeps
from sciml.weather.scores.regions import REGIONS
from sciml.weather.scores.spectrum import zonal_power_spectrum

# sums in another order of blocks
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def here() -> Iterator[Pool]:
    with pool() as workers:
        yield workers


def evaluated(workers: Pool, *datasets: xr.Dataset | None, name: str = "wave", **options: Any) -> xr.Dataset:
    return evaluate(make_plan(name, *datasets, options=ScoreOptions(**options)), workers, lambda done, total: None)


def at(scores: xr.Dataset, name: str, model: str, field: str) -> xr.DataArray:
    return scores[name].sel(model=model, field=field)


@pytest.mark.parametrize("score", ["rmse", "mae", "bias", "acc", "activity"])
def test_scores_are_those_of_the_whole_arrays(
    here: Pool, forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset, score: str
):
    scores = evaluated(here, forecast, truth, climatology, fields=("t2m",), regions=("tropics", "europe"))
    regions = {name: REGIONS[name] for name in ("global", "tropics", "europe")}
    wanted = scores_of_fields.field_scores(
        forecast["t2m"], truth["t2m"], climatology=climatology["t2m"], scores=(score,), regions=regions
    )[score]
    np.testing.assert_allclose(at(scores, score, "wave", "t2m"), wanted.transpose("region", "lead_time"), rtol=1e-9)


def test_a_field_is_a_variable_at_a_level(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    scores = evaluated(here, forecast, truth, fields=("z850", "z500"), baselines=())
    assert scores["field"].values.tolist() == ["z850", "z500"]
    assert scores["field_units"].values.tolist() == ["m**2 s**-2"] * 2
    for level in (500.0, 850.0):
        wanted = scores_of_fields.rmse(forecast["z"].sel(level=level), truth["z"].sel(level=level))
        np.testing.assert_allclose(at(scores, "rmse", "wave", f"z{level:g}")[0], wanted, rtol=1e-9, atol=1e-9)


def test_baselines_are_scored_as_forecasts_of_them(
    here: Pool, forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset
):
    scores = evaluated(here, forecast, truth, climatology, fields=("t2m",))
    leads, times = forecast["lead_time"].values, forecast["time"].values
    made = {
        "persistence": persistence(truth["t2m"], leads, times),
        "climatology": climatology_forecast(climatology["t2m"], times, leads),
    }
    assert scores["model"].values.tolist() == ["wave", *made, "truth"]
    for name, baseline in made.items():
        wanted = scores_of_fields.rmse(baseline, truth["t2m"])
        np.testing.assert_allclose(at(scores, "rmse", name, "t2m")[0], wanted, rtol=1e-6)
    alone = evaluated(here, None, truth, climatology, name="persistence", fields=("t2m",), lead_hours=(12, 60))
    assert alone["model"].values.tolist() == ["persistence", "climatology", "truth"]
    wanted = scores_of_fields.rmse(persistence(truth["t2m"], alone["lead_time"].values), truth["t2m"])
    np.testing.assert_allclose(at(alone, "rmse", "persistence", "t2m")[0], wanted, rtol=1e-6)


def test_an_ensemble(here: Pool, ensemble: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset):
    scores = evaluated(here, ensemble, truth, climatology, fields=("t2m",), regions=("tropics",))
    regions = {name: REGIONS[name] for name in ("global", "tropics")}
    for name, wanted in {
        "crps": ensembles.crps(ensemble["t2m"], truth["t2m"], regions=regions),
        "spread": ensembles.spread(ensemble["t2m"], truth["t2m"], regions=regions),
        "spread_skill_ratio": ensembles.spread_skill_ratio(ensemble["t2m"], truth["t2m"], regions=regions),
        "rmse": scores_of_fields.rmse(ensemble["t2m"].mean("number"), truth["t2m"], regions=regions),
    }.items():
        found = at(scores, name, "wave", "t2m").transpose("region", "lead_time")
        np.testing.assert_allclose(found, wanted.transpose("region", "lead_time"), rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(at(scores, "rank_histogram", "wave", "t2m").sum("rank"), 1, rtol=ROUNDING)
    parts = {
        name: at(scores, name, "wave", "t2m")
        for name in ("brier", "brier_reliability", "brier_resolution", "brier_uncertainty")
    }
    whole = parts["brier_reliability"] - parts["brier_resolution"] + parts["brier_uncertainty"]
    np.testing.assert_allclose(parts["brier"], whole, rtol=1e-9, err_msg="Murphy 1973")
    # the truth is a cosine whose 0.1 and 0.9 quantiles these are; of its twelve points one or two are beyond them
    base_rate = at(scores, "base_rate", "wave", "t2m").sel(region="global")
    assert ((base_rate > 1 / 12 - ROUNDING) & (base_rate < 2 / 12 + ROUNDING)).all()


def test_extremes_and_rain_are_those_of_whole_tables(
    here: Pool, forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset
):
    scores = evaluated(here, forecast, truth, climatology, fields=("t2m", "tp"), rain_thresholds_mm=(2.0,))
    valid = (forecast["time"] + forecast["lead_time"]).values
    thresholds = at_times(climatology["t2m_quantile"], xr.DataArray(valid, dims=("time", "lead_time")))
    wanted = event_scores(forecast["t2m"], truth["t2m"], thresholds.sel(quantile=0.9).drop_vars("quantile"), above=True)
    found = at(scores, "sedi", "wave", "t2m").sel(quantile=0.9, region="global")
    np.testing.assert_allclose(found, np.squeeze(wanted["sedi"]), rtol=1e-9)
    rain = event_scores(forecast["tp"], truth["tp"], 0.002, inclusive=True)
    np.testing.assert_allclose(
        at(scores, "ets", "wave", "tp").sel(threshold=2.0, region="global"), np.squeeze(rain["ets"]), rtol=1e-9
    )
    assert ((scores["fss"].sel(model="wave") >= 0) & (scores["fss"].sel(model="wave") <= 1)).all()
    assert np.isnan(at(scores, "ets", "wave", "t2m")).all()


def test_seeps(here: Pool, forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset):
    like = climatology["t2m"].drop_attrs()
    rain = {
        "tp_seeps_dry_fraction": xr.full_like(like, 0.4).assign_attrs(units="1"),
        "tp_seeps_threshold": xr.full_like(like, 0.002).assign_attrs(units="m"),
    }
    scores = evaluated(here, forecast, truth, climatology.assign(rain), fields=("tp",), seeps_dry_mm=0.5)
    place = {"latitude": truth["latitude"], "longitude": truth["longitude"]}
    p1 = xr.DataArray(np.full((18, 36), 0.4), place, ("latitude", "longitude"))
    heavy = xr.full_like(p1, 0.002).assign_attrs(units="m")
    wanted = seeps(forecast["tp"], truth["tp"], p1, heavy, dry_threshold_mm=0.5)
    np.testing.assert_allclose(scores["seeps"].sel(model="wave", region="global"), wanted, rtol=1e-6)


def test_spectra_and_maps(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    scores = evaluated(here, forecast, truth, fields=("t2m",), map_hours=(24, 60))
    wanted = zonal_power_spectrum(forecast["t2m"], regions=["global"]).squeeze("region").transpose("lead_time", ...)
    # in units of the largest, as most of the rest is rounding
    np.testing.assert_allclose(at(scores, "power", "wave", "t2m") / wanted.max(), wanted / wanted.max(), atol=1e-9)
    assert int(at(scores, "power", "truth", "t2m").values[0, 1:].argmax()) + 1 == 3, "the wave has wavenumber 3"
    assert (scores["map_lead_time"] / np.timedelta64(1, "h")).values.tolist() == [24, 60]
    times = forecast["time"].values + np.timedelta64(24, "h")
    error = forecast["t2m"].sel(lead_time=np.timedelta64(24, "h")).values - truth["t2m"].sel(time=times).values
    np.testing.assert_allclose(at(scores, "bias_map", "wave", "t2m")[0], error.mean(0), atol=1e-5)
    np.testing.assert_allclose(at(scores, "rmse_map", "wave", "t2m")[0], np.sqrt((error**2).mean(0)), rtol=1e-4)


@pytest.mark.parametrize("memory_gb", [1e-6, 3e-5, 1e-3])
def test_the_size_of_blocks_changes_nothing(
    here: Pool, ensemble: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset, memory_gb: float
):
    whole = evaluated(here, ensemble, truth, climatology)
    chunked = ensemble.chunk(time=3, lead_time=2)
    plan = make_plan("wave", chunked, truth.chunk(time=5), climatology, ScoreOptions(memory_gb=memory_gb))
    assert len(list(plan.blocks())) > (1 if memory_gb > 1e-4 else 10)
    with pool(threads=2) as two:
        parts = evaluate(replace(plan, options=replace(plan.options, threads=2)), two, lambda done, total: None)
    xr.testing.assert_allclose(whole, parts, rtol=1e-9, atol=1e-9)


def test_progress_ends_with_all_blocks(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    seen: list[tuple[int, int]] = []
    plan = make_plan("wave", forecast, truth)
    evaluate(plan, here, lambda done, total: seen.append((done, total)))
    assert seen[0][0] == 0
    assert seen[-1] == (len(list(plan.blocks())),) * 2


def test_forecasts_without_truth_are_left_out_and_counted(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    # the truth ends three days after the first forecast
    short = truth.sel(time=slice(None, truth["time"].values[6]))
    scores = evaluated(here, forecast, short, fields=("t2m",))
    assert at(scores, "forecasts", "wave", "t2m").sel(region="global").values.tolist() == [3, 3, 2, 2, 1]
    for lead in forecast["lead_time"].values:
        some = forecast.sel(time=forecast["time"].values + lead <= short["time"].values[-1], lead_time=[lead])
        wanted = scores_of_fields.rmse(some["t2m"], truth["t2m"])
        np.testing.assert_allclose(at(scores, "rmse", "wave", "t2m").sel(lead_time=lead)[0], wanted[0], rtol=1e-9)


def test_missing_values_count_nowhere(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    sea = xr.where(truth["longitude"] < 180, truth["t2m"], np.nan).transpose("time", "latitude", "longitude")
    scores = evaluated(here, forecast, truth.assign(t2m=sea.assign_attrs(units="K")), fields=("t2m",))
    half = forecast["t2m"].where(forecast["longitude"] < 180)
    np.testing.assert_allclose(
        at(scores, "rmse", "wave", "t2m")[0], scores_of_fields.rmse(half, truth["t2m"]), rtol=1e-9
    )
    assert np.isnan(at(scores, "rmse_map", "wave", "t2m")[:, :, 20:]).all()
    assert np.isnan(at(scores, "power", "wave", "t2m")).sum() == 0, "the forecast is whole"


def test_differences_have_an_interval(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    scores = evaluated(here, forecast, truth, fields=("t2m",))
    low, difference, high = (
        at(scores, name, "persistence", "t2m").sel(region="global")
        for name in ("rmse_low", "rmse_difference", "rmse_high")
    )
    wanted = at(scores, "rmse", "persistence", "t2m") - at(scores, "rmse", "wave", "t2m")
    np.testing.assert_allclose(difference, wanted.sel(region="global"), rtol=1e-9)
    assert ((low <= difference) & (difference <= high)).all()
    few = evaluated(here, forecast.isel(time=slice(3)), truth, fields=("t2m",))
    assert "rmse_low" not in few, "three forecasts say nothing of chance"


def test_a_regional_grid(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    box = {"latitude": slice(4, 14), "longitude": slice(2, 12)}
    scores = evaluated(here, forecast.isel(box), truth.isel(box), fields=("t2m",))
    assert scores["region"].values[0] == "domain"
    assert "power" not in scores
    wanted = scores_of_fields.rmse(forecast["t2m"].isel(box), truth["t2m"].isel(box))
    np.testing.assert_allclose(at(scores, "rmse", "wave", "t2m").sel(region="domain"), wanted, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (
            lambda f: f.assign_coords(time=f["time"] + np.timedelta64(9999, "h")),
            {},
            "do not overlap.*2022-07-23.*2021-06-01",
        ),
        (
            lambda f: f.isel(longitude=slice(0, None, 3)).assign_coords(longitude=np.arange(5.0, 360, 30)),
            {},
            "different grids: 18 x 12 points.*18 x 36.*--grid",
        ),
        (lambda f: f[["t2m"]].rename(t2m="d2m"), {}, "no field in common.*d2m.*t2m, z500"),
        (lambda f: f, {"fields": ("z700",)}, "z is there at 500, 850 hPa only"),
        (lambda f: f, {"fields": ("t2n",)}, "did you mean `t2m`"),
        (lambda f: f, {"lead_hours": (12.0, 13.0)}, "no lead time of 13 hours; there are 12, 24, 36, 48, 60 hours"),
        (lambda f: f, {"period": ("2022-01-01", "2022-12-31")}, "no forecast starts from 2022-01-01"),
        (lambda f: f, {"period": ("soon", "later")}, "a period is two dates"),
        (lambda f: f, {"regions": ("atlantis",)}, "no region `atlantis`"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    here: Pool, forecast: xr.Dataset, truth: xr.Dataset, change: Any, options: dict[str, Any], said: str
):
    with pytest.raises(UserError, match=said):
        evaluated(here, change(forecast), truth, **options)


def test_a_period_chooses_initial_times(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    scores = evaluated(here, forecast, truth, fields=("t2m",), period=("2021-06-02", "2021-06-03"))
    assert at(scores, "forecasts", "wave", "t2m").sel(region="global").values.tolist() == [2] * 5


def test_blocks_without_a_truth_change_nothing(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    late = truth.isel(time=slice(8, None))
    whole = evaluated(here, forecast, late, fields=("t2m",))
    xr.testing.assert_allclose(whole, evaluated(here, forecast, late, fields=("t2m",), memory_gb=1e-6), rtol=1e-9)


def test_baselines_are_scored_where_the_forecast_has_values(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    north = forecast["t2m"].where(forecast["latitude"] > 0).assign_attrs(units="K")
    scores = evaluated(here, forecast.assign(t2m=north), truth, fields=("t2m",))
    leads, times = forecast["lead_time"].values, forecast["time"].values
    persisted = persistence(truth["t2m"], leads, times).where(truth["latitude"] > 0)
    wanted = scores_of_fields.rmse(persisted, truth["t2m"])
    np.testing.assert_allclose(at(scores, "rmse", "persistence", "t2m").sel(region="global"), wanted, rtol=1e-6)
    np.testing.assert_allclose(scores["coverage"].sel(region="global", model="wave"), 0.5, rtol=1e-9)
    np.testing.assert_allclose(scores["coverage"].sel(region="northern-hemisphere", model="wave"), 1, rtol=1e-9)


def test_a_regional_forecast_meets_the_truth_of_the_globe(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    box = {"latitude": slice(4, 14), "longitude": slice(2, 12)}
    scores = evaluated(here, forecast.isel(box), truth, fields=("t2m",))
    assert scores["region"].values[0] == "domain"
    assert "global" not in scores["region"]
    wanted = scores_of_fields.rmse(forecast["t2m"].isel(box), truth["t2m"].isel(box))
    np.testing.assert_allclose(at(scores, "rmse", "wave", "t2m").sel(region="domain"), wanted, rtol=1e-9)


def test_rain_over_other_windows_is_refused(here: Pool, forecast: xr.Dataset, truth: xr.Dataset):
    def of_hours(data: xr.Dataset, hours: int) -> xr.Dataset:
        return data.assign(tp=data["tp"].assign_attrs(accumulation_hours=hours))

    with pytest.raises(UserError, match="forecast is a sum over 24h, of the truth a sum over 6h.*--accumulate-hours"):
        evaluated(here, of_hours(forecast, 24), of_hours(truth, 6))
    with pytest.raises(UserError, match="truth a sum over a window that its files do not say"):
        evaluated(here, of_hours(forecast, 24), truth)
    assert "rmse" in evaluated(here, of_hours(forecast, 24), truth, fields=("t2m",))
    assert "rmse" in evaluated(here, of_hours(forecast, 6), of_hours(truth, 6), fields=("tp",))


def test_a_climatology_of_other_hours_or_fields(
    here: Pool, forecast: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset
):
    midnight = climatology.isel(hour=[0])
    with pytest.raises(UserError, match="valid at 12 UTC, but the climatology has the hours 0 alone"):
        evaluated(here, forecast, truth, midnight)
    assert "acc" in evaluated(here, forecast, truth, midnight.assign_attrs(daily=1), fields=("t2m",))
    alone = evaluated(here, None, truth, climatology, name="climatology")
    assert alone["field"].values.tolist() == ["t2m"]
    with pytest.raises(UserError, match="climatology has no z500"):
        evaluated(here, None, truth, climatology, name="climatology", fields=("z500",))


@pytest.mark.parametrize("name", ["truth", "persistence", "climatology"])
def test_a_forecast_may_have_any_name(here: Pool, forecast: xr.Dataset, truth: xr.Dataset, name: str):
    scores = evaluated(here, forecast, truth, fields=("t2m",), name=name)
    assert scores["model"].values.tolist() == [f"{name} (forecast)", "persistence", "truth"]
    assert np.isfinite(scores["power"].values[[0, 2]]).all()


def test_what_an_ensemble_is_tabled_by(here: Pool, ensemble: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset):
    scores = evaluated(here, ensemble, truth, climatology, fields=("t2m",))
    wanted = zonal_power_spectrum(ensemble["t2m"].isel(number=0), regions=["global"]).squeeze("region")
    found = at(scores, "power", "wave", "t2m")
    np.testing.assert_allclose(found / wanted.max(), wanted.transpose("lead_time", ...) / wanted.max(), atol=1e-9)
    valid = (ensemble["time"] + ensemble["lead_time"]).values
    thresholds = at_times(climatology["t2m_quantile"], xr.DataArray(valid, dims=("time", "lead_time")))
    median = ensemble["t2m"].median("number").astype(np.float32).assign_attrs(units="K")
    table = event_scores(median, truth["t2m"], thresholds.sel(quantile=0.9).drop_vars("quantile"), above=True)
    np.testing.assert_allclose(
        at(scores, "hit_rate", "wave", "t2m").sel(quantile=0.9, region="global"),
        np.squeeze(table["hit_rate"]),
        rtol=1e-9,
    )


def test_leads_of_a_baseline_from_many_times():
    times = np.datetime64("2020-01-01", "ns") + np.arange(20000) * np.timedelta64(6, "h")
    leads = baseline_leads(times) / np.timedelta64(1, "h")
    assert leads.tolist() == list(range(6, 126, 6))


def test_fields_have_names():
    assert str(Field("z", 0.5)) == "z0.5"


@pytest.mark.slow
def test_two_workers_of_a_scheduler_give_the_same(
    here: Pool, ensemble: xr.Dataset, truth: xr.Dataset, climatology: xr.Dataset
):
    from distributed import LocalCluster

    alone = evaluated(here, ensemble, truth, climatology)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        pool(cluster.scheduler_address) as workers,
    ):
        plan = make_plan("wave", ensemble, truth, climatology, ScoreOptions(memory_gb=1e-4))
        assert workers.workers == 2
        assert len(list(plan.blocks())) > 4
        together = evaluate(plan, workers, lambda done, total: None)
    xr.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-9)


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(execution, "_TIMEOUT_S", 1)
    # port 9 (discard) has no listener on a machine without such a service
    with pytest.raises(UserError, match="no dask scheduler answers at tcp://127.0.0.1:9"), pool("tcp://127.0.0.1:9"):
        pass
