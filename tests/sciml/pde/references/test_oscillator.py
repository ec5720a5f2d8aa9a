"""The oscillator against its resonance, its refinement and the energy that damping takes."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.pde.references.oscillator import oscillator


def test_it_obeys_newton() -> None:
    """By central differences of the displacement."""
    step = 1e-3
    t = step * np.arange(4001)
    y, force = oscillator(t, 2.0, 1.2, 80.0).T
    acceleration, speed = (y[2:] - 2 * y[1:-1] + y[:-2]) / step**2, (y[2:] - y[:-2]) / (2 * step)
    left = 2 * acceleration + 1.2 * speed + 80 * y[1:-1] - force[1:-1]
    # of second order: rates of up to 9 rad/s to the fourth, times step^2 / 12 and 2 kg of 0.2 m
    assert np.abs(left).max() < 1e-3
    assert y[0] == pytest.approx(0.05) and speed[0] == pytest.approx(0, abs=0.02)


def test_tolerance_is_kept() -> None:
    t = np.linspace(0, 6, 50)
    best = oscillator(t, 2.0, 1.2, 80.0)
    assert np.abs(best - oscillator(t, 2.0, 1.2, 80.0, tolerance=1e-9)).max() < 1e-8
    assert np.abs(best - oscillator(t, 2.0, 1.2, 80.0, tolerance=1e-3)).max() > 1e-8


def test_constants_that_are_not_positive_are_refused() -> None:
    with pytest.raises(UserError, match="mass"):
        oscillator(np.linspace(0, 1, 3), 0.0, 1.0, 1.0)
