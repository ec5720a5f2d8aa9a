"""Times and lead times as files write them, as datetime64[ns] in UTC and timedelta64[ns].

Shapes: t stamps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.repairs import Repairs
from sciml.weather.units import conversion

CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
# ISO 8601; in any other order a day is taken for a month
_ISO_TIME = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}-[0-9]{2}|[0-9]{4})(?:[T ][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2}(?:[.,][0-9]+)?)?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_SECONDS_OF_A_WEEK = 7 * 86400
# "hours since 1940-01-01 00:00 (proleptic_gregorian)"
_WITH_CALENDAR = re.compile(r"\s*(.+? since .+?)\s*(?:\((\w+)\))?\s*")


def decode_times(stamps: xr.DataArray, attributes: Mapping[Any, Any], source: str, repairs: Repairs) -> np.ndarray:
    """datetime64[ns] in UTC, in the shape of the stamps.

    Args:
        stamps: numbers with units, datetime64, cftime, or text.
        attributes: of the whole dataset, where some files keep `time_units`.
        source: the file, for messages.
        repairs: what was changed.

    Raises:
        UserError: no units, another calendar than the Gregorian, or stamps that are missing.
    """
    name, values = str(stamps.name), np.asarray(stamps.values)
    if values.dtype.kind == "O" and values.size and hasattr(values.flat[0], "calendar"):
        _check_calendar(values.flat[0].calendar, name, source)
        values = np.array([np.datetime64(stamp.isoformat()) for stamp in values.flat]).reshape(values.shape)
    elif values.dtype.kind in "OUS":
        values = _from_text(values, name, source, repairs)
    elif values.dtype.kind in "iuf":
        values = _from_numbers(values, stamps.attrs, attributes, name, source, repairs)
    elif values.dtype.kind != "M":
        raise UserError(f"{source}: `{name}` needs to be times, but is {values.dtype}. Write it as datetime64.")
    if np.isnat(values).any():
        raise UserError(
            f"{source}: {np.isnat(values).sum()} of {values.size} values of `{name}` are missing. Drop them first: "
            f'ds.dropna("{name}").'
        )
    return _to_whole_seconds(values.astype("datetime64[ns]"), name, repairs)


def decode_leads(leads: xr.DataArray, source: str, repairs: Repairs) -> np.ndarray:
    """timedelta64[ns], in the shape of the leads.

    Raises:
        UserError: numbers without units, or in months or years.
    """
    name, values = str(leads.name), np.asarray(leads.values)
    if values.dtype.kind == "m":
        return values.astype("timedelta64[ns]")
    unit = str(leads.attrs.get("units", ""))
    if values.dtype.kind not in "iuf" or not unit:
        raise UserError(
            f"{source}: `{name}` is {values.dtype} without units, so it can be hours, days or steps. Say which: "
            f'ds["{name}"].attrs["units"] = "hours", and open ds.'
        )
    try:
        scale = conversion(unit, "second").scale
    except UserError as error:
        raise UserError(f"{source}: `{name}`: {error}") from error
    if scale > _SECONDS_OF_A_WEEK:
        raise UserError(
            f"{source}: `{name}` is in {unit}, which differ in length and so are no lead times. Give hours or days, "
            f'with ds["{name}"].attrs["units"] = "hours", and open ds.'
        )
    seconds = values.astype(np.float64) * scale
    if not np.isfinite(seconds).all():
        raise UserError(f"{source}: `{name}` has missing values. Drop them first.")
    return _to_whole_seconds((seconds * 1e9).round().astype("timedelta64[ns]"), name, repairs)


def _from_numbers(
    values: np.ndarray,
    own: Mapping[Any, Any],
    attributes: Mapping[Any, Any],
    name: str,
    source: str,
    repairs: Repairs,
) -> np.ndarray:
    units, calendar = str(own.get("units", "")), str(own.get("calendar", "standard"))
    if not units and (kept := attributes.get(f"{name}_units") or attributes.get("time_units")):
        match = _WITH_CALENDAR.fullmatch(str(kept))
        units, calendar = (match[1], match[2] or "standard") if match else ("", "")
        repairs.add(f"The stamps of `{name}` are numbers; the file's attributes say that they are {kept}.")
    if " since " not in units:
        raise UserError(
            f"{source}: `{name}` has numbers and no units that say since when. Say so: "
            f'ds["{name}"].attrs["units"] = "hours since 1900-01-01", and open ds.'
        )
    _check_calendar(calendar, name, source)
    if not np.isfinite(values.astype(np.float64)).all():
        raise UserError(f"{source}: `{name}` has missing values. Drop them first.")
    numbers = xr.Dataset(coords={"stamps": ("stamps", values.ravel(), {"units": units, "calendar": calendar})})
    try:
        decoded = xr.decode_cf(numbers, decode_timedelta=False)["stamps"].values
    except (ValueError, OverflowError) as error:
        raise UserError(f'{source}: `{name}` cannot be read as times in "{units}".') from error
    if decoded.dtype.kind != "M":
        raise UserError(
            f'{source}: `{name}` in "{units}" leaves the years 1678 to 2262. Check its units or its values.'
        )
    return decoded.reshape(values.shape)


def _from_text(values: np.ndarray, name: str, source: str, repairs: Repairs) -> np.ndarray:
    texts = [value.decode() if isinstance(value, bytes) else value for value in values.ravel()]
    texts = [text.strip() if isinstance(text, str) else text for text in texts]
    for text in texts:
        if isinstance(text, str) and text not in ("", "NaT") and not _ISO_TIME.fullmatch(text):
            raise UserError(
                f"{source}: `{name}` needs to be times, but has {text[:40]!r}, which is not in the order of ISO 8601 "
                "and may mean several. Write them as 2020-01-31T06:00 or as datetime64, in UTC."
            )
    try:
        stamps = pd.DatetimeIndex([pd.Timestamp(text) for text in texts])
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{source}: `{name}` needs to be times, but begins with {texts[:1]}. Write them as datetime64 in UTC."
        ) from error
    if stamps.tz is not None:
        repairs.add(f"`{name}` was in {stamps.tz} and is now in UTC.")
        stamps = stamps.tz_convert("UTC").tz_localize(None)
    return stamps.to_numpy().astype("datetime64[ns]").reshape(values.shape)


def _check_calendar(calendar: str, name: str, source: str) -> None:
    if calendar.lower() not in CALENDARS:
        raise UserError(
            f"{source}: `{name}` is in the calendar `{calendar}`, but weather needs real days. Convert it first, "
            'ds.convert_calendar("standard", align_on="date") of xarray, which leaves out days that do not exist.'
        )


def _to_whole_seconds(values: np.ndarray, name: str, repairs: Repairs) -> np.ndarray:
    unit = "datetime64[s]" if values.dtype.kind == "M" else "timedelta64[s]"
    half = np.timedelta64(500, "ms")
    rounded = (values + half).astype(unit).astype(values.dtype)
    # float days end fractions of a second beside the hour
    if (rounded != values).any():
        repairs.add(f"`{name}` was rounded to whole seconds.")
    return np.asarray(rounded)
