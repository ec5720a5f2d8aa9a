"""The tracker: storms of an analysis or a forecast, found anew or followed from where they were observed.

Fields are read one time after the other, so that a lazy dataset of any length fits in memory.

Following is in the manner of ECMWF's tracker of reported storms (van der Grijn 2002, ECMWF Technical Memorandum 386): a
first guess from the storm's past motion and the steering wind, then the nearest low around it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.cyclones.detection import DetectionSettings, Fields, fields_at, find_lows
from sciml.weather.cyclones.sphere import direction_deg, displaced, great_circle_km
from sciml.weather.cyclones.stitching import StitchSettings, stitch
from sciml.weather.cyclones.tracks import Times, Tracks, make_tracks
from sciml.weather.cyclones.windows import window
from sciml.weather.grid import EARTH_RADIUS_KM

logger = logging.getLogger(__name__)

_NO_WARM_CORE = (
    "Warm cores cannot be told without z at 300 and 500 hPa or t between 200 and 500 hPa, so that lows of middle "
    "latitudes are taken for tropical cyclones; StitchSettings(maximum_latitude_deg=30.0) keeps most of them out."
)
_DETECTION, _STITCHING = DetectionSettings(), StitchSettings()
# a storm that is known to be there needs less of a contour, and may have lost its warm core; two that pass are not one
_FOLLOWED = DetectionSettings(contour_pa=100.0, warm_core=False, merge_deg=1.0)
# winds within this distance of a storm steer it: they are a mean over the vortex, which drops out
_STEERING_RADIUS_DEG = 5.0


@dataclass(frozen=True)
class FollowSettings:
    """How an observed storm is followed.

    Args:
        search_radius_km: how far the low may be from the first guess.
        steering_share: the weight of the steering wind in the first guess, where levels are at hand; the rest has the
            motion since the record before.
        maximum_gap_h: longest time from one low to the next when there was none in between, from the initial time as
            well; where times are farther apart, the next is looked at all the same.
        detection: what makes a low a candidate.
    """

    search_radius_km: float = 450.0
    steering_share: float = 0.5
    maximum_gap_h: float = 12.0
    detection: DetectionSettings = _FOLLOWED


_FOLLOWING = FollowSettings()


def track_cyclones(
    dataset: xr.Dataset,
    detection: DetectionSettings = _DETECTION,
    stitching: StitchSettings = _STITCHING,
) -> Tracks:
    """All tropical cyclones of an analysis (dimension `time`) or of one forecast (dimension `lead_time`).

    A grid needs several points across a storm: on one coarser than about 2 degrees nothing is found.

    Args:
        dataset: canonical, with msl, u10, v10, and where at hand u, v, z, t on levels; a global or a regional grid.
        detection: criteria for a low.
        stitching: rules for a track.

    Returns:
        Positions below the grid spacing, lowest msl of a grid point, strongest 10 m wind within 2 degrees.

    Raises:
        UserError: variables are missing, or there are more dimensions than one time, level, latitude, longitude.
    """
    times, lows = [], []
    for time, fields in _slices(dataset, detection):
        if not times and detection.warm_core and fields.warm_core is None:
            logger.warning(_NO_WARM_CORE)
        times.append(time)
        lows.append(find_lows(fields, detection))
    return stitch(times, lows, stitching)


def follow_storms(dataset: xr.Dataset, observed: Tracks, settings: FollowSettings = _FOLLOWING) -> Tracks:
    """The storms that are observed at the initial time, followed through one forecast (or an analysis from its start).

    Nothing observed later is used: the position at the initial time, and for the motion the one 6 hours before. A storm
    is looked for at every time, and given up when there was no low for `maximum_gap_h`. Its track has the observed
    storm's `track_id`.

    Args:
        dataset: as for `track_cyclones`.
        observed: of any period.
        settings: how to follow.
    """
    _, times = _times(dataset)
    start = np.array([dataset["time"].values if "lead_time" in dataset.dims else times[0]])
    before = observed.at(start - np.timedelta64(6, "h"))
    storms = [_Followed.begun(storm, before) for _, storm in observed.at(start).storms()]
    for time, fields in _slices(dataset, settings.detection):
        for storm in storms:
            storm.step(time, fields, settings)
    found = [storm for storm in storms if storm.records]
    columns = np.array([record for storm in found for record in storm.records]).reshape(-1, 4).T
    return make_tracks(
        [storm.track_id for storm in found for _ in storm.records],
        np.array([time for storm in found for time in storm.times], "datetime64[ns]"),
        latitude=columns[0],
        longitude=columns[1],
        wind_m_s=columns[3],
        pressure_pa=columns[2],
        basin=[storm.basin for storm in found for _ in storm.records],
    )


@dataclass
class _Followed:
    """A storm on its way: where it was last seen, how it moves, and its records (latitude, longitude, Pa, m/s)."""

    track_id: str
    basin: str
    time: np.datetime64
    place: tuple[float, float]
    # direction in degrees and speed in m/s, when known
    motion: tuple[float, float] | None
    missed: bool = False
    times: list[np.datetime64] = field(default_factory=list)
    records: list[tuple[float, float, float, float]] = field(default_factory=list)

    @staticmethod
    def begun(now: Tracks, before: Tracks) -> _Followed:
        """A storm at its observed position."""
        name, place = str(now.track_id[0]), (float(now.latitude[0]), float(now.longitude[0]))
        motion = None
        if name in before.ids:
            past = before.storm(name)
            motion = _motion((float(past.latitude[0]), float(past.longitude[0])), place, now.time[0] - past.time[0])
        return _Followed(name, str(now.basin[0]), now.time[0], place, motion)

    def step(self, time: np.datetime64, fields: Fields, settings: FollowSettings) -> None:
        """Looks for the storm at the next time."""
        hours = float((time - self.time) / np.timedelta64(1, "h"))
        if self.missed and hours > settings.maximum_gap_h:
            return
        guess = self._guess(hours, fields, settings)
        radius_deg = np.degrees(settings.search_radius_km / EARTH_RADIUS_KM)
        lows = find_lows(fields, settings.detection, near=(*guess, float(radius_deg)))
        self.missed = not len(lows)
        if self.missed:
            return
        nearest = int(np.argmin(great_circle_km(*guess, lows.latitude, lows.longitude)))
        place = float(lows.latitude[nearest]), float(lows.longitude[nearest])
        if self.records:
            self.motion = _motion(self.place, place, time - self.time)
        self.time, self.place = time, place
        self.times.append(time)
        self.records.append((*place, float(lows.pressure_pa[nearest]), float(lows.wind_m_s[nearest])))

    def _guess(self, hours: float, fields: Fields, settings: FollowSettings) -> tuple[float, float]:
        east, north = _components(self.motion) if self.motion else (0.0, 0.0)
        if fields.steering_m_s is not None:
            part = window(fields.grid, *self.place, _STEERING_RADIUS_DEG)
            u, v = (part.of(component)[part.within(_STEERING_RADIUS_DEG)] for component in fields.steering_m_s)
            known = np.isfinite(u) & np.isfinite(v)
            if known.any():  # levels may be missing below high ground, and the place may lie outside a region
                share = settings.steering_share if self.motion else 1.0
                east = (1 - share) * east + share * float(u[known].mean(dtype=np.float64))
                north = (1 - share) * north + share * float(v[known].mean(dtype=np.float64))
        towards = float(np.degrees(np.arctan2(east, north)))
        there = displaced(*self.place, towards, 3.6 * hours * float(np.hypot(east, north)))
        return float(there[0]), float(there[1])


def _motion(start: tuple[float, float], end: tuple[float, float], duration: np.timedelta64) -> tuple[float, float]:
    """Direction at the end and speed in m/s of a displacement."""
    back = float(direction_deg(*end, *start))
    return (back + 180) % 360, float(great_circle_km(*start, *end)) * 1000 / float(duration / np.timedelta64(1, "s"))


def _components(motion: tuple[float, float]) -> tuple[float, float]:
    angle = np.radians(motion[0])
    return motion[1] * float(np.sin(angle)), motion[1] * float(np.cos(angle))


def _times(dataset: xr.Dataset) -> tuple[str, Times]:
    """The dimension over which storms move, and its valid times."""
    if "lead_time" in dataset.dims:
        if "time" in dataset.dims or "time" not in dataset.coords:
            raise UserError("Cyclones are tracked in one forecast at a time: take one initial time, `ds.isel(time=0)`.")
        return "lead_time", dataset["time"].values + dataset["lead_time"].values
    if "time" not in dataset.dims:
        raise UserError("Cyclones are tracked over `time` or `lead_time`, but the dataset has neither dimension.")
    return "time", dataset["time"].values


def _slices(dataset: xr.Dataset, detection: DetectionSettings) -> Iterator[tuple[np.datetime64, Fields]]:
    """Valid time and fields of each time of an analysis or of one forecast."""
    dimension, times = _times(dataset)
    for place, time in enumerate(times):
        yield time, fields_at(dataset.isel({dimension: place}, drop=True), detection)
