"""The general solver against exact solutions, and its order in the step."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.pde.references.burgers import burgers_cole_hopf
from sciml.pde.references.exact import korteweg_de_vries_soliton
from sciml.pde.references.spectral import PeriodicEquation, spectral_evolution

BURGERS = PeriodicEquation(
    -1.0, 1.0, lambda x: -np.sin(np.pi * x), lambda k: -0.05 * k**2 + 0j, flux=lambda u: u**2 / 2
)
X = np.linspace(-0.9, 1.1, 37)


def test_a_linear_equation_is_exact_in_one_step() -> None:
    """u_t + 3 u_x = 0.1 u_xx - 0.02 u_xxx from two waves on an interval that begins anywhere."""
    equation = PeriodicEquation(
        0.3,
        0.3 + 2 * np.pi,
        lambda x: np.sin(x) + np.cos(2 * x) + 0.5,
        lambda k: -3j * k - 0.1 * k**2 + 0.02j * k**3,
    )
    found = spectral_evolution(equation, X, np.array([0.0, 1.0]), 16, 1.0)
    exact = np.exp(-0.1) * np.sin(X - 3 + 0.02) + np.exp(-0.4) * np.cos(2 * (X - 3 + 0.08)) + 0.5
    np.testing.assert_allclose(found[1], exact, rtol=0, atol=1e-13)


def test_a_flux_is_of_fourth_order_and_meets_cole_and_hopf() -> None:
    t = np.array([0.0, 0.5, 1.0])
    exact = burgers_cole_hopf(X, t, 0.05)
    errors = [np.abs(spectral_evolution(BURGERS, X, t, 256, 1 / steps) - exact).max() for steps in (50, 100, 200, 1600)]
    assert (np.log2(np.array(errors[:2]) / errors[1:3]) > 3.7).all(), errors
    assert errors[-1] < 1e-11


def test_few_points_show() -> None:
    t = np.array([0.5])
    exact = burgers_cole_hopf(X, t, 0.05)
    coarse, fine = (np.abs(spectral_evolution(BURGERS, X, t, n, 1e-3) - exact).max() for n in (32, 128))
    assert fine < 1e-8 and coarse > 1e-5


def test_a_reaction_alone_follows_its_ordinary_equation() -> None:
    equation = PeriodicEquation(
        0.0, 1.0, lambda x: 0.3 + 0 * x, lambda k: 2.0 - k**2 + 0j, reaction=lambda u: -2.0 * u**3
    )
    t = np.array([0.25, 1.0])
    found = spectral_evolution(equation, X, t, 8, 1 / 256)
    exact = (1 + (0.3**-2 - 1) * np.exp(-4 * t)) ** -0.5
    np.testing.assert_allclose(found, np.tile(exact[:, None], len(X)), rtol=1e-9)


def test_a_soliton_keeps_its_shape() -> None:
    """With a complex linear part; on a period on which its tails are below 1e-14."""
    equation = PeriodicEquation(
        -20.0,
        20.0,
        lambda x: korteweg_de_vries_soliton(x, np.zeros(1), 4.0)[0],
        lambda k: 1j * k**3,
        flux=lambda u: 3 * u**2,
    )
    x, t = np.linspace(-10, 10, 51), np.array([0.5, 1.0])
    found = spectral_evolution(equation, x, t, 512, 1e-3)
    np.testing.assert_allclose(found, korteweg_de_vries_soliton(x, t, 4.0), rtol=0, atol=1e-8)


def test_what_it_cannot_solve_is_refused() -> None:
    t = np.array([0.0, 1.0])
    for points in (6, 33):
        with pytest.raises(UserError, match=f"even number .* got {points}"):
            spectral_evolution(BURGERS, X, t, points, 0.1)
    with pytest.raises(UserError, match="multiple of the step"):
        spectral_evolution(BURGERS, X, np.array([0.15]), 16, 0.1)
    growing = PeriodicEquation(0.0, 1.0, np.cos, lambda k: 0 * k + 5j, reaction=lambda u: 1e3 * u**3)
    with pytest.raises(UserError, match="blew up"):
        spectral_evolution(growing, X, t, 16, 0.1)
