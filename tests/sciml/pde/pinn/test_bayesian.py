"""The search for where unknown constants start from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from sciml.core.errors import UserError
from sciml.pde.pinn.bayesian import minimise
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.observations import Observations
from sciml.pde.pinn.training import PinnTraining

Heat = Callable[..., PinnExperiment]
PARTS: dict[str, Any] = {
    "exact": {"value": {"u": "sin(pi * x)"}, "distance": {"u": "t * x * (1 - x)"}},
    "sampling": {"points": 100, "every": 5},
    "model": {"architecture": "mlp", "width": 8, "layers": 2},
}


def equation(search: Any = None, **unknown: Any) -> dict[str, Any]:
    return {"name": "heat", "unknowns": {"diffusivity": {"start": 1.0, "positive": True, **unknown}}, "search": search}


def test_a_search_starts_near_the_constant_and_leaves_the_slopes_to_do_the_rest(heat: Heat):
    pytest.importorskip("botorch")
    config = heat(equation=equation({"trials": 8, "steps": 6}, low=0.001, high=100), **PARTS)
    torch.manual_seed(0)
    network = PinnNetwork(config)
    x = torch.rand(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 2.0])
    u = torch.exp(-0.1 * math.pi**2 * x[:, 1:]) * torch.sin(math.pi * x[:, :1])
    training = PinnTraining(config, network, Observations(x, u, (0,), torch.ones(1, dtype=torch.float64), 1.0, None))
    optimizer = training.second_order("levenberg-marquardt")
    first = training(network, {"step": torch.tensor(0)})["loss"].item()
    # a factor of two, of five orders of magnitude
    assert 0.05 < network.values_of_unknowns()["diffusivity"] < 0.2
    for _ in range(15):
        optimizer.step()
    assert training(network, {"step": torch.tensor(1)})["loss"].item() < 1e-3 * first
    assert network.values_of_unknowns()["diffusivity"] == pytest.approx(0.1, rel=1e-2)


def test_a_function_of_two_numbers_is_minimised():
    pytest.importorskip("botorch")
    x, y = minimise(lambda at: (at[0] - 2) ** 2 + (at[1] + 3) ** 2, [-10.0, -10.0], [10.0, 10.0], 16, seed=0)
    # sixteen places drawn at random are 5 apart
    assert math.hypot(x - 2, y + 3) < 1


def test_ranges_that_are_refused(heat: Heat):
    for unknown, said in (
        ({}, "needs `low` and `high` of each unknown, but those of diffusivity are not given"),
        ({"low": 2.0, "high": 1.0}, "needs `low` below `high`"),
        ({"low": -1.0, "high": 1.0}, "needs a positive range"),
    ):
        with pytest.raises(UserError, match=said):
            heat(equation=equation({"trials": 3}, **unknown), **PARTS)
