"""Distances and directions against vectors, by construction, and against huracanpy's geodesics."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sciml.weather.cyclones.sphere import (
    along_and_cross_km,
    direction_deg,
    displaced,
    from_unit_vectors,
    great_circle_deg,
    great_circle_km,
    unit_vectors,
)
from sciml.weather.grid import EARTH_RADIUS_KM

latitudes = st.floats(-89.0, 89.0)
longitudes = st.floats(-180.0, 360.0)


@given(latitudes, longitudes, latitudes, longitudes)
def test_the_angle_is_that_between_unit_vectors(a: float, b: float, c: float, d: float):
    cross = np.linalg.norm(np.cross(unit_vectors(a, b), unit_vectors(c, d)))
    angle = np.degrees(np.arctan2(cross, unit_vectors(a, b) @ unit_vectors(c, d)))
    # near antipodes the haversine formula loses half of the digits
    np.testing.assert_allclose(great_circle_deg(a, b, c, d), angle, atol=1e-5)


@given(latitudes, longitudes, st.floats(0.0, 360.0), st.floats(1.0, 19000.0))
def test_a_displacement_is_found_again(latitude: float, longitude: float, direction: float, distance_km: float):
    there = displaced(latitude, longitude, direction, distance_km)
    np.testing.assert_allclose(great_circle_km(latitude, longitude, *there), distance_km, rtol=1e-6)
    turned = (direction_deg(latitude, longitude, *there) - direction + 180) % 360 - 180
    # one part in 1e9 of the position, seen from 1 km away
    np.testing.assert_allclose(turned, 0, atol=1e-3)
    assert 0 <= there[1] < 360


@given(latitudes, longitudes)
def test_vectors_and_back(latitude: float, longitude: float):
    back = from_unit_vectors(3.0 * unit_vectors(latitude, longitude))
    np.testing.assert_allclose(great_circle_deg(latitude, longitude, *back), 0, atol=1e-9)


def test_along_and_cross_are_legs_of_a_right_triangle():
    # go 800 km along a heading of 70 degrees, turn right there, and go 300 km
    foot = displaced(20.0, 300.0, 70.0, 800.0)
    onwards = (direction_deg(*foot, 20.0, 300.0) + 180) % 360
    point = displaced(*foot, onwards + 90, 300.0)
    start = 20.0, 300.0
    along, cross = along_and_cross_km(great_circle_km(*start, *point), direction_deg(*start, *point), 70.0)
    np.testing.assert_allclose([along, cross], [800.0, 300.0], rtol=1e-9)  # rounding
    left = displaced(*foot, onwards - 90, 300.0)
    _, cross = along_and_cross_km(great_circle_km(*start, *left), direction_deg(*start, *left), 70.0)
    np.testing.assert_allclose(cross, -300.0, rtol=1e-9)


def test_the_radius_is_that_of_the_ellipsoid_grs80():
    semi_major_km, flattening = 6378.137, 1 / 298.257222101
    mean_km = semi_major_km * (3 - flattening) / 3
    assert abs(mean_km - EARTH_RADIUS_KM) < 5e-5  # its last digit
