"""Residuals, gradients and normal equations through jets, against nested automatic differentiation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.pinn import system as system_module
from sciml.pinn.constraints import HardConstraint
from sciml.pinn.derivatives import derivative
from sciml.pinn.embeddings import Box
from sciml.pinn.equations.evolution import burgers
from sciml.pinn.nested import NestedSystem
from sciml.pinn.networks import MLP, MLPConfig, ModifiedMLP, ModifiedMLPConfig
from sciml.pinn.sampling import uniform_points
from sciml.pinn.system import JetSystem, Term

BOX = Box((-1.0, 0.0), (1.0, 1.0))


SMALL = MLPConfig(width=6, layers=2)


def model(config: MLPConfig = SMALL, fields: int = 1) -> HardConstraint:
    torch.manual_seed(0)
    network = MLP(config, BOX, fields)
    return HardConstraint(
        network, lambda x: torch.sin(x[:, :1]).expand(-1, fields), lambda x: x[:, 1:] * (1 - x[:, :1] ** 2)
    )


def equation(x: Tensor, u: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
    return burgers(x, u, constants["viscosity"])


def slope(x: Tensor, u: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([u[:, 0], derivative(u[:, 0], x, 0)], dim=1)


def terms(n: int = 37) -> list[Term]:
    generator = torch.Generator().manual_seed(1)
    inside, side = uniform_points(BOX, n, generator), uniform_points(BOX, 11, generator)
    weights = torch.rand(n, dtype=torch.float64, generator=generator)
    targets = torch.rand(11, 2, dtype=torch.float64, generator=generator)
    return [
        Term("equation", equation, inside, weights),
        Term("side", slope, side, torch.full((11,), 3.0, dtype=torch.float64), targets),
    ]


def constants() -> nn.ParameterDict:
    return nn.ParameterDict({"viscosity": nn.Parameter(torch.tensor(0.3, dtype=torch.float64))})


def test_losses_and_gradient_are_those_of_nested_differentiation():
    fields, unknown = model(), constants()
    jets, nested = JetSystem(fields, unknown, terms()), NestedSystem(fields, unknown, terms())
    (losses, gradient), (by_nested, slopes) = jets.gradient(), nested.gradient()
    assert losses == pytest.approx(by_nested, rel=1e-12)
    assert jets.losses() == pytest.approx(losses, rel=1e-14)
    torch.testing.assert_close(gradient, slopes, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(jets.residual_sizes("side"), nested.residual_sizes("side"), rtol=1e-12, atol=1e-14)


def test_normal_equations_are_those_of_the_whole_jacobian():
    system = JetSystem(model(), constants(), terms())
    start = system.vector()
    found = system.normal_equations()
    residuals = torch.cat(found.residuals)
    torch.testing.assert_close(residuals, system.residuals())
    # central differences of the residuals, column by column
    columns = []
    for place in range(len(start)):
        sides = []
        for sign in (1, -1):
            moved = start.clone()
            moved[place] += sign * 1e-6
            system.place(moved)
            sides.append(system.residuals())
        columns.append((sides[0] - sides[1]) / 2e-6)
    system.place(start)
    jacobian = torch.stack(columns, dim=1)
    lower = np.tril(found.matrix)
    torch.testing.assert_close(torch.from_numpy(lower), torch.tril(jacobian.T @ jacobian), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.vector, jacobian.T @ residuals, rtol=1e-6, atol=1e-7)
    assert found.loss == pytest.approx(float(residuals @ residuals), rel=1e-12)
    assert sum(system.losses().values()) == pytest.approx(found.loss, rel=1e-12)
    vector = torch.linspace(-1, 1, len(residuals), dtype=torch.float64)
    torch.testing.assert_close(system.transposed(vector), jacobian.T @ vector, rtol=1e-6, atol=1e-7)


def test_memory_is_bounded_by_parts_and_their_number_does_not_matter(monkeypatch: pytest.MonkeyPatch):
    fields, unknown = model(), constants()
    whole = JetSystem(fields, unknown, terms()).normal_equations()
    monkeypatch.setattr(system_module, "CHUNK", 5)
    system = JetSystem(fields, unknown, terms())
    parts = system.normal_equations()
    np.testing.assert_allclose(np.tril(parts.matrix), np.tril(whole.matrix), rtol=1e-11, atol=1e-13)
    weights = torch.linspace(1, 2, 37, dtype=torch.float64)
    system.weigh("equation", weights)
    weighed = JetSystem(fields, unknown, [Term("equation", equation, terms()[0].points, weights), terms()[1]])
    assert system.losses() == pytest.approx(weighed.losses(), rel=1e-12)


def test_sizes_of_residuals_do_not_depend_on_weights():
    system = JetSystem(model(), constants(), terms())
    before = system.residual_sizes("equation")
    system.weigh("equation", torch.zeros(37, dtype=torch.float64))
    torch.testing.assert_close(system.residual_sizes("equation"), before)
    assert system.losses()["equation"] == 0


def test_several_fields_and_a_sine():
    def both(x: Tensor, u: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([derivative(u[:, 0], x, 0, 0) - u[:, 1], derivative(u[:, 1], x, 1) * u[:, 0]], dim=1)

    fields = model(MLPConfig(width=5, layers=3, activation="sin"), fields=2)
    points = uniform_points(BOX, 20, torch.Generator().manual_seed(0))
    term = [Term("both", both, points, torch.ones(20, dtype=torch.float64))]
    jets, nested = JetSystem(fields, nn.ParameterDict(), term), NestedSystem(fields, nn.ParameterDict(), term)
    torch.testing.assert_close(jets.gradient()[1], nested.gradient()[1], rtol=1e-11, atol=1e-13)


def test_what_is_refused():
    torch.manual_seed(0)
    other = HardConstraint(ModifiedMLP(ModifiedMLPConfig(), BOX), lambda x: x[:, :1], lambda x: x[:, :1])
    with pytest.raises(UserError, match="ModifiedMLP.*train.optimizer"):
        JetSystem(other, nn.ParameterDict(), [])
    with pytest.raises(UserError, match="`nowhere` has no points"):
        Term("nowhere", equation, torch.zeros(0, 2, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
    flat = Term("flat", lambda x, u, c: u[:, 0], terms()[0].points, terms()[0].weights)
    with pytest.raises(UserError, match=r"`flat` needs to return residuals of \[16, r\]"):
        JetSystem(model(), constants(), [flat])


def test_an_unknown_that_starts_at_zero_is_moved_by_what_it_multiplies():
    unknown = nn.ParameterDict({"viscosity": nn.Parameter(torch.tensor(0.0, dtype=torch.float64))})
    jets, nested = JetSystem(model(), unknown, terms()), NestedSystem(model(), unknown, terms())
    assert abs(float(jets.gradient()[1][-1])) > 0
    torch.testing.assert_close(jets.gradient()[1], nested.gradient()[1], rtol=1e-11, atol=1e-13)
