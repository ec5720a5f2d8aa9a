"""Heat waves and cold spells of arrays with names: days, thresholds by season, regions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.extremes.heatwaves import cold_spells, daily_values, heat_waves, spell_scores

START = np.datetime64("2021-06-01", "ns")
HOUR = np.timedelta64(3600, "s").astype("timedelta64[ns]")
DAY = 24 * HOUR
SPACE = {"latitude": np.array([0.0, 10.0]), "longitude": np.array([0.0, 10.0, 20.0])}


def world(hot: dict[tuple[int, int], range], days: int, first: int = 0) -> np.ndarray:
    """Six-hourly temperature of so many days: 290 K, at noon 300 K, at noon of hot days 310 K."""
    values = np.full((days, 4, 2, 3), 290.0, np.float32)
    values[:, 2] = 300
    for (y, x), which in hot.items():
        for day in which:
            if first <= day < first + days:
                values[day - first, 2, y, x] = 310
    return values.reshape(4 * days, 2, 3)


def truth() -> xr.DataArray:
    values = world({(0, 0): range(3, 8), (1, 2): range(2, 5)}, 14)
    return xr.DataArray(
        values,
        {"time": START + 6 * HOUR * np.arange(56), **SPACE},
        ["time", "latitude", "longitude"],
        "t2m",
        {"units": "K"},
    )


def forecast() -> xr.DataArray:
    hot = {(0, 0): range(4, 8), (0, 1): range(5, 9)}
    values = np.stack([world(hot, 10), world(hot, 10, first=4)])
    return xr.DataArray(
        values,
        {"time": START + DAY * np.array([0, 4]), "lead_time": 6 * HOUR * np.arange(40), **SPACE},
        ["time", "lead_time", "latitude", "longitude"],
        "t2m",
        {"units": "K"},
    )


def limit() -> xr.DataArray:
    values = np.full((1, 366, 2, 3), 305.0, np.float32)
    return xr.DataArray(
        values,
        {"hour": [0], "dayofyear": np.arange(1, 367), **SPACE},
        ["hour", "dayofyear", "latitude", "longitude"],
        attrs={"units": "K"},
    )


def test_days_of_an_analysis_and_of_forecasts() -> None:
    days = daily_values(truth())
    assert days.sizes["time"] == 14 and days["time"].values[0] == START
    assert days.sel(time=START + 3 * DAY, latitude=0, longitude=0) == 310
    assert (daily_values(truth(), "min") == 290).all()
    assert daily_values(truth(), "mean")[0, 0, 0] == 292.5
    # half a day more at either end is no day
    parts = daily_values(truth().isel(time=slice(2, 55)))
    assert parts["time"].values[[0, -1]].tolist() == (START + DAY * np.array([1, 12])).tolist()
    # a forecast from noon: its first whole day begins 12 hours later
    noon = forecast().assign_coords(time=forecast()["time"] + 12 * HOUR)
    days = daily_values(noon)
    assert (days["lead_time"].values[[0, -1]] / HOUR).tolist() == [12, 12 + 24 * 8]
    assert days.dims == noon.dims and days.attrs["units"] == "K"
    # one missing value leaves the day unknown
    assert daily_values(truth().where(truth()["time"] != START + HOUR * 6))[0].isnull().all()


def test_onset_duration_and_intensity_of_heat_waves() -> None:
    found = heat_waves(forecast(), truth(), limit())
    grid_weight = 1.0  # two rows symmetric about 5 degrees differ by 1.5 %
    # first forecast: at (0, 0) a day late and a day shorter; at (0, 1) a false alarm, at (1, 2) a miss.
    # second, from day 4: at (0, 0) under way in both; (0, 1) again; the one of (1, 2) has a day left, so is none
    assert found["onset_error"] == pytest.approx(1) and found["onset_absolute_error"] == pytest.approx(1)
    assert found["duration_error"] == pytest.approx(-1)
    assert found["peak_error"] == pytest.approx(0) and found["total_error"] == pytest.approx(-5)
    assert found["hits"] == pytest.approx(2 * grid_weight, rel=0.02)
    assert found["misses"] == pytest.approx(grid_weight, rel=0.02)
    assert found["false_alarms"] == pytest.approx(2 * grid_weight, rel=0.02)
    assert found["total_error"].attrs == {"long_name": "mean total error of spells", "units": "K day"}


def test_regions_and_thresholds_by_date() -> None:
    by_date = limit().isel(hour=0, drop=True).isel(dayofyear=slice(0, 14)).rename(dayofyear="time")
    by_date = by_date.assign_coords(time=START + DAY * np.arange(14))
    weights = xr.DataArray(
        np.stack([np.eye(2, 3), 1 - np.eye(2, 3)]), {"region": ["a", "b"], **SPACE}, ["region", "latitude", "longitude"]
    )
    daily = [daily_values(field) for field in (forecast(), truth())]
    found = spell_scores(*daily, by_date, weights=weights)
    assert found["hits"].to_series().to_dict() == {"a": 2, "b": 0}
    assert found["misses"].to_series().to_dict() == {"a": 0, "b": 1}
    assert found["hit_rate"].values.tolist() == [1, 0] and found["false_alarm_ratio"].values.tolist() == [0, 1]
    assert np.isnan(found["onset_error"].sel(region="b"))
    in_mk = (by_date * 1000).assign_attrs(units="mK")
    xr.testing.assert_identical(spell_scores(*daily, in_mk, weights=weights), found)


def test_a_mean_over_a_region_is_one_series() -> None:
    daily = [daily_values(field).isel(latitude=0, longitude=0) for field in (forecast(), truth())]
    found = spell_scores(*daily, limit().isel(latitude=0, longitude=0))
    assert found["hits"] == 2 and found["onset_error"] == 1
    one = spell_scores(daily[0].isel(time=0), daily[1], limit().isel(latitude=0, longitude=0))
    assert one["hits"] == 1


def test_cold_spells_are_heat_waves_upside_down() -> None:
    hot = heat_waves(forecast(), truth(), limit())
    below = cold_spells(*((600 - field).assign_attrs(units="K") for field in (forecast(), truth(), limit())))
    xr.testing.assert_allclose(hot, below)


def test_no_event_and_a_sea_of_nothing() -> None:
    quiet = heat_waves(forecast(), truth(), (limit() + 100).assign_attrs(units="K"))
    assert quiet["hits"] == 0 and np.isnan(quiet["hit_rate"]) and np.isnan(quiet["onset_error"])
    sea = heat_waves(forecast().where(False), truth().where(False), limit())
    assert sea["hits"] == 0 and sea["misses"] == 0


def test_what_does_not_fit_is_refused() -> None:
    daily = [daily_values(field) for field in (forecast(), truth())]
    with pytest.raises(UserError, match="max, mean, min, not median"):
        daily_values(truth(), "median")
    with pytest.raises(UserError, match="one hour of the day, but there are 2"):
        daily_values(forecast().assign_coords(time=forecast()["time"] + 6 * HOUR * np.arange(2)))
    with pytest.raises(UserError, match="at least one time"):
        daily_values(truth().isel(time=slice(0, 0)))
    with pytest.raises(UserError, match=r"truth needs all days of the forecast from 2021-06-05, but lacks 1"):
        spell_scores(daily[0], daily[1].isel(time=slice(0, 13)), limit())
    with pytest.raises(UserError, match="one hour, but this has 2"):
        spell_scores(*daily, xr.concat([limit(), limit().assign_coords(hour=[12])], "hour"))
    with pytest.raises(UserError, match=r"threshold needs all days of the forecast, but lacks"):
        spell_scores(*daily, daily[1].isel(time=slice(0, 5)))
    with pytest.raises(UserError, match=r"threshold needs the grid of the forecast.*2 longitudes"):
        spell_scores(*daily, limit().isel(longitude=slice(0, 2)))
    with pytest.raises(UserError, match=r"does not measure the same"):
        spell_scores(daily[0], daily[1].assign_attrs(units="m"), limit())
    with pytest.raises(UserError, match="at least one initial time"):
        spell_scores(daily[0].isel(time=slice(0, 0)), daily[1], limit())
