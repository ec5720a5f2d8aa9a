"""Maps: colours where the field is, coastlines that end at the map's edge, text that is escaped."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from sciml.core.errors import UserError
from sciml.core.report import COLOURS
from sciml.weather.grid import gauss_legendre
from sciml.weather.map_scales import Scale, difference_scale, error_scale
from sciml.weather.maps import WIDTH, Track, coastlines, draw_map
from sciml.weather.projections import Bounds, EqualEarth

RED, WHITE, BLUE, GREEN = "#ff0000", "#ffffff", "#0000ff", "#00ff00"
GAUSSIAN = np.degrees(np.arcsin(gauss_legendre(32)[0]))
LONGITUDES = np.arange(64) * 5.625
SVG = "{http://www.w3.org/2000/svg}"


def image_of(markup: str) -> np.ndarray:
    data = re.search(r'href="data:image/png;base64,([^"]*)"', markup)
    assert data
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGBA"))


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)


# --------------------------------------------------------------------------------------------------------------- maps


def test_colours_are_where_the_field_is() -> None:
    # north of the equator and east of Greenwich 1, the other quarters 2, 3, 4
    east, north = (LONGITUDES > 0) & (LONGITUDES < 180), GAUSSIAN > 0
    values = np.where(north[:, None], np.where(east, 1.0, 2.0), np.where(east, 3.0, 4.0))
    scale = Scale(np.array([1.5, 2.5, 3.5]), (RED, WHITE, BLUE, GREEN))
    image = image_of(draw_map(values, GAUSSIAN, LONGITUDES, title="t", alt="a", scale=scale).markup)
    height, width = image.shape[:2]
    found = {
        name: tuple(image[int(y * height), int(x * width)])
        for name, y, x in (
            ("ne", 0.3, 0.7),
            ("nw", 0.3, 0.3),
            ("se", 0.7, 0.7),
            ("sw", 0.7, 0.3),
            ("corner", 0.01, 0.01),
        )
    }
    assert found == {
        "ne": (255, 0, 0, 255),
        "nw": (255, 255, 255, 255),
        "se": (0, 0, 255, 255),
        "sw": (0, 255, 0, 255),
        "corner": (0, 0, 0, 0),
    }


@pytest.mark.parametrize("kind", ["global", "bounds", "regional grid", "belt", "dateline", "tracks alone"])
def test_every_kind_of_map_is_well_formed_and_says_what_it_is(kind: str) -> None:
    latitude, longitude, bounds, values, tracks = GAUSSIAN, LONGITUDES, None, None, ()
    if kind == "bounds":
        bounds = Bounds(30.0, 70.0, -15.0, 45.0)
    if kind == "dateline":
        bounds = Bounds(-50.0, 10.0, 150.0, 210.0)
    if kind == "regional grid":
        latitude, longitude = np.linspace(60, 30, 7), np.linspace(350, 380, 7)
    if kind == "belt":
        latitude = np.linspace(-20, 20, 9)
    if kind == "tracks alone":
        bounds = Bounds(5.0, 40.0, -100.0, -55.0)
        tracks = (Track("<b>truth</b>", np.array([10.0, 20.0]), np.array([300.0, 290.0]), "ink"),)
    else:
        values = np.outer(np.cos(np.radians(latitude)), np.sin(np.radians(longitude)))
    svg = draw_map(
        values,
        latitude,
        longitude,
        title="<script>",
        alt="in words",
        scale=None if values is None else difference_scale(values),
        unit="K",
        bounds=bounds,
        tracks=tracks,
    )
    root = parsed(svg.markup.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert texts[0] == "<script>" or "<script>" in texts
    assert any("°" in text for text in texts)
    assert ("K" in texts) == (values is not None)
    assert ("<b>truth</b>" in texts) == bool(tracks)
    assert svg.alt == "in words"
    assert "http" not in svg.markup
    assert "nan" not in svg.markup
    numbers = [float(root.get("viewBox", "").split()[2])]
    assert numbers == [WIDTH]


def test_lines_lie_where_the_image_has_their_places() -> None:
    bounds = Bounds(30.0, 70.0, 0.0, 40.0)
    latitude, longitude = np.linspace(-89.5, 89.5, 180), np.arange(0.0, 360.0)
    # one class north of 60 N, another east of 30 E south of it
    values = np.where(latitude[:, None] > 60, 0.0, np.where(longitude > 30, 1.0, 2.0))
    scale = Scale(np.array([0.5, 1.5]), (RED, WHITE, BLUE))
    corner = Track("corner", np.array([60.0]), np.array([30.5]))
    markup = draw_map(
        values, latitude, longitude, title="t", alt="a", scale=scale, bounds=bounds, tracks=[corner]
    ).markup
    frame = re.search(r'<image x="([\d.]+)" y="(\d+)" width="([\d.]+)" height="([\d.]+)"', markup)
    dot = re.search(r'<circle cx="([\d.]+)" cy="([\d.]+)"', markup)
    assert frame
    assert dot
    left, top, width, height = map(float, frame.groups())
    image = image_of(markup)
    row, column = (float(dot[2]) - top) / height * len(image), (float(dot[1]) - left) / width * image.shape[1]
    # the three classes meet at the corner; 12 pixels are a degree, as far as interpolation blurs their edges
    around = ((-12, 0), (12, -12), (12, 12))
    colours = [tuple(image[round(row) + i, round(column) + j, :3].tolist()) for i, j in around]
    assert colours == [(255, 0, 0), (0, 0, 255), (255, 255, 255)]


def points_of(path: str) -> list[np.ndarray]:
    """The lines of our own path data, in tenths of a unit."""
    lines = []
    for part in path.split("M")[1:]:
        numbers = np.array([int(n) for n in re.findall(r"-?\d+", part)]).reshape(-1, 2)
        lines.append(np.cumsum(numbers, axis=0))
    return lines


def test_no_coastline_runs_across_the_map() -> None:
    markup = draw_map(None, GAUSSIAN, LONGITUDES, title="t", alt="a").markup
    paths = re.findall(r'<path[^>]* d="([^"]*)"', markup)
    coast = max(paths, key=len)
    lengths = np.concatenate([np.hypot(*np.diff(line, axis=0).T) for line in points_of(coast)])
    # the longest straight stretch of coast at 1:110 million is 12 degrees, of 360 on 384 units: 13 units
    assert lengths.max() < 150
    assert len(lengths) > 1500


def test_coast_points_lie_on_the_map() -> None:
    bounds = Bounds(30.0, 70.0, -15.0, 45.0)
    markup = draw_map(None, GAUSSIAN, LONGITUDES, title="t", alt="a", bounds=bounds).markup
    coast = np.concatenate(points_of(max(re.findall(r'<path[^>]* d="([^"]*)"', markup), key=len)))
    box = re.search(r'viewBox="0 0 (\d+) (\d+)"', markup)
    assert box
    assert (coast >= 0).all()
    assert (coast <= 10 * np.array([int(box[1]), int(box[2])])).all()
    assert len(coast) > 500


def test_a_track_across_the_antimeridian_stays_in_one_piece() -> None:
    track = Track("storm", np.linspace(-10, -20, 5), np.array([176.0, 178.0, 180.0, -178.0, -176.0]), "orange")
    bounds = Bounds(-25.0, -5.0, 170.0, 190.0)
    markup = draw_map(None, GAUSSIAN, LONGITUDES, title="t", alt="a", bounds=bounds, tracks=[track]).markup
    lines = re.findall(rf'd="(M[^"]*)" style="fill:none;stroke:var\(--orange,{COLOURS["orange"][0]}\)', markup)
    assert len(lines) == 1
    assert lines[0].count("M") == 1
    assert markup.count("<circle") == 5


def test_maps_of_one_projection_share_their_lines() -> None:
    values = np.outer(np.cos(np.radians(GAUSSIAN)), np.sin(np.radians(LONGITUDES)))
    first, second = (
        draw_map(values, GAUSSIAN, LONGITUDES, title=t, alt="a", scale=error_scale(values)).markup for t in "ab"
    )
    pattern = r'<defs class="shared">.*?</defs>'
    assert re.findall(pattern, first) == re.findall(pattern, second)


@pytest.mark.parametrize("shape", [(32, 64), (181, 360)])
def test_a_map_of_a_rough_field_is_small(shape: tuple[int, int]) -> None:
    latitude = GAUSSIAN if shape[0] == 32 else np.linspace(-90, 90, 181)
    longitude = np.arange(shape[1]) * 360 / shape[1]
    values = np.random.default_rng(0).normal(size=shape)
    image = re.search(r"data:image[^\"]*", draw_map(
        values, latitude, longitude, title="t", alt="a", scale=difference_scale(values)
    ).markup)  # fmt: skip
    assert image
    # noise without any structure is the worst case
    assert len(image[0]) < 110_000


@pytest.mark.parametrize(
    ("size", "labels"),
    [(5.0, ["−5", "−4", "−3", "−2", "−1", "1", "2", "3", "4", "5"]), (12.5, ["−12.5", "−7.5", "7.5", "12.5"])],
)
def test_labels_of_the_colour_bar_keep_apart(size: float, labels: list[str]) -> None:
    values = np.linspace(-size, size, 32 * 64).reshape(32, 64)
    drawn = draw_map(values, GAUSSIAN, LONGITUDES, title="t", alt="a", scale=difference_scale(values)).markup
    assert re.findall(r">(−?[\d.]+)</text>", drawn) == labels


def test_coordinates_that_are_no_grid() -> None:
    with pytest.raises(UserError, match="strictly ascending"):
        draw_map(None, np.array([0.0, 0.0]), LONGITUDES, title="t", alt="a")


# ---------------------------------------------------------------------------------------------------------- coastlines


@pytest.mark.parametrize("kind", ["globe", "region"])
def test_coastlines_are_where_land_ends(kind: str) -> None:
    points = np.concatenate(coastlines(kind))
    points[:, 0] = (points[:, 0] + 180) % 360 - 180
    # capes and their places, from any atlas
    for name, east, north in (
        ("Cape Agulhas", 20.0, -34.8),
        ("Cape Horn", -67.3, -55.9),
        ("North Cape", 25.8, 71.1),
        ("Cape Comorin", 77.55, 8.08),
        ("Cape York", 142.5, -10.7),
    ):
        distance = np.hypot((points[:, 0] - east) * np.cos(np.radians(north)), points[:, 1] - north)
        # the coarse coast is generalised to about half a degree
        assert distance.min() < 0.6, name
    # in the middle of the Pacific and of Siberia there is none
    for east, north in ((-140.0, 30.0), (100.0, 55.0)):
        assert np.hypot(points[:, 0] - east, points[:, 1] - north).min() > 8


@pytest.mark.parametrize("kind", ["globe", "region"])
def test_coastlines_run_on_without_jumps_and_not_along_the_antimeridian(kind: str) -> None:
    for line in coastlines(kind):
        step = np.diff(line, axis=0)
        assert np.abs(step[:, 0]).max() < 30
        edge = np.abs((line[:, 0] % 360) - 180) < 1e-6
        along = edge[1:] & edge[:-1] & (np.abs(step[:, 1]) > 0.5)
        assert not along.any()


def test_the_frame_of_the_globe_has_its_proportions() -> None:
    half_width, half_height = EqualEarth().half_size
    image = image_of(
        draw_map(np.ones((32, 64)), GAUSSIAN, LONGITUDES, title="t", alt="a", scale=error_scale(np.ones((1, 1)))).markup
    )
    # to a pixel
    assert image.shape[1] / image.shape[0] == pytest.approx(half_width / half_height, abs=0.01)
