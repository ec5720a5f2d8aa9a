"""What a user asks of a loader, checked before anything is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np
import pandas as pd

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError

# "since-midnight": 00 UTC, as ERA5-Land; "since-start": of each forecast
ACCUMULATIONS = ("since-midnight", "since-start")


@dataclass(frozen=True)
class Request:
    """The arguments of `open_era5` and `open_forecast`; see there."""

    variables: tuple[str, ...] | None
    levels: tuple[float, ...] | None
    time: slice | None
    lead_time: slice | None
    latitude: str
    accumulate_hours: int | None
    accumulation: str | None
    units: Mapping[str, str]
    units_are_ecmwf: bool
    chunks: Mapping[str, int]
    storage_options: Mapping[str, Any]
    grib_keys: Mapping[str, str | int]
    is_forecast: bool

    @property
    def time_with_run_up(self) -> slice | None:
        """The times to read: a sum needs the stamps before the first that is asked for."""
        if self.time is None or self.time.start is None or self.accumulate_hours is None or self.is_forecast:
            return self.time
        return slice(pd.Timestamp(self.time.start) - pd.Timedelta(hours=self.accumulate_hours), self.time.stop)


def make_request(
    *,
    variables: Sequence[str] | None,
    levels: Iterable[SupportsFloat] | None,
    time: slice | None,
    lead_time: slice | None,
    latitude: str,
    accumulate_hours: int | None,
    accumulation: str | None,
    units: Mapping[str, str] | str | None,
    chunks: Mapping[str, int] | None,
    storage_options: Mapping[str, Any] | None,
    grib_keys: Mapping[str, str | int] | None,
    is_forecast: bool,
) -> Request:
    """A checked request.

    Raises:
        UserError: an argument that makes no sense.
    """
    if isinstance(variables, str):
        raise UserError(f'`variables` needs to be a list of names, but is a text. Write variables=["{variables}"].')
    if latitude not in ("ascending", "descending"):
        raise UserError(f'`latitude` needs to be "ascending" or "descending", but is {latitude!r}.')
    if accumulate_hours is not None and (accumulate_hours < 1 or (24 % accumulate_hours and accumulate_hours % 24)):
        raise UserError(
            "`accumulate_hours` needs to be a divisor of 24, or whole days, as windows end at 00 UTC, but is "
            f"{accumulate_hours}."
        )
    for name, part in (("time", time), ("lead_time", lead_time)):
        check_slice(name, part)
    for dimension in chunks or {}:
        known = ("time", "lead_time", "number", "level", "latitude", "longitude")
        if dimension not in known:
            raise UserError(
                f"`chunks` has no dimension `{dimension}`; {suggest(dimension, known)} Known are {', '.join(known)}."
            )
    return Request(
        variables=None if variables is None else tuple(variables),
        levels=checked_levels(levels),
        time=time,
        lead_time=lead_time,
        latitude=latitude,
        accumulate_hours=accumulate_hours,
        accumulation=_checked_accumulation(accumulation),
        units={} if units is None or isinstance(units, str) else units,
        units_are_ecmwf=_is_ecmwf(units),
        chunks=chunks or {},
        storage_options=storage_options or {},
        grib_keys=grib_keys or {},
        is_forecast=is_forecast,
    )


def within(stamps: np.ndarray, part: slice | None) -> np.ndarray:
    """Which of datetime64 or timedelta64 a slice takes, both ends included; as an end "2020-01" is the whole month.

    >>> within(np.array(["2020-01-31T18", "2020-02-01"], "datetime64[h]"), slice("2020-01", "2020-01"))
    array([ True, False])
    """
    kept = np.ones(len(stamps), bool)
    if part is None:
        return kept
    is_time = stamps.dtype.kind == "M"
    if part.start is not None:
        kept &= stamps >= (pd.Timestamp if is_time else pd.Timedelta)(part.start).to_numpy()
    if part.stop is not None:
        kept &= stamps <= _end(part.stop, is_time=is_time)
    return kept


def _end(stop: Any, *, is_time: bool) -> np.datetime64 | np.timedelta64:
    if not is_time:
        return pd.Timedelta(stop).to_numpy()
    # pyright takes a period for one that may be missing
    return (pd.Period(stop).end_time if isinstance(stop, str) else pd.Timestamp(stop)).to_numpy()  # pyright: ignore[reportAttributeAccessIssue]


def window_hours(accumulation: str | None) -> int | None:
    """The length of the window, or None where it has no fixed one.

    >>> window_hours("6h"), window_hours("since-midnight")
    (6, None)
    """
    return int(accumulation[:-1]) if accumulation and accumulation[:-1].isdigit() else None


def _checked_accumulation(accumulation: str | None) -> str | None:
    if accumulation is None or accumulation in ACCUMULATIONS:
        return accumulation
    if accumulation.endswith("h") and accumulation[:-1].isdigit() and int(accumulation[:-1]) > 0:
        return f"{int(accumulation[:-1])}h"
    raise UserError(
        '`accumulation` needs to be hours as "1h", "since-midnight" (from 00 UTC, as in ERA5-Land) or "since-start" '
        f'(of each forecast), but is "{accumulation}".'
    )


def _is_ecmwf(units: object) -> bool:
    if isinstance(units, str) and units != "ecmwf":
        raise UserError(f'`units` needs to be "ecmwf" or units by variable, as {{"t2m": "K"}}, but is "{units}".')
    return units == "ecmwf"


def checked_levels(levels: object) -> tuple[float, ...] | None:
    """Levels in ascending order, each once, or None.

    >>> checked_levels([850, 500])
    (500.0, 850.0)

    Raises:
        UserError: no list of numbers.
    """
    if levels is None:
        return None
    try:
        # the letters of a text are an iterable too
        given = None if isinstance(levels, str | bytes) else tuple(sorted({float(level) for level in levels}))  # pyright: ignore[reportGeneralTypeIssues]
    except (TypeError, ValueError):
        given = None
    if given is None:
        raise UserError(f"`levels` needs to be a list of numbers in hPa, as levels=[500, 850], but is {levels!r}.")
    return given


def check_slice(name: str, part: object) -> None:
    """Refuses what is no part of the times or lead times.

    Raises:
        UserError: what it needs to be.
    """
    if part is None:
        return
    if not isinstance(part, slice):
        text = f'"{part}", "{part}"' if isinstance(part, str) else '"2020-01-01", "2020-01-31"'
        text = text if name == "time" or isinstance(part, str) else '"0h", "120h"'
        raise UserError(f"`{name}` needs to be a slice, both ends included, as slice({text}), but is {part!r}.")
    make = pd.Timestamp if name == "time" else pd.Timedelta
    # pandas takes a bare number for nanoseconds
    if any(isinstance(end, int | float) for end in (part.start, part.stop)):
        raise UserError(f"`{name}` needs ends with units, as texts or numpy or pandas values, but is {part}.")
    try:
        start, stop = (None if end is None else make(end) for end in (part.start, part.stop))
        is_backwards = start is not None and stop is not None and bool(start > stop)  # pyright: ignore[reportOperatorIssue]
    except (ValueError, TypeError) as error:
        example = '"2020-01-01", "2020-01-31"' if name == "time" else '"0h", "120h"'
        raise UserError(f"`{name}` needs to be like slice({example}), but is {part}.") from error
    if part.step is not None or (start is not None and getattr(start, "tzinfo", None) is not None):
        raise UserError(f"`{name}` needs to be a slice without a step and in UTC without a time zone, but is {part}.")
    if is_backwards:
        raise UserError(f"`{name}` needs to begin before it ends, but is {part}.")
