"""Harmonics of the year keep the mean of a climatology: exactly what they can carry, and nearly all of a smooth one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.weather.climatology import make_climatology
from sciml.weather.climatology_harmonics import HARMONICS, from_harmonics, to_harmonics


def year(order: int, offset: float) -> xr.Dataset:
    """A field that goes around so many times a year, with another phase at each hour, level and latitude."""
    day, hour = np.arange(366)[None, :, None, None, None], np.arange(2)[:, None, None, None, None]
    level, latitude = np.arange(2)[:, None, None], np.arange(3)[:, None]
    phase = 0.3 * hour + 0.7 * level + 1.1 * latitude
    values = offset + np.cos(2 * np.pi * order * day / 366 + phase) + np.zeros(4)
    dims = ("hour", "dayofyear", "level", "latitude", "longitude")
    coords = {"hour": [0, 12], "dayofyear": np.arange(1, 367), "level": [500.0, 850.0]}
    coords |= {"latitude": [-60.0, 0.0, 60.0], "longitude": [0.0, 90.0, 180.0, 270.0]}
    field = xr.DataArray(values.astype(np.float32), coords, dims, attrs={"units": "K"})
    return xr.Dataset({"t": field, "t_quantile": field.expand_dims(quantile=[0.9])}, attrs={"years": "2000-2003"})


@pytest.mark.parametrize("order", [0, 1, 4, HARMONICS])
def test_what_harmonics_carry_comes_back(order: int):
    whole = year(order, 270.0)
    small = to_harmonics(whole)
    assert small["t"].dims == ("hour", "coefficient", "level", "latitude", "longitude")
    assert small.sizes["coefficient"] == 21
    found = from_harmonics(small)
    # quantiles are left out; float32 of numbers near 270
    xr.testing.assert_allclose(found, whole[["t"]], rtol=0, atol=1e-4)
    assert found.attrs == whole.attrs
    assert found["t"].attrs == {"units": "K"}


def test_what_is_faster_is_left_out():
    found = from_harmonics(to_harmonics(year(HARMONICS + 1, 270.0)))
    assert np.allclose(found["t"], 270.0, atol=1e-3)


def test_what_is_never_below_zero_stays_so():
    rain = np.zeros((2, 366, 2, 3, 4), np.float32)
    rain[:, 100:130] = 1.0
    whole = year(1, 0.0)
    whole["t"][:] = rain
    found = from_harmonics(to_harmonics(whole))
    assert float(found["t"].min()) == 0.0
    assert "valid_min" not in found["t"].attrs


def test_a_climatology_of_two_years_is_kept_but_for_a_hundredth_of_its_weather():
    times = np.datetime64("2001-01-01", "ns") + np.arange(4 * 730) * np.timedelta64(6, "h")
    season = 10 * np.cos(2 * np.pi * np.arange(len(times)) / (4 * 365.25))
    noise = np.random.default_rng(0).normal(0, 3, (len(times), 2, 3))
    t2m = xr.DataArray(
        (280 + season[:, None, None] + noise).astype(np.float32),
        {"time": times, "latitude": [-30.0, 30.0], "longitude": [0.0, 120.0, 240.0]},
        attrs={"units": "K"},
    )
    whole = make_climatology(xr.Dataset({"t2m": t2m}), min_years=2)
    found = from_harmonics(to_harmonics(whole))
    # the window leaves 0.04 and less of what is faster than the tenth harmonic, of noise of 3 K in two years
    assert float(np.sqrt(((found["t2m"] - whole["t2m"]) ** 2).mean())) < 0.03
