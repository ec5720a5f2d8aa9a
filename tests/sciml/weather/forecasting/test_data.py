"""The data of an experiment: which files and years, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.forecasting import data as data_module
from sciml.weather.forecasting.data import (
    EpochsOf,
    EveryNth,
    ForecastData,
    WeatherDataConfig,
    layout_of,
    sphere_of,
)
from sciml.weather.grid import Grid, gauss_legendre


def test_fields_of_a_state_in_the_order_of_the_layout(sample_data: ForecastData, sample_config: WeatherDataConfig):
    names = sample_data.statistics.fields
    assert names[:4] == ("z200", "z500", "z850", "t200")
    assert names[-5:] == ("t2m", "u10", "v10", "msl", "tp")
    layout = layout_of(sample_config, sample_data.statistics, 6, 5)
    assert (layout.n_state, layout.n_levels, layout.n_inputs) == (20, 3, 20 + 10 + 6)


def test_samples_of_the_splits_do_not_touch(sample_data: ForecastData):
    train, held_out = sample_data.samples("train"), sample_data.samples("validation")
    assert train.initial_times[-1] < held_out.initial_times[0]
    assert len(train) == 31
    assert len(EveryNth(held_out, 4)) == 8
    assert EveryNth(held_out, 4)[1].time == held_out[4].time


def test_an_epoch_for_the_trainer(sample_data: ForecastData):
    source = EpochsOf(sample_data.samples("train"))
    batches = list(source.batches(4, seed=0, epoch=0, rank=0, world=1, start=0, shuffle=True))
    assert sum(number for _, number in batches) == len(source) == 31
    assert len(batches) == source.batches_per_epoch(4, 1)


def test_statistics_are_kept_and_belong_to_the_data(
    sample_config: WeatherDataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path))
    first = ForecastData(sample_config).statistics
    monkeypatch.setattr(data_module, "compute_statistics", None)
    assert ForecastData(sample_config).statistics == first
    other = WeatherDataConfig(**{**vars(sample_config), "step_hours": 12})
    with pytest.raises(TypeError):  # they have to be computed
        _ = ForecastData(other).statistics


def test_one_file_for_all_splits_needs_periods(sample_config: WeatherDataConfig):
    alone = WeatherDataConfig(train=sample_config.train, static=sample_config.static)
    with pytest.raises(UserError, match=r"validation data are the training data.*validation_period"):
        ForecastData(alone).open("validation")
    periods = {"train_period": ("2000-01-01", "2000-01-04"), "validation_period": ("2000-01-05", "2000-01-07")}
    both = ForecastData(WeatherDataConfig(train=sample_config.train, static=sample_config.static, **periods))
    assert str(both.open("train")["time"].values[-1])[:10] == "2000-01-04"
    assert str(both.open("validation")["time"].values[0])[:10] == "2000-01-05"


def test_a_period_without_data(sample_config: WeatherDataConfig):
    config = WeatherDataConfig(train=sample_config.train, train_period=(1990, 1991))
    with pytest.raises(UserError, match="no time from 1990 to 1991"):
        ForecastData(config).open("train")


def test_variables_that_the_data_lack(sample_config: WeatherDataConfig):
    config = WeatherDataConfig(train=sample_config.train, levels_hpa=(300.0,))
    with pytest.raises(UserError, match="300"):
        _ = ForecastData(config).statistics


def test_direct_fields_are_of_the_surface():
    with pytest.raises(UserError, match="names `q`"):
        WeatherDataConfig(direct=("q",))


def test_no_data_at_all():
    with pytest.raises(UserError, match="there are no train data"):
        ForecastData(WeatherDataConfig()).open("train")


def test_a_folder_has_files_by_split(sample_config: WeatherDataConfig, tmp_path: Path):
    with xr.open_dataset(str(sample_config.train), engine="netcdf4") as file:
        file.load().to_zarr(tmp_path / "train.zarr", zarr_format=2)
    config = WeatherDataConfig(folder=str(tmp_path))
    assert ForecastData(config).open("train").sizes["time"] == 32
    with pytest.raises(UserError, match=r"test\.zarr"):
        ForecastData(config).open("test")


@pytest.mark.parametrize(
    ("latitude", "kind"),
    [
        (np.degrees(np.arcsin(gauss_legendre(8)[0])), "gauss-legendre"),
        (np.linspace(-90, 90, 9), "equiangular"),
        (np.linspace(-90, 90, 9)[:-1] + 11.25, "equiangular-offset"),
    ],
)
def test_grids_that_networks_know(latitude: np.ndarray, kind: str):
    assert sphere_of(Grid(latitude, np.arange(16) * 22.5)).sphere == kind


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (np.linspace(30, 60, 8), np.arange(16) * 22.5),
        (np.linspace(90, -90, 9), np.arange(16) * 22.5),
        (np.linspace(-90, 90, 9), np.arange(16) * 22.5 + 11.25),
        (np.linspace(-90, 90, 9), np.arange(8) * 10.0),
    ],
)
def test_grids_that_they_do_not(latitude: np.ndarray, longitude: np.ndarray):
    with pytest.raises(UserError, match="need a whole globe"):
        sphere_of(Grid(latitude, longitude))


def test_statistics_of_data_that_were_altered_amid_are_computed_anew(
    sample_config: WeatherDataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path / "cache"))
    with xr.open_dataset(str(sample_config.train), engine="netcdf4") as file:
        data = file.load().drop_encoding()
    config = WeatherDataConfig(train=str(tmp_path / "train.nc"))
    data.to_netcdf(tmp_path / "train.nc", engine="netcdf4")
    first = ForecastData(config).statistics
    data["t2m"][10:20] += 1
    data.to_netcdf(tmp_path / "train.nc", engine="netcdf4")
    assert ForecastData(config).statistics.fingerprint != first.fingerprint


def test_files_of_a_folder_at_an_address():
    config = WeatherDataConfig(folder="s3://bucket/speedy/")
    assert config.source("test") == "s3://bucket/speedy/test.zarr"
    assert config.source("static") == "s3://bucket/speedy/static.nc"
