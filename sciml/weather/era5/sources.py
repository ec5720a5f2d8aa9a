"""From whatever a user names to datasets as the files have them: lazy, undecoded in time, nothing renamed.

A file of GRIB makes one dataset a variable, a zip one a file in it, a list or glob one a file.
"""

from __future__ import annotations

import glob
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from dask.base import tokenize
from xarray.backends import BackendEntrypoint, NetCDF4BackendEntrypoint, ZarrBackendEntrypoint

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError
from sciml.weather.era5.classic import check_length
from sciml.weather.era5.codecs import check_folder, check_remote, check_zip
from sciml.weather.era5.coordinates import is_filled_with_zero
from sciml.weather.era5.formats import format_of
from sciml.weather.era5.grib import open_grib
from sciml.weather.era5.remote import download, is_url, remote_format, unpack, unreachable
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.request import Request
from sciml.weather.variables import Variable, find_variable

Source = str | Path | xr.Dataset | xr.DataArray | Sequence[str | Path | xr.Dataset | xr.DataArray]


@dataclass(frozen=True)
class Raw:
    """A dataset as a file has it.

    Args:
        name: of the file, for messages.
        dataset: its variables.
        token: names the file and its version for dask; empty when the dataset has its own chunks or is in memory.
        also: names of variables that the file has besides.
    """

    name: str
    dataset: xr.Dataset
    token: str = ""
    also: frozenset[str] = frozenset()


def checked_source(source: object) -> Source:
    """The same, a DataArray as a dataset of one variable.

    Raises:
        UserError: nothing that can be opened.
    """
    if isinstance(source, xr.DataArray):
        if source.name is None:
            raise UserError("The DataArray has no name, which says what it is. Give it one: array.rename('t2m').")
        return source.to_dataset()
    if isinstance(source, str | Path | xr.Dataset):
        return source
    if not isinstance(source, Sequence) or isinstance(source, bytes):
        raise UserError(
            "A source needs to be a path, a glob, a URL, an xarray Dataset, or a list of these, but is "
            f"{'None' if source is None else f'of type {type(source).__name__}'}."
        )
    if not source:
        raise UserError("A source needs at least one file, but the list is empty.")
    return [part for each in source for part in _parts(checked_source(each))]


def _parts(source: Source) -> Sequence[Any]:
    return [source] if isinstance(source, str | Path | xr.Dataset) else list(source)


def describe(source: Source) -> str:
    """A few words that name a source."""
    if isinstance(source, xr.Dataset):
        return "the dataset"
    if isinstance(source, str | Path):
        return str(source)
    return f"{describe(source[0])} and {len(source) - 1} more" if len(source) > 1 else describe(source[0])


def open_sources(source: Source, request: Request, repairs: Repairs) -> Iterator[Raw]:
    """Datasets of a path, URL, glob, dataset, or a list of these.

    Raises:
        UserError: nothing there, of no format that is read, damaged, or out of reach.
    """
    if isinstance(source, xr.Dataset):
        yield Raw("the dataset", source)
    elif isinstance(source, str) and is_url(source):
        yield from _open_url(source, request, repairs)
    elif isinstance(source, str | Path):
        for path in _paths(source):
            yield from _open_path(path, request, repairs)
    else:
        for part in source:
            yield from open_sources(part, request, repairs)


def _paths(source: str | Path) -> list[Path]:
    path = user_path(source)
    if path.exists() or not glob.has_magic(str(source)):
        return [path]
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
    if not found:
        raise UserError(f"{source}: no file has such a name. Check the pattern.")
    return [Path(name) for name in found]


def _open_url(url: str, request: Request, repairs: Repairs) -> Iterator[Raw]:
    if url.startswith("file://"):
        yield from _open_path(Path(url.removeprefix("file://")), request, repairs)
    elif remote_format(url, request.storage_options) == "zarr":
        try:
            check_remote(url, request.storage_options)
            dataset = _open_zarr(url, repairs, storage_options=dict(request.storage_options) or None)
            yield Raw(url, dataset, tokenize(url))
        except UserError:
            raise
        except Exception as error:
            raise unreachable(url, error) from error
    else:
        yield from _open_path(download(url, request.storage_options), request, repairs)


def _open_path(path: Path, request: Request, repairs: Repairs) -> Iterator[Raw]:
    kind = format_of(path)
    if kind == "grib":
        names, datasets = open_grib(path, request, repairs)
        yield from (Raw(str(path), dataset, also=frozenset(names)) for dataset in datasets or [xr.Dataset()])
    elif kind == "zip":
        unpacked = unpack(path, repairs)
        try:
            for file in unpacked.files:
                yield from _open_path(file, request, repairs)
        except UserError:
            for file in unpacked.new:
                file.unlink(missing_ok=True)
            raise
        if unpacked.stores:
            check_zip(path)
        for folder in unpacked.stores:
            yield _zarr_in_zip(path, folder, repairs)
    elif kind == "zarr":
        check_folder(path)
        try:
            dataset = _open_zarr(str(path), repairs)
        except Exception as error:  # a damaged store fails in whatever reads its metadata
            raise UserError(
                f"{path}: the Zarr store cannot be opened ({_first_line(error)}). Copy it again."
            ) from error
        yield Raw(str(path), dataset, _token(path))
    else:
        if kind == "netcdf-classic":
            check_length(path)
        try:
            dataset = _open(path, NetCDF4BackendEntrypoint, cache=False)
        except Exception as error:
            raise UserError(
                f"{path}: the netCDF file is damaged or cut off ({_first_line(error)}). Download it again."
            ) from error
        yield Raw(str(path), dataset, _token(path))


def _open(place: Any, engine: type[BackendEntrypoint], **more: Any) -> xr.Dataset:
    """Lazily, undecoded in time, which needs more care.

    The engine is named by its class: a look at all that are installed loads libraries that do not bear each other.
    """
    with warnings.catch_warnings():
        # a store without consolidated metadata is only slower, and files beside the arrays do no harm
        warnings.simplefilter("ignore")
        return xr.open_dataset(place, engine=engine, chunks=None, decode_times=False, decode_timedelta=False, **more)


def _open_zarr(place: Any, repairs: Repairs, **more: Any) -> xr.Dataset:
    """A store, with zeros read as zeros where the fill value is 0 and 0 is a value that the variable has.

    zarr gives arrays of format 2 the fill value 0 unless it is told otherwise, which xarray takes as missing.
    """
    dataset = _open(place, ZarrBackendEntrypoint, **more)
    zeros = [str(name) for name, array in dataset.data_vars.items() if is_filled_with_zero(array.variable)]
    values = [name for name in zeros if (variable := find_variable(name)) and _has_zero(variable)]
    if values:
        plain = _open(place, ZarrBackendEntrypoint, mask_and_scale=dict.fromkeys(values, False), **more)
        for name in values:
            plain[name].attrs.pop("_FillValue", None)
        dataset = dataset.assign({name: plain[name] for name in values})
        repairs.add(f"The fill value of {', '.join(f'`{name}`' for name in values)} is 0; zeros were read as 0.")
    return dataset


def _has_zero(variable: Variable) -> bool:
    return variable.smallest <= 0 <= variable.largest and not variable.has_mask


def _zarr_in_zip(path: Path, folder: str, repairs: Repairs) -> Raw:
    from zarr.storage import ZipStore

    try:
        store = ZipStore(path, mode="r")
        # xarray looks for consolidated metadata at the root of the zip alone
        dataset = _open_zarr(store, repairs, group=folder or None, consolidated=False)
    except Exception as error:
        raise UserError(
            f"{path}: the Zarr store in it cannot be opened ({_first_line(error)}). Copy it again."
        ) from error
    return Raw(f"{path}/{folder}", dataset, f"{_token(path)}-{folder}")


def _token(path: Path) -> str:
    stat = path.stat()
    return tokenize(str(path.resolve()), stat.st_mtime_ns, stat.st_size)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
