"""A small forecasting model on the committed sample, with fresh weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from sciml.fno.sfno import SFNOConfig
from sciml.weather.experiment import _climate
from sciml.weather.forecasting.data import ForecastData, WeatherDataConfig
from sciml.weather.forecasting.saved import ForecastModel, build_forecaster, fields_from
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
    climate = _climate(samples, fields_from(sample_data.statistics.fields, sample_config))
    return ForecastModel(forecaster.eval(), sample_config, sample_data.statistics, climate, {"tp": 6})


@pytest.fixture(scope="session")
def analyses(sample_data: ForecastData) -> xr.Dataset:
    return sample_data.open("test")


@pytest.fixture(scope="session")
def start(analyses: xr.Dataset) -> np.ndarray:
    return analyses["time"].values[:2].astype("datetime64[ns]")
