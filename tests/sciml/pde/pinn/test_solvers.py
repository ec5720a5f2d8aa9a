"""Solvers by name: what each makes of a grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from sciml.pde.pinn.solvers import find_solver


def test_a_bubble_rebounds_where_its_energy_says():
    """The work of the liquid, (1 - r^3) / 3, is what compresses the gas: gas (r^(-3 (k - 1)) - 1) / (3 (k - 1))."""
    found = find_solver("bubble-collapse").solve({"t": np.linspace(0, 2.5, 2001)}, {"gas": 0.1}, {})
    least = brentq(lambda r: 0.1 * (r**-1.2 - 1) / 1.2 - (1 - r**3) / 3, 0.05, 0.9)
    # the step of the grid beside the smallest radius
    assert found.min() == pytest.approx(least, rel=1e-4)


def test_a_cavity_has_the_speed_of_its_lid_but_none_in_the_corners():
    line = np.linspace(0, 1, 5)
    found = find_solver("cavity").solve({"x": line, "y": line}, {"viscosity": 0.01}, {"points": 21})
    np.testing.assert_array_equal(found[1:-1, -1], [[1, 0]] * 3)
    assert np.isnan(found[[0, -1], -1]).all() and np.isfinite(found[:, :-1]).all()


def test_disks_have_no_values_inside():
    line = np.linspace(-0.5, 0.5, 11)
    (found,) = np.moveaxis(find_solver("laplace-four-disks").solve({"x": line, "y": line}, {}, {"degree": 32}), -1, 0)
    assert np.isnan(found[8, 8]) and np.isfinite(found[5, 5])
    np.testing.assert_allclose(found[[0, -1]], 1, atol=1e-4)
    np.testing.assert_allclose(found, found.T, atol=1e-4)
