"""Settings of the field: against published files, and defaults against finer ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
import scipy.io

from sciml.pde.references.evolution import (
    allen_cahn,
    korteweg_de_vries,
    kuramoto_sivashinsky,
    kuramoto_sivashinsky_chaotic,
)
from sciml.pde.references.timing import relative_error

FOLDER = Path(os.environ.get("SCIML_DATA", "")) / "pde"


@pytest.mark.skipif(
    not (FOLDER / "KS.mat").is_file(), reason="needs AC.mat, KdV.mat and KS.mat in pde below $SCIML_DATA"
)
@pytest.mark.parametrize(
    ("file", "solve", "step", "within"),
    [
        # the file has 512 points, which leave 1e-3 of the kink at early times and 1e-6 at the last
        ("AC", allen_cahn, 1e-3, 2e-5),
        ("KdV", korteweg_de_vries, 2.5e-4, 1e-10),
        ("KS", kuramoto_sivashinsky, 2.5e-4, 2e-10),
    ],
)
def test_published_files_are_met(file: str, solve: Callable[..., np.ndarray], step: float, within: float) -> None:
    data = scipy.io.loadmat(FOLDER / f"{file}.mat")
    found = solve(data["x"][0], data["tt"][0], step=step)
    assert relative_error(data["uu"].T, found) < within


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solve", "lower", "upper", "points", "step", "within"),
    [
        (allen_cahn, -1.0, 1.0, 4096, 1.25e-4, 1e-11),
        (korteweg_de_vries, -1.0, 1.0, 512, 5e-5, 2e-12),
        (kuramoto_sivashinsky, -1.0, 1.0, 512, 5e-5, 1e-11),
        (kuramoto_sivashinsky_chaotic, 0.0, 2 * np.pi, 512, 1.25e-5, 1e-9),
    ],
)
def test_defaults_are_converged_as_they_say(
    solve: Callable[..., np.ndarray], lower: float, upper: float, points: int, step: float, within: float
) -> None:
    x, t = np.linspace(lower, upper, 257), np.linspace(0, 1, 11)
    assert relative_error(solve(x, t), solve(x, t, points=points, step=step)) < within


def test_parameters_arrive() -> None:
    """A bubble of Allen-Cahn relaxes faster at a higher rate; without a steepening waves of KdV only turn."""
    x, t = np.linspace(-1, 1, 9), np.array([0.1])
    np.testing.assert_allclose(
        korteweg_de_vries(x, t, 0.0, 0.02, points=32, step=0.1)[0],
        np.cos(np.pi * x + 0.02 * np.pi**3 * 0.1),
        atol=1e-13,
    )
    slow, fast = (allen_cahn(x, t, 1e-3, rate, points=128, step=0.01) for rate in (1.0, 5.0))
    # both wells attract: what is far from them moves outwards
    assert (np.abs(fast) >= np.abs(slow) - 1e-3).all() and np.abs(fast - slow).max() > 0.05
    decayed = kuramoto_sivashinsky(x, t, 0.0, 0.2, 0.01, points=16, step=0.1)
    np.testing.assert_allclose(
        decayed[0], -np.sin(np.pi * x) * np.exp(0.1 * (0.2 * np.pi**2 - 0.01 * np.pi**4)), atol=1e-13
    )


def test_allen_cahn_without_a_rate_is_heat() -> None:
    """The first wave of x^2 cos(pi x), by quadrature, decays alone."""
    first, _ = scipy.integrate.quad(lambda x: (x * np.cos(np.pi * x)) ** 2, -1, 1)
    x = -1 + np.arange(64) / 32
    found = allen_cahn(x, np.array([1.0]), 0.05, 0.0, points=128, step=0.5)[0]
    # modes beyond the 32nd have decayed to nothing, so that the sum is exact
    assert found @ np.cos(np.pi * x) / 32 == pytest.approx(first * np.exp(-0.05 * np.pi**2), rel=1e-10)


def test_the_chaotic_setting_obeys_its_equation() -> None:
    x, t = 2 * np.pi * np.arange(128) / 128, 1e-3 * np.arange(7)
    u = kuramoto_sivashinsky_chaotic(x, t, step=1e-4)
    np.testing.assert_array_equal(u[0], np.cos(x) * (1 + np.sin(x)))
    in_time = np.polynomial.Polynomial.fit(t, u[:, 5], 6).deriv()(t[3])

    def derivative(order: int) -> np.ndarray:
        return np.fft.irfft((1j * np.arange(65)) ** order * np.fft.rfft(u[3]))

    terms = 100 / 16 * u[3] * derivative(1) + 100 / 16**2 * derivative(2) + 100 / 16**4 * derivative(4)
    assert in_time == pytest.approx(-terms[5], rel=1e-6)
