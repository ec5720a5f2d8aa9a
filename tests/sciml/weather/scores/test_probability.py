"""Brier score: its identity, worked cases, what a fair score promises, and two other packages."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.scores.categories import contingency
from sciml.weather.scores.probability import (
    BrierScore,
    BrierSums,
    brier,
    brier_score,
    coarsen,
    ensemble_brier_sums,
    probability_brier_sums,
    reliability,
)

ONE = np.ones((1, 1, 1))


def left_over(score: BrierScore) -> np.ndarray:
    parts = score.reliability - score.resolution + score.uncertainty + score.variance_within - score.covariance_within
    return np.asarray(score.score - parts)


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 15), st.booleans())
def test_the_score_is_the_sum_of_its_parts(seed: int, members: int, bins: int, fair: bool) -> None:
    random = np.random.default_rng(seed)
    forecast, truth = random.normal(size=(members, 3, 4, 5)), random.normal(size=(3, 4, 5))
    forecast[random.random(forecast.shape) < 0.05] = np.nan
    sums = ensemble_brier_sums(forecast, truth, 0.3, random.random((2, 4, 5))).sum(0)
    exact = brier_score(sums, fair_members=members if fair and members > 1 else None)
    binned = brier_score(coarsen(sums, bins))
    # the issue asks for 1e-12
    np.testing.assert_allclose(left_over(exact), 0, atol=1e-12)
    np.testing.assert_allclose(left_over(binned), 0, atol=1e-12)
    # every bin holds one probability
    np.testing.assert_allclose([exact.variance_within, exact.covariance_within], 0, atol=1e-12)
    probabilities = random.random((3, 4, 5))
    occurred = (random.random((3, 4, 5)) < 0.4).astype(float)
    continuous = brier_score(probability_brier_sums(probabilities, occurred, random.random((2, 4, 5)), bins=bins))
    np.testing.assert_allclose(left_over(continuous), 0, atol=1e-12)


def test_parts_by_hand() -> None:
    # p = 0 four times with 1 event, p = 1/2 four times with 2, p = 1 twice with 2; the event occurs in half of the ten
    members = np.array([[0.0] * 4 + [0.0] * 4 + [9.0] * 2, [0.0] * 4 + [9.0] * 4 + [9.0] * 2]).reshape(2, 10, 1, 1)
    truth = np.array([9.0, 0, 0, 0, 9, 9, 0, 0, 9, 9]).reshape(10, 1, 1)
    score = brier_score(ensemble_brier_sums(members, truth, 5.0, ONE).sum((0, 1)))
    expected = {
        "reliability": 4 * 0.0625 / 10,  # (0 - 1/4)^2 four times
        "resolution": (4 * 0.0625 + 0 + 2 * 0.25) / 10,
        "uncertainty": 0.25,
        "score": (1 + 4 * 0.25) / 10,
    }
    for name, value in expected.items():
        assert getattr(score, name) == pytest.approx(value, abs=1e-15), name


def test_of_one_member_it_is_the_part_that_is_wrong() -> None:
    random = np.random.default_rng(0)
    forecast, truth = random.normal(size=(2, 3, 4, 5)).astype(np.float32)
    weights = random.random((2, 4, 5))
    table = contingency(forecast, truth, 0.3, weights, above=False).sum(0)
    wrong = (table.misses + table.false_alarms) / (3 * weights.sum((1, 2)))
    score = brier_score(ensemble_brier_sums(forecast[None], truth, 0.3, weights, above=False).sum(0)).score
    np.testing.assert_allclose(score, wrong, rtol=1e-12)  # sums in another order


def test_a_fair_score_does_not_depend_on_the_number_of_members() -> None:
    # members and truth occur with probability 0.3 independently: an infinite ensemble has 0.3 * 0.7
    random = np.random.default_rng(1)
    truth = (random.random((1, 300, 300)) < 0.3).astype(float)
    for members in (2, 5, 20):
        forecast = (random.random((members, 1, 300, 300)) < 0.3).astype(float)
        sums = ensemble_brier_sums(forecast, truth, 0.5, np.ones((1, 300, 300))).sum((0, 1))
        # 90 000 values of a spread below 0.5: five standard errors
        assert brier_score(sums, fair_members=members).score == pytest.approx(0.21, abs=0.008)
        assert brier_score(sums).score == pytest.approx(0.21 * (1 + 1 / members), abs=0.008)
    with pytest.raises(UserError, match="at least 2 members"):
        brier_score(sums, fair_members=1)


def test_bins_and_their_edges() -> None:
    sums = probability_brier_sums(
        np.array([[[0.0, 0.1, 0.5, 1.0]]]), np.array([[[0.0, 0, 1, 1]]]), np.ones((1, 1, 4)), bins=2
    )
    mean, frequency, weight = (part[0, 0] for part in reliability(sums))
    assert mean.tolist() == [0.05, 0.75] and frequency.tolist() == [0, 1] and weight.tolist() == [2, 2]
    # five members have the probabilities 0, 0.2, ... 1; of two bins the second begins with 0.6
    exact = BrierSums(*(np.arange(6.0) for _ in range(5)))
    assert coarsen(exact, 2).weight.tolist() == [3, 12]
    empty, _, _ = reliability(BrierSums(*(np.zeros(3) for _ in range(5))))
    assert np.isnan(empty).all()
    assert np.isnan(brier_score(BrierSums(*(np.zeros(3) for _ in range(5)))).score)


def test_probabilities_out_of_range_are_refused() -> None:
    with pytest.raises(UserError, match="go from 20 to 80"):
        probability_brier_sums(np.array([[[20.0, 80.0]]]), np.zeros((1, 1, 2)), np.ones((1, 1, 2)))


def test_blocks_thresholds_and_sides() -> None:
    random = np.random.default_rng(2)
    forecast, truth = (
        random.normal(size=(4, 6, 3, 5)).astype(np.float32),
        random.normal(size=(6, 3, 5)).astype(np.float32),
    )
    weights = random.random((2, 3, 5))
    weights[1, 1:] = 0
    several = np.array([-0.5, 0.5])[:, None, None, None]
    sums = ensemble_brier_sums(forecast, truth, several, weights, above=[False, True])
    assert sums.weight.shape == (2, 6, 2, 5)
    parts = [ensemble_brier_sums(forecast[:, s], truth[s], 0.5, weights).sum(0) for s in (slice(0, 2), slice(2, 6))]
    # sums in another order
    np.testing.assert_allclose((parts[0] + parts[1]).weight, sums.sum(1).weight[1], rtol=1e-13)
    # falling below -0.5 is rising above 0.5 of the opposite
    opposite = ensemble_brier_sums(-forecast, -truth, 0.5, weights)
    np.testing.assert_array_equal(opposite.occurred, sums.occurred[0])


# both packages are on the machines of developers alone; they warn about their own future
@pytest.mark.filterwarnings("ignore")
def test_same_as_scores_and_xskillscore() -> None:
    import operator

    import xskillscore
    from scores.probability import brier_score_for_ensemble

    random = np.random.default_rng(3)
    forecast, truth = random.normal(size=(5, 4, 6, 8)), random.normal(size=(4, 6, 8))
    named_f = xr.DataArray(forecast, dims=["member", "n", "y", "x"])
    named_o = xr.DataArray(truth, dims=["n", "y", "x"])
    sums = ensemble_brier_sums(forecast, truth, 0.4, np.ones((1, 6, 8))).sum((0, 1))
    for fair in (False, True):
        theirs = brier_score_for_ensemble(
            named_f, named_o, "member", 0.4, fair_correction=fair, event_threshold_operator=operator.gt
        )
        # the issue asks for 1e-6; both are float64
        assert brier_score(sums, fair_members=5 if fair else None).score == pytest.approx(theirs.item(), rel=1e-12)
    theirs = xskillscore.threshold_brier_score(named_o, named_f, 0.4)
    assert brier_score(sums).score == pytest.approx(theirs.item(), rel=1e-12)

    probabilities = random.random((4, 6, 8))
    occurred = random.random((4, 6, 8)) < probabilities
    ours = probability_brier_sums(probabilities, occurred.astype(float), np.ones((1, 6, 8)), bins=5).sum((0, 1))
    diagram = xskillscore.reliability(
        xr.DataArray(occurred, dims=named_o.dims),
        xr.DataArray(probabilities, dims=named_o.dims),
        probability_bin_edges=np.linspace(0, 1, 6),
    )
    np.testing.assert_allclose(reliability(ours)[1], diagram, rtol=1e-12)
    np.testing.assert_allclose(reliability(ours)[2], diagram["samples"])


def test_arrays_with_names() -> None:
    random = np.random.default_rng(4)
    space = {"latitude": np.linspace(-60, 60, 3), "longitude": np.arange(0.0, 360.0, 60.0)}
    start, day = np.datetime64("2021-06-01", "ns"), np.timedelta64(24, "h")
    truth = xr.DataArray(
        random.normal(size=(4, 3, 6)), {"time": start + day * np.arange(4), **space}, ["time", "latitude", "longitude"]
    )
    forecast = xr.DataArray(
        random.normal(size=(3, 2, 4, 3, 6)),
        {"time": start + day * np.arange(3), "lead_time": day * np.arange(2), "number": np.arange(4), **space},
        ["time", "lead_time", "number", "latitude", "longitude"],
    )
    weights = xr.DataArray(np.ones((1, 3, 6)), {"region": ["all"], **space}, ["region", "latitude", "longitude"])
    levels = xr.DataArray([0.0, 0.5], {"threshold": [0.0, 0.5]}, ["threshold"])
    found = brier(forecast, truth, levels, weights=weights)
    assert found["brier"].dims == ("threshold", "lead_time", "region")
    assert found["reliability_count"].dims == ("threshold", "lead_time", "region", "bin")
    assert found["reliability_count"].sizes["bin"] == 5
    by_hand = ensemble_brier_sums(
        forecast.values[:, 1].swapaxes(0, 1).copy(), truth.values[1:], 0.5, np.ones((1, 3, 6))
    ).sum((0, 1))
    one = found.sel(threshold=0.5, region="all").isel(lead_time=1)
    assert one["brier"] == pytest.approx(brier_score(by_hand).score, rel=1e-12)
    binned = brier(forecast, truth, 0.5, fair=True, bins=2)
    assert binned["brier"].dims == ("lead_time",) and binned.sizes["bin"] == 2
    assert (binned["brier"].values < found["brier"].sel(threshold=0.5, region="all").values).all()
    lone = brier(forecast.isel(number=0, drop=True), truth, 0.5)
    assert lone.sizes["bin"] == 2
    with pytest.raises(UserError, match="at least 2 members"):
        brier(forecast.isel(number=0, drop=True), truth, 0.5, fair=True)
