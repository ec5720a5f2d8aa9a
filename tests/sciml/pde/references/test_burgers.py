"""The integrals of Cole and Hopf against themselves, 30 digits, a solver of another kind and the published file."""

from __future__ import annotations

import os
from pathlib import Path

import mpmath
import numpy as np
import pytest
import scipy.io

from sciml.core.errors import UserError
from sciml.pde.references.burgers import burgers_cole_hopf
from sciml.pde.solvers.burgers import solve_burgers

VISCOSITY = 0.01 / np.pi
FILE = Path(os.environ.get("SCIML_DATA", "")) / "pde" / "burgers_shock.mat"


def in_30_digits(x: float, t: float, viscosity: float) -> float:
    """By the trapezoidal rule with five nodes where the code under test has one."""
    with mpmath.workdps(30):
        steepness = 1 / (2 * mpmath.pi * viscosity)
        reach = mpmath.sqrt(2 * steepness + 70)
        above = below = mpmath.mpf(0)
        for z in mpmath.linspace(-reach, reach, 3001):
            y = mpmath.mpf(x) - mpmath.sqrt(4 * mpmath.mpf(viscosity) * t) * z
            weight = mpmath.exp(-(z**2) - steepness * (1 + mpmath.cos(mpmath.pi * y)))
            above += mpmath.sin(mpmath.pi * y) * weight
            below += weight
        return float(-above / below)


@pytest.mark.parametrize("viscosity", [VISCOSITY, 1e-4])
@pytest.mark.parametrize(("x", "t"), [(0.003, 1.0), (-0.05, 0.1), (0.001, 0.45), (0.9, 0.99)])
def test_it_is_right_to_14_digits(x: float, t: float, viscosity: float) -> None:
    found = burgers_cole_hopf(np.array([x]), np.array([t]), viscosity)
    assert found[0, 0] == pytest.approx(in_30_digits(x, t, viscosity), abs=1e-14)


def test_twice_the_nodes_change_nothing() -> None:
    x, t = np.linspace(-1, 1, 101), np.linspace(0, 1, 11)
    found = burgers_cole_hopf(x, t, VISCOSITY)
    np.testing.assert_allclose(found, burgers_cole_hopf(x, t, VISCOSITY, nodes_to_a_width=8), rtol=0, atol=1e-14)
    # a quarter of them is too few, so that the figure is of the quadrature
    assert np.abs(found - burgers_cole_hopf(x, t, VISCOSITY, nodes_to_a_width=1)).max() > 1e-10
    np.testing.assert_array_equal(found[0], -np.sin(np.pi * x))


def test_nodes_are_enough_for_a_steep_wave_and_a_long_time() -> None:
    x, t = np.linspace(-1, 1, 41), np.array([0.1, 3.0])
    found = burgers_cole_hopf(x, t, 0.05, 20.0)
    np.testing.assert_allclose(found, burgers_cole_hopf(x, t, 0.05, 20.0, 12), rtol=0, atol=20 * 1e-14)


def test_a_fourier_solver_finds_the_same() -> None:
    """With X = (x + 1) / 2 and w = u / 2 it is Burgers of period one with a quarter of the viscosity."""
    points = np.arange(256) / 256
    amplitude, viscosity, times = 1.5, 0.05, [0.0, 0.3, 1.0]
    w = solve_burgers(amplitude / 2 * np.sin(2 * np.pi * points)[None], viscosity / 4, times, 1e-3)[0]
    found = burgers_cole_hopf(2 * points - 1, np.array(times), viscosity, amplitude)
    np.testing.assert_allclose(found, 2 * w, rtol=0, atol=1e-9)


@pytest.mark.skipif(not FILE.is_file(), reason="needs pde/burgers_shock.mat below $SCIML_DATA")
def test_it_agrees_with_the_file_of_raissi_and_others() -> None:
    data = scipy.io.loadmat(FILE)
    found = burgers_cole_hopf(data["x"][:, 0], data["t"][:, 0], VISCOSITY)
    np.testing.assert_allclose(found, data["usol"].T, rtol=0, atol=1e-10)


def test_what_cannot_be_is_refused() -> None:
    x = np.array([0.5])
    with pytest.raises(UserError, match="viscosity"):
        burgers_cole_hopf(x, x, 0.0)
    with pytest.raises(UserError, match="times of at least 0"):
        burgers_cole_hopf(x, -x, 0.1)
