"""Against the exact solution of Cole and Hopf: u = -2 nu phi_x / phi, where phi solves the heat equation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from sciml.core.errors import UserError
from sciml.pde.solvers.burgers import solve_burgers
from sciml.pde.solvers.gaussian_fields import periodic_field


def one_wave(n: int, viscosity: float, time: float) -> np.ndarray:
    """[1, n] u of phi = 1 + 0.9 exp(-4 pi^2 nu t) cos(2 pi x)."""
    x = np.arange(n) / n
    a = 0.9 * np.exp(-4 * np.pi**2 * viscosity * time)
    return (4 * np.pi * viscosity * a * np.sin(2 * np.pi * x) / (1 + a * np.cos(2 * np.pi * x)))[None]


def cole_hopf(initial: np.ndarray, viscosity: float, time: float) -> np.ndarray:
    """[n] u at a time, from a smooth periodic u0 [n] with mean zero."""
    n = len(initial)
    wave = 2j * np.pi * scipy.fft.rfftfreq(n, 1 / n)
    spectrum = scipy.fft.rfft(initial)
    potential = scipy.fft.irfft(np.concatenate([[0], spectrum[1:] / wave[1:]]), n)
    phi = scipy.fft.rfft(np.exp(-potential / (2 * viscosity))) * np.exp(viscosity * (wave**2).real * time)
    return -2 * viscosity * scipy.fft.irfft(wave * phi, n) / scipy.fft.irfft(phi, n)


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def test_random_initial_states_of_the_data_set_end_where_cole_and_hopf_say():
    noise = np.random.RandomState(3).normal(size=(4, 1024))
    initial = np.stack([periodic_field(one, 625.0, 5.0, 2.0) for one in noise])
    found = solve_burgers(initial, 0.1, [0.0, 0.1, 1.0], 0.0025)
    for place, time in ((1, 0.1), (2, 1.0)):
        exact = np.stack([cole_hopf(one, 0.1, time) for one in initial])
        # the error of time steps of the data set's length
        assert relative(found[:, place], exact) < 2e-6


def test_it_is_of_fourth_order_in_time():
    exact = one_wave(128, 0.02, 1.0)
    errors = [
        relative(solve_burgers(one_wave(128, 0.02, 0.0), 0.02, [1.0], step)[:, 0], exact)
        for step in (1 / 8, 1 / 16, 1 / 32)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 3.7).all(), orders


def test_its_error_in_space_falls_faster_than_any_power():
    errors = []
    for n in (16, 32, 64, 128):
        found = solve_burgers(one_wave(n, 0.05, 0.0), 0.05, [0.5], 0.002)[:, 0]
        errors.append(relative(found, one_wave(n, 0.05, 0.5)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    # from 64 points on nothing but the error of the steps is left
    assert orders[0] > 4 and orders[1] > 8 and errors[-1] < 1e-9, errors


def test_the_mean_stays_and_the_extremes_never_grow():
    initial = np.stack([periodic_field(one, 625.0, 5.0, 2.0) for one in np.random.RandomState(5).normal(size=(3, 256))])
    initial += np.array([[0.0], [0.5], [-1.0]])
    times = np.linspace(0, 1, 11).tolist()
    u = solve_burgers(initial, 0.01, times, 0.0025)
    np.testing.assert_allclose(u.mean(axis=-1), np.broadcast_to(initial.mean(axis=-1)[:, None], (3, 11)), atol=1e-14)
    largest = np.abs(u).max(axis=-1)
    # a thousandth for extremes that pass between two points
    assert (np.diff(largest, axis=1) < 1e-3 * largest[:, :-1]).all()


def test_galilean_invariance():
    initial = one_wave(128, 0.05, 0.0)
    # at speed 2 the frame has moved by half of the interval; what is left is the error of the steps
    still, moving = (solve_burgers(initial + speed, 0.05, [0.25], 1 / 1024)[0, 0] for speed in (0.0, 2.0))
    np.testing.assert_allclose(moving - 2, np.roll(still, 64), atol=3e-8)


@pytest.mark.parametrize("viscosity", [0.0, -0.1, np.nan, np.inf])
def test_a_viscosity_that_is_not_positive_is_refused(viscosity: float):
    with pytest.raises(UserError, match="viscosity needs to be a finite number above zero"):
        solve_burgers(one_wave(16, 0.1, 0.0), viscosity, [1.0], 0.1)


def test_a_step_too_long_is_refused_with_one_that_would_do():
    initial = 20 * one_wave(512, 0.02, 0.0)
    with pytest.raises(UserError, match="Take a step of") as caught:
        solve_burgers(initial, 0.001, [1.0], 0.05)
    shorter = float(str(caught.value).split()[-3])
    assert 0 < shorter < 0.05


def test_nan_and_times_between_steps_are_refused():
    initial = np.repeat(one_wave(16, 0.1, 0.0), 3, axis=0)
    with pytest.raises(UserError, match=r"multiple of the step 0\.1"):
        solve_burgers(initial, 0.1, [0.25], 0.1)
    with pytest.raises(UserError, match="ascend"):
        solve_burgers(initial, 0.1, [0.2, 0.1], 0.1)
    initial[1, 3] = np.nan
    with pytest.raises(UserError, match="sample 1 has NaN"):
        solve_burgers(initial, 0.1, [1.0], 0.1)
