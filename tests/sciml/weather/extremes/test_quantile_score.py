"""Quantile score: by hand, best for the quantile itself, the CRPS it adds up to, and another package."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sciml.core.errors import UserError
from sciml.weather.extremes.quantile_score import pinball, quantile_score, quantile_score_sums

HOUR = np.timedelta64(3600, "s").astype("timedelta64[ns]")
SPACE = {"latitude": np.linspace(-60, 60, 3), "longitude": np.arange(0.0, 360.0, 60.0)}
values = hnp.arrays(np.float64, 20, elements=st.floats(-100, 100))


@given(values, values, st.floats(0.01, 0.99))
def test_never_negative_and_mirrored(forecast: np.ndarray, truth: np.ndarray, level: float) -> None:
    score = pinball(forecast, truth, level)
    assert (score >= 0).all() and (pinball(truth, truth, level) == 0).all()
    np.testing.assert_allclose(score, pinball(-forecast, -truth, 1 - level), rtol=1e-9, atol=1e-12)
    # the two sides together are the absolute error
    np.testing.assert_allclose(score + pinball(forecast, truth, 1 - level), np.abs(forecast - truth), atol=1e-9)


@pytest.mark.parametrize("level", [0.1, 0.9, 0.98])
def test_best_for_the_quantile_itself(level: float) -> None:
    truth = np.random.default_rng(0).normal(size=(1, 1, 20_001))
    tried = np.linspace(-3, 3, 61)
    scores = [
        quantile_score_sums(np.full_like(truth, value), truth, [level], np.ones((1, 1, 20_001))).mean()[0, 0, 0]
        for value in tried
    ]
    # between two of the values that are tried
    assert tried[int(np.argmin(scores))] == pytest.approx(np.quantile(truth, level), abs=0.1)


def test_over_all_levels_it_is_half_the_crps() -> None:
    # members 0 and 1 as a uniform distribution, whose CRPS at o in 0 to 1 is o^3 / 3 + (1 - o)^3 / 3
    members, truth = np.array([0.0, 1.0]).reshape(2, 1, 1, 1), np.full((1, 1, 1), 0.25)
    levels = (np.arange(400) + 0.5) / 400
    score = quantile_score_sums(members, truth, list(levels), np.ones((1, 1, 1))).mean().mean()
    # the midpoint rule of 400 levels
    assert 2 * score == pytest.approx((0.25**3 + 0.75**3) / 3, abs=1e-5)


def test_quantiles_of_members_are_numpys() -> None:
    random = np.random.default_rng(1)
    members, truth = random.normal(size=(7, 2, 3, 4)), random.normal(size=(2, 3, 4))
    members[3, 0, 0, 0] = truth[1, 1, 1] = np.nan
    weights = random.random((2, 3, 4))
    sums = quantile_score_sums(members, truth, [0.05, 0.9], weights)
    error = pinball(np.quantile(members, 0.9, axis=0), truth, 0.9)
    known = ~np.isnan(error)
    assert known.sum() == 22
    expected = [(np.where(known, error, 0) * w).sum() / (known * w).sum() for w in weights]
    np.testing.assert_allclose(sums.sum(1).mean()[1], expected, rtol=1e-12)


# this package is on the machines of developers alone; it warns about its own future
@pytest.mark.filterwarnings("ignore")
def test_same_as_scores() -> None:
    from scores.continuous import quantile_score as theirs

    random = np.random.default_rng(2)
    forecast, truth = random.normal(size=(2, 3, 4, 5))
    ours = quantile_score_sums(forecast, truth, [0.9], np.ones((1, 4, 5))).sum((0, 1)).mean()
    # the issue asks for 1e-6; both are float64
    assert ours[0] == pytest.approx(theirs(xr.DataArray(forecast), xr.DataArray(truth), 0.9).item(), rel=1e-12)


def fields() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    random = np.random.default_rng(3)
    start = np.datetime64("2021-06-01", "ns")
    truth = xr.DataArray(
        random.normal(280, 5, (5, 3, 6)), {"time": start + 24 * HOUR * np.arange(5), **SPACE}, ["time", *SPACE]
    ).assign_attrs(units="K")
    forecast = xr.DataArray(
        np.stack([truth.values[:4] + noise for noise in random.normal(0, 2, (10, 4, 3, 6))], 1)[:, None],
        {"time": start + 24 * HOUR * np.arange(4), "lead_time": [0 * HOUR], "number": np.arange(10), **SPACE},
        ["time", "lead_time", "number", *SPACE],
        attrs={"units": "K"},
    )
    normal = xr.DataArray(
        np.broadcast_to(280 + 5 * np.array([0.0, 1.2816])[:, None, None, None, None], (2, 1, 366, 3, 6)),
        {"quantile": [0.5, 0.9], "hour": [0], "dayofyear": np.arange(1, 367), **SPACE},
        ["quantile", "hour", "dayofyear", *SPACE],
        attrs={"units": "K"},
    )
    return forecast, truth, normal


def test_arrays_with_names() -> None:
    forecast, truth, normal = fields()
    found = quantile_score(forecast, truth, [0.9, 0.5], climatology=normal)
    assert found["quantile_score"].dims == ("quantile", "lead_time")
    assert found["quantile_score"].attrs["units"] == "K" and found["quantile_skill"].attrs["units"] == "1"
    # a spread of 2 K against one of 5 K
    assert (found["quantile_skill"] > 0.3).all()
    same = quantile_score(
        normal.isel(hour=0, quantile=1, dayofyear=slice(151, 155), drop=True)
        .rename(dayofyear="time")
        .assign_coords(time=truth.time[:4]),
        truth.isel(time=slice(0, 4)),
        [0.9],
        climatology=normal,
    )
    assert same["quantile_skill"].values == pytest.approx([0], abs=1e-12)
    assert "quantile_skill" not in quantile_score(forecast, truth, [0.5])


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth, normal = fields()
    with pytest.raises(UserError, match="needs the quantiles 0.95, but has 0.5, 0.9"):
        quantile_score(forecast, truth, [0.95], climatology=normal)
    with pytest.raises(UserError, match="above 0 and below 1, but there is 1"):
        quantile_score(forecast, truth, [0.5, 1.0])
