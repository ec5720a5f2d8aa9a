"""The published list whole, lists of one's own, and what is refused in words."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.catalogue import find_dataset
from sciml.core.errors import UserError
from sciml.weather.cases import Box, Case, load_cases, storm_of_case
from sciml.weather.cyclones.ibtracs import open_ibtracs
from sciml.weather.cyclones.tracks import Tracks
from sciml.weather.grid import Grid

BOUNDED = {"latitude_min": 48, "latitude_max": 53.5, "longitude_min": 3, "longitude_max": 10}
ONE = {
    "case_id_number": 7,
    "title": "Bernd",
    "start_date": "2021-07-12 00:00:00",
    "end_date": "2021-07-16",
    "event_type": "atmospheric_river",
    "location": {"type": "bounded_region", "parameters": BOUNDED},
}


def written(tmp_path: Path, *entries: object, below: str | None = None) -> Path:
    path = tmp_path / "mine.yaml"
    # JSON is YAML, without the anchors that PyYAML writes for a value that is there twice
    path.write_text(json.dumps({below: entries} if below else entries))
    return path


def located(kind: str, parameters: object) -> dict[str, object]:
    return ONE | {"location": {"type": kind, "parameters": parameters}}


@pytest.fixture(scope="module")
def published() -> tuple[Case, ...]:
    return load_cases()


@pytest.fixture(scope="module")
def best_tracks() -> Tracks:
    return open_ibtracs("wmo", period=("2019-12-01", "2024-12-31"))


def test_the_published_list(published: tuple[Case, ...]):
    assert Counter(case.kind for case in published) == {
        "heat_wave": 46,
        "freeze": 14,
        "tropical_cyclone": 98,
        "atmospheric_river": 56,
        "severe_convection": 115,
    }
    first = published[0]
    assert (first.id, first.title, first.kind) == (1, "2021 Pacific Northwest", "heat_wave")
    assert first.start == np.datetime64("2021-06-20") and first.end == np.datetime64("2021-07-03")
    assert first.box == Box(39.0, 65.0, 360 - 136.75, 360 - 105.75)
    assert all(case.end - case.start <= np.timedelta64(60, "D") for case in published)
    # the widest, Franklin and Freddy among them, cross an ocean; none goes around the globe
    assert max(case.box.east - case.box.west for case in published) < 120


def test_boxes_hold_the_points_that_a_plain_reading_gives(published: tuple[Case, ...]):
    grid = Grid(np.arange(-90.0, 91.0, 1.0), np.arange(0.0, 360.0, 1.0))
    raw = yaml.safe_load((find_dataset("extreme-weather-cases") / "events.yaml").read_text())
    for case, entry in zip(published, raw, strict=True):
        p = entry["location"]["parameters"]
        west, east = p["longitude_min"], p["longitude_max"]
        east += 360 if east < west else 0
        columns = [any(west <= lon + turn <= east for turn in (-360, 0, 360)) for lon in range(360)]
        rows = [p["latitude_min"] <= lat <= p["latitude_max"] for lat in range(-90, 91)]
        np.testing.assert_array_equal(case.box.contains(grid), np.outer(rows, columns), case.title)


def test_licence_and_attribution_are_kept():
    folder = find_dataset("extreme-weather-cases")
    assert "Copyright (c) 2025 Brightband" in (folder / "LICENSE").read_text()
    assert "Brightband" in (folder / "README.md").read_text()


def test_storms_of_tropical_cyclone_cases(published: tuple[Case, ...], best_tracks: Tracks):
    storms = {case.title: storm_of_case(case, best_tracks) for case in published if case.kind == "tropical_cyclone"}
    assert None not in storms.values()
    # identifiers known from IBTrACS; an identifier has the year and day of the first record and its place
    known = {"Ian": "2022266N12294", "Ida": "2021239N17281", "Freddy": "2023036S12117", "Otis": "2023294N09264"}
    assert {name: storms[name] for name in known} == known
    assert len(set(storms.values())) == 98
    # second road: the published periods begin 48 hours before the storm and end 48 hours after, but for later revisions
    close = 0
    for case in published:
        if case.kind == "tropical_cyclone":
            storm = best_tracks.storm(str(storms[case.title]))
            margins = (storm.time[0] - case.start, case.end - storm.time[-1])
            close += all(abs(margin / np.timedelta64(1, "h") - 48) <= 12 for margin in margins)
    assert close >= 90
    heat = published[0]
    assert storm_of_case(heat, best_tracks) is None


def test_a_list_of_ones_own(tmp_path: Path):
    for path in (written(tmp_path, ONE), written(tmp_path, ONE, below="cases")):
        (case,) = load_cases(path)
        assert case.box == Box(48.0, 53.5, 3.0, 10.0)
        assert (case.start, case.end) == (np.datetime64("2021-07-12"), np.datetime64("2021-07-16"))
    (case,) = load_cases(written(tmp_path, ONE | {"start_date": "2021-07-12T02:00:00+02:00"}))
    assert case.start == np.datetime64("2021-07-12")
    half_global = {"latitude": 50, "longitude": 2, "bounding_box_degrees": [10, 20]}
    square = {"latitude": -20.5, "longitude": 179, "bounding_box_degrees": 5}
    across = {"latitude_min": -5, "latitude_max": 5, "longitude_min": 170, "longitude_max": -170}
    boxes = [
        load_cases(written(tmp_path, located(kind, place)))[0].box
        for kind, place in (
            ("centered_region", half_global),
            ("centered_region", square),
            ("bounded_region", across),
            ("bounded_region", across | {"longitude_min": 0, "longitude_max": 360}),
            ("bounded_region", across | {"longitude_min": -180, "longitude_max": 180}),
        )
    ]
    assert boxes == [
        Box(45.0, 55.0, 352.0, 372.0),
        Box(-23.0, -18.0, 176.5, 181.5),
        Box(-5.0, 5.0, 170.0, 190.0),
        Box(-5.0, 5.0, 0.0, 360.0),
        Box(-5.0, 5.0, 180.0, 540.0),
    ]
    grid = Grid(np.arange(-90.0, 91.0, 30.0), np.arange(0.0, 360.0, 30.0))
    assert boxes[3].contains(grid).sum() == boxes[4].contains(grid).sum() == 12
    assert boxes[2].contains(grid)[3].tolist() == [lon == 180 for lon in range(0, 360, 30)]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({key: ONE[key] for key in ONE if key != "title"}, r"case number 1: the key `title` is missing"),
        (ONE | {"titel": "x"}, r"case number 1 \(Bernd\): there is no key `titel`; did you mean `title`"),
        (ONE | {"event_type": "heatwave"}, r"\(Bernd\): event_type 'heatwave' is not known; did you mean `heat_wave`"),
        (ONE | {"event_type": 3}, r"event_type 3 is not known; it must be one of heat_wave"),
        (ONE | {"end_date": "2021-07-12"}, r"end_date 2021-07-12.* must come after start_date 2021-07-12"),
        (ONE | {"start_date": "July"}, r"start_date must be a time as .*, but is 'July'"),
        (ONE | {"start_date": 2021}, r"start_date must be a time as .*, but is 2021"),
        (ONE | {"case_id_number": "7"}, r"case_id_number must be a whole number, but is '7'"),
        (ONE | {"title": ""}, r"title must be text"),
        (ONE | {"location": "Europe"}, r"location needs the keys type, parameters, but is 'Europe'"),
        (located("shapefile_region", {"shapefile_path": "a.shp"}), r"regions of shapefiles are not read"),
        (located("circle", BOUNDED), r"type must be one of bounded_region, centered_region, but is 'circle'"),
        (located("bounded_region", [1, 2]), r"parameters need latitude_min, .*, but are a list"),
        (located("bounded_region", BOUNDED | {"latitude_max": "north"}), r"latitude_max must be a number"),
        (located("bounded_region", BOUNDED | {"latitude_max": 40}), r"from south to north .* from 48.0 to 40.0"),
        (located("bounded_region", BOUNDED | {"longitude_max": 3}), r"wider than 0 and at most 360"),
        (located("bounded_region", {"latitude_min": 1}), r"parameters: the key `latitude_max` is missing"),
        (
            located("centered_region", {"latitude": 1, "longitude": 2, "bounding_box_degrees": [1, 2, 3]}),
            r"bounding_box_degrees is one number or two",
        ),
        ("Bernd", r"case number 1: needs the keys case_id_number, .*, but is 'Bernd'"),
    ],
)
def test_what_is_refused(tmp_path: Path, entry: object, message: str):
    with pytest.raises(UserError, match=message) as error:
        load_cases(written(tmp_path, entry))
    assert "mine.yaml" in str(error.value)


def test_files_that_are_no_lists_of_cases(tmp_path: Path):
    with pytest.raises(UserError, match="case_id_number 7 is there 2 times"):
        load_cases(written(tmp_path, ONE, ONE))
    with pytest.raises(UserError, match="no such file. Give a YAML file of cases"):
        load_cases(tmp_path / "none.yaml")
    (tmp_path / "mine.yaml").write_text("cases: [")
    with pytest.raises(UserError, match=r"mine\.yaml: line 1, column 9"):
        load_cases(str(tmp_path / "mine.yaml"))
    (tmp_path / "mine.yaml").write_text("titles: []")
    with pytest.raises(UserError, match="needs a list of cases .*, but holds a mapping"):
        load_cases(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match="cannot be read as a text file in UTF-8"):
        load_cases(tmp_path / "mine.yaml")


def test_covers(published: tuple[Case, ...]):
    case = published[0]
    hour = np.timedelta64(1, "h")
    assert case.covers(case.start, case.end)
    assert not case.covers(case.start + hour, case.end) and not case.covers(case.start, case.end - hour)


@given(st.floats(-180, 360), st.floats(0.5, 359.5), st.floats(-400, 400))
def test_a_box_holds_the_longitudes_between_its_sides(west: float, width: float, longitude: float):
    box = Box(-10.0, 10.0, west % 360, west % 360 + width)
    eastwards = (longitude - west) % 360
    # on its edge, as near as single precision tells, a point may be either
    if min(abs(eastwards - width), eastwards, 360 - eastwards) > 1e-3:
        assert box.holds(np.array([0.0]), np.array([longitude]))[0] == (eastwards <= width)
