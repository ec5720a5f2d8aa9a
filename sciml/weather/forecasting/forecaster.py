"""One step of a forecast, and many: a network between normalised states, with what it adds in the unit of a step.

A state is normalised with mean and standard deviation of the training period. What the network gives is multiplied with
the standard deviation of the change within a step, and added to the last state; of `direct` fields, such as rain, which
has no memory of its own, it is the next state itself. With `dynamics` the network sees what the equations of motion say
of the last state, and gives the changes of winds as those of vorticity and divergence. With `bounded` no value leaves
the range that it has at its latitude.

Shapes: b samples, h states that a step starts from, t times, k steps, y latitudes, x longitudes, c fields of a state,
f forcings, s static fields.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sciml.weather.networks.dynamics import Dynamics

# steps of a roll-out whose inner fields are all kept: a third faster, for some 100 MB a step and sample of T31
_STEPS_KEPT = 6
# normalised value beyond all weather, of fields without a bound; weights have to be finite, in half precision too
NO_BOUND = 1000.0
# names of the tensors that hold them
BOUNDS = ("lowest", "highest")


class Forecaster(nn.Module):
    """Forecasts normalised states.

    Args:
        network: [b, y, x, inputs] (the states, oldest first, forcings now and a step later, features of the last state,
            static fields), and a condition where it takes one, to [b, y, x, c].
        change: standard deviation of the change within a step over that of the state, by field.
        direct: whether the network gives the field itself, by field.
        static: static fields, of order one; kept with the weights.
        noise: numbers drawn anew for each step that the network is conditioned on; 0 for a deterministic one.
        dynamics: features of a state, or None.
        least: normalised value that each field has at least, such as that of no humidity; None for none.
        bounded: whether each step stays within the range of each latitude that `set_bounds` was told; it is kept with
            the weights. A small error that feeds on itself, as over the poles, then ends there, in a state from which
            the weather goes on, rather than after some months in one that no network knows.
    """

    change: Tensor
    keep: Tensor
    static: Tensor
    least: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(
        self,
        network: nn.Module,
        change: Sequence[float],
        direct: Sequence[bool],
        static: Float[Tensor, "s y x"],
        noise: int = 0,
        dynamics: Dynamics | None = None,
        least: Sequence[float] | None = None,
        bounded: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.noise, self.dynamics, self.bounded = network, noise, dynamics, bounded
        scale = [1.0 if alone else size for size, alone in zip(change, direct, strict=True)]
        self.register_buffer("change", torch.tensor(scale), persistent=False)
        self.register_buffer("keep", torch.tensor([float(not alone) for alone in direct]), persistent=False)
        amounts = [-math.inf] * len(scale) if least is None else list(least)
        self.register_buffer("least", torch.tensor(amounts), persistent=False)
        self.register_buffer("static", static.movedim(0, -1).contiguous())
        if bounded:
            wide = torch.full((static.shape[-2], 1, len(scale)), NO_BOUND)
            self.register_buffer("lowest", -wide)
            self.register_buffer("highest", wide)

    def set_bounds(self, lowest: Float[Tensor, "y c"], highest: Float[Tensor, "y c"]) -> None:
        """The range of each field at each latitude, normalised; `NO_BOUND` for none, and for fields given directly."""
        for place, values, sign in ((self.lowest, lowest, -1), (self.highest, highest, 1)):
            place.copy_(torch.where(self.keep > 0, values, sign * NO_BOUND).unsqueeze(1))

    def step(
        self,
        states: Float[Tensor, "b h y x c"],
        forcings: Float[Tensor, "b 2 y x f"],
        noise: Float[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, "b y x c"]:
        """The state a step after the last one; forcings are those of the last state's time and of the next."""
        static = self.static.expand(len(states), *self.static.shape)
        features = [self.dynamics(states[:, -1])] if self.dynamics is not None else []
        inputs = torch.cat([*states.unbind(1), *forcings.unbind(1), *features, static], dim=-1)
        change = self.network(inputs, noise) if self.noise else self.network(inputs)
        if self.dynamics is not None:
            change = self.dynamics.with_winds(change)
        following = torch.maximum(self.keep * states[:, -1] + self.change * change, self.least)
        return torch.clamp(following, self.lowest, self.highest) if self.bounded else following

    def forward(
        self,
        states: Float[Tensor, "b h y x c"],
        forcings: Float[Tensor, "b t y x f"],
        steps: int,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "b k y x c"]:
        """The states of `steps` steps; forcings are those of the last state's time and of each step's.

        With many steps, what the network keeps for the gradient is found again on the way back, step by step.
        """
        found = []
        again = steps > _STEPS_KEPT and torch.is_grad_enabled()
        for number in range(steps):
            arguments = (states, forcings[:, number : number + 2], self.draw(states, generator))
            # the noise is drawn outside, so nothing random happens in what is done again
            following = (
                checkpoint(self.step, *arguments, use_reentrant=False, preserve_rng_state=False)
                if again
                else self.step(*arguments)
            )
            assert isinstance(following, Tensor)
            found.append(following)
            states = torch.cat([states[:, 1:], following[:, None]], dim=1)
        return torch.stack(found, dim=1)

    def draw(self, states: Tensor, generator: torch.Generator | None = None) -> Tensor | None:
        """Noise for a step of each sample; None for a deterministic network."""
        if not self.noise:
            return None
        drawn = torch.randn(len(states), self.noise, generator=generator)
        return drawn.to(device=states.device, dtype=states.dtype)
