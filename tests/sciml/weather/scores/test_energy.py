from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.scores.energy import energy_score, energy_sums
from sciml.weather.scores.ensemble_sums import ensemble_sums

# norms of fields of some hundred points in float64
CLOSE = {"rtol": 1e-10}


def _definition(x: np.ndarray, y: np.ndarray, weight: np.ndarray, fair: bool) -> float:
    def norm(difference: np.ndarray) -> float:
        return float(np.sqrt((weight * difference**2).sum() / weight.sum()))

    m = len(x)
    pairs = sum(norm(a - b) for a in x for b in x) / (m * (m - 1 if fair else m))
    return float(np.mean([norm(a - y) for a in x])) - 0.5 * pairs


def test_the_definition_over_all_pairs() -> None:
    random = np.random.default_rng(0)
    x, y, weights = random.normal(size=(3, 7, 4, 5)), random.normal(size=(3, 4, 5)), random.random((2, 4, 5))
    weights[1, :2] = 0
    sums = energy_sums(x, y, weights)
    for fair in (True, False):
        expected = [[_definition(a, b, w, fair) for w in weights] for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(sums.score(fair=fair), expected, **CLOSE)
        np.testing.assert_allclose(sums.score(0, fair=fair), np.mean(expected, axis=0), **CLOSE)


def test_of_one_point_it_is_the_crps() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(5, 9, 1, 1)), random.normal(size=(5, 1, 1))
    one = np.ones((1, 1, 1))
    np.testing.assert_allclose(energy_sums(x, y, one).score(0), ensemble_sums(x, y, one).crps(0), **CLOSE)


def test_members_near_each_other_and_far_from_the_truth_lose_no_digits() -> None:
    random = np.random.default_rng(0)
    x = 1e6 + 1e-3 * random.normal(size=(4, 6, 7))
    y = np.zeros((6, 7))
    found = energy_sums(x, y, np.ones((1, 6, 7))).difference.item()
    pairs = [np.sqrt(((a - b) ** 2).mean()) for i, a in enumerate(x) for b in x[i + 1 :]]
    # 1e6 in float64 has steps of 1e-10
    assert found == pytest.approx(np.mean(pairs), rel=1e-6)


def test_neighbours_are_weatherbench_2s_pairs() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(7, 4, 5)), random.normal(size=(4, 5))
    sums = energy_sums(x, y, np.ones((1, 4, 5)), pairs="neighbours")
    expected = np.sqrt(((x[:-1] - x[1:]) ** 2).mean((1, 2))).mean()
    np.testing.assert_allclose(sums.difference.item(), expected, **CLOSE)


def test_missing_points_and_fields() -> None:
    random = np.random.default_rng(0)
    x, y, weight = random.normal(size=(2, 5, 4, 6)), random.normal(size=(4, 6)), np.ones((1, 4, 6))
    expected = energy_sums(x[..., 2:], y[:, 2:], weight[..., 2:]).score()
    x[:, 1, :, 0], y[:, 1] = np.nan, np.nan
    np.testing.assert_allclose(energy_sums(x, y, weight).score(), expected, **CLOSE)
    index = np.array([0, -1])
    assert energy_sums(x, y[None], weight, truth_index=index).count.ravel().tolist() == [1, 0]


def test_the_fields_of_levels_together() -> None:
    random = np.random.default_rng(0)
    latitude, longitude = np.linspace(-80, 80, 9), np.arange(0.0, 360.0, 30.0)
    times = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
    lead = np.arange(2) * np.timedelta64(1, "D").astype("timedelta64[ns]")
    grid = {"level": [500.0, 850.0], "latitude": latitude, "longitude": longitude}
    forecast = xr.DataArray(
        random.normal(size=(2, 2, 4, 2, 9, 12)),
        {"time": times[:2], "lead_time": lead, "number": np.arange(4), **grid},
        attrs={"units": "K"},
    )
    truth = xr.DataArray(random.normal(size=(3, 2, 9, 12)), {"time": times, **grid})
    apart = energy_score(forecast, truth, regions=["global", "tropics"])
    assert apart.dims == ("region", "lead_time", "level")
    assert apart.attrs["units"] == "K"
    together = energy_score(forecast, truth, together=["level"])
    assert together.dims == ("lead_time",)
    # a truth and members that have the same values on both levels
    same = forecast.isel(level=[0, 0]).assign_coords(level=[500.0, 850.0])
    one = truth.isel(level=[0, 0]).assign_coords(level=[500.0, 850.0])
    expected = energy_score(forecast, truth).isel(level=0)
    np.testing.assert_allclose(energy_score(same, one, together=["level"]), expected, **CLOSE)
    lazy = energy_score(forecast.chunk({"time": 1, "level": 1}), truth.chunk({"time": 1}), together=["level"])
    np.testing.assert_allclose(lazy, together, **CLOSE)
    with pytest.raises(UserError, match="dimension level to be scored together"):
        energy_score(forecast, truth.isel(level=0, drop=True), together=["level"])
    with pytest.raises(UserError, match="needs the dimension `number`"):
        energy_score(truth, truth)


def test_one_member_and_other_pairs() -> None:
    x, y, weight = np.full((1, 2, 3), 3.0), np.zeros((2, 3)), np.ones((1, 2, 3))
    sums = energy_sums(x, y, weight)
    assert sums.score(fair=False).item() == pytest.approx(3)
    with pytest.raises(UserError, match="fair energy score needs two members"):
        sums.score()
    with pytest.raises(UserError, match="no pairs 'some'"):
        energy_sums(x, y, weight, pairs="some")
    assert (sums + sums).count.item() == 2
