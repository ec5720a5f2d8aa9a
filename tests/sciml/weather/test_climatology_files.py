"""Climatologies from files: ours come back, WeatherBench 2's become ours, and what is none is refused."""

from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.climatology_files import open_climatology


def ours() -> xr.Dataset:
    random = np.random.default_rng(0)
    coordinates = {
        "quantile": [0.1, 0.9],
        "hour": np.array([0, 12]),
        "dayofyear": np.arange(1, 367),
        "level": [500.0, 850.0],
        "latitude": [-45.0, 0.0, 45.0],
        "longitude": [0.0, 120.0, 240.0],
    }
    on_levels = ("hour", "dayofyear", "level", "latitude", "longitude")
    surface = ("hour", "dayofyear", "latitude", "longitude")

    def field(dims: tuple[str, ...], **attributes: object) -> tuple:
        values = random.random([len(coordinates[name]) for name in dims]).astype(np.float32)
        return dims, values, attributes

    z = {"units": "m**2 s**-2", "standard_name": "geopotential", "long_name": "Geopotential"}
    t2m = {"units": "K", "standard_name": "air_temperature", "long_name": "2 metre temperature"}
    fields = {
        "z": field(on_levels, **z),
        "t2m": field(surface, **t2m),
        "t2m_quantile": field(("quantile", *surface), **t2m),
    }
    return xr.Dataset(fields, coordinates, {"years": "1990-2019", "window_days": 61})


def weatherbench_2() -> xr.Dataset:
    """The same in WeatherBench 2's layout: long names, longitude before latitude, north first, no units."""
    there = ours().rename(z="geopotential", t2m="2m_temperature", t2m_quantile="2m_temperature_quantile")
    there = there.transpose("quantile", "hour", "dayofyear", "level", "longitude", "latitude").isel(
        latitude=slice(None, None, -1)
    )
    there = there.assign_coords(level=there["level"].values.astype(np.int32))
    for array in there.data_vars.values():
        array.attrs.clear()
    there["latitude"].attrs["units"] = "degrees_north"
    there["hour"].attrs["units"] = "hours"
    return there


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
@pytest.mark.parametrize("layout", [ours, weatherbench_2])
def test_files_come_back_lazily(layout: object, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"clim.{suffix}"
    dataset = layout()  # pyright: ignore[reportCallIssue]
    if suffix == "nc":
        dataset.to_netcdf(file, engine="netcdf4")
    else:
        dataset.to_zarr(file, zarr_format=2, consolidated=True)
    back = open_climatology(file)
    assert isinstance(back["z"].data, dask.array.Array)
    assert back["z"].dims == ours()["z"].dims and back["t2m_quantile"].dims == ours()["t2m_quantile"].dims
    assert back["z"].attrs == ours()["z"].attrs and back.attrs == ours().attrs
    assert back["level"].dtype == np.float64 and back["hour"].dtype == np.int64
    xr.testing.assert_equal(back, ours())


def test_the_statistics_of_weatherbench_2_have_their_names() -> None:
    names = (
        "2m_temperature_mean",
        "2m_temperature_std",
        "total_precipitation_24hr",
        "total_precipitation_24hr_seeps_threshold",
        "total_precipitation_24hr_seeps_dry_fraction",
        "my_own_index",
    )
    dataset = xr.Dataset({name: ours()["t2m"].drop_attrs() for name in names})
    back = open_climatology(dataset)
    assert list(back.data_vars) == [
        "t2m",
        "t2m_std",
        "tp",
        "tp_seeps_threshold",
        "tp_seeps_dry_fraction",
        "my_own_index",
    ]
    assert (
        back["tp_seeps_threshold"].attrs["units"] == "m"
        and back["tp_seeps_threshold"].attrs["accumulation_hours"] == 24
    )
    assert "units" not in back["tp_seeps_dry_fraction"].attrs and back["t2m_std"].attrs["units"] == "K"


def test_sums_over_several_windows_keep_them_in_their_names() -> None:
    names = ("total_precipitation_6hr", "total_precipitation_24hr", "total_precipitation_24hr_seeps_threshold")
    back = open_climatology(xr.Dataset({name: ours()["t2m"].drop_attrs() for name in names}))
    assert list(back.data_vars) == ["tp_6h", "tp_24h", "tp_24h_seeps_threshold"]
    assert back["tp_6h"].attrs["accumulation_hours"] == 6


def test_other_units_are_converted() -> None:
    dataset = ours()
    celsius = xr.Dataset({name: dataset[name] for name in ("t2m", "t2m_quantile")}) - np.float32(273.15)
    spread = dataset["t2m"].rename("t2m_std")
    celsius = xr.merge([celsius, spread.drop_attrs()])
    for array in celsius.data_vars.values():
        array.attrs["units"] = "degC"
    back = open_climatology(celsius)
    for name in ("t2m", "t2m_quantile"):
        # values of 273 in single precision, taken off and put on again
        np.testing.assert_allclose(back[name], dataset[name], rtol=0, atol=1e-4)
        assert back[name].attrs["units"] == "K"
    # a difference of temperatures has no zero
    xr.testing.assert_equal(back["t2m_std"], dataset["t2m"].rename("t2m_std"))


def test_longitudes_from_minus_180_and_short_names_of_coordinates() -> None:
    dataset = ours().assign_coords(longitude=[-120.0, 0.0, 120.0]).rename(latitude="lat", longitude="lon")
    back = open_climatology(dataset)
    assert back["longitude"].values.tolist() == [0, 120, 240]
    np.testing.assert_array_equal(back["t2m"].sel(longitude=240), dataset["t2m"].sel(lon=-120))


def test_a_daily_climatology_of_365_days_gets_an_hour_and_a_last_day() -> None:
    daily = ours().isel(hour=0, drop=True).isel(dayofyear=slice(365)).assign(lsm=("latitude", np.ones(3, np.float32)))
    back = open_climatology(daily)
    assert back["t2m"].dims == ("hour", "dayofyear", "latitude", "longitude") and back["hour"].values.tolist() == [0]
    assert back["t2m_quantile"].dims[0] == "quantile" and back["lsm"].dims == ("latitude",)
    np.testing.assert_array_equal(back["z"].isel(dayofyear=365), back["z"].isel(dayofyear=364))
    np.testing.assert_array_equal(back["t2m"].isel(hour=0, dayofyear=slice(365)), daily["t2m"])


def test_what_is_no_climatology_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no climatology at"):
        open_climatology(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("no netCDF")
    with pytest.raises(UserError, match="could not be read as a netCDF file"):
        open_climatology(str(tmp_path / "text.nc"))
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(UserError, match="could not be read as a Zarr folder"):
        open_climatology(tmp_path / "empty.zarr")
    with pytest.raises(UserError, match="has no dayofyear, only .*latitude"):
        open_climatology(ours().isel(dayofyear=0, drop=True))
    with pytest.raises(UserError, match="has 100, from 1 to 100"):
        open_climatology(ours().isel(dayofyear=slice(100)))
    with pytest.raises(UserError, match="longitude of the dataset has a value twice"):
        open_climatology(ours().assign_coords(longitude=[0.0, 180.0, 360.0]))
    with pytest.raises(UserError, match="whole, 0 to 23"):
        open_climatology(ours().assign_coords(hour=[0, 24]))
    wrong = ours()
    wrong["z"].attrs["units"] = "K"
    with pytest.raises(UserError, match="does not measure the same"):
        open_climatology(wrong)
