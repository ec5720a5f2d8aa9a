"""Configurations that make no sense are refused where they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sciml.core.errors import UserError
from sciml.pde.pinn.config import ConditionConfig, PinnExperiment, ReferenceConfig, Unknown

Heat = Callable[..., PinnExperiment]
SPACE: dict[str, Any] = {"coordinates": {"x": [0, 1], "t": [0, 2]}, "fields": ["u"], "time": "t"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"coordinates": {"x": [1, 0], "t": [0, 1]}}, "`space.coordinates.x` needs two numbers, the smaller one first"),
        ({"coordinates": {"x": [0], "t": [0, 1]}}, "needs two numbers"),
        ({"fields": []}, "needs a coordinate and a field at least"),
        ({"fields": ["x"]}, "has a name twice"),
        ({"time": "x"}, "needs to come last"),
        ({"time": "s"}, "there is no coordinate `s`"),
        ({"periodic": ["t"]}, "cannot be periodic"),
        ({"even": ["x"]}, "`space.even` needs coordinates that are in `space.periodic`"),
        ({"units": {"diffusivty": "m^2/s"}}, "there is no `diffusivty`; did you mean `diffusivity`?"),
    ],
)
def test_space(heat: Heat, change: dict[str, Any], said: str):
    with pytest.raises(UserError, match=said.replace("?", "\\?")):
        heat(space={**SPACE, **change})


def test_units_of_constants_are_units_of_the_space(heat: Heat):
    space = heat(space={**SPACE, "units": {"diffusivity": "m^2/s"}}).space
    assert (space.unit("diffusivity"), space.unit("u")) == ("m^2/s", "1")


def test_references_conditions_and_unknowns():
    with pytest.raises(UserError, match="needs one of solver, formula and file, but has solver and formula"):
        ReferenceConfig(solver="burgers", formula={"u": "x"})
    with pytest.raises(UserError, match="two points along each"):
        ReferenceConfig(points={"x": 1})
    with pytest.raises(UserError, match="a condition needs `at`"):
        ConditionConfig({}, {"u": 0.0})
    with pytest.raises(UserError, match="needs a positive `start`"):
        Unknown(-1.0, positive=True)


def test_what_follows_the_time_needs_one(heat: Heat):
    space = {**SPACE, "time": None}
    for parts in ({"windows": 2}, {"weights": {"causal": 1.0}}, {"weights": {"decay": 1.0}}):
        with pytest.raises(UserError, match="`space.time` names none"):
            heat(space=space, **parts)
