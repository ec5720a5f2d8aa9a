"""Files of URLs and files in zips, brought to the cache folder whole or not at all, as netCDF and GRIB need files."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sciml.core.catalogue import cache_dir
from sciml.core.errors import UserError
from sciml.weather.era5.formats import ZARR_FILES, format_of_bytes
from sciml.weather.era5.repairs import Repairs

_HEAD_BYTES = 128


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
        return _kept(
            "\n".join([url, *version]), PurePosixPath(path).name, lambda place: system.get_file(path, str(place))
        )
    except Exception as error:
        raise unreachable(url, error) from error


def unreachable(url: str, error: Exception) -> UserError:
    """What to say when a URL fails."""
    if isinstance(error, ImportError):
        return UserError(f"{url}: {error}")
    reason = str(error) or type(error).__name__
    return UserError(
        f"{url}: cannot be reached or is not there ({reason[:200]}). Check the address, the network and, where it "
        "needs an account or an anonymous one, storage_options."
    )


def unpack(path: Path, repairs: Repairs) -> tuple[list[Path], list[str]]:
    """Files of weather in a zip, unpacked into the cache folder, and the folders of Zarr stores in it.

    Raises:
        UserError: the zip is damaged or has neither.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            stores = _zarr_folders(names)
            files = []
            for name in names:
                if any(name.startswith(f"{folder}/") or not folder for folder in stores):
                    continue
                with archive.open(name) as member:
                    kind = format_of_bytes(member.read(_HEAD_BYTES))
                if kind not in (None, "zip"):
                    files.append(_unpacked(path, archive, name))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise UserError(f"{path}: the zip is damaged or cannot be unpacked ({error}). Download it again.") from error
    if not files and not stores:
        raise UserError(
            f"{path}: the zip holds neither netCDF, GRIB nor Zarr, but {', '.join(names[:5]) or 'nothing'}."
        )
    if files:
        repairs.add(f"Files of the zip were unpacked into {cache_dir() / 'weather'}.")
    return files, stores


def _zarr_folders(names: list[str]) -> list[str]:
    """The outermost folders with a file of a Zarr group."""
    folders = {str(PurePosixPath(name).parent) for name in names if PurePosixPath(name).name in ZARR_FILES}
    folders = {"" if folder == "." else folder for folder in folders}
    return sorted(
        folder
        for folder in folders
        if not any(other != folder and (not other or folder.startswith(f"{other}/")) for other in folders)
    )


def _unpacked(path: Path, archive: zipfile.ZipFile, name: str) -> Path:
    stat, member = path.stat(), archive.getinfo(name)
    key = f"{path.resolve()}\n{stat.st_mtime_ns}\n{stat.st_size}\n{name}\n{member.CRC}"

    def write(place: Path) -> None:
        with archive.open(name) as packed, place.open("wb") as file:
            shutil.copyfileobj(packed, file)

    return _kept(key, PurePosixPath(name).name, write)


def _kept(key: str, name: str, write: Callable[[Path], object]) -> Path:
    folder = cache_dir() / "weather"
    kept = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}-{name}"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=folder, prefix=".part-")
        os.close(handle)
        try:
            write(Path(part))
            Path(part).replace(kept)
        finally:
            Path(part).unlink(missing_ok=True)
    return kept
