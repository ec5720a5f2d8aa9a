"""report.html of an operator's run: what was trained on what, how well it does, and where it fails.

Everything is read from the run's folder; a piece that is not there is named in words on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sciml.core.figures import error_ridges, parity
from sciml.core.report import (
    Block,
    Column,
    Facts,
    Figures,
    Heading,
    Notes,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Svg,
    Table,
    Tile,
    Tiles,
    decimals_for,
    format_number,
    render_page,
)
from sciml.core.run_report import learning_section, reproduce_section
from sciml.core.runs import Run, write_text
from sciml.pde import report_words as words
from sciml.pde.drawing import error_by_time, field_map, profiles, spectra
from sciml.pde.report_data import Evidence, Shown, read_evidence

# of a split with many outputs the first are drawn
_MOST_OUTPUTS = 3
_RANKS = ("worst", "median", "best")


def write_report(run: Run) -> Path:
    """Write the run's report.html, whole or not at all, and return its path.

    Raises:
        UserError: the file cannot be written, or matplotlib is not installed.
    """
    write_text(run.report_file, render_page(build_page(read_evidence(run))))
    return run.report_file


def build_page(evidence: Evidence) -> Page:
    """The page of all sections, each with what the run's folder has of it."""
    remarks = words.notes(evidence)
    units = {name: shown.unit(name) for shown in evidence.predictions for name in shown.outputs}
    return Page(
        title=str(evidence.record.get("name") or evidence.run.path.name),
        kicker="Operator for a partial differential equation: training report",
        lead=words.lead(evidence),
        sections=[
            _errors_section(evidence),
            Section("Good to know", [Notes(remarks) if remarks else Paragraph("Nothing stood out.")]),
            *_time_sections(evidence),
            _fields_section(evidence),
            _distribution_section(evidence),
            _spectra_section(evidence),
            Section("What was trained on what", [Facts(words.facts(evidence))]),
            learning_section(evidence.log, evidence.best_epoch, units),
            reproduce_section(evidence.run, evidence.record, evidence.config),
        ],
        footer="Written by sciml. This page is one file: it fetches nothing, and can be mailed or printed as it is.",
    )


# ------------------------------------------------------------------------------------------------ scores


def _errors_section(evidence: Evidence) -> Section:
    if not evidence.splits:
        return Section("Errors", [Paragraph("This run has not been evaluated yet: there is no metrics.json.")])
    blocks: list[Block] = []
    for split, scores in evidence.splits.items():
        if isinstance(scores.get("all"), Mapping):
            blocks.append(Tiles(_tiles(split, scores)))
            blocks.append(_score_table(split, scores))
    blocks.append(
        Paragraph(
            "The relative L2 error of a sample is |prediction - truth| / |truth| over all its points, times and "
            "variables. That of low, mid and high waves is the part of it at 0 to 4, 5 to 12 and more waves per length "
            "of the domain. Baselines: `mean` is the mean of the training samples at each point; `persistence` "
            "repeats what is known; `linear` is the best linear map from input to output, with a ridge."
        )
    )
    return Section("Errors", blocks)


def _tiles(split: str, scores: Mapping[str, Any]) -> list[Tile]:
    ours = scores["all"]
    easy = {name: row["relative_l2_mean"] for name, row in scores.get("baselines", {}).items()}
    best = min(easy, key=lambda name: easy[name], default=None)
    tiles = [
        Tile(
            f"Relative L2 error, {split}",
            _percent(ours["relative_l2_mean"]),
            "%",
            f"{best} {_percent(easy[best])} %" if best is not None else "",
        ),
        Tile("Worst sample", _percent(ours["relative_l2_worst"]), "%", f"number {scores.get('worst_sample', '?')}"),
    ]
    if "seconds_per_sample" in ours:
        milliseconds = 1e3 * ours["seconds_per_sample"]
        shown = format_number(milliseconds, decimals_for([milliseconds]))
        tiles.append(Tile("Time of a prediction", shown, "ms", "a sample, on the machine that evaluated"))
    return tiles


def _score_table(split: str, scores: Mapping[str, Any]) -> Table:
    rows = [("surrogate", scores["all"], "total")]
    rows += [(name, row, "group") for name, row in scores.get("groups", {}).items()]
    rows += [(name, row, "baseline") for name, row in scores.get("baselines", {}).items()]
    keys = [key for key in scores["all"] if key not in {"n_samples", "seconds_per_sample"}]
    digits = {key: decimals_for([scores["all"].get(key)]) for key in keys}
    return Table(
        f"Errors on {split}, {scores['all'].get('n_samples', '?')} samples",
        [Column("Prediction"), *(_column(key) for key in keys)],
        [Row([name, *(Number(row.get(key), digits[key]) for key in keys)], kind) for name, row, kind in rows],
    )


def _column(key: str) -> Column:
    if key.endswith("_waves"):
        return Column(key.removeprefix("relative_l2_").removesuffix("_waves"), heading="of waves")
    if key.startswith("relative_l2_"):
        return Column(key.removeprefix("relative_l2_"), heading="Relative L2 error")
    name, _, unit = key.partition("_rmse")
    return Column(name, unit=unit.removeprefix("_"), heading="RMSE")


def _percent(value: float) -> str:
    return format_number(100 * value, decimals_for([100 * value]))


# ------------------------------------------------------------------------------------------------ figures


def _time_sections(evidence: Evidence) -> list[Section]:
    figures = []
    for split, scores in evidence.splits.items():
        by_time = scores.get("by_time")
        if isinstance(by_time, Mapping) and by_time.get("time"):
            svg = error_by_time(by_time["time"], by_time["relative_l2"], title=f"Error by time, {split}")
            figures.append((svg, "Relative L2 error of single frames, mean over samples."))
    return [Section("Error by time", [Figures(figures)])] if figures else []


def _fields_section(evidence: Evidence) -> Section:
    blocks: list[Block] = []
    for shown in evidence.predictions:
        for k, (number, error) in enumerate(zip(shown.samples, shown.errors, strict=True)):
            rank = _RANKS[k] if len(shown.samples) == len(_RANKS) else f"number {k + 1} from the worst"
            blocks.append(Heading(f"{shown.split}: sample {number}, the {rank}, error {_percent(error)} %"))
            # all times of the worst, the last of the others
            times = range(len(shown.times)) if k == 0 else [len(shown.times) - 1]
            blocks += [Figures(_field_figures(shown, k, t)) for t in times]
    return Section("Predicted and true fields", blocks or [Paragraph("There are no predictions yet.")])


def _field_figures(shown: Shown, k: int, t: int) -> list[tuple[Svg, str]]:
    figures: list[tuple[Svg, str]] = []
    when = f" at time {shown.times[t]:g}" if len(shown.times) > 1 else ""
    for channel, name in enumerate(shown.outputs[:_MOST_OUTPUTS]):
        truth, prediction = _plane(shown.truth[k, t, ..., channel]), _plane(shown.prediction[k, t, ..., channel])
        error, label = prediction - truth, shown.label(name)
        if truth.ndim == 1:
            x, axis = shown.coordinates[0], shown.axes[0]
            given = {n: shown.input_fields[k, ..., i] for i, n in enumerate(shown.inputs)}
            curves = {"truth": truth, "prediction": prediction}
            inputs = profiles(x, given, title="Input", axis=axis, label=", ".join(map(shown.label, given)))
            figures += [
                (inputs, "What the network is given."),
                (profiles(x, curves, title=f"{name}{when}", axis=axis, label=label), "Truth and prediction."),
                (profiles(x, {"error": error}, title="Error", axis=axis, label=label), "Prediction less truth."),
            ]
            continue
        low, high = float(truth.min()), float(truth.max())
        place = {"axes_names": shown.axes[:2], "coordinates": shown.coordinates[:2]}
        for title, values, limits in (
            ("Truth", truth, (low, high if high > low else low + 1)),
            ("Prediction", prediction, (low, high if high > low else low + 1)),
            ("Error", error, None),
        ):
            svg = field_map(values, title=f"{title}{when}", label=label, limits=limits, **place)
            figures.append((svg, "Prediction less truth." if limits is None else "Colours as the truth's."))
    return figures


def _plane(field: np.ndarray) -> np.ndarray:
    """Of a field in space, the plane in the middle of the last axis."""
    return field[..., field.shape[-1] // 2] if field.ndim == 3 else field


def _distribution_section(evidence: Evidence) -> Section:
    figures: list[tuple[Svg, str]] = []
    for shown in evidence.predictions:
        errors = {shown.split: shown.sample_errors}
        ridges = error_ridges(errors, title="Error of each sample", label="relative L2 error", logarithmic=True)
        figures.append((ridges, "How many samples have which error; the upright stroke is the median."))
        for channel, name in enumerate(shown.outputs[:_MOST_OUTPUTS]):
            unit = shown.unit(name)
            svg = parity(
                shown.points[0, :, channel].astype(float),
                shown.points[1, :, channel].astype(float),
                title=f"{name}, {shown.split}",
                quantity=name,
                unit=unit or "1",
                error_unit=unit,
            )
            figures.append((svg, f"{shown.points.shape[1]} points out of all samples and times."))
    return Section("Where the errors are", [Figures(figures)] if figures else [Paragraph("Nothing was predicted yet.")])


def _spectra_section(evidence: Evidence) -> Section:
    figures: list[tuple[Svg, str]] = []
    for shown in evidence.predictions:
        for channel, name in enumerate(shown.outputs[:_MOST_OUTPUTS]):
            predicted, truth, error = (shown.spectra[part, :, channel].astype(float) for part in range(3))
            powers = {"truth": truth, "prediction": predicted, "error": error}
            if truth[1:].max(initial=0.0) > 0:
                svg = spectra(powers, title=f"Power of {name}, {shown.split}")
                figures.append((svg, "Where the error meets the truth, the prediction knows nothing of the waves."))
    return Section("Spectra", [Figures(figures)] if figures else [Paragraph("Nothing was predicted yet.")])
