"""Named events: a table of them on the index, and a page for each that the forecasts cover.

A case of scores.json may hold score rows, a series of truth and forecasts, a field on a region, and tracks; each is
drawn where it is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.figures import colour, draw, shortened
from sciml.core.report import (
    RAMP,
    SERIES,
    Block,
    Column,
    Facts,
    Figures,
    Link,
    Links,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Svg,
    Table,
    decimals_for,
)
from sciml.weather.map_scales import difference_scale, field_scale
from sciml.weather.maps import Track, draw_map, east_text, north_text
from sciml.weather.projections import Bounds
from sciml.weather.scorecard.charts import legend_below
from sciml.weather.scorecard.limits import time_text
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.wording import in_words, plain_unit, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
Case = Mapping[str, Any]

FOLDER = "cases"
# more lines of one figure than this cannot be told apart
_MOST_LINES = 6
_MARGIN_DEG = 5.0
_PALEST = 4  # steps of the ramp from the darkest line


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
    rows = [
        Row(
            [
                Link(str(case["title"]), page_name(case)),
                in_words(str(case["kind"])),
                time_text(case["start"])[:10],
                time_text(case["end"])[:10],
                _region(case),
                str(case.get("field") or "–"),
            ]
        )
        for case in covered
    ]
    blocks: list[Block] = (
        [Table("Events within the forecasts, each with a page of its own", columns, rows)] if rows else []
    )
    left = len(cases) - len(covered)
    if left:
        blocks.append(Paragraph(f"{left} of {len(cases)} events of the catalogue lie outside of the forecasts."))
    return Section("Named events", blocks)


def _region(case: Case) -> str:
    box = case.get("region")
    if not box:
        return "–"
    (south, north), (west, east) = box["latitude"], box["longitude"]
    return f"{north_text(south)} to {north_text(north)}, {east_text(west)} to {east_text(east)}"


def case_page(results: Results, case: Case) -> Page:
    """The page of one event."""
    unit = plain_unit(str(case.get("unit") or ""))
    field = str(case.get("field") or "")
    about = [
        ("Kind", in_words(str(case["kind"]))),
        ("From", time_text(case["start"])),
        ("To", time_text(case["end"])),
        ("Region", _region(case)),
    ]
    if field:
        about.append(("Field", with_unit(field, unit)))
    sections = [Section("The event", [Links([Link("All scores", "../index.html")]), Facts(about)])]
    if table := _rows(results, case):
        sections.append(Section("Scores", [table]))
    if figure := _series(results, case, field, unit):
        sections.append(Section("Course", [Figures([figure], wide=True)]))
    if maps := _maps(results, case, field, unit):
        sections.append(Section("Maps", [Figures(maps)]))
    if tracks := _tracks(results, case):
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


def _rows(results: Results, case: Case) -> Table | None:
    """Scores by name and lead time, one column a model."""
    rows = case.get("rows") or []
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    names = list(dict.fromkeys((str(row["name"]), plain_unit(str(row.get("unit") or ""))) for row in rows))
    values = {(str(r["model"]), str(r["name"]), float(r["lead_hours"])): _value(r.get("score")) for r in rows}
    found = []
    for name, unit in names:
        numbers = [v for (_, n, _), v in values.items() if n == name]
        digits = decimals_for(numbers)
        for hours in sorted({h for _, n, h in values if n == name}):
            cells: list[str | Number] = [with_unit(name, unit), results.leads.text(hours)]
            found.append(Row([*cells, *(Number(values.get((m, name, hours)), digits) for m in models)]))
    columns = [Column("Score"), Column("Lead time"), *(Column(model) for model in models)]
    return Table("Scores of this event", columns, found) if found else None


def _value(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _floats(values: Any) -> Array:
    """A list of numbers, or of lists of them, with null as NaN."""
    return np.array(values, np.float64)


# -------------------------------------------------------------------------------------------------------------- series


def _series(results: Results, case: Case, field: str, unit: str) -> tuple[Svg, str] | None:
    """Truth and forecasts over time; the longer the lead time, the paler the line."""
    series = case.get("series")
    if not series or not series.get("times"):
        return None
    times = np.array([str(time)[:19] for time in series["times"]], "datetime64[s]")
    truth = _floats(series["truth"])
    by_lead = (series.get("forecasts") or {}).get(results.forecast) or {}
    leads = sorted((float(hours), _floats(values)) for hours, values in by_lead.items())
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
            axes.plot(x, values, color=colour(name), label="\u200b" + label, marker="o", markersize=3)
        axes.plot(x, truth, color=colour("ink"), linewidth=2, label="truth")
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
    return draw(paint, alt=alt, width_px=620, height_px=320), "The forecasts of each lead time, joined by valid time."


# ---------------------------------------------------------------------------------------------------------------- maps


def _maps(results: Results, case: Case, field: str, unit: str) -> list[tuple[Svg, str]]:
    """Truth, forecast and their difference on the event's region."""
    data = case.get("map")
    if not data:
        return []
    latitude, longitude = _floats(data["latitude"]), _floats(data["longitude"])
    found = {name: _floats(data[name]) for name in ("truth", "forecast") if data.get(name) is not None}
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
    maps = []
    for title, values, colours in panels:
        low, high = np.nanmin(values), np.nanmax(values)
        alt = f"Map of {field}, {title}: from {low:.4g} to {high:.4g} {unit}."
        svg = draw_map(values, latitude, longitude, title=f"{title}: {field}{when}", alt=alt, scale=colours, unit=unit)
        maps.append((svg, f"From {low:.4g} to {high:.4g} {unit}.".replace("-", "−")))
    return maps


# -------------------------------------------------------------------------------------------------------------- tracks


def _tracks(results: Results, case: Case) -> list[Block]:
    """The storm's way and how strong it was, in the truth and in forecasts from several initial times."""
    data = case.get("tracks")
    if not data or not data.get("truth"):
        return []
    forecasts = [f for f in data.get("forecasts") or [] if f.get("latitude")]
    step = max(1, -(-len(forecasts) // _MOST_LINES))
    named = [("truth", data["truth"], "ink")]
    named += [(f"from {time_text(f['initial_time'])}", f, SERIES[i]) for i, f in enumerate(forecasts[::step])]
    tracks = [_track(label, t, name, dashed=i > 0) for i, (label, t, name) in enumerate(named)]
    bounds = _around(tracks)
    corners = np.array([bounds.south, bounds.north]), np.array([bounds.west, bounds.east])
    svg = draw_map(
        None,
        *corners,
        title="Tracks",
        alt=f"Map of the storm's track in the truth and in {len(tracks) - 1} forecasts of {results.forecast}.",
        bounds=bounds,
        tracks=tracks,
    )
    figures = [(svg, "A dot at each time.")]
    for title, key, unit, factor in (
        ("Largest wind", "wind_m_s", "m s⁻¹", 1.0),
        ("Lowest pressure", "pressure_pa", "hPa", 0.01),
    ):
        if figure := _strength(named, title, key, unit, factor):
            figures.append(figure)
    return [Figures(figures)]


def _track(label: str, data: Mapping[str, Any], name: str, *, dashed: bool) -> Track:
    latitude, longitude = _floats(data["latitude"]), _floats(data["longitude"])
    known = np.isfinite(latitude) & np.isfinite(longitude)
    return Track(label, latitude[known], longitude[known], name, dashed)


def _strength(
    named: Sequence[tuple[str, Mapping[str, Any], str]], title: str, key: str, unit: str, factor: float
) -> tuple[Svg, str] | None:
    lines = [(label, t["times"], factor * _floats(t[key]), name) for label, t, name in named if t.get(key)]
    lines = [line for line in lines if np.isfinite(line[2]).any()]
    if not lines:
        return None

    def paint(axes: Axes) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

        for label, times, values, name in lines:
            x = date2num(np.array([str(time)[:19] for time in times], "datetime64[s]"))
            axes.plot(x, values, color=colour(name), linestyle="-" if name == "ink" else (0, (5, 2)), label=label)
        locator = AutoDateLocator(maxticks=6)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.set_xlabel("valid time (UTC)")
        axes.set_ylabel(with_unit(title.lower(), unit))
        axes.set_title(title)
        legend_below(axes)

    ends = "; ".join(f"{label} from {np.nanmin(v):.4g} to {np.nanmax(v):.4g}" for label, _, v, _ in lines)
    return draw(paint, alt=f"{title} over time in {unit}: {ends}."), f"{title} of the storm."


def _around(tracks: Sequence[Track]) -> Bounds:
    """The part of the globe that holds all tracks, with a margin, in longitudes that run on from the first point."""
    start = tracks[0].longitude[0]
    east = np.concatenate([(track.longitude - start + 180) % 360 - 180 for track in tracks]) + start
    north = np.concatenate([track.latitude for track in tracks])
    west = float(east.min()) - _MARGIN_DEG
    return Bounds(
        max(-90.0, float(north.min()) - _MARGIN_DEG),
        min(90.0, float(north.max()) + _MARGIN_DEG),
        west,
        min(float(east.max()) + _MARGIN_DEG, west + 360),
    )
