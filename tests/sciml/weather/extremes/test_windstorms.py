"""Wind storms: the severity index by hand, its laws, footprints."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.extremes.windstorms import severity, wind_speed, wind_storm_scores

DAY = np.timedelta64(86_400, "s").astype("timedelta64[ns]")
SPACE = {"latitude": np.linspace(-67.5, 67.5, 4), "longitude": np.arange(0.0, 360.0, 45.0)}


def test_severity_by_hand() -> None:
    # (30/20 - 1)^3 = 1/8, (40/20 - 1)^3 = 1, at v98 and below it nothing, missing wind or v98 nothing
    speed = np.array([[[30.0, 40.0, 20.0, 10.0, np.nan, 30.0, 30.0]]])
    limit = np.array([[20.0, 20.0, 20.0, 20.0, 20.0, np.nan, 0.0]])
    weights = np.array([[[8.0, 1, 1, 1, 1, 1, 1]], [[0.0, 3, 0, 0, 0, 0, 0]]])
    assert severity(speed, limit, weights).tolist() == [[2.0, 3.0]]


@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_the_unit_of_wind_does_not_matter_and_stronger_is_worse(seed: int, factor: float) -> None:
    random = np.random.default_rng(seed)
    speed, limit, weights = random.uniform(0, 40, (2, 3, 4)), random.uniform(5, 20, (2, 3, 4)), random.random((2, 3, 4))
    index = severity(speed, limit, weights)
    np.testing.assert_allclose(severity(factor * speed, factor * limit, weights), index, rtol=1e-9, atol=1e-12)
    assert (severity(1.1 * speed, limit, weights) >= index).all()


def fields() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    start = np.datetime64("2021-01-01", "ns")
    truth = np.full((3, 4, 8), 10.0, np.float32)
    truth[1, 1, 0:4] = 30
    forecast = np.full((2, 1, 4, 8), 10.0, np.float32)
    forecast[0, 0, 1, 1:5] = 40
    named = xr.DataArray(truth, {"time": start + DAY * np.arange(3), **SPACE}, ["time", *SPACE])
    ahead = xr.DataArray(
        forecast, {"time": start + DAY * np.arange(2), "lead_time": [DAY], **SPACE}, ["time", "lead_time", *SPACE]
    )
    limit = xr.DataArray(np.full((4, 8), 20.0), SPACE, list(SPACE))
    return tuple(field.assign_attrs(units="m/s") for field in (ahead, named, limit))


def test_severity_in_square_kilometres_and_footprints() -> None:
    forecast, truth, limit = fields()
    found = wind_storm_scores(forecast, truth, limit)
    # a cell from the equator to 45 degrees south and 45 degrees wide: R^2 sin(45) pi / 4
    cell = 6371.0088**2 * np.sin(np.radians(45)) * np.pi / 4
    # four cells of 1 against four of 1/8, one of two forecasts; float32 winds are whole numbers
    assert found["ssi_forecast"].values == pytest.approx([4 * cell / 2], rel=1e-9)
    assert found["ssi_truth"].values == pytest.approx([4 * cell / 16], rel=1e-9)
    assert found["ssi_relative_error"].values == pytest.approx([7], rel=1e-9)
    assert found["ssi_error"].values == pytest.approx([4 * cell * 7 / 16], rel=1e-9)
    assert found["ssi_error"].attrs["units"] == "km**2"
    # three cells in both, five in either
    assert found["footprint_overlap"].values == pytest.approx([0.6]) and found["footprint_bias"].values == [1]
    each = wind_storm_scores(forecast, truth, limit, pool=[])
    assert np.isnan(each["ssi_relative_error"].values[1, 0]) and np.isnan(each["footprint_overlap"].values[1, 0])
    assert each["ssi_truth"].values[1, 0] == 0


def test_regions_masks_and_units() -> None:
    forecast, truth, limit = fields()
    land = xr.DataArray(np.zeros((1, 4, 8)), {"region": ["land"], **SPACE}, ["region", *SPACE])
    land[0, 1, 3:5] = 1
    found = wind_storm_scores(forecast, truth, limit, weights=land)
    assert found["footprint_overlap"].sel(region="land").values.tolist() == [0.5]
    knots = (limit / 0.514444).assign_attrs(units="knot")
    xr.testing.assert_allclose(wind_storm_scores(forecast, truth, knots, weights=land), found, rtol=1e-4)
    # the missing cell counts in neither: of the forecast's two one is left
    partly = wind_storm_scores(forecast, truth.where(truth["longitude"] != 135), limit, weights=land)
    np.testing.assert_allclose(partly["ssi_forecast"], found["ssi_forecast"] / 2)
    assert partly["ssi_truth"].values.tolist() == [[0]] and partly["footprint_overlap"].values.tolist() == [[0]]


def test_speed_of_a_wind() -> None:
    u = xr.DataArray(np.float32([3.0, -6.0]), dims="x", attrs={"units": "m s**-1"})
    v = xr.DataArray(np.float32([4.0, 8.0]), dims="x", attrs={"units": "m s**-1"})
    found = wind_speed(u, v)
    assert found.values.tolist() == [5, 10] and found.dtype == np.float32 and found.attrs["units"] == "m s**-1"
    with pytest.raises(UserError, match=r"m s\*\*-1 and knot"):
        wind_speed(u, v.assign_attrs(units="knot"))


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth, limit = fields()
    with pytest.raises(UserError, match="one quantile, but has the dimension quantile"):
        wind_storm_scores(forecast, truth, limit.expand_dims(quantile=2))
    with pytest.raises(UserError, match=r"threshold needs the grid of the forecast.*3 latitudes"):
        wind_storm_scores(forecast, truth, limit.isel(latitude=slice(0, 3)))
    with pytest.raises(UserError, match="does not measure the same"):
        wind_storm_scores(forecast, truth, limit.assign_attrs(units="m"))
