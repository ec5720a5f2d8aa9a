"""Pressure levels from sigma levels: exact for the atmospheres that the formulas are made for."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.weather.recipes.sigma_levels import (
    GAS_CONSTANT_J_KG_K,
    GRAVITY_M_S2,
    LAPSE_RATE_K_M,
    SigmaColumn,
    to_levels,
)

SIGMA = np.array([0.025, 0.095, 0.2, 0.34, 0.51, 0.685, 0.835, 0.95])
SURFACE = np.array([[1.01e5, 0.95e5], [0.7e5, 1.03e5]])
COLUMN = SigmaColumn(SIGMA, SURFACE)
PRESSURE = SIGMA[:, None, None] * SURFACE
LEVELS = (30.0, 100.0, 200.0, 300.0, 500.0, 700.0, 850.0, 925.0)


def log_linear(pressure_pa):
    """Temperature 300 K at 1000 hPa, falling by 20 K for each factor e, and its geopotential, zero at 1000 hPa."""
    log = np.log(pressure_pa / 1e5)
    return 300 + 20 * log, -GAS_CONSTANT_J_KG_K * (300 * log + 10 * log**2)


def test_a_temperature_linear_in_ln_p_keeps_its_geopotential():
    kelvin, geopotential = log_linear(PRESSURE)
    for level in LEVELS:
        inside = 100 * level <= SIGMA[-1] * SURFACE
        expected_t, expected_z = log_linear(100 * level)
        # rounding of geopotentials up to 1e5
        assert np.allclose(COLUMN.temperature(kelvin, 100 * level)[inside], expected_t, rtol=1e-12)
        assert np.allclose(COLUMN.geopotential(geopotential, kelvin, 100 * level)[inside], expected_z, atol=1e-7)


def standard_atmosphere(pressure_pa):
    """288.15 K and zero geopotential at 1013.25 hPa, with the standard lapse rate."""
    kelvin = 288.15 * (pressure_pa / 101325) ** (GAS_CONSTANT_J_KG_K * LAPSE_RATE_K_M / GRAVITY_M_S2)
    return kelvin, (288.15 - kelvin) / LAPSE_RATE_K_M * GRAVITY_M_S2


def test_below_ground_the_standard_atmosphere_goes_on():
    kelvin, geopotential = standard_atmosphere(PRESSURE)
    for level in (850.0, 925.0, 1000.0):
        below = 100 * level > SIGMA[-1] * SURFACE
        expected_t, expected_z = standard_atmosphere(100 * level)
        assert np.allclose(COLUMN.temperature(kelvin, 100 * level)[below], expected_t, rtol=1e-12)
        assert np.allclose(COLUMN.geopotential(geopotential, kelvin, 100 * level)[below], expected_z, atol=1e-7)
    assert np.allclose(COLUMN.mean_sea_level_pressure(geopotential, kelvin), 101325, rtol=1e-12)


def test_the_standard_atmosphere_between_levels():
    kelvin, geopotential = standard_atmosphere(PRESSURE)
    found = COLUMN.geopotential(geopotential, kelvin, 5e4)
    # its temperature is nearly linear in ln p between levels this far apart: 2 m of 5.5 km
    assert np.abs(found - standard_atmosphere(5e4)[1]).max() < 2 * GRAVITY_M_S2


def test_a_level_of_the_model_is_kept():
    rng = np.random.default_rng(0)
    values = rng.normal(size=PRESSURE.shape)
    column = SigmaColumn(SIGMA, np.full((2, 2), 1e5))
    for number, sigma in enumerate(SIGMA):
        assert np.allclose(column.linear(values, sigma * 1e5), values[number], atol=1e-12)


def test_wind_below_ground_is_that_of_the_lowest_level():
    values = np.arange(8.0)[:, None, None] * np.ones((2, 2))
    assert (COLUMN.linear(values, 1.1e5) == 7).all()


def test_all_levels_at_once():
    kelvin, geopotential = log_linear(PRESSURE)
    found = to_levels(COLUMN, {"z": geopotential, "t": kelvin, "u": kelvin / 10}, LEVELS)
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys("utz", (8, 2, 2))
    assert found["z"][4, 0, 0] == pytest.approx(log_linear(5e4)[1])
    assert (np.diff(found["z"], axis=0) < 0).all()
