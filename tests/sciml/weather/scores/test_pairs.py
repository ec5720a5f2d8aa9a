"""A forecast and its truth side by side: valid times, grids, units, labels."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.scores.pairs import at_valid_time, in_unit, pair

HOUR = np.timedelta64(3600, "s").astype("timedelta64[ns]")
SPACE = {"latitude": np.linspace(-60, 60, 3), "longitude": np.arange(0.0, 360.0, 60.0)}
START = np.datetime64("2021-06-01", "ns")


def truth() -> xr.DataArray:
    """The number of hours since the start, in every place."""
    hours = np.arange(0.0, 96.0, 6.0)
    values = np.broadcast_to(hours[:, None, None], (16, 3, 6))
    return xr.DataArray(values, {"time": START + hours.astype(int) * HOUR, **SPACE}, ["time", *SPACE])


def forecast(**attrs: str) -> xr.DataArray:
    times, leads = START + 24 * HOUR * np.arange(3), 6 * HOUR * np.arange(4)
    return xr.DataArray(
        np.zeros((3, 4, 2, 3, 6)),
        {"time": times, "lead_time": leads, "number": [0, 1], **SPACE},
        ["time", "lead_time", "number", *SPACE],
        attrs=attrs,
    )


def test_every_forecast_meets_the_truth_of_its_valid_time() -> None:
    found = at_valid_time(truth(), forecast())
    expected = 24 * np.arange(3)[:, None] + 6 * np.arange(4)
    np.testing.assert_array_equal(found.isel(latitude=0, longitude=0), expected)
    assert found["time"].equals(forecast()["time"])
    pairs = pair(forecast(), truth(), members=True)
    assert pairs.forecast.shape == (2, 12, 3, 6) and pairs.truth.shape == (12, 3, 6)
    np.testing.assert_array_equal(pairs.truth[:, 0, 0], expected.ravel())
    # members are a dimension like any other, unless they are asked for
    assert pair(forecast(), truth()).truth.shape == (24, 3, 6)


def test_a_truth_at_lead_times_is_taken_as_it_is() -> None:
    aligned = at_valid_time(truth(), forecast())
    np.testing.assert_array_equal(
        pair(forecast(), aligned, members=True).truth, pair(forecast(), truth(), members=True).truth
    )
    with pytest.raises(UserError, match="truth has 3 along `lead_time`, the forecast 4"):
        pair(forecast(), aligned.isel(lead_time=slice(0, 3)))
    with pytest.raises(UserError, match="has `lead_time` .* where the forecast has"):
        pair(forecast(), aligned.isel(lead_time=slice(None, None, -1)))
    # a single field is the truth of all
    assert (pair(forecast(), truth().isel(time=2, drop=True)).truth == 12).all()


def test_a_truth_that_ends_early_leaves_forecasts_out() -> None:
    found = at_valid_time(truth().isel(time=slice(0, 9)), forecast()).isel(latitude=0, longitude=0)
    expected = 24.0 * np.arange(3)[:, None] + 6 * np.arange(4)
    np.testing.assert_array_equal(found, np.where(expected <= 48, expected, np.nan))


def test_a_truth_upside_down_is_turned() -> None:
    tilted = truth() + xr.DataArray(SPACE["latitude"], dims="latitude")
    turned = tilted.isel(latitude=slice(None, None, -1))
    np.testing.assert_array_equal(pair(forecast(), turned).truth, pair(forecast(), tilted).truth)


def test_units() -> None:
    # the last valid time is hour 66, and 1 hPa is 100 Pa
    assert (pair(forecast(units="Pa"), truth().assign_attrs(units="hPa")).truth.max()) == 6600
    assert in_unit(truth().astype(np.float32).assign_attrs(units="hPa"), "Pa").dtype == np.float32
    assert in_unit(truth().assign_attrs(units="m s**-1"), "m/s").attrs["units"] == "m/s"
    with pytest.raises(UserError, match="attribute `units` that leads to Pa"):
        in_unit(truth(), "Pa")


def test_no_members_are_refused() -> None:
    with pytest.raises(UserError, match="`number`, but the forecast has time, lead_time, latitude, longitude"):
        pair(forecast().isel(number=0), truth(), members=True)
