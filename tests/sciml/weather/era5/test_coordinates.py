"""Longitudes, latitudes and levels in any order, under any name: values stay at their place on Earth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5
from sciml.weather.era5.coordinates import levels_hpa, ordered_horizontally
from sciml.weather.era5.repairs import Repairs


def field(latitude: np.ndarray, longitude: np.ndarray) -> xr.Dataset:
    """A value that says where on Earth it is."""
    place = 1000 * np.asarray(latitude)[:, None] + np.asarray(longitude) % 360
    return xr.Dataset({"place": (("latitude", "longitude"), place)}, {"latitude": latitude, "longitude": longitude})


@given(
    columns=st.integers(2, 24),
    first=st.sampled_from([0.0, -180.0, 90.0, -0.25, 359.75, 180.0]),
    rows=st.permutations(range(5)),
    order=st.sampled_from(["ascending", "descending"]),
    backwards=st.booleans(),
    seam=st.booleans(),
)
def test_values_stay_at_their_place(
    columns: int, first: float, rows: list[int], order: str, backwards: bool, seam: bool
) -> None:
    longitude = first + np.arange(columns + seam) * 360 / columns
    longitude = longitude[::-1] if backwards else longitude
    latitude = np.linspace(-80, 80, 5)[list(rows)]
    repairs = Repairs("file.nc")
    ordered = ordered_horizontally(field(latitude, longitude), order, "file.nc", repairs)
    values = ordered["longitude"].values
    assert len(values) == columns and (np.diff(values) > 0).all() and values[0] >= 0 and values[-1] < 360
    steps = np.diff(ordered["latitude"].values)
    assert (steps > 0).all() if order == "ascending" else (steps < 0).all()
    expected = 1000 * ordered["latitude"].values[:, None] + values
    np.testing.assert_allclose(ordered["place"], expected, rtol=0, atol=1e-9)
    assert any("repeats" in sentence for sentence in repairs.sentences()) == seam
    assert any("-180..180" in sentence for sentence in repairs.sentences()) == bool((longitude < 0).any())


def test_a_region_across_greenwich(made: Callable[..., xr.Dataset]) -> None:
    region = made(("t2m",)).isel(longitude=slice(0, 4))
    shifted = region.assign_coords(longitude=region["longitude"] - 45)
    shifted["longitude"].attrs["units"] = "degrees_east"
    opened = open_era5(shifted)
    assert opened["longitude"].values.tolist() == [0.0, 22.5, 315.0, 337.5]
    np.testing.assert_array_equal(opened["t2m"].values[..., [2, 3, 0, 1]], region["t2m"].values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign_coords(latitude=ds.latitude * 2), "`latitude` reaches -157.5, beyond 90 degrees"),
        (lambda ds: ds.assign_coords(latitude=np.where(ds.latitude > 70, 56.25, ds.latitude)), "latitudes repeat"),
        (lambda ds: ds.assign_coords(longitude=np.repeat(np.arange(8) * 45.0, 2)), "8 longitudes repeat"),
        (lambda ds: ds.assign_coords(latitude=np.where(ds.latitude > 70, np.nan, ds.latitude)), "finite numbers"),
        (lambda ds: ds.drop_vars("longitude"), "no longitude is found"),
        (lambda ds: ds.rename(latitude="row"), "no latitude is found among .*rename"),
        (lambda ds: ds.isel(latitude=0), "`latitude` is a single value.*expand_dims"),
        (lambda ds: ds.stack(cell=["latitude", "longitude"]).reset_index("cell"), "reduced or unstructured.*cdo"),
        (
            lambda ds: ds.rename(latitude="y", longitude="x").assign_coords(
                latitude=(("y", "x"), np.zeros((8, 16))), longitude=(("y", "x"), np.zeros((8, 16)))
            ),
            "curvilinear.*cdo remapbil",
        ),
    ],
)
def test_grids_that_are_refused(
    change: Callable[[xr.Dataset], xr.Dataset], message: str, made: Callable[..., xr.Dataset]
) -> None:
    with pytest.raises(UserError, match=message):
        open_era5(change(made(("t2m",))))


def test_names_and_types(made: Callable[..., xr.Dataset]) -> None:
    canonical = made(("t2m",))
    other = canonical.rename(latitude="Lat", longitude="lon").assign_coords(
        Lat=("Lat", np.radians(canonical["latitude"].values), {"units": "radians"}),
        lon=("lon", np.arange(0, 360, 22.5, dtype="f4") + np.float32(0.1)),
    )
    opened = open_era5(other)
    np.testing.assert_allclose(opened["latitude"], canonical["latitude"], rtol=1e-14)
    # the float32 of 22.6 is 22.60000038
    assert opened["longitude"].values[1] == 22.6
    assert "Latitude was in radians" in opened.attrs["repairs"]


def level(values: object, name: str = "level", **attributes: object) -> xr.DataArray:
    return xr.DataArray(np.asarray(values), dims=name, name=name, attrs=attributes)


@pytest.mark.parametrize(
    ("coordinate", "expected"),
    [
        (level([500, 850], units="hPa"), [500.0, 850.0]),
        (level([500, 850], units="millibars"), [500.0, 850.0]),
        (level([50000.0, 85000.0], "plev", units="Pa"), [500.0, 850.0]),
        (level([50000, 85000], "plev"), [500.0, 850.0]),
        (level([1, 2, 3, 5, 7]), [1.0, 2.0, 3.0, 5.0, 7.0]),
    ],
)
def test_levels(coordinate: xr.DataArray, expected: list[float]) -> None:
    assert levels_hpa(coordinate, "file.nc", Repairs("file.nc")).tolist() == expected


@pytest.mark.parametrize(
    ("coordinate", "message"),
    [
        (level(range(1, 138)), "numbers of model levels.*hPa"),
        (level(range(1, 138), units="1"), "pressure levels are needed.*cdo ml2pl"),
        (level([10.0, 100.0], units="m"), "pressure levels are needed"),
        (level([50000, 85000], units="hPa"), "says it is in hPa, but has values like 85000"),
        (level([0, 500], units="hPa"), "says it is in hPa"),
        (level(["a", "b"]), "finite numbers"),
    ],
)
def test_levels_that_are_refused(coordinate: xr.DataArray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        levels_hpa(coordinate, "file.nc", Repairs("file.nc"))


def test_levels_that_are_there_twice(made: Callable[..., xr.Dataset]) -> None:
    with pytest.raises(UserError, match="a level is there twice"):
        open_era5(made(("t",), levels=(500.0, 500.0)))
