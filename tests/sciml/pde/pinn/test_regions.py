"""Shapes: points inside of them, conditions on their boundary, and fields and weights that follow the place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.pde.pinn.comparison import errors, fields_on
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.experiment import build
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.reference import find_reference
from sciml.pde.pinn.terms import PointWeights, conditions

Heat = Callable[..., PinnExperiment]

RING = {
    "shape": "disk",
    "centre": [0, 0],
    "radius": 1,
    "minus": [{"shape": "disk", "centre": [0, 0], "radius": 0.5}],
}
SPACE: dict[str, Any] = {"coordinates": {"x": [-1, 1], "y": [-1, 1]}, "fields": ["u"], "shape": RING}
# u = log(r): 0 outside, and a slope of 1 / r along x / r, so of -2 along the inner circle's normal
OUTSIDE: dict[str, Any] = {"boundary": {"low": [0.51, None]}, "values": {"u": "log(x**2 + y**2) / 2"}}
ALL: dict[str, Any] = {"boundary": {}, "values": {"u_n": 0}}
HOLE: dict[str, Any] = {
    "boundary": {"low": [-0.5, -0.5], "high": [0.5, 0.5]},
    "values": {"u_n": -2, "u_x": "x / (x**2 + y**2)"},
}
POISSON: dict[str, Any] = {"name": "poisson", "constants": {"source": 0}}


def ring(heat: Heat, **parts: Any) -> PinnExperiment:
    return heat(**{"space": SPACE, "equation": POISSON, "conditions": {"outside": OUTSIDE, "hole": HOLE}, **parts})


def test_points_are_inside_and_conditions_on_their_part_of_the_boundary(heat: Heat):
    problem = build(ring(heat))
    training = problem.loss
    for _ in range(2):  # the second time by the residual
        training.draw()
        radius = training.points["equation"].norm(dim=1)
        assert len(radius) == 20 and ((radius >= 0.5) & (radius <= 1)).all()
        torch.testing.assert_close(training.points["hole"].norm(dim=1), torch.full((500,), 0.5).double())
        assert (training.points["outside"][:, 0] >= 0.51 - 1e-6).all()


def test_the_normal_derivative_points_outwards(heat: Heat):
    config = ring(heat)
    hole = conditions(config)[1]
    x = hole.points(config.space, torch.Generator().manual_seed(0), (-1.0, -1.0), (1.0, 1.0)).requires_grad_()
    found = hole.equation(x, x.norm(dim=1, keepdim=True).log(), {})
    torch.testing.assert_close(found, hole.prescribed(x))


def test_a_harmonic_function_is_learnt_in_a_ring_and_scored_inside_alone(heat: Heat):
    parts = {"sampling": {"points": 200, "every": 5}, "model": {"architecture": "mlp", "width": 8, "layers": 2}}
    both = {"boundary": {}, "values": {"u": "log(x**2 + y**2) / 2"}, "weight": 10, "points": 100}
    reference = {"formula": {"u": "log(x**2 + y**2) / 2"}, "points": {"x": 22, "y": 22}}
    problem = build(ring(heat, conditions={"both": both}, reference=reference, **parts))
    optimizer = problem.second_order("levenberg-marquardt")
    for step in range(40):
        batch = {"step": torch.tensor(step % 5)}
        optimizer.step(lambda batch=batch: problem.loss(problem.network, batch)["loss"])
    config = problem.loss.config
    known = find_reference(config)
    assert known is not None
    found = fields_on(problem.network, known.grid)
    inside = np.hypot(*np.meshgrid(*known.grid.values(), indexing="ij"))
    np.testing.assert_array_equal(np.isfinite(found[..., 0]), (inside > 0.5) & (inside < 1))
    # 97 numbers are trained: a thousandth after these steps, 1 for none at all
    assert errors(found, known, config)["u_relative_l2"] < 0.02


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"conditions": {"inlet": {"boundary": {"low": [2, None]}, "values": {"u": 0}}}}, "`inlet` is for none of"),
        ({"conditions": {"start": {"at": {"x": 0.0}, "values": {"u_n": 0}}}}, "is neither a field"),
        ({"conditions": {"none": {"values": {"u": 0}}}}, "a condition needs `at`"),
        ({"space": {**SPACE, "shape": {**RING, "radius": 1.5}}}, "beyond `space.coordinates.x`"),
        ({"space": {**SPACE, "shape": {"shape": "interval", "low": [0], "high": [1]}}}, "has 1 coordinates, but space"),
        ({"space": {**SPACE, "shape": {**RING, "minus": [{**RING, "minus": []}]}}}, "inside. Check its parts"),
        ({"space": {**SPACE, "shape": None}}, "but there is no shape"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(heat: Heat, parts: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said):
        build(ring(heat, **parts)).loss.draw()


def test_a_condition_inside_of_a_shape_has_to_meet_it(heat: Heat):
    middle = {"at": {"x": 0.0, "y": 0.0}, "values": {"u": 0}}
    with pytest.raises(UserError, match="`middle` is for .*, which is nowhere inside"):
        build(ring(heat, conditions={"middle": middle})).loss.draw()


def test_derived_fields_are_derivatives_with_a_sign(heat: Heat):
    space = {"coordinates": {"x": [0, 1], "y": [0, 1]}, "fields": ["psi"], "derived": {"u": "psi_y", "v": "-psi_x"}}
    network = PinnNetwork(heat(space=space, equation=POISSON))
    x = torch.rand(5, 2, dtype=torch.float64)
    found, step = network.outputs(x), 1e-6
    for column, axis, sign in ((1, 1, 1), (2, 0, -1)):
        aside = torch.zeros(2, dtype=torch.float64)
        aside[axis] = step
        expected = sign * (network(x + aside) - network(x - aside))[:, 0].detach() / (2 * step)
        torch.testing.assert_close(found[:, column], expected, rtol=1e-7, atol=1e-9)
    with pytest.raises(UserError, match="`space.derived.u`: 'psi_z' is neither"):
        PinnNetwork(heat(space={**space, "derived": {"u": "psi_z"}}, equation=POISSON))


def test_weights_follow_a_formula_that_may_name_constants(heat: Heat):
    weigh = PointWeights(heat(weights={"formula": "x * diffusivity", "decay": 2}))
    x = torch.tensor([[0.5, 0.0], [1.0, 1.0]], dtype=torch.float64)
    expected = torch.tensor([0.05, 0.1 * np.exp(-2)], dtype=torch.float64)
    torch.testing.assert_close(weigh(x), expected)
    torch.testing.assert_close(weigh.by_place(x), torch.tensor([0.05, 0.1], dtype=torch.float64))
    with pytest.raises(UserError, match=r"needs to be zero or more, but is -0.5 at x = 0.5, t = 0"):
        PointWeights(heat(weights={"formula": "0 - x"}))(x)
