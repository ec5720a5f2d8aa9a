"""Files of fields whose equation is solved by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr


def heat(n_samples: int, n: int, times: np.ndarray, seed: int) -> np.ndarray:
    """[s, t, n]: waves 1 to 3 of random size on the unit circle, which decay as exp(-0.01 (2 pi k)^2 t)."""
    random = np.random.default_rng(seed)
    x, k = np.arange(n) / n, np.arange(1, 4)
    size = random.normal(size=(n_samples, 2, 3))
    waves = np.stack([np.sin(2 * np.pi * np.outer(k, x)), np.cos(2 * np.pi * np.outer(k, x))])
    decay = np.exp(-0.01 * np.outer(times, (2 * np.pi * k) ** 2))
    return np.einsum("spk,tk,pkx->stx", size, decay, waves)


@pytest.fixture
def heat_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes u [sample, time, x] of `heat`, or on `n` x `n2` points where it does not depend on y."""

    def make(
        name: str, n_samples: int = 12, n: int = 16, n_times: int = 2, seed: int = 0, n2: int | None = None
    ) -> Path:
        times = np.linspace(0.0, 1.0, n_times)
        u = heat(n_samples, n, times, seed).astype(np.float32)
        dims = ["sample", "time", "x"]
        coordinates = {"time": ("time", times, {"units": "s"}), "x": ("x", np.arange(n) / n, {"periodic": 1})}
        if n2 is not None:
            u, dims = np.repeat(u[..., None], n2, axis=-1), [*dims, "y"]
            coordinates["y"] = ("y", np.linspace(0, 1, n2), {"periodic": 0})
        viscosity = ("sample", np.linspace(0.1, 0.2, n_samples))
        fields = {"u": (dims, u, {"units": "K"}), "viscosity": viscosity}
        xr.Dataset(fields, coordinates, {"title": "waves that decay"}).to_netcdf(tmp_path / name, engine="netcdf4")
        return tmp_path / name

    return make


def with_nan(dataset: xr.Dataset) -> xr.Dataset:
    """In sample 7."""
    dataset.u.values[7, 1, 3] = np.nan
    return dataset


@pytest.fixture
def rewrite() -> Callable[..., Path]:
    """Changes a file; by default, NaN is put into its sample 7."""

    def change(file: Path, to: Callable[[xr.Dataset], xr.Dataset] = with_nan) -> Path:
        with xr.open_dataset(file) as dataset:
            changed = to(dataset.load())
        changed.to_netcdf(file, engine="netcdf4")
        return file

    return change
