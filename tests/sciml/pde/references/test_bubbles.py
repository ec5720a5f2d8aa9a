"""Rayleigh's collapse by two roads, small oscillations, and the equations of bubbles on what the integrator finds."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import mpmath
import numpy as np
import pytest
import scipy.integrate
import torch
from numpy.polynomial import Polynomial

from sciml.core.errors import UserError
from sciml.pde.references import bubbles
from sciml.pinn.equations.bubbles import Bubble, keller_miksis, rayleigh_plesset

CAVITY = {"equilibrium_radius_m": 1e-3, "density_kg_m3": 1000.0, "gas_pressure_pa": 0.0}
AIR = Bubble(10e-6, 101325.0, 998.0, viscosity_pa_s=1e-3, surface_tension_n_m=0.0725, vapour_pressure_pa=2330.0)
LIQUID = {
    "equilibrium_radius_m": AIR.equilibrium_radius_m,
    "density_kg_m3": AIR.density_kg_m3,
    "gas_pressure_pa": AIR.gas_at_rest_pa,
    "viscosity_pa_s": AIR.viscosity_pa_s,
    "surface_tension_n_m": AIR.surface_tension_n_m,
    "vapour_pressure_pa": AIR.vapour_pressure_pa,
}
OMEGA = 2 * math.pi * 1e5


def driven(time: float) -> float:
    return 101325.0 - 60e3 * math.sin(OMEGA * time)


def driven_rate(time: float) -> float:
    return -60e3 * OMEGA * math.cos(OMEGA * time)


def test_rayleighs_factor_by_quadrature() -> None:
    """T = R0 (3 density / (2 overpressure))^(1/2) times the integral of x^(3/2) (1 - x^3)^(-1/2) from 0 to 1."""
    # x = cos(a)^2, with which 1 - x^3 = sin(a)^2 (3 - 3 sin(a)^2 + sin(a)^4), is smooth at both ends
    integral, _ = scipy.integrate.quad(
        lambda a: 2 * math.cos(a) ** 4 / math.sqrt(3 - 3 * math.sin(a) ** 2 + math.sin(a) ** 4), 0, math.pi / 2
    )
    assert math.sqrt(1.5) * integral == pytest.approx(bubbles.RAYLEIGH_FACTOR, rel=1e-12)
    assert bubbles.collapse_time_s(2e-3, 4e5, 1000.0) == pytest.approx(0.914681 * 1e-4, rel=1e-6)


def test_rayleighs_collapse_is_the_inverse_of_its_integral() -> None:
    """In 30 digits; an error in time is one in radius times the speed."""
    fractions = np.array([0.01, 0.3, 0.7, 0.99, 0.9999])
    with mpmath.workdps(30):
        whole = mpmath.beta(mpmath.mpf(5) / 6, 0.5) / mpmath.sqrt(6)
        for r, fraction in zip(
            bubbles.rayleigh_collapse_m(fractions * float(whole), 1.0, 1.0, 1.0), fractions, strict=True
        ):
            x = mpmath.mpf(float(r))
            passed = whole * (1 - mpmath.betainc(mpmath.mpf(5) / 6, 0.5, 0, x**3, regularized=True))
            error = (passed - float(fraction) * whole) * mpmath.sqrt(mpmath.mpf(2) / 3 * (x**-3 - 1))
            assert abs(error) < 1e-13
    ends = bubbles.rayleigh_collapse_m(np.array([0.0, 1.0]), 3e-3, 1e5, 1000.0)
    assert ends.tolist() == [3e-3, 0.0]


def test_the_integrator_follows_rayleighs_collapse() -> None:
    t = np.linspace(0, 0.999, 50) * bubbles.collapse_time_s(1e-3, 1e5, 1000.0)
    found = bubbles.bubble_radius_m(t, 1e-3, 0.0, lambda t: 1e5, **CAVITY)
    np.testing.assert_allclose(found, bubbles.rayleigh_collapse_m(t, 1e-3, 1e5, 1000.0), rtol=0, atol=1e-14)


@pytest.mark.parametrize("sound_speed", [math.inf, 1481.0])
def test_its_tolerance_is_converged(sound_speed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    t = np.linspace(0, 4 * 2 * math.pi / OMEGA, 200)
    solve = partial(bubbles.bubble_radius_m, t, 10e-6, 0.0, driven, driven_rate, sound_speed, **LIQUID)
    found = solve()
    monkeypatch.setattr(bubbles, "_TOLERANCE", 1e-13)
    np.testing.assert_allclose(found, solve(), rtol=0, atol=1e-11 * 10e-6)
    assert found.max() > 1.3 * 10e-6


@pytest.mark.parametrize(
    ("equation", "sound_speed"),
    [(rayleigh_plesset, math.inf), (partial(keller_miksis, sound_speed_m_s=60.0), 60.0)],
)
def test_the_equations_of_networks_vanish_on_it(equation: Callable[..., torch.Tensor], sound_speed: float) -> None:
    """On a polynomial through one microsecond of it, which the equation can differentiate."""
    t = np.concatenate([[0.0], np.linspace(2e-6, 3e-6, 60)])
    found = bubbles.bubble_radius_m(t, 10e-6, 0.0, driven, driven_rate, sound_speed, **LIQUID)
    through = Polynomial.fit(t[1:] * 1e6, found[1:], 12)
    power = torch.from_numpy(through.convert(domain=[-1, 1], window=[-1, 1]).coef)
    assert np.abs(through(t[1:] * 1e6) - found[1:]).max() < 1e-10 * 10e-6
    times = torch.linspace(2.2e-6, 2.8e-6, 7, dtype=torch.float64)[:, None].requires_grad_()
    radius = sum(c * (times * 1e6) ** k for k, c in enumerate(power))

    def pressure(time: torch.Tensor) -> torch.Tensor:
        return 101325.0 - 60e3 * torch.sin(OMEGA * time)

    residual = equation(times, radius, AIR, pressure)
    assert residual.abs().max() < 1e-5
    assert equation(times, 1.01 * radius, AIR, pressure).abs().min() > 1e-4


def test_small_oscillations_have_minnaerts_frequency() -> None:
    """omega^2 = 3 k p / (density R^2) (Minnaert 1933, Phil. Mag. 16, 235), up to the square of the amplitude."""
    omega = math.sqrt(3 * 1.4 * 101325.0 / 998.0) / 1e-3
    t = np.linspace(0, 2 * math.pi / omega, 21)
    found = bubbles.bubble_radius_m(
        t, 1.0001e-3, 0.0, lambda t: 101325.0, equilibrium_radius_m=1e-3, density_kg_m3=998.0, gas_pressure_pa=101325.0
    )
    np.testing.assert_allclose(found / 1e-3 - 1, 1e-4 * np.cos(omega * t), rtol=0, atol=1e-7)


def test_a_bubble_at_rest_stays() -> None:
    t = np.linspace(0, 1e-4, 5)
    for sound_speed in (math.inf, 1481.0):
        found = bubbles.bubble_radius_m(t, 10e-6, 0.0, lambda t: 101325.0, sound_speed_m_s=sound_speed, **LIQUID)
        np.testing.assert_allclose(found, 10e-6, rtol=1e-12)


def test_sound_damps() -> None:
    t = np.linspace(0, 2e-3, 3000)
    gas = {**CAVITY, "gas_pressure_pa": 1e5}
    quiet, ringing = (
        bubbles.bubble_radius_m(t, 1.2e-3, 0.0, lambda t: 1e5, sound_speed_m_s=c, **gas)[-1000:].max()
        for c in (300.0, math.inf)
    )
    assert quiet < 1.15e-3 and ringing == pytest.approx(1.2e-3, rel=1e-3)


def test_what_cannot_be_is_refused() -> None:
    t = np.linspace(0, 1e-3, 5)
    with pytest.raises(UserError, match="closes before the last time"):
        bubbles.bubble_radius_m(t, 1e-3, 0.0, lambda t: 1e5, **CAVITY)
    with pytest.raises(UserError, match="ascend"):
        bubbles.bubble_radius_m(t[::-1].copy(), 1e-3, 0.0, lambda t: 1e5, **CAVITY)
    with pytest.raises(UserError, match="sound_speed_m_s"):
        bubbles.bubble_radius_m(t, 1e-3, 0.0, lambda t: 1e5, sound_speed_m_s=0.0, **CAVITY)
    with pytest.raises(UserError, match="density"):
        bubbles.collapse_time_s(1.0, 1.0, -1.0)
