"""Named events: a table of them on the index, and a page for each that the forecasts cover.

A case of scores.json may hold score rows, a series of truth and forecasts, a field on a region, and tracks; each is
drawn where it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sciml.core.figures import colour, draw, shortened
from sciml.core.report import (
    RAMP,
    Block,
    Column,
    Facts,
    Figures,
    Link,
    Links,
    Notes,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Svg,
    Table,
    decimals_for,
    format_number,
)
from sciml.weather.map_scales import difference_scale, field_scale
from sciml.weather.maps import draw_map, east_text, north_text
from sciml.weather.scorecard.charts import legend_below
from sciml.weather.scorecard.limits import time_text
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.tracks import OBSERVED, track_figures
from sciml.weather.scorecard.wording import decimals_within, floats, in_words, shown_unit, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Case = Mapping[str, Any]

FOLDER = "cases"
# more lines of one figure than this cannot be told apart
_MOST_LINES = 6
_PALEST = 4  # steps of the ramp from the darkest line
_HOURS_OF_TABLE = 72.0
EXPLAINED = {
    "RMSE over the event": "RMSE over the event: of the course below, which is one number over the region (its mean, "
    "or its highest or lowest value), at the times of the event that forecast and truth share.",
    "error of the extreme": "Error of the extreme: the course's highest value in the forecast less that in the truth; "
    "its lowest for freezes and cyclones.",
    "error of its time": "Error of its time: hours by which the forecast's extreme comes after the truth's, below zero "
    "before it.",
    "track error": f"Track error: mean distance from the position of {OBSERVED} at the same time.",
    "hit rate": f"Hit rate: share of the positions of {OBSERVED} near which the forecast has the storm; the errors of "
    "track, wind and pressure are of these alone, and absent where there are none.",
}
_DASH = (
    "A dash: no forecast of that lead time is valid in the event, or too little of the event to know its extreme; "
    "baselines have no tracks."
)


def page_name(case: Case) -> str:
    """The page's address, as the index writes it."""
    return f"{FOLDER}/{int(case['id'])}.html"


def cases_section(results: Results) -> Section | None:
    """None without cases."""
    cases = results.cases
    if not cases:
        return None
    covered = [case for case in cases if case.get("covered")]
    columns = [Column("Event"), Column("Kind"), Column("From"), Column("To"), Column("Region"), Column("Field")]
    columns.append(Column(f"Error of the extreme, {results.forecast}"))
    rows = [
        Row(
            [
                Link(str(case["title"]), page_name(case)),
                in_words(str(case["kind"])),
                time_text(case["start"])[:10],
                time_text(case["end"])[:10],
                _region(case),
                str(case.get("field") or "–"),
                _extreme(results, case),
            ]
        )
        for case in covered
    ]
    blocks: list[Block] = (
        [Table("Events within the forecasts, each with a page of its own", columns, rows)] if rows else []
    )
    if rows:
        blocks.append(
            Paragraph(
                "The error of the extreme is the forecast's highest value of the event less the truth's, or lowest for "
                "freezes and cyclones, of the field's one number over the region; of the lead time next to 3 days. A "
                "dash: forecasts of that lead time are valid in too little of the event to know its extreme."
            )
        )
    left = len(cases) - len(covered)
    if left:
        blocks.append(Paragraph(f"{left} of {len(cases)} events of the catalogue lie outside of the forecasts."))
    return Section("Named events", blocks)


def _extreme(results: Results, case: Case) -> str:
    """The forecast's error of the extreme at the lead time next to 3 days."""
    found = [
        row
        for row in case.get("rows") or []
        if row["model"] == results.forecast
        and row["name"] == "error of the extreme"
        and _value(row["score"]) is not None
    ]
    if not found:
        return "–"
    row = min(found, key=lambda row: abs(float(row["lead_hours"]) - _HOURS_OF_TABLE))
    factor, unit = shown_unit(str(case["field"]), str(row.get("unit") or ""))
    error = factor * float(row["score"])
    text = format_number(error, decimals_within(error, decimals_for([error])))
    return f"{text} {unit} at {results.leads.text(float(row['lead_hours']))}".replace(" ", "\u00a0")


def _region(case: Case) -> str:
    box = case.get("region")
    if not box:
        return "–"
    (south, north), (west, east) = box["latitude"], box["longitude"]
    return f"{north_text(south)} to {north_text(north)}, {east_text(west)} to {east_text(east)}"


_WHEN = "The time of the maps is the event's height in the truth: when the course above is at its extreme."


def case_page(results: Results, case: Case) -> Page:
    """The page of one event."""
    field = str(case.get("field") or "")
    factor, unit = shown_unit(field, str(case.get("unit") or ""))
    about = [
        ("Kind", in_words(str(case["kind"]))),
        ("From", time_text(case["start"])),
        ("To", time_text(case["end"])),
        ("Region", _region(case)),
    ]
    if field:
        about.append(("Field", with_unit(results.field_text(field), unit)))
    sections = [Section("The event", [Links([Link("All scores", "../index.html")]), Facts(about)])]
    if table := _rows(results, case):
        sections.append(Section("Scores", [table, Notes(_explained(case))]))
    if figure := _series(results, case, field, factor, unit):
        sections.append(Section("Course", [Figures([figure], wide=True)]))
    if maps := _maps(results, case, field, factor, unit):
        sections.append(Section("Maps", [Paragraph(_WHEN), Figures(maps)]))
    if tracks := track_figures(results, case):
        sections.append(Section("Tracks", tracks))
    if len(sections) == 1:
        sections.append(
            Section("Scores", [Paragraph("The forecasts cover the event, but nothing of it could be scored.")])
        )
    return Page(
        title=str(case["title"]),
        kicker=f"{in_words(str(case['kind']))}: a case of the scorecard of {results.forecast}",
        lead="One event is an example, not a score: how a forecast did here says little about how it does on the "
        "whole.",
        sections=sections,
        footer="Written by sciml. Coastlines: Natural Earth.",
    )


def _explained(case: Case) -> list[str]:
    names = {str(row["name"]) for row in case["rows"]}
    return [*(text for name, text in EXPLAINED.items() if name in names), _DASH]


def _rows(results: Results, case: Case) -> Table | None:
    """Scores by name and lead time, one column a model."""
    rows = case.get("rows") or []
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    field = str(case.get("field") or "")
    factors = {str(row["name"]): shown_unit(field, str(row.get("unit") or "")) for row in rows}
    values = {
        (str(r["model"]), str(r["name"]), float(r["lead_hours"])): _value(r.get("score"), factors[str(r["name"])][0])
        for r in rows
    }
    found = []
    for name, (_, unit) in factors.items():
        numbers = [v for (_, n, _), v in values.items() if n == name]
        # three digits of the largest, so that a row's numbers end at the same place
        digits = decimals_for([max((abs(v) for v in numbers if v is not None), default=0.0)])
        for hours in sorted({h for _, n, h in values if n == name}):
            cells: list[str | Number] = [with_unit(name, unit), results.leads.text(hours)]
            found.append(Row([*cells, *(_cell(values.get((m, name, hours)), digits) for m in models)]))
    columns = [Column("Score"), Column("Lead time"), *(Column(model) for model in models)]
    return Table("Scores of this event", columns, found) if found else None


def _cell(value: float | None, digits: int) -> Number:
    return Number(value, 0 if value == 0 else digits)


def _value(value: Any, factor: float = 1.0) -> float | None:
    return factor * float(value) if value is not None and np.isfinite(value) else None


# -------------------------------------------------------------------------------------------------------------- series


def _series(results: Results, case: Case, field: str, factor: float, unit: str) -> tuple[Svg, str] | None:
    """Truth and forecasts over time; the longer the lead time, the paler the line."""
    series = case.get("series")
    if not series or not series.get("times"):
        return None
    times = np.array([str(time)[:19] for time in series["times"]], "datetime64[s]")
    truth = factor * floats(series["truth"])
    by_lead = (series.get("forecasts") or {}).get(results.forecast) or {}
    leads = sorted((float(hours), factor * floats(values)) for hours, values in by_lead.items())
    step = max(1, -(-len(leads) // _MOST_LINES))
    shown = leads[::step]
    if not any(np.isfinite(values).any() for values in (truth, *(v for _, v in shown))):
        return None

    over_box = f", {series['over_box']} over the region" if series.get("over_box") else " over the region"
    title = f"{field}{over_box}"

    def paint(axes: Axes) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

        x = date2num(times)
        for place, (hours, values) in enumerate(shown):
            name = RAMP[-1 - round(place * _PALEST / max(1, len(shown) - 1))]
            label = f"{shortened(results.forecast)}, {results.leads.text(hours)} before"
            known = np.isfinite(values)  # a line through the values that there are
            axes.plot(x[known], values[known], color=colour(name), label="\u200b" + label, marker="o", markersize=3)
        known = np.isfinite(truth)
        axes.plot(x[known], truth[known], color=colour("ink"), linewidth=2, label="truth")
        begin, end = date2num(np.array([str(case[k])[:19] for k in ("start", "end")], "datetime64[s]"))
        axes.axvspan(begin, end, color=colour("orange"), alpha=0.12, linewidth=0, label="the event")
        locator = AutoDateLocator(maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_xlabel("valid time (UTC)")
        axes.set_ylabel(with_unit(field, unit))
        axes.set_title(title)
        legend_below(axes)

    known = truth[np.isfinite(truth)]
    span = f"between {known.min():.4g} and {known.max():.4g} {unit}" if len(known) else "unknown"
    alt = f"{title}, over time: the truth {span}, and {len(shown)} lead times of the forecast."
    caption = (
        "A dot is a forecast of one lead time, each begun at another time; a line joins those of the same lead time by "
        "the times that they are valid at."
    )
    return draw(paint, alt=alt, width_px=620, height_px=320), caption


# ---------------------------------------------------------------------------------------------------------------- maps


def _maps(results: Results, case: Case, field: str, factor: float, unit: str) -> list[tuple[Svg, str]]:
    """Truth, forecast and their difference on the event's region."""
    data = case.get("map")
    if not data:
        return []
    latitude, longitude = floats(data["latitude"]), floats(data["longitude"])
    found = {name: factor * floats(data[name]) for name in ("truth", "forecast") if data.get(name) is not None}
    found = {name: values for name, values in found.items() if np.isfinite(values).any()}
    if not found or min(len(latitude), len(longitude)) < 2:
        return []
    scale = field_scale(*found.values())
    when = f", {time_text(data['time'])}" if data.get("time") else ""
    ahead = f", {results.leads.text(float(data['lead_hours']))} ahead" if data.get("lead_hours") is not None else ""
    titles = {"truth": "Truth", "forecast": f"{shortened(results.forecast, 40)}{ahead}"}
    panels = [(titles[name], values, scale) for name, values in found.items()]
    if len(found) == 2 and np.isfinite(difference := found["forecast"] - found["truth"]).any():
        panels.append(("Forecast less truth", difference, difference_scale(difference)))
    alone = "" if "forecast" in found else " No forecast of the lead times above is valid at this time."
    maps = []
    for title, values, colours in panels:
        low, high = np.nanmin(values), np.nanmax(values)
        alt = f"Map of {field}, {title}: from {low:.4g} to {high:.4g} {unit}."
        svg = draw_map(values, latitude, longitude, title=f"{title}: {field}{when}", alt=alt, scale=colours, unit=unit)
        maps.append((svg, f"From {low:.4g} to {high:.4g} {unit}.{alone}".replace("-", "−")))
    return maps
