"""Copies pieces of a variable into frames, normalised on the way: by `planes.cpp`, or by numpy where that does not do.

Shapes: t times, l levels, n frames, r rows that are wanted, c rows of a frame, y latitudes, x longitudes.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from sciml.core import native

SOURCE = Path(__file__).with_name("planes.cpp")


def normalise_into(
    piece: Shaped[np.ndarray, "t l y x"],
    times: Int[np.ndarray, " n"],
    levels: Int[np.ndarray, " r"],
    frames: Sequence[Float[np.ndarray, "c y x"]],
    rows: Int[np.ndarray, " r"],
    offset: Float[np.ndarray, " c"],
    scale: Float[np.ndarray, " c"],
) -> Float[np.ndarray, " n"]:
    """frame[row] = (piece[time, level] - offset[row]) * scale[row], for a frame and its time, a row and its level.

    Args:
        piece: of a variable, of any kind of number.
        times: place of each frame in the piece.
        levels: place of each row in the piece.
        frames: float32; of a frame, the points that the piece has.
        rows: of the frames, that are written.
        offset: of every row of the frame, float32.
        scale: of every row of the frame, float32.

    Returns:
        The sum of what was written of each frame, which is not finite where a value is missing or infinite.
    """
    layout = {frame.strides for frame in frames}
    library = native.load(SOURCE)
    if library is None or not _has_plain_rows(piece) or len(layout) > 1 or not all(map(_has_plain_rows, frames)):
        return _normalise(piece, times, levels, frames, rows, offset, scale)
    per_frame, to_step, item = *frames[0].strides[:2], piece.itemsize
    begin = np.array([frame.__array_interface__["data"][0] for frame in frames])
    source = piece.__array_interface__["data"][0] + times[:, None] * piece.strides[0] + levels * piece.strides[1]
    target = begin[:, None] + rows * per_frame
    shape, sums = source.shape, np.empty(source.shape)
    sizes = map(ctypes.c_int64, (source.size, *piece.shape[2:], piece.strides[2] // item, to_step // item))
    n, y, x, from_step, step = sizes
    each = [np.ascontiguousarray(np.broadcast_to(values[rows], shape)) for values in (offset, scale)]
    library.normalise_planes(
        n, y, x, _pointer(source), from_step, _pointer(target), step, *map(_pointer, (*each, sums))
    )
    return sums.sum(axis=1)


def copy_frames(
    pool: Float[np.ndarray, "s c y x"], slots: Int[np.ndarray, "*b"], rows: slice, out: Float[np.ndarray, "*b r y x"]
) -> None:
    """Copies some rows of the frames in slots of a pool, both without gaps.

    >>> pool, out = np.arange(8, dtype=np.float32).reshape(2, 2, 1, 2), np.empty((2, 1, 1, 2), np.float32)
    >>> copy_frames(pool, np.array([1, 0]), slice(1, 2), out)
    >>> out.tolist()
    [[[[6.0, 7.0]]], [[[2.0, 3.0]]]]
    """
    library = native.load(SOURCE)
    if library is None:
        np.copyto(out, pool[slots, rows])
        return
    first, last, _ = rows.indices(pool.shape[1])
    source = pool.__array_interface__["data"][0] + slots.ravel() * pool.strides[0] + first * pool.strides[1]
    source, size = np.ascontiguousarray(source), (last - first) * pool.shape[2] * pool.shape[3]
    library.copy_runs(ctypes.c_int64(len(source)), ctypes.c_int64(size), _pointer(source), _pointer(out))


def _normalise(
    piece: NDArray[Any],
    times: NDArray[np.int64],
    levels: NDArray[np.int64],
    frames: Sequence[NDArray[np.float32]],
    rows: NDArray[np.int64],
    offset: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> NDArray[np.float64]:
    """The same by numpy; all rows at once where they lie side by side."""
    into, out_of, sums = _as_slice(rows), _as_slice(levels), np.empty(len(times))
    for number, (time, frame) in enumerate(zip(times.tolist(), frames, strict=True)):
        # of rows that do not lie side by side this is a copy
        target = frame[into]
        np.subtract(piece[time, out_of], offset[into, None, None], out=target, casting="same_kind")
        np.multiply(target, scale[into, None, None], out=target)
        if not isinstance(into, slice):
            frame[into] = target
        # here it is in the processor's cache still
        sums[number] = target.sum()
    return sums


def _has_plain_rows(array: NDArray[Any]) -> bool:
    """Whether it is float32 as the processor has it, and points of a row lie side by side."""
    return array.dtype == np.float32 and array.strides[-1] == 4 and array.strides[-2] % 4 == 0


def _as_slice(numbers: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Numbers that follow each other as a slice, which needs no copy."""
    follow = all(b - a == 1 for a, b in itertools.pairwise(numbers.tolist()))
    return slice(int(numbers[0]), int(numbers[-1]) + 1) if follow else numbers


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.__array_interface__["data"][0])
