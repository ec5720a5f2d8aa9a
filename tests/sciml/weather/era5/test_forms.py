"""The forms that ERA5 comes in: each trap of each form by itself, in files of the libraries that write them."""

from __future__ import annotations

import functools
import http.server
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5


def same(opened: xr.Dataset, expected: xr.Dataset) -> None:
    """Values, coordinates and units are those of a dataset in canonical form."""
    assert set(opened.data_vars) == set(expected.data_vars)
    for name in expected:
        # packing aside, float32 of what was written
        np.testing.assert_array_equal(opened[name].values, expected[name].transpose(*opened[name].dims).values)
        assert opened[name].attrs["units"] == expected[name].attrs["units"]
        assert opened[name].dtype == np.float32
    for axis in expected.dims:
        np.testing.assert_array_equal(opened[axis].values, expected[axis].values)


def cds_new(canonical: xr.Dataset, path: Path) -> Path:
    """netCDF of the Climate Data Store since September 2024: names of cfgrib, latitudes and levels descending."""
    seconds = (canonical["time"].values - np.datetime64("1970-01-01")) // np.timedelta64(1, "s")
    file = canonical.rename(time="valid_time", **({"level": "pressure_level"} if "level" in canonical.dims else {}))
    file = file.isel(latitude=slice(None, None, -1))
    if "pressure_level" in file.dims:
        file = file.isel(pressure_level=slice(None, None, -1))
    file = file.assign_coords(
        valid_time=("valid_time", seconds, {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}),
        number=((), 0, {"units": "1", "standard_name": "realization"}),
        expver=("valid_time", np.array(["0001"] * len(seconds), dtype=object)),
    )
    encoding = {}
    for name, array in file.data_vars.items():
        chunks = tuple(min(2, size) if axis == "valid_time" else size for axis, size in array.sizes.items())
        encoding[name] = {"chunksizes": chunks, "zlib": True}
    file.to_netcdf(path, engine="netcdf4", encoding=encoding)
    return path


def cds_legacy(canonical: xr.Dataset, path: Path, expver: np.ndarray | None = None) -> Path:
    """netCDF of the Climate Data Store before: classic format, 16-bit packing, hours since 1900, `expver` 1 and 5."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        axes = ["time", *(["expver"] if expver is not None else []), *(["level"] if "level" in canonical.dims else [])]
        axes += ["latitude", "longitude"]
        for axis in axes:
            file.createDimension(axis, 2 if axis == "expver" else canonical.sizes[axis])
        hours = file.createVariable("time", "i4", ("time",))
        hours.units, hours.calendar = "hours since 1900-01-01 00:00:00.0", "gregorian"
        hours[:] = (canonical["time"].values - np.datetime64("1900-01-01")) // np.timedelta64(1, "h")
        for axis, units in (("latitude", "degrees_north"), ("longitude", "degrees_east")):
            variable = file.createVariable(axis, "f4", (axis,))
            variable.units = units
            variable[:] = canonical[axis].values[:: -1 if axis == "latitude" else 1]
        if "level" in axes:
            level = file.createVariable("level", "i4", ("level",))
            level.units = "millibars"
            level[:] = canonical["level"].values
        if expver is not None:
            file.createVariable("expver", "i4", ("expver",))[:] = [1, 5]
        for name, array in canonical.data_vars.items():
            ordered = array.isel(latitude=slice(None, None, -1)).values.astype(np.float64)
            low, high = np.nanmin(ordered), np.nanmax(ordered)
            own_axes = [axis for axis in axes if axis in array.dims or axis == "expver"]
            variable = file.createVariable(str(name), "i2", own_axes, fill_value=np.int16(-32767))
            variable.missing_value = np.int16(-32767)
            variable.scale_factor, variable.add_offset = (high - low) / 65000, (high + low) / 2
            variable.units, variable.long_name = array.attrs["units"], "from the old store"
            if expver is None:
                variable[:] = np.ma.array(np.nan_to_num(ordered), mask=np.isnan(ordered))
            else:
                shape = (ordered.shape[0], 2, *ordered.shape[1:])
                both = np.ma.array(np.zeros(shape), mask=np.ones(shape, bool))
                for time, version in enumerate(expver):
                    both[time, 0 if version == 1 else 1] = np.ma.array(
                        np.nan_to_num(ordered[time]), mask=np.isnan(ordered[time])
                    )
                variable[:] = both
    return path


def packed(canonical: xr.DataArray) -> float:
    """Half a step of 16-bit packing, and what float32 adds."""
    span = float(canonical.max() - canonical.min())
    return 0.51 * span / 65000 + 1e-7 * float(np.abs(canonical).max())


def test_the_new_store(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    canonical = made(("t2m", "z", "t"), times=5)
    opened = open_era5(cds_new(canonical, tmp_path / "new.nc"))
    same(opened, canonical)
    assert opened["z"].dims == ("time", "level", "latitude", "longitude")
    assert opened["time"].dtype == "datetime64[ns]"
    assert "number" not in opened.coords and "expver" not in opened.coords
    # chunks are the file's own
    assert opened["t2m"].chunks[0] == (2, 2, 1)
    assert "valid_time to time" in opened.attrs["repairs"]
    assert "Levels were sorted" in opened.attrs["repairs"]


def test_the_new_store_in_a_zip_of_two_streams(made: Callable[..., xr.Dataset], tmp_path: Path, cache: Path) -> None:
    canonical = made(("t2m", "tp"), hours=1)
    with zipfile.ZipFile(tmp_path / "download.nc", "w") as archive:
        for name, stream in (("t2m", "instant"), ("tp", "accum")):
            cds_new(canonical[[name]], tmp_path / "part.nc")
            archive.write(tmp_path / "part.nc", f"data_stream-oper_stepType-{stream}.nc")
        archive.writestr("readme.txt", "not weather")
    opened = open_era5(tmp_path / "download.nc")
    same(opened, canonical)
    assert "unpacked into" in opened.attrs["repairs"]
    assert len(list((cache / "weather").iterdir())) == 2
    # a second look finds them there
    same(open_era5(tmp_path / "download.nc"), canonical)
    assert len(list((cache / "weather").iterdir())) == 2


def test_a_mask_of_preliminary_data_is_said(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    file = made(("t2m",)).rename(time="valid_time")
    file = file.assign_coords(expver=("valid_time", np.array(["0001", "0001", "0005", "0005"], dtype=object)))
    file.to_netcdf(tmp_path / "new.nc")
    assert "preliminary (ERA5T, expver 5)" in open_era5(tmp_path / "new.nc").attrs["repairs"]


def test_the_old_store(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    canonical = made(("t2m", "z"), times=3)
    canonical["t2m"][0, 2, 3] = np.nan
    opened = open_era5(cds_legacy(canonical, tmp_path / "old.nc"))
    for name in ("t2m", "z"):
        expected = canonical[name]
        assert np.array_equal(np.isnan(opened[name]), np.isnan(expected))
        np.testing.assert_allclose(opened[name].values, expected.values, rtol=0, atol=packed(expected))
    np.testing.assert_array_equal(opened["time"], canonical["time"])
    assert opened["level"].values.tolist() == [500.0, 850.0]


def test_expver_of_the_old_store_is_merged(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    canonical = made(("t2m", "sst"), times=6)
    canonical["sst"][:, :3] = np.nan  # land
    opened = open_era5(cds_legacy(canonical, tmp_path / "old.nc", np.array([1, 1, 1, 1, 5, 5])))
    assert opened["t2m"].dims == ("time", "latitude", "longitude")
    for name in ("t2m", "sst"):
        assert np.array_equal(np.isnan(opened[name]), np.isnan(canonical[name]))
        np.testing.assert_allclose(opened[name].values, canonical[name].values, rtol=0, atol=packed(canonical[name]))
    assert "Final (expver 1) and preliminary (expver 5)" in opened.attrs["repairs"]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_weatherbench(version: int, consolidated: bool, made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    canonical = made(("t2m", "z", "tp"), times=5)
    long = {"t2m": "2m_temperature", "z": "geopotential", "tp": "total_precipitation_6hr"}
    store = canonical.rename(long).transpose("time", ..., "longitude", "latitude").chunk({"time": 2})
    for name in ("latitude", "longitude", "level"):
        store[name].attrs = {}
    store.to_zarr(
        tmp_path / "wb.zarr", zarr_format=version, consolidated=consolidated
    ) if version == 2 else store.to_zarr(tmp_path / "wb.zarr", zarr_format=3, consolidated=False)
    opened = open_era5(tmp_path / "wb.zarr")
    same(opened, canonical)
    assert opened["tp"].attrs["accumulation_hours"] == 6
    assert opened["t2m"].chunks[0] == (2, 2, 1)
    assert "`level` has no units and was taken as hPa" in opened.attrs["repairs"]
    with zipfile.ZipFile(tmp_path / "wb.zip", "w") as archive:
        for file in (tmp_path / "wb.zarr").rglob("*"):
            if file.is_file():
                archive.write(file, Path("some/folder/wb.zarr") / file.relative_to(tmp_path / "wb.zarr"))
    same(open_era5(tmp_path / "wb.zip"), canonical)


def test_the_layout_of_cfgrib(made: Callable[..., xr.Dataset]) -> None:
    """What xarray gives with engine="cfgrib": scalar steps, the valid time beside, levels by their type."""
    canonical = made(("t", "t2m"))
    file = canonical.rename(t2m="x", level="isobaricInhPa").isel(isobaricInhPa=slice(None, None, -1))
    file["x"].attrs |= {"GRIB_shortName": "2t", "GRIB_cfVarName": "t2m"}
    file = file.assign_coords(
        step=np.timedelta64(0, "ns"), heightAboveGround=2.0, number=0, valid_time=("time", file["time"].values)
    )
    opened = open_era5(file)
    same(opened, canonical)
    assert set(opened.coords) == {"time", "level", "latitude", "longitude"}
    # initial times and steps of a reanalysis' short forecasts are one row of valid times
    runs = canonical[["t2m"]].isel(time=slice(0, 2))
    later = xr.concat([runs, runs + 1], xr.DataArray([0, 3], dims="step") * np.timedelta64(3600 * 10**9, "ns"))
    later["t2m"].attrs["units"] = "K"
    opened = open_era5(later)
    assert opened["time"].dt.hour.values.tolist() == [0, 3, 6, 9]
    np.testing.assert_array_equal(opened["t2m"][1], runs["t2m"][0] + 1)


def test_what_was_opened_once_can_be_saved_and_opened_again(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    first = open_era5(made(("tp", "z", "t2m"), times=12), accumulate_hours=12, accumulation="6h")
    first.to_netcdf(tmp_path / "saved.nc")
    first.to_zarr(tmp_path / "saved.zarr", zarr_format=3, consolidated=False)
    for source in (tmp_path / "saved.nc", tmp_path / "saved.zarr", first):
        again = open_era5(source)
        xr.testing.assert_equal(again.compute(), first.compute())
        assert again.attrs["repairs"] == ""
        assert {name: again[name].attrs for name in again.variables} == {
            name: first[name].attrs for name in first.variables
        }


def test_windows_of_weatherbench_beside_each_other(made: Callable[..., xr.Dataset]) -> None:
    rain = made(("tp",), times=5)
    both = xr.Dataset(
        {"total_precipitation_6hr": rain["tp"], "total_precipitation_24hr": 3 * rain["tp"].assign_attrs(units="m")}
    )
    both["total_precipitation_24hr"].attrs["units"] = "m"
    assert open_era5(both)["tp"].attrs["accumulation_hours"] == 6
    day = open_era5(both, accumulate_hours=24)
    assert day["tp"].attrs["accumulation_hours"] == 24
    np.testing.assert_array_equal(day["tp"], 3 * rain["tp"])
    assert "`total_precipitation_6hr` was left out" in day.attrs["repairs"]


def test_a_window_that_is_named_is_the_one_that_is_read(made: Callable[..., xr.Dataset]) -> None:
    rain = made(("tp",), times=5)
    parts = [(factor * rain["tp"]).assign_attrs(units="m") for factor in (1, 3)]
    names = ["total_precipitation_6hr", "total_precipitation_24hr"]
    both = xr.Dataset(dict(zip(names, parts, strict=True)))
    for source in (both, [both[[name]] for name in names]):
        for name, part, hours in zip(names, parts, (6, 24), strict=True):
            opened = open_era5(source, variables=[name])
            np.testing.assert_array_equal(opened["tp"], part)
            assert opened["tp"].attrs["accumulation_hours"] == hours
    # what is named is summed further
    summed = open_era5(both, variables=[names[0]], accumulate_hours=24)
    np.testing.assert_allclose(summed["tp"][0], parts[0][1:].sum("time"), rtol=1e-6)
    with pytest.raises(UserError, match="_24hr` is not there, but total_precipitation_6hr is.*--accumulate-hours 24"):
        open_era5(both[names[:1]], variables=names[1:])
    with pytest.raises(UserError, match="is asked for with another window of `tp`"):
        open_era5(both, variables=names)
    with pytest.raises(UserError, match="`tp` is asked for over 24 h, but is summed over a window that the files do"):
        open_era5(rain, variables=names[1:])
    assert open_era5(rain, variables=names[1:], accumulation="24h")["tp"].attrs["accumulation_hours"] == 24


def test_arco_is_cut_to_what_is_written(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    canonical = made(("t2m",), times=40)
    store = canonical.rename(t2m="2m_temperature").isel(latitude=slice(None, None, -1)).copy(deep=True)
    days = store["time"].dt.floor("D")
    written = (days >= np.datetime64("2020-01-03")) & (days <= np.datetime64("2020-01-08"))
    store["2m_temperature"] = store["2m_temperature"].where(written).assign_attrs(units="K")
    store.attrs = {
        "valid_time_start": "2020-01-03",
        "valid_time_stop": "2020-01-06",
        "valid_time_stop_era5t": "2020-01-08",
    }
    store.chunk(time=1).to_zarr(tmp_path / "arco.zarr", zarr_format=2, consolidated=True)
    opened = open_era5(str(tmp_path / "arco.zarr"))
    same(opened, canonical.isel(time=written.values))
    assert "16 times outside of 2020-01-03 to 2020-01-08 were cut off" in opened.attrs["repairs"]
    # outside of what was asked for nothing is cut
    part = open_era5(tmp_path / "arco.zarr", time=slice("2020-01-04", "2020-01-05T06"))
    assert part["time"].values[[0, -1]].tolist() == [1578096000 * 10**9, 1578204000 * 10**9]
    assert "cut off" not in part.attrs["repairs"]


def test_a_list_and_a_glob(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    canonical = made(("t2m", "z"), times=12)
    for month in range(3):
        part = canonical.isel(time=slice(4 * month, 4 * month + 4))
        cds_new(part[["t2m"]], tmp_path / f"single-{2 - month}.nc")
        for level in (0, 1):
            cds_new(part[["z"]].isel(level=[level]), tmp_path / f"level{level}-{month}.nc")
    for source in (str(tmp_path / "*.nc"), sorted(tmp_path.iterdir())):
        same(open_era5(source), canonical)
    same(open_era5(tmp_path / "single-0.nc"), canonical[["t2m"]].isel(time=slice(8, 12)))
    with pytest.raises(UserError, match="no file has such a name"):
        open_era5(tmp_path / "*.grib")


def test_variables_on_different_levels_share_one_axis(made: Callable[..., xr.Dataset]) -> None:
    """WeatherBench 1 has a file for z500 and one for t850, each with a single level."""
    canonical = made(("z", "t"))
    parts = [canonical[["z"]].sel(level=500.0), canonical[["t"]].sel(level=850.0)]
    opened = open_era5(parts)
    assert opened["level"].values.tolist() == [500.0, 850.0]
    np.testing.assert_array_equal(opened["z"].sel(level=500.0), canonical["z"].sel(level=500.0))
    np.testing.assert_array_equal(opened["t"].sel(level=850.0), canonical["t"].sel(level=850.0))
    assert opened["z"].sel(level=850.0).isnull().all()
    assert "Variables have different levels" in opened.attrs["repairs"]


def test_geopotential_is_no_height(made: Callable[..., xr.Dataset]) -> None:
    canonical = made(("z", "gh"))
    opened = open_era5(canonical)
    assert (opened["z"].attrs["units"], opened["gh"].attrs["units"]) == ("m**2 s**-2", "m")
    # named geopotential, but in metres
    height = canonical[["gh"]].rename(gh="z")
    opened = open_era5(height)
    assert list(opened) == ["gh"]
    assert "z to gh" in opened.attrs["repairs"]
    # of the surface, ECMWF's name is the same
    surface = canonical[["z"]].isel(level=0, drop=True)
    both = open_era5([canonical[["z"]], surface])
    assert set(both) == {"z", "z_sfc"}
    assert both["z_sfc"].dims == ("time", "latitude", "longitude")


def test_variables_of_ones_own(made: Callable[..., xr.Dataset]) -> None:
    source = made(("t2m", "humidex", "mystery"))
    source["humidex"].attrs["units"] = "K"
    del source["mystery"].attrs["units"]
    opened = open_era5(source)
    assert set(opened) == {"t2m", "humidex"}
    assert "`humidex` is in no table: kept" in opened.attrs["repairs"]
    assert "`mystery` was left out" in opened.attrs["repairs"]
    with pytest.raises(UserError, match="`mystery` is in no table and has no units"):
        open_era5(source, variables=["mystery"])
    assert open_era5(source, variables=["mystery"], units={"mystery": "1"})["mystery"].attrs["units"] == "1"


def test_only_what_is_asked_for_is_read(made: Callable[..., xr.Dataset], tmp_path: Path) -> None:
    canonical = made(("t2m", "z", "t"), times=40)
    cds_new(canonical, tmp_path / "new.nc")
    opened = open_era5(
        tmp_path / "new.nc",
        variables=["2m_temperature", "geopotential"],
        levels=[850],
        time=slice("2020-01-03", "2020-01-04"),
        latitude="descending",
        chunks={"time": 3, "longitude": 8},
    )
    expected = canonical[["t2m", "z"]].sel(level=[850.0], time=slice("2020-01-03", "2020-01-04"))
    same(opened, expected.isel(latitude=slice(None, None, -1)))
    assert opened["z"].chunks[0] == (3, 3, 2) and opened["z"].chunks[3] == (8, 8)
    with pytest.raises(UserError, match="`z` has no level at 300 hPa. and of those asked for 500 only"):
        open_era5(tmp_path / "new.nc", levels=[300, 500])
    with pytest.raises(UserError, match="`msl` is not there.*There are t, t2m, z"):
        open_era5(tmp_path / "new.nc", variables=["t2m", "t", "z", "msl"])
    with pytest.raises(UserError, match="nothing of what is asked for is there"):
        open_era5(tmp_path / "new.nc", time=slice("2021-01-01", None))


def test_big_files_stay_on_disk(
    made: Callable[..., xr.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A classic file has no chunks: it is cut along time, and opening reads a few fields of it."""
    monkeypatch.setattr("sciml.weather.era5.chunks.LARGEST_PIECE_BYTES", 2 * 8 * 16 * 2)
    canonical = made(("t2m",), times=40)
    opened = open_era5(cds_legacy(canonical, tmp_path / "old.nc"))
    assert set(opened["t2m"].chunks[0]) == {1, 2} or set(opened["t2m"].chunks[0]) == {1}


def test_opening_computes_a_few_fields(made: Callable[..., xr.Dataset]) -> None:
    read: list[int] = []

    def count(block: np.ndarray) -> np.ndarray:
        read.append(block.shape[0])
        return block

    source = made(("t2m",), times=200).chunk(time=1)
    source["t2m"] = source["t2m"].copy(data=source["t2m"].data.map_blocks(count, meta=np.empty((0, 0, 0), np.float32)))
    opened = open_era5(source)
    assert sum(read) <= 3
    opened["t2m"].isel(time=7).compute()
    assert sum(read) <= 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_urls(made: Callable[..., xr.Dataset], tmp_path: Path, cache: Path, server: str) -> None:
    canonical = made(("t2m",))
    cds_new(canonical, tmp_path / "new.nc")
    canonical.to_zarr(tmp_path / "wb.zarr", zarr_format=2, consolidated=True)
    same(open_era5(f"file://{tmp_path}/new.nc"), canonical)
    same(open_era5(f"{server}/new.nc"), canonical)
    same(open_era5(f"{server}/wb.zarr"), canonical)
    for url in (f"{server}/none.nc", "http://127.0.0.1:9/era5.zarr", "nonsense://bucket/era5.zarr"):
        with pytest.raises(UserError, match="cannot be reached or is not there"):
            open_era5(url)
    # nothing half-written
    assert not list((cache / "weather").glob(".part*"))
