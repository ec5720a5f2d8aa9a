"""Files that share times: what is the same is kept once, what is not is refused, wherever it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5 import open_era5

HOURS = 6


def two(made: Callable[..., xr.Dataset]) -> tuple[xr.Dataset, xr.Dataset]:
    """Nine times in each of two, the first of the second being the fourth of the first: six in common, two levels."""
    whole = made(("t",), times=12, hours=HOURS)
    return whole.isel(time=slice(0, 9)), whole.isel(time=slice(3, 12)).copy(deep=True)


def test_what_is_the_same_is_kept_once(made: Callable[..., xr.Dataset]) -> None:
    opened = open_era5(list(two(made)))
    np.testing.assert_array_equal(opened["t"], made(("t",), times=12, hours=HOURS)["t"])
    assert "Files share time: a sample of them was compared" in opened.attrs["repairs"]


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("time", [0, 1, 5])
def test_what_is_not_is_refused(time: int, level: int, made: Callable[..., xr.Dataset]) -> None:
    first, second = two(made)
    second["t"][time, level, 2, 3] += 1
    stamp = np.datetime64("2020-01-01") + np.timedelta64((3 + time) * HOURS, "h")
    place = f"time {str(stamp)[:10]} .*, level {second['level'].values[level]:g}"
    with pytest.raises(UserError, match=f"two files have different values of `t` at {place}"):
        open_era5([first, second])


def test_members_are_compared(made: Callable[..., xr.Dataset]) -> None:
    first, second = (part.expand_dims(number=[0, 1, 2]).copy(deep=True) for part in two(made))
    second["t"][2, 5, 1, 2, 3] += 1
    with pytest.raises(UserError, match="different values of `t` at time .*, number 2, level 850"):
        open_era5([first, second])


def test_levels_that_are_shared_are_compared_at_the_last_time(made: Callable[..., xr.Dataset]) -> None:
    whole = made(("t",), times=12, levels=(300.0, 500.0, 850.0))
    first, second = whole.isel(level=[0, 1]), whole.isel(level=[1, 2]).copy(deep=True)
    np.testing.assert_array_equal(open_era5([first, second])["t"], whole["t"])
    second["t"][11, 0, 2, 3] += 1
    with pytest.raises(UserError, match="different values of `t` at level 500, time 2020-01-03 18:00"):
        open_era5([first, second])


def test_times_within_a_file(made: Callable[..., xr.Dataset]) -> None:
    # eight times, each of them there twice
    again = made(("t",), times=8).isel(time=np.repeat(np.arange(8), 2)).copy(deep=True)
    assert "8 times were there twice: a sample" in open_era5(again).attrs["repairs"]
    again["t"][15, 1, 2, 3] += 1
    with pytest.raises(UserError, match="two different fields of `t` at 2020-01-02 18:00"):
        open_era5(again)
