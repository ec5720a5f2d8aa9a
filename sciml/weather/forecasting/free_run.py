"""A roll-out that goes on for long: whether it stays, and whether its mean state and its variability are the truth's.

Weather cannot be forecast for so long, climate can: a model whose errors add up drifts away, one that smooths loses
variability. Both are compared with the analyses of the same period; a year differs from another too, so that some
percent are chance.

Shapes: c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy.typing import NDArray

from sciml.weather.forecasting.request import ForecastRequest
from sciml.weather.forecasting.rolling import advance, start_rolling
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.forecasting.starts import InitialStates
from sciml.weather.training.reading import FrameReader

# steps between two calls of `progress`
_STEPS_A_PIECE = 8


@dataclass
class Moments:
    """Mean and standard deviation in time at each point, of states that come one by one."""

    number: int
    total: Float[np.ndarray, "c y x"]
    squares: Float[np.ndarray, "c y x"]

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Moments:
        """Of no state yet."""
        return cls(0, np.zeros(shape), np.zeros(shape))

    def add(self, state: NDArray[np.float32], origin: NDArray[np.float64]) -> None:
        """Counts a state; `origin` is near the mean, so that no digits are lost in the squares."""
        deviation = state - origin
        self.number += 1
        self.total += deviation
        self.squares += deviation**2

    def mean(self) -> Float[np.ndarray, "c y x"]:
        """Less the origin."""
        return self.total / self.number

    def deviation(self) -> Float[np.ndarray, "c y x"]:
        """In time."""
        return np.sqrt(np.maximum(self.squares / self.number - self.mean() ** 2, 0))


def run_free(
    model: ForecastModel, analyses: xr.Dataset, days: int, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """One roll-out from the first state of the analyses, compared with all of them over as long, by field.

    Args:
        model: that is run.
        analyses: canonical, of the model's fields.
        days: of the roll-out; the analyses' length at most.
        progress: is told of steps done and in all.

    Returns:
        `days`; `blown_up_days`, after which the roll-out left the range of the training climate, or None, and
        `blown_up_text`, a sentence on it; and `fields`, if it has two states at least: for each, in percent of the
        truth's standard deviation (that of all its values around their global mean), `mean_shift`, of the global mean;
        `pattern_shift`, root mean square over the globe of the shift of the mean in time; and `variability`, the
        standard deviation in time over the truth's, their squares averaged over the globe.

    Raises:
        UserError: analyses that the model does not know.
    """
    step = np.timedelta64(model.data.step_hours, "h")
    history = model.data.history
    times = analyses["time"].values.astype("datetime64[ns]")
    start = times[history - 1 : history]
    steps = min(days * 24 // model.data.step_hours, int((times[-1] - start[0]) // step))
    origin = np.array(model.statistics.mean)[:, None, None]
    request = ForecastRequest(start, steps, leave_out=True)
    rolling = start_rolling(model, InitialStates(model, analyses, start).between(0, 1), request, 0)
    found = Moments.of((len(model.fields), *model.grid.shape))
    while rolling.step < steps and not rolling.lost:
        states = advance(model, rolling, request, min(_STEPS_A_PIECE, steps - rolling.step))[0]
        for state in states:
            if np.isfinite(state).all():
                found.add(state, origin)
        progress(rolling.step, steps)
    lost = rolling.lost.get(0)
    result: dict[str, Any] = {"days": steps * model.data.step_hours / 24}
    result["blown_up_days"] = None if lost is None else lost.lead_hours / 24
    result["blown_up_text"] = None if lost is None else lost.text
    # one state has no variability
    if found.number > 1:
        # of a roll-out that was lost, over as long as it lasted
        result["fields"] = _compared(model, found, _truth(model, analyses, start[0], found.number, origin))
    return result


def _truth(
    model: ForecastModel, analyses: xr.Dataset, start: np.datetime64, steps: int, origin: NDArray[np.float64]
) -> Moments:
    """Of the analyses over the time of the roll-out."""
    step = np.timedelta64(model.data.step_hours, "h")
    reader = FrameReader(analyses.sel(time=slice(start + step, start + steps * step)), model.statistics.fields)
    found = Moments.of((len(model.fields), *model.grid.shape))
    numbers = np.arange(len(reader.time))
    blocks = reader.blocks_of(numbers)
    for block in np.unique(blocks):
        here = numbers[blocks == block]
        values = np.empty((len(here), *reader.frame_shape), np.float32)
        reader.read(here, list(values))
        for state in values:
            found.add(state, origin)
    return found


def _compared(model: ForecastModel, ours: Moments, truth: Moments) -> dict[str, dict[str, float]]:
    weights = model.grid.area_weights()

    def globally(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return (values * weights).mean(axis=(1, 2))

    shift = ours.mean() - truth.mean()
    in_all = np.sqrt(globally(truth.squares / truth.number) - globally(truth.mean()) ** 2)
    numbers = {
        "mean_shift": 100 * np.abs(globally(shift)) / in_all,
        "pattern_shift": 100 * np.sqrt(globally(shift**2)) / in_all,
        "variability": 100 * np.sqrt(globally(ours.deviation() ** 2) / globally(truth.deviation() ** 2)),
    }
    return {
        str(field): {f"{name}_percent": round(float(values[row]), 3) for name, values in numbers.items()}
        for row, field in enumerate(model.fields)
    }
