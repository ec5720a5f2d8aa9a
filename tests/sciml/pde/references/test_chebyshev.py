"""Exact on polynomials of the degree that the points carry, and on others as fast as spectral methods are."""

from __future__ import annotations

import numpy as np

from sciml.pde.references.chebyshev import differentiation, interpolation, points_of


def test_points_ascend_from_0_to_1_and_are_symmetric() -> None:
    x = points_of(8)
    assert x[0] == 0 and x[-1] == 1 and (np.diff(x) > 0).all()
    np.testing.assert_allclose(x, 1 - x[::-1], rtol=0, atol=1e-16)
    np.testing.assert_allclose(x, (1 - np.cos(np.pi * np.arange(8) / 7)) / 2, atol=1e-15)


def test_polynomials_are_differentiated_and_interpolated_exactly() -> None:
    x, at = points_of(8), np.array([0.0, 0.123, points_of(8)[3], 0.9])
    for degree in range(8):
        np.testing.assert_allclose(differentiation(8) @ x**degree, degree * x ** max(degree - 1, 0), atol=1e-12)
        np.testing.assert_allclose(interpolation(8, at) @ x**degree, at**degree, atol=1e-14)
    # at a point itself, its value and nothing else
    assert interpolation(8, at)[2].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]


def test_a_smooth_function_converges_beyond_any_order() -> None:
    errors = []
    for n in (8, 16, 24):
        x = points_of(n)
        errors.append(np.abs(differentiation(n) @ np.sin(6 * x) - 6 * np.cos(6 * x)).max())
    assert errors[0] > 1e-3 > 1e-7 > errors[1] and errors[2] < 1e-11
