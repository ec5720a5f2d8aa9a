"""Minima, contours and refined positions on every kind of grid."""

import numpy as np
import pytest

from sciml.weather.cyclones.sphere import great_circle_deg
from sciml.weather.cyclones.windows import contour_closes, local_minima, refined_minimum, rises_around, window
from sciml.weather.grid import Grid, gauss_legendre

GLOBE = Grid(np.linspace(-90, 90, 91), np.arange(0.0, 360.0, 2.0))
GAUSSIAN = Grid(np.degrees(np.arcsin(gauss_legendre(64)[0])), np.arange(0.0, 360.0, 360 / 128))
REGION = Grid(np.arange(-10.0, 31.0), np.arange(-20.0, 41.0))


def bowl(grid: Grid, latitude: float, longitude: float) -> np.ndarray:
    """Grows with the distance from a point, 1 a degree squared."""
    return np.asarray(great_circle_deg(latitude, longitude, grid.latitude[:, None], grid.longitude[None, :])) ** 2


@pytest.mark.parametrize("grid", [GLOBE, GAUSSIAN])
@pytest.mark.parametrize("place", [(15.3, 140.2), (-20.7, 359.6), (10.0, 0.7), (88.7, 76.6), (-89.2, 200.0)])
def test_one_minimum_and_its_contour_across_seam_and_pole(grid: Grid, place: tuple[float, float]):
    field = bowl(grid, *place)
    ((row, column),) = local_minima(field, grid).tolist()
    centre = float(grid.latitude[row]), float(grid.longitude[column])
    part = window(grid, *centre, 12.0)
    start = int(np.flatnonzero(part.rows == row)[0]), int(np.flatnonzero(part.columns == column)[0])
    # the region within 8 degrees of a bowl whose bottom is up to a spacing away
    assert contour_closes(part.of(field) - 64.0, start, 12.0, part)
    assert not contour_closes(part.of(field) - 64.0, start, 5.0, part)


def test_a_window_has_all_points_within_its_radius_and_those_beside():
    for latitude, longitude in ((0.0, 1.0), (52.0, 359.0), (86.0, 120.0)):
        part = window(GLOBE, latitude, longitude, 6.0)
        everywhere = great_circle_deg(latitude, longitude, GLOBE.latitude[:, None], GLOBE.longitude[None, :])
        assert (part.distance_deg <= 6.0).sum() == (everywhere <= 6.0).sum()
        np.testing.assert_allclose(part.of(np.asarray(everywhere)), part.distance_deg)


def test_a_region_ends_at_its_edges():
    field = bowl(REGION, 29.5, 10.0)
    assert not len(local_minima(field, REGION))
    field = bowl(REGION, 27.0, 10.0)
    ((row, column),) = local_minima(field, REGION).tolist()
    part = window(REGION, 27.0, 10.0, 8.0)
    start = int(np.flatnonzero(part.rows == row)[0]), int(np.flatnonzero(part.columns == column)[0])
    assert contour_closes(part.of(field) - 2.5**2, start, 8.0, part)
    # four degrees around 27 N are not all in the region: nobody knows whether the contour closes
    assert not contour_closes(part.of(field) - 4.5**2, start, 8.0, part)


def test_a_region_across_greenwich_ends_at_the_gap_in_its_longitudes():
    grid = Grid(np.arange(-10.0, 31.0), np.concatenate([np.arange(0.0, 41.0), np.arange(340.0, 360.0)]))
    for longitude, margin in ((359.0, 19), (0.0, 20), (38.0, 2), (342.0, 2)):
        field = bowl(grid, 10.0, longitude)
        ((row, column),) = local_minima(field, grid).tolist()
        part = window(grid, 10.0, longitude, 8.0)
        assert len(part.columns) < 30
        start = int(np.flatnonzero(part.rows == row)[0]), int(np.flatnonzero(part.columns == column)[0])
        closed = contour_closes(part.of(field) - 5.0**2, start, 8.0, part)
        assert closed == (margin > 5)
        assert rises_around(field, grid, row, column, 5.0**2, 8.0) == closed


def test_a_trough_has_no_closed_contour():
    field = bowl(GLOBE, 20.0, 180.0)
    field[:, 90] = -0.01 * np.abs(np.arange(91) - 55)  # a valley that leads away, down hill
    part = window(GLOBE, 20.0, 180.0, 6.0)
    start = int(np.flatnonzero(part.rows == 55)[0]), int(np.flatnonzero(part.columns == 90)[0])
    assert not contour_closes(part.of(field) - 4.0, start, 6.0, part)


def test_missing_values_are_no_minima_and_close_nothing():
    field = bowl(GLOBE, 20.0, 180.0)
    field[55, 92] = np.nan
    assert local_minima(field, GLOBE).tolist() == [[55, 90]]
    part = window(GLOBE, 20.0, 180.0, 6.0)
    start = int(np.flatnonzero(part.rows == 55)[0]), int(np.flatnonzero(part.columns == 90)[0])
    assert contour_closes(part.of(field) - 6.0, start, 6.0, part)
    field[55, 91:98] = np.nan
    assert not contour_closes(part.of(field) - 6.0, start, 6.0, part)


@pytest.mark.parametrize("place", [(15.4, 140.9), (-20.9, 359.3), (50.7, 0.2), (85.1, 30.7)])
def test_a_parabola_is_refined_to_its_bottom(place: tuple[float, float]):
    field = bowl(GLOBE, *place)
    row, column = local_minima(field, GLOBE)[0].tolist()
    found = refined_minimum(field, GLOBE, row, column)
    # a square of distances on the sphere is not quite a quadratic in the plane: a hundredth of the spacing at most
    assert float(great_circle_deg(*place, *found)) < 0.02


def test_a_plateau_is_one_minimum_and_stays_at_its_grid_point():
    field = np.zeros(GLOBE.shape)
    assert len(local_minima(field, GLOBE)) == 1
    assert len(local_minima(np.full(GLOBE.shape, np.nan), GLOBE)) == 0
    assert refined_minimum(field, GLOBE, 50, 40) == (GLOBE.latitude[50], GLOBE.longitude[40])


def test_a_contour_that_opens_on_the_far_side_of_the_pole_only():
    row, columns = {lat: 45 + lat // 2 for lat in (60, 70, 80, 84, 90)}, np.arange(180)
    part = window(GLOBE, 80.0, 0.0, 25.0)
    start = int(np.flatnonzero(part.rows == row[80])[0]), int(np.flatnonzero(part.columns == 0)[0])
    # eastwards along 80 N, over the seam of the window at 180 E, and there to the south
    field = np.ones(GLOBE.shape)
    field[row[80], columns <= 91] = -1
    assert contour_closes(part.of(field), start, 25.0, part)
    field[row[60] : row[80], 91] = -1
    assert not contour_closes(part.of(field), start, 25.0, part)
    # up 0 E to the pole, and down 100 E
    part = window(GLOBE, 84.0, 0.0, 15.0)
    start = int(np.flatnonzero(part.rows == row[84])[0]), int(np.flatnonzero(part.columns == 0)[0])
    field = np.ones(GLOBE.shape)
    field[row[84] : row[90], 0] = -1
    field[row[70] : row[90], 50] = -1
    assert contour_closes(part.of(field), start, 15.0, part)
    field[row[90], [0, 50]] = -1
    assert not contour_closes(part.of(field), start, 15.0, part)
