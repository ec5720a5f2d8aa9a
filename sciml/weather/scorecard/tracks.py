"""The tracks of a tropical cyclone: observed ones of IBTrACS, and those that the forecasts have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sciml.core.figures import colour, draw
from sciml.core.report import SERIES, Block, Figures, Svg
from sciml.weather.maps import Track, draw_map
from sciml.weather.projections import Bounds
from sciml.weather.scorecard.charts import legend_below
from sciml.weather.scorecard.limits import time_text
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.wording import floats, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# more lines of one figure than this cannot be told apart
_MOST_LINES = 6
_MARGIN_DEG = 5.0
OBSERVED = "IBTrACS"


def track_figures(results: Results, case: Mapping[str, Any]) -> list[Block]:
    """The storm's way and how strong it was, as observed and in forecasts from several initial times."""
    data = case.get("tracks")
    if not data or not data.get("truth"):
        return []
    forecasts = [f for f in data.get("forecasts") or [] if f.get("latitude")]
    step = max(1, -(-len(forecasts) // _MOST_LINES))
    named = [(OBSERVED, data["truth"], "ink")]
    named += [(f"from {time_text(f['initial_time'])}", f, SERIES[i]) for i, f in enumerate(forecasts[::step])]
    tracks = [_track(label, t, name, dashed=i > 0) for i, (label, t, name) in enumerate(named)]
    bounds = _around(tracks)
    corners = np.array([bounds.south, bounds.north]), np.array([bounds.west, bounds.east])
    svg = draw_map(
        None,
        *corners,
        title="Tracks",
        alt=f"Map of the storm's track in {OBSERVED} and in {len(tracks) - 1} forecasts of {results.forecast}.",
        bounds=bounds,
        tracks=tracks,
    )
    figures = [(svg, f"A dot at each time; {OBSERVED} is the observed track, put together by the warning centres.")]
    for title, key, unit, factor in (
        ("Largest wind", "wind_m_s", "m s⁻¹", 1.0),
        ("Lowest pressure", "pressure_pa", "hPa", 0.01),
    ):
        if figure := _strength(named, title, key, unit, factor):
            figures.append(figure)
    return [Figures(figures)]


def _track(label: str, data: Mapping[str, Any], name: str, *, dashed: bool) -> Track:
    latitude, longitude = floats(data["latitude"]), floats(data["longitude"])
    known = np.isfinite(latitude) & np.isfinite(longitude)
    return Track(label, latitude[known], longitude[known], name, dashed)


def _strength(
    named: Sequence[tuple[str, Mapping[str, Any], str]], title: str, key: str, unit: str, factor: float
) -> tuple[Svg, str] | None:
    lines = [(label, t["times"], factor * floats(t[key]), name) for label, t, name in named if t.get(key)]
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
