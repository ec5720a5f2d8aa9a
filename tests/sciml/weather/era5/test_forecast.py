"""Forecasts of every layout are one dataset of initial and lead times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5, open_forecast
from sciml.weather.era5.grib_messages import load_eccodes

eccodes = load_eccodes()

HOUR = np.timedelta64(1, "h").astype("timedelta64[ns]")


@pytest.fixture
def canonical(made: Callable[..., xr.Dataset]) -> xr.Dataset:
    """Two initial times, five leads of 6 h, three members."""
    runs = []
    for run, start in enumerate(("2020-01-01", "2020-01-02")):
        part = made(("t2m", "z"), times=5)
        stamps = part["time"].values - part["time"].values[0]
        part = part.drop_vars("time").rename(time="lead_time").assign_coords(lead_time=stamps)
        part = xr.concat([part + 0.1 * member + run for member in range(3)], "number").assign_coords(number=[0, 1, 2])
        runs.append(part.assign_coords(time=np.datetime64(start, "ns")))
    forecast = xr.concat(runs, "time").transpose(
        "time", "lead_time", "number", "level", "latitude", "longitude", missing_dims="ignore"
    )
    for name, units in (("t2m", "K"), ("z", "m**2 s**-2")):
        forecast[name] = (
            forecast[name].transpose("time", "lead_time", "number", ..., "latitude", "longitude").astype("f4")
        )
        forecast[name].attrs["units"] = units
    forecast["level"].attrs["units"] = "hPa"
    return forecast


def same(opened: xr.Dataset, expected: xr.Dataset) -> None:
    for name in expected:
        assert opened[name].dims == expected[name].dims
        np.testing.assert_array_equal(opened[name].values, expected[name].values)
    for axis in expected.dims:
        np.testing.assert_array_equal(opened[axis].values, expected[axis].values)
    assert opened["lead_time"].dtype == "timedelta64[ns]" and opened["time"].dtype == "datetime64[ns]"


def test_the_canonical_form_stays(canonical: xr.Dataset) -> None:
    same(open_forecast(canonical), canonical)
    assert open_forecast(canonical).attrs["repairs"] == ""


@pytest.mark.parametrize(
    "names",
    [
        {"lead_time": "prediction_timedelta"},
        {"lead_time": "step"},
        {"time": "init_time", "lead_time": "lead", "number": "member"},
        {"time": "forecast_reference_time", "lead_time": "forecast_period", "number": "realization"},
        {"time": "initial_time", "lead_time": "leadtime", "number": "sample"},
    ],
)
def test_names(names: dict[str, str], canonical: xr.Dataset, tmp_path: Path) -> None:
    renamed = canonical.rename(names)
    if names["lead_time"] == "step":
        # cfgrib keeps the valid time, in two dimensions
        renamed = renamed.assign_coords(valid_time=renamed["time"] + renamed["step"])
    same(open_forecast(renamed), canonical)
    renamed.to_netcdf(tmp_path / "forecast.nc")
    same(open_forecast(tmp_path / "forecast.nc"), canonical)
    renamed.to_zarr(tmp_path / "forecast.zarr", zarr_format=2, consolidated=True)
    same(open_forecast(str(tmp_path / "forecast.zarr")), canonical)


def test_lead_times_in_numbers(canonical: xr.Dataset) -> None:
    hours = canonical.assign_coords(lead_time=("lead_time", np.arange(5) * 6, {"units": "hours"}))
    same(open_forecast(hours), canonical)
    days = canonical.assign_coords(lead_time=("lead_time", np.arange(5) / 4, {"units": "days"}))
    same(open_forecast(days), canonical)
    with pytest.raises(UserError, match=r"`lead_time` is int64 without units.*attrs\[\"units\"\] = \"hours\""):
        open_forecast(canonical.assign_coords(lead_time=np.arange(5) * 6))
    with pytest.raises(UserError, match="lead times are negative"):
        open_forecast(canonical.assign_coords(lead_time=(np.arange(5) - 1) * HOUR))


def test_one_forecast_with_valid_times(canonical: xr.Dataset) -> None:
    one = canonical.isel(time=1, drop=True)
    valid = canonical["time"].values[1] + canonical["lead_time"].values
    for name, initial in (
        ("valid_time", "forecast_reference_time"),
        ("time", "forecast_reference_time"),
        ("time", "init_time"),
    ):
        source = one.rename(lead_time=name).assign_coords({name: valid, initial: canonical["time"].values[1]})
        same(open_forecast(source), canonical.isel(time=[1]))
    both = [
        canonical.isel(time=run, drop=True)
        .rename(lead_time="time")
        .assign_coords(time=stamp + canonical["lead_time"].values, forecast_reference_time=stamp)
        for run, stamp in enumerate(canonical["time"].values)
    ]
    same(open_forecast(both[::-1]), canonical)


def test_a_list_of_runs_and_of_leads(canonical: xr.Dataset, tmp_path: Path) -> None:
    for run in range(2):
        for part, leads in enumerate((slice(0, 3), slice(3, 5))):
            piece = canonical.isel(time=run, lead_time=leads)
            piece.to_netcdf(tmp_path / f"{run}-{part}.nc")
    same(open_forecast(str(tmp_path / "*.nc")), canonical)
    (tmp_path / "1-1.nc").unlink()
    with pytest.raises(UserError, match="fill no block without holes"):
        open_forecast(str(tmp_path / "*.nc"))
    chosen = open_forecast(str(tmp_path / "*.nc"), time=slice("2020-01-01", "2020-01-01"), lead_time=slice("6h", "18h"))
    same(chosen, canonical.isel(time=[0], lead_time=slice(1, 4)))


def test_a_reanalysis_is_no_forecast(made: Callable[..., xr.Dataset]) -> None:
    with pytest.raises(UserError, match="no lead times are found.*open_era5"):
        open_forecast(made(("t2m",)))


def write_grib(path: Path, rows: list[tuple[int, int, int, int, float]], short_name: str = "tp") -> None:
    """Fields of one value each: date, time, first step, last step, value; on 3 x 6 points, GRIB 1 as ERA5 has it."""
    with path.open("wb") as file:
        for date, clock, start, step, value in rows:
            handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
            settings = {
                "Ni": 6, "Nj": 3, "latitudeOfFirstGridPointInDegrees": 60.0, "latitudeOfLastGridPointInDegrees": -60.0,
                "longitudeOfFirstGridPointInDegrees": 0.0, "longitudeOfLastGridPointInDegrees": 300.0,
                "iDirectionIncrementInDegrees": 60.0, "jDirectionIncrementInDegrees": 60.0, "dataDate": date,
                "dataTime": clock, "shortName": short_name, "bitsPerValue": 16,
            }  # fmt: skip
            for key, setting in settings.items():
                eccodes.codes_set(handle, key, setting)
            if start != step:
                eccodes.codes_set(handle, "stepType", "accum")
                eccodes.codes_set(handle, "stepRange", f"{start}-{step}")
            elif step:
                eccodes.codes_set(handle, "stepRange", str(step))
            eccodes.codes_set_values(handle, np.full(18, value))
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)


def test_rain_of_short_forecasts_in_grib_is_a_row_of_hours(tmp_path: Path) -> None:
    """ERA5's rain: forecasts from 06 and 18 UTC, steps 1 to 12, each the sum of its last hour."""
    rows = [
        (20200101 + day, clock, step - 1, step, 1e-3 * step)
        for day in range(2)
        for clock in (600, 1800)
        for step in range(1, 13)
    ]
    write_grib(tmp_path / "tp.grib", rows)
    opened = open_era5(tmp_path / "tp.grib")
    assert opened.sizes["time"] == 48
    assert opened["time"].values[0] == np.datetime64("2020-01-01T07")
    assert opened["tp"].attrs["accumulation_hours"] == 1
    # 16 bits of one value
    np.testing.assert_allclose(opened["tp"][:, 0, 0], np.tile(np.arange(1, 13), 4) * 1e-3, rtol=1e-4)
    windows = open_era5(tmp_path / "tp.grib", accumulate_hours=6)
    assert windows["time"].dt.hour.values.tolist() == [12, 18, 0, 6, 12, 18, 0, 6]
    # 12 to 18 UTC: steps 7 to 12 of the run of 06 UTC
    np.testing.assert_allclose(windows["tp"][1, 0, 0], sum(range(7, 13)) * 1e-3, rtol=1e-4)


def test_rain_of_era5_land_in_grib(tmp_path: Path) -> None:
    """Forecasts from 00 UTC, steps 1 to 24, each the sum since the start: the steps say so."""
    rows = [(20200101 + day, 0, 0, step, 1e-3 * step) for day in range(2) for step in range(1, 25)]
    write_grib(tmp_path / "tp.grib", rows)
    hourly = open_era5(tmp_path / "tp.grib", accumulate_hours=1)
    assert hourly.sizes["time"] == 48
    # a millimetre each hour, packed in sums of up to 24
    np.testing.assert_allclose(hourly["tp"], 1e-3, rtol=2e-4)
    daily = open_era5(tmp_path / "tp.grib", accumulate_hours=24)
    np.testing.assert_allclose(daily["tp"][:, 0, 0], [0.024, 0.024], rtol=1e-4)
    assert daily["time"].dt.hour.values.tolist() == [0, 0]


def test_rain_since_the_start(tmp_path: Path) -> None:
    write_grib(tmp_path / "tp.grib", [(20200101, 0, 0, step, 1e-3 * step**2) for step in range(6, 25, 6)])
    opened = open_forecast(tmp_path / "tp.grib")
    assert opened["tp"].attrs["accumulation"] == "since-start"
    assert (opened["lead_time"].values / HOUR).tolist() == [6, 12, 18, 24]
    windows = open_forecast(tmp_path / "tp.grib", accumulate_hours=12)
    assert (windows["lead_time"].values / HOUR).tolist() == [12, 24]
    np.testing.assert_allclose(windows["tp"][0, :, 0, 0], [0.144, 0.576 - 0.144], rtol=1e-4)
    assert windows["tp"].attrs["accumulation_hours"] == 12


def test_rain_and_temperature_of_a_forecast(tmp_path: Path) -> None:
    """The first step has a temperature and no rain, which cfgrib would leave out in silence."""
    write_grib(tmp_path / "tp.grib", [(20200101, 0, 0, step, 1e-3 * step) for step in (6, 12)])
    write_grib(tmp_path / "t2m.grib", [(20200101, 0, step, step, 280.0 + step) for step in (0, 6, 12)], "2t")
    (tmp_path / "both.grib").write_bytes((tmp_path / "tp.grib").read_bytes() + (tmp_path / "t2m.grib").read_bytes())
    opened = open_forecast(tmp_path / "both.grib")
    assert (opened["lead_time"].values / HOUR).tolist() == [0, 6, 12]
    assert np.isnan(opened["tp"][0, 0]).all() and not np.isnan(opened["tp"][0, 1:]).any()
    np.testing.assert_allclose(opened["t2m"][0, :, 0, 0], [280, 286, 292], rtol=1e-4)
    assert "Variables have different lead times" in opened.attrs["repairs"]


def test_fields_that_lack_are_named(tmp_path: Path) -> None:
    rows = [(20200101, clock, step, step, 280.0) for clock in (0, 1200) for step in (0, 6, 12)]
    write_grib(tmp_path / "t2m.grib", rows[:-1], "2t")
    with pytest.raises(
        UserError, match="1 of 6 fields of `t2m` are missing, the first at time 2020-01-01 12:00.*lead_time"
    ):
        open_forecast(tmp_path / "t2m.grib")
    assert open_forecast(tmp_path / "t2m.grib", lead_time=slice(None, "6h")).sizes["lead_time"] == 2
    write_grib(tmp_path / "t2m.grib", [(20200101, 0, 12, 12, 280.0), (20200101, 1200, 0, 0, 281.0)], "2t")
    with pytest.raises(UserError, match="two different fields of `t2m` at 2020-01-01 12:00.*open_forecast"):
        open_era5(tmp_path / "t2m.grib")


def test_grib_that_is_cut_off(tmp_path: Path) -> None:
    write_grib(tmp_path / "t2m.grib", [(20200101, 0, 0, 0, 280.0), (20200102, 0, 0, 0, 281.0)], "2t")
    whole = (tmp_path / "t2m.grib").read_bytes()
    for cut in (len(whole) - 1, len(whole) - 30, len(whole) // 2 + 9):
        (tmp_path / "t2m.grib").write_bytes(whole[:cut])
        with pytest.raises(UserError, match="damaged or cut off"):
            open_era5(tmp_path / "t2m.grib")
    middle = len(whole) // 2
    (tmp_path / "t2m.grib").write_bytes(whole[:middle] + b"junk" * 100 + whole[middle:])
    with pytest.raises(UserError, match="no message begins there"):
        open_era5(tmp_path / "t2m.grib")


def test_two_fields_in_one_message(tmp_path: Path) -> None:
    """Not the first alone, as ecCodes gives it."""
    handles = []
    for name in ("10u", "10v"):
        handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        eccodes.codes_set(handle, "shortName", name)
        handles.append(handle)
    together = eccodes.codes_grib_multi_new()
    for handle in handles:
        # all sections from the one with the parameter on
        eccodes.codes_grib_multi_append(handle, 4, together)
    with (tmp_path / "wind.grib2").open("wb") as file:
        eccodes.codes_grib_multi_write(together, file)
    eccodes.codes_grib_multi_release(together)
    # what writing them has turned on
    eccodes.codes_grib_multi_support_off()
    with pytest.raises(UserError, match="holds 2 fields.*grib_copy IN OUT"):
        open_era5(tmp_path / "wind.grib2")
    with (tmp_path / "wind.grib2").open("wb") as file:
        for handle in handles:
            eccodes.codes_set_values(handle, np.full(eccodes.codes_get_size(handle, "values"), 3.0))
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)
    assert set(open_era5(tmp_path / "wind.grib2")) == {"u10", "v10"}
