from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.scores.ensemble_sums import ensemble_sums
from sciml.weather.scores.field_sums import FieldSums, field_sums
from sciml.weather.scores.significance import block_length, compare, paired_difference, score_difference


def _series(correlation: float, times: int, count: int, seed: int = 0) -> np.ndarray:
    """Autoregressive series [t, count] of mean 0 and variance 1."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(times + 200, count)) * np.sqrt(1 - correlation**2)
    values = np.zeros((times + 200, count))
    for t in range(1, times + 200):
        values[t] = correlation * values[t - 1] + noise[t]
    return values[200:]


def _mean_sums(series: np.ndarray) -> np.ndarray:
    return np.stack([series, np.ones_like(series)], axis=-1)


def _mean(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


@pytest.mark.parametrize("correlation", [0.5, 0.8])
def test_block_length_of_an_autoregressive_series(correlation: float) -> None:
    """G / g(0) = 2 a / (1 - a^2), so b = (3/2 (2 a / (1 - a^2))^2 t)^(1/3); estimates scatter by a fifth or so."""
    times = 5000
    theory = (1.5 * (2 * correlation / (1 - correlation**2)) ** 2 * times) ** (1 / 3)
    found = [block_length(series) for series in _series(correlation, times, 40).T]
    assert np.median(found) == pytest.approx(theory, rel=0.2)


def test_block_length_of_noise_is_short() -> None:
    found = [block_length(series) for series in _series(0.0, 400, 100).T]
    assert np.median(found) < 3
    assert block_length(np.full(40, 0.1)) == 1
    # never longer than a third of the series
    assert max(block_length(series) for series in _series(0.9, 30, 100).T) == 10


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_intervals_hold_what_they_promise(correlation: float) -> None:
    """95% intervals of the mean of 300 times, of 400 series: at least 90% hold it, without blocks fewer than 75%."""
    series = _series(correlation, 300, 400)
    result = paired_difference(_mean_sums(series), _mean_sums(0 * series), _mean, samples=400)
    held = np.mean((result.low <= 0) & (result.high >= 0))
    # the error of a share of 400 is 1 percent
    assert 0.90 <= held <= 0.98
    # p-values and intervals say the same
    np.testing.assert_array_equal(result.p_value < 0.05, (result.low > 0) | (result.high < 0))
    effective = 300 * (1 - correlation) / (1 + correlation)
    assert np.median(result.effective_sample_size) == pytest.approx(effective, rel=0.35)
    alone = paired_difference(_mean_sums(series), _mean_sums(0 * series), _mean, samples=400, length=1)
    if correlation:
        assert np.mean((alone.low <= 0) & (alone.high >= 0)) < 0.75
    assert (alone.block_length == 1).all()


def test_a_pair_is_surer_than_its_parts() -> None:
    """Both forecasts fail on the same days: what they share goes out of the difference."""
    random = np.random.default_rng(0)
    days, shift = random.gamma(2, 1, 200), 0.05
    first, second = days + shift + 0.1 * random.normal(size=200), days + 0.1 * random.normal(size=200)
    result = paired_difference(_mean_sums(first), _mean_sums(second), _mean)
    assert result.p_value < 0.01
    # the mean of 200 differences of two errors of 0.1
    assert (result.high - result.low) / 2 == pytest.approx(1.96 * 0.1 * np.sqrt(2 / 200), rel=0.25)
    broken = paired_difference(_mean_sums(first), _mean_sums(random.permutation(second)), _mean)
    assert broken.p_value > 0.01


def test_the_root_comes_after_the_mean() -> None:
    first, second = np.random.default_rng(0).gamma(1, 1, (2, 100))
    result = paired_difference(_mean_sums(first), _mean_sums(second), lambda sums: np.sqrt(_mean(sums)))
    assert result.difference == pytest.approx(np.sqrt(first.mean()) - np.sqrt(second.mean()))


def test_a_forecast_does_not_differ_from_itself() -> None:
    sums = _mean_sums(np.random.default_rng(0).random((50, 3)))
    result = paired_difference(sums, sums, _mean)
    assert result.difference.tolist() == [0, 0, 0]
    assert result.p_value.tolist() == [1, 1, 1]
    assert (result.low == 0).all()


def test_the_seed_decides_the_draws() -> None:
    sums = _mean_sums(np.random.default_rng(0).normal(size=(60, 2)))
    one, same, other = (paired_difference(sums, 0 * sums + [0, 1], _mean, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.low, same.low)
    assert (one.low != other.low).all()


def test_a_time_without_a_score_leaves_both() -> None:
    first, second = np.random.default_rng(0).random((2, 40))
    one, other = _mean_sums(first), _mean_sums(second)
    expected = paired_difference(one[:-1], other[:-1], _mean).difference
    one[-1] = np.nan
    assert paired_difference(one, other, _mean).difference == pytest.approx(expected)
    nothing = paired_difference(one * np.nan, other, _mean)
    assert np.isnan([nothing.difference, nothing.low, nothing.p_value]).all()


def test_scores_of_fields_and_ensembles() -> None:
    random = np.random.default_rng(0)
    truth, climatology = random.normal(size=(2, 30, 6, 8))
    better, worse = truth + 0.5 * random.normal(size=truth.shape), truth + 1.0 * random.normal(size=truth.shape)
    weights = np.ones((2, 6, 8))
    sums = [field_sums(forecast, truth, weights, climatology) for forecast in (better, worse)]
    for score, formula in (
        ("rmse", FieldSums.rmse),
        ("mae", FieldSums.mae),
        ("bias", FieldSums.bias),
        ("acc", FieldSums.acc),
    ):
        result = score_difference(*sums, score)
        np.testing.assert_allclose(result.difference, formula(sums[0], 0) - formula(sums[1], 0), rtol=1e-9)
        assert result.difference.shape == (2,)
    assert (score_difference(*sums, "rmse").p_value < 0.01).all()
    members = [
        ensemble_sums(forecast[:, None] + random.normal(size=(30, 5, 6, 8)), truth, weights)
        for forecast in (better, worse)
    ]
    result = score_difference(*members, "crps")
    np.testing.assert_allclose(result.difference, members[0].crps(0) - members[1].crps(0), rtol=1e-9)
    with pytest.raises(UserError, match="no difference of the score 'spread'"):
        score_difference(*sums, "spread")


def _arrays() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    random = np.random.default_rng(0)
    grid = {"latitude": np.linspace(-80, 80, 9), "longitude": np.arange(0.0, 360.0, 30.0)}
    times = np.datetime64("2020-01-01", "ns") + np.arange(32) * np.timedelta64(1, "D")
    truth = xr.DataArray(random.normal(size=(32, 9, 12)), {"time": times, **grid})
    lead = np.arange(2) * np.timedelta64(1, "D").astype("timedelta64[ns]")
    forecast = xr.DataArray(
        np.stack([truth.values[:-1], truth.values[1:]], 1),
        {"time": times[:-1], "lead_time": lead, **grid},
        attrs={"units": "K"},
    )
    noise = xr.DataArray(random.normal(size=forecast.shape), forecast.coords, forecast.dims)
    return (forecast + 0.5 * noise).assign_attrs(units="K"), (forecast - noise).isel(time=slice(1, None)), truth


def test_forecasts_are_compared_at_the_initial_times_of_both() -> None:
    first, second, truth = _arrays()
    result = compare(first, second, truth, regions=["global", "tropics"])
    assert result["difference"].dims == ("lead_time", "region")
    from sciml.weather.scores.fields import rmse

    expected = rmse(first.isel(time=slice(1, None)), truth) - rmse(second, truth)
    np.testing.assert_allclose(result["difference"].sel(region="global"), expected, rtol=1e-10)
    assert (result["p_value"] < 0.01).all()
    assert result["low"].attrs["units"] == "K"
    assert result["p_value"].attrs["units"] == ""
    acc = compare(first.chunk({"time": 5}), second, truth, score="acc", climatology=truth[0] * 0)
    assert (acc["difference"] > 0).all()
    spread = xr.DataArray([-0.3, 0, 0.3], {"number": [0, 1, 2]})
    crps = compare(first + spread, second + spread, truth, score="crps")
    assert (crps["difference"] < 0).all()
    with pytest.raises(UserError, match="needs a climatology"):
        compare(first, second, truth, score="acc")
    with pytest.raises(UserError, match="10 or more, but has 5 and 5"):
        compare(first.isel(time=slice(6)), second, truth)
