"""Lows of successive times joined to tracks.

The rules are those of Zarzycki & Ullrich 2017 (doi:10.1002/2016GL071606) with TempestExtremes: a low moves at most 8
degrees in 6 hours, may be missing for 24 hours, lives 54 hours, and for so long has wind and is not far from the
tropics. Times need not be equally far apart: what TempestExtremes counts in steps of 6 hours is hours here.

Between two times the pairs are chosen together (Hungarian algorithm), by distance from where each storm would be if
it went on as before, so that storms which pass each other keep their tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from sciml.weather.cyclones.detection import Lows
from sciml.weather.cyclones.sphere import direction_deg, displaced, great_circle_km
from sciml.weather.cyclones.tracks import Tracks, make_tracks

# cost of a pair that is not allowed, km: more than all allowed ones of a field together
_NEVER_KM = 1e9


@dataclass(frozen=True)
class StitchSettings:
    """What makes a row of lows a track.

    Args:
        maximum_speed_m_s: from one record to the next; the default is 8 degrees in 6 hours.
        maximum_gap_h: longest time between two records.
        minimum_duration_h: from the first record to the last.
        minimum_wind_m_s: this wind ...
        maximum_latitude_deg: ... equatorward of this latitude ...
        strong_duration_h: ... for so long: the hours between successive records which both have it.
    """

    maximum_speed_m_s: float = 41.2
    maximum_gap_h: float = 24.0
    minimum_duration_h: float = 54.0
    minimum_wind_m_s: float = 10.0
    maximum_latitude_deg: float = 50.0
    strong_duration_h: float = 54.0


@dataclass
class _Storm:
    """A track that grows: times, and the row [5] of Lows of each."""

    times: list[np.datetime64] = field(default_factory=list)
    rows: list[NDArray[np.float64]] = field(default_factory=list)

    def expected(self, time: np.datetime64) -> tuple[float, float]:
        """Where the storm is if it goes on as between its last two records."""
        latitude, longitude = self.rows[-1][:2]
        if len(self.rows) < 2:
            return float(latitude), float(longitude)
        before = self.rows[-2][:2]
        share = (time - self.times[-1]) / (self.times[-1] - self.times[-2])
        distance = great_circle_km(before[0], before[1], latitude, longitude)
        # on along the same great circle: away from where it came
        onwards = direction_deg(latitude, longitude, before[0], before[1]) + 180
        there = displaced(latitude, longitude, float(onwards), float(distance * share))
        return float(there[0]), float(there[1])


def stitch(times: Sequence[np.datetime64], lows: Sequence[Lows], settings: StitchSettings) -> Tracks:
    """Tracks of the lows of ascending times; a track is named after its first time and its place in the order."""
    growing: list[_Storm] = []
    ended: list[_Storm] = []
    for time, found in zip(times, lows, strict=True):
        alive = [storm for storm in growing if _hours(storm.times[-1], time) <= settings.maximum_gap_h]
        ended += [storm for storm in growing if not any(storm is other for other in alive)]
        rows = np.stack([found.latitude, found.longitude, found.pressure_pa, found.wind_m_s], axis=1)
        taken = _pairs(alive, time, rows, settings)
        for number, storm in taken.items():
            storm.times.append(time)
            storm.rows.append(rows[number])
        growing = alive + [_Storm([time], [rows[number]]) for number in range(len(rows)) if number not in taken]
    kept = [storm for storm in ended + growing if _is_storm(storm, settings)]
    kept.sort(key=lambda storm: (storm.times[0], storm.rows[0][2]))
    names = _names(kept)
    columns = np.array([row for storm in kept for row in storm.rows]).reshape(-1, 4).T
    return make_tracks(
        [name for name, storm in zip(names, kept, strict=True) for _ in storm.times],
        np.array([time for storm in kept for time in storm.times], "datetime64[ns]"),
        latitude=columns[0],
        longitude=columns[1],
        wind_m_s=columns[3],
        pressure_pa=columns[2],
    )


def _pairs(
    storms: Sequence[_Storm], time: np.datetime64, rows: NDArray[np.float64], settings: StitchSettings
) -> dict[int, _Storm]:
    """Which low, by its number, continues which storm."""
    if not storms or not len(rows):
        return {}
    expected = np.array([storm.expected(time) for storm in storms])
    last = np.array([storm.rows[-1][:2] for storm in storms])
    reach_km = np.array([3.6 * settings.maximum_speed_m_s * _hours(storm.times[-1], time) for storm in storms])
    cost = great_circle_km(expected[:, :1], expected[:, 1:], rows[None, :, 0], rows[None, :, 1])
    moved = great_circle_km(last[:, :1], last[:, 1:], rows[None, :, 0], rows[None, :, 1])
    cost = np.where(moved <= reach_km[:, None], cost, _NEVER_KM)
    chosen = zip(*linear_sum_assignment(cost), strict=True)
    return {int(low): storms[storm] for storm, low in chosen if cost[storm, low] < _NEVER_KM}


def _is_storm(storm: _Storm, settings: StitchSettings) -> bool:
    times, rows = np.array(storm.times), np.array(storm.rows)
    if _hours(times[0], times[-1]) < settings.minimum_duration_h:
        return False
    strong = (rows[:, 3] >= settings.minimum_wind_m_s) & (np.abs(rows[:, 0]) <= settings.maximum_latitude_deg)
    hours = np.diff(times) / np.timedelta64(1, "h")
    return bool(hours[strong[1:] & strong[:-1]].sum() >= settings.strong_duration_h)


def _names(storms: Sequence[_Storm]) -> list[str]:
    first = [np.datetime_as_string(storm.times[0], unit="h").replace("-", "").replace("T", "") for storm in storms]
    return [f"{time}-{first[: place + 1].count(time)}" for place, time in enumerate(first)]


def _hours(first: np.datetime64, last: np.datetime64) -> float:
    return float((last - first) / np.timedelta64(1, "h"))
