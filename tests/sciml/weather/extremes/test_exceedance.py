"""Events beyond seasonal quantiles: the right day and hour, the right side."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.extremes.exceedance import (
    EXCEEDANCE_SCORES,
    exceedance_brier,
    exceedance_scores,
    seasonal_thresholds,
)
from sciml.weather.scores.categories import CATEGORICAL_SCORES, contingency

HOUR = np.timedelta64(3600, "s").astype("timedelta64[ns]")
SPACE = {"latitude": np.linspace(-60, 60, 4), "longitude": np.arange(0.0, 360.0, 60.0)}
LEVELS = [0.1, 0.9]


def quantiles() -> xr.DataArray:
    # warmer by 10 K in the afternoon, and by 1/10 K every day
    normal = 280 + np.array([0.0, 10.0])[:, None] + 0.1 * np.arange(1, 367)
    values = np.stack([normal - 12.8, normal + 12.8])[..., None, None] * np.ones((4, 6))
    return xr.DataArray(
        values.astype(np.float32),
        {"quantile": LEVELS, "hour": [0, 12], "dayofyear": np.arange(1, 367), **SPACE},
        ["quantile", "hour", "dayofyear", "latitude", "longitude"],
        attrs={"units": "K"},
    )


def fields() -> tuple[xr.DataArray, xr.DataArray]:
    random = np.random.default_rng(0)
    start = np.datetime64("2020-12-25", "ns")
    times, leads = start + 24 * HOUR * np.arange(8), 12 * HOUR * np.array([1, 4])
    truth_times = start + 12 * HOUR * np.arange(24)
    normal = quantiles().mean("quantile")
    valid = xr.DataArray(truth_times, dims="time")
    day, hour = valid.dt.dayofyear, valid.dt.hour
    truth = normal.sel(dayofyear=day, hour=hour).drop_vars(["dayofyear", "hour"]).assign_coords(time=truth_times)
    truth = (truth + random.normal(0, 10, (24, 4, 6))).astype(np.float32).assign_attrs(units="K")
    index = (times[:, None] + leads - start) // (12 * HOUR)
    values = truth.values[index] + random.normal(0, 8, (8, 2, 4, 6)).astype(np.float32)
    forecast = xr.DataArray(
        values, {"time": times, "lead_time": leads, **SPACE}, ["time", "lead_time", *SPACE], attrs={"units": "K"}
    )
    return forecast, truth


def test_thresholds_are_those_of_the_valid_time() -> None:
    forecast, _ = fields()
    found = seasonal_thresholds(quantiles(), forecast)
    assert found.dims == ("quantile", "time", "lead_time", "latitude", "longitude")
    # 31 December 2020 is day 366; half a day later it is noon, two days later day 2 at midnight
    last = found.isel(time=6, latitude=0, longitude=0).sel(quantile=0.9)
    # float32 kelvin
    np.testing.assert_allclose(last, [280 + 10 + 36.6 + 12.8, 280 + 0.2 + 12.8], rtol=1e-6)
    analysis = seasonal_thresholds(quantiles().isel(quantile=1), forecast.isel(lead_time=0, drop=True))
    assert analysis.dims == ("time", "latitude", "longitude")


def test_low_quantiles_are_fallen_below() -> None:
    forecast, truth = fields()
    found = exceedance_scores(forecast, truth, quantiles())
    assert set(found) == set(EXCEEDANCE_SCORES) and found["sedi"].dims == ("quantile", "lead_time")
    # the truth is normal with a spread of 10 K about its normal, and 12.8 K is the tenth at either side; 192 values
    np.testing.assert_allclose(found["base_rate"], 0.1, atol=0.06)
    assert (found["sedi"] > 0.2).all()
    limits = seasonal_thresholds(quantiles(), forecast).values
    valid = truth.sel(time=forecast["time"] + forecast["lead_time"]).values
    weights = xr.DataArray(np.ones((1, 4, 6)), {"region": ["all"], **SPACE}, ["region", *SPACE])
    by_region = exceedance_scores(forecast, truth, quantiles(), weights=weights)
    for q, above in enumerate((False, True)):
        table = contingency(forecast.values[:, 0], valid[:, 0], limits[q, :, 0], np.ones((1, 4, 6)), above=above).sum(0)
        assert by_region["edi"].values[q, 0, 0] == CATEGORICAL_SCORES["edi"](table)[0]


def test_of_an_ensemble() -> None:
    forecast, truth = fields()
    ensemble = xr.concat([forecast, forecast + 1, forecast - 1], "number").assign_attrs(units="K")
    found = exceedance_brier(ensemble, truth, quantiles())
    assert found["brier"].dims == ("quantile", "lead_time") and found.sizes["bin"] == 4
    parts = found["brier_reliability"] - found["brier_resolution"] + found["brier_uncertainty"]
    # Murphy's identity of float64 sums
    np.testing.assert_allclose(found["brier"], parts, atol=1e-12)
    fair = exceedance_brier(ensemble, truth, quantiles(), fair=True)
    assert (fair["brier"] < found["brier"]).all()


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth = fields()
    with pytest.raises(UserError, match="hour and dayofyear are missing"):
        exceedance_scores(forecast, truth, quantiles().isel(hour=0, dayofyear=0))
    with pytest.raises(UserError, match=r"threshold needs the grid of the forecast, but has 2 latitudes"):
        exceedance_scores(forecast, truth, quantiles().isel(latitude=slice(0, 2)))
    with pytest.raises(UserError, match="coordinate `quantile`"):
        exceedance_scores(forecast, truth, quantiles().isel(quantile=0, drop=True))
    one = exceedance_scores(forecast, truth, quantiles().isel(quantile=0))
    np.testing.assert_array_equal(one["edi"], exceedance_scores(forecast, truth, quantiles())["edi"].isel(quantile=0))
