"""What a forecast sample is: the states up to its initial time, and the states that follow it.

A sample of initial time t has the inputs at t - (history - 1) step, ..., t and the targets at t + step, ...,
t + steps x step. It exists when the data have every one of these times exactly; gaps are passed over, not filled.

Shapes: n samples, b samples of a batch, h history, k steps, t = h + k times, c fields, d fields and diagnostics,
m fields with gaps, f forcings, s static channels, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from sciml.core.errors import UserError
from sciml.weather.training.forcings import forcing_channels


@dataclass(frozen=True)
class SampleConfig:
    """What a sample has.

    Attributes:
        fields: of inputs and targets, such as `t2m` and `z500`.
        diagnostics: of targets alone, such as `tp`.
        step_hours: between the states.
        history: states that a forecast starts from.
        steps: states that it is compared with.
        forcings: `toa_radiation`, `year`, `local_time`.
        static: `position` and variables of the static dataset, such as `lsm` and `z`.
        missing: those fields and diagnostics that may have missing values.
    """

    fields: tuple[str, ...]
    diagnostics: tuple[str, ...] = ()
    step_hours: int = 6
    history: int = 1
    steps: int = 1
    forcings: tuple[str, ...] = ("toa_radiation", "year", "local_time")
    static: tuple[str, ...] = ("position",)
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("step_hours", "history", "steps"):
            if getattr(self, name) < 1:
                raise UserError(f"Samples need {name} of at least 1, but it is {getattr(self, name)}.")
        if not self.fields:
            raise UserError("Samples need at least one field in `fields`, such as t2m.")
        forcing_channels(self.forcings)
        if "toa_radiation" in self.forcings and self.step_hours > 24:
            raise UserError(
                f"`toa_radiation` is summed over a step of at most 24 hours, but step_hours is {self.step_hours}. "
                "Leave it out of `forcings`."
            )
        if unknown := [name for name in self.missing if name not in self.all_fields]:
            raise UserError(
                f"`missing` names `{unknown[0]}`, which is none of the fields {', '.join(self.all_fields)}."
            )

    @property
    def all_fields(self) -> tuple[str, ...]:
        return self.fields + self.diagnostics


class ForecastBatch(NamedTuple):
    """Samples, normalised, float32; without the first dimension it is one sample.

    Attributes:
        inputs: states, the oldest first.
        targets: states that follow, with diagnostics after the fields.
        forcings: at the times of inputs and targets, of order one; radiation is summed over the step before.
        valid: at the times of inputs and targets, 1 where a field of `missing` has a value, 0 where not.
        static: the same for all samples.
        time: initial time, nanoseconds since 1970, UTC.
    """

    inputs: Float[Tensor, "*b h c y x"]
    targets: Float[Tensor, "*b k d y x"]
    forcings: Float[Tensor, "*b t f y x"]
    valid: Float[Tensor, "*b t m y x"]
    static: Float[Tensor, "*b s y x"]
    time: Int[Tensor, "*b"]


def collate(samples: Sequence[ForecastBatch]) -> ForecastBatch:
    """Single samples as one batch."""
    return ForecastBatch(*(torch.stack(tensors) for tensors in zip(*samples, strict=True)))


def frames_of_samples(time: NDArray[Any], config: SampleConfig) -> Int[np.ndarray, "n t"]:
    """Which of the times, ascending, every sample has.

    >>> six_hourly = np.array(["2020-01-01T00", "2020-01-01T06", "2020-01-01T12", "2020-01-02T00"], "datetime64[ns]")
    >>> frames_of_samples(six_hourly, SampleConfig(("t2m",), step_hours=6))
    array([[0, 1],
           [1, 2]])

    Raises:
        UserError: nowhere are there such times.
    """
    places = np.arange(1 - config.history, config.steps + 1) * np.timedelta64(config.step_hours, "h")
    wanted = time[:, None] + places
    frames = np.minimum(np.searchsorted(time, wanted), len(time) - 1)
    exists = time[frames] == wanted
    if not exists.all(axis=1).any():
        steps = np.unique(np.diff(time)).astype("timedelta64[m]").astype(int) / 60
        apart = ", ".join(f"{step:g}" for step in steps[:6].tolist()) + (", ..." if len(steps) > 6 else "")
        raise UserError(
            f"A sample needs {config.history + config.steps} times {config.step_hours} h apart, and nowhere among "
            f"these {len(time)} are there such: neighbours are {apart or 'no'} h apart. Choose another step_hours, "
            "fewer steps, or more data."
        )
    return frames[exists.all(axis=1)]
