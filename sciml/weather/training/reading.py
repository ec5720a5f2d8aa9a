"""Frames of chosen fields, read from a canonical dataset in blocks of time that no chunk reaches across.

A frame is all fields at one time. A block is the shortest run of times that begins and ends where a chunk of every
variable does, and is not tiny. Of a lazy (dask) dataset the graph is flattened once; of it, a block runs only what the
block needs, in the thread that reads it, which costs less than slicing the arrays again for every block. Each chunk of
a block is therefore decoded once, whichever fields and levels of it are wanted, and those of plain Zarr arrays without
zarr's help (`chunks.py`). Two things decode chunks more often: variables that were derived from times on both sides of
a chunk's end (such as sums over a window), and chunks longer in time than what was cut out of them.

Shapes: t times, l levels, c fields, y latitudes, x longitudes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from dask._task_spec import GraphNode
from dask.local import get_sync
from dask.optimization import cull
from jaxtyping import Float, Int
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.fields import fields_of, parse_field
from sciml.weather.grid import Grid
from sciml.weather.training.chunks import PlainArray, with_own_chunks
from sciml.weather.training.memory import RecycledMemory
from sciml.weather.training.planes import normalise_into

_DIMENSIONS = ("time", "level", "latitude", "longitude")

# smaller chunks are joined into blocks of about this size: below it, looking up what to read costs more than reading
_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class PlacedField:
    """A field, and where a dataset has it.

    Attributes:
        name: such as `t2m` or `z500`.
        variable: its name in the dataset.
        level: its place on the axis of levels, 0 for a variable without levels.
        units: as in the dataset.
    """

    name: str
    variable: str
    level: int
    units: str


def find_field(data: xr.Dataset, name: str) -> PlacedField:
    """Where the field of that name is. Raises UserError when there is none."""
    field = parse_field(name, fields_of(data))
    level = 0 if field.level_hpa is None else data["level"].values.tolist().index(field.level_hpa)
    return PlacedField(name, field.variable, level, str(data[field.variable].attrs.get("units", "")))


class FrameReader:
    """Reads frames of the fields of a canonical dataset, block by block. Any number of threads may read at once.

    Args:
        data: with `time`, `latitude`, `longitude` and maybe `level`; other dimensions have to be chosen from before.
            Of data that are lazy without dask, a slice of time has to begin where a chunk does.
        fields: names, such as `t2m` and `z500`.
        least_times: a block has at least so many, where there are so many.

    Attributes:
        fields: in the order of the frame's rows.
        grid: of every field.
        time: datetime64[ns], UTC, ascending.
        edges: block `i` has the times from `edges[i]` to `edges[i + 1]`.

    Raises:
        UserError: no field, a repeated one, one that the data lack, dimensions that are not canonical, times that are
            not ascending.
    """

    def __init__(self, data: xr.Dataset, fields: Sequence[str], *, least_times: int = 1) -> None:
        if not fields or len(set(fields)) < len(fields):
            raise UserError(f"At least one field is needed, each of them once, but they are {list(fields)}.")
        self.fields = tuple(find_field(data, name) for name in fields)
        self.grid = Grid(data["latitude"].values, data["longitude"].values)
        self.time: NDArray[Any] = data["time"].values.astype("datetime64[ns]")
        if len(self.time) == 0 or (np.diff(self.time) <= np.timedelta64(0)).any():
            raise UserError(
                f"Times are needed that ascend strictly, but these {len(self.time)} do not. Sort the data, drop times "
                "that come twice, and see that the period is within the data."
            )
        sources = [
            _source(
                data[variable],
                [(row, field.level) for row, field in enumerate(self.fields) if field.variable == variable],
            )
            for variable in dict.fromkeys(field.variable for field in self.fields)
        ]
        self._graph: dict[Hashable, Any] = {}
        for source in sources:
            self._graph.update(source.graph)
        self._graph = with_own_chunks(self._graph, RecycledMemory())
        least = max(least_times, -(-_BLOCK_BYTES // (4 * int(np.prod(self.frame_shape)))))
        edges = functools.reduce(
            np.intersect1d,
            (source.edges["time"] for source in sources if source.is_chunked),
            np.arange(len(self.time) + 1),
        )
        self.edges = _joined(edges, least)
        self._groups = self._grouped(sources)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        return len(self.fields), *self.grid.shape

    @property
    def units(self) -> tuple[str, ...]:
        return tuple(field.units for field in self.fields)

    def blocks_of(self, frames: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
        """The blocks that frames, numbers of times, are in."""
        return np.searchsorted(self.edges, frames, side="right") - 1

    def read(
        self,
        frames: Int[np.ndarray, " t"],
        out: Sequence[Float[np.ndarray, "c y x"]],
        offset: Float[np.ndarray, " c"] | None = None,
        scale: Float[np.ndarray, " c"] | None = None,
    ) -> Float[np.ndarray, " t"]:
        """Writes (value - offset) * scale of frames of one block into arrays.

        Args:
            frames: numbers of times, ascending, all of one block.
            out: float32, one a frame.
            offset: what is subtracted, float32; nothing without it.
            scale: and then multiplied with, float32.

        Returns:
            The sum of what was written of each frame, which is not finite where a value is missing or infinite.
        """
        block = int(self.blocks_of(frames[:1])[0])
        first, last = int(self.edges[block]), int(self.edges[block + 1])
        assert frames[-1] < last
        shift = np.zeros(len(self.fields), np.float32) if offset is None else offset
        factor = np.ones(len(self.fields), np.float32) if scale is None else scale
        sums = np.zeros(len(frames))
        for group in self._groups:
            parts = [
                (source, part)
                for source in group
                for part in source.parts(first, last)
                if part.of(frames) != slice(0, 0)
            ]
            keys = [part.key for _, part in parts if part.key is not None]
            chains = self._chains(keys)
            # in this thread, whichever scheduler the user has chosen for all else
            values = {} if chains else dict(zip(keys, self._together(keys), strict=True))
            for source, part in parts:
                if part.key is None:
                    array = source.array_of(part)
                else:
                    array = np.asarray(self._run(chains[part.key]) if chains else values[part.key])
                sums += _write(part, array, frames, out, shift, factor)
                # its memory is free for the next
                del array
        return sums

    def _together(self, keys: Any) -> Sequence[Any]:
        if not keys:
            return []
        graph, _ = cull(self._graph, keys)
        return get_sync(graph, keys)

    def _chains(self, keys: list[Hashable]) -> dict[Hashable, list[Hashable]]:
        """For each key the tasks from a plain array to it, if each needs only the one before and no chunk is shared.

        They can be run one after the other, so that one chunk is in memory at a time; nothing where that is not so.
        """
        chains = {}
        for key in keys:
            chain = [key]
            while not isinstance(task := self._graph[chain[0]], PlainArray):
                if not isinstance(task, GraphNode) or len(task.dependencies) != 1:
                    return {}
                chain.insert(0, *task.dependencies)
            chains[key] = chain
        return chains if len({chain[1] for chain in chains.values()}) == len(keys) else {}

    def _run(self, chain: list[Hashable]) -> Any:
        value = self._graph[chain[0]]
        for before, key in itertools.pairwise(chain):
            value = self._graph[key]({before: value})
        return value

    def _grouped(self, sources: list[_Source]) -> list[list[_Source]]:
        """Variables that were made from the same chunks are computed together, all others one after the other."""
        groups: list[tuple[set[Hashable], list[_Source]]] = []
        for source in sources:
            keys: Any = [part.key for part in source.parts(0, int(self.edges[1])) if part.key is not None]
            tasks, group = set(cull(self._graph, keys)[0]), [source]
            for other in [other for other in groups if other[0] & tasks]:
                groups.remove(other)
                tasks, group = tasks | other[0], other[1] + group
            groups.append((tasks, group))
        return [group for _, group in groups]


# ------------------------------------------------------------------------------------------- a variable and its chunks


@dataclass(frozen=True)
class _Part:
    """A piece of a variable: its first place and length along each of the four dimensions, and the rows it goes to."""

    key: Hashable
    start: dict[str, int]
    stop: dict[str, int]
    rows: list[tuple[int, int]]

    def of(self, frames: NDArray[np.int64]) -> slice:
        """Which of some frames, ascending, it has a piece of."""
        low, high = np.searchsorted(frames, (self.start["time"], self.stop["time"])).tolist()
        return slice(low, high) if low < high else slice(0, 0)


@dataclass(frozen=True)
class _Source:
    """A variable: its task graph or the variable itself, and where its chunks end along each dimension."""

    variable: xr.Variable
    graph: Mapping[Hashable, Any]
    name: str
    edges: dict[str, NDArray[np.int64]]
    rows: list[tuple[int, int]]
    is_chunked: bool

    def parts(self, first: int, last: int) -> list[_Part]:
        """What covers the times from `first` to before `last`, without chunks that hold no level that is wanted."""
        if not self.graph:
            size = {dim: int(edges[-1]) for dim, edges in self.edges.items()}
            start = dict.fromkeys(self.edges, 0)
            return [_Part(None, {**start, "time": first}, {**size, "time": last}, self.rows)]
        ranges = []
        for dim in self.variable.dims:
            number = range(len(self.edges[str(dim)]) - 1)
            if dim == "time":
                low, high = np.searchsorted(self.edges["time"], (first, last))
                number = range(int(low), int(high))
            ranges.append(number)
        parts = []
        for place in itertools.product(*ranges):
            start, stop = {}, {}
            for dim, number in zip(self.variable.dims, place, strict=True):
                start[str(dim)], stop[str(dim)] = (int(edge) for edge in self.edges[str(dim)][number : number + 2])
            low, high = start.get("level", 0), stop.get("level", 1)
            if rows := [(row, level) for row, level in self.rows if low <= level < high]:
                parts.append(_Part((self.name, *place), start, stop, rows))
        return parts

    def array_of(self, part: _Part) -> NDArray[Any]:
        return self.variable[{"time": slice(part.start["time"], part.stop["time"])}].values


def _source(array: xr.DataArray, rows: list[tuple[int, int]]) -> _Source:
    dims = tuple(dim for dim in _DIMENSIONS if dim in array.dims)
    if array.dims != dims or "time" not in dims or dims[-2:] != ("latitude", "longitude"):
        raise UserError(
            f"`{array.name}` needs the dimensions time, level where it has levels, latitude and longitude, in this "
            f"order, but has {', '.join(map(str, array.dims))}. Choose one entry of the others, as with "
            "isel(number=0), and transpose it; a static field is given apart."
        )
    variable = array.variable
    edges = {str(dim): np.array([0, size]) for dim, size in variable.sizes.items()}
    if variable.chunks is not None:
        for dim, sizes in zip(variable.dims, variable.chunks, strict=True):
            edges[str(dim)] = np.cumsum([0, *sizes])
        lazy: Any = variable.data
        return _Source(variable, dict(lazy.__dask_graph__()), lazy.name, edges, rows, True)
    length = variable.encoding.get("preferred_chunks", {}).get("time")
    if length is not None:
        edges["time"] = np.append(np.arange(0, variable.sizes["time"], length), variable.sizes["time"])
    return _Source(variable, {}, "", edges, rows, length is not None)


def _write(
    part: _Part,
    array: NDArray[Any],
    frames: NDArray[np.int64],
    out: Sequence[NDArray[np.float32]],
    offset: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Puts a piece of a variable where it belongs; sums of each frame."""
    rows, levels = np.array(part.rows).T
    area = tuple(slice(part.start[dim], part.stop[dim]) for dim in _DIMENSIONS[2:])
    here = part.of(frames)
    piece = array if array.ndim == 4 else array[:, None]
    sums = np.zeros(len(frames))
    sums[here] = normalise_into(
        piece,
        frames[here] - part.start["time"],
        levels - part.start.get("level", 0),
        [frame[(slice(None), *area)] for frame in out[here]],
        rows,
        offset,
        scale,
    )
    return sums


def _joined(edges: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Edges of blocks that have at least so many times; what is left over goes to the last."""
    kept = [0]
    for edge in edges[1:-1].tolist():
        if edge - kept[-1] >= least and edges[-1] - edge >= least:
            kept.append(edge)
    return np.array([*kept, int(edges[-1])])
