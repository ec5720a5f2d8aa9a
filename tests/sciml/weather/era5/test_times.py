"""Times in every clock that files have, against cftime and the standard library."""

from __future__ import annotations

import datetime

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.times import decode_leads, decode_times


def decoded(values: object, repairs: Repairs | None = None, **attributes: object) -> np.ndarray:
    stamps = xr.DataArray(np.asarray(values), dims="time", name="time", attrs=attributes)
    return decode_times(stamps, {}, "file.nc", repairs or Repairs("file.nc"))


UNITS = {"seconds": 86400, "minutes": 1440, "hours": 24, "days": 1}


@given(
    unit=st.sampled_from(sorted(UNITS)),
    calendar=st.sampled_from(["standard", "gregorian", "proleptic_gregorian", "Gregorian"]),
    origin=st.datetimes(datetime.datetime(1800, 1, 1), datetime.datetime(2100, 1, 1)).map(
        lambda t: t.replace(microsecond=0)
    ),
    hours=st.lists(st.integers(-200_000, 200_000), min_size=1, max_size=4),
    as_float=st.booleans(),
)
def test_numbers_since(unit: str, calendar: str, origin: datetime.datetime, hours: list[int], as_float: bool) -> None:
    numbers = [hour * UNITS[unit] / 24 for hour in hours]
    if not as_float and unit != "days":
        numbers = [round(number) for number in numbers]
    ours = decoded(numbers, units=f"{unit} since {origin:%Y-%m-%d %H:%M:%S}", calendar=calendar)
    expected = [np.datetime64(origin + datetime.timedelta(hours=hour), "ns") for hour in hours]
    np.testing.assert_array_equal(ours, np.array(expected))
    theirs = cftime.num2date(hours, f"hours since {origin:%Y-%m-%d %H:%M:%S}", "proleptic_gregorian")
    np.testing.assert_array_equal(ours, [np.datetime64(stamp.isoformat(), "ns") for stamp in theirs])


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "365_day", "julian", "all_leap", "mayan"])
def test_calendars_that_are_not_of_this_world(calendar: str) -> None:
    with pytest.raises(UserError, match=f"`time` is in the calendar `{calendar}`.*convert_calendar"):
        decoded([0, 1], units="days since 2000-01-01", calendar=calendar)


def test_objects_of_cftime() -> None:
    stamps = [cftime.DatetimeProlepticGregorian(2020, 2, 29, 6), cftime.DatetimeProlepticGregorian(2020, 3, 1)]
    assert decoded(stamps).tolist() == [1582956000 * 10**9, 1583020800 * 10**9]
    with pytest.raises(UserError, match="calendar `360_day`"):
        decoded([cftime.Datetime360Day(2020, 2, 30)])
    # the remedy works
    other = xr.Dataset(
        {"x": ("time", np.arange(720.0))},
        {"time": xr.date_range("2000-01-01", periods=720, calendar="360_day", use_cftime=True)},
    )
    converted = other.convert_calendar("standard", align_on="date")
    assert decoded(converted["time"].values)[0] == np.datetime64("2000-01-01")


def test_time_zones() -> None:
    repairs = Repairs("file.nc")
    assert decoded(["2020-01-01T06:00+02:00"], repairs)[0] == np.datetime64("2020-01-01T04:00")
    assert "is now in UTC" in repairs.sentences()[0]
    assert decoded(["2020-01-01T06:00"])[0] == np.datetime64("2020-01-01T06:00")
    assert decoded([b"2020-01-01"])[0] == np.datetime64("2020-01-01")
    assert decoded([6], units="hours since 2020-01-01 00:00:00+02:00")[0] == np.datetime64("2020-01-01T04:00")


def test_float_days_are_rounded_to_seconds() -> None:
    repairs = Repairs("file.nc")
    # an hour in days to 7 digits is 3 ms off
    assert decoded([0.0416667], repairs, units="days since 2020-01-01")[0] == np.datetime64("2020-01-01T01:00")
    assert repairs.sentences() == ["`time` was rounded to whole seconds."]


@pytest.mark.parametrize(
    ("values", "attributes", "message"),
    [
        ([0, 6], {}, "`time` has numbers and no units that say since when"),
        ([0, 6], {"units": "hours"}, "no units that say since when"),
        ([0, 6], {"units": "moons since 2020-01-01"}, "cannot be read as times"),
        ([0.0, np.nan], {"units": "hours since 2020-01-01"}, "missing values"),
        (np.array(["2020-01-01", "NaT"], "datetime64[ns]"), {}, "1 of 2 values of `time` are missing"),
        ([1e9], {"units": "days since 2020-01-01"}, "cannot be read as times|leaves the years"),
        (["yesterday"], {}, "needs to be times, but has 'yesterday'"),
        (["2020-13-01"], {}, "needs to be times, but begins with"),
        ([True], {}, "needs to be times, but is bool"),
    ],
)
def test_times_that_are_refused(values: object, attributes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        decoded(values, **attributes)


@given(
    hours=st.lists(st.integers(0, 1000), min_size=1, max_size=5),
    unit=st.sampled_from(
        [("hours", 1.0), ("h", 1.0), ("days", 24.0), ("minutes", 1 / 60), ("s", 1 / 3600), ("seconds", 1 / 3600)]
    ),
)
def test_leads(hours: list[int], unit: tuple[str, float]) -> None:
    leads = xr.DataArray(np.array(hours) / unit[1], dims="lead", name="lead", attrs={"units": unit[0]})
    ours = decode_leads(leads, "file.nc", Repairs("file.nc"))
    np.testing.assert_array_equal(ours, np.array(hours) * np.timedelta64(3600 * 10**9, "ns"))
    with pytest.raises(UserError, match="without units, so it can be hours, days or steps"):
        decode_leads(leads.drop_attrs(), "file.nc", Repairs("file.nc"))
    with pytest.raises(UserError, match="does not measure the same"):
        decode_leads(leads.assign_attrs(units="K"), "file.nc", Repairs("file.nc"))


@pytest.mark.parametrize(
    "text",
    ["2020-02-01", "20200201", "2020-02-01T00", "2020-02-01 00:00", "20200201T0000Z", "2020-02-01T01:00:00.000+01:00"],
)
def test_text_of_iso_8601(text: str) -> None:
    assert decoded([text]).tolist() == [1580515200 * 10**9]
    assert decoded([text.encode()]).tolist() == [1580515200 * 10**9]


@pytest.mark.parametrize("text", ["02/01/2020", "01-02-2020", "2020/02/01", "1 Feb 2020", "2020-2-1", "now", "2020-02"])
def test_text_in_any_other_order(text: str) -> None:
    with pytest.raises(UserError, match=f"`time` needs to be times, but has '{text}', which.*2020-01-31T06:00"):
        decoded(["2020-02-01", text])


@pytest.mark.parametrize("unit", ["months", "years", "month", "year"])
def test_leads_in_months_or_years(unit: str) -> None:
    with pytest.raises(UserError, match=f"`step` is in {unit}, which differ in length.*hours or days"):
        decode_leads(xr.DataArray([1, 2], dims="step", name="step", attrs={"units": unit}), "f.nc", Repairs("f.nc"))


def test_leads_in_weeks() -> None:
    leads = xr.DataArray([1, 2], dims="step", name="step", attrs={"units": "weeks"})
    assert decode_leads(leads, "f.nc", Repairs("f.nc")).astype("timedelta64[D]").astype(int).tolist() == [7, 14]
