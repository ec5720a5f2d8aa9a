"""Side by side with `scores` and `xskillscore`, where the definitions are the same."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.weather.scores import ensemble, fields
from sciml.weather.scores.regions import Box

# the peers' own: both warn of packages that they would like and of their use of numpy, pandas and xarray
pytestmark = pytest.mark.filterwarnings("ignore")

# the peers add up in float64 what we do
CLOSE = {"rtol": 1e-6, "atol": 1e-9}

SPACE = ["latitude", "longitude"]
ALL = ["time", *SPACE]
LATITUDE, LONGITUDE = np.linspace(-88, 88, 23), np.arange(0.0, 360.0, 15.0)


@pytest.fixture(scope="module")
def data() -> dict[str, xr.DataArray]:
    random = np.random.default_rng(0)
    times = np.datetime64("2020-01-01", "ns") + np.arange(7) * np.timedelta64(1, "D")
    grid = {"latitude": LATITUDE, "longitude": LONGITUDE}
    truth = xr.DataArray(random.normal(10, 5, (7, 23, 24)), {"time": times, **grid})
    members = xr.DataArray(random.normal(10, 5, (7, 9, 23, 24)), {"time": times, "number": np.arange(9), **grid})
    # as in rain: many of the same value
    truth, members = truth.clip(6), members.clip(6)
    climatology = xr.DataArray(random.normal(10, 1, (23, 24)), grid)
    weights = np.cos(np.radians(truth["latitude"])).broadcast_like(truth)
    return {"truth": truth, "members": members, "climatology": climatology, "weights": weights}


OURS = {"area": "cosine"}


def test_scores_of_fields(data: dict[str, xr.DataArray]) -> None:
    import scores.continuous
    import xskillscore

    truth, weights = data["truth"], data["weights"]
    forecast = data["members"].isel(number=0, drop=True)
    ours = fields.field_scores(forecast, truth, **OURS)
    for name, theirs in (("rmse", "rmse"), ("mae", "mae"), ("bias", "mean_error")):
        function = getattr(scores.continuous, theirs)
        np.testing.assert_allclose(ours[name], function(forecast, truth, reduce_dims=ALL, weights=weights), **CLOSE)
    for name, theirs in (("rmse", "rmse"), ("mae", "mae"), ("bias", "me")):
        function = getattr(xskillscore, theirs)
        np.testing.assert_allclose(ours[name], function(forecast, truth, dim=ALL, weights=weights), **CLOSE)


def test_missing_points(data: dict[str, xr.DataArray]) -> None:
    import scores.continuous
    import xskillscore

    weights = data["weights"]
    truth = data["truth"].where(np.random.default_rng(1).random((7, 23, 24)) > 0.3)
    forecast = data["members"].isel(number=0, drop=True)
    found = fields.rmse(forecast, truth, **OURS)
    theirs = scores.continuous.rmse(forecast, truth, reduce_dims=ALL, weights=weights)
    np.testing.assert_allclose(found, theirs, **CLOSE)
    np.testing.assert_allclose(found, xskillscore.rmse(forecast, truth, dim=ALL, weights=weights, skipna=True), **CLOSE)


def test_anomaly_correlation(data: dict[str, xr.DataArray]) -> None:
    import scores.continuous
    import xskillscore

    truth, climatology, weights = data["truth"], data["climatology"], data["weights"]
    forecast = data["members"].isel(number=0, drop=True)
    a, b = forecast - climatology, truth - climatology
    daily = xskillscore.pearson_r(a, b, dim=SPACE, weights=weights.isel(time=0)).mean("time")
    np.testing.assert_allclose(fields.acc(forecast, truth, climatology, centred=True, **OURS), daily, **CLOSE)
    together = xskillscore.pearson_r(a, b, dim=ALL, weights=weights)
    ours = fields.acc(forecast, truth, climatology, centred=True, pooled=True, **OURS)
    np.testing.assert_allclose(ours, together, **CLOSE)
    # `scores` has no weights: on one row of points all weights are the same
    row = {"latitude": slice(11, 13)}
    band = {"row": Box(-1, 1)}
    ours = fields.acc(forecast, truth, climatology, centred=True, pooled=True, regions=band)
    theirs = scores.continuous.correlation.pearsonr(a.isel(latitude=[11]), b.isel(latitude=[11]))
    assert forecast.isel(row).sizes["latitude"] == 2
    np.testing.assert_allclose(ours.item(), theirs, **CLOSE)


@pytest.mark.parametrize("members", [2, 9])
def test_crps(data: dict[str, xr.DataArray], members: int) -> None:
    import scores.probability
    import xskillscore

    forecast, truth, weights = data["members"].isel(number=slice(members)), data["truth"], data["weights"]
    for fair, method in ((True, "fair"), (False, "ecdf")):
        ours = ensemble.crps(forecast, truth, fair=fair, **OURS)
        theirs = scores.probability.crps_for_ensemble(forecast, truth, "number", method=method, weights=weights)
        np.testing.assert_allclose(ours, theirs, **CLOSE)
    points = xskillscore.crps_ensemble(truth, forecast, member_dim="number", dim=[])
    classic = ensemble.crps(forecast, truth, fair=False, **OURS)
    np.testing.assert_allclose(classic, points.weighted(weights).mean(), **CLOSE)


def test_threshold_weighted_crps(data: dict[str, xr.DataArray]) -> None:
    import scores.probability

    forecast, truth, weights = data["members"], data["truth"], data["weights"]
    options = {"method": "fair", "weights": weights}
    for tail, limit in (("upper", {"lower": 12}), ("lower", {"upper": 12})):
        theirs = scores.probability.tail_tw_crps_for_ensemble(forecast, truth, "number", 12, tail=tail, **options)
        np.testing.assert_allclose(ensemble.threshold_weighted_crps(forecast, truth, **limit, **OURS), theirs, **CLOSE)
    theirs = scores.probability.interval_tw_crps_for_ensemble(forecast, truth, "number", 8, 12, **options)
    found = ensemble.threshold_weighted_crps(forecast, truth, lower=8, upper=12, **OURS)
    np.testing.assert_allclose(found, theirs, **CLOSE)


def test_rank_histogram(data: dict[str, xr.DataArray]) -> None:
    import scores.probability
    import xskillscore

    forecast, truth, weights = data["members"], data["truth"], data["weights"]
    theirs = scores.probability.rank_histogram(forecast, truth, "number", weights=weights)
    np.testing.assert_allclose(ensemble.rank_histogram(forecast, truth, **OURS), theirs, **CLOSE)
    # without ties, and counted without weights: on the one row where all weights are the same
    noise = xr.DataArray(np.random.default_rng(2).random(forecast.shape) * 1e-3, forecast.coords, forecast.dims)
    ours = ensemble.rank_histogram(forecast + noise, truth, regions={"row": Box(-1, 1)}).isel(region=0)
    counts = xskillscore.rank_histogram(
        truth.isel(latitude=[11]), (forecast + noise).isel(latitude=[11]), member_dim="number"
    )
    np.testing.assert_allclose(ours, counts / counts.sum(), **CLOSE)


def test_variance_of_members(data: dict[str, xr.DataArray]) -> None:
    """Neither package has spread over skill; its parts are xarray's variance and `scores`' error of the mean."""
    import scores.continuous

    forecast, truth, weights = data["members"], data["truth"], data["weights"]
    variance = forecast.var("number", ddof=1).weighted(weights).mean()
    error = scores.continuous.mse(forecast.mean("number"), truth, reduce_dims=ALL, weights=weights)
    np.testing.assert_allclose(ensemble.spread(forecast, truth, **OURS) ** 2, variance, **CLOSE)
    ratio = np.sqrt(variance / (error - variance / forecast.sizes["number"]))
    np.testing.assert_allclose(ensemble.spread_skill_ratio(forecast, truth, **OURS), ratio, **CLOSE)
