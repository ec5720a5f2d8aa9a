"""Heavy rain: totals over windows, thresholds, and the most rain anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.extremes.exceedance import exceedance_scores
from sciml.weather.extremes.heavy_rain import heavy_rain_scores, rain_totals, region_maxima

HOUR = np.timedelta64(3600, "s").astype("timedelta64[ns]")
SPACE = {"latitude": np.array([0.0, 10.0]), "longitude": np.array([0.0, 10.0, 20.0])}


def rain(days: int = 5) -> xr.DataArray:
    """Six-hourly rain in metres: 1 mm everywhere, and 40 mm at one point on the evening of day 2."""
    values = np.full((4 * days, 2, 3), 0.001, np.float32)
    values[11, 1, 2] = 0.040
    start = np.datetime64("2021-06-01T06", "ns")
    return xr.DataArray(
        values,
        {"time": start + 6 * HOUR * np.arange(4 * days), **SPACE},
        ["time", *SPACE],
        "tp",
        {"units": "m", "accumulation_hours": 6},
    )


def forecast() -> xr.DataArray:
    """Two days from the beginning of days 0 and 1, with 30 mm a point too far west in the second."""
    values = np.full((2, 8, 2, 3), 0.001, np.float32)
    values[1, 7, 1, 1] = 0.030
    start = np.datetime64("2021-06-01", "ns")
    return xr.DataArray(
        values,
        {"time": start + 24 * HOUR * np.arange(2), "lead_time": 6 * HOUR * np.arange(1, 9), **SPACE},
        ["time", "lead_time", *SPACE],
        attrs={"units": "m", "accumulation_hours": 6},
    )


def test_totals_end_at_their_time() -> None:
    daily = rain_totals(rain(), 24)
    assert daily.attrs == {"units": "mm", "accumulation_hours": 24} and daily.name == "tp"
    # the first window of 24 h ends at the fourth time; the heavy six hours are in four windows
    assert daily["time"].values[0] == np.datetime64("2021-06-02T00") and daily.sizes["time"] == 17
    at = daily.isel(latitude=1, longitude=2)
    # float32
    np.testing.assert_allclose(at.values[7:13], [4, 43, 43, 43, 43, 4], rtol=1e-6)
    leads = rain_totals(forecast(), 12)
    assert leads.dims == forecast().dims and leads["lead_time"].values[0] == 12 * HOUR
    np.testing.assert_allclose(
        rain_totals((rain() * 1000).assign_attrs(units="mm", accumulation_hours=6), 24), daily, rtol=1e-6
    )


def test_a_missing_amount_leaves_totals_unknown() -> None:
    totals = rain_totals(rain().where(rain()["time"] != rain()["time"][5]), 24)
    assert totals.isnull().all(["latitude", "longitude"]).values.tolist() == [False] * 2 + [True] * 4 + [False] * 11


@pytest.mark.parametrize(
    ("change", "hours", "said"),
    [
        (lambda field: field.assign_attrs(units="K"), 24, "does not measure the same"),
        (lambda field: field.drop_attrs(), 24, "needs an attribute `units`"),
        (lambda field: field.drop_attrs().assign_attrs(units="m"), 24, "accumulation_hours"),
        (lambda field: field, 9, "are of 6 h"),
        (lambda field: field, 3, "are of 6 h"),
        (lambda field: field.isel(time=[0, 1, 3, 4]), 12, "two are 12 h apart"),
        (lambda field: field.isel(time=slice(0, 3)), 24, "needs 4 times of 6 h, but there are 3"),
    ],
)
def test_amounts_that_make_no_total_are_refused(change, hours: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        rain_totals(change(rain()), hours)


def test_region_maxima() -> None:
    field = np.array([[[1.0, 5.0, np.nan], [7.0, 2.0, 3.0]], [[np.nan] * 3, [4.0, 4.0, 4.0]]])
    weights = np.array([[[1.0, 1, 1], [1, 1, 1]], [[1, 1, 1], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]])
    found = region_maxima(field, weights)
    np.testing.assert_array_equal(found, [[7, 5, np.nan], [4, np.nan, np.nan]])


def test_heavy_rain_in_the_wrong_place() -> None:
    found = heavy_rain_scores(forecast(), rain(), thresholds_mm=[10.0, 50.0], pool=[])
    assert found["csi"].dims == ("threshold", "time", "lead_time")
    # windows that end 24, 30, ... 48 h after the start; 48 h after the second: 33 mm beside 43 mm
    last = found.isel(time=1).sel(lead_time=48 * HOUR)
    assert last["csi"].sel(threshold=10) == 0 and np.isnan(last["csi"].sel(threshold=50))
    assert last["maximum_error"] == pytest.approx(-10, rel=1e-5) and last["maximum_error"].attrs["units"] == "mm"
    pooled = heavy_rain_scores(forecast(), rain(), thresholds_mm=[10.0], pool=["time", "lead_time"])
    # the day's maximum misses 39 mm where the first forecast has none, at 42, 48 ... : mean of the errors
    errors = found["maximum_error"].values
    assert pooled["maximum_error"] == pytest.approx(errors.mean(), rel=1e-6)
    assert pooled["maximum_absolute_error"] == pytest.approx(np.abs(errors).mean(), rel=1e-6)
    exact = heavy_rain_scores(rain(), rain(), hours=6, thresholds_mm=[1.0], scores=["base_rate"])
    # "at least", so that 1 mm is there
    assert exact["base_rate"].values.tolist() == [1]


def test_above_local_quantiles_of_the_same_totals() -> None:
    quantiles = xr.DataArray(
        np.full((1, 1, 366, 2, 3), 20.0),
        {"quantile": [0.99], "hour": [0], "dayofyear": np.arange(1, 367), **SPACE},
        ["quantile", "hour", "dayofyear", *SPACE],
        attrs={"units": "mm"},
    )
    totals = [rain_totals(field, 24) for field in (forecast(), rain())]
    found = exceedance_scores(*totals, quantiles, scores=["hit_rate", "frequency_bias"])
    assert found["hit_rate"].sel(lead_time=48 * HOUR) == 0
    assert found["frequency_bias"].sel(lead_time=48 * HOUR) == pytest.approx(1)
