"""Spells: found one by one, matched by hand, counted by region."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.extremes.spells import Spells, SpellSums, find_spells, match_spells, spell_sums

ZERO = np.array(0.0)


def series(text: str) -> np.ndarray:
    """Digits are distances from the threshold, a dot is below it, ? is missing."""
    return np.array([{".": -1.0, "?": np.nan}.get(letter, 0.0) or float(letter) for letter in text])


@given(st.integers(0, 2**31), st.integers(1, 4), st.booleans())
def test_found_one_by_one(seed: int, min_days: int, above: bool) -> None:
    random = np.random.default_rng(seed)
    daily = random.integers(-2, 4, (12, 2, 3)).astype(np.float32)
    daily[random.random(daily.shape) < 0.05] = np.nan
    threshold = random.integers(-1, 2, (12, 2, 3)).astype(np.float32)
    found = find_spells(daily, threshold, min_days=min_days, above=above)
    expected = []
    for point in range(6):
        distance = (daily - threshold).reshape(12, 6)[:, point] * (1 if above else -1)
        day = 0
        for beyond, run in groupby(distance, lambda value: bool(value > 0)):
            values = list(run)
            if beyond and len(values) >= min_days:
                expected.append((point, day, len(values), max(values), sum(values)))
            day += len(values)
    rows = zip(found.point, found.start, found.length, found.peak, found.total, strict=True)
    assert [tuple(map(float, row)) for row in rows] == [tuple(map(float, row)) for row in expected]
    assert (found.days, found.points) == (12, 6)


def test_at_the_very_ends() -> None:
    # runs that touch both ends of both series, so that the end of one is the beginning of the next
    found = find_spells(np.ones((4, 2)), ZERO)
    assert found.start.tolist() == [0, 0] and found.length.tolist() == [4, 4] and found.total.tolist() == [4, 4]
    assert found.from_first_day.all() and found.to_last_day.all()
    none = find_spells(-np.ones((4, 2)), ZERO)
    assert len(none) == 0
    assert len(find_spells(np.full((4, 2), np.nan), ZERO)) == 0


def test_a_missing_day_ends_a_spell() -> None:
    assert len(find_spells(series(".11?11."), ZERO)) == 0
    assert len(find_spells(series(".11111."), ZERO)) == 1


def spells(text: str) -> Spells:
    return find_spells(series(text), ZERO)


def test_errors_by_hand() -> None:
    #          012345678901234567890
    forecast = "....23432......555..."
    observed = "...1232......777....."
    matches = match_spells(spells(forecast), spells(observed))
    # the first begins a day late, lasts a day more, is 1 stronger, and 14 instead of 8; the second shares its third day
    assert matches.partner.tolist() == [0, 1]
    assert matches.onset.tolist() == [1, 2]
    assert matches.duration.tolist() == [1, 0]
    assert matches.peak.tolist() == [1, -2]
    assert matches.total.tolist() == [6, -6]
    assert matches.false_alarm.tolist() == []


def test_misses_false_alarms_and_the_best_of_two() -> None:
    forecast = "..111.1111.......111."
    observed = "...111111....111....."
    matches = match_spells(spells(forecast), spells(observed))
    # the first shares 2 days with one spell and 3 with the next
    assert matches.partner.tolist() == [1, -1]
    assert matches.onset.tolist()[0] == 3 and np.isnan(matches.onset[1])
    assert matches.false_alarm.tolist() == [2]
    equal = match_spells(spells(".111.111."), spells("..11111.."))
    assert equal.partner.tolist() == [0] and equal.false_alarm.tolist() == []
    shared = match_spells(spells(".1111111."), spells(".111.111."))
    assert shared.partner.tolist() == [0, 0] and shared.onset.tolist() == [0, -4]


def test_what_is_under_way_at_an_end_has_no_onset_or_duration_error() -> None:
    matches = match_spells(spells(".1111...1111."), spells("1111....11111"))
    assert matches.partner.tolist() == [0, 1]
    assert np.isnan(matches.onset[0]) and matches.onset[1] == 0
    assert np.isnan(matches.duration).all() and np.isnan(matches.total).all()
    assert matches.peak.tolist() == [0, 0]


def test_sums_by_region_add_up() -> None:
    forecast = np.stack([series("..1111....."), series(".....111..."), series(".111......."), series("...........")], 1)
    observed = np.stack([series(".1111......"), series("..........."), series("...111....."), series("...1111....")], 1)
    weights = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 3.0, 5.0, 0.0]])
    found_f, found_o = find_spells(forecast, ZERO), find_spells(observed, ZERO)
    sums = spell_sums(found_f, found_o, match_spells(found_f, found_o), weights)
    assert sums.hits.tolist() == [2, 7] and sums.misses.tolist() == [1, 0] and sums.false_alarms.tolist() == [1, 3]
    # a day late and two days early
    assert sums.onset.tolist() == [[-1, 2 - 10], [3, 12]] and sums.onset_weight.tolist() == [2, 7]
    both = sums + sums
    assert isinstance(both, SpellSums) and both.onset.tolist() == [[-2, -16], [6, 24]]


def test_no_spells_at_all() -> None:
    none = find_spells(-np.ones((5, 3)), ZERO)
    some = find_spells(np.ones((5, 3)), ZERO)
    ones = np.ones((1, 3))
    assert spell_sums(none, none, match_spells(none, none), ones).hits.tolist() == [0]
    assert spell_sums(none, some, match_spells(none, some), ones).misses.tolist() == [3]
    assert spell_sums(some, none, match_spells(some, none), ones).false_alarms.tolist() == [3]


def test_a_perfect_forecast_has_no_errors() -> None:
    daily = np.random.default_rng(0).normal(size=(60, 20))
    found = find_spells(daily, ZERO)
    matches = match_spells(found, found)
    assert matches.partner.tolist() == list(range(len(found))) and not len(matches.false_alarm)
    for error in (matches.onset, matches.duration, matches.peak, matches.total):
        assert not np.nansum(np.abs(error))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1 day"):
        find_spells(np.ones(4), ZERO, min_days=0)
    with pytest.raises(UserError, match=r"\(4, 2\), but has \(3,\)"):
        find_spells(np.ones((4, 2)), np.zeros(3))
    with pytest.raises(UserError, match="4 days of 1 points and the truth 5 of 1"):
        match_spells(find_spells(np.ones(4), ZERO), find_spells(np.ones(5), ZERO))
