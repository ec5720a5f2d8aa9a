"""Scores against numbers that numpy finds, and baselines against what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from sciml.core.checkpoint import load_checkpoint
from sciml.pde.baselines import baselines
from sciml.pde.dataset import DatasetConfig, load_split, load_training_data
from sciml.pde.experiment import make_surrogate
from sciml.pde.samples import FieldSamples
from sciml.pde.scores import BANDS, Errors, batches, evaluate_split
from sciml.pde.surrogate import Rollout, Surrogate

Files = Callable[..., Path]


class Scaled(torch.nn.Module):
    """A network whose output is its input times a number."""

    def __init__(self, size: float) -> None:
        super().__init__()
        self.size = torch.nn.Parameter(torch.tensor(size))

    def forward(self, x: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        return self.size * x[..., -1:]


def split(file: Path, role: str = "train", rollout: Rollout | None = None, **keys: Any) -> FieldSamples:
    return load_split(DatasetConfig(train=str(file), inputs=["u"], outputs=["u"], **keys), rollout, role)


def test_errors_are_those_of_numpy(heat_file: Files):
    samples = split(heat_file("a.nc", n=16, n2=9), n_train=12)
    surrogate = make_surrogate(samples, None)
    random = np.random.default_rng(0)
    truth, prediction = random.normal(size=(2, 7, 1, 16, 9, 1))
    errors = Errors(surrogate)
    for part in (slice(0, 4), slice(4, 7)):
        errors.add(torch.from_numpy(prediction[part]), torch.from_numpy(truth[part]))
    found = errors.scores({"u": "K"})
    norms = [np.linalg.norm(p - t) / np.linalg.norm(t) for p, t in zip(prediction, truth, strict=True)]
    # float64 sums in another order
    assert found["relative_l2_mean"] == pytest.approx(np.mean(norms), rel=1e-12)
    assert found["relative_l2_median"] == pytest.approx(np.median(norms), rel=1e-12)
    assert found["relative_l2_worst"] == pytest.approx(np.max(norms), rel=1e-12)
    assert found["u_rmse_K"] == pytest.approx(np.sqrt(np.mean((prediction - truth) ** 2)), rel=1e-12)
    assert found["n_samples"] == 7


def test_the_errors_of_the_bands_add_up(heat_file: Files):
    surrogate = make_surrogate(split(heat_file("a.nc", n=32), n_train=12), None)
    truth, prediction = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 5, 1, 32, 1)))
    errors = Errors(surrogate)
    errors.add(prediction, truth)
    found = errors.scores({})
    total = float(((prediction - truth).square().sum() / truth.square().sum()).sqrt())
    parts = [found[f"relative_l2_{band}_waves"] for band in BANDS]
    assert np.sqrt(np.sum(np.square(parts))) == pytest.approx(total, rel=1e-9)


def test_an_error_of_one_wave_is_in_its_band(heat_file: Files):
    surrogate = make_surrogate(split(heat_file("a.nc", n=64), n_train=12), None)
    x = torch.arange(64, dtype=torch.float64) / 64
    truth = torch.sin(2 * torch.pi * x).view(1, 1, 64, 1)
    for band, wave in {"low": 3, "mid": 8, "high": 20}.items():
        errors = Errors(surrogate)
        errors.add(truth + 0.1 * torch.cos(2 * torch.pi * wave * x).view(1, 1, 64, 1), truth)
        found = errors.scores({})
        for other in BANDS:
            assert found[f"relative_l2_{other}_waves"] == pytest.approx(0.1 if other == band else 0, abs=1e-7)


def test_a_network_that_halves_is_half_wrong(heat_file: Files, tmp_path: Path):
    file = heat_file("a.nc", n_times=5)
    samples = split(file, rollout=Rollout(), n_train=12)
    surrogate: Surrogate = make_surrogate(samples, Rollout())
    found = evaluate_split(surrogate, Scaled(1.0), samples, "test", {}, tmp_path / "test.safetensors")
    u = xr.open_dataset(file).u.values.astype(float)
    still = np.linalg.norm(u[:, :1] - u[:, 1:], axis=2) / np.linalg.norm(u[:, 1:], axis=2)
    assert np.allclose(found["by_time"]["relative_l2"]["surrogate"], still.mean(axis=0), rtol=1e-5)
    assert np.allclose(found["by_time"]["time"], [0.25, 0.5, 0.75, 1.0])
    tensors, metadata = load_checkpoint(tmp_path / "test.safetensors")
    assert metadata["samples"][0] == found["worst_sample"]
    assert tensors["truth"].shape == (3, 4, 16, 1)
    assert len(metadata["sample_errors"]) == 12


def test_baselines_know_what_they_say_they_know(heat_file: Files):
    file = heat_file("a.nc", n_samples=30, n_times=5)
    config = DatasetConfig(train=str(file), inputs=["u"], outputs=["u"])
    train, validation = load_training_data(config, None)
    surrogate = make_surrogate(train, None)
    found = baselines(surrogate, train, validation)
    batch = validation.batch(slice(None))
    u = xr.open_dataset(file).u.values
    assert np.allclose(found["mean"](batch)[0, 0, :, 0], u[:27, -1].mean(axis=0), atol=1e-6)
    assert torch.equal(found["persistence"](batch)[:, 0], batch.inputs)
    # heat flow is linear and has six waves, which 27 samples determine; float32 data
    error = (found["linear"](batch) - batch.targets).norm() / batch.targets.norm()
    assert float(error) < 1e-4


def test_baselines_of_a_forecast(heat_file: Files):
    file = heat_file("a.nc", n_times=6)
    rollout = Rollout(history=2, frames=3)
    config = DatasetConfig(train=str(file), inputs=["u"], outputs=["u"])
    train, validation = load_training_data(config, rollout)
    found = baselines(make_surrogate(train, rollout), train, validation)
    assert set(found) == {"mean", "persistence"}
    batch = train.batch(slice(0, 4))
    assert torch.equal(found["persistence"](batch), batch.targets[:, 1:2].expand(4, 3, 16, 1))
    assert found["mean"](batch).shape == (4, 3, 16, 1)


def test_batches_take_all_samples_once_in_order(heat_file: Files):
    samples = split(heat_file("a.nc", n_samples=9), n_train=9)
    parts = [part for part, _ in batches(samples)]
    assert [i for part in parts for i in range(9)[part]] == list(range(9))
