"""Looking derivatives up gives what automatic differentiation of a Taylor polynomial gives."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sciml.pinn.derivatives import derivative, divergence, gradient, laplacian
from sciml.pinn.equations.evolution import (
    allen_cahn,
    burgers,
    euler_beam_vibrating,
    korteweg_de_vries,
    kuramoto_sivashinsky,
    wave,
)
from sciml.pinn.equations.flow import navier_stokes, navier_stokes_steady
from sciml.pinn.jet_fields import differentiated, field_route, looked_up
from sciml.pinn.jets import Indices, find_indices


def _conserved(x: Tensor, u: Tensor) -> Tensor:
    """Products that are differentiated, with the coordinates in them, twice."""
    flux = u[:, 0] ** 2 / 2 + x[:, 0] ** 3 * u[:, 0]
    second = gradient(x[:, 1] * gradient(flux, x)[:, 0], x)[:, 1]
    return (gradient(u[:, 0], x)[:, 1] + second)[:, None]


def _sliced(x: Tensor, u: Tensor) -> Tensor:
    """Columns taken in other ways than an integer."""
    du = gradient(u[:, 0], x)
    first, second = du.unbind(1)
    flux = torch.stack([first * u[:, -1], second], dim=1)
    return (divergence(du[:, 0:2], x, (0, 1)) + divergence(flux, x, (0, 1)) + laplacian(u[:, 1:][:, 0], x, (0, 1)))[
        :, None
    ]


def _without_fields(x: Tensor, u: Tensor) -> Tensor:
    """A derivative of the coordinates alone, and of a constant."""
    return u * gradient(x[:, 0] ** 2, x)[:, :1] + gradient(torch.ones_like(x[:, 0]), x)[:, :1]


EQUATIONS: list[tuple[Callable[[Tensor, Tensor], Tensor], int, int]] = [
    (lambda x, u: burgers(x, u, 0.3), 2, 1),
    (lambda x, u: wave(x, u, 0.3), 3, 1),
    (lambda x, u: allen_cahn(x, u, 0.3, 5.0), 2, 1),
    (lambda x, u: korteweg_de_vries(x, u, 6.0, 1.0), 2, 1),
    (lambda x, u: kuramoto_sivashinsky(x, u, 6.0, 1.0, 0.5), 2, 1),
    (lambda x, u: euler_beam_vibrating(x, u, 6.0, 1.0, 0.5), 2, 1),
    (lambda x, u: navier_stokes_steady(x, u, 0.1), 2, 3),
    (lambda x, u: navier_stokes(x, u, 0.1), 3, 3),
    (_conserved, 2, 1),
    (_sliced, 2, 2),
    (_without_fields, 2, 1),
]


@pytest.mark.parametrize(("equation", "dims", "fields"), EQUATIONS)
@pytest.mark.parametrize("needs_slopes", [True, False])
def test_both_routes_give_the_same_residuals_and_slopes(equation, dims, fields, needs_slopes) -> None:
    x = torch.rand(7, dims, dtype=torch.float64)
    indices = find_indices(equation, x, fields)
    numbers = torch.randn(7, len(indices), fields, dtype=torch.float64)
    found = []
    for route in (looked_up, differentiated):
        jet = numbers.clone().requires_grad_(needs_slopes)
        residual = equation(*route(indices, jet, x.clone().requires_grad_()))
        found.append([residual.detach()])
        if needs_slopes:
            found[-1] += torch.autograd.grad(residual.square().sum(), jet)
    torch.testing.assert_close(*found, rtol=1e-11, atol=1e-11)
    assert field_route(equation, indices, x, fields) is looked_up


def _own_differentiation(x: Tensor, u: Tensor) -> Tensor:
    return torch.autograd.grad(u.sum(), x, create_graph=True)[0][:, :1]


def _own_differentiation_of_a_product(x: Tensor, u: Tensor) -> Tensor:
    return torch.autograd.grad((u[:, 0] * x[:, 0]).sum(), x, create_graph=True)[0][:, :1]


@pytest.mark.parametrize("equation", [_own_differentiation, _own_differentiation_of_a_product])
def test_an_equation_that_differentiates_by_itself_gets_fields_that_can_be(equation) -> None:
    x = torch.rand(7, 2, dtype=torch.float64)
    indices = find_indices(equation, x, 1)
    assert (1, 0) in indices.all
    assert field_route(equation, indices, x, 1) is differentiated


def test_derivatives_beyond_the_jet_are_zero() -> None:
    x = torch.rand(3, 1, dtype=torch.float64).requires_grad_()
    points, u = looked_up(Indices.with_lower([(1,)], 1), torch.ones(3, 2, 1, dtype=torch.float64), x)
    assert derivative(u[:, 0], points, 0).tolist() == [1.0] * 3
    assert derivative(u[:, 0], points, 0, 0).tolist() == [0.0] * 3
