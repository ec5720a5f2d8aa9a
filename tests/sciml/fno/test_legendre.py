"""Legendre functions against scipy's harmonics, and rules that integrate them exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import roots_legendre, sph_harm_y

from sciml.core.errors import UserError
from sciml.fno.grids import SphereKind
from sciml.fno.legendre import (
    MOST_DEGREES,
    analysis_matrix,
    area_weights,
    degrees_carried,
    latitudes_rad,
    legendre_functions,
)

KINDS: tuple[SphereKind, ...] = ("gauss-legendre", "equiangular", "equiangular-offset")


def test_functions_are_those_of_scipy() -> None:
    degrees, latitude = 60, np.linspace(-np.pi / 2, np.pi / 2, 13)
    ours = legendre_functions(latitude, degrees, degrees)
    l, m = np.meshgrid(np.arange(degrees), np.arange(degrees))  # noqa: E741
    theirs = sph_harm_y(l[..., None], m[..., None], np.pi / 2 - latitude, 0.0).real
    # values to 5, whose recurrences both lose some digits
    assert np.abs(ours - np.where((l >= m)[..., None], theirs, 0.0)).max() < 1e-13


def test_functions_of_high_degree_keep_the_addition_theorem() -> None:
    """At any point the squares of all orders of a degree sum to (2 l + 1) / (4 pi); scipy has NaN for this degree."""
    # cos(latitude)^m falls to 1e-250 on the way to functions of order 1
    functions = legendre_functions(np.array([0.1, 1.2, 1.4]), 900, 900)
    sums = 2 * (functions**2).sum(0) - functions[0] ** 2
    # rounding, times the degree
    np.testing.assert_allclose(4 * np.pi * sums, np.repeat(2 * np.arange(900.0)[:, None] + 1, 3, 1), rtol=1e-11)


def test_more_degrees_than_numbers_carry_are_refused() -> None:
    with pytest.raises(UserError, match=f"at most {MOST_DEGREES} degrees, but 2000 are asked"):
        legendre_functions(np.zeros(1), 2000, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("latitudes", [4, 5, 32, 33])
def test_analysis_is_the_inverse_of_synthesis_up_to_the_last_degree(kind: SphereKind, latitudes: int) -> None:
    degrees = degrees_carried(kind, latitudes)
    into = analysis_matrix(kind, latitudes, degrees, degrees)
    values = legendre_functions(latitudes_rad(kind, latitudes), degrees, degrees)
    # degrees of float64's 1e-16, through the recurrence twice
    for m in range(degrees):
        product = 2 * np.pi * into[m] @ values[m].T
        np.testing.assert_allclose(product[m:, m:], np.eye(degrees - m), atol=2e-14)


@pytest.mark.parametrize("latitudes", [2, 7, 64])
def test_gauss_latitudes_and_weights_are_those_of_scipy(latitudes: int) -> None:
    points, weights = roots_legendre(latitudes)
    np.testing.assert_allclose(np.sin(latitudes_rad("gauss-legendre", latitudes)), points, atol=1e-15)
    # scipy's weights next to the poles are good to 1e-12 of themselves
    np.testing.assert_allclose(area_weights("gauss-legendre", latitudes), weights / 2, rtol=1e-11)


def test_equiangular_weights_are_the_rules_of_clenshaw_curtis_and_fejer() -> None:
    n = 9
    # Waldvogel 2006, doi:10.1007/s10543-006-0045-4, equations 2.2 and 2.4
    j = np.arange(1, n // 2 + 1)
    colatitude = np.pi / 2 - latitudes_rad("equiangular-offset", n)
    fejer = 2 / n * (1 - 2 * (np.cos(2 * np.outer(colatitude, j)) / (4 * j**2 - 1)).sum(1))
    np.testing.assert_allclose(area_weights("equiangular-offset", n), fejer / 2, atol=1e-15)
    intervals = n - 1
    j = np.arange(1, intervals // 2 + 1)
    b, ends = np.where(2 * j == intervals, 1, 2), np.where(np.arange(n) % intervals == 0, 1, 2)
    angle = np.pi * np.arange(n) / intervals
    rule = ends / intervals * (1 - (b / (4 * j**2 - 1) * np.cos(2 * np.outer(angle, j))).sum(1))
    np.testing.assert_allclose(area_weights("equiangular", n), rule / 2, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_area_weights_are_positive_and_symmetric(kind: SphereKind) -> None:
    weights = area_weights(kind, 24)
    assert weights.min() > 0
    np.testing.assert_allclose(weights.sum(), 1.0, atol=1e-15)
    np.testing.assert_allclose(weights, weights[::-1], rtol=1e-12)
