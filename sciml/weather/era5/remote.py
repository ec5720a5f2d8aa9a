"""Files of URLs and files in zips, brought to the cache folder whole or not at all, as netCDF and GRIB need files."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sciml.core.catalogue import cache_dir
from sciml.core.errors import UserError
from sciml.weather.era5.formats import ZARR_FILES, ZIP_ERRORS, format_of_bytes
from sciml.weather.era5.repairs import Repairs

_HEAD_BYTES = 128
# packed files of weather shrink by 50 at most, all missing values apart; a small file does no harm
_LARGEST_RATIO = 100
_HARMLESS_BYTES = 10**9
# of a name in a zip: 255 bytes are allowed in most file systems, and a letter takes up to 4
_NAME_LETTERS = 50


def is_url(text: str) -> bool:
    """Whether it names a place with a scheme, as gs://, https://, file://.

    >>> is_url("gs://bucket/era5.zarr"), is_url("data/era5.nc")
    (True, False)
    """
    return "://" in text


def remote_format(url: str, options: Mapping[str, Any]) -> str:
    """`zarr` or `file`, asked of the server.

    Raises:
        UserError: it cannot be reached, or there is nothing.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url, **options)
        if any(system.exists(f"{path.rstrip('/')}/{name}") for name in ZARR_FILES):
            return "zarr"
        with system.open(path, "rb") as file:
            file.read(1)
    except Exception as error:  # each file system has errors of its own
        raise unreachable(url, error) from error
    return "file"


def download(url: str, options: Mapping[str, Any]) -> Path:
    """The file of a URL in the cache folder; a newer one of the same name is another.

    Raises:
        UserError: it cannot be reached.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url, **options)
        facts = system.info(path)
        version = [str(facts.get(key)) for key in ("size", "ETag", "etag", "mtime", "last_modified", "created")]
        kept = _in_cache("\n".join([url, *version]), PurePosixPath(path).name)
        if not kept.is_file():
            _write(kept, lambda place: system.get_file(path, str(place)))
    except Exception as error:
        raise unreachable(url, error) from error
    return kept


def unreachable(url: str, error: Exception) -> UserError:
    """What to say when a URL fails."""
    if isinstance(error, ImportError):
        return UserError(f"{url}: {error}")
    reason = str(error) or type(error).__name__
    return UserError(
        f"{url}: cannot be reached or is not there ({reason[:200]}). Check the address, the network and, where it "
        "needs an account or an anonymous one, storage_options (in the shell: the environment variable "
        "FSSPEC_GS_TOKEN=anon or the like)."
    )


@dataclass(frozen=True)
class Unpacked:
    """What a zip holds.

    Args:
        files: of weather, in the cache folder.
        stores: folders of Zarr stores in the zip.
        new: those files that were not there before.
    """

    files: list[Path]
    stores: list[str]
    new: frozenset[Path]


def unpack(path: Path, repairs: Repairs) -> Unpacked:
    """Files of weather in a zip, unpacked into the cache folder, and the folders of Zarr stores in it.

    Raises:
        UserError: the zip is damaged, has neither, or would take more room than there is or is sane.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            stores = _zarr_folders(names)
            chosen = []
            for name in names:
                if any(name.startswith(f"{folder}/") or not folder for folder in stores):
                    continue
                with archive.open(name) as member:
                    kind = format_of_bytes(member.read(_HEAD_BYTES))
                if kind not in (None, "zip"):
                    chosen.append(name)
            places = {name: _place(path, archive, name) for name in chosen}
            new = {name: place for name, place in places.items() if not place.is_file()}
            _check_size(path, sum(archive.getinfo(name).file_size for name in new))
            for name, place in new.items():
                _write(place, functools.partial(_extract, archive, name))
    except ZIP_ERRORS as error:
        raise UserError(
            f"{path}: the zip is damaged or cannot be unpacked ({str(error)[:200]}). Download it again."
        ) from error
    if not places and not stores:
        shown = ", ".join(name[:_NAME_LETTERS] for name in names[:5])
        raise UserError(f"{path}: the zip holds neither netCDF, GRIB nor Zarr, but {shown or 'nothing'}.")
    if places:
        repairs.add(f"Files of the zip were unpacked into {cache_dir() / 'weather'}.")
    return Unpacked(list(places.values()), stores, frozenset(new.values()))


def _check_size(path: Path, unpacked: int) -> None:
    packed = path.stat().st_size
    if unpacked > max(_HARMLESS_BYTES, _LARGEST_RATIO * packed):
        raise UserError(
            f"{path}: the zip of {packed / 1e6:.3g} MB would unpack to {unpacked / 1e9:.3g} GB, so it holds no data of "
            "weather. If it does, unpack it yourself and open its files."
        )
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if unpacked > free:
        raise UserError(
            f"{path}: the zip unpacks to {unpacked / 1e9:.3g} GB, but {folder} has {free / 1e9:.3g} GB left. Make "
            "room, or choose another folder with the environment variable SCIML_CACHE."
        )


def _zarr_folders(names: list[str]) -> list[str]:
    """The outermost folders with a file of a Zarr group."""
    folders = {str(PurePosixPath(name).parent) for name in names if PurePosixPath(name).name in ZARR_FILES}
    folders = {"" if folder == "." else folder for folder in folders}
    return sorted(
        folder
        for folder in folders
        if not any(other != folder and (not other or folder.startswith(f"{other}/")) for other in folders)
    )


def _place(path: Path, archive: zipfile.ZipFile, name: str) -> Path:
    stat, member = path.stat(), archive.getinfo(name)
    key = f"{path.resolve()}\n{stat.st_mtime_ns}\n{stat.st_size}\n{name}\n{member.CRC}"
    return _in_cache(key, PurePosixPath(name).name)


def _extract(archive: zipfile.ZipFile, name: str, place: Path) -> None:
    # no more than the size that the zip says of it
    with archive.open(name) as packed, place.open("wb") as file:
        shutil.copyfileobj(packed, file)


def _in_cache(key: str, name: str) -> Path:
    return cache_dir() / "weather" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}-{name[-_NAME_LETTERS:]}"


def _write(place: Path, write: Callable[[Path], object]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=place.parent, prefix=".part-")
    os.close(handle)
    try:
        write(Path(part))
        Path(part).replace(place)
    finally:
        Path(part).unlink(missing_ok=True)
