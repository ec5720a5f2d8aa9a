"""Maps of a field on a latitude-longitude grid as SVG: coloured classes, coastlines, tracks and a colour bar.

The field becomes a small PNG inside the SVG, interpolated linearly between grid points; coastlines, graticule and text
stay lines and text that follow the page. Coastlines come from the dataset `natural-earth`; nothing is downloaded.

Shapes: y latitudes, x longitudes, p points of a line; k edges of classes, hence k + 1 colours.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sciml.core.catalogue import find_data_file
from sciml.core.png import data_address, indexed_png
from sciml.core.report import COLOURS, Svg, escape
from sciml.weather.grid import Grid
from sciml.weather.map_pixels import interpolated
from sciml.weather.map_scales import Scale
from sciml.weather.projections import Bounds, Cylindrical, EqualEarth, Projection, clip_lines

Array = NDArray[np.float64]

# lengths are in the drawing's own units, about a pixel of the page each
WIDTH = 420
_LEFT, _RIGHT, _TOP, _HIGHEST = 32, 4, 18, 380
_PIXELS_PER_UNIT = 1.2
# maps that reach further are drawn with the coarse coastlines, a third of the bytes
_REGION_DEG = 100.0
# a belt around the globe that reaches this far from south to north is drawn as the globe
_GLOBE_DEG = 120.0
# lines are written in tenths
_STEPS_PER_UNIT = 10
_LETTER = 5.2  # a digit of 9 units


@dataclass(frozen=True)
class Track:
    """The way of a storm: [p] degrees, and how to draw it, by a colour of `sciml.core.report.COLOURS`."""

    label: str
    latitude: Array
    longitude: Array
    colour: str = "blue"
    dashed: bool = False


@functools.cache
def coastlines(kind: str) -> tuple[Array, ...]:
    """Lines of [p, 2] longitude and latitude in degrees; `kind` is "globe" (1:110 million) or "region" (1:50 million).

    Longitudes run on through 180 without a jump. Source: Natural Earth, see datasets/natural-earth.
    """
    name = {"globe": "coastlines-110m.json", "region": "coastlines-50m.json"}[kind]
    packed = json.loads(find_data_file("natural-earth", name).read_text(encoding="utf-8"))
    lines = (np.array(line, np.float64).reshape(-1, 2) for line in packed["lines"])
    return tuple(np.cumsum(line, axis=0) * packed["degrees_per_unit"] for line in lines)


def draw_map(
    values: Array | None,
    latitude: Array,
    longitude: Array,
    *,
    title: str,
    alt: str,
    scale: Scale | None = None,
    unit: str = "",
    bounds: Bounds | None = None,
    tracks: Sequence[Track] = (),
) -> Svg:
    """A map of the globe (Equal Earth), of the grid's own region, or of `bounds`.

    Args:
        values: [y, x] the field, NaN where it is missing; None for coastlines and tracks alone.
        latitude: [y] degrees north, strictly ascending or descending.
        longitude: [x] degrees east, strictly ascending.
        title: stands above the map.
        alt: what the map shows, in words, for a reader who does not see it.
        scale: classes and colours; needed with `values`, and not used without.
        unit: of the values, at the colour bar.
        bounds: the part of the globe to show.
        tracks: drawn over the field, with a key below the map.

    Raises:
        UserError: coordinates that are no grid, or the coastlines are not at hand.
    """
    grid, columns = Grid(latitude, longitude).in_one_piece()
    values = None if values is None else values[:, columns]
    frame = _frame(_projection(grid, bounds))
    parts = [f'<text x="{frame.left:g}" y="11" {_style(11.5)}>{escape(title)}</text>']
    if values is not None and scale is not None:
        parts.append(f'<g class="raster">{_image(values, grid, scale, frame)}</g>')
    parts.append(_lines(frame, over_field=values is not None))
    parts += [_track(track, frame) for track in tracks]
    height = frame.bottom + 18
    if values is not None and scale is not None:
        parts.append(_bar(scale, values, unit, height))
        height += 26
    parts.append(_key(tracks, height))
    height += 16 * ((len(tracks) + 1) // 2)
    return Svg(f'<svg viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}">{"".join(parts)}</svg>', alt)


@dataclass(frozen=True)
class _Frame:
    """Where on the drawing the projection lies."""

    projection: Projection
    left: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return _TOP + self.height

    def to_drawing(self, longitude: Array, latitude: Array) -> Array:
        """[p, 2] units to the right of and below the drawing's upper left corner."""
        x, y = self.projection.forward(longitude, latitude)
        half_width, half_height = self.projection.half_size
        right = self.left + self.width * (0.5 + 0.5 * x / half_width)
        return np.stack([right, _TOP + self.height * (0.5 - 0.5 * y / half_height)], axis=-1)

    @functools.cached_property
    def pixels(self) -> tuple[Array, Array]:
        """Longitude and latitude of each pixel of the image, NaN outside the map."""
        columns, rows = round(self.width * _PIXELS_PER_UNIT), round(self.height * _PIXELS_PER_UNIT)
        half_width, half_height = self.projection.half_size
        x = half_width * ((np.arange(columns) + 0.5) / columns * 2 - 1)
        y = half_height * (1 - (np.arange(rows) + 0.5) / rows * 2)
        return self.projection.inverse(*np.meshgrid(x, y))


@functools.lru_cache(maxsize=16)
def _frame(projection: Projection) -> _Frame:
    half_width, half_height = projection.half_size
    width = min(float(WIDTH - _LEFT - _RIGHT), _HIGHEST * half_width / half_height)
    return _Frame(projection, float(_LEFT), width, width * half_height / half_width)


def _projection(grid: Grid, bounds: Bounds | None) -> Projection:
    if bounds is not None:
        return Cylindrical(bounds)
    south, north = sorted(grid.latitude_edges[[0, -1]].tolist())
    if grid.is_cyclic and north - south > _GLOBE_DEG:
        return EqualEarth()
    west, east = grid.longitude_edges[[0, -1]].tolist()
    return Cylindrical(Bounds(south, north, west, min(east, west + 360)))


# --------------------------------------------------------------------------------------------------------- the field


def _image(values: Array, grid: Grid, scale: Scale, frame: _Frame) -> str:
    index = scale.classes(interpolated(values, grid, *frame.pixels))
    address = data_address(indexed_png(index, ["#00000000", *scale.colours]))
    place = f'x="{frame.left:g}" y="{_TOP}" width="{frame.width:.1f}" height="{frame.height:.1f}"'
    return f'<image {place} preserveAspectRatio="none" href="{address}"/>'


# --------------------------------------------------------------------------------------------------------- lines


def _variable(name: str) -> str:
    return f"var(--{name},{COLOURS[name][0]})"


def _style(size: float, anchor: str = "start", colour: str = "ink") -> str:
    return f'style="font-size:{size:g}px;text-anchor:{anchor};fill:{_variable(colour)}"'


def _path(lines: Iterable[Array], frame: _Frame) -> str:
    """SVG path data in tenths, relative from point to point; points closer than half a unit are left out."""
    found = []
    for line in lines:
        points = np.rint(_STEPS_PER_UNIT * frame.to_drawing(line[:, 0], line[:, 1])).astype(int)
        cells = points // (_STEPS_PER_UNIT // 2)
        moved = (np.diff(cells, axis=0) != 0).any(axis=1)
        points = points[np.concatenate([[True], moved[:-1], [True]])] if len(points) > 2 else points
        steps = np.diff(points, axis=0)
        if steps.any():
            text = " ".join(f"{x} {y}" for x, y in steps.tolist()).replace(" -", "-")
            found.append(f"M{points[0][0]} {points[0][1]}l{text}")
    return "".join(found)


def _line_of(frame: _Frame, line: Array, name: str, width: float, more: str = "") -> str:
    style = f"fill:none;stroke:{_variable(name)};stroke-width:{width * _STEPS_PER_UNIT:g};{more}"
    return f'<path transform="scale({1 / _STEPS_PER_UNIT:g})" d="{_path([line], frame)}" style="{style}"/>'


def _outline(projection: Projection) -> Array:
    b = projection.bounds
    up, along = np.linspace(b.south, b.north, 61), np.full(61, 0.0)
    sides = [(along + b.west, up), (along + b.east, up[::-1])]
    points = np.concatenate([np.stack(side, axis=-1) for side in sides])
    return np.concatenate([points, points[:1]])


@functools.lru_cache(maxsize=16)
def _lines(frame: _Frame, over_field: bool) -> str:
    """Graticule, coast and outline; a page holds them once for all its maps of one projection."""
    drawn = _graticule(frame) + _coast(frame, over_field) + _line_of(frame, _outline(frame.projection), "muted", 0.8)
    name = f"shared-map-{hashlib.sha256(drawn.encode()).hexdigest()[:10]}"
    return f'<defs class="shared"><g id="{name}">{drawn}</g></defs><use href="#{name}"/>'


def _coast(frame: _Frame, over_field: bool) -> str:
    """Dark lines in a pale halo, which show on any colour of the field; without a field, in the page's own colour."""
    b = frame.projection.bounds
    kind = "region" if max(b.east - b.west, b.north - b.south) <= _REGION_DEG else "globe"
    path = _path(clip_lines(coastlines(kind), b), frame)
    lines = "".join(
        f'<path d="{path}" style="fill:none;stroke:{stroke};stroke-width:{width * _STEPS_PER_UNIT:g};'
        f'stroke-linejoin:round;stroke-opacity:{opacity}"/>'
        for stroke, width, opacity in (
            (("#ffffff", 1.5, 0.55), ("#1d2733", 0.6, 1)) if over_field else ((_variable("muted"), 0.8, 1),)
        )
    )
    return f'<g transform="scale({1 / _STEPS_PER_UNIT:g})">{lines}</g>'


def _graticule(frame: _Frame) -> str:
    """Thin lines, and degrees at the left and the lower edge."""
    b = frame.projection.bounds
    globe = isinstance(frame.projection, EqualEarth)
    step_y, step_x = (30.0, 60.0) if globe else (_degrees_step(b.north - b.south), _degrees_step(b.east - b.west))
    along = np.linspace(0, 1, 61)
    lines, texts = [], []
    for latitude in _multiples(b.south, b.north, step_y):
        at = np.full(61, latitude)
        lines.append(np.stack([b.west + along * (b.east - b.west), at], axis=-1))
        x, y = frame.to_drawing(*lines[-1][:1].T)[0].tolist()
        texts.append(
            f'<text x="{x - 3:.1f}" y="{y + 3:.1f}" {_style(9.0, "end", "muted")}>{north_text(latitude)}</text>'
        )
    for longitude in _multiples(b.west, b.east, step_x):
        lines.append(np.stack([np.full(61, longitude), b.south + along * (b.north - b.south)], axis=-1))
        x, y = frame.to_drawing(*lines[-1][:1].T)[0].tolist()
        texts.append(
            f'<text x="{x:.1f}" y="{y + 11:.1f}" {_style(9.0, "middle", "muted")}>{east_text(longitude)}</text>'
        )
    style = f"fill:none;stroke:#5b6672;stroke-opacity:.35;stroke-width:{0.5 * _STEPS_PER_UNIT:g}"
    path = f'<path transform="scale({1 / _STEPS_PER_UNIT:g})" d="{_path(lines, frame)}" style="{style}"/>'
    return path + "".join(texts)


def _degrees_step(span: float) -> float:
    return next((step for step in (1.0, 2.0, 5.0, 10.0, 20.0, 30.0) if span / step <= 6), 60.0)


def _multiples(low: float, high: float, step: float) -> list[float]:
    """Multiples of the step between two edges, and not on them.

    >>> _multiples(-90.0, 90.0, 30.0)
    [-60.0, -30.0, 0.0, 30.0, 60.0]
    """
    first, last = np.floor(low / step) + 1, np.ceil(high / step) - 1
    return [float(n * step) + 0.0 for n in np.arange(first, last + 1)]


def north_text(latitude: float) -> str:
    """A latitude as on a map.

    >>> north_text(-12.5), north_text(0.0)
    ('12.5°S', '0°')
    """
    return f"{abs(latitude):g}°{'N' if latitude > 0 else 'S' if latitude < 0 else ''}"


def east_text(longitude: float) -> str:
    """A longitude as on a map, at whatever multiple of 360 degrees.

    >>> east_text(200.0), east_text(540.0)
    ('160°W', '180°')
    """
    wrapped = (longitude + 180) % 360 - 180
    side = "" if wrapped in {0.0, -180.0} else "E" if wrapped > 0 else "W"
    return f"{abs(wrapped):g}°{side}"


# --------------------------------------------------------------------------------------------------------- tracks, keys


def _track(track: Track, frame: _Frame) -> str:
    line = np.stack([np.unwrap(track.longitude, period=360), track.latitude], axis=-1)
    dashes = f"stroke-dasharray:{4 * _STEPS_PER_UNIT} {2.5 * _STEPS_PER_UNIT:g}" if track.dashed else ""
    # a track of one point has no line, only its dot
    parts = [line] if len(line) > 1 else []
    lines = "".join(_line_of(frame, p, track.colour, 1.8, dashes) for p in clip_lines(parts, frame.projection.bounds))
    b = frame.projection.bounds
    east = (track.longitude - b.west) % 360 + b.west
    shown = (east <= b.east) & (track.latitude >= b.south) & (track.latitude <= b.north)
    points = frame.to_drawing(east[shown], track.latitude[shown]).tolist()
    dot = f'r="2.2" style="fill:{_variable(track.colour)};stroke:{_variable("paper")};stroke-width:.6"'
    return lines + "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" {dot}/>' for x, y in points)


def _key(tracks: Sequence[Track], top: float) -> str:
    parts = []
    for place, track in enumerate(tracks):
        x, y = _LEFT + (place % 2) * (WIDTH - _LEFT) / 2, top + 16 * (place // 2) + 6
        dashes = ";stroke-dasharray:4 2.5" if track.dashed else ""
        style = f"stroke:{_variable(track.colour)};stroke-width:1.8{dashes}"
        parts.append(f'<path d="M{x:g} {y:g}h18" style="{style}"/>')
        parts.append(f'<text x="{x + 23:g}" y="{y + 3.5:g}" {_style(10.0)}>{escape(track.label)}</text>')
    return "".join(parts)


def _bar(scale: Scale, values: Array, unit: str, top: float) -> str:
    """Boxes of equal width, pointed where values lie beyond the edges; the unit stands at the right."""
    known = values[np.isfinite(values)]
    below, above = bool((known < scale.edges[0]).any()), bool((known >= scale.edges[-1]).any())
    count = len(scale.edges) - 1
    room = WIDTH - _LEFT - _RIGHT - _LETTER * len(unit) - 12
    box = min(room / (count + 2), 26.0)
    start = _LEFT + box
    parts = [
        f'<rect x="{start + i * box:.2f}" y="{top:g}" width="{box:.2f}" height="8" fill="{fill}"/>'
        for i, fill in enumerate(scale.colours[1:-1])
    ]
    end = start + count * box
    for pointed, at, tip, fill in (
        (below, start, start - 0.7 * box, scale.colours[0]),
        (above, end, end + 0.7 * box, scale.colours[-1]),
    ):
        if pointed:
            parts.append(f'<path d="M{at:.2f} {top:g}L{tip:.2f} {top + 4:g}L{at:.2f} {top + 8:g}z" fill="{fill}"/>')
    labels = [f"{edge:g}".replace("-", "−") for edge in scale.edges]
    every = int(np.ceil((max(map(len, labels)) + 2) * _LETTER / box))
    # a symmetric scale has an even number of edges: labels count from both ends, so that they mirror each other
    symmetric = bool(np.allclose(scale.edges, -scale.edges[::-1]))
    shown = [i for i in range(count + 1) if min(i, count - i if symmetric else i) % every == 0]
    # where the two counts meet, in the middle, there may be no room for both labels
    for i, j in itertools.pairwise(shown):
        if (0.5 * (len(labels[i]) + len(labels[j])) + 2) * _LETTER > (j - i) * box:
            shown = [k for k in shown if k not in {i, j}]
    texts = [
        f'<text x="{start + i * box:.1f}" y="{top + 18:g}" {_style(9.0, "middle")}>{labels[i]}</text>' for i in shown
    ]
    outline = f'<rect x="{start:.2f}" y="{top:g}" width="{end - start:.2f}" height="8" fill="none" stroke="#5b6672" '
    unit_text = f'<text x="{end + box + 4:.1f}" y="{top + 8:g}" {_style(9.5)}>{escape(unit)}</text>'
    return f'<g class="raster">{"".join(parts)}</g>{outline}stroke-width=".5"/>{"".join(texts)}{unit_text}'
