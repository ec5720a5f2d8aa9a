"""A long roll-out is compared with the truth in units of the truth's variability."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from sciml.weather.forecasting.forecaster import Forecaster
from sciml.weather.forecasting.free_run import Moments, run_free
from sciml.weather.forecasting.saved import ForecastModel


class Constant(nn.Module):
    """The same change in each step, the same everywhere."""

    def __init__(self, change: float, channels: int) -> None:
        super().__init__()
        self.change, self.channels = change, channels

    def forward(self, x: Tensor) -> Tensor:
        return torch.full((*x.shape[:-1], self.channels), self.change)


def changed(model: ForecastModel, change: float) -> ForecastModel:
    """A model all of whose fields change so much a step, in units of their usual change."""
    n = len(model.fields)
    of_state = model.forecaster.change.tolist()
    static = model.forecaster.static.movedim(-1, 0)
    forecaster = Forecaster(Constant(change, n), of_state, [False] * n, static)
    return ForecastModel(forecaster.eval(), model.data, model.statistics, model.climate, model.windows)


def test_moments_are_those_of_numpy():
    states = np.random.default_rng(0).normal(1e5, 3.0, (20, 2, 3, 4)).astype(np.float32)
    moments = Moments.of((2, 3, 4))
    for state in states:
        moments.add(state, np.full((2, 1, 1), 1e5))
    np.testing.assert_allclose(moments.mean() + 1e5, states.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.deviation(), states.astype(np.float64).std(0), rtol=1e-9)


def test_persistence_has_the_first_states_mean_and_no_variability(model: ForecastModel, analyses: xr.Dataset):
    told: list[tuple[int, int]] = []
    found = run_free(changed(model, 0.0), analyses, 3, lambda done, total: told.append((done, total)))
    assert found["days"] == 3 and found["blown_up_days"] is None and told[-1] == (12, 12)
    states = analyses["t2m"].isel(time=slice(0, 13)).load().values.astype(np.float64)
    truth, weights = states[1:], model.grid.area_weights()
    shift = states[0] - truth.mean(0)
    in_all = np.sqrt((truth**2 * weights).mean() - (truth * weights).mean() ** 2)
    of_t2m = found["fields"]["t2m"]
    assert of_t2m["mean_shift_percent"] == pytest.approx(100 * abs((shift * weights).mean()) / in_all, rel=1e-2)
    pattern = 100 * np.sqrt((shift**2 * weights).mean()) / in_all
    assert of_t2m["pattern_shift_percent"] == pytest.approx(pattern, rel=1e-2)
    assert of_t2m["variability_percent"] == pytest.approx(0, abs=1e-2)


def test_a_drift_is_seen_and_a_blow_up_ends_it(model: ForecastModel, analyses: xr.Dataset):
    slow = run_free(changed(model, 0.05), analyses, 3, lambda done, total: None)
    none = run_free(changed(model, 0.0), analyses, 3, lambda done, total: None)
    assert slow["fields"]["t500"]["mean_shift_percent"] > none["fields"]["t500"]["mean_shift_percent"] + 0.1
    assert "fields" not in run_free(changed(model, 50.0), analyses, 3, lambda done, total: None)
    fast = run_free(changed(model, 1.5), analyses, 3, lambda done, total: None)
    assert 0.25 < fast["blown_up_days"] < 3
    # what was lost is compared over as long as it lasted
    days = int(np.ceil(fast["blown_up_days"]))
    lost = analyses.isel(time=slice(0, int(4 * fast["blown_up_days"]) + 1))
    assert run_free(changed(model, 1.5), lost, days, lambda done, total: None)["fields"] == fast["fields"]


def test_it_lasts_as_long_as_the_analyses(model: ForecastModel, analyses: xr.Dataset):
    short = analyses.isel(time=slice(0, 9))
    assert run_free(changed(model, 0.0), short, 365, lambda done, total: None)["days"] == 2
