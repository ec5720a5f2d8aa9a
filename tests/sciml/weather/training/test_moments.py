"""Moments of pieces add up to those of the whole, whatever the pieces."""

from __future__ import annotations

import functools
import operator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sciml.weather.training.moments import Moments, moments_of, no_moments

WEIGHTS = np.array([[0.5, 0.5, 0.5], [1.5, 1.5, 1.5]])


def close(found: Moments, wanted: Moments) -> None:
    for name in Moments.__dataclass_fields__:
        # float64 sums of some hundred values, in another order
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-10, atol=1e-10, err_msg=name)


@given(seed=st.integers(0, 10**6), cut=st.integers(0, 6), missing=st.floats(0, 1))
def test_pieces_add_up_in_any_order(seed: int, cut: int, missing: float) -> None:
    generator = np.random.default_rng(seed)
    frames = generator.normal(3, 2, (6, 2, 2, 3))
    frames[generator.random(frames.shape) < missing] = np.nan
    pieces = [moments_of(frame, WEIGHTS) for frame in frames]
    left = functools.reduce(operator.add, pieces[:cut], no_moments(2))
    right = functools.reduce(operator.add, pieces[cut:], no_moments(2))
    whole = functools.reduce(operator.add, pieces)
    close(left + right, whole)
    close(right + left, whole)
    for field in range(2):
        values = frames[:, field][there := ~np.isnan(frames[:, field])]
        weights = np.broadcast_to(WEIGHTS, frames[:, field].shape)[there]
        assert whole.values[field] == len(values)
        if len(values):
            mean = np.average(values, weights=weights)
            np.testing.assert_allclose(whole.mean[field], mean, rtol=1e-10)
            np.testing.assert_allclose(
                whole.std[field] ** 2, np.average((values - mean) ** 2, weights=weights), atol=1e-9
            )
            assert (whole.minimum[field], whole.maximum[field]) == (values.min(), values.max())
        else:
            assert np.isnan(whole.std[field]) and whole.minimum[field] == np.inf


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    """Squares of 1e8 have no digit left for a variance of 1 in a sum of squares."""
    frames = 1e8 + np.random.default_rng(0).normal(0, 1, (200, 1, 2, 3))
    whole = functools.reduce(operator.add, (moments_of(frame, WEIGHTS) for frame in frames))
    wanted = np.average((frames - 1e8) ** 2, weights=np.broadcast_to(WEIGHTS, frames.shape)) - (
        np.average(frames - 1e8, weights=np.broadcast_to(WEIGHTS, frames.shape)) ** 2
    )
    # numbers near 1e8 are apart by 1.5e-8 in float64
    np.testing.assert_allclose(whole.std**2, wanted, rtol=1e-6)
