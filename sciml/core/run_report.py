"""The sections of a report that every domain has: how training went, and how to do it again."""

from __future__ import annotations

import csv
import math
import re
import shlex
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.core.figures import Curve, learning_curves
from sciml.core.plain_yaml import dump_yaml
from sciml.core.report import Block, Code, Details, Figures, Paragraph, Section, Svg
from sciml.core.runs import Run

_COLUMN = re.compile(r"(train|validation)_(.+?)(?:_(mae|rmse))?")
_MOST_POINTS_OF_A_CURVE = 400

Log = dict[str, NDArray[np.float64]]


def read_log(path: Path) -> Log:
    """The columns of a run's log.csv as numbers; NaN where a cell is blank or no number. Empty without a log.

    Raises:
        UserError: the file is not text.
    """
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} should be a table of comma separated values, but cannot be read: {error}.") from None
    columns = [name for name in (rows[0] if rows else {}) if name]
    return {name: np.array([_number(row[name]) for row in rows]) for name in columns}


def best_epoch(log: Log) -> float | None:
    """The epoch with the lowest validation score, None if the log has no such column."""
    if "validation_score" not in log or "epoch" not in log:
        return None
    epoch, score = log["epoch"], log["validation_score"]
    known = np.isfinite(epoch) & np.isfinite(score)
    return float(epoch[known][score[known].argmin()]) if known.any() else None


def learning_section(
    log: Log, best: float | None, units: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> Section:
    """The loss and its terms, each validated quantity with its MAE and RMSE, the score, and the learning rate.

    Args:
        log: columns as `sciml.train.logs` names them.
        best: the epoch to mark.
        units: quantity -> unit of its errors, for the columns `validation_<quantity>_mae` and `_rmse`.
        labels: title of a panel -> what its upright axis shows, where that is no error with a unit.
    """
    panels: dict[str, list[Curve]] = {}
    for name, column in log.items():
        title, label = _panel(name)
        curve = _curve(label, log.get("epoch", np.empty(0)), column)
        if title and curve is not None:
            panels.setdefault(title, []).append(curve)
    if not panels:
        return Section(
            "Learning curves", [Paragraph("There is no log of this training yet, so no curve can be drawn.")]
        )
    if "Learning rate" in panels:
        panels["Learning rate"] = panels.pop("Learning rate")  # last: the errors are what one looks for
    figures = [
        _figure(title, curves, units.get(title.lower(), ""), (labels or {}).get(title, ""), best)
        for title, curves in panels.items()
    ]
    blocks: list[Block] = []
    if all(len(curve.x) == 1 for curves in panels.values() for curve in curves):
        blocks.append(Paragraph("The log holds a single epoch, so each curve is one point."))
    if not any(name.startswith("validation_") for name in log):
        blocks.append(Paragraph("The log holds no validation values."))
    return Section("Learning curves", [*blocks, Figures(figures)])


def _panel(column: str) -> tuple[str, str]:
    """The panel that a column of the log belongs to and what its curve is called there; no panel for epoch and step.

    >>> _panel("train_loss"), _panel("train_forces"), _panel("validation_forces_mae"), _panel("step")
    (('Training loss', 'weighted sum'), ('Training loss', 'forces'), ('Forces', 'MAE'), ('', ''))
    """
    if column == "learning_rate":
        return "Learning rate", "learning rate"
    match = _COLUMN.fullmatch(column)
    if match is None:
        return "", ""
    kind, name, error = match.groups()
    words = name.replace("_", " ")
    if kind == "train":
        return "Training loss", "weighted sum" if name == "loss" else words
    return f"Validation {words}" if error is None else words.capitalize(), error.upper() if error else "validation"


def _figure(title: str, curves: list[Curve], unit: str, label: str, best: float | None) -> tuple[Svg, str]:
    if title == "Learning rate":
        return learning_curves(curves, title=title, unit=unit), "As the schedule set it."
    svg = learning_curves(curves, title=title, unit=unit or label, best=best)
    last = ", ".join(f"{curve.y[-1]:.3g} {'' if len(curves) == 1 else curve.label}".strip() for curve in curves)
    what = "Errors on the validation split. " if unit else ""
    return svg, f"{what}Last: {last}{f' ({unit})' if unit else ''}."


def unfinished_notes(record: Mapping[str, Any], finished: Container[str] = ("finished",)) -> list[str]:
    """A remark on a run whose training did not reach its end; none on others.

    >>> unfinished_notes({"status": "failed"})
    ['Training did not reach its end: run.json gives the status “failed”.']
    """
    status = record.get("status")
    if not status or str(status) in finished:
        return []
    return [f"Training did not reach its end: run.json gives the status “{status}”."]


def reproduce_section(run: Run, record: Mapping[str, Any], config: Mapping[str, Any]) -> Section:
    """The command that made the run, those that score it again, and the whole configuration."""
    command = record.get("command")
    blocks: list[Block] = []
    if command:
        lines = shlex.join(map(str, command)) if isinstance(command, list) else str(command)
        where = shlex.quote(str(_relative(run.path)))
        blocks.append(Code(f"{lines}\nsciml evaluate {where}\nsciml report {where}"))
    else:
        blocks.append(Paragraph("The run does not record the command that started it."))
    versions = record.get("versions")
    if isinstance(versions, Mapping) and versions:
        blocks.append(
            Paragraph("Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")
        )
    if config:
        blocks.append(Details("The whole configuration (config.yaml)", [Code(dump_yaml(config))]))
    return Section("Reproduce", blocks)


def machine_text(machine: object) -> str:
    """run.json's `machine` in words."""
    if not isinstance(machine, Mapping):
        return str(machine or "")
    cores = f"{machine['cores']} cores" if machine.get("cores") else ""
    return ", ".join(str(part) for part in (machine.get("processor"), cores, machine.get("system")) if part)


def _number(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return math.nan


def _curve(label: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve | None:
    """The finite points of a column, averaged down to a number that the page can carry."""
    if len(x) != len(y):
        return None
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(x):
        return None
    if len(x) > _MOST_POINTS_OF_A_CURVE:
        parts = np.array_split(np.arange(len(x)), _MOST_POINTS_OF_A_CURVE)
        x, y = (np.array([values[part].mean() for part in parts]) for values in (x, y))
    return Curve(label, x, y)


def _relative(path: Path) -> Path:
    absolute, here = path.resolve(), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else path
