"""Return levels: of distributions whose levels are known, of events that come in clusters, and errors of a forecast."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from sciml.core.errors import UserError
from sciml.weather.extremes.return_periods import Tail, fit_tail, return_level, return_period, return_period_errors

YEAR_DAYS = 365.25
DAY = np.timedelta64(86_400, "s").astype("timedelta64[ns]")


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.2])
def test_levels_of_a_known_tail(shape: float) -> None:
    # every day a value of a generalised Pareto distribution: the level of T years is its quantile 1 - 1 / (365.25 T)
    random = np.random.default_rng(0)
    series = stats.genpareto.rvs(shape, scale=2.0, size=(40 * 365, 60), random_state=random)
    tail = fit_tail(series, steps_per_year=YEAR_DAYS, quantile=0.98, separation=1)
    # excesses have the shape of all; 290 events have an error of 0.07, and the mean of 60 places one of 0.009
    assert tail.shape.mean() == pytest.approx(shape, abs=0.04)
    for years in (5.0, 50.0):
        exact = stats.genpareto.ppf(1 - 1 / (years * YEAR_DAYS), shape, scale=2.0)
        # two neighbours of one event are counted once, 2 % of them, and the mean of 60 places errs by a few percent
        assert np.median(return_level(tail, years)) == pytest.approx(exact, rel=0.06)
        np.testing.assert_allclose(return_period(tail, return_level(tail, years)), years, rtol=1e-9)


def test_levels_of_annual_maxima() -> None:
    # daily Gumbel values: the largest of 365 is Gumbel too, later by ln 365, the limit of block maxima
    random = np.random.default_rng(1)
    series = random.gumbel(size=(60 * 365, 40))
    tail = fit_tail(series, steps_per_year=365.0, quantile=0.98, separation=1)
    # once in T years by peaks is 1 - exp(-1/T) a year by maxima (Coles 2001, section 4.4)
    exact = -np.log(-np.log(np.exp(-1 / 20))) + np.log(365)
    assert np.median(return_level(tail, 20.0)) == pytest.approx(exact, rel=0.03)  # 40 samples of 60 years


def test_the_fit_is_scipys_by_another_road() -> None:
    random = np.random.default_rng(2)
    series = stats.genpareto.rvs(0.1, scale=3.0, size=(200_000, 1), random_state=random)
    tail = fit_tail(series, steps_per_year=YEAR_DAYS, quantile=0.9, separation=1)
    excess = series[:, 0][series[:, 0] > tail.threshold[0]] - tail.threshold[0]
    shape, _, scale = stats.genpareto.fit(excess, floc=0)
    # about 20 000 excesses, of which neighbours are joined here; both err by about 0.01
    assert tail.shape[0] == pytest.approx(shape, abs=0.06)
    assert tail.scale[0] == pytest.approx(scale, rel=0.15)


def test_moments_by_hand() -> None:
    # excesses 1, 2, 6 above 10: mean 3, second moment (0 * 1 + 1 * 2 + 2 * 6) / (3 * 2) = 7/3, spread 14/3 - 3 = 5/3,
    # ratio 9/5, so shape 1/5 and scale 3 * 4/5
    series = np.full(1000, 10.0)
    series[[100, 300, 301, 700]] = 11, 12, 11.5, 16
    tail = fit_tail(series[:, None], steps_per_year=100.0, quantile=0.9, separation=2, min_events=3)
    assert tail.threshold[0] == 10 and tail.events[0] == 3
    assert tail.shape[0] == pytest.approx(0.2, abs=1e-12) and tail.scale[0] == pytest.approx(2.4, abs=1e-12)
    assert tail.rate[0] == pytest.approx(0.3, abs=1e-15)


def test_neighbours_are_one_event() -> None:
    series = np.zeros(1000)
    series[[10, 12, 14, 30, 33, 50]] = 1, 5, 2, 3, 4, 6
    # two steps apart join, three do not
    for separation, events in ((1, 6), (2, 4), (3, 3)):
        found = fit_tail(series[:, None], steps_per_year=365.0, quantile=0.9, separation=separation, min_events=2)
        assert found.events[0] == events


def test_exponential_tail_is_the_limit_of_small_shapes() -> None:
    one = np.ones(1)
    tails = [Tail(10 * one, 2 * one, shape * one, 4 * one, np.array([80])) for shape in (0.0, 1e-5, -1e-5)]
    for years in (1.0, 100.0):
        first, *others = (return_level(tail, years)[0] for tail in tails)
        # the next term is the shape times the square of the logarithm, below 40, times half the scale
        assert others == pytest.approx([first, first], abs=4e-4)
        assert return_period(tails[0], np.array([first]))[0] == pytest.approx(years, rel=1e-12)


def test_beyond_either_end() -> None:
    one = np.ones(1)
    tail = Tail(10 * one, 2 * one, -0.5 * one, 4 * one, np.array([80]))
    # the tail ends at 10 + 2 / 0.5; below the threshold nothing is known; 4 events a year do not reach once a month
    assert return_period(tail, np.array([15.0]))[0] == np.inf
    assert np.isnan(return_period(tail, np.array([9.0]))[0])
    assert np.isnan(return_level(tail, 0.1)[0])


def test_too_few_events_and_missing_values() -> None:
    random = np.random.default_rng(3)
    series = random.gumbel(size=(1000, 4))
    series[:, 0], series[100:, 1], series[:, 2] = np.nan, np.nan, 7.0
    tail = fit_tail(series, steps_per_year=365.0, separation=1)
    assert np.isnan(return_level(tail, 10.0)[:3]).all() and np.isfinite(return_level(tail, 10.0)[3])
    with pytest.raises(UserError, match="above 0 and below 1"):
        fit_tail(series, steps_per_year=365.0, quantile=1.0)


def fields(years: int = 12) -> tuple[xr.DataArray, xr.DataArray]:
    random = np.random.default_rng(4)
    start = np.datetime64("2001-01-01", "ns")
    days = years * 365
    space = {"latitude": np.array([0.0, 10.0]), "longitude": np.array([0.0, 10.0])}
    wind = (20 + 5 * random.gumbel(size=(days + 2, 2, 2))).astype(np.float32)
    truth = xr.DataArray(wind, {"time": start + DAY * np.arange(days + 2), **space}, ["time", *space]).assign_attrs(
        units="m/s"
    )
    forecast = xr.DataArray(
        np.stack([wind[1:-1], 0.9 * wind[2:]], 1),
        {"time": start + DAY * np.arange(days), "lead_time": DAY * np.array([1, 2]), **space},
        ["time", "lead_time", *space],
        attrs={"units": "m/s"},
    )
    return forecast, truth


def test_a_forecast_that_is_too_weak_has_storms_too_seldom() -> None:
    forecast, truth = fields()
    found = return_period_errors(forecast, truth, [2.0, 10.0])
    assert found["return_level_error"].dims == ("years", "lead_time", "latitude", "longitude")
    assert found["return_level_error"].attrs["units"] == "m/s"
    perfect, weak = found.isel(lead_time=0), found.isel(lead_time=1)
    np.testing.assert_allclose(perfect["return_level_error"], 0, atol=1e-9)
    np.testing.assert_allclose(perfect["return_period_error"], 0, atol=1e-9)
    # all values nine tenths: so are the levels; float32 winds
    np.testing.assert_allclose(weak["return_level_forecast"], 0.9 * weak["return_level_truth"], rtol=1e-5)
    assert (weak["return_period_error"] > 0.5).all()
    cold = return_period_errors(
        (-forecast).assign_attrs(units="m/s"), (-truth).assign_attrs(units="m/s"), [2.0, 10.0], above=False
    )
    np.testing.assert_allclose(cold["return_level_error"], -found["return_level_error"], atol=1e-9)
    np.testing.assert_allclose(cold["return_period_error"], found["return_period_error"], atol=1e-9)


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth = fields(years=1)
    with pytest.raises(UserError, match="two initial times"):
        return_period_errors(forecast.isel(time=[0]), truth, [2.0])
    with pytest.raises(UserError, match="regular steps"):
        return_period_errors(forecast.isel(time=[0, 1, 3]), truth, [2.0])
    # 365 days have 18 values above the 95th percentile: too few
    assert return_period_errors(forecast, truth, [2.0])["return_level_truth"].isnull().all()
