"""Statistics are those of the period, the same however they are computed, and refuse to be used for other data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.training import reading
from sciml.weather.training.statistics import Statistics, compute_statistics, data_key
from sciml.weather.training.stream import Reading

FIELDS = ("t2m", "z500", "u10")
PERIOD = ("2020-01-01", "2020-01-07")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)


def test_they_are_those_of_the_values(data: xr.Dataset) -> None:
    data["u10"][3, 2, 1:] = np.nan
    found = compute_statistics(data.chunk(time=4), FIELDS, period=PERIOD, step_hours=12)
    part = data.sel(time=slice(*PERIOD))
    assert found.times == 28 and found.period == ("2020-01-01T00:00:00", "2020-01-07T18:00:00")
    weights = xr.DataArray(
        Grid(data.latitude.values, data.longitude.values).area_weights(), dims=("latitude", "longitude")
    )
    for i, array in enumerate([part["t2m"], part["z"].sel(level=500), part["u10"]]):
        values = array.astype(np.float64)
        mean, std = values.weighted(weights).mean().item(), values.weighted(weights).std().item()
        # float64 sums of 672 values in another order
        np.testing.assert_allclose((found.mean[i], found.std[i]), (mean, std), rtol=1e-9)
        assert (found.minimum[i], found.maximum[i]) == (array.min().item(), array.max().item())
        tendency = values.shift(time=-2) - values
        wanted = tendency.weighted(weights).mean().item(), tendency.weighted(weights).std().item()
        # differences of float32 values near 5e4 are rounded to 0.004 in 1000
        np.testing.assert_allclose((found.tendency_mean[i], found.tendency_std[i]), wanted, rtol=1e-4)
    assert found.missing == pytest.approx((0, 0, 5 / (28 * 24)), abs=1e-15)
    assert found.units == ("K", "m**2 s**-2", "m s**-1")


def test_chunks_threads_and_parts_do_not_matter(stored: Callable[..., Any], data: xr.Dataset) -> None:
    one = compute_statistics(data, FIELDS, period=PERIOD)
    for times, options in ((3, {}), (28, {"parts": 3}), (1, {"parts": 5, "reading": Reading(threads=1)})):
        lazy, store = stored(data, times=times)
        other = compute_statistics(lazy, FIELDS, period=PERIOD, **options)
        assert other.fingerprint == one.fingerprint
        for name in ("mean", "std", "minimum", "maximum", "tendency_mean", "tendency_std", "missing"):
            # float64 sums in another order; means of tendencies near zero
            np.testing.assert_allclose(getattr(other, name), getattr(one, name), rtol=1e-8, atol=1e-7, err_msg=name)
        if "parts" not in options:
            assert set(store.reads.values()) == {1}
    changed = data.copy(deep=True)
    changed["t2m"][5, 0, 0] += 1
    assert compute_statistics(changed, FIELDS, period=PERIOD).fingerprint != one.fingerprint
    moved = data.assign_coords(time=data["time"] + np.timedelta64(1, "h"))
    assert compute_statistics(moved, FIELDS, period=PERIOD).fingerprint != one.fingerprint


def test_nothing_outside_the_period_is_looked_at(data: xr.Dataset) -> None:
    one = compute_statistics(data, FIELDS, period=PERIOD)
    data["t2m"][28:] = np.nan
    assert compute_statistics(data, FIELDS, period=PERIOD) == one


def test_they_go_through_json(data: xr.Dataset) -> None:
    one = compute_statistics(data, FIELDS, period=PERIOD)
    text = json.dumps(one.to_json(), allow_nan=False)
    assert Statistics.from_json(json.loads(text)) == one
    with pytest.raises(UserError, match="lack or add fields"):
        Statistics.from_json({key: value for key, value in one.to_json().items() if key != "fields"})
    np.testing.assert_array_equal(one.of("std", ("u10", "t2m")), [one.std[2], one.std[0]])


def test_what_they_are_not_of_is_refused(data: xr.Dataset) -> None:
    one = compute_statistics(data, FIELDS, period=PERIOD)
    grid = Grid(data.latitude.values, data.longitude.values)
    one.check(("u10", "t2m"), ("m s**-1", "K"), grid, 6)
    with pytest.raises(UserError, match="`z850` has no statistics"):
        one.check(("z850",), ("m**2 s**-2",), grid, 6)
    with pytest.raises(UserError, match="in K, but the data in degC"):
        one.check(("t2m",), ("degC",), grid, 6)
    with pytest.raises(UserError, match="tendencies over 6 h, but the samples step 12 h"):
        one.check(("t2m",), ("K",), grid, 12)
    for other in (Grid(grid.latitude[::-1], grid.longitude), Grid(grid.latitude, grid.longitude[:5])):
        with pytest.raises(UserError, match="turn the latitudes around"):
            one.check(("t2m",), ("K",), other, 6)
    replace(one, latitude=tuple(np.float32(grid.latitude + 1e-6).tolist())).check(("t2m",), ("K",), grid, 6)


def test_bad_input_is_refused(data: xr.Dataset) -> None:
    with pytest.raises(UserError, match="no time from 1999"):
        compute_statistics(data, FIELDS, period=("1999", "2000"))
    with pytest.raises(UserError, match="are 5 h apart"):
        compute_statistics(data, FIELDS, period=PERIOD, step_hours=5)
    gone = data.assign(t2m=data["t2m"] * np.nan)
    with pytest.raises(UserError, match="`t2m` is missing everywhere"):
        compute_statistics(gone, FIELDS, period=PERIOD)
    data["u10"][0, 0, 0] = np.inf
    with pytest.raises(UserError, match="`u10` has infinite values at 2020-01-01T00:00"):
        compute_statistics(data, ("u10",), period=PERIOD)


def test_a_key_tells_data_apart_without_reading_all(stored: Callable[..., Any], data: xr.Dataset) -> None:
    one = data_key(data, FIELDS, 5)
    assert json.loads(json.dumps(one)) == one
    lazy, store = stored(data, times=1)
    assert data_key(lazy, FIELDS, 5) == one
    # of 40 times, in three variables, of which z has two levels in a chunk
    assert sum(store.reads.values()) == 5 * 3
    # frames 0, 10, 20, 29 and 39 are looked at
    for frame in (0, 20, 39):
        changed = data.copy(deep=True)
        changed["z"][frame, 0, 1, 1] += 1
        assert data_key(changed, FIELDS, 5) != one
    changed = data.copy(deep=True)
    changed["u10"][20:30] *= 1.01
    assert data_key(changed, FIELDS, 5) != one
    gap = data.isel(time=[number for number in range(40) if number != 7])
    moved = data.assign_coords(latitude=data["latitude"] + 0.5)
    other = data.assign(t2m=data["t2m"].assign_attrs(units="degC"))
    for different in (gap, moved, other):
        assert data_key(different, FIELDS, 5) != one
    assert data_key(data, FIELDS[:2], 5) != one
