"""Chunks of plain Zarr arrays, decoded in the thread that asks for them, into memory that is used again.

zarr passes every chunk through an event loop, decodes it into new memory and copies it into new memory once more, which
takes longer than decoding if the codec is quick. Here the codec writes into memory that an earlier chunk had. An array
is plain if its chunks are numbers in C order behind at most one codec, zstd or blosc; all others are left to zarr, and
so is whatever xarray does to values as it reads them, such as scaling.

Shapes: any; along each dimension of an array, positions count from its beginning.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numcodecs
import numpy as np
import zarr
from numcodecs.abc import Codec
from numpy.typing import NDArray
from xarray.backends.zarr import ZarrArrayWrapper
from xarray.core.indexing import (
    CopyOnWriteArray,
    ImplicitToExplicitIndexingAdapter,
    LazilyIndexedArray,
    MemoryCachedArray,
)
from zarr.buffer import default_buffer_prototype
from zarr.codecs import BloscCodec, BytesCodec, ZstdCodec
from zarr.core.sync import sync
from zarr.storage import LocalStore

from sciml.core.errors import UserError
from sciml.weather.training.memory import RecycledMemory

# what the end of a chunk's memory holds before it is decoded: random bytes, which a chunk that is too short leaves
_UNWRITTEN = np.frombuffer(bytes.fromhex("9d3b61f0a7c2584e"), np.uint8)


def with_own_chunks(graph: Mapping[Hashable, Any], memory: RecycledMemory) -> dict[Hashable, Any]:
    """A dask graph in which plain Zarr arrays are replaced by `PlainArray`."""
    return {key: _plain_array(value, memory) or value for key, value in graph.items()}


@dataclass(frozen=True, eq=False)
class PlainArray:
    """A plain Zarr array, or what xarray has chosen lazily from one, which gives an array of numpy when it is indexed.

    Attributes:
        lazy: the same as xarray reads it.
        array: as it is stored.
        keys: what is chosen along each of its dimensions: a slice, positions or one position.
        dtype: of the stored numbers, with their order of bytes.
        codec: what they are behind.
        memory: for chunks.
    """

    lazy: Any
    array: zarr.Array
    keys: tuple[slice | NDArray[np.integer[Any]] | int, ...]
    dtype: np.dtype[Any]
    codec: Codec | None
    memory: RecycledMemory

    def __getitem__(self, index: tuple[slice, ...]) -> NDArray[Any]:
        parts = iter(index)
        chosen: list[NDArray[Any]] = []
        for size, key in zip(self.array.shape, self.keys, strict=True):
            positions = np.arange(size)[key]
            chosen.append(positions[None] if positions.ndim == 0 else positions[next(parts)])
        # of every dimension, the chunks that are needed
        needed = [np.unique(positions // length) for positions, length in zip(chosen, self.array.chunks, strict=True)]
        if all(len(numbers) == 1 for numbers in needed):
            values = self._piece(tuple(int(numbers[0]) for numbers in needed), chosen)
        else:
            size = math.prod(len(positions) for positions in chosen)
            values = self.memory.take_bytes(size * self.dtype.itemsize).view(self.dtype)
            values = values.reshape([len(positions) for positions in chosen])
            for chunk in itertools.product(*(numbers.tolist() for numbers in needed)):
                within = [
                    np.flatnonzero(positions // length == number)
                    for positions, length, number in zip(chosen, self.array.chunks, chunk, strict=True)
                ]
                places = [positions[here] for positions, here in zip(chosen, within, strict=True)]
                values[np.ix_(*within)] = self._piece(chunk, places)
        return values[tuple(0 if isinstance(key, int | np.integer) else slice(None) for key in self.keys)]

    def _piece(self, chunk: tuple[int, ...], chosen: list[NDArray[Any]]) -> NDArray[Any]:
        """What is chosen of one chunk: a view, where that is possible."""
        values = self._chunk(chunk)
        for axis, (positions, length, number) in enumerate(zip(chosen, self.array.chunks, chunk, strict=True)):
            values = values[(slice(None),) * axis + (_as_slice(positions - number * length),)]
        return values

    def _chunk(self, chunk: tuple[int, ...]) -> NDArray[Any]:
        """A whole chunk, also beyond the end of the array."""
        key = self.array.metadata.encode_chunk_key(chunk)
        stored = self._stored(key)
        if stored is None:
            return np.full(self.array.chunks, self.array.fill_value or 0, self.dtype)
        size = math.prod(self.array.chunks) * self.dtype.itemsize
        if self.codec is not None:
            decoded = self.memory.take_bytes(size)
            decoded[-len(_UNWRITTEN) :] = _UNWRITTEN[-size:]
            try:
                self.codec.decode(stored, out=decoded)
            except (RuntimeError, ValueError) as error:
                raise self._damaged(key, str(error)) from error
            if (decoded[-len(_UNWRITTEN) :] == _UNWRITTEN[-size:]).all():
                raise self._damaged(key, f"it has fewer than {size} bytes")
            stored = decoded
        if stored.size != size:
            raise self._damaged(key, f"it has {stored.size} bytes and should have {size}")
        return stored.view(self.dtype).reshape(self.array.chunks)

    def _stored(self, key: str) -> NDArray[np.uint8] | None:
        """The bytes of a chunk, None where there is none."""
        place = self.array.store_path / key
        if type(place.store) is not LocalStore:
            found = sync(place.store.get(place.path, default_buffer_prototype()))
            return None if found is None else found.as_numpy_array().view(np.uint8)
        try:
            with (place.store.root / place.path).open("rb", buffering=0) as file:
                stored = self.memory.take_bytes(os.fstat(file.fileno()).st_size)
                read = 0
                while count := file.readinto(stored[read:].data):
                    read += count
        except FileNotFoundError:
            return None
        return stored[:read]

    def _damaged(self, key: str, why: str) -> UserError:
        return UserError(
            f"Chunk {key} of {self.array.store_path} cannot be decoded: {why}. Restore it, or leave out its times."
        )


def _plain_array(value: Any, memory: RecycledMemory) -> PlainArray | None:
    """A plain array, if that is what xarray has put into a graph."""
    if type(value) is not ImplicitToExplicitIndexingAdapter:
        return None
    # layers that keep what was read, let it be written to, and know what was chosen
    lazy: Any = value.array
    for layer in (MemoryCachedArray, CopyOnWriteArray):
        lazy = lazy.array if type(lazy) is layer else lazy
    if type(lazy) is not LazilyIndexedArray or type(lazy.array) is not ZarrArrayWrapper:
        return None
    array = lazy.array.get_array()
    if array.dtype.kind not in "fiu" or 0 in array.shape:
        return None
    known, dtype, codec = _encoding(array)
    return PlainArray(value, array, lazy.key.tuple, dtype, codec, memory) if known else None


def _encoding(array: zarr.Array) -> tuple[bool, np.dtype[Any], Codec | None]:
    """Whether the encoding of an array is a known one, the type of its numbers in store, and the codec."""
    metadata: Any = array.metadata
    if metadata.zarr_format == 2:
        codec = metadata.compressor
        is_known = type(codec) in (type(None), numcodecs.Zstd, numcodecs.Blosc)
        return is_known and not metadata.filters and metadata.order == "C", array.dtype, codec
    match metadata.codecs:
        case (BytesCodec() as first,):
            codec = None
        case (BytesCodec() as first, ZstdCodec()):
            codec = numcodecs.Zstd()
        case (BytesCodec() as first, BloscCodec()):
            codec = numcodecs.Blosc()
        case _:
            return False, array.dtype, None
    is_big = first.endian is not None and first.endian.value == "big"
    return True, array.dtype.newbyteorder(">" if is_big else "<"), codec


def _as_slice(positions: NDArray[Any]) -> slice | NDArray[Any]:
    """Positions with one step between them as a slice, which needs no copy."""
    first, last = int(positions[0]), int(positions[-1])
    step = int(positions[1]) - first if len(positions) > 1 else 1
    if step == 0 or (np.diff(positions) != step).any():
        return positions
    stop = last + (1 if step > 0 else -1)
    return slice(first, None if stop < 0 else stop, step)
