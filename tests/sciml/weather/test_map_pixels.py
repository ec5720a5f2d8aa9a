"""Interpolation to pixels against formulas: linear fields, the seam, the edges, missing points."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.weather.grid import Grid, gauss_legendre
from sciml.weather.map_pixels import interpolated

GAUSSIAN = np.degrees(np.arcsin(gauss_legendre(32)[0]))
LONGITUDES = np.arange(64) * 5.625


@pytest.mark.parametrize("order", [1, -1], ids=["ascending", "descending"])
def test_a_linear_field_is_interpolated_exactly(order: int) -> None:
    latitude, longitude = np.linspace(20, 60, 9)[::order], np.linspace(350, 390, 9)
    grid = Grid(latitude, longitude)
    values = 2 * latitude[:, None] + 3 * longitude
    random = np.random.default_rng(0)
    east, north = random.uniform(350, 390, 100), random.uniform(20, 60, 100)
    # at whatever multiple of a turn the place is asked for
    np.testing.assert_allclose(interpolated(values, grid, east - 360, north), 2 * north + 3 * east, rtol=1e-12)


def test_the_seam_of_a_cyclic_grid_cannot_be_seen() -> None:
    grid = Grid(GAUSSIAN, LONGITUDES)
    values = np.ones((32, 1)) * np.cos(np.radians(LONGITUDES))
    # midway between the last column and the first, and the same between two others by symmetry
    east = np.array([357.1875, -2.8125, 2.8125])
    found = interpolated(values, grid, east, np.zeros(3))
    np.testing.assert_allclose(found, 0.5 * (1 + np.cos(np.radians(5.625))), rtol=1e-12)


def test_beyond_the_outermost_row_the_field_stays_and_off_the_grid_there_is_none() -> None:
    regional = Grid(np.array([0.0, 10.0, 20.0]), np.array([0.0, 10.0, 20.0]))
    values = np.arange(9.0).reshape(3, 3)
    found = interpolated(values, regional, np.array([0.0, 0.0, 24.9, 26.0]), np.array([-4.9, -5.1, 20.0, 20.0]))
    np.testing.assert_array_equal(found, [0.0, np.nan, 8.0, np.nan])
    # a Gaussian grid has no row at the pole, but its cells reach it
    grid = Grid(GAUSSIAN, LONGITUDES)
    assert interpolated(np.ones((32, 64)), grid, np.array([12.0]), np.array([90.0])) == 1.0


def test_a_missing_point_takes_away_its_own_surroundings_alone() -> None:
    grid = Grid(np.array([0.0, 10.0, 20.0]), np.array([0.0, 10.0, 20.0]))
    values = np.full((3, 3), 5.0)
    values[1, 1] = np.nan
    found = interpolated(values, grid, np.array([10.0, 14.0, 16.0]), np.array([10.0, 10.0, 10.0]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 5.0])
