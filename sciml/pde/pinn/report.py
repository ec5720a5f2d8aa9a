"""report.html of a physics-informed network: its errors, what a conventional solver would take, and how it was trained.

Everything is read from the run's folder; a piece that is not there is named in words on the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sciml.core.report import (
    Block,
    Column,
    Facts,
    Notes,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Table,
    Tile,
    Tiles,
    format_power,
    render_page,
)
from sciml.core.run_report import Log, learning_section, reproduce_section
from sciml.core.runs import Run, write_text
from sciml.pde.pinn import report_words as words
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.report_data import Evidence, read_evidence
from sciml.pde.pinn.report_figures import maps_section, profiles_section
from sciml.pde.pinn.report_words import shown_unit

# of fields
_MOST_TILES = 3
_LOG_LABELS = {"Training loss": "weighted mean of squared residuals", "Residual": "root of the mean square"}


def write_report(run: Run, config: PinnExperiment) -> Path:
    """Write the run's report.html, whole or not at all, and return its path.

    Raises:
        UserError: the file cannot be written, or matplotlib is not installed.
    """
    write_text(run.report_file, render_page(build_page(read_evidence(run), config)))
    return run.report_file


def build_page(evidence: Evidence, config: PinnExperiment) -> Page:
    """The page of all sections, each with what the run's folder has of it."""
    remarks, space = words.notes(evidence), config.space
    return Page(
        title=str(evidence.record.get("name") or evidence.run.path.name),
        kicker="Physics-informed network: training report",
        lead=words.lead(evidence, config),
        sections=[
            _errors_section(evidence, config),
            _solver_section(evidence),
            Section("Good to know", [Notes(remarks) if remarks else Paragraph("Nothing stood out.")]),
            *([maps_section(evidence, space)] if len(space.coordinates) > 1 else []),
            profiles_section(evidence, space),
            Section("What was trained", [Facts(words.facts(evidence, config))]),
            learning_section(_shown_log(evidence, config), evidence.best_epoch, {}, _log_labels(config)),
            reproduce_section(evidence.run, evidence.record, evidence.config),
        ],
        footer="Written by sciml. This page is one file: it fetches nothing, and can be mailed or printed as it is.",
    )


def _shown_log(evidence: Evidence, config: PinnExperiment) -> Log:
    """Without the score, which is the residual, and a rate that the optimiser does not ask for."""
    unused = {"validation_score", *(["learning_rate"] if config.train.is_second_order else [])}
    return {name: column for name, column in evidence.log.items() if name not in unused}


def _log_labels(config: PinnExperiment) -> dict[str, str]:
    unknowns = {
        f"Validation {name.replace('_', ' ')}": words.with_unit_of(name, config.space.unit(name))
        for name in config.equation.unknowns
    }
    return {**_LOG_LABELS, **unknowns}


# ------------------------------------------------------------------------------------------------ scores


def _errors_section(evidence: Evidence, config: PinnExperiment) -> Section:
    if not evidence.splits:
        return Section("Errors", [Paragraph("This run has not been evaluated yet: there is no metrics.json.")])
    blocks: list[Block] = []
    for split, scores in evidence.splits.items():
        blocks.append(Tiles(_tiles(split, scores, config)))
        blocks += _tables(split, scores, config)
    blocks.append(
        Paragraph(
            "The relative L2 error of a field is |network − reference| / |reference| over all points of the grid. A "
            "residual is what the equation or a condition leaves, in its own unit, on points drawn anew; that it is "
            "small does not say how far the solution is. A drift is the largest change in time of an integral that "
            "should not change, in units of its size."
        )
    )
    return Section("Errors", blocks)


def _tiles(split: str, scores: Mapping[str, Any], config: PinnExperiment) -> list[Tile]:
    ours = scores["all"]
    found = [
        Tile(f"Relative L2 error of {name}", format_power(ours[f"{name}_relative_l2"]), "", split)
        for name in config.space.outputs
        if f"{name}_relative_l2" in ours
    ][:_MOST_TILES]
    found += [
        Tile(name, f"{ours[name]:.6g}", shown_unit(config.space.unit(name)), "found from observations")
        for name in config.equation.unknowns
        if name in ours
    ]
    if not found and "equation_rms" in ours:
        found = [Tile("Residual of the equation", format_power(ours["equation_rms"]), "", "root of the mean square")]
    if "training_seconds" in ours:
        found.append(Tile("Training", words.time_text(ours["training_seconds"]), "", ""))
    if "conventional_solver_seconds" in ours:
        remark = "of the same accuracy"
        found.append(Tile("Conventional solver", words.time_text(ours["conventional_solver_seconds"]), "", remark))
    return found


def _tables(split: str, scores: Mapping[str, Any], config: PinnExperiment) -> Iterator[Table]:
    ours, space = scores["all"], config.space
    compared = [name for name in space.outputs if f"{name}_largest_error" in ours]
    if compared:
        rows = [
            Row(
                [
                    name,
                    _number(ours.get(f"{name}_relative_l2")),
                    _number(ours[f"{name}_largest_error"]),
                    shown_unit(space.unit(name)) or "1",
                ]
            )
            for name in compared
        ]
        columns = [Column("Field"), Column("relative L2 error"), Column("largest error"), Column("its unit")]
        yield Table(f"Errors, {split}, against: {scores.get('reference', 'a reference')}", columns, rows)
    groups = (
        {name: one for name, one in scores.get("groups", {}).items() if f"{compared[0]}_relative_l2" in one}
        if compared
        else {}
    )
    if groups:
        columns = [Column("Parameters"), *(Column(f"relative L2 error of {name}") for name in compared)]
        rows = [Row([name, *(_number(one.get(f"{f}_relative_l2")) for f in compared)]) for name, one in groups.items()]
        yield Table(f"Errors of each solution, {split}", columns, rows)
    unknowns = [name for name in config.equation.unknowns if name in ours]
    if unknowns:
        intervals = scores.get("intervals", {})
        rows = []
        for name in unknowns:
            low, high = intervals.get(name, (None, None))
            unit = shown_unit(space.unit(name)) or "1"
            rows.append(Row([name, f"{ours[name]:.6g}", _interval(low, high), unit]))
        columns = [Column("Unknown constant"), Column("found"), Column("95 % interval"), Column("unit")]
        yield Table(f"Constants that were found, {split}", columns, rows)
    for kind, caption, title in (
        ("_rms", "Residuals, root of the mean square", "Term"),
        ("_drift", "Drifts of conserved quantities, in units of their size", "Quantity"),
    ):
        rows = [Row([key.removesuffix(kind), _number(value)]) for key, value in ours.items() if key.endswith(kind)]
        if rows:
            yield Table(f"{caption}, {split}", [Column(title), Column(kind.strip("_"))], rows)


def _number(value: float | None) -> Number:
    return Number(value, in_powers=True)


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.6g} to {high:.6g}"


def _solver_section(evidence: Evidence) -> Section:
    blocks: list[Block] = []
    for split, scores in evidence.splits.items():
        solver, ours = scores.get("conventional"), scores["all"]
        if not isinstance(solver, Mapping):
            continue
        worst = max((v for k, v in ours.items() if k.endswith("_relative_l2")), default=None)
        rows = [Row(["this network, training", "", _number(ours.get("training_seconds")), _number(worst)], "total")]
        if "seconds" in solver:
            setting = ", ".join(f"{name} {value:g}" for name, value in solver.get("setting", {}).items()) or "as it is"
            times = [_number(solver["seconds"]), _number(solver.get("error"))]
            rows.append(Row([str(solver.get("method")), setting, *times], "baseline"))
        columns = [Column("Method"), Column("setting"), Column("wall time", "s"), Column("relative L2 error")]
        blocks += [Table(f"For the same accuracy, {split}", columns, rows), Paragraph(words.advice(ours, solver))]
    nothing = (
        "The experiment names no conventional solver to compare with (`reference.solver`). For one solution of known "
        "constants and conditions, try one before a network: it is usually faster."
    )
    return Section("When not to use a network", blocks or [Paragraph(nothing)])
