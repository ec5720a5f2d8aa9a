"""Harmonic functions around disks: their Laplacian, their boundary, and errors that fall as they say."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.pde.references.harmonic import Disk, harmonic_around_disks

DISKS = [Disk((0.3, 0.2), 0.1, 0.0), Disk((-0.2, -0.25), 0.15, 2.0)]


def test_errors_fall_and_bound_the_difference_inside():
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 2))
    x = x[np.all([np.hypot(*(x - disk.centre).T) > disk.radius for disk in DISKS], axis=0)]
    found = [harmonic_around_disks(0.5, 1.0, DISKS, degree) for degree in (16, 32, 64, 96)]
    assert found[-1].error < 1e-9
    best = found[-1](x)
    for coarse, fine in zip(found, found[1:], strict=False):
        assert fine.error < coarse.error / 5
        # the largest error of the boundary is found at points of it only, so somewhat too small
        assert np.abs(coarse(x) - best).max() < 1.5 * coarse.error


def test_it_is_harmonic_and_has_the_values_of_its_boundary():
    found, step = harmonic_around_disks(0.5, 1.0, DISKS, 64), 1e-3
    x = np.array([[0.0, 0.0], [0.1, -0.4], [0.45, 0.45]])
    aside = step * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    laplacian = (sum(found(x + move) for move in aside) - 4 * found(x)) / step**2
    # of the stencil: step^2 / 6 times fourth derivatives of order 1e3
    assert np.abs(laplacian).max() < 1e-2
    angle = np.linspace(0, 2 * np.pi, 37)
    for disk in DISKS:
        circle = np.array(disk.centre) + disk.radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        np.testing.assert_allclose(found(circle), disk.value, atol=1e-5)
    np.testing.assert_allclose(found(np.stack([np.full(9, 0.5), np.linspace(-0.5, 0.5, 9)], axis=1)), 1, atol=1e-5)


def test_disks_that_meet_are_refused():
    with pytest.raises(UserError, match="meets another one or a side"):
        harmonic_around_disks(0.5, 1.0, [DISKS[0], Disk((0.15, 0.2), 0.1, 0.0)])
    with pytest.raises(UserError, match="meets another one or a side"):
        harmonic_around_disks(0.5, 1.0, [Disk((0.45, 0.0), 0.1, 0.0)])
    with pytest.raises(UserError, match="`degree`"):
        harmonic_around_disks(0.5, 1.0, DISKS, 0)
