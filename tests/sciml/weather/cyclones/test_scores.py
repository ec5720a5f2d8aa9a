"""Errors that were put in come out, on real tracks; and sums add up."""

import dataclasses

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.weather.cyclones.ibtracs import open_ibtracs
from sciml.weather.cyclones.scores import headings_deg, track_scores, track_sums
from sciml.weather.cyclones.sphere import displaced
from sciml.weather.cyclones.tracks import Tracks, concatenate, make_tracks

START = np.datetime64("2005-08-25T12", "ns")
LEADS = np.arange(0, 121, 12).astype("timedelta64[h]")


@pytest.fixture(scope="module")
def katrina() -> Tracks:
    return open_ibtracs("wmo", basins=["NA"], period=("2005-08-23", "2005-08-31")).storm("2005236N23285")


def moved(tracks: Tracks, direction: np.ndarray, distance_km: float, **change: float) -> Tracks:
    latitude, longitude = displaced(tracks.latitude, tracks.longitude, direction, distance_km)
    return make_tracks(
        np.full(len(tracks), "forecast"),
        tracks.time,
        latitude,
        longitude,
        wind_m_s=tracks.wind_m_s + change.get("wind_m_s", 0.0),
        pressure_pa=tracks.pressure_pa + change.get("pressure_pa", 0.0),
    )


@pytest.mark.parametrize(
    ("turn", "along_km", "cross_km"),
    [(0.0, 120.0, 0.0), (180.0, -120.0, 0.0), (90.0, 0.0, 120.0), (-90.0, 0.0, -120.0)],
)
def test_katrina_displaced_along_and_across_its_track(katrina: Tracks, turn: float, along_km: float, cross_km: float):
    there = katrina.at(START + LEADS)
    forecast = moved(there, headings_deg(there, katrina) + turn, 120.0, wind_m_s=-8.0, pressure_pa=1500.0)
    pairs = {"forecast": "2005236N23285"}
    scores = track_scores(track_sums(forecast, katrina, pairs, START, LEADS))
    np.testing.assert_allclose(scores["track_error"], 120.0, rtol=1e-9)  # rounding, here and below
    np.testing.assert_allclose(scores["along_track_bias"], along_km, atol=1e-6)
    np.testing.assert_allclose(scores["cross_track_bias"], cross_km, atol=1e-6)
    np.testing.assert_allclose(scores["along_track_mae"], abs(along_km), atol=1e-6)
    np.testing.assert_allclose(scores["wind_bias"], -8.0)
    np.testing.assert_allclose(scores["wind_mae"], 8.0)
    np.testing.assert_allclose(scores["pressure_bias"], 1500.0)
    assert (scores["hit_rate"] == 1).all() and (scores["false_alarm_ratio"] == 0).all()
    assert scores["track_error"].attrs["units"] == "km"


def test_a_late_forecast_is_behind(katrina: Tracks):
    there = katrina.at(START + LEADS)
    late = katrina.at(START + LEADS - np.timedelta64(6, "h"))
    forecast = make_tracks(np.full(len(late), "forecast"), there.time, late.latitude, late.longitude)
    scores = track_scores(track_sums(forecast, katrina, {"forecast": "2005236N23285"}, START, LEADS))
    assert (scores["along_track_bias"] < 0).all()
    # of a storm that turns, what it covers in six hours lies nearly along the motion over twelve
    assert (scores["cross_track_mae"] < 0.4 * scores["track_error"]).all()


def test_headings_of_katrina(katrina: Tracks):
    heading = headings_deg(katrina, katrina)
    # 29 August 12 UTC: from 28.2 N to 31.1 N on 89.6 W, due north; 26 August: west-south-west into the Gulf
    by_time = dict(zip(katrina.time.astype("datetime64[h]").astype(str), heading, strict=True))
    assert abs((by_time["2005-08-29T12"] + 180) % 360 - 180) < 1e-6
    assert 225 < by_time["2005-08-26T06"] < 270
    still = make_tracks(["s"] * 3, katrina.time[:3], [10.0, 10.01, 10.0], [200.0] * 3)
    assert np.isnan(headings_deg(still, still)).all()


def test_hits_misses_and_false_alarms():
    times = START + np.arange(4) * np.timedelta64(6, "h")
    leads = np.arange(4) * np.timedelta64(6, "h")
    observed = concatenate(
        [
            make_tracks(["known"] * 4, times, [10.0] * 4, 140 - np.arange(4.0)),
            make_tracks(["unseen"] * 2, times[2:], [-15.0] * 2, [60.0, 59.0]),
        ]
    )
    forecast = concatenate(
        [
            make_tracks(["right"] * 3, times[:3], [10.5] * 3, 140 - np.arange(3.0)),
            make_tracks(["wrong"] * 2, times[1:3], [20.0] * 2, [300.0, 299.0]),
        ]
    )
    sums = track_sums(forecast, observed, {"right": "known"}, START, leads)
    assert sums.hits.tolist() == [1, 1, 1, 0]
    assert sums.misses.tolist() == [0, 0, 1, 2]
    assert sums.false_alarms.tolist() == [0, 1, 1, 0]
    scores = track_scores(sums)
    assert scores["hit_rate"].values.tolist() == [1.0, 1.0, 0.5, 0.0]
    assert scores["false_alarm_ratio"].values[:3].tolist() == [0.0, 0.5, 0.5]
    assert np.isnan(scores["false_alarm_ratio"][3]) and np.isnan(scores["track_error"][3])
    # winds that nobody gave are not counted
    assert np.isnan(scores["wind_mae"]).all()
    # a track matched with nothing is a false alarm, and its storm is missed
    nothing = track_sums(forecast, observed, {}, START, leads)
    assert nothing.hits.sum() == 0 and nothing.misses.sum() == 6 and nothing.false_alarms.sum() == 5


def test_sums_add_up_over_initial_times(katrina: Tracks):
    pairs = {"forecast": "2005236N23285"}
    parts, errors = [], []
    for number, start in enumerate(START + np.arange(3) * np.timedelta64(24, "h")):
        there = katrina.at(start + LEADS)
        parts.append(
            track_sums(moved(there, np.full(len(there), 30.0), 50.0 * (number + 1)), katrina, pairs, start, LEADS)
        )
        errors.append(np.where(np.isin(start + LEADS, there.time), 50.0 * (number + 1), np.nan))
    together = parts[0] + parts[1] + parts[2]
    np.testing.assert_allclose(track_scores(together)["track_error"], np.nanmean(errors, axis=0), rtol=1e-9)  # rounding
    assert together.hits.tolist() == np.isfinite(errors).sum(axis=0).tolist()
    other = dataclasses.replace(parts[0], lead_time=parts[0].lead_time + np.timedelta64(1, "h"))
    with pytest.raises(UserError, match="the same lead times"):
        parts[0] + other
