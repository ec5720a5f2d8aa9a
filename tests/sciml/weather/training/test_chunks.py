"""Chunks that we decode are what zarr reads; whatever is not plain is left to zarr."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr.storage import MemoryStore

from sciml.core.errors import UserError
from sciml.weather.training.chunks import PlainArray, with_own_chunks
from sciml.weather.training.memory import RecycledMemory

SHAPE, CHUNKS = (10, 5, 7), (4, 5, 3)
# what is asked of an array: within a chunk, across chunks, beyond the last whole one
INDICES = [
    (slice(0, 4), slice(0, 5), slice(0, 3)),
    (slice(1, 9), slice(2, 4), slice(0, 7)),
    (slice(8, 10), slice(0, 5), slice(6, 7)),
]


def written(store: Any = None, data: np.ndarray | None = None, **options: Any) -> tuple[np.ndarray, Any]:
    """An array and, in a store, the same."""
    values = np.random.default_rng(0).standard_normal(SHAPE).astype("f4") if data is None else data
    store = MemoryStore() if store is None else store
    fill = {"fill_value": np.nan} if values.dtype.kind == "f" else {}
    options = {"zarr_format": 3, "chunks": CHUNKS, "dtype": values.dtype, **fill, **options}
    array: Any = zarr.create_array(store, name="t", shape=SHAPE, **options)
    array[:] = values
    array.attrs["_ARRAY_DIMENSIONS"] = ["time", "y", "x"]
    if options["zarr_format"] == 3:
        array = zarr.create_array(
            store, name="t", shape=SHAPE, overwrite=True, dimension_names=["time", "y", "x"], **options
        )
        array[:] = values
    return values, store


def root(store: Any, choice: dict[str, Any] | None = None, **options: Any) -> Any:
    """The root of the graph of the variable, replaced where it is plain."""
    opened = xr.open_zarr(store, chunks=None, consolidated=False, **options)["t"].isel(choice or {}).chunk()
    graph = with_own_chunks(dict(opened.__dask_graph__()), RecycledMemory())
    return next(value for key, value in graph.items() if not isinstance(key, tuple))


PLAIN = {
    "zstd": {},
    "zstd with a checksum": {"compressors": (ZstdCodec(checksum=True),)},
    "blosc": {"compressors": (BloscCodec(typesize=4),)},
    "none": {"compressors": None},
    "big-endian": {"serializer": BytesCodec(endian="big")},
    "v2 blosc": {"zarr_format": 2, "compressors": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE)},
    "v2 zstd": {"zarr_format": 2, "compressors": numcodecs.Zstd()},
    "v2 none": {"zarr_format": 2, "compressors": None},
}


@pytest.mark.parametrize("in_files", [True, False])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_arrays_are_what_zarr_reads(name: str, in_files: bool, tmp_path: Path) -> None:
    values, store = written(tmp_path / "a.zarr" if in_files else None, **PLAIN[name])
    plain = root(store)
    assert isinstance(plain, PlainArray)
    for index in INDICES:
        np.testing.assert_array_equal(plain[index], values[index])


@pytest.mark.parametrize(
    "choice",
    [
        {"time": slice(3, 9)},
        {"y": slice(None, None, -1), "x": slice(6, 1, -2)},
        {"time": [0, 1, 5, 9], "x": [2, 0]},
        {"y": 3},
    ],
)
def test_what_was_chosen_lazily(choice: dict[str, Any]) -> None:
    values, store = written()
    wanted = xr.DataArray(values, dims=("time", "y", "x")).isel(choice).values
    plain = root(store, choice)
    assert isinstance(plain, PlainArray)
    np.testing.assert_array_equal(plain[(slice(None),) * wanted.ndim], wanted)
    np.testing.assert_array_equal(plain[(slice(1, 3), *[slice(None)] * (wanted.ndim - 1))], wanted[1:3])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_chunk_that_is_not_there_has_the_fill_value(zarr_format: int, tmp_path: Path) -> None:
    data = np.full(SHAPE, 7, np.int16)
    data[5] = 1
    for store in (MemoryStore(), tmp_path / "a.zarr"):
        plain = root(written(store, data, zarr_format=zarr_format, fill_value=7)[1], mask_and_scale=False)
        assert isinstance(plain, PlainArray)
        np.testing.assert_array_equal(plain[(slice(None),) * 3], data)


@pytest.mark.parametrize(
    "options",
    [
        {"compressors": (GzipCodec(),)},
        {"filters": (TransposeCodec(order=(2, 1, 0)),)},
        {"shards": (8, 5, 9)},
        {"zarr_format": 2, "filters": (numcodecs.Shuffle(4),)},
        {"zarr_format": 2, "order": "F"},
    ],
)
def test_all_others_are_left_to_zarr(options: dict[str, Any]) -> None:
    values, store = written(**options)
    other = root(store)
    assert not isinstance(other, PlainArray)
    np.testing.assert_array_equal(np.asarray(other[INDICES[1]]), values[INDICES[1]])


def test_what_xarray_scales_is_left_to_it() -> None:
    values, store = written(data=np.arange(350, dtype=np.int16).reshape(SHAPE))
    array: Any = zarr.open_array(store, path="t", mode="r+")
    array.attrs["scale_factor"] = 0.5
    scaled = root(store)
    assert not isinstance(scaled, PlainArray)
    np.testing.assert_array_equal(np.asarray(scaled[INDICES[1]]), values[INDICES[1]] * 0.5)


def damage(folder: Path, **options: Any) -> tuple[Any, Path]:
    _, store = written(folder / "a.zarr", **options)
    return root(store), folder / "a.zarr" / "t" / "c" / "0" / "0" / "0"


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    plain, file = damage(tmp_path)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(UserError, match=r"Chunk c/0/0/0 of .*a.zarr.* cannot be decoded: Zstd decompression error"):
        plain[INDICES[0]]
    file.write_bytes(numcodecs.Zstd().encode(np.ones(7, "f4")))
    with pytest.raises(UserError, match=r"it has fewer than 240 bytes"):
        plain[INDICES[0]]


def test_a_bare_chunk_of_another_size_is_named(tmp_path: Path) -> None:
    plain, file = damage(tmp_path, compressors=None)
    file.write_bytes(b"1234")
    with pytest.raises(UserError, match="it has 4 bytes and should have 240"):
        plain[INDICES[0]]


def test_memory_of_a_chunk_is_used_for_the_next(tmp_path: Path) -> None:
    plain, _ = damage(tmp_path)
    kept = plain[INDICES[0]]
    copy, first = kept.copy(), kept[0]
    del kept
    other = plain[(slice(4, 8), *INDICES[0][1:])]
    np.testing.assert_array_equal(first, copy[0])
    address = first.ctypes.data
    del first, other
    gc.collect()
    assert address in [plain[INDICES[0]].ctypes.data for _ in range(2)]
