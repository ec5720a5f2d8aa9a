"""Fields of canonical datasets, read block by block, with what was read last kept in memory.

Shapes: k rows (one a time), l levels, y latitudes, x longitudes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from sciml.weather.climatology import at_times

Rows = NDArray[np.float32]


def load(array: xr.DataArray) -> Rows:
    """The values, computed in this thread whatever scheduler there is, as contiguous float32."""
    return np.ascontiguousarray(array.compute(scheduler="synchronous").values, dtype=np.float32)


class _Kept:
    """What was read last, as long as there is room for it. One thread at a time reads."""

    def __init__(self, max_bytes: float) -> None:
        self.max_bytes = max_bytes
        self.lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Rows] = OrderedDict()

    def get(self, key: Hashable) -> Rows | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Hashable, rows: Rows) -> Rows:
        self._kept[key] = rows
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > self.max_bytes:
            self._kept.popitem(last=False)
        return rows


class TimeRows:
    """Rows of variables by time, read in the chunks that the files have and kept while there is room.

    Args:
        variables: each with the dims time, level, latitude, longitude.
        max_bytes: how much is kept.
    """

    def __init__(self, variables: Mapping[str, xr.DataArray], max_bytes: float) -> None:
        self.variables = variables
        self._kept = _Kept(max_bytes)

    def __reduce__(self) -> tuple[type[TimeRows], tuple[Mapping[str, xr.DataArray], float]]:
        return TimeRows, (self.variables, self._kept.max_bytes)

    def __call__(self, variable: str, positions: NDArray[np.int64]) -> Rows:
        """[k, l, y, x] at these positions in time."""
        array = self.variables[variable]
        rows = np.empty((len(positions), *array.shape[1:]), np.float32)
        # a piece is at most a quarter of what is kept, however large the files' chunks are
        edges = piece_edges(array, "time", max(1, int(self._kept.max_bytes / 4 / (rows.itemsize * array[0].size))))
        piece_of = np.searchsorted(edges, positions, side="right") - 1
        with self._kept.lock:
            for piece in np.unique(piece_of):
                start, stop = map(int, edges[piece : piece + 2])
                read = self._kept.get((variable, start))
                if read is None:
                    read = self._kept.put((variable, start), load(array[start:stop]))
                wanted = piece_of == piece
                rows[wanted] = read[positions[wanted] - start]
        return rows


class ClimateRows:
    """Rows of a climatology's variables at times of any year, kept while there is room.

    Args:
        variables: each with the dims (quantile,) hour, dayofyear, level, latitude, longitude.
        max_bytes: how much is kept.
    """

    def __init__(self, variables: Mapping[str, xr.DataArray], max_bytes: float) -> None:
        self.variables = variables
        self._kept = _Kept(max_bytes)

    def __reduce__(self) -> tuple[type[ClimateRows], tuple[Mapping[str, xr.DataArray], float]]:
        return ClimateRows, (self.variables, self._kept.max_bytes)

    def __call__(self, variable: str, times: np.ndarray) -> Rows:
        """[k, (q,) l, y, x] at these times."""
        with self._kept.lock:
            rows = {time: self._kept.get((variable, time)) for time in times.tolist()}
            lacking = [time for time, row in rows.items() if row is None]
            if lacking:
                read = load(at_times(self.variables[variable], np.array(lacking, "datetime64[ns]")))
                for time, row in zip(lacking, read, strict=True):
                    rows[time] = self._kept.put((variable, time), row)
        return np.stack([row for time in times.tolist() if (row := rows[time]) is not None])


def piece_edges(array: xr.DataArray, dim: str, most: int) -> NDArray[np.int64]:
    """Where the chunks of a dimension begin, those longer than `most` cut into pieces, and where the last ends."""
    lengths = array.chunksizes[dim] if array.chunks else (array.sizes[dim],)
    ends = np.cumsum(lengths)
    starts = [np.arange(end - length, end, most) for end, length in zip(ends, lengths, strict=True)]
    return np.concatenate([*starts, ends[-1:]])
