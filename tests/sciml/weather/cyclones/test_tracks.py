"""The value: what it refuses, times between records, and files that huracanpy reads."""

from pathlib import Path

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.weather.cyclones.sphere import great_circle_km
from sciml.weather.cyclones.tracks import Tracks, concatenate, make_tracks, open_tracks

SIX_HOURLY = ["2020-09-01T00", "2020-09-01T06", "2020-09-01T12"]


@pytest.fixture
def two() -> Tracks:
    return make_tracks(
        ["a", "a", "a", "b", "b"],
        [*SIX_HOURLY, "2020-09-01T06", "2020-09-02T12"],
        [10.0, 11.0, 12.0, -20.0, -25.0],
        [-2.0, 358.5, 0.5, 170.0, 190.0],
        wind_m_s=[20.0, 30.0, np.nan, 40.0, 40.0],
        pressure_pa=[99000.0, 98000.0, 97000.0, 96000.0, 95000.0],
        basin=["NA", "NA", "NA", "SP", "SP"],
    )


def test_storms_and_records(two: Tracks):
    assert two.ids == ("a", "b")
    assert len(two) == 5
    assert [len(storm) for _, storm in two.storms()] == [3, 2]
    np.testing.assert_allclose(two.longitude[:3], [358.0, 358.5, 0.5])
    assert two.storm("b").basin.tolist() == ["SP", "SP"]
    assert two.where(two.wind_m_s >= 30).track_id.tolist() == ["a", "b", "b"]
    assert two.between(np.datetime64("2020-09-01T06"), np.datetime64("2020-09-01T12")).track_id.tolist() == [
        "a",
        "a",
        "b",
    ]
    assert concatenate([two.storm("b"), two.storm("a")]).ids == ("b", "a")
    assert len(concatenate([])) == 0 and concatenate([]).ids == ()
    with pytest.raises(UserError, match="no storm c among the 2"):
        two.storm("c")
    with pytest.raises(ValueError, match="read-only"):
        two.latitude[0] = 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": ["2020-09-01T06", "2020-09-01T06", "2020-09-02"]}, "strictly ascending times; those of a"),
        ({"track_id": ["a", "b", "a"]}, "must follow each other"),
        ({"latitude": [0.0, np.nan, 1.0]}, "needs a time and a position"),
        ({"latitude": [0.0, 1.0]}, "columns of one length"),
        ({"latitude": [0.0, 91.0, 1.0]}, "within 90 degrees, but reach 91"),
    ],
)
def test_records_out_of_order_are_refused(change: dict[str, list], message: str):
    columns = {"track_id": ["a"] * 3, "time": SIX_HOURLY, "latitude": [0.0] * 3, "longitude": [0.0] * 3}
    with pytest.raises(UserError, match=message):
        make_tracks(**(columns | change))


def test_between_records_along_the_great_circle(two: Tracks):
    times = np.array(
        ["2020-09-01T09", "2020-09-01T06", "2020-09-01T00", "2020-08-31", "2020-09-02T00"], "datetime64[ns]"
    )
    at = two.at(times)
    # b is known at 06 UTC; its next record is 30 hours later, too far to look between
    assert list(zip(at.track_id.tolist(), at.time.astype("datetime64[h]").astype(str).tolist(), strict=True)) == [
        ("a", "2020-09-01T00"),
        ("a", "2020-09-01T06"),
        ("a", "2020-09-01T09"),
        ("b", "2020-09-01T06"),
    ]
    legs = [great_circle_km(at.latitude[2], at.longitude[2], two.latitude[k], two.longitude[k]) for k in (1, 2)]
    whole = great_circle_km(two.latitude[1], two.longitude[1], two.latitude[2], two.longitude[2])
    np.testing.assert_allclose(legs, [0.5 * whole, 0.5 * whole], rtol=1e-9)  # rounding
    third = two.at(np.array(["2020-09-01T08"], "datetime64[ns]"))
    leg = great_circle_km(third.latitude[0], third.longitude[0], two.latitude[1], two.longitude[1])
    np.testing.assert_allclose(leg, whole / 3, rtol=1e-9)
    np.testing.assert_allclose(at.pressure_pa[:3], [99000, 98000, 97500])
    np.testing.assert_array_equal(at.wind_m_s[:3], [20, 30, np.nan])
    assert len(two.at(times, maximum_gap_h=48.0)) == 6


@pytest.mark.parametrize("ending", ["nc", "csv"])
def test_written_tracks_are_read_back(two: Tracks, tmp_path: Path, ending: str):
    path = tmp_path / f"tracks.{ending}"
    two.save(path)
    back = open_tracks(path)
    for name in ("track_id", "time", "latitude", "longitude", "wind_m_s", "pressure_pa", "basin"):
        np.testing.assert_array_equal(getattr(back, name), getattr(two, name))


def test_files_that_are_none(two: Tracks, tmp_path: Path):
    with pytest.raises(UserError, match="no such file"):
        open_tracks(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="no file of tracks with track_id, time, lat, lon"):
        open_tracks(tmp_path / "other.csv")
    (tmp_path / "broken.nc").write_text("not netCDF")
    with pytest.raises(UserError, match="no file of tracks"):
        open_tracks(tmp_path / "broken.nc")
    with pytest.raises(UserError, match=r"as \.nc or \.csv, not \.txt"):
        two.save(tmp_path / "tracks.txt")


@pytest.mark.filterwarnings("ignore")  # of the packages that huracanpy imports
def test_huracanpy_reads_what_is_written_and_finds_the_same_distances(two: Tracks, tmp_path: Path):
    huracanpy = pytest.importorskip("huracanpy")
    for ending in ("nc", "csv"):
        two.save(tmp_path / f"tracks.{ending}")
        read = huracanpy.load(str(tmp_path / f"tracks.{ending}"))
        assert read["track_id"].values.tolist() == two.track_id.tolist()
        assert read["basin"].values.tolist() == two.basin.tolist()
        np.testing.assert_allclose(read["lon"], two.longitude)
    metres = huracanpy.calc.distance(read["lon"], read["lat"], read["track_id"], method="haversine")
    own = great_circle_km(two.latitude[:2], two.longitude[:2], two.latitude[1:3], two.longitude[1:3])
    # the package haversine has the same radius, to its last digit
    np.testing.assert_allclose(np.asarray(metres)[:2] / 1000, own, rtol=1e-6)
