"""The street in the equations of Navier and Stokes, and what an inverse problem has to find of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial import Chebyshev

from sciml.core.errors import UserError
from sciml.pde.references.vortex_street import SIDE, vortex_street

# where vortices of both rows pass
BOX = ((2.0, 4.0), (-1.0, 1.0))
WHEN = 1.0


def test_it_obeys_navier_and_stokes_and_no_other_constants() -> None:
    """By polynomials of degree 16 along x and y and of degree 8 in time, through six places."""
    random = np.random.default_rng(3)
    x, y = (random.uniform(*bounds, size=(6, 1)) for bounds in BOX)
    along = 0.4 * np.cos(np.pi * (np.arange(17) + 0.5) / 17)
    times = WHEN + 0.02 * np.arange(-4, 5)
    places = [np.concatenate([x, x + along, x + 0 * along], 1), np.concatenate([y, y + 0 * along, y + along], 1)]
    fields = vortex_street(places[0].ravel(), places[1].ravel(), times).reshape(9, 6, 35, 3)

    rows, right = [], []
    for place in range(6):
        here = fields[4, place]
        fits = [[Chebyshev.fit(along, here[1 + 17 * axis :][:17, f], 16) for f in range(3)] for axis in (0, 1)]
        by_x, by_y = (np.array([fit.deriv()(0.0) for fit in fits[axis]]) for axis in (0, 1))
        by_t = [Chebyshev.fit(times, fields[:, place, 0, f], 8).deriv()(WHEN) for f in range(2)]
        assert abs(by_x[0] + by_y[1]) < 1e-7
        inertia = here[0, 0] * by_x + here[0, 1] * by_y
        for f, push in ((0, by_x[2]), (1, by_y[2])):
            rows.append([inertia[f], -sum(fits[axis][f].deriv(2)(0.0) for axis in (0, 1))])
            right.append(-by_t[f] - push)
    (of_inertia, viscosity), *_ = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)
    # second derivatives of degree 16 cost some thousand times the solver's 1e-9
    assert of_inertia == pytest.approx(1, rel=1e-6) and viscosity == pytest.approx(0.01, rel=1e-4)


def test_grid_and_step_are_converged() -> None:
    random = np.random.default_rng(4)
    x, y, t = random.uniform(1, 8, 100), random.uniform(-2, 2, 100), np.array([0.0, 2.0])
    found = vortex_street(x, y, t)
    np.testing.assert_allclose(found, vortex_street(x, y, t, grid=256, step=0.01), rtol=0, atol=2e-9)
    assert np.abs(found - vortex_street(x, y, t, grid=64)).max() > 1e-5
    assert found[..., :2].std() > 0.2


def test_vortices_pass_slower_than_the_drift_and_rows_turn_against_each_other() -> None:
    """Each row has its vortices where their pressure is lowest; one wave length on everything is the same."""
    x = np.linspace(0, SIDE / 3, 400, endpoint=False)
    for height, start in ((0.749, 0.0), (-0.749, SIDE / 6)):
        fields = vortex_street(x, np.full_like(x, height), np.array([0.0, 1.0]))
        lowest = x[fields[..., 2].argmin(axis=1)]
        moved = (lowest - [start, start] + SIDE / 6) % (SIDE / 3) - SIDE / 6
        assert abs(moved[0]) < 0.02 and 0.5 < moved[1] < 0.95
    shifted = vortex_street(x + SIDE / 3, np.full_like(x, 0.3), np.array([1.0]))
    np.testing.assert_allclose(shifted, vortex_street(x, np.full_like(x, 0.3), np.array([1.0])), rtol=0, atol=1e-10)
    # between the rows the flow is slowed
    between = vortex_street(x, np.zeros_like(x), np.array([0.0]))[0, :, 0].mean()
    outside = vortex_street(x, np.full_like(x, 2.5), np.array([0.0]))[0, :, 0].mean()
    assert between < 0.7 < 0.95 < outside


def test_what_does_not_flow_is_refused() -> None:
    x = np.zeros(1)
    with pytest.raises(UserError, match="viscosity"):
        vortex_street(x, x, x, viscosity=0.0)
    with pytest.raises(UserError, match="multiple of the step"):
        vortex_street(x, x, np.array([0.03]))
