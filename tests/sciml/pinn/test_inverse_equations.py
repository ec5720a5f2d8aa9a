"""Equations with a field that is sought: at made solutions, each term with its factor."""

from __future__ import annotations

import torch

from sciml.pinn.equations import inverse
from sciml.pinn.equations.library import EQUATIONS, parameters_of


def test_an_oscillator_at_a_made_motion() -> None:
    """y = sin 3t under F = (k - 9 m) sin 3t + 3 c cos 3t; another mass, damping or stiffness leaves its share."""
    assert EQUATIONS["oscillator"] is inverse.oscillator
    assert parameters_of(inverse.oscillator) == ("mass", "damping", "stiffness")
    t = torch.linspace(0, 2, 9, dtype=torch.float64)[:, None].requires_grad_()
    y = torch.sin(3 * t)
    force = (7 - 9 * 2) * torch.sin(3 * t) + 3 * 0.5 * torch.cos(3 * t)
    fields = torch.cat([y, force], dim=1)
    for mass, damping, stiffness in ((2.0, 0.5, 7.0), (3.0, 0.5, 7.0), (2.0, 1.5, 7.0), (2.0, 0.5, 9.0)):
        left = inverse.oscillator(t, fields, mass, damping, stiffness)
        share = (mass - 2) * -9 * y + (damping - 0.5) * 3 * torch.cos(3 * t) + (stiffness - 7) * y
        torch.testing.assert_close(left, share, rtol=0, atol=1e-12)
    each = torch.full((9,), 2.0, dtype=torch.float64)
    torch.testing.assert_close(inverse.oscillator(t, fields, each, 0.5, 7.0), 0 * y, rtol=0, atol=1e-12)


def test_diffusion_with_a_coefficient_at_a_made_solution() -> None:
    """u = x^2 y, k = exp(3 x + y): div(k grad u) = k (2 y + 6 x y + x^2)."""
    assert EQUATIONS["diffusion-coefficient"] is inverse.diffusion_coefficient
    x = torch.rand(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    u, q = x[:, 0] ** 2 * x[:, 1], 3 * x[:, 0] + x[:, 1]
    part = 2 * x[:, 1] + 6 * x[:, 0] * x[:, 1] + x[:, 0] ** 2
    fields = torch.stack([u, q], dim=1)
    torch.testing.assert_close(inverse.diffusion_coefficient(x, fields), part[:, None], rtol=0, atol=1e-12)
    found = inverse.diffusion_coefficient(x, fields, source=-part * q.exp())
    torch.testing.assert_close(found, torch.zeros(9, 1, dtype=torch.float64), rtol=0, atol=1e-12)
