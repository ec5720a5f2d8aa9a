"""Jets of functions and of products against derivatives in closed form and by automatic differentiation."""

import math

import pytest
import torch
from torch import Tensor

from sciml.pinn.derivatives import derivative, gradient
from sciml.pinn.equations.evolution import burgers, kuramoto_sivashinsky
from sciml.pinn.equations.flow import navier_stokes
from sciml.pinn.jets import (
    Indices,
    compose,
    find_indices,
    jet_of,
    multiply,
    multiply_transposed,
    points_innermost,
    taylor_field,
)
from sciml.pinn.mlp_jets import SLOPES

INDICES = Indices.with_lower([(2, 2), (4, 0), (0, 1)], 2)


def _points(n: int = 9) -> Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def _wave(x: Tensor) -> Tensor:
    return torch.stack([torch.sin(2 * x[:, 0] - 3 * x[:, 1]), torch.exp(x[:, 0] + 2 * x[:, 1])], dim=1)


def _bump(x: Tensor) -> Tensor:
    return torch.stack([x[:, 0] ** 3 * x[:, 1] ** 2, torch.cos(x[:, 0]) * x[:, 1]], dim=1)


def test_the_jet_of_a_function_is_its_derivatives() -> None:
    x = _points()
    jet = jet_of(INDICES, _wave, x)
    for place, (i, j) in enumerate(INDICES.all):
        angle = 2 * x[:, 0] - 3 * x[:, 1] + (i + j) * math.pi / 2
        torch.testing.assert_close(jet[:, place, 0], 2**i * (-3) ** j * torch.sin(angle), rtol=1e-12, atol=1e-12)
        exponential = 2.0**j * torch.exp(x[:, 0] + 2 * x[:, 1])
        torch.testing.assert_close(jet[:, place, 1], exponential, rtol=1e-12, atol=0)


def test_a_product_and_a_composition_have_the_jets_of_their_functions() -> None:
    x = _points()
    a, b = jet_of(INDICES, _wave, x), jet_of(INDICES, _bump, x)
    product = jet_of(INDICES, lambda x: _wave(x) * _bump(x), x)
    torch.testing.assert_close(multiply(INDICES, a, b), product, rtol=1e-12, atol=1e-12)
    for name, function in (("tanh", torch.tanh), ("sin", torch.sin)):
        outer = jet_of(INDICES, lambda x, function=function: function(_bump(x)), x)
        found = compose(INDICES, SLOPES[name](b[:, 0], INDICES.order), b)
        torch.testing.assert_close(found, outer, rtol=1e-11, atol=1e-11)


def test_the_transposed_product_is_the_adjoint() -> None:
    a, b, c = torch.randn(3, 5, len(INDICES), 2, dtype=torch.float64)
    forward, back = (multiply(INDICES, a, b) * c).sum(), (multiply_transposed(INDICES, a, c) * b).sum()
    torch.testing.assert_close(forward, back, rtol=1e-12, atol=1e-12)


def test_memory_with_the_points_innermost_has_the_same_numbers() -> None:
    jet = torch.randn(5, 3, 2)
    found = points_innermost(jet)
    assert torch.equal(found, jet) and found.stride(0) == 1
    assert points_innermost(found).data_ptr() == found.data_ptr(), "not copied again"


def test_automatic_differentiation_of_a_taylor_field_finds_the_jet() -> None:
    x, jet = _points().requires_grad_(), torch.randn(9, len(INDICES), 2, dtype=torch.float64)
    fields = taylor_field(INDICES, jet, x)
    for place, (i, j) in enumerate(INDICES.all):
        found = derivative(fields[:, 1], x, *[0] * i, *[1] * j)
        torch.testing.assert_close(found, jet[:, place, 1], rtol=1e-12, atol=1e-12)
    assert derivative(fields[:, 1], x, 1, 1, 1).abs().max() == 0, "not in the jet"


@pytest.mark.parametrize(
    ("equation", "dims", "fields", "indices"),
    [
        (lambda x, u: burgers(x, u, 0.1), 2, 1, {(0, 0), (1, 0), (0, 1), (2, 0)}),
        (
            lambda x, u: kuramoto_sivashinsky(x, u, 1.0, 2.0, 3.0),
            2,
            1,
            {(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (4, 0)},
        ),
        (
            lambda x, u: navier_stokes(x, u, 0.1),
            3,
            3,
            {(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (2, 0, 0), (0, 2, 0)},
        ),
    ],
)
def test_what_an_equation_uses_is_found(equation, dims, fields, indices) -> None:
    x = torch.rand(4, dims, dtype=torch.float64)
    assert set(find_indices(equation, x, fields).all) == indices


def test_derivatives_that_only_some_numbers_need_are_found():
    """Of an equation with a branch."""

    def upwind(x: Tensor, u: Tensor) -> Tensor:
        du = gradient(u[:, 0], x)
        second = gradient(du[:, 0], x)[:, 0]
        return (du[:, 1] + torch.relu(u[:, 0] - 2) * du[:, 0] + torch.relu(-u[:, 0]) * second)[:, None]

    assert find_indices(upwind, torch.rand(8, 2, dtype=torch.float64), 1).all == ((0, 0), (0, 1), (1, 0), (2, 0))
