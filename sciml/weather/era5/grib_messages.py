"""The messages of a GRIB file: what each holds and where it lies, and a lazy array made of them.

Every message is looked at, so that none is left out in silence, as cfgrib does with messages that do not fit into one
hypercube or that are damaged.

Shapes: y latitudes, x longitudes; o any dimensions before them, a message for each.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from sciml.core.errors import UserError

# WMO Manual on Codes, code table 4.4 (GRIB 2) and 4 (GRIB 1), as ecCodes numbers them
_SECONDS_BY_STEP_UNIT = {0: 60, 1: 3600, 2: 86400, 10: 3 * 3600, 11: 6 * 3600, 12: 12 * 3600, 13: 1}
# bulletins put a heading of a few words between messages; some archives pad with zeros
_LONGEST_HEADING = 80


@dataclass(frozen=True)
class Message:
    """A field of a GRIB file.

    Times are datetime64[s], steps timedelta64[s]; `grid` tells grids apart.
    """

    offset: int
    length: int
    name: str
    units: str
    long_name: str
    level_type: str
    level: float
    time: np.datetime64
    start: np.timedelta64
    step: np.timedelta64
    number: int
    expver: str
    grid: str
    grid_type: str

    @property
    def valid_time(self) -> np.datetime64:
        return self.time + self.step


@dataclass(frozen=True)
class GribGrid:
    """A latitude-longitude grid and the order in which the values of a message run over it."""

    latitude: np.ndarray
    longitude: np.ndarray
    rows_alternate: bool
    columns_first: bool

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.latitude), len(self.longitude)

    def is_same(self, other: GribGrid) -> bool:
        flags = [(grid.rows_alternate, grid.columns_first) for grid in (self, other)]
        return (
            flags[0] == flags[1]
            and np.array_equal(self.latitude, other.latitude)
            and np.array_equal(self.longitude, other.longitude)
        )

    def arrange(self, values: np.ndarray) -> np.ndarray:
        """[y, x] of the values of a message in their order."""
        if self.columns_first:
            columns = values.reshape(self.shape[::-1]).copy()
            if self.rows_alternate:
                columns[1::2] = columns[1::2, ::-1]
            return columns.T
        rows = values.reshape(self.shape).copy()
        if self.rows_alternate:
            rows[1::2] = rows[1::2, ::-1]
        return rows


@dataclass(frozen=True)
class GribArray:
    """[o, y, x] float32, read message by message as it is sliced; dask wraps it.

    Args:
        path: of the file.
        offsets: [o] bytes from the file's begin.
        lengths: [o] bytes.
        grid: of all of them.
    """

    path: str
    offsets: np.ndarray
    lengths: np.ndarray
    grid: GribGrid

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.offsets.shape, *self.grid.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        outer, inner = index[:-2], index[-2:]
        offsets, lengths = self.offsets[outer], self.lengths[outer]
        values = np.empty((*np.shape(offsets), *self.grid.shape), np.float32)
        with Path(self.path).open("rb") as file:
            for place in np.ndindex(np.shape(offsets)):
                file.seek(int(offsets[place]))
                values[place] = self.grid.arrange(_values(file.read(int(lengths[place])), self.path))
        return values[(..., *inner)]


def load_eccodes() -> ModuleType:
    """ecCodes, after pyproj where that is installed.

    ecCodes' library has a PROJ of its own inside. In a process that loads pyproj's after it, as cartopy and geopandas
    do, both free the same memory when the process ends, which aborts it (eccodes 2.50, pyproj 3.7).
    """
    if "eccodes" not in sys.modules and importlib.util.find_spec("pyproj") is not None:
        importlib.import_module("pyproj")
    return importlib.import_module("eccodes")


def read_messages(path: Path, keys: Mapping[str, str | int]) -> Iterator[Message]:
    """The messages of a file that have these values of ecCodes' keys, in its order; the headers alone are read.

    Raises:
        UserError: a message that is damaged or cut off, or bytes between messages that are none.
    """
    eccodes = load_eccodes()

    size, end = path.stat().st_size, 0
    # ecCodes reads from the descriptor, of which a buffer would be ahead
    with path.open("rb", buffering=0) as file:
        while True:
            file.seek(end)
            try:
                handle = eccodes.codes_grib_new_from_file(file, headers_only=True)
            except eccodes.CodesInternalError as error:
                raise _damaged(path, end, size, str(error)) from error
            if handle is None:
                _check_gap(file, path, end, size, size)
                return
            try:
                message = _message(handle, path)
                is_wanted = all(_get(handle, key, str) == str(value) for key, value in keys.items())
            finally:
                eccodes.codes_release(handle)
            _check_gap(file, path, end, message.offset, size)
            end = message.offset + message.length
            file.seek(end - 4)
            if file.read(4) != b"7777":
                raise _damaged(path, message.offset, size, "it does not end with 7777")
            if is_wanted:
                _check_one_field(file, path, message)
                yield message


def read_grid(path: Path, message: Message) -> GribGrid:
    """The grid of a message, which is a regular or regular Gaussian one."""
    eccodes = load_eccodes()

    with path.open("rb") as file:
        file.seek(message.offset)
        handle = eccodes.codes_new_from_message(file.read(message.length))
    try:
        latitude = np.sort(np.asarray(eccodes.codes_get_array(handle, "distinctLatitudes")))
        longitude = np.asarray(eccodes.codes_get_array(handle, "distinctLongitudes"))
        first = float(np.asarray(eccodes.codes_get(handle, "longitudeOfFirstGridPointInDegrees", float)))
        flags = {
            key: bool(eccodes.codes_get(handle, key, int))
            for key in ("jScansPositively", "iScansNegatively", "alternativeRowScanning", "jPointsAreConsecutive")
        }
    finally:
        eccodes.codes_release(handle)
    # the longitudes in the order of scanning: they go once around from the first one
    turned = np.sort((longitude - first + 1e-6) % 360) - 1e-6
    if flags["iScansNegatively"]:
        turned = -np.sort((first - longitude + 1e-6) % 360) + 1e-6
    return GribGrid(
        latitude=latitude if flags["jScansPositively"] else latitude[::-1].copy(),
        longitude=np.round(first + turned, 9),
        rows_alternate=flags["alternativeRowScanning"],
        columns_first=flags["jPointsAreConsecutive"],
    )


def _values(message: bytes, path: str) -> np.ndarray:
    eccodes = load_eccodes()

    try:
        handle = eccodes.codes_new_from_message(message)
    except eccodes.CodesInternalError as error:
        raise UserError(f"{path}: the file has changed since it was opened. Open it anew.") from error
    try:
        eccodes.codes_set(handle, "missingValue", 1e36)
        values = np.asarray(eccodes.codes_get_values(handle))
        has_gaps = bool(eccodes.codes_get(handle, "bitmapPresent", int))
    except eccodes.CodesInternalError as error:
        raise UserError(f"{path}: a message cannot be decoded ({error}). Download the file again.") from error
    finally:
        eccodes.codes_release(handle)
    if has_gaps:
        values[values == 1e36] = np.nan
    return values.astype(np.float32)


def _get(handle: int, key: str, kind: type, default: Any = None) -> Any:
    eccodes = load_eccodes()

    try:
        return eccodes.codes_get(handle, key, kind)
    except eccodes.KeyValueNotFoundError:
        return default


def _message(handle: int, path: Path) -> Message:
    get = functools.partial(_get, handle)
    offset = int(get("offset", float))
    step_unit = get("stepUnits", int, 1)
    if step_unit not in _SECONDS_BY_STEP_UNIT:
        raise UserError(f"{path}: the message at byte {offset} has steps of months or years, which are no lead times.")
    seconds = _SECONDS_BY_STEP_UNIT[step_unit]
    date, clock = get("dataDate", int), get("dataTime", int)
    level_type, level = get("typeOfLevel", str), get("level", float, 0.0)
    return Message(
        offset=offset,
        length=get("totalLength", int),
        name=get("cfVarName", str),
        units=get("units", str, ""),
        long_name=get("name", str, ""),
        level_type=level_type,
        level=level / 100 if level_type == "isobaricInPa" else level,
        time=np.datetime64(
            f"{date // 10000:04}-{date // 100 % 100:02}-{date % 100:02}T{clock // 100:02}:{clock % 100:02}:00"
        ),
        start=np.timedelta64(get("startStep", int, 0) * seconds, "s"),
        step=np.timedelta64(get("endStep", int, 0) * seconds, "s"),
        number=get("number", int, 0),
        expver=get("expver", str, ""),
        grid=get("md5GridSection", str, ""),
        grid_type=get("gridType", str, ""),
    )


def _check_gap(file: BinaryIO, path: Path, begin: int, end: int, size: int) -> None:
    if end == begin:
        return
    file.seek(begin)
    if end - begin > _LONGEST_HEADING and file.read(end - begin).strip(b"\0 \r\n"):
        raise _damaged(path, begin, size, "no message begins there")


def _check_one_field(file: BinaryIO, path: Path, message: Message) -> None:
    """Refuses a message of GRIB 2 with several fields, of which ecCodes gives the first, as NCEP writes u with v."""
    file.seek(message.offset)
    if file.read(8)[7] != 2:
        return
    # WMO Manual on Codes, GRIB 2: 16 bytes, then sections of a length in 4 bytes and a number in 1; 7 has the data
    position, fields = message.offset + 16, 0
    while position < message.offset + message.length - 4:
        file.seek(position)
        length, section = int.from_bytes(file.read(4), "big"), file.read(1)[0]
        fields += section == 7
        position += max(length, 5)
    if fields > 1:
        raise UserError(
            f"{path}: the message at byte {message.offset} holds {fields} fields. Split such messages first: "
            "`grib_copy IN OUT` of ecCodes."
        )


def _damaged(path: Path, offset: int, size: int, reason: str) -> UserError:
    return UserError(
        f"{path}: the GRIB message at byte {offset} of {size} is damaged or cut off ({reason}). Download it again."
    )
