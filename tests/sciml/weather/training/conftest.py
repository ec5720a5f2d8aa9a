"""Small canonical datasets, in memory and in Zarr whose reads are counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from zarr.storage import MemoryStore, WrapperStore

LEVELS = np.array([500.0, 850.0])


class CountingStore(WrapperStore[Any]):
    """A store that counts how often each chunk of a field is read."""

    def __init__(self, store: Any, reads: Counter[str] | None = None) -> None:
        super().__init__(store)
        self.reads = Counter() if reads is None else reads

    def with_read_only(self, read_only: bool = False) -> CountingStore:
        return CountingStore(self._store.with_read_only(read_only), self.reads)

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        if "/c/" in key and not key.startswith(("time", "level", "latitude", "longitude")):
            self.reads[key] += 1
        return await super().get(key, *args, **kwargs)


def make_data(times: int = 40, hours: int = 6, seed: int = 0) -> xr.Dataset:
    """t2m, u10 and z on two levels, on a grid of 4 x 6, from 2020-01-01 on; z is far from zero."""
    generator = np.random.default_rng(seed)
    latitude, longitude = np.array([-67.5, -22.5, 22.5, 67.5]), np.arange(0, 360, 60.0)
    time = np.datetime64("2020-01-01", "ns") + np.arange(times) * np.timedelta64(hours, "h")
    flat = ("time", "latitude", "longitude")

    def values(*shape: int) -> np.ndarray:
        return generator.standard_normal((*shape, 4, 6)).astype(np.float32)

    return xr.Dataset(
        {
            "t2m": (flat, 280 + 10 * values(times), {"units": "K"}),
            "u10": (flat, values(times), {"units": "m s**-1"}),
            "z": (("time", "level", *flat[1:]), 5e4 + 1e3 * values(times, 2), {"units": "m**2 s**-2"}),
        },
        coords={"time": time, "level": LEVELS, "latitude": latitude, "longitude": longitude},
    )


@pytest.fixture
def data() -> xr.Dataset:
    return make_data()


@pytest.fixture
def stored() -> Callable[..., tuple[xr.Dataset, CountingStore]]:
    """Writes a dataset as Zarr, opens it lazily, and gives the store that counts."""

    def store(data: xr.Dataset, times: int = 4, **chunks: int) -> tuple[xr.Dataset, CountingStore]:
        counting = CountingStore(MemoryStore())
        sizes = {**data.sizes, "time": times, **chunks}
        encoding = {str(name): {"chunks": tuple(sizes[dim] for dim in data[name].dims)} for name in data.data_vars}
        data.to_zarr(counting, mode="w", consolidated=False, encoding=encoding)
        counting.reads.clear()
        return xr.open_zarr(counting, chunks={}, consolidated=False), counting

    return store
