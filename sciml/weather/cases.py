"""Extreme events: when and where they were, from the catalogue or a list of one's own.

The list of the catalogue is that of ExtremeWeatherBench (Brightband, MIT), as published; see its card,
datasets/extreme-weather-cases/README.md. A list of one's own has the same form:

    - case_id_number: 1
      title: Bernd
      start_date: 2021-07-12 00:00:00
      end_date: 2021-07-16
      event_type: atmospheric_river
      location:
        type: bounded_region
        parameters: {latitude_min: 48, latitude_max: 53, longitude_min: 3, longitude_max: 10}

or the same list below the one key `cases`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sciml.core.catalogue import suggest, user_path
from sciml.core.errors import UserError
from sciml.core.plain_yaml import describe_value, parse_yaml
from sciml.weather.cyclones.tracks import Tracks
from sciml.weather.samples import sample_path
from sciml.weather.scores.regions import Box

KINDS = ("heat_wave", "freeze", "tropical_cyclone", "atmospheric_river", "severe_convection")
_KEYS = ("case_id_number", "title", "start_date", "end_date", "location", "event_type")
# share of a storm's records that lie in the time and the box of the case made for it
_MOST_OF_A_STORM = 0.5


@dataclass(frozen=True)
class Case:
    """An event.

    Args:
        id: its number in the list.
        title: in words; a tropical cyclone's name.
        kind: one of `KINDS`.
        start: datetime64[ns], UTC.
        end: datetime64[ns], UTC, after the start.
        box: where it was; its east lies east of its west, beyond 360 when it goes across Greenwich.
    """

    id: int
    title: str
    kind: str
    start: np.datetime64
    end: np.datetime64
    box: Box

    def covers(self, first: np.datetime64, last: np.datetime64) -> bool:
        """Whether data from `first` to `last` have all of the case."""
        return bool(first <= self.start and self.end <= last)


def load_cases(source: str | Path | None = None) -> tuple[Case, ...]:
    """The cases of a YAML file, in its order.

    Args:
        source: the file; the catalogue's `extreme-weather-cases` if not given.

    Raises:
        UserError: no YAML, keys that are missing or unknown, an unknown kind, an end that is not after the start, a
            region that is none, a number twice. It names the file, the case and the key.
    """
    path = sample_path("extreme-weather-cases") if source is None else user_path(source)
    value = parse_yaml(_text(path), str(path))
    if isinstance(value, Mapping) and set(value) == {"cases"}:
        value = value["cases"]
    if not isinstance(value, list) or not value:
        held = "an empty list" if value == [] else describe_value(value)
        raise UserError(f"{path}: needs a list of cases (`- case_id_number: 1 ...`), but holds {held}.")
    cases = tuple(_case(entry, f"{path}: case number {place}") for place, entry in enumerate(value, 1))
    ids = [case.id for case in cases]
    for number in ids:
        if ids.count(number) > 1:
            raise UserError(
                f"{path}: case_id_number {number} is there {ids.count(number)} times; give each case its own."
            )
    return cases


def storm_of_case(case: Case, observed: Tracks) -> str | None:
    """The observed storm for which a tropical cyclone case was made, or nothing when none fits.

    The tables of IBTrACS at hand have no names, so time and place decide: of the storms that lie for the most part in
    the case's time and box the one with most records there, weighed by their share of the storm. `None` for cases of
    another kind.

    Args:
        case: of any kind.
        observed: `open_ibtracs()`; storms of other times and places do no harm.
    """
    if case.kind != "tropical_cyclone":
        return None
    near = set(observed.between(case.start, case.end).ids)
    best, best_weight = None, 0.0
    for name, storm in observed.where(np.isin(observed.track_id, sorted(near))).storms():
        inside = case.box.holds(storm.latitude, storm.longitude) & (storm.time >= case.start) & (storm.time <= case.end)
        weight = float(inside.sum() * inside.mean())
        if inside.mean() > _MOST_OF_A_STORM and weight > best_weight:
            best, best_weight = name, weight
    return best


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file. Give a YAML file of cases.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a text file in UTF-8: {error}.") from error


def _case(entry: Any, place: str) -> Case:
    if not isinstance(entry, Mapping):
        raise UserError(f"{place}: needs the keys {', '.join(_KEYS)}, but is {describe_value(entry)}.")
    if isinstance(entry.get("title"), str):
        place = f"{place} ({entry['title']})"
    _check_keys(entry, _KEYS, place)
    number, title, kind = entry["case_id_number"], entry["title"], entry["event_type"]
    if not isinstance(number, int) or isinstance(number, bool):
        raise UserError(f"{place}: case_id_number must be a whole number, but is {describe_value(number)}.")
    if not isinstance(title, str) or not title.strip():
        raise UserError(f"{place}: title must be text, but is {describe_value(title)}.")
    if kind not in KINDS:
        hint = suggest(str(kind), KINDS) or f"it must be one of {', '.join(KINDS)}."
        raise UserError(f"{place}: event_type {describe_value(kind)} is not known; {hint}")
    start, end = _time(entry["start_date"], f"{place}: start_date"), _time(entry["end_date"], f"{place}: end_date")
    if end <= start:
        raise UserError(f"{place}: end_date {end} must come after start_date {start}.")
    return Case(number, title, kind, start, end, _box(entry["location"], f"{place}: location"))


def _time(value: Any, place: str) -> np.datetime64:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{place} must be a time as 2021-06-20 00:00:00, but is {describe_value(value)}.") from error
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time, "ns")


def _box(location: Any, place: str) -> Box:
    if not isinstance(location, Mapping):
        raise UserError(f"{place} needs the keys type, parameters, but is {describe_value(location)}.")
    _check_keys(location, ("type", "parameters"), place)
    kind, parameters = location["type"], location["parameters"]
    if kind == "shapefile_region":
        raise UserError(
            f"{place}: regions of shapefiles are not read. Give a bounded_region that holds the shape, with "
            "latitude_min, latitude_max, longitude_min and longitude_max."
        )
    if kind not in _REGIONS:
        raise UserError(f"{place}: type must be one of {', '.join(_REGIONS)}, but is {describe_value(kind)}.")
    if not isinstance(parameters, Mapping):
        raise UserError(f"{place}: parameters need {', '.join(_REGIONS[kind])}, but are {describe_value(parameters)}.")
    _check_keys(parameters, _REGIONS[kind], f"{place}: parameters")
    if kind == "bounded_region":
        south, north, west, east = (_number(parameters[key], f"{place}: {key}") for key in _REGIONS[kind])
        # a west beyond the east means a box across 180 or Greenwich, in either way to count longitudes
        width = (east - west) % 360 if east - west != 360 else 360.0
    else:
        latitude, longitude = (_number(parameters[key], f"{place}: {key}") for key in ("latitude", "longitude"))
        size = parameters["bounding_box_degrees"]
        sides = size if isinstance(size, list) else [size, size]
        if len(sides) != 2:
            raise UserError(
                f"{place}: bounding_box_degrees is one number or two, but {describe_value(size)} of {len(sides)}."
            )
        height, width = (_number(side, f"{place}: bounding_box_degrees") for side in sides)
        south, north, west = latitude - height / 2, latitude + height / 2, longitude - width / 2
    if not -90 <= south < north <= 90:
        raise UserError(
            f"{place}: a box goes from south to north within 90 degrees, but this one from {south} to {north}."
        )
    if not 0 < width <= 360:
        raise UserError(f"{place}: a box is wider than 0 and at most 360 degrees, but this one has {width} degrees.")
    return Box(south, north, west % 360, west % 360 + width)


# type of a location -> its parameters; bounding_box_degrees is the whole height and width, or a list of the two
_REGIONS = {
    "bounded_region": ("latitude_min", "latitude_max", "longitude_min", "longitude_max"),
    "centered_region": ("latitude", "longitude", "bounding_box_degrees"),
}


def _check_keys(entry: Mapping[str, Any], wanted: tuple[str, ...], place: str) -> None:
    for key in wanted:
        if key not in entry:
            raise UserError(f"{place}: the key `{key}` is missing.")
    for key in entry:
        if key not in wanted:
            hint = suggest(key, wanted) or f"known are {', '.join(wanted)}."
            raise UserError(f"{place}: there is no key `{key}`; {hint}")


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise UserError(f"{place} must be a number of degrees, but is {describe_value(value)}.")
    return float(value)
