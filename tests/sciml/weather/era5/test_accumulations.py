"""Rain over the asked window: the laws are that rain is conserved and that what cannot be known is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5, open_forecast

# a sum of 24 float32 in float32 against one in float64
FLOAT32 = 24 * 6e-8


def rain(hours: int, start: str = "2020-01-01T01") -> xr.Dataset:
    """Hourly rain in m, random, on 2 x 4 points."""
    random = np.random.default_rng(hours)
    return xr.Dataset(
        {"tp": (("time", "latitude", "longitude"), 1e-3 * random.random((hours, 2, 4)).astype("f4"), {"units": "m"})},
        {
            "time": np.datetime64(start, "ns") + np.arange(hours) * np.timedelta64(1, "h"),
            "latitude": [-30.0, 30.0],
            "longitude": [0.0, 90.0, 180.0, 270.0],
        },
    )


def since_midnight(hourly: xr.Dataset) -> xr.Dataset:
    """The same as ERA5-Land has it: a stamp at 00 UTC has the whole day before."""
    day = (hourly["time"] - np.timedelta64(1, "h")).dt.floor("D")
    grown = hourly["tp"].groupby(day.rename("day")).cumsum().drop_vars("day", errors="ignore")
    return xr.Dataset({"tp": grown.transpose("time", ...).assign_attrs(units="m")})


@settings(max_examples=8)
@given(
    window=st.sampled_from([1, 2, 3, 6, 12, 24]),
    hours=st.integers(50, 70),
    start=st.integers(0, 23),
    land=st.booleans(),
)
def test_windows_are_sums_of_their_hours(window: int, hours: int, start: int, land: bool) -> None:
    hourly = rain(hours, f"2020-01-01T{start:02}")
    if land:
        # from the first midnight on; sums of the day before it are not there from the start
        hourly = hourly.isel(time=slice((24 - start) % 24 + 1, None))
    source, said = (since_midnight(hourly), "since-midnight") if land else (hourly, "1h")
    opened = open_era5(source, accumulate_hours=window, accumulation=said)
    assert opened["tp"].attrs["accumulation_hours"] == window
    ends = [
        stamp
        for stamp in hourly["time"].values
        if stamp.astype("datetime64[h]").astype(int) % window == 0
        and stamp - np.timedelta64(window - 1, "h") >= hourly["time"].values[0]
    ]
    np.testing.assert_array_equal(opened["time"], ends)
    for stamp in ends:
        hours_of = slice(stamp - np.timedelta64(window - 1, "h"), stamp)
        expected = hourly["tp"].sel(time=hours_of).astype("f8").sum("time")
        # a difference of two sums of up to a day in float32
        np.testing.assert_allclose(opened["tp"].sel(time=stamp), expected, rtol=0, atol=FLOAT32 * 24e-3)


def test_hourly_data_says_so_by_itself() -> None:
    opened = open_era5(rain(72), accumulate_hours=24)
    assert opened["time"].dt.hour.values.tolist() == [0, 0, 0]
    assert "`tp` comes hourly and was taken as sums over the hour before each time" in opened.attrs["repairs"]
    assert "`tp`: sums over 1h became sums over the 24 h before each time." in opened.attrs["repairs"]


def test_hourly_sums_since_midnight_are_not_taken_for_hours() -> None:
    with pytest.raises(UserError, match="grows from hour to hour everywhere.*since-midnight"):
        open_era5(since_midnight(rain(72)))


def test_every_sixth_hour_is_not_six_hours() -> None:
    sampled = rain(72).isel(time=slice(5, None, 6))
    with pytest.raises(UserError, match='every sixth of hourly sums looks like.*accumulation="1h"'):
        open_era5(sampled, accumulate_hours=6)
    with pytest.raises(UserError, match="`tp` has no time at the end of a window of 6 h all of which is there"):
        open_era5(sampled, accumulate_hours=6, accumulation="1h")
    assert open_era5(sampled, accumulate_hours=12, accumulation="6h")["tp"].attrs["accumulation_hours"] == 12
    sampled["tp"].attrs["cell_methods"] = "time: sum (interval: 6 hours)"
    assert open_era5(sampled, accumulate_hours=6)["tp"].attrs["accumulation_hours"] == 6
    with pytest.raises(UserError, match="summed over 6 h, from which sums over 3 h cannot be made.*accumulate_hours=6"):
        open_era5(sampled, accumulate_hours=3)


def test_the_run_up_of_the_first_window_is_read() -> None:
    whole = open_era5(rain(96), accumulate_hours=24)
    part = open_era5(rain(96), accumulate_hours=24, time=slice("2020-01-03", "2020-01-04"))
    np.testing.assert_array_equal(part["time"], whole["time"][1:3])
    np.testing.assert_array_equal(part["tp"], whole["tp"][1:3])


def test_an_hour_that_lacks_takes_its_window_along() -> None:
    hourly = rain(48)
    opened = open_era5(hourly.drop_isel(time=8), accumulate_hours=6, accumulation="1h")
    # hour 8 is 09 UTC, in the window that ends at 12 UTC
    assert np.datetime64("2020-01-01T12") not in opened["time"].values
    assert opened.sizes["time"] == 7
    assert "1 times of every 1 h are missing, the first after 2020-01-01 08:00" in opened.attrs["repairs"]


def test_temperature_beside_rain_keeps_the_ends_of_windows() -> None:
    source = rain(48)
    source["t2m"] = (280 + source["tp"]).assign_attrs(units="K")
    opened = open_era5(source, accumulate_hours=6)
    np.testing.assert_array_equal(opened["t2m"], source["t2m"].sel(time=opened["time"]).astype("f4"))
    assert opened.sizes["time"] == 8


def test_leads_of_hourly_forecasts() -> None:
    hourly = rain(24)
    forecast = hourly.rename(time="lead_time").assign_coords(
        lead_time=(np.arange(24) + 1) * np.timedelta64(1, "h"), init_time=np.datetime64("2020-01-01T03")
    )
    opened = open_forecast(forecast, accumulate_hours=6, accumulation="1h")
    assert (opened["lead_time"].values / np.timedelta64(1, "h")).tolist() == [6, 12, 18, 24]
    expected = hourly["tp"].isel(time=slice(6, 12)).astype("f8").sum("time")
    np.testing.assert_allclose(opened["tp"][0, 1], expected, rtol=FLOAT32)


def test_tiny_negative_rain_is_zero(said: Callable[[], list[str]]) -> None:
    source = rain(12)
    source["tp"][0, 0, 0] = -2e-7
    opened = open_era5(source)
    assert "`tp` has tiny negative values" in opened.attrs["repairs"]
    assert float(opened["tp"].min()) == 0.0
    assert len([line for line in said() if "comes hourly" in line]) == 1
    # beyond the fields that are looked at on opening it is said when it is read
    source = rain(12)
    source["tp"][3, 0, 0] = -2e-7
    opened = open_era5(source.assign_attrs(), latitude="descending")
    assert "tiny" not in opened.attrs["repairs"]
    assert float(opened["tp"].min()) == 0.0
    assert any("tiny negative values of `tp`" in line for line in said())


def test_large_negative_rain_is_refused() -> None:
    source = rain(12)
    source["tp"][0, 0, 0] = -1e-2
    with pytest.raises(UserError, match="`tp` has values from -0.01"):
        open_era5(source)
    source["tp"][0, 0, 0] = 0.0
    source["tp"][3, 1, 1] = -1e-2
    with pytest.raises(UserError, match="`tp` falls to -0.01 m, which cannot be"):
        open_era5(source)["tp"].compute()
