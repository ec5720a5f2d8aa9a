"""Terms: constants on their way, derivatives by name, points of conditions, and where conditions contradict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sciml.core.errors import UserError
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.terms import EquationTerm, conditions, contradictions, parse_derivative

Heat = Callable[..., PinnExperiment]


def test_a_constant_goes_geometrically_to_its_value(heat: Heat):
    term = EquationTerm(heat(curriculum={"diffusivity": {"start": 10.0, "until": 0.5}}))
    found = []
    for term.fraction_done in (0.0, 0.25, 0.5, 1.0):
        found.append(term.constants_now()["diffusivity"])
    assert found == pytest.approx([10.0, 1.0, 0.1, 0.1])


def test_the_equation_takes_formulas_and_unknowns_by_their_logarithm(heat: Heat):
    equation = {"name": "heat", "unknowns": {"diffusivity": {"start": 1.0, "positive": True}}}
    x = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    u = (x[:, 0] ** 2 * x[:, 1])[:, None]
    # u_t - d u_xx = x^2 - 2 d t
    found = EquationTerm(heat(equation=equation))(x, u, {"diffusivity": torch.full((5,), 3.0).double().log()})
    torch.testing.assert_close(found[:, 0], x[:, 0] ** 2 - 6 * x[:, 1])
    place = EquationTerm(heat(equation={"name": "heat", "constants": {"diffusivity": "x"}}))(x, u, {})
    torch.testing.assert_close(place[:, 0], x[:, 0] ** 2 - 2 * x[:, 0] * x[:, 1])


def test_conditions_are_on_their_side_and_prescribe_derivatives(heat: Heat):
    config = heat(conditions={"flux": {"at": {"x": 1.0}, "values": {"u_x": "t", "u": 2}, "points": 7}})
    (condition,) = conditions(config)
    generator = torch.Generator().manual_seed(0)
    x = condition.points(config.space, generator, (0.0, 0.0), (1.0, 2.0)).requires_grad_()
    assert x.shape == (7, 2)
    assert (x[:, 0] == 1).all()
    found = condition.equation(x, (x[:, 0] ** 3 * x[:, 1])[:, None], {})
    torch.testing.assert_close(found[:, 0], 3 * x[:, 1])
    torch.testing.assert_close(condition.prescribed(x), torch.stack([x[:, 1], torch.full_like(x[:, 1], 2.0)], dim=1))
    assert not len(condition.points(config.space, generator, (0.0, 0.0), (0.5, 2.0))), "another window"


@pytest.mark.parametrize("text", ["v", "u_z", "u_xz", "_x"])
def test_what_is_no_derivative(heat: Heat, text: str):
    with pytest.raises(UserError, match="is neither a field"):
        parse_derivative(text, heat().space, "key")


LEFT: dict[str, Any] = {"at": {"x": 0.0}, "values": {"u": 0}}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"conditions": {"left": LEFT, "first": {"at": {"t": 0.0}, "values": {"u": "sin(pi * x)"}}}}, []),
        (
            {"conditions": {"left": LEFT, "first": {"at": {"t": 0.0}, "values": {"u": "cos(pi * x)"}}}},
            ["`conditions.left` and `conditions.first` differ by 1 in u at x = 0, t = 0."],
        ),
        ({"conditions": {"left": LEFT, "first": {"at": {"t": 0.0}, "values": {"u_x": 1}}}}, []),
        ({"conditions": {"left": LEFT, "right": {"at": {"x": 1.0}, "values": {"u": 1}}}}, []),
        ({"conditions": {"left": LEFT}, "exact": {"value": {"u": "x"}, "distance": {"u": "t"}}}, []),
        ({"conditions": {"left": LEFT}, "exact": {"value": {"u": 1}}}, []),
        (
            {"conditions": {"left": LEFT}, "exact": {"value": {"u": "1 - x"}, "distance": {"u": "t"}}},
            ["`conditions.left` and `exact.value` differ by 1 in u at x = 0, t = 0."],
        ),
        (
            {"conditions": {"left": LEFT}, "exact": {"value": {"u": "t"}, "distance": {"u": "x * t"}}},
            ["`conditions.left` and `exact.value` differ by 2 in u at x = 0, t = 2."],
        ),
    ],
)
def test_contradictions_have_place_and_size(heat: Heat, parts: dict[str, Any], said: list[str]):
    assert contradictions(heat(**parts)) == said
