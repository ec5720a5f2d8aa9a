"""Projections there and back, areas, and lines cut at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.projections import Bounds, Cylindrical, EqualEarth, clip_lines

RANDOM = np.random.default_rng(0)
WORLD = Bounds(-90.0, 90.0, -180.0, 180.0)


@pytest.mark.parametrize("projection", [EqualEarth(), EqualEarth(150.0), Cylindrical(Bounds(20.0, 60.0, 340.0, 400.0))])
def test_inverse_undoes_forward(projection: EqualEarth | Cylindrical) -> None:
    b = projection.bounds
    longitude, latitude = RANDOM.uniform(b.west, b.east, 500), RANDOM.uniform(b.south, b.north, 500)
    back = projection.inverse(*projection.forward(longitude, latitude))
    # Newton's method is exact to rounding away from the poles, where a degree of longitude has no length
    np.testing.assert_allclose(back, (longitude, latitude), atol=1e-6)


def test_the_poles_are_lines_that_come_back() -> None:
    x, y = EqualEarth().forward(np.array([-90.0, 0.0]), np.array([90.0, -90.0]))
    np.testing.assert_allclose(EqualEarth().inverse(x, y)[1], [90.0, -90.0], atol=1e-5)


def test_outside_of_the_globe_is_nothing() -> None:
    half_width, half_height = EqualEarth().half_size
    longitude, latitude = EqualEarth().inverse(np.array([half_width, 0.0]), np.array([half_height, 1.01 * half_height]))
    assert np.isnan(longitude).all()
    assert np.isnan(latitude).all()


def test_equal_earth_keeps_areas() -> None:
    half_width, half_height = EqualEarth().half_size
    x, y = np.meshgrid(np.linspace(-half_width, half_width, 801), np.linspace(-half_height, half_height, 401))
    _, latitude = EqualEarth().inverse(x, y)
    inside = ~np.isnan(latitude)
    # half of the globe lies between 30 S and 30 N, and its area is 4 pi; the outline is counted to a pixel of 800
    assert np.mean(np.abs(latitude[inside]) < 30) == pytest.approx(0.5, abs=5e-3)
    assert inside.mean() * 4 * half_width * half_height == pytest.approx(4 * np.pi, rel=5e-3)


def test_equal_earth_has_its_published_shape() -> None:
    # Savric et al. 2019: width to height 2.05458, and poles of 0.59 the length of the equator
    half_width, half_height = EqualEarth().half_size
    pole = EqualEarth().forward(np.array([180.0]), np.array([90.0]))[0][0]
    assert half_width / half_height == pytest.approx(2.05458, abs=1e-5)
    assert pole / half_width == pytest.approx(0.59, abs=5e-3)


def test_a_line_across_the_edge_is_cut_there() -> None:
    left, right = clip_lines([np.array([[170.0, 0.0], [190.0, 10.0]])], WORLD)
    np.testing.assert_allclose(left, [[-180.0, 5.0], [-170.0, 10.0]])
    np.testing.assert_allclose(right, [[170.0, 0.0], [180.0, 5.0]])


@given(st.lists(st.tuples(st.floats(-400, 800), st.floats(-90, 90)), min_size=2, max_size=8))
def test_what_is_left_of_any_line_lies_inside(points: list[tuple[float, float]]) -> None:
    box = Bounds(-20.0, 40.0, 300.0, 420.0)
    for part in clip_lines([np.array(points)], box):
        assert len(part) >= 2
        assert (part[:, 0] >= 300 - 1e-6).all()
        assert (part[:, 0] <= 420 + 1e-6).all()
        assert (part[:, 1] >= -20 - 1e-6).all()
        assert (part[:, 1] <= 40 + 1e-6).all()


def test_no_length_is_lost_inside() -> None:
    line = np.cumsum(RANDOM.normal(0, 4, (200, 2)), axis=0) + [0.0, 10.0]
    line[:, 1] = np.clip(line[:, 1], -80, 80)
    kept = sum(
        np.hypot(*np.diff(part, axis=0).T).sum() for part in clip_lines([line], Bounds(-80.0, 80.0, -180.0, 180.0))
    )
    assert kept == pytest.approx(np.hypot(*np.diff(line, axis=0).T).sum())


@pytest.mark.parametrize(
    "edges", [(10.0, 0.0, 0.0, 1.0), (0.0, 91.0, 0.0, 1.0), (0.0, 1.0, 5.0, 5.0), (0.0, 1.0, 0.0, 361.0)]
)
def test_bounds_that_are_none(edges: tuple[float, float, float, float]) -> None:
    with pytest.raises(UserError, match="south < north"):
        Bounds(*edges)
