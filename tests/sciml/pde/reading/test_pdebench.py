"""Small files in the layouts that PDEBench's own code writes; see sciml/pde/reading/pdebench.py for where."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.pde.reading import read_pde

RANDOM = np.random.RandomState(0)


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def write(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name.replace("_coordinate", "-coordinate")] = values
    return path


def test_scalars_in_one_dimension(tmp_path: Path):
    tensor = numbers(4, 6, 16)
    x = (np.arange(16) + 0.5) / 16
    path = write(tmp_path / "1D_Burgers.hdf5", tensor=tensor, x_coordinate=x, t_coordinate=np.arange(7.0) / 100)
    with h5py.File(path, "a") as file:
        file.attrs["Nu"] = 0.01
    data = read_pde(path, periodic=[True])
    assert data.names == ("tensor",) and data.shape == (16,) and data.periodic == (True,)
    # the files have one time more than states
    np.testing.assert_allclose(data.times, np.arange(6) / 100)
    np.testing.assert_array_equal(
        data.read(samples=[3, 1], times=slice(2, 5), every=2)[..., 0], tensor[[3, 1], 2:5, ::2]
    )
    assert data.attributes["Nu"] == 0.01


def test_darcy(tmp_path: Path):
    tensor, nu, x = numbers(3, 1, 8, 8), numbers(3, 8, 8), (np.arange(8) + 0.5) / 8
    path = write(tmp_path / "2D_DarcyFlow.hdf5", tensor=tensor, nu=nu, x_coordinate=x, y_coordinate=x)
    data = read_pde(path)
    assert data.names == ("nu", "tensor") and data.periodic == (False, False) and len(data.times) == 1
    np.testing.assert_array_equal(data.read()[:, 0], np.stack([nu, tensor[:, 0]], axis=-1))


@pytest.mark.parametrize("n_dims", [1, 2, 3])
def test_compressible_flow(tmp_path: Path, n_dims: int):
    sizes = (6, 5, 4)[:n_dims]
    names = ["density", "pressure", "Vx", "Vy", "Vz"][: 2 + n_dims]
    fields = {name: numbers(2, 3, *sizes) for name in names}
    axes = {f"{axis}_coordinate": np.arange(n, dtype=float) for axis, n in zip("xyz", sizes, strict=False)}
    data = read_pde(write(tmp_path / "CFD.hdf5", **fields, **axes, t_coordinate=np.arange(4.0)))
    assert data.names == tuple(names) and data.shape == sizes
    np.testing.assert_array_equal(data.read(samples=[1]), np.stack([fields[name][1:] for name in names], axis=-1))


def test_incompressible_flow(tmp_path: Path):
    velocity, particles, force = numbers(2, 3, 8, 8, 2), numbers(2, 3, 8, 8, 1), numbers(2, 8, 8, 2)
    times = np.tile(np.arange(3.0), (2, 1))
    data = read_pde(write(tmp_path / "ns_incom.h5", velocity=velocity, particles=particles, force=force, t=times))
    assert data.names == ("velocity_x", "velocity_y", "particles", "force_x", "force_y")
    values = data.read()
    np.testing.assert_array_equal(values[..., :2], velocity)
    np.testing.assert_array_equal(values[..., 2:3], particles)
    np.testing.assert_array_equal(values[:, 1, ..., 3:], force)
    times[1, 2] = 7
    with pytest.raises(UserError, match="same 3 times for each of 2 samples"):
        read_pde(write(tmp_path / "other.h5", velocity=velocity, t=times))


def test_a_group_a_sample(tmp_path: Path):
    states = numbers(3, 4, 8, 6, 2)
    with h5py.File(tmp_path / "2D_diff-react.h5", "w") as file:
        for number, values in enumerate(states):
            file[f"{number:04d}/data"] = values
            file[f"{number:04d}/grid/x"] = np.linspace(-1, 1, 8)
            file[f"{number:04d}/grid/y"] = np.linspace(-1, 1, 6)
            file[f"{number:04d}/grid/t"] = np.arange(4.0)
    data = read_pde(tmp_path / "2D_diff-react.h5")
    assert data.names == ("data_0", "data_1") and data.n_samples == 3
    np.testing.assert_array_equal(data.read(samples=[2, 0], times=slice(1, 3)), states[[2, 0], 1:3])


def test_missing_names_and_wrong_shapes_are_refused(tmp_path: Path):
    tensor, x, t = numbers(4, 6, 16), np.arange(16.0), np.arange(6.0)
    with pytest.raises(UserError, match="should have an array `x-coordinate`, but has none. Its top names are"):
        read_pde(write(tmp_path / "1.h5", tensor=tensor, t_coordinate=t))
    with pytest.raises(UserError, match=r"`/tensor` should have the shape \(4, 6, 15\), but has \(4, 6, 16\)"):
        read_pde(write(tmp_path / "2.h5", tensor=tensor, x_coordinate=x[1:], t_coordinate=t))
    with pytest.raises(UserError, match="6 states in time, but 4 times"):
        read_pde(write(tmp_path / "3.h5", tensor=tensor, x_coordinate=x, t_coordinate=t[:4]))
    with pytest.raises(UserError, match=r"should be \[sample, time, x, ...\], but has the shape \(4, 6\)"):
        read_pde(write(tmp_path / "4.h5", tensor=tensor[..., 0]))
    with pytest.raises(UserError, match="should have an array `Vx`"):
        read_pde(write(tmp_path / "5.h5", density=tensor, pressure=tensor, x_coordinate=x, t_coordinate=t))
    with pytest.raises(UserError, match="should hold numbers, but is of type"):
        read_pde(write(tmp_path / "6.h5", tensor=np.array([b"a", b"b"])))


def test_nan_and_files_cut_short_are_refused(tmp_path: Path):
    tensor = numbers(4, 6, 1024)
    tensor[2, 3, 7] = np.nan
    arrays = {"tensor": tensor, "x_coordinate": np.arange(1024.0), "t_coordinate": np.arange(6.0)}
    path = write(tmp_path / "1.h5", **arrays)
    with pytest.raises(UserError, match="field `tensor` of sample 2 has NaN"):
        read_pde(path).read()
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(UserError, match="cannot be read as HDF5"):
        read_pde(path)
