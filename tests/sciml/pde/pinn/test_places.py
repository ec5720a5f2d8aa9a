"""Formulas of places: values, derivatives by differentiation, and what is refused."""

from __future__ import annotations

import pytest
import torch

from sciml.core.errors import UserError
from sciml.pde.pinn.places import constant, of_place


def test_a_formula_with_parts_of_it_and_its_derivative():
    function = of_place("a * sin(pi * x) + t", ["x", "t"], {"b": 3.0, "a": "2 * b"}, "key")
    x = torch.tensor([[0.5, 1.0], [0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    value = function(x)
    assert value.tolist() == pytest.approx([7.0, 2.0])
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert slope[:, 0].tolist() == pytest.approx([0.0, 6 * torch.pi])
    assert slope[:, 1].tolist() == [1.0, 1.0]


def test_a_number_is_a_formula_too():
    assert of_place(3, ["x"], {}, "key")(torch.zeros(2, 1, dtype=torch.float64)).tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("formula", "said"),
    [("y", "there is no `y`"), ("__import__('os')", "this has"), ("x(", "is not a formula"), ("a", "there is no `a`")],
)
def test_what_is_no_formula_is_refused_at_once(formula: str, said: str):
    with pytest.raises(UserError, match=said):
        of_place(formula, ["x"], {"b": "x"}, "key")


@pytest.mark.parametrize("formula", ["1 / 0", "exp(1000)", "log(0)", "10.0 ** 1000"])
def test_a_constant_is_finite(formula: str):
    with pytest.raises(UserError, match="`key`"):
        constant(formula, "key")
