"""Errors of forecast tracks by lead time, as sums that add up over initial times, members and models.

The track error is the great-circle distance between the forecast and the observed position. It is split along the
observed motion: along-track positive when the forecast is ahead, cross-track positive when it lies to the right of
where the storm goes. The motion is that of the 12 hours around the valid time (6 hours at either end of a track); a
storm that moved less than 10 km in them has no direction and counts in the track error only. Intensity errors are
forecast minus observed, in m/s and Pa.

A hit is an observed storm at a lead time that its forecast track has too; a miss one that it has not, or that has no
track; a false alarm is a forecast position without an observed one. Hit rate = hits / (hits + misses), false-alarm
ratio = false alarms / (hits + false alarms) (Wilks 2019, Statistical Methods in the Atmospheric Sciences, 9.2.2).

Shapes: l lead times, n records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Shaped
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.cyclones.sphere import (
    along_and_cross_km,
    direction_deg,
    from_unit_vectors,
    great_circle_km,
    unit_vectors,
)
from sciml.weather.cyclones.tracks import Tracks

Numbers = NDArray[np.float64]
# timedelta64: jaxtyping has no name for it
LeadTimes = Shaped[np.ndarray, " l"]

# half of the time over which the observed motion is taken, and the displacement below which it has no direction
_HALF_MOTION = np.timedelta64(6, "h")
_STANDS_STILL_KM = 10.0


@dataclass(frozen=True)
class TrackSums:
    """Sums over pairs of forecast and observed positions at each lead time [l]; `+` joins those of two forecasts.

    Args:
        lead_time: [l] timedelta64[ns], ascending.
        hits: pairs of positions.
        misses: observed positions without a forecast one.
        false_alarms: forecast positions without an observed one.
        distance_km: track errors.
        directed: pairs whose observed storm moves.
        along_km, cross_km: signed errors; along_size_km, cross_size_km: their sizes.
        winds, wind_m_s, wind_size_m_s: pairs with both winds, errors and their sizes.
        pressures, pressure_pa, pressure_size_pa: the same for pressure.
    """

    lead_time: LeadTimes
    hits: Numbers
    misses: Numbers
    false_alarms: Numbers
    distance_km: Numbers
    directed: Numbers
    along_km: Numbers
    along_size_km: Numbers
    cross_km: Numbers
    cross_size_km: Numbers
    winds: Numbers
    wind_m_s: Numbers
    wind_size_m_s: Numbers
    pressures: Numbers
    pressure_pa: Numbers
    pressure_size_pa: Numbers

    def __add__(self, other: TrackSums) -> TrackSums:
        if not np.array_equal(self.lead_time, other.lead_time):
            raise UserError("Sums of track errors add up when they have the same lead times; these have not.")
        names = [field.name for field in dataclasses.fields(self) if field.name != "lead_time"]
        return TrackSums(self.lead_time, **{name: getattr(self, name) + getattr(other, name) for name in names})


def track_sums(
    forecast: Tracks,
    observed: Tracks,
    pairs: Mapping[str, str],
    initial_time: np.datetime64,
    lead_times: LeadTimes,
) -> TrackSums:
    """Sums of one forecast (one initial time, one member).

    Args:
        forecast: its tracks, at initial time plus lead times.
        observed: all observed storms that the forecast should have; `Tracks.where` takes out those that it need not
            have, such as depressions or storms outside its region.
        pairs: forecast track -> observed storm: of `match_tracks`, or of equal names for storms that were followed.
        initial_time: of the forecast.
        lead_times: [l] ascending.
    """
    lead_times = lead_times.astype("timedelta64[ns]")
    times = initial_time.astype("datetime64[ns]") + lead_times
    there = observed.at(times)
    heading = headings_deg(there, observed)
    wanted = {(name, time): row for row, (name, time) in enumerate(zip(there.track_id, there.time, strict=True))}
    lead_of = {time: place for place, time in enumerate(times)}
    sums = {field.name: np.zeros(len(times)) for field in dataclasses.fields(TrackSums) if field.name != "lead_time"}
    hit_rows: list[tuple[int, int, int]] = []
    for row, (name, time) in enumerate(zip(forecast.track_id, forecast.time, strict=True)):
        if time not in lead_of:
            continue
        observed_row = wanted.pop((pairs.get(str(name), ""), time), None)
        if observed_row is None:
            sums["false_alarms"][lead_of[time]] += 1
        else:
            hit_rows.append((row, observed_row, lead_of[time]))
    for _, time in wanted:
        sums["misses"][lead_of[time]] += 1
    if hit_rows:
        own, seen, lead = np.array(hit_rows).T
        _add_errors(sums, forecast, own, there, seen, heading[seen], lead)
    return TrackSums(lead_times, **sums)


def track_scores(sums: TrackSums) -> xr.Dataset:
    """Scores over `lead_time`, NaN where nothing was counted.

    track_error, along_track_bias, along_track_mae, cross_track_bias, cross_track_mae in km; wind_bias, wind_mae in m/s;
    pressure_bias, pressure_mae in Pa; hit_rate, false_alarm_ratio; hits, misses, false_alarms as counts.
    """
    table: dict[str, tuple[str, Numbers, dict[str, str]]] = {}

    def put(name: str, total: Numbers, count: Numbers, units: str, long_name: str) -> None:
        mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
        table[name] = ("lead_time", mean, {"units": units, "long_name": long_name})

    put("track_error", sums.distance_km, sums.hits, "km", "mean distance from the observed position")
    put("along_track_bias", sums.along_km, sums.directed, "km", "mean along-track error, positive ahead")
    put("along_track_mae", sums.along_size_km, sums.directed, "km", "mean size of the along-track error")
    put("cross_track_bias", sums.cross_km, sums.directed, "km", "mean cross-track error, positive to the right")
    put("cross_track_mae", sums.cross_size_km, sums.directed, "km", "mean size of the cross-track error")
    put("wind_bias", sums.wind_m_s, sums.winds, "m s-1", "mean error of the strongest 10 m wind")
    put("wind_mae", sums.wind_size_m_s, sums.winds, "m s-1", "mean size of the error of the strongest 10 m wind")
    put("pressure_bias", sums.pressure_pa, sums.pressures, "Pa", "mean error of the lowest pressure")
    put("pressure_mae", sums.pressure_size_pa, sums.pressures, "Pa", "mean size of the error of the lowest pressure")
    put("hit_rate", sums.hits, sums.hits + sums.misses, "1", "observed positions that were forecast")
    put("false_alarm_ratio", sums.false_alarms, sums.hits + sums.false_alarms, "1", "forecast positions not observed")
    for name in ("hits", "misses", "false_alarms"):
        table[name] = ("lead_time", getattr(sums, name), {"units": "1", "long_name": name.replace("_", " ")})
    return xr.Dataset(table, {"lead_time": sums.lead_time})


def headings_deg(at: Tracks, observed: Tracks) -> Numbers:
    """[n] direction of motion at each record of `at`, from 6 hours before to 6 hours after; NaN for one that stands.

    Args:
        at: records of storms of `observed`.
        observed: their whole tracks.
    """
    places = unit_vectors(at.latitude, at.longitude)
    before, after = (_places(at, observed, shift, places) for shift in (-_HALF_MOTION, _HALF_MOTION))
    # from the middle of both ends' great circle the motion has the direction of their difference
    latitude, longitude = from_unit_vectors(places + (after - before))
    moved = great_circle_km(*from_unit_vectors(before), *from_unit_vectors(after))
    heading = direction_deg(at.latitude, at.longitude, latitude, longitude)
    return np.where(moved >= _STANDS_STILL_KM, heading, np.nan)


def _places(at: Tracks, observed: Tracks, shift: np.timedelta64, otherwise: Numbers) -> Numbers:
    """[n, 3] where the storms are so much later, or where they are now when they are no more."""
    shifted = observed.at(at.time + shift)
    rows = {key: row for row, key in enumerate(zip(shifted.track_id, shifted.time, strict=True))}
    vectors = unit_vectors(shifted.latitude, shifted.longitude)
    found = otherwise.copy()
    for row, key in enumerate(zip(at.track_id, at.time + shift, strict=True)):
        if key in rows:
            found[row] = vectors[rows[key]]
    return found


def _add_errors(
    sums: dict[str, Numbers],
    forecast: Tracks,
    own: NDArray[np.intp],
    there: Tracks,
    seen: NDArray[np.intp],
    heading: Numbers,
    lead: NDArray[np.intp],
) -> None:
    """Adds the errors of pairs: rows `own` of the forecast, rows `seen` of the observed records, lead time `lead`."""
    start = there.latitude[seen], there.longitude[seen]
    end = forecast.latitude[own], forecast.longitude[own]
    distance = great_circle_km(*start, *end)
    along, cross = along_and_cross_km(distance, direction_deg(*start, *end), heading)
    wind = forecast.wind_m_s[own] - there.wind_m_s[seen]
    pressure = forecast.pressure_pa[own] - there.pressure_pa[seen]
    np.add.at(sums["hits"], lead, 1)
    np.add.at(sums["distance_km"], lead, distance)
    for count, error, size, values in (
        ("directed", "along_km", "along_size_km", along),
        ("directed", "cross_km", "cross_size_km", cross),
        ("winds", "wind_m_s", "wind_size_m_s", wind),
        ("pressures", "pressure_pa", "pressure_size_pa", pressure),
    ):
        known = np.isfinite(values)
        if error != "cross_km":  # counted with along_km
            np.add.at(sums[count], lead[known], 1)
        np.add.at(sums[error], lead[known], values[known])
        np.add.at(sums[size], lead[known], np.abs(values[known]))
