"""The states that forecasts start from, read from analyses a part at a time, each block of the file once for it.

Shapes: i initial times, h states, c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.forecasting.saved import ForecastModel, windows_of
from sciml.weather.training.reading import FrameReader

# of states that are in memory at once; those of one start may be larger
_BYTES = 256e6


class InitialStates:
    """The states of some starts, in physical units.

    Args:
        model: that is started.
        data: canonical analyses.
        times: initial times, datetime64[ns].

    Raises:
        UserError: a time that the data lack, another grid, unit or window of sums.
    """

    def __init__(self, model: ForecastModel, data: xr.Dataset, times: NDArray[Any]) -> None:
        history, step = model.data.history, np.timedelta64(model.data.step_hours, "h")
        wanted = times[:, None] - np.arange(history - 1, -1, -1) * step
        there = data["time"].values
        if (lacking := ~np.isin(wanted, there)).any():
            missing = np.datetime_as_string(wanted[lacking][0], unit="m")
            span = " to ".join(np.datetime_as_string(there[[0, -1]], unit="m"))
            raise UserError(
                f"a start needs the state at {missing}, which the data, {span}, do not have. Choose another time."
            )
        self.times, self._fields = times, model.fields
        self._reader = FrameReader(data, model.statistics.fields)
        model.statistics.check(model.statistics.fields, self._reader.units, self._reader.grid, model.data.step_hours)
        known = windows_of(data)
        for name, hours in model.windows.items():
            if name in known and known[name] != hours:
                raise UserError(
                    f"the model knows `{name}` summed over {hours} h, but the data have sums over {known[name]} h. "
                    "Give data of that window."
                )
        self._frames = np.searchsorted(there, wanted)
        # frames that were read last, and their numbers
        self._numbers = np.empty(0, np.int64)
        self._values = np.empty((0, *self._reader.frame_shape), np.float32)

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Float[np.ndarray, "h c y x"]]:
        """The states of one start after the other."""
        for number in range(len(self)):
            yield self.between(number, number + 1)[0]

    @functools.cached_property
    def digest(self) -> str:
        """A checksum of all of them."""
        found = hashlib.sha256()
        for states in self:
            found.update(np.ascontiguousarray(states).tobytes())
        return found.hexdigest()

    def between(self, first: int, last: int) -> Float[np.ndarray, "i h c y x"]:
        """The states of the starts from number `first` to before `last`.

        Raises:
            UserError: missing values, or a file that cannot be read.
        """
        if not np.isin(self._frames[first:last], self._numbers).all():
            # as many as there is room for, since those that follow are asked for next
            bytes_each = 4 * self._frames.shape[1] * int(np.prod(self._reader.frame_shape))
            self._read(first, max(last, min(len(self), first + int(_BYTES / bytes_each))))
        return self._values[np.searchsorted(self._numbers, self._frames[first:last])]

    def _read(self, first: int, last: int) -> None:
        # the memory of the last ones goes first
        self._values = np.empty(0, np.float32)
        numbers = np.unique(self._frames[first:last])
        values = np.empty((len(numbers), *self._reader.frame_shape), np.float32)
        blocks = self._reader.blocks_of(numbers)
        for block in np.unique(blocks):
            here = np.flatnonzero(blocks == block)
            self._reader.read(numbers[here], [values[place] for place in here])
        if (bad := ~np.isfinite(values).all(axis=(2, 3))).any():
            place, field = np.argwhere(bad)[0]
            time = np.datetime_as_string(self._reader.time[numbers[place]], unit="m")
            raise UserError(
                f"`{self._fields[field]}` has missing values at {time}, where a forecast starts. Fill them."
            )
        self._numbers, self._values = numbers, values
