"""Which format a file has, by its first bytes, whatever its name ends on."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Literal

from sciml.core.errors import UserError

Format = Literal["netcdf-classic", "netcdf4", "grib", "zip", "zarr"]

_MAGIC: dict[bytes, Format] = {
    b"CDF": "netcdf-classic",
    b"\x89HDF\r\n\x1a\n": "netcdf4",
    b"GRIB": "grib",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
_REFUSED = {
    b"\x1f\x8b": "is packed with gzip. Unpack it first: `gunzip FILE`, or `tar xzf FILE`",
    b"BZh": "is packed with bzip2. Unpack it first: `bunzip2 FILE`",
    b"<": "is a web page, perhaps what a server said in place of the data. Download it again",
    b"{": "is JSON, perhaps what a server said in place of the data. Download it again",
}
# bulletins of the WMO begin with a heading of a few words
_SEARCHED_FOR_GRIB = 100
# what zipfile raises over a damaged, cut off or encrypted one
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
    OSError,
)
ZARR_FILES = ("zarr.json", ".zmetadata", ".zgroup")


def format_of_bytes(head: bytes) -> Format | None:
    """The format of a file that begins so, or None.

    >>> format_of_bytes(b"GRIB..."), format_of_bytes(b"PK\\x03\\x04..."), format_of_bytes(b"time,rain")
    ('grib', 'zip', None)
    """
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return "grib" if b"GRIB" in head[:_SEARCHED_FOR_GRIB] else None


def format_of(path: Path) -> Format:
    """The format of a file or folder.

    Raises:
        UserError: there is none, it is empty, or of a format that nothing here reads.
    """
    if path.is_dir():
        if any((path / name).is_file() for name in ZARR_FILES):
            return "zarr"
        raise UserError(f"{path}: a folder that is no Zarr store. Name its files, as {path}/*.nc.")
    try:
        with path.open("rb") as file:
            head = file.read(128)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    if not head:
        raise UserError(f"{path}: the file is empty. Download it again.")
    if kind := format_of_bytes(head):
        return kind
    if any(magic.startswith(head) for magic in _MAGIC):
        raise UserError(f"{path}: the file is damaged or cut off after {len(head)} bytes. Download it again.")
    for magic, words in _REFUSED.items():
        if head.lstrip().startswith(magic):
            raise UserError(f"{path}: {words}.")
    raise UserError(f"{path}: neither netCDF, GRIB, Zarr nor a zip of them, by its first bytes {head[:8]!r}.")
