"""Scores of ensembles: by hand, by their definitions in O(M^2), by their laws."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.scores import ensemble
from sciml.weather.scores.ensemble_sums import EnsembleSums, ensemble_sums

LATITUDE, LONGITUDE = np.linspace(-80, 80, 9), np.arange(0.0, 360.0, 30.0)
GRID = {"latitude": LATITUDE, "longitude": LONGITUDE}
ONE = np.ones((1, 1, 1))

# of numbers up to some hundred, added up in float64 in another order
CLOSE = {"rtol": 1e-11, "atol": 1e-11}


def _point(members: list[float], truth: float, **options: object) -> EnsembleSums:
    x = np.array(members, np.float32).reshape(-1, 1, 1)
    return ensemble_sums(x, np.full((1, 1), truth, np.float32), ONE, **options)


def _definition(x: np.ndarray, y: np.ndarray, fair: bool = True) -> np.ndarray:
    """CRPS of members [m, ...] with all pairs written out."""
    m = len(x)
    pairs = np.abs(x[:, None] - x[None]).sum((0, 1))
    return np.abs(x - y).mean(0) - pairs / (2 * m * ((m - 1) if fair else m))


def _forecast(members: int = 6) -> xr.DataArray:
    values = np.random.default_rng(1).normal(280, 5, (3, 2, members, 9, 12)).astype(np.float32)
    start = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
    lead = np.arange(2) * np.timedelta64(1, "D").astype("timedelta64[ns]")
    coordinates = {"time": start, "lead_time": lead, "number": np.arange(members), **GRID}
    return xr.DataArray(values, coordinates, name="t2m", attrs={"units": "K"})


def _truth() -> xr.DataArray:
    values = np.random.default_rng(2).normal(280, 5, (4, 9, 12)).astype(np.float32)
    times = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(1, "D")
    return xr.DataArray(values, {"time": times, **GRID}, name="t2m")


def test_by_hand() -> None:
    # members 1, 2, 4, truth 2: mean distance (1 + 0 + 2) / 3, mean difference of pairs (1 + 3 + 2) / 3
    sums = _point([4, 1, 2], 2, ranks=True)
    assert sums.crps().item() == pytest.approx(1 - 0.5 * 2)
    assert sums.crps(fair=False).item() == pytest.approx(1 - 0.5 * 2 * 2 / 3)
    # mean 7/3, variance ((4/3)^2 + (1/3)^2 + (5/3)^2) / 2 = 7/3
    assert sums.spread().item() ** 2 == pytest.approx(7 / 3)
    assert sums.mean_rmse().item() == pytest.approx(1 / 3)
    # one member below the truth, one the same: ranks 1 and 2 share it
    assert sums.rank_histogram().ravel().tolist() == [0, 0.5, 0.5, 0]
    assert _point([4, 1, 2], 2, ranks=True, ties="lowest").rank_histogram().ravel().tolist() == [0, 1, 0, 0]


def test_spread_and_skill_by_hand() -> None:
    # variance 2, squared error of the mean 9
    sums = _point([1, 3], 5)
    assert sums.spread_skill_ratio(correction="none").item() == pytest.approx(np.sqrt(2 / 9))
    assert sums.spread_skill_ratio().item() == pytest.approx(np.sqrt(2 / (9 - 2 / 2)))
    assert sums.spread_skill_ratio(correction="spread").item() == pytest.approx(np.sqrt(2 * 3 / 2 / 9))
    # less error than the spread of the mean explains: the square of the skill is below zero
    assert np.isnan(_point([1, 3], 2).spread_skill_ratio()).all()


@pytest.mark.parametrize("members", [2, 3, 10, 51])
def test_the_definition_over_all_pairs(members: int) -> None:
    random = np.random.default_rng(members)
    x = random.normal(5e4, 30, (2, members, 5, 7)).astype(np.float32)
    y = random.normal(5e4, 30, (2, 5, 7)).astype(np.float32)
    weights = random.random((3, 5, 7))
    sums = ensemble_sums(x, y, weights)
    for fair in (True, False):
        points = np.stack([_definition(a.astype(float), b.astype(float), fair) for a, b in zip(x, y, strict=True)])
        expected = np.einsum("nyx,ryx->nr", points, weights) / weights.sum((1, 2))
        np.testing.assert_allclose(sums.crps(fair=fair), expected, **CLOSE)


def test_one_member() -> None:
    sums = _point([3], 5)
    assert sums.crps(fair=False).item() == 2
    assert sums.mean_rmse().item() == 2
    with pytest.raises(UserError, match="fair CRPS needs two members.*fair=False"):
        sums.crps()
    with pytest.raises(UserError, match="Spread needs two members"):
        sums.spread()
    with pytest.raises(UserError, match="Spread needs two members"):
        sums.spread_skill_ratio()


def test_a_thousand_members() -> None:
    x = np.random.default_rng(0).normal(size=(1000, 3, 6))
    y = np.random.default_rng(1).normal(size=(3, 6))
    sums = ensemble_sums(x, y, np.ones((1, 3, 6)))
    np.testing.assert_allclose(sums.crps(), _definition(x, y).mean(), **CLOSE)
    # of a normal distribution the CRPS is known (Gneiting et al. 2005, equation 5): sampling leaves 1 / sqrt(1000)
    from scipy.stats import norm

    exact = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    assert sums.crps().item() == pytest.approx(exact.mean(), abs=0.03)


VALUES = st.lists(st.integers(-40, 40).map(lambda i: i / 4), min_size=2, max_size=12)


@given(members=VALUES, truth=st.integers(-40, 40), shift=st.integers(-64, 64), scale=st.sampled_from([0.25, 2.0, 8.0]))
def test_laws(members: list[float], truth: int, shift: int, scale: float) -> None:
    """Numbers that float32 holds exactly, so that nothing is lost before the sums."""
    sums, random = _point(members, truth), np.random.default_rng(0)
    for name in ("crps", "spread", "mean_rmse"):
        value = getattr(sums, name)()
        moved = getattr(_point([x + shift for x in members], truth + shift), name)()
        larger = getattr(_point([scale * x for x in members], scale * truth), name)()
        turned = getattr(_point([-x for x in members], -truth), name)()
        mixed = getattr(_point(list(random.permutation(members)), truth), name)()
        np.testing.assert_allclose([moved, turned, mixed, larger / scale], np.full((4, 1), value), **CLOSE)
    assert sums.crps(fair=False).item() >= -1e-12
    assert sums.crps().item() <= sums.crps(fair=False).item() + 1e-12


@given(members=VALUES, truth=st.integers(-10, 10))
def test_the_fair_score_does_not_depend_on_the_number_of_members(members: list[float], truth: int) -> None:
    """In the mean over all pairs that can be drawn from the members, two of them score what all of them do."""
    pairs = [_point(list(pair), truth).crps().item() for pair in combinations(members, 2)]
    assert _point(members, truth).crps().item() == pytest.approx(np.mean(pairs), abs=1e-11)


@given(members=VALUES, truth=st.integers(-10, 10), limit=st.integers(-12, 12))
def test_threshold_weights_add_up(members: list[float], truth: int, limit: int) -> None:
    """The CRPS is the integral over all thresholds: what is below a limit and what is above it make the whole."""
    planes = np.array([[-np.inf, limit], [limit, np.inf], [-np.inf, np.inf]], np.float32)[:, :, None, None]
    for fair in (True, False):
        sums = _point(members, truth, lower=planes[:, 0], upper=planes[:, 1])
        below, above, whole = sums.threshold_weighted_crps(fair=fair)[0]
        assert below + above == pytest.approx(whole, abs=1e-11)
        assert whole == pytest.approx(sums.crps(fair=fair).item(), abs=1e-11)


def test_a_perfect_ensemble() -> None:
    """Members and truth from one distribution: flat ranks, ratio one, and the fair CRPS of any size the same."""
    random = np.random.default_rng(0)
    draws = random.normal(size=(40, 9, 60, 80)).astype(np.float32)
    weights = np.ones((1, 60, 80))
    sums = ensemble_sums(draws[:, 1:], draws[:, 0], weights, ranks=True).total(0)
    # 192,000 points: the errors of means and frequencies are some 1 / sqrt(192000)
    assert sums.spread_skill_ratio().item() == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(sums.rank_histogram(), 1 / 9, atol=0.004)
    # 1 / sqrt(pi), the mean of |X - X'| / 2 of the normal distribution
    for members in (2, 4, 8):
        fair = ensemble_sums(draws[:, 1 : 1 + members], draws[:, 0], weights).total(0).crps().item()
        assert fair == pytest.approx(1 / np.sqrt(np.pi), abs=0.008)


def test_ties_share_the_ranks() -> None:
    """Dry members and a dry truth: each of the M + 1 ranks is as likely."""
    sums = _point([0, 0, 0], 0, ranks=True)
    assert sums.rank_histogram().ravel().tolist() == [0.25] * 4
    assert sums.crps().item() == 0
    assert sums.spread().item() == 0


def test_sums_of_parts_add_up() -> None:
    random = np.random.default_rng(0)
    x, y, weights = random.normal(size=(6, 5, 4, 9)), random.normal(size=(6, 4, 9)), random.random((2, 4, 9))
    limits = {"lower": np.zeros((1, 4, 9)), "upper": np.full((1, 4, 9), np.inf)}
    whole = ensemble_sums(x, y, weights, ranks=True, **limits)
    parts = [
        ensemble_sums(x[part], y[part], weights, ranks=True, **limits).total(0) for part in (slice(2), slice(2, 6))
    ]
    joined = parts[0] + parts[1]
    np.testing.assert_allclose(joined.crps(), whole.crps(0), **CLOSE)
    np.testing.assert_allclose(joined.threshold_weighted_crps(), whole.threshold_weighted_crps(0), **CLOSE)
    np.testing.assert_allclose(joined.rank_histogram(), whole.rank_histogram(0), **CLOSE)


def test_a_missing_member_leaves_the_point_out() -> None:
    forecast, truth = _forecast(), _truth()
    holed = forecast.copy(data=forecast.values.copy())
    holed[0, 0, 3, 4, 5] = np.nan
    without = truth.copy(data=truth.values.copy())
    without[0, 4, 5] = np.nan
    options = {"over": (), "scores": ("crps", "spread")}
    found, expected = (ensemble.ensemble_scores(*pair, **options) for pair in ((holed, truth), (forecast, without)))
    first = {"time": 0, "lead_time": 0}
    xr.testing.assert_allclose(found.isel(first), expected.isel(first), rtol=1e-12)
    strict = ensemble.crps(holed, truth, over=(), skipna=False)
    assert strict.isnull().values.tolist() == [[True, False], [False, False], [False, False]]


def test_labels_and_units() -> None:
    forecast, truth = _forecast(), _truth()
    score = ensemble.crps(forecast, truth, regions=["global", "tropics"])
    assert score.dims == ("region", "lead_time")
    assert score.attrs == {"long_name": "continuous ranked probability score", "units": "K"}
    histogram = ensemble.rank_histogram(forecast, truth)
    assert histogram.dims == ("lead_time", "rank")
    assert histogram["rank"].values.tolist() == list(range(7))
    np.testing.assert_allclose(histogram.sum("rank"), 1)
    assert ensemble.spread_skill_ratio(forecast, truth).attrs["units"] == ""


def test_each_function_is_a_part_of_one_pass() -> None:
    forecast, truth = _forecast(), _truth()
    scores = ensemble.ensemble_scores(forecast, truth, scores=("crps", "spread", "mean_rmse", "spread_skill_ratio"))
    for name in ("crps", "spread", "spread_skill_ratio"):
        xr.testing.assert_identical(scores[name], getattr(ensemble, name)(forecast, truth))
    from sciml.weather.scores.fields import rmse

    # a mean in float32 of six numbers about 280
    np.testing.assert_allclose(scores["mean_rmse"], rmse(forecast.mean("number"), truth), rtol=1e-6)


def test_limits_of_the_threshold_weighted_score() -> None:
    forecast, truth = _forecast(), _truth()
    expected = ensemble.crps(forecast.clip(282), truth.clip(282))
    found = ensemble.threshold_weighted_crps(forecast, truth, lower=282)
    np.testing.assert_allclose(found, expected, **CLOSE)
    # the same as a plane, and as a climatology with another limit each day
    plane = xr.full_like(truth[0], 282.0).drop_vars("time")
    np.testing.assert_array_equal(ensemble.threshold_weighted_crps(forecast, truth, lower=plane), found)
    limits = [282.0, 279.0, 281.0, 283.0]
    daily = xr.DataArray(np.float32(limits), {"dayofyear": [1, 2, 3, 4]}) * xr.ones_like(plane)
    found = ensemble.threshold_weighted_crps(forecast, truth, lower=daily, over=())
    for start in range(3):
        for lead in range(2):
            one, limit = forecast.isel(time=[start], lead_time=[lead]), limits[start + lead]
            expected = ensemble.crps(one.clip(limit), truth.clip(limit)).item()
            assert found[start, lead].item() == pytest.approx(expected, rel=1e-11)
    # a limit that is missing leaves its points out of this score
    half = plane.where(plane["latitude"] > 0)
    region = {"north": xr.where(plane["latitude"] > 0, 1.0, 0.0) + 0 * plane}
    expected = ensemble.threshold_weighted_crps(forecast, truth, lower=282, regions=region).isel(region=0)
    np.testing.assert_allclose(ensemble.threshold_weighted_crps(forecast, truth, lower=half), expected, **CLOSE)


@pytest.mark.parametrize("chunks", [{"time": 1}, {"lead_time": 1, "number": 2, "longitude": 5}])
def test_lazy_scores_are_those_of_arrays_in_memory(chunks: dict[str, int]) -> None:
    forecast, truth = _forecast(), _truth()
    lazy, late = forecast.chunk(chunks), truth.chunk({"time": 1})
    for function in (ensemble.crps, ensemble.rank_histogram, ensemble.spread_skill_ratio):
        score = function(lazy, late, regions=["tropics"])
        assert score.chunks is not None
        xr.testing.assert_allclose(score.compute(), function(forecast, truth, regions=["tropics"]), rtol=1e-13)
    tail = ensemble.threshold_weighted_crps(lazy, late, upper=280.0).compute()
    xr.testing.assert_allclose(tail, ensemble.threshold_weighted_crps(forecast, truth, upper=280.0), rtol=1e-13)


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth = _forecast(), _truth()
    with pytest.raises(UserError, match="needs the dimension `number`"):
        ensemble.crps(truth, truth)
    with pytest.raises(UserError, match="truth has no members"):
        ensemble.crps(forecast, forecast.isel(lead_time=0, drop=True))
    with pytest.raises(UserError, match="fair CRPS needs two members"):
        ensemble.crps(forecast.isel(number=[0]), truth)
    with pytest.raises(UserError, match="needs a limit"):
        ensemble.threshold_weighted_crps(forecast, truth)
    with pytest.raises(UserError, match="no way 'random'"):
        ensemble.rank_histogram(forecast, truth, ties="random")
    with pytest.raises(UserError, match="no correction 'fair'"):
        ensemble.spread_skill_ratio(forecast, truth, correction="fair")
    with pytest.raises(UserError, match="no score 'brier'"):
        ensemble.ensemble_scores(forecast, truth, scores=("brier",))
