"""What a weather model knows about every valid time without forecasting: the sun, the season and the hour.

The sun's place is that of the Astronomical Almanac's low-precision formulas (page C5; Michalsky 1988, Solar Energy 40,
227), good to 0.01 degrees from 1950 to 2050. Incident radiation at the top of the atmosphere is S / R^2 max(0, cos z),
with the zenith angle cos z = sin(lat) sin(decl) + cos(lat) cos(decl) cos(hour angle) and R the distance to the sun in
astronomical units. Its sum over a window is the exact integral over the hour angle, with the sun's declination and
distance those of the middle of the window.

ERA5's `tisr` is the same quantity summed over the hour before its time; its solar constant follows the sun's cycle,
which changes it by about 0.1 percent.

Shapes: y latitudes, x longitudes, f forcings.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from sciml.core import native
from sciml.core.errors import UserError
from sciml.weather.grid import Grid

SOURCE = Path(__file__).with_name("sunlight.cpp")

# nominal total solar irradiance: IAU 2015 Resolution B3
SOLAR_CONSTANT_W_M2 = 1361.0

# seconds of a mean solar day, in which the hour angle goes around once, but for the equation of time's 30 s a day
_DAY_S = 86400.0

# days of a tropical year: IERS Conventions (2010), section 5
_YEAR_DAYS = 365.2422

# noon UTC of 1 January 2000, the epoch J2000.0, to a minute: Explanatory Supplement to the Astronomical Almanac (2013)
_J2000 = np.datetime64("2000-01-01T12:00:00", "ns")

# names of forcings, and of the channels that each makes
FORCINGS = {
    "toa_radiation": ("toa_radiation",),
    "year": ("sin_year", "cos_year"),
    "local_time": ("sin_local_time", "cos_local_time"),
}


@dataclass(frozen=True)
class Sun:
    """Where the sun is.

    Attributes:
        declination_rad: latitude where it stands in the zenith.
        distance_au: of the Earth, in astronomical units.
        hour_angle_rad: at Greenwich; at a place east of it, the longitude is added. Zero when the sun is in the south.
    """

    declination_rad: float
    distance_au: float
    hour_angle_rad: float


def sun_at(time: np.datetime64) -> Sun:
    """The sun at a time in UTC.

    >>> sun = sun_at(np.datetime64("1992-10-13T00:00:00"))  # Meeus, Astronomical Algorithms, example 25.a
    >>> round(float(np.degrees(sun.declination_rad)), 1), round(sun.distance_au, 4)  # there -7.785 and 0.99766
    (-7.8, 0.9977)
    """
    days = float((time.astype("datetime64[ns]") - _J2000) / np.timedelta64(1, "ns")) / (_DAY_S * 1e9)
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 0.0000004 * days)
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    sidereal = np.radians(280.46062 + 360.98564737 * days)
    return Sun(
        declination_rad=float(np.arcsin(np.sin(obliquity) * np.sin(longitude))),
        distance_au=float(1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)),
        hour_angle_rad=float(np.remainder(sidereal - right_ascension + np.pi, 2 * np.pi) - np.pi),
    )


def toa_radiation(grid: Grid, time: np.datetime64) -> Float[np.ndarray, "y x"]:
    """Incident solar radiation at the top of the atmosphere at a time in UTC, in W m**-2, float64."""
    sun = sun_at(time)
    up, across = _zenith_terms(grid, sun.declination_rad)
    hour_angle = sun.hour_angle_rad + np.radians(grid.longitude)
    cosine = up[:, None] + across[:, None] * np.cos(hour_angle)
    return SOLAR_CONSTANT_W_M2 / sun.distance_au**2 * np.maximum(cosine, 0)


def toa_radiation_sum(grid: Grid, time: np.datetime64, hours: int) -> Float[np.ndarray, "y x"]:
    """Incident solar radiation at the top of the atmosphere, summed over the hours before a time in UTC.

    >>> equator = Grid(np.array([0.0, 1.0]), np.array([0.0, 180.0]))
    >>> day = toa_radiation_sum(equator, np.datetime64("2024-03-20T12"), 24)[0]
    >>> [round(float(value) / 86400, 1) for value in day]  # near S / pi = 433.2, times 1.0083 for a distance of 0.9959
    [436.8, 436.8]

    Returns:
        J m**-2, float64.

    Raises:
        UserError: fewer hours than one or more than 24.
    """
    if not 1 <= hours <= 24:
        raise UserError(f"Solar radiation is summed over 1 to 24 hours, but {hours} were asked for.")
    window = _sunlit_window(grid, time, hours)
    up, across, sunset, half_day = (
        term[:, None] for term in (window.up, window.across, window.sunset, window.half_day)
    )
    first, last = (
        up * lit + across * np.sin(lit) for lit in (np.clip(end, -sunset, sunset) for end in (window.begin, window.end))
    )
    return np.maximum(window.flux * (last - first + window.days * half_day), 0)


def year_progress(time: np.datetime64) -> float:
    """The part of the tropical year gone by at a time in UTC, in [0, 1), counted from noon UTC of 1 January 2000.

    >>> round(year_progress(np.datetime64("2000-07-02T02:54")), 4)  # half of 365.2422 days later
    0.5
    """
    days = (time.astype("datetime64[ns]") - _J2000) / np.timedelta64(1, "ns") / (_DAY_S * 1e9)
    return float(days / _YEAR_DAYS % 1)


def day_progress(grid: Grid, time: np.datetime64) -> Float[np.ndarray, " x"]:
    """The part of the day gone by in local mean solar time at a time in UTC, in [0, 1).

    >>> day_progress(Grid(np.array([0.0, 1.0]), np.array([0.0, 90.0, 270.0])), np.datetime64("2020-01-01T12"))
    array([0.5 , 0.75, 0.25])
    """
    time = time.astype("datetime64[ns]")
    greenwich = (time - time.astype("datetime64[D]")) / np.timedelta64(1, "ns") / (_DAY_S * 1e9)
    return np.remainder(greenwich + grid.longitude / 360, 1)


def forcing_channels(forcings: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the channels that `forcing_fields` makes.

    >>> forcing_channels(("year", "toa_radiation"))
    ('sin_year', 'cos_year', 'toa_radiation')

    Raises:
        UserError: an unknown forcing.
    """
    for name in forcings:
        if name not in FORCINGS:
            raise UserError(f"`{name}` is no forcing. There are {', '.join(FORCINGS)}.")
    return tuple(channel for name in forcings for channel in FORCINGS[name])


def relative_radiation(grid: Grid, time: np.datetime64, hours: int, out: Float[np.ndarray, "y x"]) -> None:
    """Writes `toa_radiation_sum` over that of the solar constant, float32 and without gaps."""
    constant = SOLAR_CONSTANT_W_M2 * hours * 3600
    library = native.load(SOURCE)
    if library is None:
        out[:] = toa_radiation_sum(grid, time, hours) / constant
        return
    window = _sunlit_window(grid, time, hours)
    each = [window.up, window.across, window.sunset, window.half_day, window.begin, np.sin(window.begin), window.end]
    arrays = [np.ascontiguousarray(values, np.float64) for values in (*each, np.sin(window.end), window.days)]
    pointers = [ctypes.c_void_p(values.ctypes.data) for values in arrays]
    factor, sizes = ctypes.c_double(window.flux / constant), map(ctypes.c_int64, out.shape)
    library.sunlight(*sizes, *pointers, factor, ctypes.c_void_p(out.ctypes.data))


def forcing_fields(
    forcings: tuple[str, ...],
    grid: Grid,
    time: np.datetime64,
    radiation: Float[np.ndarray, "y x"] | None,
    out: Float[np.ndarray, "f y x"],
) -> None:
    """Writes the forcings at a time in UTC, all of order one, into `out`.

    Args:
        forcings: keys of FORCINGS. `year` and `local_time` are sine and cosine of the part of the year and of the local
            day.
        grid: where.
        time: valid time, UTC.
        radiation: that of `relative_radiation`, if it is one of the forcings.
        out: one row a channel of `forcing_channels`.
    """
    row = 0
    for name in forcings:
        if name == "toa_radiation":
            out[row] = radiation
        else:
            angle = 2 * np.pi * (year_progress(time) if name == "year" else day_progress(grid, time))
            out[row], out[row + 1] = np.sin(angle), np.cos(angle)
        row += len(FORCINGS[name])


@dataclass(frozen=True)
class _SunlitWindow:
    """A window of time as hour angles, and the sun in its middle.

    Attributes:
        up, across: [y] of the zenith angle, cos z = up + across cos(hour angle).
        sunset: [y] the hour angle where the sun sets: pi where it stays up, 0 where it stays down.
        half_day: [y] integral of max(0, cos z) from noon to midnight.
        begin, end: [x] hour angles of the window, within half a turn of noon.
        days: [x] half days between the noons that these are counted from.
        flux: J m**-2 for a radian of cos z = 1.
    """

    up: Float[np.ndarray, " y"]
    across: Float[np.ndarray, " y"]
    sunset: Float[np.ndarray, " y"]
    half_day: Float[np.ndarray, " y"]
    begin: Float[np.ndarray, " x"]
    end: Float[np.ndarray, " x"]
    days: Float[np.ndarray, " x"]
    flux: float


def _sunlit_window(grid: Grid, time: np.datetime64, hours: int) -> _SunlitWindow:
    """The hours before a time in UTC."""
    sun = sun_at(time - np.timedelta64(hours * 1800, "s"))
    up, across = _zenith_terms(grid, sun.declination_rad)
    cosine = np.divide(-up, across, out=np.where(up > 0, -1.0, 1.0), where=np.abs(across) > 1e-12)
    sunset = np.arccos(np.clip(cosine, -1, 1))
    half = np.pi * hours / 24
    middle = sun.hour_angle_rad + np.radians(grid.longitude)
    begin_turns, end_turns = (np.rint(angle / (2 * np.pi)) for angle in (middle - half, middle + half))
    return _SunlitWindow(
        up=up,
        across=across,
        sunset=sunset,
        half_day=up * sunset + across * np.sin(sunset),
        begin=middle - half - 2 * np.pi * begin_turns,
        end=middle + half - 2 * np.pi * end_turns,
        days=2 * (end_turns - begin_turns),
        flux=SOLAR_CONSTANT_W_M2 / sun.distance_au**2 * _DAY_S / (2 * np.pi),
    )


def _zenith_terms(grid: Grid, declination_rad: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[y] sin(lat) sin(decl) and cos(lat) cos(decl)."""
    latitude = np.radians(grid.latitude)
    return np.sin(latitude) * np.sin(declination_rad), np.cos(latitude) * np.cos(declination_rad)
