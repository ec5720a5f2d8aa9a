"""Codecs that Zarr stores ask for: one of them, pickle, runs whatever the writer of a chunk wants.

Source: Zarr specifications, version 2 (`filters` and `compressor`, by `id`) and 3 (`codecs`, by `name`), and numcodecs,
whose `pickle` is refused by its newer versions alone. Metadata is read as text, before any library opens the store.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sciml.core.errors import UserError
from sciml.weather.era5.formats import ZIP_ERRORS

_AT_ONCE = 16
_OF_GROUPS = ("zarr.json", ".zmetadata")
_OF_ARRAYS = ("zarr.json", ".zarray")


def check_folder(path: Path) -> None:
    """Refuses a store in a folder whose arrays need pickle.

    Raises:
        UserError: they do, or nobody may read them.
    """
    try:
        places = [path / name for name in _OF_GROUPS]
        places += [child / name for child in path.iterdir() if child.is_dir() for name in _OF_ARRAYS]
        _check(str(path), (place.read_bytes() for place in places if place.is_file()))
    except OSError as error:
        raise UserError(f"{path}: the Zarr store cannot be read ({error.strerror}). Check who may read it.") from error


def check_zip(path: Path) -> None:
    """Refuses stores in a zip whose arrays need pickle.

    Raises:
        UserError: they do, or the zip is damaged.
    """
    ends = (*_OF_GROUPS, *_OF_ARRAYS)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.rsplit("/", 1)[-1] in ends]
            _check(str(path), (archive.read(name) for name in names))
    except ZIP_ERRORS as error:
        raise UserError(f"{path}: the zip is damaged ({str(error)[:200]}). Download it again.") from error


def check_remote(url: str, options: Mapping[str, Any]) -> None:
    """Refuses a store behind a URL whose arrays need pickle; consolidated metadata alone is read where there is some.

    Raises:
        UserError: they do.
    """
    import fsspec

    system, path = fsspec.core.url_to_fs(url, **options)

    def read(place: str) -> bytes:
        try:
            return system.cat_file(place)
        except (FileNotFoundError, PermissionError, IsADirectoryError):  # some servers forbid what is not there
            return b""

    root = path.rstrip("/")
    old, new = (read(f"{root}/{name}") for name in (".zmetadata", "zarr.json"))
    _check(url, (old, new))
    in_old = isinstance(_parsed(old).get("metadata"), dict)
    in_new = isinstance(_parsed(new).get("consolidated_metadata"), dict)
    if not (in_new or (in_old and not new)):
        children = [str(entry["name"]).rstrip("/") for entry in system.ls(root, detail=True)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            _check(url, threads.map(read, [f"{child}/{name}" for child in children for name in _OF_ARRAYS]))


def _check(store: str, documents: Iterable[bytes]) -> None:
    for document in documents:
        if any(codec.rsplit(".", 1)[-1].lower() == "pickle" for codec in _codecs(_parsed(document))):
            raise UserError(
                f"{store}: the Zarr store keeps Python objects by pickle, which runs any code that its writer put "
                "there, so it is not opened. Have it written anew with numbers, or with times as numbers since a date."
            )


def _parsed(document: bytes) -> dict[str, Any]:
    try:
        content = json.loads(document)
    except (ValueError, RecursionError):  # the library that opens the store has its own words for it
        return {}
    return content if isinstance(content, dict) else {}


def _codecs(metadata: object) -> Iterator[str]:
    """What is named in any `id` or `name`, the users' attributes apart."""
    waiting = [metadata]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield from (value for key, value in item.items() if key in ("id", "name") and isinstance(value, str))
            waiting += [value for key, value in item.items() if key != "attributes" and not key.endswith(".zattrs")]
        elif isinstance(item, list):
            waiting += item
