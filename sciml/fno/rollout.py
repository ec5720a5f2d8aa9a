"""Networks that predict the next steps from the last ones, applied to their own predictions.

One call of a network sees `history` states and predicts `bundle` at once (temporal bundling, Brandstetter et al. 2022,
ICLR, arXiv:2202.03376). A roll-out is a chain of calls; `unroll` makes the pairs of prediction and truth that a loss
compares while training, over a horizon that may grow as training goes on.

Shapes: b samples, h states of history, k = bundle states a call, n states of a roll-out, grid points along one or more
axes, c channels of a state, d >= c channels of a prediction (diagnostics stand behind the state and are not fed back),
s constant channels, f forcings. The network maps [b, *grid, h c + s + (h + k) f] to [b, *grid, k d]:

- its input has the states of the history, the oldest first, each with all of its channels; then the constants; then the
  forcings at the times of the history and of the states to be predicted, in order of time;
- its output has the predicted states, in order of time, each with all of its channels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError

MOST_STEPS = 10_000

# (last state [b, *grid, c], output [b, k, *grid, d]) to predictions [b, k, *grid, d]
Update: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class RolloutConfig:
    """How a network steps, and how far training rolls out.

    Attributes:
        history: states that one call sees.
        bundle: states that one call predicts.
        first_calls: calls of the network in a roll-out when training begins.
        calls: calls in a roll-out in the end; a sample then needs `steps` states to compare with.
        ramp_start: fraction of the training at which roll-outs begin to grow.
        ramp_end: fraction at which they have grown.
        gradient: "all" differentiates through the whole roll-out. "last" is the push-forward trick of the same
            paper: through the last call alone, which sees the network's own errors but not how they came about.
        input_noise: standard deviation of the noise on the first history (Sanchez-Gonzalez et al. 2020,
            arXiv:2002.09405), in units of the states, so normalise first.
        checkpoint: computes calls a second time in the backward pass, and keeps only the states in between.
    """

    history: int = 1
    bundle: int = 1
    first_calls: int = 1
    calls: int = 1
    ramp_start: float = 0.0
    ramp_end: float = 0.5
    gradient: Literal["all", "last"] = "all"
    input_noise: float = 0.0
    checkpoint: bool = False

    def __post_init__(self) -> None:
        check_ranges(
            "rollout",
            self,
            {
                "history": (1, MOST_STEPS),
                "bundle": (1, MOST_STEPS),
                "first_calls": (1, MOST_STEPS),
                "calls": (self.first_calls, MOST_STEPS),
                "ramp_start": (0, 1),
                "ramp_end": (self.ramp_start, 1),
                "input_noise": (0, float("inf")),
            },
        )

    @property
    def steps(self) -> int:
        """States of the longest roll-out in training."""
        return self.calls * self.bundle

    def input_channels(self, state: int, constants: int = 0, forcings: int = 0) -> int:
        """Channels that a network takes.

        >>> RolloutConfig(history=2, bundle=4).input_channels(3, constants=1, forcings=2)
        19
        """
        return self.history * state + constants + (self.history + self.bundle) * forcings

    def output_channels(self, predicted: int) -> int:
        """Channels that a network gives, from those of one prediction."""
        return self.bundle * predicted


def calls_at(config: RolloutConfig, fraction_done: float) -> int:
    """Calls in a roll-out once this fraction of the training is done, from 0 to 1.

    From `ramp_start` on roll-outs grow by one call after the other, each for the same part of the training, and are
    at their full length from `ramp_end` on.

    >>> config = RolloutConfig(calls=4, ramp_start=0.2, ramp_end=0.8)
    >>> [calls_at(config, fraction) for fraction in (0.0, 0.3, 0.5, 0.7, 0.8, 1.0)]
    [1, 1, 2, 3, 4, 4]
    """
    if fraction_done >= config.ramp_end:
        return config.calls
    if fraction_done <= config.ramp_start:
        return config.first_calls
    ramp = (fraction_done - config.ramp_start) / (config.ramp_end - config.ramp_start)
    return config.first_calls + int(ramp * (config.calls - config.first_calls))


@dataclass(frozen=True, eq=False)
class Drivers:
    """What a network is given beside the states.

    Attributes:
        constants: channels that do not change, such as coefficients.
        forcings: at the times of the history and of all predicted states, so of h + n times.
        condition: numbers of each sample, such as parameters; or a function of the number of the first state that a
            call predicts (0, k, 2 k, ...), for what is drawn or changes with every call.
    """

    constants: Float[Tensor, "b *grid s"] | None = None
    forcings: Float[Tensor, "b t *grid f"] | None = None
    condition: Float[Tensor, "b p"] | Callable[[int], Float[Tensor, "b p"]] | None = None


NO_DRIVERS = Drivers()


def add_to_last(last: Float[Tensor, "b *grid c"], output: Float[Tensor, "b k *grid d"]) -> Float[Tensor, "b k *grid d"]:
    """Update of a network that predicts how far each state is from the last one; diagnostics it predicts themselves.

    >>> add_to_last(torch.tensor([[[5.0]]]), torch.tensor([[[[1.0, 7.0]], [[2.0, 8.0]]]])).flatten().tolist()
    [6.0, 7.0, 7.0, 8.0]
    """
    n_state = last.shape[-1]
    return torch.cat([last.unsqueeze(1) + output[..., :n_state], output[..., n_state:]], dim=-1)


def predict_bundle(
    network: nn.Module,
    config: RolloutConfig,
    history: Float[Tensor, "b h *grid c"],
    drivers: Drivers = NO_DRIVERS,
    update: Update | None = None,
    first: int = 0,
) -> Float[Tensor, "b k *grid d"]:
    """One call of the network: the states `first` to `first + k - 1` of a roll-out.

    Args:
        update: makes predictions of the network's output; without it the output is the prediction.

    Raises:
        UserError: another history than the config's, too few forcings, an output that is no bundle of states.
    """
    h, k = config.history, config.bundle
    if history.shape[1] != h:
        raise UserError(f"The network sees {h} states of history, but got {history.shape[1]}.")
    parts = [_times_as_channels(history)]
    if drivers.constants is not None:
        parts.append(drivers.constants)
    if drivers.forcings is not None:
        if drivers.forcings.shape[1] < first + h + k:
            raise UserError(
                f"Predicting {first + k} states from {h} needs forcings at {first + h + k} times, but got them at "
                f"{drivers.forcings.shape[1]}. Ask for fewer steps or give forcings of later times."
            )
        parts.append(_times_as_channels(drivers.forcings[:, first : first + h + k]))
    x = torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]
    condition = drivers.condition(first) if callable(drivers.condition) else drivers.condition
    output = network(x, condition).to(history.dtype)
    n_state, n_output = history.shape[-1], output.shape[-1]
    if n_output % k or n_output // k < n_state:
        raise UserError(
            f"The network needs to give {k} states of {n_state} channels or more, but it gives {n_output} channels. "
            f"Build it with `output_channels` of the roll-out's config."
        )
    bundle = output.unflatten(-1, (k, n_output // k)).movedim(-2, 1)
    return bundle if update is None else update(history[:, -1], bundle)


def advance(
    history: Float[Tensor, "b h *grid c"], predicted: Float[Tensor, "b k *grid d"]
) -> Float[Tensor, "b h *grid c"]:
    """The history after a bundle.

    >>> advance(torch.tensor([[[[1.0]], [[2.0]]]]), torch.tensor([[[[3.0, 30.0]]]])).flatten().tolist()
    [2.0, 3.0]
    """
    h, n_state = history.shape[1], history.shape[-1]
    return torch.cat([history, predicted[..., :n_state]], dim=1)[:, -h:]


def rollout(
    network: nn.Module,
    config: RolloutConfig,
    history: Float[Tensor, "b h *grid c"],
    n_steps: int,
    drivers: Drivers = NO_DRIVERS,
    update: Update | None = None,
) -> Float[Tensor, "b n *grid d"]:
    """The next `n_steps` states; the last bundle is cut where it is longer. Differentiable as a whole.

    Forecasts too long to be kept go on by `predict_bundle` and `advance`, which hold no more than one bundle.

    Raises:
        UserError: as `predict_bundle`.
    """
    n_calls = -(-n_steps // config.bundle)
    return torch.cat(_bundles(network, config, history, n_calls, drivers, update), dim=1)[:, :n_steps]


def unroll(
    network: nn.Module,
    config: RolloutConfig,
    history: Float[Tensor, "b h *grid c"],
    targets: Float[Tensor, "b n *grid d"],
    fraction_done: float = 1.0,
    drivers: Drivers = NO_DRIVERS,
    update: Update | None = None,
) -> tuple[Float[Tensor, "b m *grid d"], Float[Tensor, "b m *grid d"]]:
    """Predictions and the targets that a loss compares them with.

    In training mode these are the states of `calls_at(config, fraction_done)` calls, from a history with noise. With
    `gradient: last` they are those of the last call only, after a number of calls without gradient that is drawn
    anew every time, as in the paper's code, so that the network goes on seeing true states too. In evaluation mode all
    targets are predicted, without noise, whatever the fraction.

    Raises:
        UserError: fewer targets than `config.steps`, and as `predict_bundle`.
    """
    if not network.training:
        return rollout(network, config, history, targets.shape[1], drivers, update), targets
    if targets.shape[1] < config.steps:
        raise UserError(
            f"`rollout` has {config.calls} calls of {config.bundle} steps, but samples have {targets.shape[1]} steps. "
            "Give longer samples or lower `rollout.calls`."
        )
    n_calls = calls_at(config, fraction_done)
    if config.gradient == "last":
        n_calls = int(torch.randint(1, n_calls + 1, ()))
    if config.input_noise > 0:
        history = history + config.input_noise * torch.randn_like(history)
    bundles = _bundles(network, config, history, n_calls, drivers, update, only_last=config.gradient == "last")
    prediction = torch.cat(bundles, dim=1)
    end = n_calls * config.bundle
    return prediction, targets[:, end - prediction.shape[1] : end]


def _bundles(
    network: nn.Module,
    config: RolloutConfig,
    history: Tensor,
    n_calls: int,
    drivers: Drivers,
    update: Update | None,
    only_last: bool = False,
) -> list[Tensor]:
    """What the calls predict, one after the other; or of the last alone, before which there is no gradient."""

    def call(state: Tensor, first: int) -> Tensor:
        return predict_bundle(network, config, state, drivers, update, first)

    bundles: list[Tensor] = []
    for i in range(n_calls):
        is_last = i == n_calls - 1
        with torch.no_grad() if only_last and not is_last else contextlib.nullcontext():
            if config.checkpoint and torch.is_grad_enabled():
                predicted: Tensor = checkpoint(call, history, i * config.bundle, use_reentrant=False)
            else:
                predicted = call(history, i * config.bundle)
            if not is_last:
                history = advance(history, predicted)
        if is_last or not only_last:
            bundles.append(predicted)
    return bundles


def _times_as_channels(states: Float[Tensor, "b t *grid c"]) -> Float[Tensor, "b *grid tc"]:
    return states.movedim(1, -2).flatten(-2)
