from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.scores.regions import Box
from sciml.weather.scores.spectrum import (
    EARTH_RADIUS_M,
    SpectrumSums,
    circle_weights,
    spectrum_sums,
    zonal_power,
    zonal_power_spectrum,
)

LATITUDE, LONGITUDE = np.linspace(-75, 75, 11), np.arange(0.0, 360.0, 10.0)
GRID = {"latitude": LATITUDE, "longitude": LONGITUDE}
CIRCUMFERENCE_M = 2 * np.pi * EARTH_RADIUS_M * np.cos(np.radians(LATITUDE))

# of Fourier sums of 36 terms in float64
CLOSE = {"rtol": 1e-12, "atol": 1e-6}


def _field(times: int = 3) -> xr.DataArray:
    values = np.random.default_rng(0).normal(10, 3, (times, 11, 36)).astype(np.float32)
    start = np.datetime64("2020-01-01", "ns")
    return xr.DataArray(
        values, {"time": start + np.arange(times) * np.timedelta64(1, "D"), **GRID}, attrs={"units": "m s**-1"}
    )


@pytest.mark.parametrize("wavenumber", [0, 1, 5, 17])
def test_one_wave_has_the_power_of_its_number(wavenumber: int) -> None:
    """The mean square of a cosine is half of its amplitude's, of a constant all of it."""
    field = np.tile(4 * np.cos(np.radians(wavenumber * LONGITUDE) + (0.3 if wavenumber else 0)), (11, 1))
    power = zonal_power(field, LATITUDE)
    expected = np.zeros((11, 19))
    expected[:, wavenumber] = CIRCUMFERENCE_M * (8 if wavenumber else 16)
    np.testing.assert_allclose(power, expected, rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize("points", [35, 36])
def test_parseval(points: int) -> None:
    field = np.random.default_rng(0).normal(size=(2, 11, points))
    power = zonal_power(field, LATITUDE, count_last_once=True)
    np.testing.assert_allclose(power.sum(-1), CIRCUMFERENCE_M * (field**2).mean(-1), rtol=1e-12)


def test_weatherbench_2() -> None:
    """`ZonalEnergySpectrum`: C |F_0|^2, then 2 C |F_k|^2 for all others, with F_k a plain sum over points."""
    field = _field(1).values[0].astype(float)
    waves = np.exp(-2j * np.pi * np.outer(np.arange(19), np.arange(36)) / 36)
    coefficients = field @ waves.T / 36
    expected = CIRCUMFERENCE_M[:, None] * np.where(np.arange(19) == 0, 1, 2) * np.abs(coefficients) ** 2
    found = zonal_power_spectrum(_field(1))
    assert found.dims == ("latitude", "wavenumber")
    assert found.attrs == {"long_name": "zonal power spectrum", "units": "m (m s**-1)**2"}
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_means_over_time_and_regions() -> None:
    field = _field()
    each = zonal_power_spectrum(field, over=())
    assert each.dims == ("latitude", "time", "wavenumber")
    np.testing.assert_allclose(zonal_power_spectrum(field), each.mean("time"), **CLOSE)
    _, weights = circle_weights(Grid(LATITUDE, LONGITUDE), ["tropics", "northern-hemisphere"])
    found = zonal_power_spectrum(field, regions=["tropics", "northern-hemisphere"])
    expected = np.einsum("ry,ytk->rk", weights / weights.sum(1, keepdims=True), each.values) / 3
    np.testing.assert_allclose(found, expected, **CLOSE)
    lazy = zonal_power_spectrum(field.chunk({"time": 1, "latitude": 4}), regions=["tropics", "northern-hemisphere"])
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy, found, **CLOSE)


def test_a_circle_with_a_gap_is_left_out() -> None:
    field = _field()
    holed = field.copy(data=field.values.copy())
    holed[1, 4, 7] = np.nan
    found = zonal_power_spectrum(holed)
    expected = zonal_power_spectrum(field).values
    expected[4] = zonal_power_spectrum(field.isel(time=[0, 2])).values[4]
    np.testing.assert_allclose(found, expected, **CLOSE)
    everywhere = field.where(field["longitude"] > 0)
    assert zonal_power_spectrum(everywhere).isnull().all()


def test_sums_of_parts_add_up() -> None:
    fields, weights = _field().values, np.random.default_rng(0).random((2, 11))
    whole = spectrum_sums(fields, LATITUDE, weights)
    parts = spectrum_sums(fields[:1], LATITUDE, weights), spectrum_sums(fields[1:], LATITUDE, weights)
    first, second = (SpectrumSums(part.weight.sum(0), part.power.sum(0)) for part in parts)
    np.testing.assert_allclose((first + second).spectrum(), whole.spectrum(0), **CLOSE)


def test_circles_must_be_whole() -> None:
    with pytest.raises(UserError, match="go once around in even steps, but these go from 0 to 170"):
        zonal_power_spectrum(_field().isel(longitude=slice(18)))
    uneven = _field().assign_coords(longitude=LONGITUDE + np.where(LONGITUDE == 50, 2.0, 0))
    with pytest.raises(UserError, match="in steps from 8 to 12"):
        zonal_power_spectrum(uneven)
    with pytest.raises(UserError, match="region 'europe' has parts of some"):
        zonal_power_spectrum(_field(), regions=["europe"])
    assert zonal_power_spectrum(_field(), regions={"band": Box(30, 60)}).sizes["region"] == 1
