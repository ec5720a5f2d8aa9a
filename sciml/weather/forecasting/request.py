"""What is asked of a forecast: from which starts, how far, which fields, and how many members."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.fields import Field
from sciml.weather.forecasting.saved import ForecastModel


@dataclass(frozen=True)
class ForecastRequest:
    """What is asked for.

    Args:
        times: initial times, datetime64[ns].
        steps: of the roll-out.
        every: each so-many steps are written.
        fields: names of those that are written; all if empty.
        members: of an ensemble; 0 for a single forecast without the dimension `number`.
        perturbation: standard deviation of what is added to each member's start but the first, in units of the change
            within a step; smooth in space.
        seed: of members.
        leave_out: starts whose roll-outs blow up, so that the others go on; they stop the forecast otherwise.
        notes: attributes of what is written.

    Raises:
        UserError: no start, or fewer steps than there are between two that are written.
    """

    times: NDArray[Any]
    steps: int
    every: int = 1
    fields: tuple[str, ...] = ()
    members: int = 0
    perturbation: float = 0.0
    seed: int = 0
    leave_out: bool = False
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.times):
            raise UserError("a forecast needs a time to start from, but got none.")
        if self.steps < self.every:
            raise UserError(
                f"a forecast of {self.steps} steps has none to write when each {self.every}-th is. Forecast more "
                "steps, or write more of them."
            )

    @property
    def members_each(self) -> int:
        """Roll-outs from each start."""
        return max(self.members, 1)


def written_fields(model: ForecastModel, request: ForecastRequest) -> dict[str, list[Field]]:
    """Fields that are written, by variable.

    Raises:
        UserError: one that the model does not have.
    """
    names = [str(one) for one in model.fields]
    if unknown := [name for name in request.fields if name not in names]:
        raise UserError(f"the model has no field `{unknown[0]}`; it has {', '.join(names)}.")
    chosen = [one for one in model.fields if not request.fields or str(one) in request.fields]
    variables = {one.variable for one in chosen}
    levels = {one.level_hpa for one in chosen}
    # variables on levels share these, so that all of them are there on each level that one is asked for on
    found: dict[str, list[Field]] = {}
    for one in model.fields:
        if one.variable in variables and one.level_hpa in levels:
            found.setdefault(one.variable, []).append(one)
    return found


def spread_times(first: np.datetime64, last: np.datetime64, hours: int) -> NDArray[Any]:
    """Initial times so many hours apart, both ends included."""
    return np.arange(first, last + np.timedelta64(1, "ns"), np.timedelta64(hours, "h")).astype("datetime64[ns]")
