"""One step and many: persistence plus a change, exact gradients through a roll-out, and noise that is drawn anew."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from sciml.fno.sfno import SFNOConfig
from sciml.weather.forecasting.data import ForecastData, WeatherDataConfig
from sciml.weather.forecasting.forecaster import _STEPS_KEPT, BOUNDS, Forecaster
from sciml.weather.forecasting.objective import channels_last
from sciml.weather.forecasting.saved import build_forecaster
from sciml.weather.training.values import collate

B, H, Y, X, C, F, S = 2, 2, 4, 8, 3, 5, 2
CHANGE, DIRECT = [0.1, 0.2, 0.5], [False, False, True]


class Linear(nn.Module):
    """A network that is a linear map of channels."""

    def __init__(self, noise: int = 0) -> None:
        super().__init__()
        self.map = nn.Linear(H * C + 2 * F + S, C)
        self.noise = nn.Linear(noise, C) if noise else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        found = self.map(x).tanh()
        return found if self.noise is None else found + self.noise(condition)[:, None, None]


class Nothing(nn.Module):
    """A network that sees no change."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(*x.shape[:-1], C)


def make(network: nn.Module, noise: int = 0) -> Forecaster:
    torch.manual_seed(0)
    return Forecaster(network, CHANGE, DIRECT, torch.randn(S, Y, X), noise)


def inputs(steps: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(B, H, Y, X, C, generator=generator),
        torch.randn(B, steps + 1, Y, X, F, generator=generator),
    )


def test_no_change_is_persistence_but_for_direct_fields():
    states, forcings = inputs(3)
    found = make(Nothing())(states, forcings, 3)
    for step in range(3):
        assert torch.equal(found[:, step, ..., :2], states[:, -1, ..., :2])
        assert (found[:, step, ..., 2] == 0).all()


def test_a_step_is_the_last_state_and_the_scaled_change():
    torch.manual_seed(3)
    forecaster = make(Linear())
    states, forcings = inputs(1)
    x = torch.cat(
        [states[:, 0], states[:, 1], forcings[:, 0], forcings[:, 1], forecaster.static.expand(B, Y, X, S)], -1
    )
    change = forecaster.network(x)
    expected = torch.stack(
        [states[:, 1, ..., 0] + 0.1 * change[..., 0], states[:, 1, ..., 1] + 0.2 * change[..., 1], change[..., 2]], -1
    )
    assert torch.allclose(forecaster(states, forcings, 1)[:, 0], expected, atol=1e-6)


def test_with_dynamics_the_network_sees_features_and_gives_vorticity(
    sample_config: WeatherDataConfig, sample_data: ForecastData
) -> None:
    samples = sample_data.samples("train", 2)
    statistics = sample_data.statistics
    torch.manual_seed(0)
    forecaster = build_forecaster(SFNOConfig(width=8, layers=1), sample_config, statistics, samples.static, 0, True)
    motion, network = forecaster.dynamics, forecaster.network
    assert motion is not None
    states, _, forcings = channels_last(collate([samples[0]]))
    x = [states[:, 0], forcings[:, 0], forcings[:, 1], motion(states[:, 0]), forecaster.static[None]]
    change = forecaster.change * motion.with_winds(network(torch.cat(x, -1)))
    expected = torch.maximum(forecaster.keep * states[:, 0] + change, forecaster.least)
    torch.testing.assert_close(forecaster(states, forcings, 1)[:, 0], expected)
    # the gradient goes through both features and winds of the second step
    forecaster(states, forcings, 2)[:, 1].square().mean().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in network.parameters())


def test_no_field_goes_below_its_bound():
    torch.manual_seed(0)
    least = [-math.inf, 0.25, 0.5]
    bounded = Forecaster(Linear(), CHANGE, DIRECT, torch.randn(S, Y, X), least=least)
    free = Forecaster(bounded.network, CHANGE, DIRECT, bounded.static.movedim(-1, 0))
    states, forcings = inputs(1)
    found, wanted = bounded(states, forcings, 1), free(states, forcings, 1)
    assert torch.equal(found, torch.maximum(wanted, torch.tensor(least)))
    assert (wanted[..., 1] < 0.25).any() and torch.equal(found[..., 0], wanted[..., 0])


def test_no_field_leaves_the_range_of_its_latitude_but_for_direct_ones():
    torch.manual_seed(0)
    bounded = Forecaster(Linear(), CHANGE, DIRECT, torch.randn(S, Y, X), bounded=True)
    free = Forecaster(bounded.network, CHANGE, DIRECT, bounded.static.movedim(-1, 0))
    states, forcings = inputs(1)
    wanted = free(states, forcings, 1)
    assert torch.equal(bounded(states, forcings, 1), wanted)  # before there are any
    lowest, highest = -torch.rand(Y, C), torch.rand(Y, C)
    bounded.set_bounds(lowest, highest)
    found = bounded(states, forcings, 1)
    within = wanted.clamp(lowest[:, None], highest[:, None])
    assert torch.equal(found[..., :2], within[..., :2]) and not torch.equal(found, wanted)
    assert torch.equal(found[..., 2], wanted[..., 2])
    # they come with the weights, and half precision keeps them finite
    again = Forecaster(Linear(), CHANGE, DIRECT, torch.randn(S, Y, X), bounded=True).half()
    again.load_state_dict(bounded.state_dict())
    assert all(again.state_dict()[name].isfinite().all() for name in BOUNDS)
    assert torch.allclose(again.lowest.float(), bounded.lowest, rtol=1e-3)


def test_a_roll_out_is_steps_one_after_another():
    forecaster = make(Linear())
    states, forcings = inputs(3)
    found = forecaster(states, forcings, 3)
    for step in range(3):
        following = forecaster.step(states, forcings[:, step : step + 2])
        assert torch.allclose(found[:, step], following, atol=1e-6)
        states = torch.cat([states[:, 1:], following[:, None]], 1)


@pytest.mark.parametrize("steps", [3, _STEPS_KEPT + 1])
def test_the_gradient_of_a_roll_out_is_exact(steps: int):
    """Found again on the way back, it is that of steps written out."""
    forecaster = make(Linear()).double()
    states, forcings = (part.double() for part in inputs(steps))
    forecaster(states, forcings, steps).square().sum().backward()
    found = [parameter.grad.clone() for parameter in forecaster.parameters() if parameter.grad is not None]
    forecaster.zero_grad()
    following, total = states, torch.zeros((), dtype=torch.float64)
    for step in range(steps):
        new = forecaster.step(following, forcings[:, step : step + 2])
        total = total + new.square().sum()
        following = torch.cat([following[:, 1:], new[:, None]], 1)
    total.backward()
    wanted = [parameter.grad for parameter in forecaster.parameters()]
    # the same sums in another order, float64
    assert all(torch.allclose(one, other, rtol=1e-12) for one, other in zip(found, wanted, strict=True))


def test_noise_is_new_in_each_step_and_the_same_for_a_seed():
    forecaster = make(Linear(noise=4), noise=4)
    states, forcings = inputs(2)
    once, again, other = (forecaster(states, forcings, 2, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    assert torch.equal(once, again)
    assert not torch.allclose(once, other)
    drawn = forecaster.draw(states)
    assert drawn is not None
    assert drawn.shape == (B, 4)
    assert make(Linear()).draw(states) is None


@pytest.mark.parametrize("steps", [1, 3])
def test_the_gradient_reaches_every_weight_through_noise(steps: int):
    forecaster = make(Linear(noise=4), noise=4)
    forecaster(*inputs(steps), steps).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in forecaster.parameters())


def test_static_fields_are_kept_with_the_weights():
    assert "static" in make(Nothing()).state_dict()
    assert {"change", "keep"}.isdisjoint(make(Nothing()).state_dict())
