"""Which found track is which observed storm.

A pair may match when the two are near each other, on average over the times they have in common. Each track and each
storm is in one pair at most; of all ways to pair them the one with most pairs is taken, and of these the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from sciml.weather.cyclones.sphere import great_circle_km
from sciml.weather.cyclones.tracks import Tracks

# cost of a pair that may not match, km: more than all that may together
_NEVER_KM = 1e9


@dataclass(frozen=True)
class Match:
    """A pair: the names of the two, at how many times both are there, and how far apart they are on average."""

    forecast: str
    observed: str
    common_times: int
    mean_distance_km: float


def match_tracks(
    forecast: Tracks, observed: Tracks, *, maximum_mean_distance_km: float = 300.0, minimum_common_times: int = 2
) -> tuple[Match, ...]:
    """Pairs of forecast (or analysed) tracks and observed storms, in the order of the forecast's.

    Observed positions are interpolated to the forecast's times (`Tracks.at`), so that neither needs the other's.

    Tracks that were followed from observed positions have the storms' names and need no matching; choosing the near
    ones would make their errors look small.

    >>> from sciml.weather.cyclones.tracks import make_tracks
    >>> times = ["2020-01-01T00", "2020-01-01T06"]
    >>> found = make_tracks(["f", "f"], times, [10.0, 11.0], [140.0, 139.0])
    >>> seen = make_tracks(["s", "s"], times, [11.0, 12.0], [140.0, 139.0])
    >>> [(m.forecast, m.observed, m.common_times, round(m.mean_distance_km, 1)) for m in match_tracks(found, seen)]
    [('f', 's', 2, 111.2)]
    """
    there = observed.at(forecast.time)
    found, seen = list(forecast.storms()), list(there.storms())
    pairs: dict[tuple[int, int], Match] = {}
    for i, (name, track) in enumerate(found):
        for j, (storm, positions) in enumerate(seen):
            _, here, at = np.intersect1d(track.time, positions.time, assume_unique=True, return_indices=True)
            if len(here) < minimum_common_times:
                continue
            distance = great_circle_km(
                track.latitude[here], track.longitude[here], positions.latitude[at], positions.longitude[at]
            )
            mean = float(np.mean(distance))
            if mean <= maximum_mean_distance_km:
                pairs[i, j] = Match(name, storm, len(here), mean)
    cost = np.full((len(found), len(seen)), _NEVER_KM)
    for place, match in pairs.items():
        cost[place] = match.mean_distance_km
    chosen = zip(*(side.tolist() for side in linear_sum_assignment(cost)), strict=True)
    return tuple(pairs[place] for place in chosen if place in pairs)
