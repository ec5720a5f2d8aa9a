"""The sun is where other formulas and almanacs have it, and its light adds up."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.core import native
from sciml.core.errors import UserError
from sciml.weather.grid import Grid, gauss_legendre
from sciml.weather.training.forcings import (
    SOLAR_CONSTANT_W_M2,
    forcing_channels,
    forcing_fields,
    relative_radiation,
    sun_at,
    toa_radiation,
    toa_radiation_sum,
    year_progress,
)

GLOBE = Grid(np.degrees(np.arcsin(gauss_legendre(64)[0])), np.arange(0, 360, 3.0))
# the obliquity of 2024, IAU 2006: 23.436 degrees
OBLIQUITY_DEG = 23.436


def spencer(day_of_year: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Declination [rad], equation of time [rad] and 1 / distance^2 by Spencer 1971, Search 2 (5), 172."""
    a = 2 * np.pi * (day_of_year - 1) / 365
    declination = (
        0.006918 - 0.399912 * np.cos(a) + 0.070257 * np.sin(a)
        - 0.006758 * np.cos(2 * a) + 0.000907 * np.sin(2 * a) - 0.002697 * np.cos(3 * a) + 0.00148 * np.sin(3 * a)
    )  # fmt: skip
    equation = (
        0.000075 + 0.001868 * np.cos(a) - 0.032077 * np.sin(a) - 0.014615 * np.cos(2 * a) - 0.040849 * np.sin(2 * a)
    )
    distance = (
        1.00011 + 0.034221 * np.cos(a) + 0.00128 * np.sin(a) + 0.000719 * np.cos(2 * a) + 0.000077 * np.sin(2 * a)
    )
    return declination, equation, distance


# from the almanacs' tables of 2024, to the minute
@pytest.mark.parametrize(
    ("time", "declination_deg"),
    [
        ("2024-03-20T03:06", 0.0),
        ("2024-06-20T20:51", OBLIQUITY_DEG),
        ("2024-09-22T12:44", 0.0),
        ("2024-12-21T09:21", -OBLIQUITY_DEG),
    ],
)
def test_equinoxes_and_solstices(time: str, declination_deg: float) -> None:
    # the almanac's own error is 0.01 degrees
    assert np.degrees(sun_at(np.datetime64(time)).declination_rad) == pytest.approx(declination_deg, abs=0.01)


def test_perihelion_and_aphelion() -> None:
    # 2024: 0.983307 on 3 January and 1.016725 on 5 July; the formula is good to 1e-4
    assert sun_at(np.datetime64("2024-01-03T01")).distance_au == pytest.approx(0.98331, abs=1e-4)
    assert sun_at(np.datetime64("2024-07-05T05")).distance_au == pytest.approx(1.01673, abs=1e-4)


def test_another_road_to_the_sun() -> None:
    days = np.arange(1, 366, 7)
    times = np.datetime64("1971-01-01T12:00") + (days - 1) * np.timedelta64(1, "D")
    suns = [sun_at(time) for time in times]
    declination, equation, distance = spencer(days + 0.0)
    # Spencer's declination is good to 0.0006 rad, his series are of a mean year: another 0.2 days, 0.0015 rad
    np.testing.assert_allclose([sun.declination_rad for sun in suns], declination, atol=3e-3)
    # at noon the hour angle is the equation of time, which he has to 0.0025 rad, 35 s
    np.testing.assert_allclose([sun.hour_angle_rad for sun in suns], equation, atol=4e-3)
    # he says 1e-4, and the perihelion moves by a day or two
    np.testing.assert_allclose([sun.distance_au**-2 for sun in suns], distance, atol=1e-3)


@pytest.mark.parametrize("time", ["2020-01-01T00", "2021-05-17T07:40", "2022-12-21T18"])
def test_the_globe_gets_a_quarter_of_the_solar_constant(time: str) -> None:
    """Whatever the sun's place, the Earth's disc is a quarter of its surface."""
    when = np.datetime64(time)
    mean = np.average(toa_radiation(GLOBE, when), weights=GLOBE.area_weights())
    wanted = SOLAR_CONSTANT_W_M2 / 4 / sun_at(when).distance_au ** 2
    # the edge of night is a kink that the grid has at 3 degrees only
    assert mean == pytest.approx(wanted, rel=1e-3)
    total = np.average(toa_radiation_sum(GLOBE, when, 6), weights=GLOBE.area_weights())
    assert total / 21600 == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("hours", [1, 3, 6, 12, 24])
@pytest.mark.parametrize("time", ["2020-06-21T00", "2020-12-21T06", "2020-03-20T15", "2020-09-01T21"])
def test_the_sum_is_the_integral(hours: int, time: str) -> None:
    """Against the sum of a thousand instants, poles and edges of day and night included."""
    grid = Grid(np.array([-90.0, -75, -23.4, 0, 40, 66.6, 80, 90]), np.arange(0, 360, 30.0))
    end, n = np.datetime64(time, "ns"), 1000
    seconds = (np.arange(n) + 0.5) / n * hours * 3600
    instants = [end - np.timedelta64(round(second * 1e9), "ns") for second in seconds]
    wanted = np.mean([toa_radiation(grid, instant) for instant in instants], axis=0) * hours * 3600
    # within the window the declination moves by 0.1 degrees in 6 h at most, and the sum has that of its middle
    np.testing.assert_allclose(toa_radiation_sum(grid, end, hours), wanted, atol=1.5e-3 * 1361 * hours * 3600)


def test_polar_night_and_polar_day() -> None:
    poles = Grid(np.array([-89.0, 89.0]), np.arange(0, 360, 30.0))
    south, north = toa_radiation_sum(poles, np.datetime64("2020-12-21T12"), 24)
    assert (north == 0).all()
    assert (toa_radiation(poles, np.datetime64("2020-12-21T03"))[1] == 0).all()
    # the sun all day at about 23.4 degrees: S / R^2 sin(lat) sin(decl) all around, to a thousandth
    distance = sun_at(np.datetime64("2020-12-21T00")).distance_au
    wanted = 86400 * SOLAR_CONSTANT_W_M2 / distance**2 * np.sin(np.radians(89)) * np.sin(np.radians(OBLIQUITY_DEG))
    np.testing.assert_allclose(south, wanted, rtol=1e-3)


def test_noon_is_where_the_sun_is() -> None:
    """At 12 UTC of the equinox, but for the equation of time of 7 minutes, Greenwich has noon and the Pacific night."""
    row = toa_radiation(Grid(np.array([-0.5, 0.5]), np.arange(0, 360, 1.0)), np.datetime64("2024-03-20T12"))[0]
    assert int(np.argmax(row)) in (1, 2)
    assert (row[100:260] == 0).all()


def test_channels() -> None:
    names = ("toa_radiation", "year", "local_time")
    assert forcing_channels(names) == ("toa_radiation", "sin_year", "cos_year", "sin_local_time", "cos_local_time")
    out = np.empty((5, *GLOBE.shape), np.float32)
    time = np.datetime64("2021-02-03T18", "ns")
    radiation = np.empty(GLOBE.shape, np.float32)
    relative_radiation(GLOBE, time, 6, radiation)
    forcing_fields(names, GLOBE, time, radiation, out)
    np.testing.assert_array_equal(out[0], radiation)
    # the perihelion brings 3.4 percent more than the constant
    assert out[0].min() >= 0 and out[0].max() <= 1.035
    np.testing.assert_allclose(out[1] ** 2 + out[2] ** 2, 1, rtol=1e-6)
    assert np.arctan2(out[1, 0, 0], out[2, 0, 0]) == pytest.approx(2 * np.pi * year_progress(time), abs=1e-6)
    # 18 UTC is midnight at 90 E, and noon at 90 W
    np.testing.assert_allclose(out[3:, :, 30], np.stack([np.zeros(64), np.ones(64)]), atol=1e-6)
    np.testing.assert_allclose(out[3:, :, 90], np.stack([np.zeros(64), -np.ones(64)]), atol=1e-6)


@pytest.mark.parametrize("hours", [1, 6, 24])
@pytest.mark.parametrize("time", ["2020-06-21T01", "2020-12-21T06", "2020-09-22T17:20"])
@pytest.mark.parametrize("compiled", [True, False])
def test_radiation_in_single_precision(hours: int, time: str, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid(np.linspace(-90, 90, 37), np.arange(0, 360, 2.5))
    if not compiled:
        monkeypatch.setattr(native, "load", lambda source: None)
    out = np.empty(grid.shape, np.float32)
    relative_radiation(grid, np.datetime64(time, "ns"), hours, out)
    wanted = toa_radiation_sum(grid, np.datetime64(time, "ns"), hours)
    # the rounding to float32 alone; where the sun sets a difference of numbers of order one is left
    np.testing.assert_allclose(out * (1361.0 * hours * 3600), wanted, rtol=1e-6, atol=1e-9 * 1361 * 86400)


def test_bad_input_is_refused() -> None:
    with pytest.raises(UserError, match="`sun` is no forcing"):
        forcing_channels(("sun",))
    for hours in (0, 25):
        with pytest.raises(UserError, match="1 to 24 hours"):
            toa_radiation_sum(GLOBE, np.datetime64("2020-01-01"), hours)
