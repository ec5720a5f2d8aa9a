"""How long a nature run can be foretold: it and twins of it, which begin a little apart, as they part.

A twin starts from the nature run's state with a smooth random field added to the temperature. The root mean square
difference by lead time is what a perfect model would err by that knows the start so well and no better.

Shapes: t lead times, p pressure levels, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.fields import Field
from sciml.weather.grid import Grid

_STEP = np.timedelta64(6, "h")


def part_by_lead_time(
    twins: Mapping[str, Mapping[str, NDArray[Any]]], control: xr.Dataset, fields: Sequence[Field]
) -> dict[str, Any]:
    """The root mean square difference between twins and the nature run.

    Args:
        twins: by name, the canonical fields of each from six hours after its start on, and their `time`.
        control: the nature run, canonical.
        fields: that are compared.

    Returns:
        JSON: `lead_hours`, `starts`, and `rmse` by field, in the field's unit.

    Raises:
        UserError: no twin, or one of times that the nature run does not have.
    """
    if not twins:
        raise UserError("There is no twin of the nature run to compare it with. Run the recipe again.")
    weights = Grid(control["latitude"].values, control["longitude"].values).area_weights()
    levels = control["level"].values.tolist()
    squares: dict[str, list[NDArray[np.float64]]] = {str(one): [] for one in fields}
    starts = []
    for name, twin in twins.items():
        time = twin["time"]
        if not np.isin(time, control["time"].values).all():
            raise UserError(f"The twin {name} has times that the nature run lacks. Choose one within it.")
        whole = control.sel(time=time)
        starts.append(str(time[0] - _STEP)[:16])
        for one in fields:
            truth, other = whole[one.variable], twin[one.variable]
            if one.level_hpa is not None:
                truth, other = truth.sel(level=one.level_hpa), other[:, levels.index(one.level_hpa)]
            difference = other.astype(np.float64) - truth.values
            squares[str(one)].append((difference**2 * weights).mean((-1, -2)))
    n_leads = min(len(values[0]) for values in squares.values())
    return {
        "lead_hours": [6 * (number + 1) for number in range(n_leads)],
        "starts": starts,
        "rmse": {
            name: [float(f"{value:.5g}") for value in np.sqrt(np.mean([one[:n_leads] for one in values], axis=0))]
            for name, values in squares.items()
        },
    }
