"""Extremes by quantile of the climatology, and rain by amount: SEDI, frequency bias, ETS, CSI, SEEPS, FSS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sciml.core.report import Block, Column, Details, Figures, Heading, Paragraph, Row, Section, Svg, Table
from sciml.weather.scorecard.charts import Line, line_chart
from sciml.weather.scorecard.distributions import event_text
from sciml.weather.scorecard.overview import number
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.skill import lead_chart, model_lines

Array = NDArray[np.float64]

_EXTREME_SCORES = (
    ("SEDI", "sedi"),
    ("EDI", "edi"),
    ("Hit rate", "hit_rate"),
    ("False alarm rate", "false_alarm_rate"),
    ("Base rate", "base_rate"),
    ("Frequency bias", "frequency_bias"),
)
_RAIN_SCORES = (("ETS", "ets"), ("CSI", "csi"))
_MOST_LEADS = 5


def extremes_section(results: Results) -> Section | None:
    """Exceedance of quantiles; None where there is none."""
    region = results.region
    blocks: list[Block] = []
    for field in results.fields:
        scores = {
            name: results.get(name, model=results.forecast, field=field, region=region) for _, name in _EXTREME_SCORES
        }
        if all(values is None for values in scores.values()):
            continue
        figures = [
            *_by_event(results, "SEDI", "sedi", field, region, "quantile", event_text, None),
            *_by_event(results, "Frequency bias", "frequency_bias", field, region, "quantile", event_text, 1.0),
        ]
        blocks.append(Heading(field))
        if figures:
            blocks.append(Figures(figures))
        table = _event_table(results, field, region, _EXTREME_SCORES, "quantile", event_text)
        blocks.append(Details(f"Numbers of {field}", [table]) if figures else table)
    if not blocks:
        return None
    lead = Paragraph(
        "Going above a high quantile, or below a low one, of the local climatology. SEDI (symmetric extremal "
        "dependence index) is 1 for a perfect forecast and 0 for a random one, and keeps its meaning for rare events. "
        "A frequency bias above 1 is crying wolf. Baselines are dashed; one that never forecasts the event has no SEDI."
    )
    return Section("Extremes", [lead, *blocks])


def rain_section(results: Results) -> Section | None:
    """Rain by amount; None where nothing was scored by amount."""
    region = results.region
    unit = results.unit_of("threshold") or "mm"

    def amount(threshold: float) -> str:
        return f"≥ {threshold:g} {unit}"

    figures: list[tuple[Svg, str]] = []
    tables: list[Block] = []
    for field in results.fields:
        for title, name in _RAIN_SCORES:
            figures += _by_event(results, title, name, field, region, "threshold", amount, None)
        if any(
            results.get(name, model=results.forecast, field=field, region=region) is not None
            for _, name in _RAIN_SCORES
        ):
            tables.append(_event_table(results, field, region, _RAIN_SCORES, "threshold", amount))
    if (
        "seeps" in results.scores
        and len(results.leads.hours) > 1
        and (lines := model_lines(results, "seeps", "", region))
    ):
        figures.append(
            (
                lead_chart(results, lines, "SEEPS", "SEEPS"),
                "Error in the categories dry, light and heavy; 0 is perfect.",
            )
        )
    figures += _fractions(results, amount)
    tables += _fractions_table(results, amount)
    if not (figures or tables):
        return None
    lead = Paragraph(
        "ETS (equitable threat score) counts hits less those by chance, CSI (critical success index) all hits; both "
        "are 1 for a perfect forecast. FSS (fractions skill score) compares the share of wet grid boxes in "
        "neighbourhoods, so that rain a little beside its place still counts."
    )
    blocks: list[Block] = [lead]
    if figures:
        blocks.append(Figures(figures))
    return Section("Rain", [*blocks, Details("Numbers of rain", tables)] if tables and figures else [*blocks, *tables])


def _by_event(
    results: Results,
    title: str,
    name: str,
    field: str,
    region: str,
    dim: str,
    text: Callable[[float], str],
    level: float | None,
) -> list[tuple[Svg, str]]:
    """A chart over lead time, one colour an event; the first baseline dashed."""
    if len(results.leads.hours) < 2:
        return []
    lines = []
    for model, dash in zip(results.models[:2], ("solid", "dashed"), strict=False):
        values = results.get(name, model=model, field=field, region=region)
        if values is None:
            continue
        for place, event in enumerate(results.coordinate(dim)):
            if np.isfinite(values[place]).any():
                short = text(float(event)).removesuffix(" quantile")
                label = short if dash == "solid" else f"{model}, {short}"
                lines.append(Line(label, results.leads.values, values[place], place, dash))
    if not lines:
        return []
    chart = lead_chart(results, lines, f"{title} of {field}", title, level)
    return [(chart, f"{title} of {field} by event; solid: {results.forecast}.")]


def _event_table(
    results: Results,
    field: str,
    region: str,
    scores: Sequence[tuple[str, str]],
    dim: str,
    text: Callable[[float], str],
) -> Table:
    shown = [
        (title, model, values)
        for title, name in scores
        for model in results.models
        if (values := results.get(name, model=model, field=field, region=region)) is not None
    ]
    columns = [Column("Event"), Column("Lead time"), *(Column(model, heading=title) for title, model, _ in shown)]
    rows = [
        Row([text(float(event)), results.leads.texts[i], *(number(values[k], i, 3) for _, _, values in shown)])
        for k, event in enumerate(results.coordinate(dim))
        for i in results.leads.chosen(_MOST_LEADS)
    ]
    rows = [row for row in rows if any(getattr(cell, "value", None) is not None for cell in row.cells)]
    return Table(f"Events of {field}", columns, rows)


def _fractions(results: Results, amount: Callable[[float], str]) -> list[tuple[Svg, str]]:
    """FSS against the width of the neighbourhood, at a middle lead time."""
    values = results.get("fss", model=results.forecast)
    if values is None or results.scores.sizes["scale"] < 2:
        return []
    chosen = results.leads.chosen(3)
    at = chosen[len(chosen) // 2]
    scale, unit = results.coordinate("scale"), results.unit_of("scale") or "grid boxes"
    lines = [
        Line(amount(float(threshold)), scale, values[k, :, at], k)
        for k, threshold in enumerate(results.coordinate("threshold"))
        if np.isfinite(values[k, :, at]).any()
    ]
    if not lines:
        return []
    text = results.leads.texts[at]
    svg = line_chart(
        lines,
        title=f"FSS of rain, {text}",
        x_label=f"width of the neighbourhood ({unit})",
        y_label="FSS",
        alt=f"Fractions skill score of rain at {text} against the width of the neighbourhood:",
    )
    return [(svg, "Fractions skill score; 1 is perfect.")]


def _fractions_table(results: Results, amount: Callable[[float], str]) -> list[Table]:
    shown = [(m, v) for m in results.models if (v := results.get("fss", model=m)) is not None]
    if not shown:
        return []
    unit = results.unit_of("scale") or "grid boxes"
    rows = [
        Row([amount(float(t)), f"{s:g}", results.leads.texts[i], *(number(v[k, j], i, 3) for _, v in shown)])
        for k, t in enumerate(results.coordinate("threshold"))
        for j, s in enumerate(results.coordinate("scale"))
        for i in results.leads.chosen(3)
    ]
    columns = [
        Column("Amount"),
        Column("Width", unit),
        Column("Lead time"),
        *(Column(m, heading="FSS") for m, _ in shown),
    ]
    return [Table("Fractions skill score", columns, rows)]
