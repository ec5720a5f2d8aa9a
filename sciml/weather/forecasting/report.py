"""report.html of a forecasting run: errors by lead time beside the baselines, and how training went."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sciml.core.report import (
    Block,
    Column,
    Facts,
    Link,
    Links,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Table,
    decimals_for,
    render_page,
)
from sciml.core.run_report import best_epoch, learning_section, machine_text, read_log, reproduce_section
from sciml.core.runs import Run, write_text
from sciml.weather.forecasting.rolling import blown_up_text
from sciml.weather.forecasting.verification import UNIT_WORDS

_SCORE = re.compile(r"(.+)_(day|hour)_([0-9.]+)_(rmse|acc)(?:_(.+))?")


def write_report(run: Run) -> Path:
    """Writes the run's report.html, whole or not at all, and returns its path.

    Raises:
        UserError: a file of the run is damaged, or the page cannot be written.
    """
    record, log = run.record(), read_log(run.log_file)
    sections = [_errors_section(run, split, scores) for split, scores in run.scores().items()]
    if not sections:
        sections = [Section("Errors", [Paragraph("This run has not been evaluated yet: there is no metrics.json.")])]
    page = Page(
        title=str(record.get("name") or run.path.name),
        kicker="Weather forecasting: training report",
        lead="",
        sections=[
            *sections,
            Section("What was trained", [Facts(_facts(record))]),
            learning_section(log, best_epoch(log), {}),
            reproduce_section(run, record, run.config()),
        ],
        footer="Written by sciml. This page is one file: it fetches nothing, and can be mailed or printed as it is.",
    )
    write_text(run.report_file, render_page(page))
    return run.report_file


def _errors_section(run: Run, split: str, scores: dict[str, Any]) -> Section:
    """Errors by field and lead time, of the model and of the baselines."""
    baselines = scores.get("baselines", {})
    columns = {"this model": scores["all"], **baselines}
    kinds = {name: _parsed(name) for name in scores["all"]}
    blocks: list[Block] = []
    for kind, caption in (("rmse", "Root mean square error, whole globe"), ("acc", "Anomaly correlation, whole globe")):
        names = [name for name, (_, _, found, _) in kinds.items() if found == kind]
        if not names:
            continue
        rows = [
            Row([f"{field} ({unit})" if unit else field, lead, *(_number(one.get(name)) for one in columns.values())])
            for name in names
            for field, lead, _, unit in [kinds[name]]
        ]
        blocks.append(Table(caption, [Column("Field"), Column("Lead time"), *(Column(name) for name in columns)], rows))
    forecasts, lost = scores.get("forecasts", "?"), scores.get("blown_up", [])
    blocks.append(Paragraph(f"{forecasts} forecasts, evenly spread over the period."))
    if lost:
        blocks.append(Paragraph(blown_up_text(lost, forecasts)))
    blocks += _power_blocks(scores.get("power")) + _free_run_blocks(scores.get("free_run"))
    card = run.path / "scorecards" / split / "index.html"
    if card.is_file():
        address = str(card.relative_to(run.path))
        blocks.append(Links([Link("The whole scorecard: regions, maps, spectra, extremes", address)]))
    return Section(f"Errors, {split} period", blocks)


def _power_blocks(power: dict[str, Any] | None) -> list[Block]:
    """The forecast's power over the truth's, by field."""
    if not power:
        return []
    caption = f"Power over the truth's after {power['lead_hours']} h, zonal wavenumbers 1 to {power['most_waves']}"
    rows = [
        Row([field, Number(one["least"], 2), Number(one["most"], 2)]) for field, one in sorted(power["ratios"].items())
    ]
    return [Table(caption, [Column("Field"), Column("Least"), Column("Most")], rows)]


def _free_run_blocks(found: dict[str, Any] | None) -> list[Block]:
    """How a long roll-out's climate differs from the truth's, by field."""
    if not found:
        return []
    days, lost = found["days"], found["blown_up_days"]
    text = f"One roll-out of {days:g} days stayed within the range of the training climate."
    if lost is not None:
        text = f"One roll-out of {days:g} days left the range of the training climate after {lost:g}: "
        text += f"{found['blown_up_text']}."
    names = ("mean_shift_percent", "pattern_shift_percent", "variability_percent")
    columns = ("Field", "Shift of the global mean (%)", "Shift of the mean, each point (%)", "Variability (%)")
    rows = [Row([field, *(Number(one[name], 1) for name in names)]) for field, one in found.get("fields", {}).items()]
    caption = "Its climate: shifts over the truth's standard deviation, standard deviation in time over the truth's"
    return [Paragraph(text), *([Table(caption, [Column(name) for name in columns], rows)] if rows else [])]


def _parsed(name: str) -> tuple[str, str, str, str]:
    """Field, lead time, kind and unit of a score's name.

    >>> _parsed("z500_day_3_rmse_m2_s2"), _parsed("t2m_hour_20_acc")
    (('z500', '3 d', 'rmse', 'm2 s-2'), ('t2m', '20 h', 'acc', ''))
    """
    match = _SCORE.fullmatch(name)
    if match is None:
        return name, "", "", ""
    field, what, number, kind, unit = match.groups(default="")
    return field, f"{number} {what[0]}", kind, UNIT_WORDS.get(unit, unit)


def _number(value: float | None) -> Number:
    return Number(value, decimals_for([value]))


def _facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("Machine", machine_text(record.get("machine"))),
        ("Parameters", f"{record['parameters']:,}" if "parameters" in record else ""),
        ("Minutes", f"{record['seconds'] / 60:.0f}" if "seconds" in record else ""),
        ("Epochs", str(record.get("epochs", ""))),
        ("Ended by", str(record.get("stopped", ""))),
    ]
    return [(name, text) for name, text in facts if text]
