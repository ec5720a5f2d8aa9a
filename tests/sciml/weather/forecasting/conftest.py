"""A small forecasting model on the committed sample, with fresh weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
import xarray as xr
from numpy.typing import NDArray

from sciml.fno.sfno import SFNOConfig
from sciml.weather.experiment import _climate
from sciml.weather.forecasting.data import ForecastData, WeatherDataConfig
from sciml.weather.forecasting.forecaster import Forecaster
from sciml.weather.forecasting.saved import ForecastModel, build_forecaster, fields_from
from sciml.weather.forecasting.starts import InitialStates
from sciml.weather.samples import sample_path

SMALL = SFNOConfig(width=8, layers=1)


@pytest.fixture(scope="session")
def sample_config() -> WeatherDataConfig:
    """The years of the sample as one's own files."""
    files = {role: str(sample_path("speedy-t31", role)) for role in ("train", "validation", "test", "static")}
    return WeatherDataConfig(**files)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="session")
def sample_data(sample_config: WeatherDataConfig) -> ForecastData:
    return ForecastData(sample_config)


@pytest.fixture(scope="session")
def model(sample_config: WeatherDataConfig, sample_data: ForecastData) -> ForecastModel:
    samples = sample_data.samples("train")
    torch.manual_seed(0)
    forecaster = build_forecaster(SMALL, sample_config, sample_data.statistics, samples.static)
    climate, _ = _climate(samples, fields_from(sample_data.statistics.fields, sample_config))
    return ForecastModel(forecaster.eval(), sample_config, sample_data.statistics, climate, {"tp": 6})


@pytest.fixture(scope="session")
def analyses(sample_data: ForecastData) -> xr.Dataset:
    return sample_data.open("test")


@pytest.fixture(scope="session")
def start(analyses: xr.Dataset) -> np.ndarray:
    return analyses["time"].values[:2].astype("datetime64[ns]")


class Selective(torch.nn.Module):
    """Changes nothing, but where a field at one place is above a limit, which it then leaves far behind."""

    def __init__(self, fields: int, channel: int, limit: float) -> None:
        super().__init__()
        self.fields, self.channel, self.limit = fields, channel, limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        change = torch.zeros(*x.shape[:-1], self.fields)
        if float(x[0, 3, 4, self.channel]) > self.limit:
            # twenty standard deviations a step
            change[:, 3, 4, self.channel] = 20.0
        return change


@pytest.fixture
def fragile(
    model: ForecastModel, analyses: xr.Dataset
) -> Callable[[np.ndarray], tuple[ForecastModel, NDArray[np.bool_]]]:
    """Of some starts, a model whose roll-outs from a third of them blow up, and which of them those are."""

    def build(times: np.ndarray) -> tuple[ForecastModel, NDArray[np.bool_]]:
        channel, number = [str(field) for field in model.fields].index("t2m"), len(model.fields)
        there = model.normalise(InitialStates(model, analyses, times).between(0, len(times)))[:, -1, channel, 3, 4]
        kept = len(times) - len(times) // 3
        limit = float(there.sort().values[kept - 1 : kept + 1].mean())
        static = model.forecaster.static.movedim(-1, 0)
        forecaster = Forecaster(Selective(number, channel, limit), [1.0] * number, [False] * number, static)
        return dataclasses.replace(model, forecaster=forecaster), there.numpy() > limit

    return build
