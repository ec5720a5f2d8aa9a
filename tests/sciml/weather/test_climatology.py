"""What is normal: WeatherBench 2's definition by other means, the calendar, bands and chunks, and looking up."""

from __future__ import annotations

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.climatology import at_times, make_climatology
from sciml.weather.climatology_sums import day_of_year, window_weights

QUANTILES = (0.1, 0.5, 0.99)


def record(first: str = "2003-01-01", last: str = "2005-12-31", step: str = "12h", seed: int = 0) -> xr.Dataset:
    """Three years, one of them a leap year, twice a day on 4 x 2 points, with a variable on levels and a static one."""
    times = pd.date_range(first, f"{last}T23", freq=step).values.astype("datetime64[ns]")
    random = np.random.default_rng(seed)
    coordinates = {
        "time": times,
        "level": [500.0, 850.0],
        "latitude": [-60.0, -20.0, 20.0, 60.0],
        "longitude": [0.0, 180.0],
    }
    surface = ("time", "latitude", "longitude")
    fields = {
        "t2m": (surface, random.normal(280, 10, (len(times), 4, 2)).astype(np.float32), {"units": "K"}),
        "q": (("time", "level", *surface[1:]), random.random((len(times), 2, 4, 2)).astype(np.float32)),
        "lsm": (surface[1:], np.ones((4, 2), np.float32)),
    }
    return xr.Dataset(fields, coordinates)


def by_weatherbench_2(field: xr.DataArray, window_days: int, quantiles: tuple[float, ...] = ()) -> xr.DataArray:
    """WeatherBench 2's `compute_rolling_stat`, for one hour: years side by side, gap day, windows, weights."""
    years = [year.assign_coords(time=year.time.dt.dayofyear) for _, year in field.groupby("time.year")]
    stacked = xr.concat(years, "year", join="outer").rename(time="dayofyear")
    stacked = xr.where(np.isnan(stacked) & (stacked.dayofyear == 366), stacked.sel(dayofyear=365), stacked)
    half = window_days // 2
    windows = stacked.transpose("dayofyear", ...).pad(dayofyear=half, mode="wrap")
    windows = windows.rolling(dayofyear=window_days, center=True).construct("window")[half:-half]
    weights = xr.DataArray(np.r_[np.linspace(0, 1, half + 1), np.linspace(1, 0, half + 1)[1:]], dims="window")
    weighted = windows.weighted(weights / weights.mean())
    over = ("window", "year")
    return weighted.quantile(list(quantiles), dim=over) if quantiles else weighted.mean(dim=over)


@pytest.fixture(scope="module")
def climatology() -> xr.Dataset:
    return make_climatology(record(), quantiles=QUANTILES, min_years=3)


@pytest.mark.parametrize("hour", [0, 12])
def test_the_mean_is_weatherbench_2s(climatology: xr.Dataset, hour: int) -> None:
    field = record()["t2m"]
    wanted = by_weatherbench_2(field[field.time.dt.hour == hour], 61)
    out = climatology["t2m"].sel(hour=hour)
    assert out.sizes["dayofyear"] == 366
    # values of 300 in single precision
    np.testing.assert_allclose(out, wanted.transpose("dayofyear", ...), rtol=2e-7)


def test_quantiles_are_weatherbench_2s(climatology: xr.Dataset) -> None:
    field = record()["t2m"].isel(latitude=1, longitude=0)
    wanted = by_weatherbench_2(field[field.time.dt.hour == 12], 61, QUANTILES)
    out = climatology["t2m_quantile"].sel(hour=12).isel(latitude=1, longitude=0)
    # values of 300 in single precision
    np.testing.assert_allclose(out, wanted.transpose("quantile", "dayofyear", ...), rtol=3e-7)


def test_names_dimensions_and_attributes(climatology: xr.Dataset) -> None:
    assert set(climatology.data_vars) == {"t2m", "q", "t2m_quantile", "q_quantile"}
    assert climatology["t2m"].dims == ("hour", "dayofyear", "latitude", "longitude")
    assert climatology["q_quantile"].dims == ("quantile", "hour", "dayofyear", "level", "latitude", "longitude")
    assert climatology["t2m"].dtype == climatology["q_quantile"].dtype == np.float32
    assert climatology["hour"].values.tolist() == [0, 12]
    assert climatology["dayofyear"].values.tolist() == list(range(1, 367))
    assert climatology["t2m"].attrs == {"units": "K"} == climatology["t2m_quantile"].attrs
    assert climatology.attrs == {"years": "2003-2005", "window_days": 61}


def test_bands_chunks_and_lazy_reading_change_nothing(climatology: xr.Dataset) -> None:
    lazy = record().chunk(time=400, latitude=3)
    calls: list[tuple[int, int]] = []
    # room for one row of latitudes of q, two of t2m
    tight = make_climatology(
        lazy, quantiles=QUANTILES, min_years=3, memory_gb=1.1e-4, progress=lambda *done: calls.append(done)
    )
    # sums of the smoothing in another order, in double precision
    xr.testing.assert_allclose(tight, climatology, rtol=2e-7)
    assert tight["q"].attrs == climatology["q"].attrs and tight.attrs == climatology.attrs
    assert calls == [(done, len(calls)) for done in range(1, len(calls) + 1)]
    assert len(calls) == 4 + 2


def test_a_season_keeps_its_mean_and_loses_the_amplitude_that_the_window_takes() -> None:
    dataset = record("2001-01-01", "2003-12-31", "1D")[["t2m"]]
    season = 280 + 10 * np.cos(2 * np.pi * (dataset.time.dt.dayofyear - 1) / 366)
    dataset["t2m"] = xr.zeros_like(dataset["t2m"]) + season.astype(np.float32)
    out = make_climatology(dataset, min_years=3)["t2m"].isel(hour=0, latitude=0, longitude=0).values
    away = np.arange(-30, 31)
    kept = np.average(np.cos(2 * np.pi * away / 366), weights=30 - np.abs(away))
    wanted = 280 + 10 * kept * np.cos(2 * np.pi * np.arange(366) / 366)
    # without leap years day 366 is day 365 again, a day early: 10 K x (2 pi / 366)^2 x 1.5, with a 30th of the weight
    np.testing.assert_allclose(out, wanted, rtol=0, atol=3e-4)


def test_day_366_is_the_leap_day_of_leap_years_and_day_365_of_others() -> None:
    dataset = record("2003-01-01", "2005-12-31", "1D")[["t2m"]]
    is_last = (dataset.time.dt.month == 12) & (dataset.time.dt.day == 31)
    dataset["t2m"] = xr.where(is_last, dataset.time.dt.year.astype(np.float32), np.float32(0)).broadcast_like(
        dataset["t2m"]
    )
    out = make_climatology(dataset, window_days=1, min_years=3)["t2m"].isel(hour=0, latitude=0, longitude=0).values
    assert out[365] == pytest.approx((2003 + 2004 + 2005) / 3)
    assert out[364] == pytest.approx((2003 + 0 + 2005) / 3)  # 30 December in 2004
    assert (out[:364] == 0).all()


def test_missing_values_are_left_out() -> None:
    dataset = record()[["t2m"]]
    whole = make_climatology(dataset, min_years=3, quantiles=(0.5,))
    dataset["t2m"][:, 0, 0] = np.nan  # land in a sea surface
    dataset["t2m"][5:700:3, 1, 1] = np.nan
    out = make_climatology(dataset, min_years=3, quantiles=(0.5,))
    for name in ("t2m", "t2m_quantile"):
        assert np.isnan(out[name].isel(latitude=0, longitude=0)).all()
        changed = out[name].isel(latitude=1, longitude=1)
        assert np.isfinite(changed).all() and not changed.equals(whole[name].isel(latitude=1, longitude=1))
        xr.testing.assert_identical(out[name].isel(latitude=[2, 3]), whole[name].isel(latitude=[2, 3]))


def test_years_and_hours_may_be_chosen() -> None:
    out = make_climatology(record(), years=(2004, 2005), hours=[12], min_years=2)
    part = record().sel(time=slice("2004", "2005"))
    part = part.isel(time=part.time.dt.hour == 12)
    xr.testing.assert_identical(out, make_climatology(part, min_years=2))
    assert out["hour"].values.tolist() == [12] and out.attrs["years"] == "2004-2005"


def test_a_short_record_is_refused_unless_asked_for() -> None:
    dataset = record()
    with pytest.raises(UserError, match=r"10 years of days, about 3650, .* 1096 days.* `min_years` to 3 "):
        make_climatology(dataset)
    week = dataset.isel(time=slice(0, 14))
    out = make_climatology(week, min_years=0, quantiles=(0.9,))
    # windows reach 29 days beyond the week of 1 to 7 January, around the year
    known = out["dayofyear"].values[np.isfinite(out["t2m"].isel(hour=0, latitude=0, longitude=0).values)]
    assert known.tolist() == [*range(1, 37), *range(338, 367)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_days": 60}, "odd, from 1 to 365"),
        ({"window_days": 367}, "odd, from 1 to 365"),
        ({"quantiles": (0.5, 1.5)}, "different numbers from 0 to 1"),
        ({"quantiles": (0.5, 0.5)}, "different numbers from 0 to 1"),
        ({"memory_gb": 0.0}, "more than 0"),
        ({"years": (1990, 2000)}, r"years 1990 to 2000, hours all.*2003-01-01 to 2005-12-31"),
        ({"hours": [6]}, r"hours \[6\]"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_climatology(record(), **options)


def test_records_that_are_none_are_refused() -> None:
    with pytest.raises(UserError, match=r"fields with the dimension time, .* lsm"):
        make_climatology(record()[["lsm", "time"]])
    late = record().assign_coords(time=record()["time"] + np.timedelta64(30, "m"))
    with pytest.raises(UserError, match="2192 of 2192 lie between, the first at 2003-01-01T00:30:00"):
        make_climatology(late)


def test_days_of_the_year_are_those_of_pandas() -> None:
    times = pd.date_range("1999-12-31", "2005-01-02", freq="7h")
    assert day_of_year(times.values).tolist() == times.day_of_year.tolist()


def test_weights_of_the_window_add_up_and_reach_around_the_year() -> None:
    weights = window_weights(61)
    np.testing.assert_array_equal(weights, weights.T)
    assert weights.sum(axis=1) == pytest.approx(30)  # 1 + 2 x (29 + ... + 1) / 30
    assert weights[0, 366 - 29] == pytest.approx(1 / 30) and weights[0, 366 - 30] == 0


# ---------------------------------------------------------------------------------------------------------- looking up


def numbered() -> xr.DataArray:
    """Value = 1000 x day of the year + hour, at hours 0, 6, 12, 18."""
    hours, days = np.arange(0, 24, 6), np.arange(1, 367)
    values = (1000 * days + hours[:, None]).astype(np.float32)[..., None, None] + np.zeros((2, 3), np.float32)
    coordinates = {"hour": hours, "dayofyear": days, "latitude": [0.0, 1.0], "longitude": [0.0, 1.0, 2.0]}
    return xr.DataArray(values, coordinates, list(coordinates), attrs={"units": "K"})


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        ("2021-01-01T00", 1000),
        ("2021-03-01T06", 60006),
        ("2020-03-01T18", 61018),
        ("2020-12-31T12", 366012),
        ("2021-12-31T12", 365012),
        ("2021-01-05T07", 5007),  # between hours
        ("2021-01-05T11:30", 5011.5),
        ("2021-01-05T20", (2 * 5018 + 6000) / 3),  # to hour 0 of the next day
        ("2021-12-31T23", (365018 + 5 * 1000) / 6),  # to 1 January
        ("2020-12-31T23", (366018 + 5 * 1000) / 6),
        ("1959-02-28T21", (59018 + 60000) / 2),
    ],
)
def test_looking_up_a_time(time: str, wanted: float) -> None:
    out = at_times(numbered(), np.array([time], "datetime64[ns]"))
    assert out.dims == ("time", "latitude", "longitude") and out.dtype == np.float32
    assert out.attrs == {"units": "K"} and set(out.coords) == {"time", "latitude", "longitude"}
    assert out.values == pytest.approx(np.full((1, 2, 3), wanted), rel=1e-6)  # three roundings to single precision


def test_before_the_first_hour_comes_the_last_of_the_day_before() -> None:
    out = at_times(numbered().sel(hour=[6, 18]), np.array(["2021-01-01T00"], "datetime64[ns]"))
    assert (out == (366018 + 1006) / 2).all()


def test_a_climatology_of_one_hour_holds_all_day() -> None:
    times = np.array(["2021-01-05T00", "2021-01-05T13", "2021-01-05T23"], "datetime64[ns]")
    assert (at_times(numbered().sel(hour=[12]), times) == 5012).all()


def test_valid_times_of_many_forecasts_lazily() -> None:
    initial = np.arange("2020-12-30", "2021-01-03", dtype="datetime64[D]").astype("datetime64[ns]")
    leads = np.array([0, 6, 30, 31], "timedelta64[h]").astype("timedelta64[ns]")
    valid = xr.DataArray(initial[:, None] + leads, {"time": initial, "lead_time": leads}, ["time", "lead_time"])
    lazy = xr.Dataset({"t2m": numbered().chunk(dayofyear=50), "t2m_quantile": numbered().expand_dims(quantile=[0.9])})
    out = at_times(lazy, valid)
    assert isinstance(out["t2m"].data, dask.array.Array)
    assert out["t2m"].dims == ("time", "lead_time", "latitude", "longitude")
    assert out["t2m_quantile"].dims == ("time", "lead_time", "quantile", "latitude", "longitude")
    one_by_one = np.stack([at_times(numbered(), times).values for times in valid.values])
    np.testing.assert_array_equal(out["t2m"].values, one_by_one)
    np.testing.assert_array_equal(out["t2m_quantile"].values[:, :, 0], one_by_one)


def test_what_is_normal_needs_all_days() -> None:
    with pytest.raises(UserError, match="366 days, but this has 10"):
        at_times(numbered().isel(dayofyear=slice(10)), np.array(["2021-01-05"], "datetime64[ns]"))
