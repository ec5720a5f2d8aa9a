"""Levenberg and Marquardt's method on problems whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.pinn.constraints import HardConstraint
from sciml.pinn.derivatives import derivative
from sciml.pinn.embeddings import Box
from sciml.pinn.least_squares import LevenbergMarquardt
from sciml.pinn.networks import MLP, MLPConfig
from sciml.pinn.system import JetSystem, Term

BOX = Box((0.0,), (1.0,))
POINTS = torch.linspace(0, 1, 80, dtype=torch.float64)[:, None]


def poisson(x: Tensor, u: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
    """Of sin(pi x)."""
    return derivative(u[:, 0], x, 0, 0)[:, None] + math.pi**2 * torch.sin(math.pi * x.detach())


def system(equation=poisson, width: int = 10, unknown: nn.ParameterDict | None = None) -> JetSystem:
    torch.manual_seed(0)
    model = HardConstraint(
        MLP(MLPConfig(width=width, layers=2), BOX), lambda x: torch.zeros_like(x), lambda x: x * (1 - x)
    )
    return JetSystem(model, unknown or nn.ParameterDict(), [Term("poisson", equation, POINTS, torch.ones(80).double())])


def error(found: JetSystem) -> float:
    x = torch.linspace(0, 1, 201, dtype=torch.float64)[:, None]
    with torch.no_grad():
        return float((found.model(x) - torch.sin(math.pi * x)).abs().max())


def test_it_solves_poisson_to_many_digits_and_the_loss_never_grows():
    problem = system()
    optimizer = LevenbergMarquardt(problem)
    losses = [float(optimizer.step()) for _ in range(100)]
    assert all(after <= before for before, after in zip(losses, losses[1:], strict=False))
    assert losses[-1] < 1e-12 * losses[0]
    assert error(problem) < 1e-8


def test_a_saved_state_goes_on_bit_for_bit():
    whole, first, second = system(), system(), system()
    optimizer = LevenbergMarquardt(whole)
    for _ in range(8):
        optimizer.step()
    before = LevenbergMarquardt(first)
    for _ in range(5):
        before.step()
    after = LevenbergMarquardt(second)
    second.place(first.vector())
    after.load_state_dict(before.state_dict())
    for _ in range(3):
        after.step()
    assert torch.equal(second.vector(), whole.vector())


def test_an_unknown_constant_is_found_from_values():
    unknown = nn.ParameterDict({"strength": nn.Parameter(torch.tensor(3.0, dtype=torch.float64))})

    def sourced(x: Tensor, u: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
        source = constants["strength"][:, None] * torch.sin(math.pi * x.detach())
        return derivative(u[:, 0], x, 0, 0)[:, None] + source

    problem = system(sourced, unknown=unknown)
    ones = torch.ones(80).double()
    seen = Term("seen", lambda x, u, c: u, POINTS, ones, torch.sin(math.pi * POINTS))
    problem.set_terms([*problem.terms, seen])
    optimizer = LevenbergMarquardt(problem)
    for _ in range(60):
        optimizer.step()
    assert float(unknown["strength"].detach()) == pytest.approx(math.pi**2, rel=1e-7)


def test_where_nothing_can_be_gained_the_numbers_stay():
    problem = system()
    optimizer = LevenbergMarquardt(problem, tries=1)
    problem.place(torch.zeros_like(problem.vector()))
    nothing = Term("nothing", lambda x, u, c: u, POINTS, torch.ones(80).double(), torch.zeros_like(POINTS))
    problem.set_terms([nothing])  # zero already
    before = problem.vector()
    optimizer.step()
    assert optimizer.param_groups[0]["stuck"]
    assert torch.equal(problem.vector(), before)
    assert optimizer.param_groups[0]["damping"] > 1e-2


def test_the_term_and_the_point_that_are_not_finite_are_named():
    def root(x: Tensor, u: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
        return torch.sqrt(x.detach() - 0.5) + u

    problem = system(lambda x, u, c: torch.ones_like(u) + u)
    problem.set_terms([Term("root", root, POINTS, torch.ones(80).double())])
    before = problem.vector()
    with pytest.raises(UserError, match=r"term `root` is not finite at \[0.0\] and 39 other points"):
        LevenbergMarquardt(problem).step()
    assert torch.equal(problem.vector(), before)


def test_what_is_refused():
    problem = system()
    with pytest.raises(UserError, match="positive damping"):
        LevenbergMarquardt(problem, damping=0.0)
    problem.model.float()
    with pytest.raises(UserError, match="float64"):
        LevenbergMarquardt(problem)


def test_other_residuals_begin_with_their_own_damping():
    optimizer = LevenbergMarquardt(system())
    optimizer.step()
    other = system(width=4)
    optimizer.take(other, 0.5)
    assert optimizer.param_groups[0]["damping"] == 0.5
    assert optimizer.param_groups[0]["params"] == other.parameters
    optimizer.step()
