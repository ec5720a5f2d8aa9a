"""Roll-outs: what goes in and comes out of every call, where gradients flow, and how the horizon grows."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.rollout import (
    Drivers,
    RolloutConfig,
    add_to_last,
    advance,
    calls_at,
    predict_bundle,
    rollout,
    unroll,
)


class Recorder(nn.Module):
    """A linear network of points that keeps what it was given."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out).double()
        self.inputs: list[Tensor] = []
        self.conditions: list[Tensor | None] = []

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        self.inputs.append(x.detach())
        self.conditions.append(condition)
        return self.linear(x)


class Scale(nn.Module):
    """One number times the input: the derivative of a roll-out can be worked out."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor, dtype=torch.float64))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.factor * x


def states(n: int, channels: int = 2, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return torch.randn(3, n, 5, 4, channels, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------------------ the calls


def test_a_call_sees_history_constants_and_forcings_in_this_order() -> None:
    config = RolloutConfig(history=2, bundle=3)
    history, forcings = states(2), states(2 + 6, 1)
    drivers = Drivers(constants=states(1, 4)[:, 0], forcings=forcings)
    network = Recorder(config.input_channels(2, constants=4, forcings=1), config.output_channels(2))
    predicted = rollout(network, config, history, 6, drivers)
    assert predicted.shape == (3, 6, 5, 4, 2)
    first, second = network.inputs
    oldest, newest, constants = history[:, 0], history[:, 1], drivers.constants
    assert constants is not None
    torch.testing.assert_close(first, torch.cat([oldest, newest, constants, *forcings[:, :5].unbind(1)], dim=-1))
    fed_back = [predicted[:, 1], predicted[:, 2], constants, *forcings[:, 3:8].unbind(1)]
    torch.testing.assert_close(second, torch.cat(fed_back, dim=-1).detach())


def test_bundles_hold_their_states_in_order_of_time() -> None:
    """Predictions of three linear functions of the state, one a step, are these functions."""
    config = RolloutConfig(bundle=3)
    network = Recorder(2, config.output_channels(2))
    history = states(1)
    weights, biases = network.linear.weight.view(3, 2, 2), network.linear.bias.view(3, 2)
    expected = torch.stack([history[:, 0] @ w.T + b for w, b in zip(weights, biases, strict=True)], dim=1)
    torch.testing.assert_close(rollout(network, config, history, 3), expected)


@pytest.mark.parametrize("history", [1, 2, 5])
@pytest.mark.parametrize("bundle", [1, 2, 3])
def test_a_long_rollout_begins_with_the_short_one_and_goes_on_from_it(history: int, bundle: int) -> None:
    config = RolloutConfig(history=history, bundle=bundle)
    network = Recorder(config.input_channels(2), config.output_channels(2))
    start = states(history)
    whole = rollout(network, config, start, 7)
    torch.testing.assert_close(rollout(network, config, start, 2), whole[:, :2])
    state, pieces = start, []
    for first in range(0, 7, bundle):
        pieces.append(predict_bundle(network, config, state, first=first))
        state = advance(state, pieces[-1])
    torch.testing.assert_close(torch.cat(pieces, dim=1)[:, :7], whole)


def test_diagnostics_are_predicted_but_not_fed_back() -> None:
    config = RolloutConfig()
    network = Recorder(2, 3)
    predicted = rollout(network, config, states(1), 2)
    assert predicted.shape[-1] == 3
    torch.testing.assert_close(network.inputs[1], predicted[:, 0, ..., :2].detach())


def test_an_update_turns_outputs_into_states() -> None:
    config = RolloutConfig()
    network = Scale(0.5)
    history = states(1)
    residual = rollout(network, config, history, 4, update=add_to_last)
    # a change of half of the state makes it 1.5 times as large
    expected = torch.stack([history[:, 0] * 1.5**i for i in range(1, 5)], dim=1)
    torch.testing.assert_close(residual, expected)


def test_a_condition_is_the_same_for_all_calls_or_made_for_each() -> None:
    config = RolloutConfig(bundle=2)
    network = Recorder(2, 4)
    fixed = torch.rand(3, 1)
    rollout(network, config, states(1), 4, Drivers(condition=fixed))
    assert all(condition is fixed for condition in network.conditions)
    network.conditions.clear()
    rollout(network, config, states(1), 6, Drivers(condition=lambda first: torch.full((3, 1), float(first))))
    assert [condition[0, 0].item() for condition in network.conditions if condition is not None] == [0.0, 2.0, 4.0]


def test_a_lower_precision_of_the_network_does_not_lower_that_of_the_states() -> None:
    network = nn.Linear(2, 2)
    network.forward = lambda x, condition: nn.functional.linear(x, network.weight)  # pyright: ignore
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert rollout(network, RolloutConfig(), states(1).float(), 2, update=add_to_last).dtype == torch.float32


# ----------------------------------------------------------------------------------------------------------- gradients


def test_gradients_flow_through_all_steps_or_the_last() -> None:
    """After n steps the state is a^n: through all of them its slope is n a^(n-1), through the last one a^(n-1)."""
    start, targets = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, 4, 1, 1, dtype=torch.float64)
    network = Scale(0.9)
    prediction, _ = unroll(network, RolloutConfig(calls=4), start, targets)
    (slope,) = torch.autograd.grad(prediction[0, -1].sum(), network.factor)
    assert slope.item() == pytest.approx(4 * 0.9**3, rel=1e-12)
    n_seen = set()
    for seed in range(20):
        torch.manual_seed(seed)
        prediction, target = unroll(network, RolloutConfig(calls=4, gradient="last"), start, targets)
        assert prediction.shape == target.shape == (1, 1, 1, 1)
        n = round(torch.log(prediction).item() / torch.log(network.factor).item())
        (slope,) = torch.autograd.grad(prediction.sum(), network.factor)
        assert slope.item() == pytest.approx(0.9 ** (n - 1), rel=1e-12)
        n_seen.add(n)
    assert n_seen == {1, 2, 3, 4}


def test_recomputed_calls_give_the_same_gradients() -> None:
    config = RolloutConfig(history=2, calls=4)
    network = Recorder(4, 2)
    gradients = []
    for each in (config, dataclasses.replace(config, checkpoint=True)):
        network.zero_grad()
        prediction, target = unroll(network, each, states(2), states(4, seed=1))
        (prediction - target).square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)
    # four calls, and four more with a second computation of each
    assert len(network.inputs) == 4 + 8


def test_rollouts_without_gradient_are_not_computed_twice() -> None:
    network = Recorder(2, 2)
    with torch.no_grad():
        rollout(network, RolloutConfig(checkpoint=True), states(1), 3)
    assert len(network.inputs) == 3


# ------------------------------------------------------------------------------------------------------------- training


def test_targets_are_those_of_the_predicted_times() -> None:
    config = RolloutConfig(bundle=2, calls=3, gradient="last")
    truth = states(7)
    for seed in range(5):
        torch.manual_seed(seed)
        network = Recorder(2, 4)
        _, target = unroll(network, config, truth[:, :1], truth[:, 1:])
        n_calls = len(network.inputs)
        torch.testing.assert_close(target, truth[:, 1 + 2 * (n_calls - 1) : 1 + 2 * n_calls])


def test_the_horizon_of_training_follows_the_schedule_and_validation_predicts_all() -> None:
    config = RolloutConfig(calls=4, ramp_start=0.2, ramp_end=0.8, input_noise=0.1)
    network, history, targets = Scale(1.0), states(1), states(6, seed=1)
    for fraction, n in ((0.0, 1), (0.45, 2), (0.9, 4)):
        prediction, target = unroll(network, config, history, targets, fraction)
        assert prediction.shape[1] == n
        torch.testing.assert_close(target, targets[:, :n], rtol=0, atol=0)
        assert (prediction[:, 0] - history[:, 0]).std().item() == pytest.approx(0.1, rel=0.2)
    prediction, target = unroll(network.eval(), config, history, targets, 0.0)
    assert target is targets
    torch.testing.assert_close(prediction, history.expand_as(prediction), rtol=0, atol=0)


@given(first=st.integers(1, 4), more=st.integers(0, 6), start=st.floats(0, 1), length=st.floats(0, 1))
def test_rollouts_grow_in_equal_parts(first: int, more: int, start: float, length: float) -> None:
    config = RolloutConfig(first_calls=first, calls=first + more, ramp_start=start, ramp_end=min(1.0, start + length))
    calls = [calls_at(config, i / 1000) for i in range(1001)]
    assert calls == sorted(calls)
    assert set(calls) <= set(range(first, first + more + 1))
    assert calls[-1] == config.calls
    if config.ramp_start > 0.001:
        assert calls[0] == config.first_calls
    if more > 1 and config.ramp_end - config.ramp_start > 0.1:
        counts = [calls.count(first + i) for i in range(1, more)]
        assert max(counts) - min(counts) <= 2, "a thousandth of rounding at either end"


def test_training_through_two_steps_finds_the_operator() -> None:
    """A smoothing of neighbours, seen only at every second step."""
    torch.manual_seed(0)

    class Stencil(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.taps = nn.Parameter(torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64))

        def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
            return sum((tap * x.roll(i - 1, dims=1) for i, tap in enumerate(self.taps)), torch.zeros_like(x))

    network, truth = Stencil(), Stencil()
    truth.taps.data = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    config = RolloutConfig(first_calls=2, calls=2)
    start = torch.randn(64, 1, 12, 1, dtype=torch.float64)
    with torch.no_grad():
        targets = rollout(truth, config, start, 2)
    optimiser = torch.optim.LBFGS(
        network.parameters(), max_iter=50, tolerance_grad=1e-12, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        prediction, target = unroll(network, config, start, targets)
        loss = (prediction[:, 1] - target[:, 1]).square().mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    # so near to its least the loss is some 1e-13, and no search resolves much less
    torch.testing.assert_close(network.taps.detach(), truth.taps.detach(), rtol=0, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------ bad input


def test_what_does_not_fit_is_refused() -> None:
    network = Recorder(2, 2)
    with pytest.raises(UserError, match="sees 2 states of history, but got 1"):
        rollout(network, RolloutConfig(history=2), states(1), 1)
    with pytest.raises(UserError, match="forcings at 3 times, but got them at 2"):
        rollout(Recorder(4, 2), RolloutConfig(), states(1), 2, Drivers(forcings=states(2, 1)))
    with pytest.raises(UserError, match="gives 1 channels"):
        rollout(Recorder(2, 1), RolloutConfig(), states(1), 1)
    with pytest.raises(UserError, match="3 states of 2 channels or more, but it gives 2"):
        rollout(network, RolloutConfig(bundle=3), states(1), 1)
    with pytest.raises(UserError, match="`rollout` has 4 calls of 1 steps, but samples have 3 steps"):
        unroll(network, RolloutConfig(calls=4), states(1), states(3))


def test_configs_without_sense_are_refused() -> None:
    with pytest.raises(UserError, match="`rollout.calls` needs to be between 3 and"):
        RolloutConfig(first_calls=3, calls=2)
    with pytest.raises(UserError, match="`rollout.ramp_end` needs to be between 0.5 and 1, but is 0.2"):
        RolloutConfig(ramp_start=0.5, ramp_end=0.2)
    with pytest.raises(UserError, match="`rollout.input_noise` needs to be at least 0"):
        RolloutConfig(input_noise=-0.1)
