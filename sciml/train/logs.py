"""What a run leaves to look at: log.csv with a row an epoch, and TensorBoard's event files."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from sciml.core.checkpoint import disk_errors
from sciml.core.runs import write_text

Row = Mapping[str, float | int]


class CsvLog:
    """log.csv: epoch, step, seconds, learning_rate, train_<loss>, validation_<metric>, validation_score.

    Numbers are written in full. A row that lacks a column, as one without validation, has nothing there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []
        self.columns: list[str] = []

    def start(self, step: int) -> None:
        """Keeps the rows up to a step, from which a resumed run goes on, and drops any later or cut one."""
        self.rows, self.columns = [], []
        if step and self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self.columns = list(reader.fieldnames or [])
                complete = [row for row in reader if None not in row.values() and None not in row]
            self.rows = [row for row in complete if row.get("step", "").isdigit() and int(row["step"]) <= step]
        self._write_all()

    def add(self, row: Row) -> None:
        values = {name: repr(value) for name, value in row.items()}
        self.rows.append(values)
        new = [name for name in values if name not in self.columns]
        if new:
            self.columns += new
            self._write_all()
        else:
            with disk_errors(self.path), self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(self._text([values]))

    def _write_all(self) -> None:
        header = ",".join(self.columns) + "\n" if self.columns else ""
        write_text(self.path, header + self._text(self.rows))

    def _text(self, rows: list[dict[str, str]]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self.columns, restval="", lineterminator="\n").writerows(rows)
        return text.getvalue()


class TensorBoardLog:
    """Curves for TensorBoard: train/<loss> by step, validation/<metric> by an epoch's last step.

    Written here and now, not in a thread as torch's SummaryWriter does, whose errors come late and elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: BinaryIO | None = None

    def start(self, step: int) -> None:
        """Opens a new event file; TensorBoard hides what earlier ones have after `step`."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / f"events.out.tfevents.{time.time_ns()}").open("wb")
        self._write(file_version="brain.Event:2")
        if step:
            self._write(step=step + 1, session_log={"status": "START"})

    def add(self, values: Row, step: int) -> None:
        """Adds a point to each of some curves; a value that does not exist (NaN: data without stress) adds none."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._write(step=step, summary={"value": [{"tag": name, "simple_value": x} for name, x in finite.items()]})

    def close(self) -> None:
        """Ends the file; closing one that was never opened, or again, does nothing."""
        if self._file is not None:
            with disk_errors(self.folder):
                self._file.close()
            self._file = None

    def _write(self, **event: object) -> None:
        from google.protobuf.json_format import ParseDict
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]  # made at import
        from tensorboard.summary.writer.record_writer import RecordWriter

        assert self._file is not None, "start comes before add"
        with disk_errors(self.folder):
            message = ParseDict({"wall_time": time.time(), **event}, Event())
            RecordWriter(self._file).write(message.SerializeToString())
            self._file.flush()
