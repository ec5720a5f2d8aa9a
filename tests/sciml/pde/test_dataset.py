"""Which samples, frames and points of which file train, validate and test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from sciml.core.data_files import FileConfig
from sciml.core.errors import UserError
from sciml.pde.dataset import DatasetConfig, load_split, load_training_data
from sciml.pde.normalisation import Scaling
from sciml.pde.surrogate import Rollout

Files = Callable[..., Path]


def config(train: Path, **keys: Any) -> DatasetConfig:
    return DatasetConfig(train=str(train), inputs=["u"], outputs=["u"], **keys)


def test_a_map_goes_from_the_first_frame_to_the_last(heat_file: Files):
    file = heat_file("a.nc", n_times=5)
    with xr.open_dataset(file) as dataset:
        u = dataset.u.values
    train, validation = load_training_data(config(file), None)
    assert (len(train), len(validation)) == (11, 1)  # a tenth validates, but one at least
    assert np.array_equal(train.inputs[..., 0], u[:11, 0])
    assert np.array_equal(train.targets[:, 0, :, 0], u[:11, -1])
    assert train.times.tolist() == [1.0]
    assert train.units == {"u": "K"}


def test_first_and_last_frame_and_the_step_between(heat_file: Files):
    file = heat_file("a.nc", n_times=9)
    u = xr.open_dataset(file).u.values
    chosen = config(file, first_frame=1, last_frame=7, frame_step=3)
    train, _ = load_training_data(chosen, Rollout(history=2))
    assert np.array_equal(train.targets[..., 0], u[:11, [1, 4, 7]])
    assert np.allclose(train.times, [0.125, 0.5, 0.875])
    assert train.domain.time_step == pytest.approx(0.375)
    assert train.inputs.shape == (11, 16, 0)


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({}, {"train": range(11), "validation": range(11, 12)}),
        ({"n_train": 4}, {"train": range(4), "validation": range(4, 5)}),
        ({"n_train": 4, "n_validation": 3}, {"train": range(4), "validation": range(4, 7)}),
        ({"n_test": 5}, {"train": range(6), "validation": range(6, 7), "test": range(7, 12)}),
        ({"n_test": 5, "n_train": 6}, {"train": range(6), "validation": range(6, 7), "test": range(7, 12)}),
    ],
)
def test_a_single_file_is_cut_by_sample_without_overlap(heat_file: Files, keys: dict, parts: dict[str, range]):
    file = heat_file("a.nc")
    u = xr.open_dataset(file).u.values
    for role, numbers in parts.items():
        found = load_split(config(file, **keys), None, role)
        assert np.array_equal(found.inputs[..., 0], u[list(numbers), 0]), role
        assert found.first == numbers.start


def test_files_of_their_own(heat_file: Files):
    files = {"validation": str(heat_file("b.nc", 3, seed=1)), "test": str(heat_file("c.nc", 5, seed=2))}
    chosen = config(heat_file("a.nc"), **files, n_test=2)
    sizes = [len(load_split(chosen, None, role)) for role in ("train", "validation", "test")]
    assert sizes == [12, 3, 2]
    assert chosen.test_splits == ["test"]


def test_resolution_thins_all_axes_to_the_same_ends(heat_file: Files):
    file = heat_file("a.nc", n=16, n2=13)
    found = load_split(config(file, resolution=8), None, "train")
    assert found.inputs.shape == (11, 8, 7, 1)
    assert found.domain.coordinates[1][[0, -1]].tolist() == [0.0, 1.0]
    with pytest.raises(UserError, match="16 points along `x`, of which no regular part is 5"):
        load_split(config(file, resolution=5), None, "train")


def test_parameters_are_scaled_numbers_of_each_sample(heat_file: Files):
    found = load_split(config(heat_file("a.nc"), parameters=["viscosity"], n_train=12), None, "train")
    scaling = Scaling.of(["viscosity"], found.parameters)
    scaled = scaling.encode(torch.from_numpy(found.parameters))
    # float32
    assert abs(float(scaled.mean())) < 1e-6 and float(scaled.std(correction=0)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(UserError, match="no number of each sample `viscosty`; did you mean `viscosity`"):
        load_split(config(heat_file("a.nc"), parameters=["viscosty"]), None, "train")


def test_scaling_is_that_of_numpy_and_goes_back():
    values = np.random.default_rng(0).normal(3.0, [1.0, 20.0], size=(50, 7, 2)).astype(np.float32)
    scaling = Scaling.of(["a", "b"], values)
    # float32 sums of 350 numbers of size 20
    assert np.allclose(scaling.mean, values.reshape(-1, 2).mean(axis=0), rtol=1e-5)
    assert np.allclose(scaling.std, values.reshape(-1, 2).std(axis=0), rtol=1e-5)
    there = scaling.encode(torch.from_numpy(values))
    assert torch.allclose(scaling.decode(there), torch.from_numpy(values), atol=1e-4)
    assert torch.allclose(scaling.from_zero(there), torch.from_numpy(values) / torch.tensor(scaling.std), atol=1e-5)
    assert Scaling.from_description(scaling.described(), "x") == scaling or scaling.described()
    assert Scaling.of(["c"], np.full((5, 1), 0.1, np.float32)).std == (1.0,)
    with pytest.raises(UserError, match="`a` is not a mean and a deviation above zero"):
        Scaling.from_description({"a": [0.0, 0.0]}, "x")


# ------------------------------------------------------------------------------------------------------- bad input


def test_nan_is_refused_with_the_sample(heat_file: Files, rewrite: Files):
    with pytest.raises(UserError, match="`u` of sample 7 has NaN"):
        load_training_data(config(rewrite(heat_file("a.nc"))), None)


def test_a_history_longer_than_the_trajectory(heat_file: Files):
    file = heat_file("a.nc", n_times=6)
    with pytest.raises(UserError, match=r"6 frames of time to use, but a history of 5 .* and 2 frames ahead .* need 7"):
        load_training_data(config(file), Rollout(history=5, bundle=2))


def test_splits_that_are_empty(heat_file: Files):
    with pytest.raises(UserError, match="12 samples, which leaves none for validation"):
        load_training_data(config(heat_file("a.nc"), n_train=12), None)
    with pytest.raises(UserError, match="12 samples, which leaves none for train"):
        load_training_data(config(heat_file("a.nc"), n_test=11), None)


@pytest.mark.parametrize("keys", [{"n_test": 5, "n_train": 6, "n_validation": 9}, {"n_test": 5, "n_train": 8}])
def test_splits_that_would_overlap(heat_file: Files, keys: dict):
    for own in ({}, {"validation": str(heat_file("b.nc", 3, seed=1))}):
        if not own or keys["n_train"] + keys["n_test"] > 12:
            with pytest.raises(UserError, match="lets them overlap: "):
                load_training_data(config(heat_file("a.nc"), **own, **keys), None)


def test_more_samples_than_a_file_has(heat_file: Files):
    files = {"validation": str(heat_file("b.nc", 3, seed=1)), "test": str(heat_file("c.nc", 5, seed=2))}
    with pytest.raises(UserError, match="b.nc has 3 samples, but 4 are asked of it for validation"):
        load_split(config(heat_file("a.nc"), **files, n_validation=4), None, "validation")
    with pytest.raises(UserError, match="c.nc has 5 samples, but 40 are asked of it for test"):
        load_split(config(heat_file("a.nc"), **files, n_test=40), None, "test")


def test_variables_and_frames_that_cannot_be(heat_file: Files):
    file = heat_file("a.nc")
    with pytest.raises(UserError, match="no field `v`"):
        load_training_data(DatasetConfig(train=str(file), inputs=["u"], outputs=["v"]), None)
    with pytest.raises(UserError, match=r"leaves none from `dataset.first_frame`, 5"):
        load_training_data(config(file, first_frame=5), None)
    with pytest.raises(UserError, match="cannot be both input and output of a map"):
        load_training_data(config(file, first_frame=1), None)
    with pytest.raises(UserError, match="`dataset.outputs` names no variable"):
        DatasetConfig(train=str(file))
    with pytest.raises(UserError, match="there is no training file"):
        DatasetConfig(outputs=["u"])
    with pytest.raises(UserError, match="`files.tests`"):
        DatasetConfig(files={"tests": FileConfig("x.nc")}, outputs=["u"])


def test_files_of_unlike_domains(heat_file: Files, rewrite: Files):
    chosen = config(heat_file("a.nc"), validation=str(heat_file("b.nc", n=16, n2=5)))
    with pytest.raises(UserError, match="has the axes x, y, but the training had x"):
        load_training_data(chosen, None)
    longer = rewrite(heat_file("b.nc"), lambda d: d.assign_coords(x=("x", 2 * d.x.values, {"periodic": 1})))
    chosen = config(heat_file("a.nc"), validation=str(longer))
    with pytest.raises(UserError, match="goes from 0 to 2, but from 0 to 1 in the training"):
        load_training_data(chosen, None)


def test_frames_at_unequal_steps(heat_file: Files, rewrite: Files):
    uneven = rewrite(heat_file("a.nc", n_times=4), lambda d: d.isel(time=[0, 1, 3]))
    with pytest.raises(UserError, match="equal steps of time"):
        load_training_data(config(uneven), Rollout())
