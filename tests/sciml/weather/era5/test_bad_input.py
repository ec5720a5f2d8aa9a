"""Files that are wrong: one clear message, or a repair that is said."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5, open_forecast
from sciml.weather.era5.request import check_slice, checked_levels
from sciml.weather.era5.sources import checked_source

Made = Callable[..., xr.Dataset]


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF3_64BIT_DATA"])
def test_truncated_netcdf(kind: str, made: Made, tmp_path: Path) -> None:
    """A classic file that is cut off opens in the library, which reads zeros where the data would be."""
    source = made(("t2m", "msl"))
    for unlimited in ([], ["time"]):
        path = tmp_path / f"{len(unlimited)}.nc"
        source.to_netcdf(path, engine="netcdf4", format=kind, unlimited_dims=unlimited)
        whole = path.read_bytes()
        assert open_era5(path)["t2m"].shape == (4, 8, 16)
        for cut in (len(whole) - 700, len(whole) // 2, 40, 5):
            path.write_bytes(whole[:cut])
            with pytest.raises(UserError, match="damaged or cut off"):
                open_era5(path)


def test_what_is_no_weather(tmp_path: Path, made: Made) -> None:
    for content, message in (
        (b"", "is empty"),
        (b"time,t2m\n", "neither netCDF, GRIB, Zarr nor a zip"),
        (b"\x1f\x8b\x08rest", "packed with gzip.*gunzip"),
        (b"<!DOCTYPE html>", "a web page"),
        (b'{"error": 1}', "JSON"),
        (b"PK\x03\x04rest", "zip is damaged"),
    ):
        (tmp_path / "file.nc").write_bytes(content)
        with pytest.raises(UserError, match=message):
            open_era5(tmp_path / "file.nc")
    with pytest.raises(UserError, match="cannot be read .*No such file"):
        open_era5(tmp_path / "none.nc")
    with pytest.raises(UserError, match="a folder that is no Zarr store.*nc"):
        open_era5(tmp_path)
    with pytest.raises(UserError, match="the list is empty"):
        open_era5([])
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(UserError, match="Zarr store cannot be opened"):
        open_era5(tmp_path)


@pytest.mark.parametrize(
    ("name", "units", "change"),
    [("t2m", "degC", lambda x: x - 273.15), ("msl", "hPa", lambda x: x / 100), ("tp", "mm", lambda x: x * 1000),
     ("tp", "kg m-2", lambda x: x * 1000), ("z", "m2 s-2", lambda x: x), ("q", "g/kg", lambda x: x * 1000)],
)  # fmt: skip
def test_other_units_are_converted_and_said(
    name: str, units: str, change: Callable[[xr.DataArray], xr.DataArray], made: Made
) -> None:
    canonical = made((name,), hours=1)
    other = change(canonical[name].astype("f8")).assign_attrs(units=units)
    opened = open_era5(xr.Dataset({name: other}))
    # float32 of a float64
    np.testing.assert_allclose(opened[name], canonical[name].transpose(*opened[name].dims), rtol=1.2e-7)
    assert opened[name].attrs["units"] == canonical[name].attrs["units"]
    said = f"`{name}` was in {units} and is now in {opened[name].attrs['units']}." in opened.attrs["repairs"]
    assert said == (units != "m2 s-2")


@pytest.mark.parametrize(
    ("name", "change"),
    [("t2m", lambda x: x - 273.15), ("msl", lambda x: x / 100), ("tp", lambda x: x * 1e4), ("sp", lambda x: x / 100),
     ("q", lambda x: x * 1000), ("t2m", lambda x: x.where(x.latitude > 0, 9.96921e36))],
)  # fmt: skip
def test_values_that_contradict_their_units_are_refused(
    name: str, change: Callable[[xr.DataArray], xr.DataArray], made: Made
) -> None:
    wrong = change(made((name,), hours=1)[name])
    wrong.attrs = made((name,))[name].attrs
    with pytest.raises(UserError, match=f"`{name}` has values from .* and says they are in .*units="):
        open_era5(xr.Dataset({name: wrong}))


def test_units_that_are_not_there(made: Made) -> None:
    source = made(("t2m", "msl"))
    source["t2m"] = source["t2m"] - 273.15
    del source["t2m"].attrs["units"]
    with pytest.raises(UserError, match=r'`t2m` has no units.*units=\{"t2m": "K"\}.*units="ecmwf"'):
        open_era5(source)
    opened = open_era5(source, units={"2m_temperature": "degC"})
    np.testing.assert_allclose(opened["t2m"], made(("t2m",))["t2m"], rtol=2e-7)
    with pytest.raises(UserError, match="`t2m` has values from"):
        open_era5(source, units="ecmwf")
    source["msl"].attrs["units"] = "furlong"
    with pytest.raises(UserError, match="`msl` should be in Pa. `furlong` does not measure the same"):
        open_era5(source, variables=["msl"])


def test_fields_without_a_value(made: Made) -> None:
    source = made(("t2m", "sst"))
    source["sst"][:, :, :] = np.nan  # a region of land has no sea
    assert open_era5(source)["sst"].isnull().all()
    source["t2m"][-1] = np.nan
    with pytest.raises(UserError, match="`t2m` is NaN everywhere at time 2020-01-01T18.*time="):
        open_era5(source)
    assert open_era5(source, time=slice(None, "2020-01-01T12")).sizes["time"] == 3


def test_times_that_overlap(made: Made) -> None:
    whole = made(("t2m",), times=8)
    first, second = whole.isel(time=slice(0, 5)), whole.isel(time=slice(3, 8))
    opened = open_era5([second, first])
    np.testing.assert_array_equal(opened["t2m"], whole["t2m"])
    assert "Files share time: a sample of them was compared" in opened.attrs["repairs"]
    other = second.copy(deep=True)
    other["t2m"][0, 0, 0] += 1
    with pytest.raises(UserError, match="different values of `t2m` at time 2020-01-01 18:00"):
        open_era5([first, other])


def test_times_that_are_unsorted_or_twice(made: Made) -> None:
    whole = made(("t2m",), times=8)
    opened = open_era5(whole.isel(time=[3, 0, 1, 2, 2, 4, 5, 6, 7]))
    np.testing.assert_array_equal(opened["t2m"], whole["t2m"])
    assert "Times were sorted" in opened.attrs["repairs"] and "there twice" in opened.attrs["repairs"]
    twice = xr.concat([whole, whole.isel(time=[2]) + 1], "time")
    twice["t2m"].attrs["units"] = "K"
    with pytest.raises(UserError, match="two different fields of `t2m` at 2020-01-01 12:00"):
        open_era5(twice)


def test_times_that_are_missing_are_said(made: Made) -> None:
    opened = open_era5(made(("t2m",), times=12).drop_isel(time=[4, 5]))
    assert "2 times of every 6 h are missing, the first after 2020-01-01 18:00" in opened.attrs["repairs"]


def test_days_of_two_clocks(made: Made) -> None:
    first = made(("t2m",), times=6, hours=24)
    second = made(("t2m",), times=6, hours=24, start="2020-01-07T06")
    with pytest.raises(UserError, match="at different hours of the day, from 2020-01-01 00:00 and 2020-01-07 06:00"):
        open_era5([first, second])
    rain = made(("msl",), times=6, hours=24, start="2020-01-01T06")
    with pytest.raises(UserError, match="no time is common to all variables"):
        open_era5([first, rain])


def test_hours_that_all_variables_have(made: Made) -> None:
    opened = open_era5([made(("t2m",), times=12, hours=1), made(("msl",), times=2, hours=6)])
    assert opened["time"].dt.hour.values.tolist() == [0, 6]
    assert "Times were cut to the 2 of 12 that all variables have" in opened.attrs["repairs"]


def test_an_ensemble_of_one_keeps_its_dimension(made: Made) -> None:
    source = made(("t2m",)).expand_dims(number=[5])
    assert open_era5(source)["t2m"].dims == ("time", "number", "latitude", "longitude")
    assert open_era5(source)["number"].values.tolist() == [5]
    members = [source.assign_coords(number=[number]) for number in (2, 0, 1)]
    assert open_era5(members)["number"].values.tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="different members"):
        open_era5([*members, made(("msl",)).expand_dims(number=[5])])


def test_two_grids(made: Made) -> None:
    with pytest.raises(UserError, match="t2m is on a grid of 8x16 points and msl on another of 4x16.*Regrid"):
        open_era5([made(("t2m",)), made(("msl",)).isel(latitude=slice(0, 4))])


def test_dimensions_that_are_unknown(made: Made) -> None:
    source = made(("t2m", "msl"))
    source["t2m"] = source["t2m"].expand_dims(band=2)
    opened = open_era5(source)
    assert list(opened) == ["msl"] and "`t2m` was left out: it has the dimension `band`" in opened.attrs["repairs"]
    with pytest.raises(UserError, match="`t2m` has the dimension `band`.*isel"):
        open_era5(source, variables=["t2m"])
    one = made(("t2m",)).expand_dims(band=1)
    assert open_era5(one)["t2m"].dims == ("time", "latitude", "longitude")


def test_two_names_of_one_variable(made: Made) -> None:
    source = made(("t2m",))
    source["2m_temperature"] = source["t2m"]
    with pytest.raises(UserError, match="are both `t2m`"):
        open_era5(source)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variables": "t2m"}, r'variables=\["t2m"\]'),
        ({"variables": ["t2n"]}, "`t2n` is not there; did you mean `t2m`"),
        ({"accumulate_hours": 5}, "divisor of 24"),
        ({"accumulation": "weekly"}, '"since-midnight"'),
        ({"chunks": {"tim": 3}}, "did you mean `time`"),
        ({"time": slice("tomorrow", None)}, 'like slice."2020-01-01"'),
        ({"time": slice("2021-01-01", "2020-01-01")}, "begin before it ends"),
        ({"units": "SI"}, '"ecmwf"'),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict, message: str, made: Made) -> None:
    with pytest.raises(UserError, match=message):
        open_era5(made(("t2m",)), **arguments)


def test_every_repair_is_logged_once(made: Made, said: Callable[[], list[str]]) -> None:
    source = made(("z",)).isel(latitude=slice(None, None, -1), level=slice(None, None, -1)).rename(z="geopotential")
    opened = open_era5([source.isel(time=[number]) for number in range(4)])
    assert len(said()) == 1
    sentences = opened.attrs["repairs"].splitlines()
    assert sentences == [
        "Renamed: geopotential to z.",
        "Levels were sorted from the top of the atmosphere down.",
        "Latitudes were turned to run from south to north.",
    ]
    assert all(sentence in said()[0] for sentence in sentences)
    assert open_forecast.__doc__ and len(said()) == 1


def test_what_the_user_opened_stays_open(made: Made, tmp_path: Path) -> None:
    made(("t2m",)).to_netcdf(tmp_path / "own.nc")
    with xr.open_dataset(tmp_path / "own.nc", engine="netcdf4") as own:
        opened = open_era5(own)
        opened.close()
        assert float(own["t2m"].mean()) > 0
        assert opened["t2m"].chunks is not None


@pytest.mark.parametrize(
    ("name", "factor", "other"),
    [("z", 1 / 9.80665, "m"), ("gh", 9.80665, "m**2 s**-2")],
    ids=["height", "geopotential"],
)
def test_geopotential_and_its_height_are_told_apart(name: str, factor: float, other: str, made: Made) -> None:
    right = made((name,))
    assert list(open_era5(right)) == [name]
    wrong = right.copy()
    wrong[name] = (right[name] * factor).astype(np.float32).assign_attrs(right[name].attrs)
    with pytest.raises(UserError, match=f"`{name}` at 500 hPa is .*--units .{name}={re.escape(other)}"):
        open_era5(wrong)
    (read,) = open_era5(wrong, units={name: other}).data_vars.values()
    assert read.name != name and read.attrs["units"] == other
    np.testing.assert_array_equal(read, wrong[name])
    # 850 hPa alone is too low to tell
    assert list(open_era5(wrong.sel(level=[850.0]))) == [name]


def test_a_time_that_is_called_otherwise(made: Made) -> None:
    choices: tuple[dict[str, Any], ...] = ({}, {"variables": ["t2m"]})
    for arguments in choices:
        with pytest.raises(UserError, match=r"`t2m`.*has the dimension `t`.*ds\.rename\(t=\"time\"\)"):
            open_era5(made(("t2m",)).rename(time="t"), **arguments)


def test_an_initial_time_that_is_there_twice(made: Made) -> None:
    run = made(("t2m",)).rename(time="lead_time").assign_coords(lead_time=np.arange(4) * np.timedelta64(6, "h"))
    run = run.expand_dims(time=[np.datetime64("2020-01-01", "ns")])
    opened = open_forecast(xr.concat([run, run], "time"))
    assert opened.sizes["time"] == 1 and "1 times were there twice" in opened.attrs["repairs"]
    other = run + 1
    other["t2m"].attrs["units"] = "K"
    with pytest.raises(UserError, match="two different fields of `t2m` at 2020-01-01.*drop_duplicates.'time'"):
        open_forecast(xr.concat([run, other], "time"))


def test_a_variable_is_a_dataset_of_one(made: Made) -> None:
    source = made(("t2m",))
    np.testing.assert_array_equal(open_era5(source["t2m"])["t2m"], source["t2m"])
    assert open_era5([source["t2m"], made(("msl",))]).sizes["time"] == 4
    with pytest.raises(UserError, match="has no name.*rename"):
        open_era5(source["t2m"].rename(None))


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (checked_source, None, "needs to be a path.*but is None"),
        (checked_source, [None], "but is None"),
        (checked_source, {"t2m": 1}, "but is of type dict"),
        (checked_levels, "500", r"levels=\[500, 850\], but is '500'"),
        (checked_levels, 500, "but is 500"),
        (functools.partial(check_slice, "time"), "2020-01", r'slice\("2020-01", "2020-01"\), but is'),
        (functools.partial(check_slice, "lead_time"), 6, r'slice\("0h", "120h"\), but is 6'),
    ],
)
def test_arguments_of_another_type(check: Callable[[object], object], value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(value)


def test_zeros_of_coordinates_in_zarr_of_format_2(made: Made, tmp_path: Path) -> None:
    """zarr alone writes fill values of 0, which xarray takes for what is missing."""
    source = made(("t2m", "tp"))
    source = source.assign_coords(latitude=("latitude", np.linspace(-60, 80, 8), source["latitude"].attrs))
    source["tp"][:, 3] = 0
    group = zarr.open_group(tmp_path / "era5.zarr", mode="w", zarr_format=2)
    hours = source["time"].copy(data=np.arange(4) * 6).drop_attrs().assign_attrs(units="hours since 2020-01-01")
    for name, array in (*source.drop_vars("time").variables.items(), ("time", hours)):
        stored = group.create_array(str(name), shape=array.shape, dtype=array.dtype, chunks=array.shape)
        assert stored.fill_value == 0
        stored[...] = array.values
        attributes: dict[str, Any] = {**array.attrs, "_ARRAY_DIMENSIONS": list(array.dims)}
        stored.attrs.update(attributes)
    opened = open_era5(tmp_path / "era5.zarr")
    for axis in source.dims:
        np.testing.assert_array_equal(opened[axis], source[axis])
    np.testing.assert_array_equal(opened["t2m"], source["t2m"])
    for axis in source.dims:
        assert f"The 0 of `{axis}` was marked as missing" in opened.attrs["repairs"]
    # rain may be 0, and no temperature is 0 K
    np.testing.assert_array_equal(opened["tp"], source["tp"])
    assert "The fill value of `tp` is 0; zeros were read as 0." in opened.attrs["repairs"]
    assert "The fill value of `t2m` is 0, so that each 0 is read as missing." in opened.attrs["repairs"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata that is not consolidated
        unmasked = xr.open_zarr(tmp_path / "era5.zarr", mask_and_scale=False)
    again = open_era5(unmasked)
    np.testing.assert_array_equal(again["tp"], source["tp"])
    assert "is 0" not in again.attrs["repairs"]


def test_two_columns_of_one_longitude_that_differ(made: Made) -> None:
    source = made(("t2m",))
    first = source.isel(longitude=[0]).assign_coords(longitude=source["longitude"].values[:1] + 360)
    same = xr.concat([source, first], "longitude")
    assert "repeats that at" in open_era5(same).attrs["repairs"]
    other = xr.concat([source, (first + 20).assign_attrs(first.attrs)], "longitude")
    other["t2m"].attrs = dict(source["t2m"].attrs)
    with pytest.raises(UserError, match="two columns are at longitude 0, but `t2m` differs"):
        open_era5(other)
