"""log.csv: whole rows, also after a run was killed in the middle of one, and on a full disk."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sciml.core.errors import UserError
from sciml.train.logs import CsvLog


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def log(tmp_path: Path) -> CsvLog:
    log = CsvLog(tmp_path / "log.csv")
    log.start(0)
    for epoch in (1, 2, 3):
        log.add({"epoch": epoch, "step": 10 * epoch, "train_loss": epoch / 3})
    return log


def test_numbers_are_written_in_full(log: CsvLog) -> None:
    assert log.path.read_text() == f"epoch,step,train_loss\n1,10,{1 / 3!r}\n2,20,{2 / 3!r}\n3,30,1.0\n"


def test_a_new_column_leaves_holes_above(log: CsvLog) -> None:
    log.add({"epoch": 4, "step": 40, "train_loss": 0.5, "validation_mae": 0.1})
    log.add({"epoch": 5, "step": 50, "train_loss": 0.5})
    assert [row["validation_mae"] for row in read(log.path)] == ["", "", "", "0.1", ""]


def test_a_resumed_run_has_the_rows_up_to_its_step(log: CsvLog) -> None:
    again = CsvLog(log.path)
    again.start(25)
    again.add({"epoch": 3, "step": 30, "train_loss": 7.0})
    assert [row["train_loss"] for row in read(log.path)] == [repr(1 / 3), repr(2 / 3), "7.0"]


@pytest.mark.parametrize("rest", ["4,4", "4,40", "4,", "4,40,0.5,9,9\n"])
def test_a_cut_row_is_dropped(log: CsvLog, rest: str) -> None:
    with log.path.open("a") as file:
        file.write(rest)
    again = CsvLog(log.path)
    again.start(40)
    assert [row["epoch"] for row in read(log.path)] == ["1", "2", "3"]


def test_a_new_run_forgets_an_old_log(log: CsvLog) -> None:
    CsvLog(log.path).start(0)
    assert log.path.read_text() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_full_disk(log: CsvLog) -> None:
    log.path.unlink()
    log.path.symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot write .*log\.csv: there is no space left on the disk"):
        log.add({"epoch": 4, "step": 40, "train_loss": 0.5})
