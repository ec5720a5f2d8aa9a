"""Radial functions against their definitions and their behaviour at the borders."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import approx_fprime

from sciml.nn.radial import bessel_basis, cosine_cutoff, gaussian_basis, polynomial_cutoff


def test_bessel_recurrence_is_the_sines() -> None:
    distance = torch.linspace(0.3, 5.0, 40, dtype=torch.float64)
    basis = bessel_basis(distance, 5.0, 20)
    for k in range(1, 21):
        # twenty steps of the recurrence lose two digits of sixteen
        expected = torch.sin(k * math.pi * distance / 5.0) * 5.0 / distance
        torch.testing.assert_close(basis[:, k - 1], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("cutoff_function", "order"), [(cosine_cutoff, 1), (polynomial_cutoff, 2)])
def test_cutoffs_end_smoothly(cutoff_function: object, order: int) -> None:
    assert callable(cutoff_function)
    r = torch.tensor([1e-9, 4.0, 4.0 + 1e-9, 7.0], dtype=torch.float64)
    value = cutoff_function(r, 4.0)
    torch.testing.assert_close(value, torch.tensor([1.0, 0.0, 0.0, 0.0]).double(), atol=1e-12, rtol=0)
    assert (cutoff_function(torch.linspace(0, 4, 50), 4.0).diff() <= 0).all()
    near = torch.tensor([4.0 - 1e-3], dtype=torch.float64)
    # a zero of this order: the value falls faster than distance to the cutoff to the power `order`
    assert 0 < float(cutoff_function(near, 4.0)) < 10 * (1e-3 / 4.0) ** order


def test_gaussians_peak_at_their_centres() -> None:
    centres = torch.linspace(0, 5, 11)
    basis = gaussian_basis(centres, centres)
    torch.testing.assert_close(basis.diagonal(), torch.ones(11))
    # a Gaussian as wide as the spacing falls to exp(-1/2) at its neighbour's centre
    torch.testing.assert_close(basis.diagonal(1), torch.full((10,), math.exp(-0.5)))


def test_slopes_by_autograd_are_right() -> None:
    r = torch.tensor([2.3], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(polynomial_cutoff(r, 4.0), r)
    numerical = approx_fprime([2.3], lambda x: float(polynomial_cutoff(torch.tensor(x[0]), 4.0)), 1e-7)
    assert float(slope) == pytest.approx(float(numerical[0]), abs=1e-5)
