"""What fields are normalised with: found in one pass over the training period, and kept with the weights.

Every frame is read once. Means and standard deviations are weighted by the area of the cells; those of the tendency,
x(t + step) - x(t), normalise what a network adds to the state in one step.

Shapes: c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

import functools
import hashlib
import operator
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from jaxtyping import Float
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.training.memory import RecycledMemory
from sciml.weather.training.moments import Moments, moments_of, no_moments
from sciml.weather.training.plan import SampleFrames, ordered_plan
from sciml.weather.training.reading import FrameReader
from sciml.weather.training.stream import Reading, stream

# the first and last time of a period, as in ("2015", "2016-06"); whole years, months and days are meant with their ends
Period = tuple[str, str]

# coordinates agree when they do to this: files in float32 keep about 3e-5 degrees
_SAME_PLACE_DEG = 1e-4


@dataclass(frozen=True)
class Statistics:
    """Statistics of fields over a period, and of what data they are. All values are those of JSON.

    Attributes:
        fields: names, such as `z500`.
        units: of each.
        mean, std, minimum, maximum: of each; standard deviations in space and time together.
        tendency_mean, tendency_std: of each, of the change within `step_hours`.
        missing: of each, the share of values that are missing.
        step_hours: between the two times of a tendency.
        period: first and last time that there is, ISO 8601, UTC.
        times: how many.
        latitude, longitude: of the grid, degrees.
        fingerprint: of all values and their times; the same for the same data, in whatever chunks or parts.
    """

    fields: tuple[str, ...]
    units: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    minimum: tuple[float, ...]
    maximum: tuple[float, ...]
    tendency_mean: tuple[float, ...]
    tendency_std: tuple[float, ...]
    missing: tuple[float, ...]
    step_hours: int
    period: Period
    times: int
    latitude: tuple[float, ...]
    longitude: tuple[float, ...]
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        """Lists, text and numbers, such as a checkpoint's metadata take."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Statistics:
        """The inverse of `to_json`.

        Raises:
            UserError: an entry is missing or unknown.
        """
        names = set(cls.__dataclass_fields__)
        if odd := names.symmetric_difference(values):
            raise UserError(
                f"Statistics of fields have the entries {', '.join(sorted(names))}, but these lack or add "
                f"{', '.join(sorted(odd))}. Compute them anew."
            )
        arguments: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**arguments)

    def of(self, name: str, fields: Sequence[str]) -> Float[np.ndarray, " c"]:
        """One of the statistics, such as "std", of some fields."""
        return np.array([getattr(self, name)[self.fields.index(field)] for field in fields])

    def check(self, fields: Sequence[str], units: Sequence[str], grid: Grid, step_hours: int) -> None:
        """Refuses to normalise what these statistics are not of.

        Raises:
            UserError: a field without statistics, another unit, grid or step.
        """
        for field, unit in zip(fields, units, strict=True):
            if field not in self.fields:
                raise UserError(
                    f"`{field}` has no statistics; there are those of {', '.join(self.fields)}. "
                    "Compute them with all fields that are used."
                )
            if unit != (known := self.units[self.fields.index(field)]):
                raise UserError(
                    f"The statistics of `{field}` are in {known}, but the data in {unit}. Convert the data."
                )
        known_grid = Grid(np.array(self.latitude), np.array(self.longitude))
        if known_grid.shape != grid.shape or not (
            np.allclose(known_grid.latitude, grid.latitude, rtol=0, atol=_SAME_PLACE_DEG)
            and np.allclose(known_grid.longitude, grid.longitude, rtol=0, atol=_SAME_PLACE_DEG)
        ):
            raise UserError(
                f"The statistics are of the grid {_describe(known_grid)}, but the data are on {_describe(grid)}. "
                "Regrid the data, turn the latitudes around, or compute the statistics anew."
            )
        if step_hours != self.step_hours:
            raise UserError(
                f"The statistics have tendencies over {self.step_hours} h, but the samples step {step_hours} h. "
                "Compute them for this step."
            )


def compute_statistics(
    data: xr.Dataset,
    fields: Sequence[str],
    *,
    period: Period,
    step_hours: int = 6,
    reading: Reading | None = None,
    parts: int = 1,
) -> Statistics:
    """The statistics of fields over the training period, in one streaming pass.

    Args:
        data: canonical; lazy.
        fields: names, such as `t2m` and `z500`.
        period: first and last time; nothing outside of it is looked at.
        step_hours: between the two times of a tendency.
        reading: threads and memory.
        parts: how many pieces the period is cut into, for `dask.compute` to work on with the scheduler in force, which
            may be that of a `dask.distributed.Client`. The frames at the ends of pieces are read twice then.

    Raises:
        UserError: fields that the data lack, no times or no pair of times in the period, a field that is missing
            everywhere, infinite numbers.
    """
    data = data.sel(time=slice(*period))
    if data.sizes["time"] == 0:
        raise UserError(f"There is no time from {period[0]} to {period[1]} in the data. Choose another period.")
    reader = FrameReader(data, fields)
    pairs = _pairs(reader.time, step_hours)
    if (pairs[:, 0] == pairs[:, 1]).all():
        raise UserError(
            f"No two times from {period[0]} to {period[1]} are {step_hours} h apart, so there is no tendency. "
            "Choose another step or period."
        )
    reading = reading or Reading()
    if parts == 1:
        sums = _part(reader, pairs, reading, 0, 1)
    else:
        part = delayed(_part)
        shared = delayed(reader)
        pieces = compute(*(part(shared, pairs, reading, number, parts) for number in range(parts)))
        sums = functools.reduce(operator.add, pieces)
    for field, count in zip(fields, sums.state.values, strict=True):
        if count == 0:
            raise UserError(f"`{field}` is missing everywhere from {period[0]} to {period[1]}. Leave it out.")
    cells = len(reader.time) * int(np.prod(reader.grid.shape))
    tendency_std = np.where(sums.tendency.values > 0, sums.tendency.std, 0.0)
    return Statistics(
        fields=tuple(fields),
        units=reader.units,
        mean=_plain(sums.state.mean),
        std=_plain(sums.state.std),
        minimum=_plain(sums.state.minimum),
        maximum=_plain(sums.state.maximum),
        tendency_mean=_plain(sums.tendency.mean),
        tendency_std=_plain(tendency_std),
        missing=_plain(1 - sums.state.values / cells),
        step_hours=step_hours,
        period=time_span(reader.time),
        times=len(reader.time),
        latitude=_plain(reader.grid.latitude),
        longitude=_plain(reader.grid.longitude),
        fingerprint=f"{sums.checksum:016x}",
    )


def data_key(data: xr.Dataset, fields: Sequence[str], frames: int = 24) -> list[Any]:
    """What tells whether data are those that statistics were computed of, without reading them all. JSON.

    It has the fields, all times, the grid, and checksums of some frames that are spread over the period, the first and
    the last among them. What changes between these frames alone is not seen.

    Args:
        data: canonical, of the period alone.
        fields: that statistics are of.
        frames: how many are looked at.

    Raises:
        UserError: fields that the data lack.
    """
    reader = FrameReader(data, fields)
    chosen = np.unique(np.linspace(0, len(reader.time) - 1, frames).round().astype(np.int64))
    digest = hashlib.sha256(reader.time.astype(np.int64).tobytes())
    for values in (reader.grid.latitude, reader.grid.longitude):
        digest.update(values.tobytes())
    frame = np.empty(reader.frame_shape, np.float32)
    for number in chosen:
        reader.read(np.array([number]), [frame])
        digest.update(frame.data)
    return [list(fields), list(reader.units), len(reader.time), *time_span(reader.time), digest.hexdigest()]


def time_span(time: NDArray[Any]) -> Period:
    """The first and the last time, ISO 8601 to the second."""
    first, last = np.datetime_as_string(time[[0, -1]], unit="s").tolist()
    return first, last


@dataclass(frozen=True)
class _Sums:
    """What is added up over frames: moments of the fields and of their tendencies, and checksums of frames."""

    state: Moments
    tendency: Moments
    checksum: int

    def __add__(self, other: _Sums) -> _Sums:
        checksum = (self.checksum + other.checksum) % 2**64
        return _Sums(self.state + other.state, self.tendency + other.tendency, checksum)


def _part(reader: FrameReader, pairs: NDArray[np.int64], reading: Reading, number: int, parts: int) -> _Sums:
    """The sums over one of several consecutive parts of the pairs."""
    weights = reader.grid.area_weights()
    sums = _Sums(no_moments(len(reader.fields)), no_moments(len(reader.fields)), 0)
    plan = ordered_plan(SampleFrames(pairs, reader.edges), batch_size=1, rank=number, world=parts)
    for batch in stream(plan, pairs, reader.frame_shape, reader.read, reading, RecycledMemory()):
        now, later = batch.pool[batch.slots[0, 0]], batch.pool[batch.slots[0, 1]]
        for frame, values in zip(batch.frames[0], (now, later), strict=True):
            if np.isinf(values).any():
                name = reader.fields[int(np.argmax(np.isinf(values).any(axis=(1, 2))))].name
                time = np.datetime_as_string(reader.time[frame], unit="m")
                raise UserError(f"`{name}` has infinite values at {time}. Repair the data or leave such times out.")
        state, tendency = moments_of(now, weights), no_moments(len(now))
        if batch.frames[0, 0] < batch.frames[0, 1]:
            tendency = moments_of(later - now, weights)
        digest = hashlib.sha256(reader.time[batch.frames[0, 0]].tobytes())
        digest.update(now.data)
        sums = sums + _Sums(state, tendency, int.from_bytes(digest.digest()[:8], "little"))
    return sums


def _pairs(time: NDArray[Any], step_hours: int) -> NDArray[np.int64]:
    """[n, 2] every frame and the one a step later, or itself where there is none."""
    wanted = time + np.timedelta64(step_hours, "h")
    later = np.minimum(np.searchsorted(time, wanted), len(time) - 1)
    own = np.arange(len(time))
    return np.stack([own, np.where(time[later] == wanted, later, own)], axis=1)


def _plain(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _describe(grid: Grid) -> str:
    (south, north), (west, east) = grid.latitude[[0, -1]], grid.longitude[[0, -1]]
    return f"{grid.shape[0]} x {grid.shape[1]} from {south:g} N {west:g} E to {north:g} N {east:g} E"
