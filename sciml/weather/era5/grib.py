"""GRIB files as datasets: messages of a variable put together to one block, each variable for itself.

A reanalysis has the dimensions time, number, level; a forecast time, step, number, level.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from sciml.core.errors import UserError
from sciml.weather.era5.grib_messages import GribArray, Message, read_grid, read_messages
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.request import Request, within
from sciml.weather.variables import find_variable

_PRESSURE = ("isobaricInhPa", "isobaricInPa")
_REGULAR = ("regular_ll", "regular_gg")
_UNITS = {"level": {"units": "hPa"}}
# CDO User Guide, sections 2.12 (setgridtype) and 2.13 (sp2gpl)
_REMEDIES = {
    "reduced_gg": "is on a reduced Gaussian grid. Make it regular first: `cdo setgridtype,regular IN OUT`",
    "sh": "is in spherical harmonics. Bring it to a grid first: `cdo sp2gpl IN OUT`",
}


def open_grib(path: Path, request: Request, repairs: Repairs) -> tuple[set[str], list[xr.Dataset]]:
    """The names of all that is in a GRIB file, and a dataset per variable that is asked for, lazy, a message a chunk.

    Raises:
        UserError: a damaged file, a grid that is none of latitudes and longitudes, two grids or two kinds of levels of
            one variable, or fields that are missing in its block.
    """
    by_name: dict[str, list[Message]] = defaultdict(list)
    names = set()
    for message in read_messages(path, request.grib_keys):
        names.add(message.name)
        if _is_asked_for(message, request):
            by_name[message.name].append(message)
    if len(by_name) > 1 and "unknown" in by_name:
        repairs.add(f"{len(by_name.pop('unknown'))} messages were left out as ecCodes knows no name for them.")
    return names, [
        _block(path, name, messages, request, repairs)
        for found, all_messages in by_name.items()
        for name, messages in _split_surface(found, all_messages)
        if not _is_left_out(name, messages, request, repairs)
    ]


def _is_asked_for(message: Message, request: Request) -> bool:
    if request.variables is not None:
        asked = {variable.name if (variable := find_variable(name)) else name for name in request.variables}
        known = find_variable(message.name)
        name = known.name if known else message.name
        if name == "z" and message.level_type not in _PRESSURE:
            name = "z_sfc"
        if name not in asked:
            return False
    on_pressure = message.level_type in _PRESSURE
    if on_pressure and request.levels is not None and message.level not in request.levels:
        return False
    stamp = message.time if request.is_forecast else message.valid_time
    if not within(np.array([stamp]), request.time_with_run_up).all():
        return False
    return bool(within(np.array([message.step]), request.lead_time).all())


def _split_surface(name: str, messages: list[Message]) -> Iterator[tuple[str, list[Message]]]:
    # the geopotential of the surface has the name of that on levels
    surface = [message for message in messages if name == "z" and message.level_type not in _PRESSURE]
    if surface:
        yield "z_sfc", surface
    if len(surface) < len(messages):
        yield name, [message for message in messages if message not in surface] if surface else messages


def _is_left_out(name: str, messages: list[Message], request: Request, repairs: Repairs) -> bool:
    """Whether a variable that nobody asked for and the table does not know lies on levels of its own, as of soil."""
    own_levels = {(message.level_type, message.level) for message in messages if message.level_type not in _PRESSURE}
    if request.variables is not None or find_variable(name) is not None or len(own_levels) < 2:
        return False
    repairs.add(f"`{name}` was left out: it is in no table and on {len(own_levels)} levels that are not of pressure.")
    return True


def _block(path: Path, name: str, messages: list[Message], request: Request, repairs: Repairs) -> xr.Dataset:
    first = messages[0]
    _check_level_types(path, name, messages)
    _check_grids(path, name, messages)
    axes: dict[str, list] = {}
    if request.is_forecast:
        axes["time"] = [message.time for message in messages]
        axes["step"] = [message.step for message in messages]
    else:
        axes["time"] = [message.valid_time for message in messages]
    if any(message.number for message in messages):
        axes["number"] = [message.number for message in messages]
    if first.level_type in _PRESSURE:
        axes["level"] = [message.level for message in messages]
    coordinates = {axis: np.unique(values) for axis, values in axes.items()}
    places = np.stack([np.searchsorted(coordinates[axis], values) for axis, values in axes.items()])
    shape = tuple(len(values) for values in coordinates.values())
    index = np.full(shape, -1)
    _place(path, name, messages, places, index, repairs)
    if (index < 0).any():
        _refuse_holes(path, name, coordinates, index, request)
    grid = read_grid(path, first)
    array = GribArray(
        str(path.resolve()),
        np.array([message.offset for message in messages])[index],
        np.array([message.length for message in messages])[index],
        grid,
    )
    chunks = [request.chunks.get("lead_time" if axis == "step" else axis, 1) for axis in coordinates]
    lazy = da.from_array(  # pyright: ignore[reportPrivateImportUsage, reportCallIssue]
        array,
        chunks=(*chunks, request.chunks.get("latitude", -1), request.chunks.get("longitude", -1)),  # pyright: ignore[reportArgumentType]
        asarray=False,
        fancy=False,
        name=f"grib-{name}-{_token(path, array)}",
    )
    attributes = {"units": first.units, "long_name": first.long_name}
    if accumulation := _accumulation(messages, is_forecast=request.is_forecast):
        attributes["accumulation"] = accumulation
    return xr.Dataset(
        {name: ((*coordinates, "latitude", "longitude"), lazy, attributes)},
        {
            **{axis: (axis, _nanoseconds(values), _UNITS.get(axis)) for axis, values in coordinates.items()},
            "latitude": ("latitude", grid.latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", grid.longitude, {"units": "degrees_east"}),
        },
    )


def _place(
    path: Path, name: str, messages: Sequence[Message], places: np.ndarray, index: np.ndarray, repairs: Repairs
) -> None:
    for number, place in enumerate(map(tuple, places.T)):
        message, other = messages[number], messages[int(index[place])] if index[place] >= 0 else None
        if other is None:
            index[place] = number
        elif {message.expver, other.expver} == {"0001", "0005"}:
            index[place] = number if message.expver == "0001" else index[place]
            repairs.add(f"`{name}` comes twice at some times; the final fields (expver 1) replace the preliminary (5).")
        elif _bytes(path, message) == _bytes(path, other):
            repairs.add(f"`{name}` comes twice at some times with the same values; one was dropped.")
        else:
            raise UserError(
                f"{path}: two different fields of `{name}` at {_text(message.valid_time)}, from the forecasts of "
                f"{_text(other.time)} and {_text(message.time)}. Open forecasts with open_forecast, or keep one."
            )


def _check_grids(path: Path, name: str, messages: Sequence[Message]) -> None:
    for message in messages:
        if message.grid_type not in _REGULAR:
            remedy = _REMEDIES.get(message.grid_type.replace("_ll", "_gg"), "")
            remedy = (
                remedy or f"is on a grid of type {message.grid_type}. Regrid it first: `cdo remapbil,r360x180 IN OUT`"
            )
            raise UserError(f"{path}: `{name}` {remedy}, or leave it out with variables=[...].")
    grids = [read_grid(path, message) for message in {message.grid: message for message in messages}.values()]
    if any(not grid.is_same(grids[0]) for grid in grids):
        shapes = list(dict.fromkeys(grid.shape for grid in grids))
        raise UserError(
            f"{path}: `{name}` is on {len(shapes)} grids of {' and '.join(f'{y}x{x}' for y, x in shapes)} points. Take "
            f'one, grib_keys={{"Ni": {shapes[0][1]}, "Nj": {shapes[0][0]}}}, or other variables=[...].'
        )


def _check_level_types(path: Path, name: str, messages: Sequence[Message]) -> None:
    types = sorted({message.level_type for message in messages})
    variable = find_variable(name)
    needs_pressure = variable is not None and variable.on_levels
    others = [kind for kind in types if kind not in _PRESSURE]
    if (len(types) > 1 or needs_pressure) and others:
        raise UserError(
            f"{path}: `{name}` is on levels of type {' and '.join(types)}. Take those on pressure levels, "
            'grib_keys={"typeOfLevel": "isobaricInhPa"}, or leave it out with variables=[...].'
        )
    if others and len({message.level for message in messages}) > 1:
        raise UserError(
            f"{path}: `{name}` is on several levels of type {types[0]}, but a variable beside those on pressure levels "
            "has one. Leave it out with variables=[...]."
        )


def _refuse_holes(
    path: Path, name: str, coordinates: dict[str, np.ndarray], index: np.ndarray, request: Request
) -> None:
    hole = np.argwhere(index < 0)[0]
    first = ", ".join(
        f"{axis} {_text(values[at])}" for (axis, values), at in zip(coordinates.items(), hole, strict=True)
    )
    arguments = [
        f"{axis}=..." for axis in ("time", "lead_time", "levels") if axis != "lead_time" or request.is_forecast
    ]
    raise UserError(
        f"{path}: {np.count_nonzero(index < 0)} of {index.size} fields of `{name}` are missing, the first at {first}. "
        f"Choose a block without gaps with {', '.join(arguments)}, or download the missing fields."
    )


def _accumulation(messages: Iterable[Message], *, is_forecast: bool) -> str | None:
    """What the steps of sums say of their window, in words of `request.ACCUMULATIONS`, or nothing."""
    hour = np.timedelta64(1, "h")
    spans = {(message.start, message.step) for message in messages}
    lengths = {step - start for start, step in spans}
    if len(lengths) == 1 and (length := lengths.pop()) > np.timedelta64(0, "s"):
        return f"{int(length / hour)}h" if length % hour == np.timedelta64(0, "s") else None
    if any(start for start, _ in spans) or len(spans) == 1:
        return None
    if is_forecast:
        return "since-start"
    begins_at_midnight = all(message.time == message.time.astype("datetime64[D]") for message in messages)
    within_a_day = all(step <= 24 * hour for _, step in spans)
    return "since-midnight" if begins_at_midnight and within_a_day else "since-start"


def _bytes(path: Path, message: Message) -> bytes:
    with path.open("rb") as file:
        file.seek(message.offset)
        return file.read(message.length)


def _token(path: Path, array: GribArray) -> str:
    stat = path.stat()
    return tokenize(str(path.resolve()), stat.st_mtime_ns, stat.st_size, array.offsets)


def _nanoseconds(values: np.ndarray) -> np.ndarray:
    return values.astype(f"{values.dtype.kind}8[ns]") if values.dtype.kind in "Mm" else values


def _text(value: object) -> str:
    return str(value).replace("T", " ").removesuffix(":00") if isinstance(value, np.datetime64) else str(value)
