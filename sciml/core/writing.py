"""Writes what a reader sees as a whole or not at all, and what one process at a time may write."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sciml.core.errors import UserError

# of file systems that have no locks
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path`; what was written there takes its place at the end, a file or a folder.

    Whatever goes wrong within leaves what was there as it was, and nothing else.

    Raises:
        UserError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        # a folder takes the place of a folder or a file, a file that of a file alone
        if temporary.is_dir():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. Free some space or choose another folder."
        ) from error
    finally:
        # what cannot be cleared away either must not hide the reason
        with suppress(OSError):
            if temporary.is_dir():
                shutil.rmtree(temporary)
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Within it no other process writes `target`, as long as it asks in the same way.

    The lock is on a file beside `target` and ends with the process, so that nobody has to clear away a dead one's.

    Raises:
        UserError: another process is writing it; names the process. Or nothing can be written there.
    """
    path = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked_file(path, target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}. Choose another folder.") from error
    try:
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        if _is_at(handle, path):
            path.unlink(missing_ok=True)
        os.close(handle)


def _locked_file(path: Path, target: Path) -> int:
    """A handle of the locked file of that name."""
    import fcntl  # of Unix; all else of this package does without

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(handle, path):
                return handle
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace")
            os.close(handle)
            raise UserError(
                f"{target} is being written by another process{f' ({holder})' if holder else ''}. Wait until it has "
                "ended, or choose another place."
            ) from None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return handle
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    """Whether it is that file still, which whoever had the lock before may have removed."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
