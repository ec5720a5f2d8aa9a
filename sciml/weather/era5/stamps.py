"""Is a row of times what one expects of a reanalysis: one step, one clock, no holes?

Shapes: t times.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.repairs import Repairs

_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
_MIN_STAMPS = 4


def check_stamps(array: xr.DataArray, name: str, source: str, repairs: Repairs) -> None:
    """Refuses days stamped at different hours, and says where times are missing.

    A row of times has a clock when its most frequent step divides a day, or is whole days. Samples that were taken at
    odd times have none, and nothing is said of them.

    Raises:
        UserError: stamps of two clocks, as 00 UTC in one month and 06 UTC in the next.
    """
    if "time" not in array.dims or array.sizes["time"] < _MIN_STAMPS:
        return
    stamps = array["time"].values
    steps, counts = np.unique(np.diff(stamps), return_counts=True)
    step = steps[counts.argmax()]
    if _DAY % step and step % _DAY:
        return
    clock = min(step, _DAY)
    phases = (stamps - np.datetime64("1970-01-01", "ns")) % clock
    kinds = np.unique(phases)
    if len(kinds) > 1:
        first = [stamps[phases == kind][0] for kind in kinds[:2]]
        shown = " and ".join(str(stamp.astype("datetime64[m]")).replace("T", " ") for stamp in first)
        raise UserError(
            f"{source}: `{name}` comes every {_hours(step)} h, but at different hours of the day, from {shown} UTC on. "
            "Values of different hours cannot be one series: choose one kind with time=, or open the files apart."
        )
    missing = int((stamps[-1] - stamps[0]) / step) + 1 - len(stamps)
    if missing:
        gap = int(np.flatnonzero(np.diff(stamps) != step)[0])
        after = str(stamps[gap].astype("datetime64[m]")).replace("T", " ")
        repairs.add(f"{missing} times of every {_hours(step)} h are missing, the first after {after}.")


def _hours(step: np.timedelta64) -> str:
    return f"{step / np.timedelta64(1, 'h'):g}"
