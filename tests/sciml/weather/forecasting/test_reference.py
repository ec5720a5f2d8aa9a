"""The climatology of scores: from the training data, from the cache, from the run, or none with a warning."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.core.runs import Run
from sciml.weather.climatology_files import open_climatology
from sciml.weather.forecasting.data import ForecastData
from sciml.weather.forecasting.reference import KEPT, training_climatology

FIELDS = ("z500", "t2m")


class Training(ForecastData):
    """Two years of two fields on a few points, which may go away."""

    def __init__(self, sample: ForecastData, fingerprint: str = "0123") -> None:
        times = np.datetime64("2001-01-01", "ns") + np.arange(2 * 730) * np.timedelta64(12, "h")
        period = str(times[0])[:19], str(times[-1])[:19]
        super().__init__(sample.config, dataclasses.replace(sample.statistics, period=period, fingerprint=fingerprint))
        season = 10 * np.cos(2 * np.pi * np.arange(len(times)) / 730.5)[:, None, None]
        field = 280 + season + np.random.default_rng(0).normal(0, 3, (len(times), 2, 3))
        dims = ("time", "latitude", "longitude")
        levels = np.stack([10 * field, 20 * field], axis=1).astype(np.float32)
        self.data = xr.Dataset(
            {
                "t2m": (dims, field.astype(np.float32), {"units": "K"}),
                "z": (("time", "level", *dims[1:]), levels, {"units": "m2 s-2"}),
            },
            {"time": times, "level": [500.0, 850.0], "latitude": [-30.0, 30.0], "longitude": [0.0, 120.0, 240.0]},
        )
        self.there = True

    def open(self, split: Any) -> xr.Dataset:
        if not self.there:
            raise UserError("the training data are gone.")
        return self.data


@pytest.fixture
def training(sample_data: ForecastData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path / "cache"))
    return Training(sample_data)


def test_it_is_made_once_and_its_mean_kept_beside_the_run(training: Training, tmp_path: Path):
    run = Run(tmp_path / "run")
    whole = training_climatology(training, FIELDS, run)
    assert whole is not None and Path(whole).is_relative_to(tmp_path / "cache")
    assert set(open_climatology(whole).data_vars) == {"t2m", "z", "t2m_quantile", "z_quantile"}
    assert open_climatology(whole)["level"].values.tolist() == [500]
    with xr.open_dataset(run.path / KEPT, engine="netcdf4", decode_times=False) as small:
        assert dict(small["z"].sizes) == {"hour": 2, "coefficient": 21, "level": 1, "latitude": 2, "longitude": 3}
    # it is in the cache: nobody needs the training data
    training.there = False
    assert training_climatology(training, FIELDS, run) == whole
    assert training_climatology(training, FIELDS, Run(tmp_path / "other")) == whole
    assert (tmp_path / "other" / KEPT).is_file()


def test_a_run_is_scored_where_the_training_data_are_no_more(
    training: Training,
    sample_data: ForecastData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    run = Run(tmp_path / "run")
    whole = open_climatology(str(training_climatology(training, FIELDS, run))).load()
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path / "elsewhere"))
    training.there = False
    with caplog.at_level(logging.WARNING):
        found = training_climatology(training, FIELDS, run)
    assert "the mean that the run kept" in caplog.text
    kept = open_climatology(str(found))
    assert set(kept.data_vars) == {"t2m", "z"}
    # noise of 3 K, smoothed over 61 days of two years
    assert np.abs(kept["t2m"] - whole["t2m"]).max() < 0.2
    # other data than those of which it was kept
    other = Training(sample_data, fingerprint="4567")
    other.there = False
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert training_climatology(other, FIELDS, run) is None
    assert "without a climatology" in caplog.text and "the training data are gone." in caplog.text


def test_less_than_a_year_has_none(sample_data: ForecastData, tmp_path: Path):
    assert training_climatology(sample_data, FIELDS, Run(tmp_path)) is None
    assert not (tmp_path / KEPT).exists()
