"""A small file after docs/data_format.md and the_well/utils/dummy_data.py of github.com/PolymathicAI/the_well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.pde.reading import read_pde

RANDOM = np.random.RandomState(0)
SAMPLES, TIMES, NX, NY = 2, 5, 6, 4
PRESSURE = RANDOM.normal(size=(SAMPLES, TIMES, NX, NY)).astype(np.float32)
SPEED_OF_SOUND = RANDOM.normal(size=(NX, NY)).astype(np.float32)
INFLOW = RANDOM.normal(size=(SAMPLES, TIMES, NY)).astype(np.float32)
VELOCITY = RANDOM.normal(size=(SAMPLES, TIMES, NX, NY, 2)).astype(np.float32)
STRESS = RANDOM.normal(size=(SAMPLES, TIMES, NX, NY, 2, 2)).astype(np.float32)


def add(group: h5py.Group, name: str, values: Any, sample: bool, time: bool, dims: list[bool] | None = None) -> None:
    array = group.create_dataset(name, data=values)
    array.attrs["sample_varying"], array.attrs["time_varying"] = sample, time
    if dims is not None:
        array.attrs["dim_varying"] = dims


def write(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update(
            dataset_name="made_up", grid_type="cartesian", n_spatial_dims=2, n_trajectories=SAMPLES, a=0.25
        )
        dims = file.create_group("dimensions")
        dims.attrs["spatial_dims"] = ["x", "y"]
        for name, n in (("time", TIMES), ("x", NX), ("y", NY)):
            add(dims, name, np.linspace(0, 1, n, dtype=np.float32), False, False)
        conditions = file.create_group("boundary_conditions")
        for axis, kind in (("x", "PERIODIC"), ("y", "WALL")):
            condition = conditions.create_group(f"{axis}_{kind.lower()}")
            condition.attrs.update(associated_dims=[axis], associated_fields=[], bc_type=kind)
            condition["mask"] = np.zeros(4, bool)
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["a", "reynolds", "drive"]
        add(scalars, "a", 0.25, False, False)
        add(scalars, "reynolds", np.array([10.0, 20.0]), True, False)
        add(scalars, "drive", np.arange(TIMES, dtype=float), False, True)
        groups = [file.create_group(f"t{order}_fields") for order in range(3)]
        for group, names in zip(
            groups, (["pressure", "speed_of_sound", "inflow"], ["velocity"], ["stress"]), strict=True
        ):
            group.attrs["field_names"] = names
        add(groups[0], "pressure", PRESSURE, True, True, [True, True])
        add(groups[0], "speed_of_sound", SPEED_OF_SOUND, False, False, [True, True])
        add(groups[0], "inflow", INFLOW, True, True, [False, True])
        add(groups[1], "velocity", VELOCITY, True, True, [True, True])
        add(groups[2], "stress", STRESS, True, True, [True, True])
    return path


def test_scalars_vectors_and_tensors_become_fields(tmp_path: Path):
    data = read_pde(write(tmp_path / "well.hdf5"))
    vectors, tensors = ("velocity_x", "velocity_y"), ("stress_xx", "stress_xy", "stress_yx", "stress_yy")
    assert data.names == ("pressure", "speed_of_sound", "inflow", *vectors, *tensors)
    assert data.n_samples == SAMPLES and data.shape == (NX, NY) and data.periodic == (True, False)
    np.testing.assert_allclose(data.times, np.linspace(0, 1, TIMES))
    np.testing.assert_array_equal(data.parameters["reynolds"], [10, 20])
    assert data.attributes["a"] == 0.25
    values = data.read(times=slice(1, 4))
    np.testing.assert_array_equal(values[..., 0], PRESSURE[:, 1:4])
    np.testing.assert_array_equal(values[..., 1], np.broadcast_to(SPEED_OF_SOUND, (SAMPLES, 3, NX, NY)))
    np.testing.assert_array_equal(values[..., 2], np.broadcast_to(INFLOW[:, 1:4, None], (SAMPLES, 3, NX, NY)))
    np.testing.assert_array_equal(values[..., 3:5], VELOCITY[:, 1:4])
    np.testing.assert_array_equal(values[..., 5:], STRESS[:, 1:4].reshape(SAMPLES, 3, NX, NY, 4))
    np.testing.assert_array_equal(data.read(["stress_yx"], [1])[..., 0], STRESS[1:, ..., 1, 0])


def test_what_the_format_needs_and_lacks_is_named(tmp_path: Path):
    for change, message in (
        (lambda file: file.__delitem__("dimensions/y"), "should have an array `dimensions/y`"),
        (lambda file: file.attrs.__delitem__("n_trajectories"), "should have the attribute `n_trajectories`"),
        (lambda file: file["t0_fields/pressure"].attrs.__delitem__("time_varying"), "the attribute `time_varying`"),
        (lambda file: file["t0_fields"].attrs.create("field_names", ["presure"]), "an array `t0_fields/presure`"),
        (lambda file: file.attrs.modify("n_trajectories", 3), r"should have the shape \(3, 5, 6, 4\), but has \(2,"),
    ):
        path = write(tmp_path / "well.hdf5")
        with h5py.File(path, "a") as file:
            change(file)
        with pytest.raises(UserError, match=message):
            read_pde(path)


def test_samples_with_times_of_their_own_are_refused(tmp_path: Path):
    path = write(tmp_path / "well.hdf5")
    with h5py.File(path, "a") as file:
        del file["dimensions/time"]
        add(file["dimensions"], "time", np.array([np.arange(5.0), np.arange(5.0) + 1]), True, False)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="different times"):
        read_pde(path)
