"""Runs of days beyond a threshold, at every point at once: when they begin, how long they last, how strong they are.

A spell is a longest run of at least `min_days` days on which the value is beyond the threshold; a missing day ends it.
What is forecast is held against what occurred at the same point: an observed spell is a hit if a forecast one shares a
day with it, else a miss; a forecast spell that shares no day with any observed one is a false alarm. Errors are those
of the forecast spell that shares most days, the first of these, forecast less observed.

A spell that is under way on the first day has no known onset, and one still under way on the last no known end. Such
observed spells are hits or misses, but give no onset error, or no duration error and no error of the sum.

Shapes: t days, p points (any number of dimensions), e spells, r regions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from sciml.core.errors import UserError


@dataclass(frozen=True)
class Spells:
    """Spells of all points, by point and then by time.

    Args:
        point: index of the point, the dimensions after the days in one row.
        start: its first day, counted from 0.
        length: days.
        peak: largest distance from the threshold, in the unit of the values, never negative.
        total: sum of the distances over the days.
        days: days of the series.
        points: points of the series.
    """

    point: Int64[np.ndarray, " e"]
    start: Int64[np.ndarray, " e"]
    length: Int64[np.ndarray, " e"]
    peak: Float64[np.ndarray, " e"]
    total: Float64[np.ndarray, " e"]
    days: int
    points: int

    def __len__(self) -> int:
        return len(self.point)

    @property
    def from_first_day(self) -> Bool[np.ndarray, " e"]:
        """Whether the onset is unknown."""
        return self.start == 0

    @property
    def to_last_day(self) -> Bool[np.ndarray, " e"]:
        """Whether the end is unknown."""
        return self.start + self.length == self.days


@dataclass(frozen=True)
class Matches:
    """Forecast spells held against observed ones; e observed spells.

    Args:
        partner: index of the forecast spell of each observed one, -1 for a miss.
        false_alarm: indices of forecast spells that share no day with an observed one.
        onset: error in days, NaN for misses and unknown onsets.
        duration: error in days, NaN for misses and where either end is unknown.
        peak: error in the unit of the values, NaN for misses.
        total: error in that unit times days, NaN for misses and where either end is unknown.
    """

    partner: Int64[np.ndarray, " e"]
    false_alarm: Int64[np.ndarray, " f"]
    onset: Float64[np.ndarray, " e"]
    duration: Float64[np.ndarray, " e"]
    peak: Float64[np.ndarray, " e"]
    total: Float64[np.ndarray, " e"]


@dataclass(frozen=True)
class SpellSums:
    """Weighted counts, and sums of errors with the weights of what they are sums of; they add up.

    Errors are [2, r]: the sum of the errors and of their absolute values.
    """

    hits: Float64[np.ndarray, " r"]
    misses: Float64[np.ndarray, " r"]
    false_alarms: Float64[np.ndarray, " r"]
    onset: Float64[np.ndarray, "2 r"]
    onset_weight: Float64[np.ndarray, " r"]
    duration: Float64[np.ndarray, "2 r"]
    duration_weight: Float64[np.ndarray, " r"]
    peak: Float64[np.ndarray, "2 r"]
    peak_weight: Float64[np.ndarray, " r"]
    total: Float64[np.ndarray, "2 r"]
    total_weight: Float64[np.ndarray, " r"]

    def __add__(self, other: SpellSums) -> SpellSums:
        return SpellSums(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))


def find_spells(
    daily: Float[np.ndarray, "t *points"],
    threshold: Float[np.ndarray, "..."],
    *,
    min_days: int = 3,
    above: bool = True,
) -> Spells:
    """All spells of daily values above the threshold of the day, or below it.

    Args:
        threshold: of the shape of `daily`, or one that broadcasts to it.

    Raises:
        UserError: fewer than one day, or a threshold that does not fit.

    >>> spells = find_spells(np.array([1.0, 4.0, 6.0, 5.0, 1.0, 9.0]), np.array(3.0))
    >>> spells.start.tolist(), spells.length.tolist(), spells.peak.tolist(), spells.total.tolist()
    ([1], [3], [3.0], [6.0])
    """
    if min_days < 1:
        raise UserError(f"A spell lasts at least 1 day, but `min_days` is {min_days}.")
    try:
        limit = np.broadcast_to(threshold, daily.shape)
    except ValueError as error:
        raise UserError(
            f"The threshold needs the shape of the daily values, {daily.shape}, but has {np.shape(threshold)}."
        ) from error
    days = len(daily)
    distance_pt = np.ascontiguousarray((daily - limit if above else limit - daily).reshape(days, -1).T)
    beyond_pt = distance_pt > 0
    first, after = _runs(beyond_pt)
    long = after - first >= min_days
    first, after = first[long], after[long]
    if not len(first):
        none = np.zeros(0, np.int64)
        return Spells(none, none, none, np.zeros(0), np.zeros(0), days, len(distance_pt))
    # one more value, so that the end of the last spell has an index
    distance = np.append(np.where(beyond_pt, distance_pt, 0).astype(np.float64), 0.0)
    # every second stretch is one between spells
    peak = np.maximum.reduceat(distance, np.stack([first, after], 1).ravel())[::2]
    running = np.concatenate([[0.0], np.cumsum(distance)])
    return Spells(
        first // days, first % days, after - first, peak, running[after] - running[first], days, len(distance_pt)
    )


def match_spells(forecast: Spells, observed: Spells) -> Matches:
    """Which forecast spell is whose, and how far off it is.

    Raises:
        UserError: they are of series of other lengths or numbers of points.
    """
    if (forecast.days, forecast.points) != (observed.days, observed.points):
        raise UserError(
            f"Spells of the same days and points are needed, but the forecast has {forecast.days} days of "
            f"{forecast.points} points and the truth {observed.days} of {observed.points}."
        )
    label_f, label_o = _labels(forecast), _labels(observed)
    both = (label_f >= 0) & (label_o >= 0)
    code, shared = np.unique(label_o[both] * max(len(forecast), 1) + label_f[both], return_counts=True)
    pair_o, pair_f = code // max(len(forecast), 1), code % max(len(forecast), 1)
    # the most days first; among equals the earlier spell, which has the smaller index
    order = np.lexsort((pair_f, -shared, pair_o))
    of, best = np.unique(pair_o[order], return_index=True)
    partner = np.full(len(observed), -1, np.int64)
    partner[of] = pair_f[order][best]
    hit = partner >= 0
    onset_known, end_known = hit & ~observed.from_first_day, hit & ~observed.to_last_day

    def error(name: str, known: np.ndarray) -> np.ndarray:
        found = np.full(len(observed), np.nan)
        found[known] = getattr(forecast, name)[partner[known]] - getattr(observed, name)[known]
        return found

    return Matches(
        partner,
        np.setdiff1d(np.arange(len(forecast)), pair_f),
        onset=error("start", onset_known),
        duration=error("length", onset_known & end_known),
        peak=error("peak", hit),
        total=error("total", onset_known & end_known),
    )


def spell_sums(
    forecast: Spells, observed: Spells, matches: Matches, weights: Float[np.ndarray, "r *points"]
) -> SpellSums:
    """Counts and errors by region, each spell with the weight of its point."""
    weights_rp = weights.reshape(len(weights), -1)
    weight_re = weights_rp[:, observed.point].astype(np.float64)
    hit = matches.partner >= 0

    def errors(error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = ~np.isnan(error)
        values = np.stack([error[known], np.abs(error[known])])
        return values @ weight_re[:, known].T, weight_re[:, known].sum(1)

    return SpellSums(
        weight_re[:, hit].sum(1),
        weight_re[:, ~hit].sum(1),
        weights_rp[:, forecast.point[matches.false_alarm]].sum(1, dtype=np.float64),
        *errors(matches.onset),
        *errors(matches.duration),
        *errors(matches.peak),
        *errors(matches.total),
    )


def _runs(beyond_pt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and one-past-last position of every run, in all series one after the other."""
    edge = np.zeros((len(beyond_pt), 1), np.int8)
    change = np.diff(beyond_pt.astype(np.int8), prepend=edge, append=edge, axis=1)
    days = beyond_pt.shape[1]
    (point, first), (_, after) = np.nonzero(change == 1), np.nonzero(change == -1)
    return point * days + first, point * days + after


def _labels(spells: Spells) -> np.ndarray:
    """The spell of every day of every point, -1 for none."""
    label = np.full(spells.points * spells.days, -1, np.int64)
    first = spells.point * spells.days + spells.start
    within = np.arange(spells.length.sum()) - np.repeat(np.cumsum(spells.length) - spells.length, spells.length)
    label[np.repeat(first, spells.length) + within] = np.repeat(np.arange(len(spells)), spells.length)
    return label
