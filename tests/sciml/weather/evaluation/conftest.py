"""A small world: a wave that travels eastwards, forecasts of it that go too fast, and its climatology."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

START = np.datetime64("2021-06-01", "ns")
LATITUDE = np.linspace(-85.0, 85.0, 18)
LONGITUDE = np.arange(0.0, 360.0, 10.0)


def wave(times: np.ndarray, speed_deg_per_day: float, number: int = 3) -> np.ndarray:
    """[..., y, x] of a wave in longitude that is strongest at the equator."""
    days = ((times - START) / np.timedelta64(1, "D"))[..., None, None]
    phase = np.radians(number * (LONGITUDE - speed_deg_per_day * days))
    return (np.cos(np.radians(LATITUDE))[:, None] * np.cos(phase)).astype(np.float32)


def canonical(fields: dict[str, tuple[tuple[str, ...], np.ndarray]], **coordinates: np.ndarray) -> xr.Dataset:
    units = {"t2m": "K", "z": "m**2 s**-2", "tp": "m", "msl": "Pa", "u10": "m s**-1", "v10": "m s**-1"}
    places = {"latitude": LATITUDE, "longitude": LONGITUDE, **coordinates}
    data = {name: (dims, values.astype(np.float32), {"units": units[name]}) for name, (dims, values) in fields.items()}
    return xr.Dataset(data, places)


@pytest.fixture
def truth() -> xr.Dataset:
    """Sixteen days, every twelve hours: t2m, z at 500 and 850 hPa, rain."""
    times = START + np.arange(32) * np.timedelta64(12, "h")
    random = np.random.default_rng(1)
    z = 50000 + 800 * np.stack([wave(times, 12), wave(times, 8, 2)], 1)
    return canonical(
        {
            "t2m": (("time", "latitude", "longitude"), 288 + 8 * wave(times, 10)),
            "z": (("time", "level", "latitude", "longitude"), z),
            "tp": (("time", "latitude", "longitude"), 0.004 * random.gamma(0.5, 1, (32, 18, 36))),
        },
        time=times,
        level=np.array([500.0, 850.0]),
    )


@pytest.fixture
def forecast(truth: xr.Dataset) -> xr.Dataset:
    """Ten forecasts, one a day, to two and a half days: too fast by a degree a day, and too warm by 0.5 K."""
    times, leads = truth["time"].values[:20:2], np.arange(1, 6) * np.timedelta64(12, "h")
    valid = times[:, None] + leads
    error = (leads / np.timedelta64(1, "D"))[:, None, None]
    random = np.random.default_rng(2)
    z = 50000 + 800 * np.stack([wave(valid, 12) + 0.1 * error, wave(valid, 8, 2)], 2)
    return canonical(
        {
            "t2m": (("time", "lead_time", "latitude", "longitude"), 288.5 + 8 * wave(valid, 11)),
            "z": (("time", "lead_time", "level", "latitude", "longitude"), z),
            "tp": (("time", "lead_time", "latitude", "longitude"), 0.004 * random.gamma(0.5, 1, (10, 5, 18, 36))),
        },
        time=times,
        lead_time=leads.astype("timedelta64[ns]"),
        level=np.array([500.0, 850.0]),
    )


@pytest.fixture
def ensemble(forecast: xr.Dataset) -> xr.Dataset:
    """Five members around the forecast's t2m."""
    random = np.random.default_rng(3)
    noise = random.normal(0, 1.5, (10, 5, 5, 18, 36)).astype(np.float32)
    t2m = forecast["t2m"].expand_dims(number=np.arange(5), axis=2) + noise
    return xr.Dataset({"t2m": t2m.assign_attrs(units="K")})


@pytest.fixture
def climatology() -> xr.Dataset:
    """The mean of the world, and its quantiles: of a cosine the p-quantile is -cos(pi p)."""
    hours, days = np.array([0, 12]), np.arange(1, 367)
    quantiles = np.array([0.1, 0.9])
    amplitude = 8 * np.cos(np.radians(LATITUDE))[:, None] * np.ones(len(LONGITUDE))
    shape = (len(hours), len(days), *amplitude.shape)
    t2m_quantile = 288 - np.cos(np.pi * quantiles)[:, None, None, None, None] * amplitude * np.ones(shape)
    return (
        canonical(
            {"t2m": (("hour", "dayofyear", "latitude", "longitude"), np.full(shape, 288.0))},
            hour=hours,
            dayofyear=days,
        )
        .assign(
            t2m_quantile=(("quantile", "hour", "dayofyear", "latitude", "longitude"), t2m_quantile.astype(np.float32))
        )
        .assign_coords(quantile=quantiles)
    )
