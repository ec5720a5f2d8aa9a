"""core/checks: a number is refused exactly when it is outside of its range, in one line that states the range."""

from __future__ import annotations

import math
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError

inf = math.inf


@pytest.mark.parametrize(
    ("ends", "value", "words"),
    [
        ((1, inf), 0, "at least 1"),
        ((Excluded(0), inf), 0.0, "more than 0"),
        ((0.7, 40.0), 41.0, "between 0.7 and 40"),
        ((0, Excluded(1)), 1.0, "at least 0 and less than 1"),
        ((Excluded(0), Excluded(1)), 0.0, "more than 0 and less than 1"),
        ((Excluded(0), 1), 0.0, "more than 0 and at most 1"),
        # whole numbers keep their digits, however many
        ((0, 2**63 - 1), 2**63, "between 0 and 9223372036854775807"),
        ((0, 2**63 - 1), 10**400, "between 0 and 9223372036854775807"),
        ((1, inf), inf, "a finite number, at least 1"),
        ((1, inf), math.nan, "at least 1"),
    ],
)
def test_the_range_in_words(ends: tuple[float | int, float | int], value: float | int, words: str) -> None:
    with pytest.raises(UserError) as caught:
        check_ranges("model", SimpleNamespace(x=value), {"x": ends})
    assert str(caught.value) == f"`model.x` needs to be {words}, but is {value}."


@given(value=st.integers(-1, 4) | st.floats(), ends=st.tuples(st.integers(0, 1), st.integers(2, 3)))
def test_ends_are_allowed_unless_excluded(value: float | int, ends: tuple[int, int]) -> None:
    low, high = ends
    for given_ends, inside in (
        ((low, high), low <= value <= high),
        ((Excluded(low), high), low < value <= high),
        ((low, Excluded(high)), low <= value < high),
        ((Excluded(low), Excluded(high)), low < value < high),
        ((low, inf), low <= value < inf),
    ):
        with nullcontext() if inside else pytest.raises(UserError):
            check_ranges("model", SimpleNamespace(x=value), {"x": given_ends})


def test_none_passes_and_other_fields_are_left_alone() -> None:
    check_ranges("train", SimpleNamespace(x=None, y=-5), {"x": (1, 2)})
