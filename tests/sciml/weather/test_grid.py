"""Latitude-longitude grids: cells cover the sphere once, areas integrate, coordinates of no grid are refused."""

from __future__ import annotations

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.weather.grid import Grid, gauss_legendre

LONGITUDE = np.arange(0.0, 360.0, 30.0)


def gaussian(rows: int) -> np.ndarray:
    return np.degrees(np.arcsin(gauss_legendre(rows)[0]))


GLOBAL = {
    "with poles": np.linspace(-90, 90, 37),
    "without poles": np.linspace(-87.5, 87.5, 36),
    "descending": np.linspace(90, -90, 37),
    "in single precision": np.linspace(-90, 90, 181).astype(np.float32).astype(np.float64),
    "outermost row 0.6 spacings from the pole": np.linspace(-87, 87, 36),
    "gaussian": gaussian(32),
    "gaussian, descending": gaussian(32)[::-1],
    "gaussian, rounded as in files": np.round(gaussian(64), 3),
}


@pytest.mark.parametrize("latitude", GLOBAL.values(), ids=GLOBAL)
def test_global_cells_cover_the_sphere_once(latitude: np.ndarray) -> None:
    grid = Grid(latitude, LONGITUDE)
    assert grid.kind in ("regular", "gaussian")
    assert np.abs(grid.latitude_edges[[0, -1]]).tolist() == [90, 90]
    assert (np.diff(grid.latitude_edges) * np.sign(latitude[-1] - latitude[0]) > 0).all()
    assert (np.diff(grid.longitude_edges) > 0).all()
    assert grid.longitude_edges[-1] - grid.longitude_edges[0] == 360
    assert grid.area_weights().mean() == pytest.approx(1, abs=1e-14)  # rounding of 400 to 2,000 cells
    # each point lies in its cell
    low, high = np.sort([grid.latitude_edges[:-1], grid.latitude_edges[1:]], axis=0)
    assert ((low <= latitude) & (latitude <= high)).all()


@pytest.mark.parametrize("latitude", GLOBAL.values(), ids=GLOBAL)
def test_the_mean_of_sine_squared_of_latitude_is_a_third(latitude: np.ndarray) -> None:
    grid = Grid(latitude, LONGITUDE)
    mean = (grid.area_weights() * np.sin(np.radians(latitude))[:, None] ** 2).mean()
    step = np.radians(np.abs(np.diff(latitude)).max())
    # a row in the middle of its cell is off by half the square of half a step times the second derivative, 2 at most;
    # Gauss-Legendre is exact but for the rounding of the file, half of 1e-3 degrees times the derivative, 1 at most
    gaussian_error = 1e-14 if np.array_equal(np.sort(latitude), gaussian(len(latitude))) else np.radians(5e-4)
    assert mean == pytest.approx(1 / 3, abs=gaussian_error if grid.kind == "gaussian" else step**2 / 4)


def test_the_mean_of_sine_squared_converges_with_the_square_of_the_step() -> None:
    errors = []
    for rows in (18, 36, 72):
        latitude = 180 * (np.arange(rows) + 0.5) / rows - 90
        weights = Grid(latitude, LONGITUDE).area_weights()
        errors.append(abs((weights * np.sin(np.radians(latitude))[:, None] ** 2).mean() - 1 / 3))
    # the next term of the error is of fourth order: 1e-2 of the ratio on the coarsest grid
    assert np.array(errors[:-1]) / errors[1:] == pytest.approx([4, 4], rel=0.02)


@pytest.mark.parametrize("power", [0, 2, 10, 62])
def test_gaussian_areas_integrate_polynomials_of_sine_of_latitude(power: int) -> None:
    latitude = gaussian(32)
    weights = Grid(latitude, LONGITUDE).area_weights()
    mean = (weights * np.sin(np.radians(latitude))[:, None] ** power).mean()
    # exact up to power 2 x 32 - 1; rounding of 32 terms of size 1
    assert mean == pytest.approx(1 / (power + 1), abs=1e-14)


def test_a_region_ends_half_a_step_outwards_and_never_beyond_the_pole() -> None:
    region = Grid(np.array([70.0, 80.0, 88.0]), np.array([350.0, 355.0, 360.0, 365.0]))
    assert region.kind == "regional"
    assert region.latitude_edges.tolist() == [65, 75, 84, 90]
    assert region.longitude_edges.tolist() == [347.5, 352.5, 357.5, 362.5, 367.5]


def test_a_band_around_the_earth_is_regional_and_cyclic() -> None:
    band = Grid(np.linspace(-30, 30, 7), LONGITUDE)
    assert (band.kind, band.is_cyclic) == ("regional", True)
    assert band.latitude_edges[[0, -1]].tolist() == [-35, 35]


def test_a_cell_over_a_missing_column_is_not_cyclic() -> None:
    assert not Grid(np.linspace(-90, 90, 7), LONGITUDE[:-1]).is_cyclic


@pytest.mark.parametrize(
    ("latitude", "longitude", "message"),
    [
        ([0.0], LONGITUDE, "at least two finite values of latitude"),
        ([0.0, np.nan], LONGITUDE, "at least two finite values of latitude"),
        ([0.0, 1.0], [3.0], "at least two finite values of longitude"),
        ([0.0, 91.0], LONGITUDE, "latitudes from -90 to 90"),
        ([0.0, 1.0, 1.0], LONGITUDE, "drop repeated rows"),
        ([0.0, 2.0, 1.0], LONGITUDE, "Sort them"),
        ([0.0, 1.0], [0.0, 120.0, 240.0, 360.0], "drop the column that repeats the first"),
        ([0.0, 1.0], [0.0, 90.0, -90.0], "strictly ascending longitudes"),
    ],
)
def test_coordinates_of_no_grid_are_refused(latitude: list[float], longitude: list[float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Grid(np.array(latitude), np.array(longitude))


numbers = st.floats(-400, 400, width=32) | st.sampled_from([np.nan, np.inf, 90.0, -90.0, 0.0, 360.0])
coordinates = hypothesis.extra.numpy.arrays(np.float64, st.integers(0, 6), elements=numbers)


@hypothesis.settings(max_examples=200)
@hypothesis.given(coordinates.map(np.unique) | coordinates, coordinates.map(np.unique))
def test_any_coordinates_make_cells_with_an_area_or_an_error(latitude: np.ndarray, longitude: np.ndarray) -> None:
    try:
        grid = Grid(latitude, longitude)
    except UserError:
        return
    weights = grid.area_weights()
    # two rows that both lie at a pole to single precision have no area; none is negative
    assert (weights >= 0).all() and weights.mean() == pytest.approx(1, abs=1e-12)  # rounding


def test_uneven_columns_are_no_torn_region() -> None:
    grid = Grid(np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0, 3.0]))
    assert grid.longitude_edges.tolist() == [-0.25, 0.25, 0.75, 2.0, 4.0]
    assert grid.area_weights().mean() == pytest.approx(1, abs=1e-12)  # rounding


def test_a_region_across_greenwich_is_one_region() -> None:
    latitude = np.linspace(40, 60, 21)
    torn = Grid(latitude, np.concatenate([np.arange(0.0, 21.0), np.arange(345.0, 360.0)]))
    whole = Grid(latitude, np.arange(-15.0, 21.0))
    assert torn.kind == "regional"
    assert not torn.is_cyclic
    joined, columns = torn.in_one_piece()
    np.testing.assert_array_equal(joined.longitude, whole.longitude)
    np.testing.assert_array_equal(torn.area_weights()[:, columns], whole.area_weights())
    np.testing.assert_array_equal(torn.longitude_widths, 1.0)
