"""Who is matched with whom."""

import numpy as np
import pytest

from sciml.weather.cyclones.ibtracs import open_ibtracs
from sciml.weather.cyclones.matching import match_tracks
from sciml.weather.cyclones.sphere import displaced
from sciml.weather.cyclones.tracks import Tracks, concatenate, make_tracks

TIMES = np.datetime64("2020-09-01", "ns") + np.arange(5) * np.timedelta64(6, "h")


def straight(name: str, latitude: float, steps: slice = slice(None)) -> Tracks:
    n = len(TIMES[steps])
    return make_tracks([name] * n, TIMES[steps], [latitude] * n, 150.0 - np.arange(5.0)[steps])


def pairs(forecast: Tracks, observed: Tracks, **options: float) -> dict[str, str]:
    return {match.forecast: match.observed for match in match_tracks(forecast, observed, **options)}


def test_the_most_pairs_come_before_the_nearest():
    observed = concatenate([straight("north", 12.0), straight("south", 10.0)])
    # `a` is nearest to `south`, but then `b` would have none
    forecast = concatenate([straight("a", 10.4), straight("b", 8.0)])
    assert pairs(forecast, observed) == {"a": "north", "b": "south"}
    assert pairs(forecast.storm("a"), observed) == {"a": "south"}


def test_far_away_short_and_elsewhere_in_time():
    observed = straight("storm", 10.0)
    assert pairs(straight("a", 12.6), observed) == {"a": "storm"}  # 289 km
    assert pairs(straight("a", 12.8), observed) == {}  # 311 km
    assert pairs(straight("a", 12.8), observed, maximum_mean_distance_km=400.0) == {"a": "storm"}
    assert pairs(straight("a", 10.0, slice(4, 5)), observed) == {}
    assert pairs(straight("a", 10.0, slice(3, 5)), observed) == {"a": "storm"}
    assert pairs(concatenate([]), observed) == {}
    assert pairs(straight("a", 10.0), concatenate([])) == {}


def test_times_between_those_observed():
    observed = straight("storm", 10.0)
    shifted = make_tracks(["a"] * 3, TIMES[:3] + np.timedelta64(3, "h"), [10.0] * 3, 149.5 - np.arange(3.0))
    (match,) = match_tracks(shifted, observed)
    # both lie on the equatorward parallel; its great circle of 1 degree deviates by metres
    assert match.mean_distance_km < 0.1 and match.common_times == 3


@pytest.mark.filterwarnings("ignore")  # of the packages that huracanpy imports
def test_a_season_shifted_by_100_km_is_matched_as_huracanpy_does():
    huracanpy = pytest.importorskip("huracanpy")
    observed = open_ibtracs("wmo", basins=["NA"], period=("2005-08-01", "2005-09-30"))
    latitude, longitude = displaced(observed.latitude, observed.longitude, 45.0, 100.0)
    names = np.array([f"f{name}" for name in observed.track_id])
    forecast = make_tracks(names, observed.time, latitude, longitude)
    found = match_tracks(forecast, observed, minimum_common_times=5)
    long = [name for name, storm in observed.storms() if len(storm) >= 5]
    assert {match.forecast: match.observed for match in found} == {f"f{name}": name for name in long}
    np.testing.assert_allclose([match.mean_distance_km for match in found], 100, rtol=1e-9)  # rounding
    table = huracanpy.assess.match([forecast.to_dataset(), observed.to_dataset()], min_overlap=5)
    theirs = set(zip(table.iloc[:, 0], table.iloc[:, 1], strict=True))
    # it does not match exclusively, so it may have more
    assert {(match.forecast, match.observed) for match in found} <= theirs
