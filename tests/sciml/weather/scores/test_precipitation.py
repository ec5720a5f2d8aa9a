"""SEEPS: the matrix, what it promises, its limits, and another package."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.scores.precipitation import seeps, seeps_climatology, seeps_error, seeps_sums
from sciml.weather.scores.sums import WeightedSums

HOUR = np.timedelta64(1, "h")
AMOUNTS = (0.0, 1.0, 9.0)  # dry, light, heavy for thresholds 0.25 and 3


def matrix(p1: float) -> np.ndarray:
    """What every pair of categories pays: forecasts in rows."""
    row = np.array([[AMOUNTS]])
    return np.array(
        [
            seeps_error(np.full((1, 1, 3), f), row, np.full((1, 3), p1), np.full((1, 3), 3.0), dry_threshold=0.25)[0, 0]
            for f in AMOUNTS
        ]
    )


@given(st.floats(0.11, 0.84))
def test_a_constant_or_a_random_forecast_pays_1_and_a_perfect_one_nothing(p1: float) -> None:
    climate = np.array([p1, 2 * (1 - p1) / 3, (1 - p1) / 3])
    # a few roundings of numbers below 10
    np.testing.assert_allclose(matrix(p1) @ climate, 1, rtol=1e-13)
    assert np.diagonal(matrix(p1)).tolist() == [0, 0, 0]
    # any that does not know: whatever its own frequencies are
    assert np.array([0.2, 0.5, 0.3]) @ matrix(p1) @ climate == pytest.approx(1, rel=1e-13)


def test_the_matrix_of_rodwell() -> None:
    p1, p3 = 0.4, 0.2
    expected = 0.5 * np.array(
        [
            [0, 1 / (1 - p1), 1 / p3 + 1 / (1 - p1)],
            [1 / p1, 0, 1 / p3],
            [1 / p1 + 1 / (1 - p3), 1 / (1 - p3), 0],
        ]
    )
    np.testing.assert_allclose(matrix(p1), expected, rtol=1e-13)


def one(forecast: float, truth: float, p1: float = 0.5, heavy: float = 3.0, rules: str = "rodwell") -> float:
    cell = [np.full((1, 1, 1), value) for value in (forecast, truth, p1, heavy)]
    return float(seeps_error(*cell, dry_threshold=0.25, rules=rules)[0, 0, 0])


# with p1 = 1/2: dry for light pays 1, light for dry pays 1, light for heavy pays 3, heavy for light pays 0.6
@pytest.mark.parametrize(
    ("rules", "dry_limit", "heavy_limit", "p1_limit", "no_heavy"),
    [
        ("rodwell", 1.0, 0.0, np.nan, np.nan),
        ("weatherbench2", 0.0, 0.0, np.nan, 0.0),
        ("weatherbenchx", 0.0, 0.0, 0.0, 0.0),
        ("scores", 0.0, 3.0, 0.0, np.nan),
    ],
)
def test_rules_at_the_limits(
    rules: str, dry_limit: float, heavy_limit: float, p1_limit: float, no_heavy: float
) -> None:
    # an amount at the dry limit, when it is dry: light, nothing, or dry
    assert one(0.25, 0.0, rules=rules) == dry_limit
    # an amount at the heavy limit, when it rains heavily: heavy, or light
    assert one(3.0, 9.0, rules=rules) == pytest.approx(heavy_limit, abs=1e-14)
    assert one(1.0, 1.0, p1=0.85, rules=rules) == pytest.approx(p1_limit, nan_ok=True)
    assert one(1.0, 9.0, heavy=np.nan, rules=rules) == pytest.approx(no_heavy, nan_ok=True)
    assert np.isnan(one(np.nan, 1.0, rules=rules)) and np.isnan(one(1.0, 1.0, p1=0.9, rules=rules))


def test_below_the_dry_threshold_it_is_dry_whatever_is_heavy() -> None:
    # where a climate's heavy threshold is below the dry one: dry against dry
    assert one(0.2, 0.0, heavy=0.1) == 0
    assert one(0.3, 0.0, heavy=0.1) == pytest.approx(1.6, rel=1e-12)


def test_at_the_dry_limit_weatherbench_2_asks_nothing() -> None:
    # light, dry and nothing: against light rain the first and the last pay nothing, dry pays 1
    assert [one(0.25, 1.0, rules=rules) for rules in ("rodwell", "weatherbenchx", "weatherbench2")] == [0, 1, 0]


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(UserError, match="not wb2"):
        one(1.0, 1.0, rules="wb2")


@given(st.integers(0, 2**31))
def test_climatology_place_by_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    rain = random.gamma(0.5, 2.0, (30, 2, 3)).astype(np.float32)
    rain[random.random(rain.shape) < 0.2] = np.nan
    rain[:, 0, 0], rain[:, 0, 1] = np.nan, 0.0
    p1, heavy = seeps_climatology(rain, 0.25)
    assert np.isnan(p1[0, 0]) and np.isnan(heavy[0, 0])
    assert p1[0, 1] == 1 and np.isnan(heavy[0, 1])
    series = rain[:, 1, 2][~np.isnan(rain[:, 1, 2])].astype(float)
    assert p1[1, 2] == pytest.approx((series < 0.25).mean(), abs=1e-12)
    # float32 rain
    assert heavy[1, 2] == pytest.approx(np.quantile(series[series >= 0.25], 2 / 3), rel=1e-6)


def test_in_its_own_climate_a_constant_forecast_pays_1() -> None:
    random = np.random.default_rng(0)
    # continuous amounts, and a number of wet days that three divides, so that a third is heavy exactly
    rain = np.concatenate([np.zeros((40, 1, 2)), random.uniform(1, 9, (60, 1, 2))])
    p1, heavy = seeps_climatology(rain, 0.25)
    for amount in (0.0, 1.0, 20.0):
        sums = seeps_sums(np.full_like(rain, amount), rain, p1, heavy, np.ones((1, 1, 2)), dry_threshold=0.25)
        assert sums.sum(0).mean()[0] == pytest.approx(1, rel=1e-12)


def test_sums_of_blocks_regions_and_times() -> None:
    random = np.random.default_rng(1)
    forecast, truth = random.gamma(0.5, 4.0, (2, 4, 3, 5)).astype(np.float32)
    p1, heavy = random.uniform(0, 1, (4, 3, 5)), random.uniform(2, 5, (4, 3, 5))
    truth[0, 0, 0] = np.nan
    weights = random.random((2, 3, 5))
    sums = seeps_sums(forecast, truth, p1, heavy, weights, dry_threshold=0.25)
    parts = [
        seeps_sums(forecast[s], truth[s], p1[s], heavy[s], weights, dry_threshold=0.25).sum(0)
        for s in (slice(0, 1), slice(1, 4))
    ]
    error = seeps_error(forecast, truth, p1, heavy, dry_threshold=0.25)
    expected = [np.nansum(error * w) / (w * ~np.isnan(error)).sum() for w in weights]
    # sums in another order
    np.testing.assert_allclose(sums.sum(0).mean(), expected, rtol=1e-12)
    np.testing.assert_allclose((parts[0] + parts[1]).mean(), expected, rtol=1e-12)
    assert np.isnan(WeightedSums(np.zeros(1), np.zeros(1)).mean()[0])


# this package is on the machines of developers alone; it warns about its own future
@pytest.mark.filterwarnings("ignore")
def test_same_as_scores() -> None:
    from scores.categorical import seeps as their_seeps

    random = np.random.default_rng(2)
    forecast, truth = random.gamma(0.5, 4.0, (2, 6, 4, 5))
    forecast[0, 0, 0], forecast[1, 1, 1], truth[2, 2, 2] = 0.25, 3.0, 0.25
    p1, heavy = random.uniform(0.05, 0.95, (4, 5)), np.full((4, 5), 3.0)
    weights = random.random((4, 5))
    dims = ["n", "y", "x"]
    theirs = their_seeps(
        xr.DataArray(forecast, dims=dims),
        xr.DataArray(truth, dims=dims),
        xr.DataArray(p1, dims=dims[1:]),
        xr.DataArray(heavy, dims=dims[1:]),
        dry_light_threshold=0.25,
        weights=xr.DataArray(weights, dims=dims[1:]),
    )
    ours = seeps_sums(forecast, truth, p1, heavy, weights[None], dry_threshold=0.25, rules="scores").sum(0)
    # the issue asks for 1e-6; both are float64
    assert ours.mean()[0] == pytest.approx(theirs.item(), rel=1e-12)


def rain_fields() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray]:
    random = np.random.default_rng(3)
    space = {"latitude": np.linspace(-60, 60, 4), "longitude": np.arange(0.0, 360.0, 60.0)}
    start = np.datetime64("2021-06-01", "ns")
    rain = (random.gamma(0.5, 4.0, (5, 4, 6)) / 1000).astype(np.float32)
    truth = xr.DataArray(
        rain,
        {"time": start + 24 * HOUR * np.arange(5), **space},
        ["time", "latitude", "longitude"],
        "tp",
        {"units": "m"},
    )
    forecast = xr.DataArray(
        np.stack([rain[1:4], 2 * rain[0:3]], axis=1),
        {"time": truth.time[:3], "lead_time": 24 * HOUR * np.array([1, 2]), **space},
        ["time", "lead_time", "latitude", "longitude"],
        attrs={"units": "m"},
    )
    p1 = xr.full_like(truth.isel(time=0, drop=True), 0.5).assign_attrs(units="1")
    heavy = xr.full_like(p1, 3.0).assign_attrs(units="mm")
    return forecast, truth, p1, heavy


def test_arrays_with_names_in_metres_or_millimetres() -> None:
    forecast, truth, p1, heavy = rain_fields()
    found = seeps(forecast, truth, p1, heavy)
    assert found.dims == ("lead_time",)
    # a day ahead it is the truth itself
    assert found[0] == 0 and found[1] > 0.1
    in_mm = [(field * np.float32(1000)).assign_attrs(units="mm") for field in (forecast, truth)]
    xr.testing.assert_allclose(seeps(*in_mm, p1, heavy), found)
    mixed = seeps(forecast, in_mm[1], p1, (heavy / 1000).assign_attrs(units="m"))
    xr.testing.assert_allclose(mixed, found)
    # p1 of the valid time
    seasonal = p1.expand_dims(time=truth.time)
    xr.testing.assert_allclose(seeps(forecast, truth, seasonal, heavy), found)


def test_units_that_are_no_rain_are_refused() -> None:
    forecast, truth, p1, heavy = rain_fields()
    for wrong, said in (
        ("K", "does not measure the same"),
        ("kg m**-2", "does not measure the same"),
        ("xyz", "not a unit"),
    ):
        with pytest.raises(UserError, match=said):
            seeps(forecast.assign_attrs(units=wrong), truth, p1, heavy)
    with pytest.raises(UserError, match="truth of rain needs an attribute `units`"):
        seeps(forecast, truth.drop_attrs(), p1, heavy)
    with pytest.raises(UserError, match="heavy threshold needs an attribute `units`"):
        seeps(forecast, truth, p1, heavy.drop_attrs())
    with pytest.raises(UserError, match=r"threshold needs the grid of the forecast.*3 latitudes"):
        seeps(forecast, truth, p1.isel(latitude=slice(0, 3)), heavy)
