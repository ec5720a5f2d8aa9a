"""The guard of a forecast: is the state still weather? Ranges, means, mass and energy against the training climate.

Shapes: n frames, c fields, l levels, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from sciml.weather.fields import Field
from sciml.weather.grid import Grid

# dry air at constant pressure, and vaporisation at 0 C: IFS documentation CY48R1, part IV, chapter 12
_HEAT_CAPACITY_J_KG_K = 1004.709
_VAPORISATION_J_KG = 2.5008e6
# standard gravity: CGPM 1901
_GRAVITY_M_S2 = 9.80665
# A start is odd when it leaves the climate by so much, and a roll-out has blown up when it leaves it by so much more:
# parts of a field's range beyond either end; standard deviations of a global mean, and parts of the field's range, of
# which the larger counts, since a short training period has small deviations.
_ODD = (0.1, 6.0, 0.02)
_BLOWN_UP = (1.0, 60.0, 0.2)
# the range of a column's energy, as a part of its mean: that of temperatures from 250 to 310 K
_ENERGY_RANGE = 0.25

# fields whose mean is the mass of the air above a square metre, times gravity
MASSES = ("sp", "msl")


@dataclass(frozen=True)
class Climate:
    """What is usual in the training period. All values are those of JSON.

    Attributes:
        fields: names.
        units: of each.
        minimum, maximum: of each, over all points and times.
        budgets: names of what is summed over the globe: every field's mean by its name, `mass` and `energy` where the
            fields for them are there.
        budget_mean, budget_std: of each, over time.
    """

    fields: tuple[str, ...]
    units: tuple[str, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    budgets: tuple[str, ...]
    budget_mean: tuple[float, ...]
    budget_std: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Lists, text and numbers."""
        return {name: list(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Climate:
        """The inverse of `to_json`."""
        return cls(**{name: tuple(value) for name, value in values.items()})


def find_climate(
    frames: Callable[[int], Float[np.ndarray, "c y x"]],
    number: int,
    fields: Sequence[Field],
    units: Sequence[str],
    extremes: tuple[Sequence[float], Sequence[float]],
    grid: Grid,
) -> Climate:
    """The climate from so many frames, in physical units, spread over the training period.

    Args:
        frames: the i-th of them.
        fields, units: of the frames.
        extremes: least and largest values of each field over the whole period.
        grid: of the frames.
    """
    rows = [budgets_of(frames(i), fields, grid) for i in range(number)]
    values = np.array([list(row.values()) for row in rows])
    return Climate(
        fields=tuple(map(str, fields)),
        units=tuple(units),
        minimum=tuple(map(float, extremes[0])),
        maximum=tuple(map(float, extremes[1])),
        budgets=tuple(rows[0]),
        budget_mean=tuple(values.mean(0).tolist()),
        budget_std=tuple(values.std(0).tolist()),
    )


def budgets_of(frame: Float[np.ndarray, "c y x"], fields: Sequence[Field], grid: Grid) -> dict[str, float]:
    """Global means of a state by name, the mass of the air (Pa) and the energy of a column (J m-2) among them.

    Energy is that of temperature, water vapour and wind between the first and the last level, by the trapezoidal rule.
    """
    weights = grid.area_weights()
    means = {str(field): float((values * weights).mean()) for field, values in zip(fields, frame, strict=True)}
    surface = next((name for name in MASSES if name in means), None)
    found = dict(means)
    if surface is not None:
        found["mass"] = means[surface]
    levels = sorted({field.level_hpa for field in fields if field.level_hpa is not None})
    by_field = {(field.variable, field.level_hpa): values for field, values in zip(fields, frame, strict=True)}
    if len(levels) > 1 and all((name, level) in by_field for name in "tuvq" for level in levels):
        column = [_energy({name: by_field[name, level] for name in "tuvq"}, weights) for level in levels]
        found["energy"] = float(np.trapezoid(column, 100 * np.array(levels)) / _GRAVITY_M_S2)
    return found


def _energy(air: dict[str, NDArray[Any]], weights: NDArray[np.float64]) -> float:
    """Mean over the globe of temperature's, water vapour's and wind's, J kg-1."""
    wind = 0.5 * (air["u"] ** 2 + air["v"] ** 2)
    return float(((_HEAT_CAPACITY_J_KG_K * air["t"] + _VAPORISATION_J_KG * air["q"] + wind) * weights).mean())


class Breach(NamedTuple):
    """What of a state is outside of the training climate: the field's or the budget's name, and a sentence."""

    name: str
    text: str


class Guard:
    """Watches states against a climate.

    Args:
        climate: of the training period.
        fields: of the states.
        grid: of the states.
    """

    def __init__(self, climate: Climate, fields: Sequence[Field], grid: Grid) -> None:
        self.climate, self.fields, self.grid = climate, tuple(fields), grid
        self.low, self.high = (np.array(values)[:, None, None] for values in (climate.minimum, climate.maximum))

    def oddities(self, state: Float[np.ndarray, "c y x"]) -> list[str]:
        """What of a state is outside of the training climate, a sentence each."""
        return [breach.text for breach in self._beyond(state, *_ODD)]

    def breach(self, state: Float[np.ndarray, "c y x"]) -> Breach | None:
        """What tells that a roll-out has blown up: a value is not finite or far outside. None while it has not."""
        bad = ~np.isfinite(state).all(axis=(1, 2))
        if bad.any():
            name = str(self.fields[int(np.argmax(bad))])
            return Breach(name, f"{name} is not finite")
        return next(iter(self._beyond(state, *_BLOWN_UP)), None)

    def _beyond(
        self, state: Float[np.ndarray, "c y x"], ranges: float, deviations: float, share: float
    ) -> list[Breach]:
        climate, found = self.climate, []
        span = (self.high - self.low)[:, 0, 0]
        margin = ranges * span[:, None, None]
        outside = ((state < self.low - margin) | (state > self.high + margin)).any(axis=(1, 2))
        for number in np.flatnonzero(outside):
            values, unit = state[number], climate.units[number]
            text = (
                f"{climate.fields[number]} goes from {values.min():.5g} to {values.max():.5g} {unit}, in training from "
                f"{climate.minimum[number]:.5g} to {climate.maximum[number]:.5g}"
            )
            found.append(Breach(climate.fields[number], text))
        budgets = budgets_of(state, self.fields, self.grid)
        spans = dict(zip(climate.fields, span.tolist(), strict=True))
        surface = next((name for name in MASSES if name in spans), None)
        for name, mean, std in zip(climate.budgets, climate.budget_mean, climate.budget_std, strict=True):
            spread = _ENERGY_RANGE * mean if name == "energy" else spans[str(surface) if name == "mass" else name]
            if abs(budgets[name] - mean) > max(deviations * std, share * spread):
                text = (
                    f"the global mean of {name} is {budgets[name]:.6g}, in training {mean:.6g} with a standard "
                    f"deviation of {std:.2g}"
                )
                found.append(Breach(name, text))
        return found
