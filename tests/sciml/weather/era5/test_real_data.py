"""Real ERA5: values, units and coordinates against a second road, zarr, netCDF4 and ecCodes alone, at random points."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5, open_forecast
from sciml.weather.era5.grib_messages import load_eccodes
from sciml.weather.variables import VARIABLES

eccodes = load_eccodes()


def messages(path: Path, every: int) -> list[dict]:
    """Fields of a GRIB file as points: what `grib_get_data` prints."""
    fields, count = [], 0
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            count += 1
            if count % every:
                eccodes.codes_release(handle)
                continue
            points = eccodes.codes_grib_get_data(handle)
            fields.append(
                {key: eccodes.codes_get(handle, key) for key in ("cfVarName", "level", "validityDate", "validityTime")}
                | {
                    "number": eccodes.codes_get(handle, "number", int)
                    if eccodes.codes_is_defined(handle, "number")
                    else 0
                }
                | {"missing": eccodes.codes_get(handle, "missingValue", float)}
                | {axis: np.array([point[axis] for point in points]) for axis in ("lat", "lon", "value")}
            )
            eccodes.codes_release(handle)
    return fields


@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("era5-levels-members.grib", 27),
        ("era5-single-level-scalar-time.grib", 1),
        ("fields_with_missing_values.grib", 1),
        ("scanning_mode_64.grib", 1),
        ("regular_gg_pl.grib", 1),
    ],
)
def test_grib_has_the_values_of_eccodes(name: str, every: int, grib_folder: Path) -> None:
    dataset = open_era5(grib_folder / name)
    random = np.random.default_rng(0)
    compared = missing = 0
    for field in messages(grib_folder / name, every):
        array = dataset[field["cfVarName"]]
        stamp = f"{field['validityDate']}T{field['validityTime']:04}"
        array = array.sel(time=np.datetime64(f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:]}"))
        array = array.sel(number=field["number"]) if "number" in array.dims else array
        array = array.sel(level=float(field["level"])) if "level" in array.dims else array
        values = array.values
        for point in random.integers(0, len(field["value"]), 200):
            # coordinates of GRIB are written to 1e-3 degrees or better
            y, x = (
                int(np.abs(array[axis].values - value).argmin())
                for axis, value in (("latitude", field["lat"][point]), ("longitude", field["lon"][point] % 360))
            )
            assert abs(array["latitude"].values[y] - field["lat"][point]) < 1e-3
            assert abs(array["longitude"].values[x] - field["lon"][point] % 360) < 1e-3
            ours = values[y, x]
            if field["value"][point] == field["missing"]:
                assert np.isnan(ours)
                missing += 1
            else:
                # float32 of a float64
                assert ours == np.float32(field["value"][point])
                compared += 1
    assert compared > 100
    assert (missing > 0) == (name == "fields_with_missing_values.grib")


def test_rows_that_alternate_are_turned(grib_folder: Path) -> None:
    """Not even `grib_get_data` of ecCodes 2.50 turns every other row, so the field itself says which is right."""
    path = grib_folder / "alternate-scanning.grib"
    with path.open("rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
    assert eccodes.codes_get(handle, "alternativeRowScanning") == 1
    written = eccodes.codes_get_values(handle).reshape(171, 291)
    eccodes.codes_release(handle)
    dataset = open_era5(path, latitude="descending")
    # columns from 350 to 19 degrees east: those east of Greenwich come first
    ours = dataset["t2m"].isel(time=0).roll(longitude=100).values
    np.testing.assert_array_equal(ours[0::2], written[0::2].astype(np.float32))
    np.testing.assert_array_equal(ours[1::2], written[1::2, ::-1].astype(np.float32))
    # neighbours differ by a tenth of what they do in the file's order
    assert np.abs(np.diff(ours, axis=0)).mean() < 0.2 * np.abs(np.diff(written, axis=0)).mean()


def test_nothing_is_written_beside_the_file(grib_folder: Path, tmp_path: Path) -> None:
    shutil.copy(grib_folder / "era5-levels-members.grib", tmp_path)
    open_era5(tmp_path / "era5-levels-members.grib")["t"].isel(time=0).compute()
    assert [path.name for path in tmp_path.iterdir()] == ["era5-levels-members.grib"]


def test_the_members_of_real_era5(grib_folder: Path) -> None:
    dataset = open_era5(grib_folder / "era5-levels-members.grib", latitude="descending")
    assert dict(dataset.sizes) == {"time": 4, "number": 10, "level": 2, "latitude": 61, "longitude": 120}
    assert dataset["t"].dims == ("time", "number", "level", "latitude", "longitude")
    assert dataset["level"].values.tolist() == [500.0, 850.0]
    assert dataset["number"].dtype == np.int64
    assert dataset["z"].attrs["units"] == "m**2 s**-2"
    assert dataset["latitude"].values[[0, -1]].tolist() == [90.0, -90.0]
    # a message a chunk, so that nothing is decoded twice
    assert dataset["t"].data.chunksize == (1, 1, 1, 61, 120)
    assert dataset.attrs["repairs"] == ""
    part = open_era5(
        grib_folder / "era5-levels-members.grib", variables=["t"], levels=[850], time=slice("2017-01-02", None)
    )
    assert dict(part.sizes) == {"time": 2, "number": 10, "level": 1, "latitude": 61, "longitude": 120}
    np.testing.assert_array_equal(
        part["t"].sel(number=3, level=850.0).values,
        dataset["t"].sel(number=3, level=850.0, latitude=part["latitude"], time=part["time"]).values,
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("era5-levels-corrupted.grib", "message at byte 0 of 44136 is damaged or cut off .*Download it again"),
        ("reduced_gg.grib", "`u10` is on a reduced Gaussian grid.*cdo setgridtype,regular IN OUT"),
        ("spherical_harmonics.grib", "`z` is in spherical harmonics.*cdo sp2gpl IN OUT"),
        ("t_on_different_level_types.grib", "`t` is on levels of type hybrid and isobaricInhPa.*grib_keys="),
        (
            "tp_on_different_grid_resolutions.grib",
            r"`tp` is on 2 grids of 37x72 and 46x90.*grib_keys=.\"Ni\": 72, \"Nj\": 37",
        ),
    ],
)
def test_gribs_that_are_refused(name: str, message: str, grib_folder: Path) -> None:
    with pytest.raises(UserError, match=message):
        open_era5(grib_folder / name)


def test_the_remedies_for_grib_work(grib_folder: Path) -> None:
    levels = open_era5(grib_folder / "t_on_different_level_types.grib", grib_keys={"typeOfLevel": "isobaricInhPa"})
    assert levels["level"].values.tolist() == [100.0]
    coarse = open_era5(grib_folder / "tp_on_different_grid_resolutions.grib", grib_keys={"Ni": 72, "Nj": 37})
    assert dict(coarse.sizes) == {"time": 1, "latitude": 37, "longitude": 72}
    forecast = open_forecast(grib_folder / "tp_on_different_grid_resolutions.grib", grib_keys={"Ni": 90})
    assert forecast["lead_time"].values.tolist() == [12 * 3600 * 10**9]
    assert forecast["time"].values[0] == np.datetime64("2017-10-17T12:00")


def test_the_gaussian_sample_has_the_values_of_netcdf4(sample: Callable[[str], Path]) -> None:
    path = sample("era5-gaussian")
    dataset = open_era5(path, levels=[500, 850, 1000])
    loaded = dataset.compute()
    assert dict(dataset.sizes) == {"time": 1, "level": 3, "latitude": 32, "longitude": 64}
    assert dataset["time"].values[0] == np.datetime64("1959-01-02")
    random = np.random.default_rng(1)
    with netCDF4.Dataset(path) as file:
        levels = list(file["level"][:])
        for variable in ("u", "v", "z", "t", "q", "ciwc", "clwc", "sst", "siconc"):
            raw = file[VARIABLES[variable].aliases[-1]]
            for _ in range(60):
                level, x, y = random.integers(3), random.integers(64), random.integers(32)
                # the file has (level, longitude, latitude)
                place = (levels.index([500, 850, 1000][level]), x, y) if raw.ndim == 3 else (x, y)
                value = np.ma.filled(raw[place], np.nan)
                ours = (
                    loaded[variable]
                    .isel(time=0)
                    .sel(latitude=file["latitude"][y], longitude=file["longitude"][x], method="nearest", tolerance=1e-6)
                )
                ours = ours.isel(level=level) if raw.ndim == 3 else ours
                np.testing.assert_array_equal(ours.values, value)


def test_the_one_degree_sample_has_the_values_of_zarr(sample: Callable[[str], Path]) -> None:
    path = sample("era5-1deg")
    dataset = open_era5(path)
    chosen = [0, 7, 16, 23]
    loaded = dataset.isel(time=chosen).compute()
    raw = zarr.open_group(path, mode="r")
    assert dict(dataset.sizes) == {"time": 24, "latitude": 181, "longitude": 360}
    assert dataset["t2m"].data.chunksize == (1, 181, 360)
    random = np.random.default_rng(2)
    origin = np.datetime64("1940-01-01")
    for variable in ("t2m", "u10", "v10", "msl", "tp"):
        values, hours = raw[variable], raw["time_index"][:]
        assert (
            json.loads((path / variable / "zarr.json").read_text())["attributes"]["units"]
            == dataset[variable].attrs["units"]
        )
        for _ in range(40):
            t, y, x = random.choice(chosen), random.integers(181), random.integers(360)
            ours = loaded[variable].sel(
                time=origin + np.timedelta64(int(hours[t]), "h"),
                latitude=float(raw["latitude"][y]),
                longitude=float(raw["longitude"][x]),
            )
            assert ours.item() == values[int(t), int(y), int(x)]
    assert "hours since 1940-01-01" in dataset.attrs["repairs"]
    assert "tp" in dataset.attrs["repairs"] and "accumulation_hours" not in dataset["tp"].attrs


def test_the_one_degree_sample_has_no_sums_over_six_hours(sample: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match='do not say over which window `tp` is summed.*accumulation="1h"'):
        open_era5(sample("era5-1deg"), accumulate_hours=6)
    with pytest.raises(UserError, match="`tp` has no time at the end of a window of 6 h all of which is there"):
        open_era5(sample("era5-1deg"), accumulate_hours=6, accumulation="1h")


def test_a_dataset_can_be_pickled_and_still_read(sample: Callable[[str], Path], grib_folder: Path) -> None:
    for source in (sample("era5-1deg"), sample("era5-gaussian"), grib_folder / "era5-levels-members.grib"):
        dataset = open_era5(source)
        again = pickle.loads(pickle.dumps(dataset))  # noqa: S301  our own bytes
        name = next(iter(dataset))
        xr.testing.assert_identical(dataset[name].isel(time=0).compute(), again[name].isel(time=0).compute())
