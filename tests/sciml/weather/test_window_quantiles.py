"""Quantiles in a window of days: against xarray's weighted quantile, numpy's plain one, and both routes of ours."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core import native
from sciml.weather import window_quantiles as module
from sciml.weather.window_quantiles import window_quantiles

QUANTILES = [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 1.0]


def samples(seed: int = 0) -> np.ndarray:
    """Three points, 40 days, 5 years; ties, gaps and a point without any sample."""
    random = np.random.default_rng(seed)
    values = random.normal(280, 10, (3, 40, 5)).astype(np.float32)
    values[0] = np.round(values[0] / 5) * 5
    values[1, random.random((40, 5)) < 0.4] = np.nan
    values[2] = np.nan
    return values


@pytest.fixture(params=["compiled", "plain"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":
        monkeypatch.setattr(native, "load", lambda source: None)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("window_days", [3, 5, 21])
def test_xarray_gives_the_same(window_days: int) -> None:
    values, reach = samples(), window_days // 2
    away = np.arange(-reach, reach + 1)
    weights = xr.DataArray(1 - np.abs(away) / reach, dims="window")
    out = window_quantiles(values, window_days, QUANTILES)
    assert out.dtype == np.float32
    for day in (0, 1, 17, 39):
        window = xr.DataArray(values[:, (day + away) % 40], dims=("point", "window", "year"))
        wanted = window.weighted(weights).quantile(QUANTILES, dim=("window", "year")).values
        # values of 300 in single precision
        np.testing.assert_allclose(out[:, day], wanted, rtol=2e-7)


@pytest.mark.usefixtures("route")
def test_a_window_of_a_day_has_the_plain_quantiles() -> None:
    values = samples()[:1]
    wanted = np.quantile(values, QUANTILES, axis=2).transpose(0, 2, 1)
    # values of 300 in single precision
    np.testing.assert_allclose(window_quantiles(values, 1, QUANTILES), wanted, rtol=2e-7)


@pytest.mark.usefixtures("route")
def test_one_sample_is_every_quantile() -> None:
    values = np.full((1, 10, 2), np.nan, np.float32)
    values[0, 9, 1] = 4.5
    out = window_quantiles(values, 5, [0.0, 0.3, 1.0])
    # days 8, 9 and 0 are nearer than two days to day 9; the year is a circle
    assert np.isfinite(out[0, :, 0]).tolist() == [True] + [False] * 7 + [True] * 2
    assert (out[:, [0, 8, 9], 0] == 4.5).all()


@pytest.mark.skipif(native.load(module._SOURCE) is None, reason="no compiler")
def test_both_routes_agree_over_a_year(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).gamma(0.5, 1e-3, (4, 366, 4)).astype(np.float32)
    compiled = window_quantiles(values, 61, QUANTILES)
    monkeypatch.setattr(native, "load", lambda source: None)
    # the mean of two neighbours, in double precision, rounded to single
    np.testing.assert_allclose(compiled, window_quantiles(values, 61, QUANTILES), rtol=2e-7)
