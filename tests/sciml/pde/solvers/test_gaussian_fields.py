from __future__ import annotations

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.pde.solvers.gaussian_fields import neumann_field, periodic_field, random_stream

SAMPLES = 400


def noise(*shape: int) -> np.ndarray:
    return np.random.RandomState(7).normal(size=shape)


def test_the_spectrum_of_periodic_fields_in_one_dimension_is_that_of_the_covariance():
    fields = np.stack([periodic_field(one, 625.0, 5.0, 2.0) for one in noise(SAMPLES, 64)])
    power = (np.abs(np.fft.fft(fields) / 64) ** 2).mean(axis=0)
    k = 2 * np.pi * np.arange(1, 21)
    # the mean over 400 squares of complex normal numbers is off by 5 % (one sigma); five sigma for 20 modes
    np.testing.assert_allclose(power[1:21], 625 / (k**2 + 25) ** 2, rtol=0.25)
    assert power[0] < 1e-30 and power[32] < 1e-30


def test_the_variance_of_periodic_fields_in_two_dimensions_is_the_sum_of_the_eigenvalues():
    fields = np.stack([periodic_field(one, 343.0, 7.0, 2.5) for one in noise(SAMPLES, 32, 32)])
    kx, ky = np.meshgrid(np.arange(-15, 16), np.arange(-15, 16))
    eigenvalues = 343 / (4 * np.pi**2 * (kx**2 + ky**2) + 49) ** 2.5
    eigenvalues[15, 15] = 0
    # eight modes share most of the variance: 400 samples give it to 3 %, five sigma
    assert fields.var() == pytest.approx(eigenvalues.sum(), rel=0.15)
    np.testing.assert_allclose(fields.mean(axis=(1, 2)), 0, atol=1e-14)


def test_neumann_fields_are_sums_of_cosines_with_the_roots_of_the_eigenvalues():
    normal = noise(4, 4)
    field = neumann_field(normal, 9, 2.0, 3.0, 2.0)
    x = np.linspace(0, 1, 9)
    expected = np.zeros((9, 9))
    for i in range(4):
        for j in range(4):
            if i == j == 0:
                continue
            norm = (np.sqrt(2) if i else 1) * (np.sqrt(2) if j else 1)
            root = np.sqrt(2.0) / (np.pi**2 * (i**2 + j**2) + 9)
            expected += normal[i, j] * root * norm * np.outer(np.cos(np.pi * i * x), np.cos(np.pi * j * x))
    np.testing.assert_allclose(field, expected, atol=1e-14)


def test_a_neumann_field_is_the_same_on_finer_points():
    normal = noise(20, 20)
    coarse, fine = (neumann_field(normal, points, 1.0, 3.0, 2.0) for points in (41, 81))
    np.testing.assert_allclose(fine[::2, ::2], coarse, atol=1e-13)


def test_samples_have_random_numbers_of_their_own():
    first = random_stream(1, "train", 0).normal(size=4)
    np.testing.assert_array_equal(first, random_stream(1, "train", 0).normal(size=4))
    for other in (random_stream(1, "test", 0), random_stream(1, "train", 1), random_stream(2, "train", 0)):
        assert (first != other.normal(size=4)).all()


@pytest.mark.parametrize(
    ("variance", "tau", "alpha"), [(0.0, 1.0, 2.0), (1.0, -1.0, 2.0), (1.0, 1.0, 1.0), (np.nan, 1.0, 2.0)]
)
def test_a_covariance_that_cannot_be_is_refused(variance: float, tau: float, alpha: float):
    with pytest.raises(UserError, match="variance > 0, tau > 0 and alpha > 1"):
        periodic_field(noise(8, 8), variance, tau, alpha)


def test_more_cosines_than_points_can_tell_apart_are_refused():
    with pytest.raises(UserError, match="at least 9 points"):
        neumann_field(noise(8, 8), 8, 1.0, 3.0, 2.0)
