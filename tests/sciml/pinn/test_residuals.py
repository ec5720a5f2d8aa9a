"""Residuals are checked, and their mean square is the same in one batch or in many."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.pinn.embeddings import Box
from sciml.pinn.equations.evolution import burgers
from sciml.pinn.networks import MLP, MLPConfig
from sciml.pinn.residuals import mean_square, residuals

EQUATION = partial(burgers, viscosity=0.1)
POINTS = torch.rand(23, 2, dtype=torch.float64)


def _network() -> MLP:
    return MLP(MLPConfig(width=5, layers=2), Box((0.0, 0.0), (1.0, 1.0)))


@pytest.mark.parametrize("batch", [1, 7, 23, 100])
def test_batches_have_the_mean_and_the_gradient_of_all_points(batch: int) -> None:
    network, weights = _network(), torch.rand(23).double()
    found = mean_square(EQUATION, network, POINTS, "pde", weights=weights, batch=batch, scale=3.0)
    gradients = [parameter.grad for parameter in network.parameters()]
    x = POINTS.clone().requires_grad_()
    expected = 3 * (weights * EQUATION(x, network(x))[:, 0] ** 2).mean()
    assert found == pytest.approx(expected.item(), rel=1e-12)
    for gradient, whole in zip(gradients, torch.autograd.grad(expected, list(network.parameters())), strict=True):
        torch.testing.assert_close(gradient, whole, rtol=1e-9, atol=1e-12)


def test_residuals_are_had_where_gradients_are_off() -> None:
    """As in validation."""
    network = _network()
    with torch.no_grad():
        found = mean_square(EQUATION, network, POINTS, "pde", backward=False)
    assert found > 0 and all(parameter.grad is None for parameter in network.parameters())


def test_what_an_equation_must_not_return_is_refused() -> None:
    network = _network()
    for wrong in (lambda x, u: u[:, 0], lambda x, u: u.sum(0, keepdim=True), lambda x, u: u[None]):
        with pytest.raises(UserError, match=r"residuals of \[23, r\]"):
            residuals(wrong, network, POINTS, "pde")
    with pytest.raises(UserError, match="`pde` has no points"):
        residuals(EQUATION, network, POINTS[:0], "pde")
    with pytest.raises(UserError, match="`pde` has no points"):
        mean_square(EQUATION, network, POINTS[:0], "pde", batch=4)
    with pytest.raises(UserError, match="detached"):
        residuals(EQUATION, lambda x: torch.ones(len(x), 1).double(), POINTS, "pde")


def test_a_residual_without_a_value_names_its_place() -> None:
    points = torch.tensor([[0.5, 0.25], [0.125, 0.75], [2.0, 0.5]]).double()

    def root(x: Tensor, u: Tensor) -> Tensor:
        return u * (1 - x[:, :1]).log()

    with pytest.raises(UserError, match=r"`wall` is not finite at \[2.0, 0.5\] and 0 other points"):
        residuals(root, _network(), points, "wall")
    assert math.isfinite(float(residuals(root, _network(), points[:2], "wall").detach().sum()))
