"""Roll-outs of some starts side by side, a few steps at a time. Each is the same whatever is rolled out beside it.

Shapes: i initial times, m members, l lead times, h states, c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.train.seeding import mix
from sciml.weather.forecasting.request import ForecastRequest
from sciml.weather.forecasting.saved import ForecastModel


@dataclass(frozen=True)
class BlowUp:
    """A roll-out that left the range of the training climate. All values are those of JSON.

    Attributes:
        start: initial time, ISO 8601 to the minute.
        lead_hours: after which it did.
        field: or budget, by which it shows.
        text: a sentence on it.
    """

    start: str
    lead_hours: int
    field: str
    text: str


def blown_up_text(lost: Sequence[Mapping[str, Any]], forecasts: int) -> str:
    """How many roll-outs were left out, and which was first.

    Args:
        lost: of `BlowUp`, as `metrics.json` has them.
        forecasts: in all.

    >>> blown_up_text([{"start": "2005-01-01T00:00", "lead_hours": 144, "field": "z500", "text": ""}], 60)
    '1 of 60 roll-outs left the range of the training climate and is not scored: at lead 144 h (z500).'
    """
    first = min(lost, key=lambda one: one["lead_hours"])
    several = len(lost) > 1
    return (
        f"{len(lost)} of {forecasts} roll-outs left the range of the training climate and {'are' if several else 'is'} "
        f"not scored: {'first ' if several else ''}at lead {first['lead_hours']} h ({first['field']})."
    )


@dataclass
class Rolling:
    """Roll-outs under way.

    Attributes:
        first, last: the starts from number `first` to before `last`.
        step: steps done.
        states: normalised, [i m, h, y, x, c].
        generators: of each one's noise.
        lost: number of a start -> how one of its roll-outs blew up.
    """

    first: int
    last: int
    step: int
    states: Tensor
    generators: list[torch.Generator]
    lost: dict[int, BlowUp] = field(default_factory=dict)


def start_rolling(
    model: ForecastModel, states: Float[np.ndarray, "i h c y x"], request: ForecastRequest, first: int
) -> Rolling:
    """Roll-outs of the starts from number `first` on, before their first step."""
    last, members = first + len(states), request.members_each
    start = model.normalise(states).movedim(2, -1)
    repeated = start[:, None].repeat(1, members, 1, 1, 1, 1)
    if request.perturbation and members > 1:
        noise = _smooth_noise(repeated.shape, _generators(request, first, last, "starts"))
        noise[:, 0] = 0
        repeated = repeated + request.perturbation * model.forecaster.change * noise
    return Rolling(first, last, 0, repeated.flatten(0, 1), _generators(request, first, last, "steps"))


def advance(
    model: ForecastModel, rolling: Rolling, request: ForecastRequest, steps: int
) -> Float[np.ndarray, "r l c y x"]:
    """The next states, those that are written, in physical units, [i m, l, c, y, x]; NaN of starts that are lost.

    Raises:
        UserError: a roll-out blows up, and is not to be left out.
    """
    step = np.timedelta64(model.data.step_hours, "h")
    times, members = request.times[rolling.first : rolling.last], request.members_each
    guard, shape = model.guard, (len(model.fields), *model.grid.shape)
    kept = []
    for number in range(rolling.step + 1, rolling.step + steps + 1):
        now = [model.forcings(times + (number - back) * step) for back in (1, 0)]
        forcings = torch.stack(now, dim=1).movedim(-3, -1)
        physical = np.full((len(rolling.states), *shape), np.nan, np.float32)
        for row in range(len(rolling.states)):
            start = rolling.first + row // members
            if start in rolling.lost:
                continue
            # one forecast at a time takes little memory, and gives the same whatever is forecast beside it
            physical[row] = _step(model, rolling, row, forcings[row // members])
            if (breach := guard.breach(physical[row])) is not None:
                hours = number * model.data.step_hours
                rolling.lost[start] = BlowUp(str(request.times[start])[:16], hours, *breach)
        if rolling.lost and not request.leave_out:
            blow_up = next(iter(rolling.lost.values()))
            raise UserError(
                f"the forecast from {blow_up.start} has blown up at a lead time of {blow_up.lead_hours} h: "
                f"{blow_up.text}. Start from another state, forecast fewer steps, or train with longer roll-outs "
                "(`loss.steps`)."
            )
        rolling.step = number
        if number % request.every == 0:
            kept.append(model.possible(physical))
    return np.stack(kept, axis=1) if kept else np.empty((len(rolling.states), 0, *shape), np.float32)


@torch.inference_mode()
def _step(
    model: ForecastModel, rolling: Rolling, row: int, forcings: Float[Tensor, "2 y x f"]
) -> Float[np.ndarray, "c y x"]:
    """Moves one roll-out on by a step; the state that it comes to, in physical units."""
    forecaster, states = model.forecaster, rolling.states[row][None]
    noise = forecaster.draw(states, rolling.generators[row])
    following = forecaster.step(states, forcings[None], noise)
    rolling.states[row] = torch.cat([states[0, 1:], following], dim=0)
    return model.denormalise(following[0].movedim(-1, 0))


# ---------------------------------------------------------------------------------------------------------------- noise


def _generators(request: ForecastRequest, first: int, last: int, purpose: str) -> list[torch.Generator]:
    """One for each member of each start, so that its noise is the same whatever is forecast beside it."""
    starts = request.times[first:last].astype("datetime64[ns]").astype(np.int64).tolist()
    return [
        torch.Generator().manual_seed(mix(request.seed, start, number, *purpose.encode()))
        for start in starts
        for number in range(request.members_each)
    ]


def _smooth_noise(shape: tuple[int, ...], generators: Sequence[torch.Generator]) -> Tensor:
    """[i, m, h, y, x, c] of unit variance, alike for a history's states, with no scale below a few grid lengths."""
    i, m, _, y, x, c = shape
    size = c, max(y // 6, 2), max(x // 6, 2)
    coarse = torch.stack([torch.randn(size, generator=generator) for generator in generators])
    wrapped = torch.cat([coarse, coarse[..., :1]], dim=-1)
    fine = torch.nn.functional.interpolate(wrapped, (y, x + 1), mode="bicubic", align_corners=True)[..., :x]
    fine = fine / fine.std(dim=(-2, -1), keepdim=True)
    return fine.movedim(1, -1).reshape(i, m, 1, y, x, c)
