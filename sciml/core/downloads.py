"""Downloads a file, or a member of a zip archive (such as a wheel of PyPI), checks it, and puts it into its place."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from sciml.core.catalogue import contents_sha256
from sciml.core.errors import UserError

# seconds without a byte before a download is given up
_TIMEOUT_S = 60
_CHUNK_BYTES = 1 << 18


def download(url: str, target: Path, sha256: str | None, *, member: str | None = None) -> None:
    """Downloads to a temporary file beside `target`, checks it, and renames it into place.

    Args:
        url: an http or https address.
        target: the file, or the folder when `member` is one.
        sha256: checksum of what `target` has to be, as `sciml.core.catalogue.contents_sha256` gives it.
        member: path of a file or folder within the zip archive at `url`; nothing else of the archive is kept.

    Raises:
        UserError: an address that cannot be read, a transfer that broke off, other contents than `sha256`, no space.
    """
    if not url.startswith(("https://", "http://")):
        raise UserError(f"{url}: only http and https addresses are downloaded.")
    transfer = target.with_name(f".{target.name}.{os.getpid()}.part")
    unpacked = target.with_name(f".{target.name}.{os.getpid()}.unpacked")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _transfer(url, transfer)
        if member is not None:
            _unpack(url, transfer, member, unpacked)
        came = unpacked if member is not None else transfer
        if sha256 is not None and (found := contents_sha256(came, came.name)) != sha256.lower():
            raise UserError(f"{url} should have sha256 {sha256}, but what came has {found}; it was not kept.")
        if target.is_dir():
            shutil.rmtree(target)
        came.replace(target)
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} answered {error.code} {error.reason}.") from error
    except urllib.error.URLError as error:
        raise UserError(f"{url} cannot be reached: {error.reason}.") from error
    except UserError:
        raise
    except (OSError, HTTPException, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot download {url} to {target}: {error}.") from error
    finally:
        transfer.unlink(missing_ok=True)
        shutil.rmtree(unpacked) if unpacked.is_dir() else unpacked.unlink(missing_ok=True)


def _transfer(url: str, file: Path) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,
        file.open("wb") as part,
        Progress(*columns, transient=True) as progress,
    ):
        length = response.headers.get("Content-Length")
        task = progress.add_task(url.rpartition("/")[2], total=int(length) if length else None)
        while chunk := response.read(_CHUNK_BYTES):
            part.write(chunk)
            progress.advance(task, len(chunk))
    size = file.stat().st_size
    if length and size != int(length):
        raise UserError(f"{url}: the transfer broke off after {size} of {length} bytes. Try again.")


def _unpack(url: str, archive: Path, member: str, target: Path) -> None:
    """Writes the member of the archive from `url`, a file or all files below a folder, as `target`."""
    found = False
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            path = PurePosixPath(entry.filename)
            if entry.is_dir() or ".." in path.parts or not path.is_relative_to(member):
                continue
            found = True
            file = target / path.relative_to(member)
            file.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(entry) as source, file.open("wb") as copy:
                shutil.copyfileobj(source, copy)
    if not found:
        raise UserError(f"the archive at {url} has no `{member}`.")
