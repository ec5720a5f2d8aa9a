"""Spherical harmonics and quadrature against their defining properties and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from sciml.nn.sphere import SphericalHarmonics, sphere_grid


def directions(count: int) -> torch.Tensor:
    points = torch.randn(count, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return points / points.norm(dim=1, keepdim=True)


def test_each_degree_has_constant_norm() -> None:
    harmonics = SphericalHarmonics(3)(directions(50))
    for degree in range(4):
        block = harmonics[:, degree**2 : (degree + 1) ** 2]
        torch.testing.assert_close(
            block.square().sum(1), torch.full((50,), 2.0 * degree + 1).double(), atol=1e-12, rtol=0
        )


def test_addition_theorem_against_scipy() -> None:
    """Sum over m of Y_lm(a) Y_lm(b) does not depend on the choice of real basis, so scipy's complex one must agree."""
    a, b = directions(20), directions(21)[1:]
    ours = SphericalHarmonics(3)
    for degree in range(4):
        block = slice(degree**2, (degree + 1) ** 2)
        mine = (ours(a)[:, block] * ours(b)[:, block]).sum(1).numpy()
        theirs = np.zeros(20)
        for m in range(-degree, degree + 1):
            first, second = (
                sph_harm_y(degree, m, np.arccos(v[:, 2]), np.arctan2(v[:, 1], v[:, 0])) for v in (a.numpy(), b.numpy())
            )
            theirs += (first * second.conj()).real
        np.testing.assert_allclose(mine, 4 * np.pi * theirs, atol=1e-12)


def test_parity() -> None:
    harmonics = SphericalHarmonics(3)
    u = directions(10)
    turned = torch.where(harmonics.odd.bool(), -harmonics(u), harmonics(u))
    torch.testing.assert_close(harmonics(-u), turned, atol=1e-13, rtol=0)


@pytest.mark.parametrize("l_max", [1, 2, 3])
def test_quadrature_is_exact_for_products_of_three(l_max: int) -> None:
    """Integrals of products of three harmonics against a much finer product grid of Gauss and Fourier points."""
    grid, weights = sphere_grid(l_max, 3 * l_max)
    ours = torch.einsum("g,ga,gb,gc->abc", weights, grid, grid, grid)
    z, gauss = np.polynomial.legendre.leggauss(12)
    azimuth = np.arange(24) * (2 * np.pi / 24)
    s = np.sqrt(1 - z**2)
    points = np.stack(
        [np.outer(s, np.cos(azimuth)), np.outer(s, np.sin(azimuth)), np.outer(z, np.ones(24))], axis=-1
    ).reshape(-1, 3)
    fine = SphericalHarmonics(l_max)(torch.from_numpy(points))
    fine_weights = torch.from_numpy(np.repeat(gauss / 48.0, 24))
    theirs = torch.einsum("g,ga,gb,gc->abc", fine_weights, fine, fine, fine)
    # the tables of Lebedev's rules have 12 digits
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)


@pytest.mark.parametrize("l_max", [-1, 4])
def test_degrees_that_are_not_there_are_refused(l_max: int) -> None:
    with pytest.raises(ValueError, match="l_max"):
        SphericalHarmonics(l_max)
    with pytest.raises(ValueError, match="l_max"):
        sphere_grid(l_max, 9)
