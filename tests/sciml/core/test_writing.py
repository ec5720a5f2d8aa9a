"""What is written is there as a whole or not at all, and by one process at a time."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sciml.core.errors import UserError
from sciml.core.writing import locked, replaced

HOLD = """
import sys, time
from pathlib import Path
from sciml.core.writing import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_a_file(tmp_path: Path):
    place = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        with replaced(place) as temporary:
            temporary.write_text(text)
            assert not place.exists() or place.read_text() == "one"
        assert place.read_text() == text
    assert names(place.parent) == ["a.txt"]


def test_a_folder_takes_the_place_of_a_folder_or_a_file(tmp_path: Path):
    (tmp_path / "a.zarr").write_text("a file")
    for text in ("one", "two"):
        with replaced(tmp_path / "a.zarr") as temporary:
            temporary.mkdir()
            (temporary / text).touch()
        assert names(tmp_path / "a.zarr") == [text]
    assert names(tmp_path) == ["a.zarr"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "precious").touch()
    with pytest.raises(UserError, match="cannot write"), replaced(tmp_path / "a") as temporary:
        temporary.touch()
    assert names(tmp_path / "a") == ["precious"]
    assert names(tmp_path) == ["a"]


def fail(place: Path, error: Exception) -> None:
    with replaced(place) as temporary:
        temporary.write_text("half")
        raise error


def test_what_goes_wrong_leaves_what_was_there(tmp_path: Path):
    (tmp_path / "a").write_text("old")
    for error, said in ((OSError(28, "No space left on device"), "No space left"), (ValueError("odd"), "odd")):
        with pytest.raises((UserError, ValueError), match=said):
            fail(tmp_path / "a", error)
        assert (tmp_path / "a").read_text() == "old"
        assert names(tmp_path) == ["a"]


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path):
    output = tmp_path / "out.zarr"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=rf"out\.zarr is being written by .*process {other.pid} on"), locked(output):
            pass
        # killed, it cannot remove its lock, which is in nobody's way
        os.kill(other.pid, signal.SIGKILL)
    assert names(tmp_path) == [".out.zarr.lock"]
    with locked(output):
        assert names(tmp_path) == [".out.zarr.lock"]
    assert names(tmp_path) == []


def test_a_lock_ends_with_an_error_too(tmp_path: Path):
    for _ in range(2):
        with pytest.raises(ValueError, match="mine"), locked(tmp_path / "a"):
            raise ValueError("mine")
    assert names(tmp_path) == []


def test_a_lock_file_that_its_owner_removes_in_between_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flock, path, calls = fcntl.flock, tmp_path / ".a.lock", 0

    def late(handle: int, operation: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            path.unlink()
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(tmp_path / "a"):
        assert calls == 2
        assert path.read_text().startswith(f"process {os.getpid()} on ")
    assert names(tmp_path) == []
