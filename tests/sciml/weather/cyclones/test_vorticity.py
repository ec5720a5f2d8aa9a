"""Vorticity of rotations, about the axis and about others, on global and regional grids."""

import numpy as np
import pytest

from sciml.weather.cyclones.vorticity import relative_vorticity
from sciml.weather.grid import EARTH_RADIUS_KM, Grid, gauss_legendre

OMEGA = 1e-5
RADIUS_M = 1000 * EARTH_RADIUS_KM


def rotation(grid: Grid, tilt_deg: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """u, v and vorticity 2 omega (axis . r) of a solid rotation about an axis tilted towards 30 E."""
    latitude, longitude = np.radians(grid.latitude)[:, None], np.radians(grid.longitude - 30)[None, :]
    tilt = np.radians(tilt_deg)
    u = OMEGA * RADIUS_M * (np.cos(tilt) * np.cos(latitude) - np.sin(tilt) * np.sin(latitude) * np.cos(longitude))
    v = OMEGA * RADIUS_M * np.sin(tilt) * np.sin(longitude) + 0 * latitude
    axis = np.cos(tilt) * np.sin(latitude) + np.sin(tilt) * np.cos(latitude) * np.cos(longitude)
    return u, v, 2 * OMEGA * axis


@pytest.mark.parametrize("order", [1, -1])
def test_rotation_about_the_axis_is_exact(order: int):
    grid = Grid(np.arange(-80.0, 81.0, 5.0)[::order], np.arange(0.0, 360.0, 5.0))
    u, v, zeta = rotation(grid, 0.0)
    # u cos(phi) is a quadratic in sin(phi), for which the differences are exact; what is left is rounding
    np.testing.assert_allclose(relative_vorticity(u, v, grid), zeta, atol=1e-12 * OMEGA * RADIUS_M)


def test_poles():
    grid = Grid(np.linspace(-90, 90, 181), np.arange(0.0, 360.0, 1.0))
    u, v, zeta = rotation(grid, 40.0)
    # the cap within a degree: cos(1 degree) differs from 1 by 2e-4
    np.testing.assert_allclose(relative_vorticity(u, v, grid)[[0, -1]], zeta[[0, -1]], rtol=2e-4)


@pytest.mark.parametrize("make", ["global", "gaussian", "regional"])
def test_a_tilted_rotation_is_met_to_second_order(make: str):
    def error(points: int) -> float:
        latitude = np.linspace(-60, 60, points // 2 + 1)
        longitude = np.arange(0.0, 360.0, 360 / points)
        if make == "gaussian":
            latitude = np.degrees(np.arcsin(gauss_legendre(points // 2)[0]))
        elif make == "regional":
            longitude = np.linspace(100.0, 170.0, points // 4)
        grid = Grid(latitude, longitude)
        u, v, zeta = rotation(grid, 70.0)
        tropics = np.abs(latitude) < 50
        return float(np.abs(relative_vorticity(u, v, grid) - zeta)[tropics].max())

    # halving the spacing quarters an error of second order; a fifth is left for the next order
    assert error(96) < 0.02 * OMEGA
    assert error(192) < 0.3 * error(96)


def test_leading_dimensions_and_missing_winds():
    grid = Grid(np.arange(10.0, 21.0), np.arange(100.0, 112.0))
    u, v, _ = rotation(grid, 20.0)
    both = relative_vorticity(np.stack([u, 2 * u]), np.stack([v, 2 * v]), grid)
    np.testing.assert_allclose(both[1], 2 * both[0])
    hole = u.copy()
    hole[5, 5] = np.nan
    assert np.isnan(relative_vorticity(hole, v, grid)[[4, 6], 5]).all()
    assert np.isfinite(relative_vorticity(hole, v, grid)[5, 7])


def test_a_region_across_greenwich_is_one_region():
    torn = Grid(np.arange(10.0, 31.0), np.concatenate([np.arange(0.0, 21.0), np.arange(345.0, 360.0)]))
    joined, columns = torn.in_one_piece()
    u, v = np.random.default_rng(0).normal(size=(2, *torn.shape))
    wanted = relative_vorticity(u[:, columns], v[:, columns], joined)
    np.testing.assert_array_equal(relative_vorticity(u, v, torn)[:, columns], wanted)
