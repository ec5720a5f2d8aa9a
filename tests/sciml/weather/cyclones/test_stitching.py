"""Which low continues which storm, told by hand."""

import numpy as np

from sciml.weather.cyclones.detection import Lows
from sciml.weather.cyclones.stitching import StitchSettings, stitch

ANYTHING = StitchSettings(minimum_duration_h=0.0, strong_duration_h=0.0)


def lows(*places: tuple[float, float]) -> Lows:
    latitude, longitude = np.array(places, np.float64).reshape(-1, 2).T
    same = np.ones(len(places))
    return Lows(latitude, longitude, 99000.0 * same, 25.0 * same, 1e-4 * same)


def six_hourly(count: int) -> list[np.datetime64]:
    return [np.datetime64("2020-09-01", "ns") + k * np.timedelta64(6, "h") for k in range(count)]


def test_after_a_gap_a_storm_is_where_its_motion_leads():
    # 3 degrees west in six hours, unseen at 12 UTC; at 18 UTC a low where it was, and one where it is
    found = stitch(six_hourly(4), [lows((15, 150)), lows((15, 147)), lows(), lows((15, 147), (15, 141))], ANYTHING)
    (first, second) = (storm for _, storm in found.storms())
    assert first.longitude.tolist() == [150, 147, 141]
    assert second.longitude.tolist() == [147]


def test_storms_in_a_row_do_not_take_each_others_place():
    # two storms 5 degrees apart, both 4 degrees west in six hours: each low is nearest to where the other one was
    steps = [lows((15, 160 - 4 * k), (15, 155 - 4 * k)) for k in range(5)]
    found = stitch(six_hourly(5), steps, ANYTHING)
    assert [storm.longitude.tolist() for _, storm in found.storms()] == [
        [160, 156, 152, 148, 144],
        [155, 151, 147, 143, 139],
    ]


def test_irregular_times_count_in_hours():
    times = [np.datetime64("2020-09-01", "ns") + h * np.timedelta64(1, "h") for h in (0, 7, 14, 21, 29, 36, 43, 50)]
    steps = [lows((15, 160 - 0.2 * k)) for k in range(8)]
    assert len(stitch(times, steps, StitchSettings(minimum_duration_h=50.0, strong_duration_h=50.0)).ids) == 1
    assert stitch(times, steps, StitchSettings(minimum_duration_h=50.5, strong_duration_h=50.0)).ids == ()
    assert stitch(times, steps, StitchSettings(minimum_duration_h=50.0, strong_duration_h=50.5)).ids == ()


def test_names_tell_the_first_time():
    found = stitch(six_hourly(2), [lows((15, 150), (-15, 60)), lows((15, 150), (-15, 60), (12, 300))], ANYTHING)
    assert found.ids == ("2020090100-1", "2020090100-2", "2020090106-1")


def test_nothing_at_all():
    assert stitch([], [], StitchSettings()).ids == ()
    assert stitch(six_hourly(2), [lows(), lows()], ANYTHING).ids == ()
