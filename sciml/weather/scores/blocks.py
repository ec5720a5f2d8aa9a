"""Sums over the blocks of a forecast, and scores of them, as arrays with labels.

Where arrays are dask's, the sums of one chunk of the forecast are one task, which asks for the rows of the truth that
it needs; the score is one more task on the sums, which are few.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.scores.alignment import SPACE, Source
from sciml.weather.scores.regions import Regions

# of one block: the forecast, and for each source its fields and which of them belongs to each forecast; sums come back
Reduction = Callable[[np.ndarray, list[tuple[np.ndarray, np.ndarray]]], np.ndarray]


def reduced(
    forecast: xr.DataArray,
    sources: Sequence[Source],
    reduction: Reduction,
    tail: Mapping[str, int],
    core: Sequence[str] = (),
) -> xr.DataArray:
    """Sums over the horizontal and the `core` dimensions of a forecast, block by block where anything is dask's.

    `reduction` gives an array [*lead, *tail], whose first dimensions are those of the forecast that remain.
    """
    lead = [str(name) for name in forecast.dims if name not in (*core, *SPACE)]
    forecast = forecast.transpose(*lead, *core, *SPACE)
    lazy = any(array.chunks is not None for array in (forecast, *(source.fields for source in sources)))
    if not lazy:
        pairs = [(source.fields.values, index_of(lead, source)) for source in sources]
        data = reduction(forecast.values, pairs)
    else:
        data = _lazily(forecast, lead, sources, reduction, tuple(tail.values()))
    coordinates = {
        name: coordinate.variable
        for name, coordinate in forecast.coords.items()
        if set(coordinate.dims) <= set(lead) and name not in (*core, *SPACE)
    }
    return xr.DataArray(data, dims=(*lead, *tail), coords=coordinates)


def _lazily(
    forecast: xr.DataArray, lead: Sequence[str], sources: Sequence[Source], reduction: Reduction, tail: tuple[int, ...]
) -> Any:
    from dask.array import from_delayed
    from dask.delayed import delayed

    if forecast.chunks is None:
        # the truth alone is lazy: one initial time at once keeps the part of it that is needed small
        forecast = forecast.chunk({name: 1 if name == "time" else -1 for name in forecast.dims})
    forecast = forecast.chunk({name: -1 for name in forecast.dims if name not in lead})
    chunks = [forecast.chunksizes[name] for name in lead]
    ends = [np.cumsum(sizes) for sizes in chunks]
    blocks = np.empty([len(sizes) for sizes in chunks], object)
    readers = [_Rows(source) for source in sources]
    for place in np.ndindex(blocks.shape):
        shape = tuple(sizes[i] for sizes, i in zip(chunks, place, strict=True))
        window = {
            name: slice(int(end[i]) - size, int(end[i]))
            for name, end, i, size in zip(lead, ends, place, shape, strict=True)
        }
        parts = [rows.needed(window) for rows in readers]
        indices = [index_of(lead, Source(fields, row)) for _, fields, row in parts]
        block = delayed(_reduce)(reduction, forecast.isel(window).data, [pieces for pieces, _, _ in parts], indices)
        blocks[place] = from_delayed(block, (*shape, *tail), np.float64)
    return _joined(blocks, 0)


def _reduce(
    reduction: Reduction, block: np.ndarray, pieces: list[list[np.ndarray]], indices: list[np.ndarray]
) -> np.ndarray:
    fields = [each[0] if len(each) == 1 else np.concatenate(each) for each in pieces]
    return reduction(block, list(zip(fields, indices, strict=True)))


class _Rows:
    """The chunks of a source that hold the rows that a block asks for; each is in the graph once for all blocks."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.known: dict[Any, list[Any]] = {}

    def needed(self, window: Mapping[str, slice]) -> tuple[list[Any], xr.DataArray, xr.DataArray]:
        """Chunks, fields of the shape that they have beside their rows, and the row of the chunks for each forecast."""
        fields = self.source.fields.isel(
            {name: part for name, part in window.items() if name in self.source.fields.dims}
        )
        row = self.source.row.isel({name: part for name, part in window.items() if name in self.source.row.dims})
        key = tuple((name, part.start) for name, part in window.items() if name in fields.dims)
        if key not in self.known:
            self.known[key] = _chunks(fields)
        sizes = np.array(fields.chunksizes.get("row", (fields.sizes["row"],)))
        ends = np.cumsum(sizes)
        chunk = np.searchsorted(ends, np.maximum(row.values, 0), side="right")
        # with nothing but missing fields one chunk stays, for its shape
        used, place = np.unique(chunk, return_inverse=True)
        begins = np.cumsum(sizes[used]) - sizes[used]
        inside = row.values - (ends - sizes)[chunk] + begins[place.reshape(row.shape)]
        return [self.known[key][i] for i in used], fields, row.copy(data=np.where(row.values < 0, -1, inside))


def _chunks(fields: xr.DataArray) -> list[Any]:
    from dask.delayed import delayed

    if fields.chunks is None:
        return [delayed(fields.values, pure=False, traverse=False)]
    whole = fields.chunk({name: -1 for name in fields.dims if name != "row"})
    return list(whole.data.to_delayed(optimize_graph=False).ravel())


def rows_of(source: Source, window: Mapping[str, slice]) -> Source:
    """The rows that the forecasts of a window ask for, and no other, unless they are in memory as it is."""
    row = source.row.isel({name: part for name, part in window.items() if name in source.row.dims})
    if source.fields.chunks is None:
        return Source(source.fields, row)
    used, place = np.unique(row.values, return_inverse=True)
    missing = int((used < 0).sum())
    # with nothing but missing fields one row stays, for its shape
    kept = used[missing:] if missing < len(used) else np.array([0])
    return Source(source.fields.isel(row=kept), row.copy(data=np.maximum(place.reshape(row.shape) - missing, -1)))


def index_of(lead: Sequence[str], source: Source) -> np.ndarray:
    """Which of the fields, in the order of all dimensions but the horizontal ones, belongs to each forecast."""
    row = source.row.transpose(*[name for name in lead if name in source.row.dims])
    index = row.values.reshape([row.sizes.get(name, 1) for name in lead])
    missing = index < 0
    for name in (name for name in source.fields.dims[1:-2] if name in lead):
        size = source.fields.sizes[name]
        index = index * size + np.arange(size).reshape([-1 if name == other else 1 for other in lead])
    return np.where(missing, -1, index)


def _joined(blocks: Any, axis: int) -> Any:
    from dask.array import concatenate

    if not isinstance(blocks, np.ndarray):
        return blocks
    if blocks.ndim == 0:
        return blocks.item()
    return concatenate([_joined(part, axis + 1) for part in blocks], axis=axis)


def refuse_gaps(sums: np.ndarray, weights: np.ndarray, where: Sequence[int]) -> None:
    """Turns the sums of a region into NaN where a point is missing, which shows in the weight at one of `where`."""
    whole = weights.sum((1, 2))
    for place in where:
        # a sum of positive weights, in another order, is wrong by some 1e-13 of itself; a cell is 1e-7 of it or more
        sums[sums[..., place] < whole * (1 - 1e-10)] = np.nan


def score_of(
    sums: xr.DataArray,
    over: Sequence[str],
    regions: Regions | None,
    formula: Callable[[np.ndarray, tuple[int, ...]], np.ndarray],
    tail: Mapping[str, int] | None = None,
) -> xr.DataArray:
    """`formula(sums [..., *over, sum], axes of `over` without the sum)`, which may give dimensions `tail` in place of
    `sum`.

    Without regions the dimension `region` goes.
    """
    tail = tail or {}
    unknown = [name for name in over if name not in sums.dims]
    if unknown:
        there = ", ".join(str(name) for name in sums.dims[:-2]) or "none"
        raise UserError(f"The mean cannot go over '{unknown[0]}': the forecast has the dimensions {there}.")
    if sums.chunks is not None:
        sums = sums.chunk(dict.fromkeys((*over, "sum"), -1))
    scores = xr.apply_ufunc(
        formula,
        sums,
        kwargs={"axis": tuple(range(-len(over), 0))},
        input_core_dims=[[*over, "sum"]],
        output_core_dims=[list(tail)],
        dask_gufunc_kwargs={"output_sizes": dict(tail)},
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return scores.isel(region=0, drop=True) if regions is None else scores.transpose("region", ...)


def mean_dims(forecast: xr.DataArray, over: Sequence[str] | None) -> tuple[str, ...]:
    """What a mean goes over unless it is said: the initial times, where there are any."""
    if over is None:
        return ("time",) if "time" in forecast.dims else ()
    return (over,) if isinstance(over, str) else tuple(over)
