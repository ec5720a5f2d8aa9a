"""The loss and its points: one loss a step for line searches, windows, shares of processes, weights that follow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from sciml.core.errors import UserError
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.terms import EQUATION
from sciml.pde.pinn.training import PinnTraining
from sciml.pinn.residuals import check_residuals

Heat = Callable[..., PinnExperiment]


def made(config: PinnExperiment) -> PinnTraining:
    torch.manual_seed(0)
    return PinnTraining(config, PinnNetwork(config), None)


def test_calls_of_one_step_see_the_same_loss_and_the_next_epoch_fresh_points(heat: Heat):
    weights = {"attention": True, "causal": 1.0, "slices": 2}
    training = made(heat(weights=weights, train={"optimizer": "ssbroyden", "precision": "float64"}))
    assert training.steps_an_epoch == 1
    step = {"step": torch.tensor(0)}
    first, again = training(training.network, step), training(training.network, step)
    assert first["loss"].item() == again["loss"].item()
    points = training.points[EQUATION]
    training(training.network, {"step": torch.tensor(0)})
    assert not torch.equal(training.points[EQUATION], points)


def test_the_gradient_is_that_of_the_loss(heat: Heat):
    training = made(
        heat(train={"optimizer": "adam", "precision": "float64"}, model={"architecture": "mlp", "width": 3})
    )
    step = {"step": torch.tensor(0)}
    weight = next(training.network.parameters())
    (slope,) = torch.autograd.grad(training(training.network, step)["loss"], weight)
    losses = []
    for change in (-1e-6, 1e-6):
        with torch.no_grad():
            weight[0, 0] += change
        losses.append(training(training.network, step)["loss"].item())
        with torch.no_grad():
            weight[0, 0] -= change
    assert float(slope[0, 0]) == pytest.approx((losses[1] - losses[0]) / 2e-6, rel=1e-4)


def test_causal_weights_that_vanish_leave_sizes_finite(heat: Heat):
    training = made(heat(weights={"causal": 1e9, "slices": 4}))
    for step in range(2):
        assert torch.isfinite(training(training.network, {"step": torch.tensor(step)})["loss"])


@pytest.mark.parametrize("distance", [None, "x * (1 - x)", "t * x"])
def test_a_window_starts_where_the_one_before_ends(heat: Heat, distance: str | None):
    exact = {} if distance is None else {"distance": {"u": distance}}
    network = made(heat(windows=3, exact=exact)).network
    x = torch.linspace(0, 1, 5, dtype=torch.float64)
    for before, after, time in zip(network.windows[:-1], network.windows[1:], network.ends, strict=True):
        place = torch.stack([x, torch.full_like(x, time)], dim=1)
        torch.testing.assert_close(after(place), before(place), rtol=0, atol=1e-14)
        later = place + torch.tensor([0.0, 0.3], dtype=torch.float64)
        assert not torch.allclose(after(later)[1:-1], before(place)[1:-1])


def test_residuals_have_rows(heat: Heat):
    x = torch.zeros(3, 2)
    for found in (None, torch.zeros(3), torch.zeros(2, 1)):
        with pytest.raises(UserError, match=r"needs to return residuals of \[3, r\]"):
            check_residuals(found, x, EQUATION)
