"""Classes of colour: round, symmetric about zero, and never without a class for a value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sciml.weather.map_scales import Scale, difference_scale, error_scale, field_scale

FIELDS = arrays(np.float64, (3, 4), elements=st.floats(-1e6, 1e6) | st.just(np.nan))


@given(FIELDS)
def test_differences_are_symmetric_about_zero(field: np.ndarray) -> None:
    scale = difference_scale(field)
    np.testing.assert_array_equal(scale.edges, -scale.edges[::-1])
    assert len(scale.colours) % 2 == 1, "zero has a colour of its own"
    middle = len(scale.colours) // 2
    assert scale.classes(np.zeros(1))[0] == middle + 1


@given(FIELDS)
def test_every_value_has_a_colour(field: np.ndarray) -> None:
    for scale in (difference_scale(field), error_scale(np.abs(field)), field_scale(field)):
        classes = scale.classes(field)
        assert ((classes == 0) == np.isnan(field)).all()
        assert classes.max() <= len(scale.colours)
        # of 4 bits a pixel, one is no colour at all
        assert len(scale.colours) < 16
        assert all(len(f"{edge:g}") <= 10 for edge in scale.edges)


def test_errors_begin_at_zero_and_darken() -> None:
    scale = error_scale(np.linspace(0, 8.3, 50))
    assert scale.edges[0] == 0
    light = [sum(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in scale.colours]
    assert light == sorted(light, reverse=True)


def test_zero_is_nearly_white() -> None:
    colours = difference_scale(np.array([-1.0, 1.0])).colours
    assert all(int(colours[len(colours) // 2][i : i + 2], 16) > 240 for i in (1, 3, 5))


def test_an_outlier_does_not_stretch_the_scale() -> None:
    field = np.append(np.linspace(-1, 1, 1000), 1e5)
    assert difference_scale(field).edges[-1] == 1.0


def test_edges_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascending edges"):
        Scale(np.array([1.0, 0.0]), ("#000000",) * 3)
