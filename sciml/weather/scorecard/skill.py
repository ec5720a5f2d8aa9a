"""Scores over lead time: curves of one region for each field, and the numbers of all regions behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sciml.core.report import (
    Block,
    Column,
    Details,
    Figures,
    Heading,
    Number,
    Paragraph,
    Row,
    Section,
    Svg,
    Table,
    decimals_for,
)
from sciml.weather.scorecard.charts import Line, lead_ticks, line_chart
from sciml.weather.scorecard.overview import USEFUL_ACC, number
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.wording import with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

# title, variable, whether it has the field's unit, the level to compare with and its name
CURVES = (
    ("Bias", "bias", True, 0.0, ""),
    ("ACC", "acc", False, USEFUL_ACC, ""),
    ("CRPS", "crps", True, None, ""),
    ("Spread / error", "spread_skill_ratio", False, 1.0, ""),
    ("Activity", "activity", True, None, ""),
)
COLUMNS = (
    ("RMSE", "rmse", True),
    ("MAE", "mae", True),
    ("Bias", "bias", True),
    ("ACC", "acc", False),
    ("CRPS", "crps", True),
    ("Spread", "spread", True),
    ("Spread / error", "spread_skill_ratio", False),
)
# of an axis, beyond the first and the last lead time
_MARGIN = 0.05
_MOST_ROWS_FIRST, _MOST_ROWS_OTHERS = 12, 4


def skill_section(results: Results) -> Section | None:
    """None without any score."""
    region = results.region
    several = len(results.leads.hours) > 1
    blocks: list[Block] = []
    for field in results.fields:
        figures = _figures(results, field, region) if several else []
        table = _numbers(results, field)
        if not table.rows:
            continue
        blocks.append(Heading(with_unit(results.field_text(field), results.unit(field))))
        if figures:
            blocks.append(Figures(figures))
        blocks.append(Details(f"Numbers of {field}", [table]))
    if not blocks:
        return None
    if not several:
        return Section("All scores", blocks)
    whose = "global" if region == "global" else f"of the region {results.region_text(region)}"
    where = f"The curves are {whose}; the numbers below them are of all regions."
    return Section("Skill over lead time", [Paragraph(where), *blocks] if len(results.regions) > 1 else blocks)


def _figures(results: Results, field: str, region: str) -> list[tuple[Svg, str]]:
    figures = []
    if svg := _rmse(results, field, region):
        figures.append(svg)
    for title, name, has_unit, level, level_label in CURVES:
        if name in {"crps", "spread_skill_ratio"} and results.members == 1:
            continue
        lines = model_lines(results, name, field, region)
        if not lines or (name == "activity" and results.get("acc", field=field, region=region) is None):
            continue
        unit = results.unit(field) if has_unit else ""
        svg = lead_chart(results, lines, f"{title} of {field}", with_unit(title, unit), level, level_label)
        figures.append((svg, CAPTIONS[name]))
    return figures


CAPTIONS = {
    "bias": "Mean of forecast minus truth; the thin line is zero.",
    "acc": "Anomaly correlation with the climatology taken away; below the thin line at 0.6 a forecast is of little "
    "use.",
    "crps": "Continuous ranked probability score, fair to any number of members; lower is better.",
    "spread_skill_ratio": "Spread of the members over the error of their mean, without the part of it that comes from "
    "having few members; below the thin line at 1 an ensemble is too sure of itself, and a gap stands where that part "
    "is larger than the error itself.",
    "activity": "Standard deviation of the forecast's anomalies; a blurred forecast loses it.",
}


def _rmse(results: Results, field: str, region: str) -> tuple[Svg, str] | None:
    x = results.leads.values
    ours = results.get("rmse", model=results.forecast, field=field, region=region)
    if ours is None:
        return None
    lines, has_band = [], False
    for place, model in enumerate(results.models):
        values = results.get("rmse", model=model, field=field, region=region)
        if values is None:
            continue
        low, high = (results.get(name, model=model, field=field, region=region) for name in ("rmse_low", "rmse_high"))
        if place == 0 or low is None or high is None:
            lines.append(Line(model, x, values, place))
        else:
            has_band = True
            lines.append(Line(model, x, values, place, "dashed", ours + low, ours + high))
    spread = results.get("spread", model=results.forecast, field=field, region=region)
    if spread is not None:
        lines.append(Line("spread of the forecast", x, spread, 0, "dotted"))
    caption = "Root mean square error, area-weighted; the root is taken after the mean over the forecasts."
    if spread is not None:
        caption += " For an ensemble it is that of the members' mean; dotted, the spread of the members."
    if has_band:
        caption += (
            " A band is the 95 % interval of a baseline's difference to the forecast: where the forecast's curve lies "
            "in it, the difference is not significant."
        )
    return lead_chart(results, lines, f"RMSE of {field}", with_unit("RMSE", results.unit(field))), caption


def model_lines(results: Results, name: str, field: str, region: str) -> list[Line]:
    """One line a model over lead time, for those that have the score."""
    found = []
    for place, model in enumerate(results.models):
        values = results.get(name, model=model, field=field, region=region)
        if values is not None:
            found.append(Line(model, results.leads.values, values, place, "dashed" if place else "solid"))
    return found


def lead_chart(
    results: Results, lines: list[Line], title: str, y_label: str, level: float | None = None, level_label: str = ""
) -> Svg:
    """Curves over lead time, in days or hours."""
    leads = results.leads

    def ticks(axes: Axes) -> None:
        lead_ticks(axes, leads.values)
        # the same for all scores, also for one that some lead times lack
        margin = _MARGIN * float(np.ptp(leads.values))
        axes.set_xlim(leads.values.min() - margin, leads.values.max() + margin)

    return line_chart(
        lines,
        title=title,
        x_label=f"lead time ({leads.unit})",
        y_label=y_label,
        alt=f"{title} over lead time in {leads.unit}:",
        level=level,
        level_label=level_label,
        before=ticks,
    )


def _numbers(results: Results, field: str) -> Table:
    """Rows by region and lead time; columns by score and model, those that have any number."""
    regions = results.regions or [""]
    columns, keys = [Column("Region"), Column("Lead time")], []
    for title, name, has_unit in COLUMNS:
        for model in results.models:
            if results.get(name, model=model, field=field) is not None and (results.members > 1 or name != "crps"):
                columns.append(Column(model, heading=with_unit(title, results.unit(field) if has_unit else "")))
                keys.append((name, model))
    values = {(r, k): results.get(k[0], model=k[1], field=field, region=r) for r in regions for k in keys}
    digits = {key: decimals_for([v for r in regions for v in _list(values[r, key])]) for key in keys}
    rows = []
    for region in regions:
        shown = results.leads.chosen(_MOST_ROWS_OTHERS if rows else _MOST_ROWS_FIRST)
        for i in shown:
            cells: list[str | Number] = [results.region_text(region, field) or "all", results.leads.texts[i]]
            numbers = [number(values[region, key], i, digits[key]) for key in keys]
            if any(cell.value is not None for cell in numbers):
                rows.append(Row(cells + numbers))
    return Table(f"Scores of {field}; those of all lead times are in scores.nc", columns, rows)


def _list(values: Array | None) -> list[float]:
    return [] if values is None else values.ravel().tolist()
