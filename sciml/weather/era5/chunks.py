"""How a lazily opened variable is cut into dask chunks, so that a chunk of the file is read once, and late.

Shapes: any.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr

# a file without chunks of its own is cut along its first dimension into pieces of up to this
LARGEST_PIECE_BYTES = 64 * 2**20


def chunked(
    array: xr.DataArray,
    chosen: Mapping[Hashable, np.ndarray],
    asked: Mapping[Hashable, int],
    token: str,
) -> xr.DataArray:
    """The variable at the chosen positions, as dask chunks that follow the file's own.

    Args:
        array: as xarray opens it without dask.
        chosen: positions along some dimensions, ascending.
        asked: the user's chunk sizes by dimension, before the file's own.
        token: names the file and its version.
    """
    own = array.encoding.get("preferred_chunks") or _pieces(array)
    cuts = {}
    for dimension, size in array.sizes.items():
        positions = chosen.get(dimension, np.arange(size))
        chunk = asked.get(dimension)
        if chunk is None:
            # a file may have chunks of several sizes, where the largest says enough
            cuts[dimension] = _cut(positions, int(np.max(own.get(dimension, size))))
        else:
            cuts[dimension] = _cut(np.arange(len(positions)), len(positions) if chunk == -1 else chunk)
    here = {dimension: _as_slice(positions) for dimension, positions in chosen.items() if dimension in array.dims}
    return array.isel(here).chunk(cuts, token=f"{token}-{array.name}", name_prefix="sciml-")


def _pieces(array: xr.DataArray) -> dict[Hashable, int]:
    if array.ndim == 0:
        return {}
    dimension = array.dims[0]
    bytes_each = array.dtype.itemsize * array.size / max(array.sizes[dimension], 1)
    return {dimension: max(1, int(LARGEST_PIECE_BYTES / max(bytes_each, 1)))}


def _cut(positions: np.ndarray, size: int) -> tuple[int, ...]:
    """Lengths of the runs of positions that lie in one chunk of the file.

    >>> _cut(np.array([3, 4, 5, 6]), 4)
    (1, 3)
    """
    borders = np.flatnonzero(np.diff(positions // max(size, 1))) + 1
    return tuple(int(length) for length in np.diff(np.array([0, *borders, len(positions)])))


def _as_slice(positions: np.ndarray) -> slice | np.ndarray:
    # a file reads a slice in one go
    if len(positions) and (np.diff(positions) == 1).all():
        return slice(int(positions[0]), int(positions[-1]) + 1)
    return positions
