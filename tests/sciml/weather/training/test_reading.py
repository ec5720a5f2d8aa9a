"""Blocks cover the times, frames are the data's own, and every chunk is decoded once, whatever is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.training import reading
from sciml.weather.training.reading import FrameReader, find_field

FIELDS = ("z850", "t2m", "z500", "u10")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of these data are tiny; let them be blocks all the same."""
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)


def everything(reader: FrameReader, **scaling: Any) -> np.ndarray:
    """All frames, block by block."""
    out = np.full((len(reader.time), *reader.frame_shape), np.nan, np.float32)
    for first, last in zip(reader.edges[:-1], reader.edges[1:], strict=True):
        reader.read(np.arange(first, last), list(out[first:last]), **scaling)
    return out


def expected(data: xr.Dataset) -> np.ndarray:
    return np.stack([data["z"][:, 1], data["t2m"], data["z"][:, 0], data["u10"]], axis=1)


@pytest.mark.parametrize("chunks", [{}, {"level": 1}, {"latitude": 3, "longitude": 4}, {"times": 40}, {"times": 1}])
def test_frames_are_the_data_and_each_chunk_is_read_once(stored: Callable[..., Any], data: xr.Dataset, chunks) -> None:
    lazy, store = stored(data, **chunks)
    reader = FrameReader(lazy, FIELDS)
    np.testing.assert_array_equal(everything(reader), expected(data))
    assert set(store.reads.values()) == {1}
    assert reader.units == ("m**2 s**-2", "K", "m**2 s**-2", "m s**-1")


def test_chunks_of_levels_that_nobody_wants_are_not_read(stored: Callable[..., Any], data: xr.Dataset) -> None:
    lazy, store = stored(data, level=1)
    everything(FrameReader(lazy, ["z850"]))
    assert len(store.reads) == 10
    assert all(key.startswith("z/c/") and key.split("/")[3] == "1" for key in store.reads)


def test_what_is_derived_lazily_shares_its_chunks(stored: Callable[..., Any], data: xr.Dataset) -> None:
    lazy, store = stored(data)
    lazy["thickness"] = lazy["z"].isel(level=0, drop=True) - lazy["z"].isel(level=1, drop=True)
    lazy = lazy.isel(latitude=slice(None, None, -1))
    found = everything(FrameReader(lazy, ["thickness", "z500", "t2m"]))
    np.testing.assert_array_equal(found[:, 0], (data["z"][:, 0] - data["z"][:, 1]).values[:, ::-1])
    np.testing.assert_array_equal(found[:, 2], data["t2m"].values[:, ::-1])
    assert set(store.reads.values()) == {1}


def test_a_period_may_begin_within_a_chunk(stored: Callable[..., Any], data: xr.Dataset) -> None:
    lazy, store = stored(data, times=8)
    reader = FrameReader(lazy.isel(time=slice(5, 30)), FIELDS)
    assert reader.edges.tolist() == [0, 3, 11, 19, 25]
    np.testing.assert_array_equal(everything(reader), expected(data)[5:30])
    assert set(store.reads.values()) == {1}


def test_blocks_end_where_chunks_of_all_variables_do(data: xr.Dataset) -> None:
    lazy = data.assign(t2m=data["t2m"].chunk(time=4), u10=data["u10"].chunk(time=6), z=data["z"].chunk(time=2))
    reader = FrameReader(lazy, FIELDS)
    assert reader.edges.tolist() == [0, 12, 24, 36, 40]
    np.testing.assert_array_equal(everything(reader), expected(data))


def test_small_chunks_are_joined(data: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = data.chunk(time=1)
    assert FrameReader(lazy, FIELDS, least_times=7).edges.tolist() == [0, 7, 14, 21, 28, 40]
    # a frame of one field has 4 x 6 values of 4 bytes
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 10 * 96)
    assert FrameReader(lazy, ["t2m"]).edges.tolist() == [0, 10, 20, 30, 40]


def test_chunks_of_times_that_nobody_wants_are_not_read(stored: Callable[..., Any], data: xr.Dataset) -> None:
    lazy, store = stored(data, times=1)
    reader = FrameReader(lazy, ["t2m", "u10"], least_times=10)
    out = np.zeros((2, *reader.frame_shape), np.float32)
    reader.read(np.array([11, 17]), list(out))
    np.testing.assert_array_equal(out[:, 0], data["t2m"][[11, 17]])
    assert sorted(store.reads) == ["t2m/c/11/0/0", "t2m/c/17/0/0", "u10/c/11/0/0", "u10/c/17/0/0"]


def test_pieces_of_one_chunk_share_it(stored: Callable[..., Any], data: xr.Dataset) -> None:
    lazy, store = stored(data, times=8)
    reader = FrameReader(lazy.chunk(time=4), FIELDS, least_times=8)
    np.testing.assert_array_equal(everything(reader), expected(data))
    assert set(store.reads.values()) == {1}


@pytest.mark.parametrize("lazy", [False, True])
def test_data_without_dask(stored: Callable[..., Any], data: xr.Dataset, lazy: bool) -> None:
    if lazy:
        store = stored(data)[1]
        opened = xr.open_zarr(store, chunks=None, consolidated=False)
        reader = FrameReader(opened, FIELDS)
        assert np.diff(reader.edges).tolist() == [4] * 10
    else:
        store, reader = None, FrameReader(data, FIELDS)
    np.testing.assert_array_equal(everything(reader), expected(data))
    assert store is None or set(store.reads.values()) == {1}


@pytest.mark.parametrize("fields", [FIELDS, ("z500", "z850", "t2m")])
def test_scaling_and_sums(data: xr.Dataset, fields: tuple[str, ...]) -> None:
    """Rows side by side (a slice) and apart (a copy) take the same road to the same numbers."""
    reader = FrameReader(data.astype(np.float64).chunk(time=4), fields)
    offset = np.arange(1, 1 + len(fields), dtype=np.float32)
    scale = 1 / (2 * offset)
    plain, scaled = everything(reader), everything(reader, offset=offset, scale=scale)
    # one rounding of the difference and one of the product
    np.testing.assert_allclose(scaled, (plain - offset[:, None, None]) * scale[:, None, None], rtol=2e-7, atol=1e-7)
    frames = [np.empty(reader.frame_shape, np.float32) for _ in range(3)]
    sums = reader.read(np.array([4, 5, 7]), frames)
    # float32 sums of a hundred values near 5e4
    np.testing.assert_allclose(sums, [plain[i].sum(dtype=np.float64) for i in (4, 5, 7)], rtol=1e-5)
    np.testing.assert_array_equal(frames, plain[[4, 5, 7]])


def test_sums_tell_of_missing_values(data: xr.Dataset) -> None:
    data["u10"][2, 1, 1] = np.nan
    reader = FrameReader(data.chunk(time=4), FIELDS)
    sums = reader.read(np.arange(4), [np.empty(reader.frame_shape, np.float32) for _ in range(4)])
    assert np.isfinite(sums).tolist() == [True, True, False, True]


def test_the_users_scheduler_is_left_alone(data: xr.Dataset) -> None:
    """A scheduler that refuses to work shows that reading asks none."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError

    with dask.config.set(scheduler=refuse):
        everything(FrameReader(data.chunk(time=4), FIELDS))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("t2", "did you mean `t2m`"),
        ("z", "`z` has levels: write z500, z850"),
        ("z501", "z is there at 500, 850 hPa only"),
        ("t2m500", "no field `t2m500`"),
        ("500", "no field `500`"),
    ],
)
def test_an_unknown_field_is_refused(data: xr.Dataset, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        find_field(data, name)


def test_a_variable_goes_before_a_level(data: xr.Dataset) -> None:
    assert find_field(data, "u10").variable == "u10"
    assert find_field(data.rename(z="u"), "u500").level == 0


def test_bad_data_are_refused(data: xr.Dataset) -> None:
    for fields in ([], ["t2m", "t2m"]):
        with pytest.raises(UserError, match="each of them once"):
            FrameReader(data, fields)
    with pytest.raises(UserError, match=r"isel\(number=0\)"):
        FrameReader(data.expand_dims(number=2, axis=1), ["t2m"])
    with pytest.raises(UserError, match="this order"):
        FrameReader(data.transpose("time", "longitude", "latitude", "level"), ["t2m"])
    with pytest.raises(UserError, match="ascend strictly"):
        FrameReader(data.isel(time=[0, 2, 1]), ["t2m"])
    with pytest.raises(UserError, match="ascend strictly"):
        FrameReader(data.isel(time=slice(0, 0)), ["t2m"])


def test_an_error_of_a_task_is_the_readers(data: xr.Dataset) -> None:
    def fail(block: np.ndarray) -> np.ndarray:
        raise OSError("the disk is gone")

    broken = dask.array.map_blocks(fail, data["t2m"].chunk(time=4).data, dtype=np.float32)
    reader = FrameReader(data.assign(t2m=(data["t2m"].dims, broken)), ["t2m"])
    with pytest.raises(OSError, match="the disk is gone"):
        everything(reader)
