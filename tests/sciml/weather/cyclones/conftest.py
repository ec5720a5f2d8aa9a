"""Storms with known tracks on any grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr

from sciml.weather.cyclones.sphere import direction_deg, great_circle_km

# rotation of the Earth, 1/s, and density of the air near the sea, kg/m3 (Holland 1980, Mon. Wea. Rev. 108:1212)
OMEGA_PER_S = 7.292e-5
AIR_KG_M3 = 1.15


@pytest.fixture
def storms() -> Callable[..., xr.Dataset]:
    """Builds msl, u10, v10 (and z at 300 and 500 hPa) of Holland vortices, one track [time] each, in still air."""

    def build(
        latitude: np.ndarray,
        longitude: np.ndarray,
        times: np.ndarray,
        tracks: Sequence[tuple[np.ndarray, np.ndarray]],
        *,
        depth_pa: float = 5000.0,
        warmth_m2_s2: float | None = None,
        radius_km: float = 120.0,
        shape: float = 1.3,
    ) -> xr.Dataset:
        lat, lon = latitude[:, None], longitude[None, :]
        still = np.zeros((len(times), len(latitude), len(longitude)))
        # lowest at the equator, so that no background low closes
        pressure = still + 101000.0 + 600 * np.sin(np.radians(lat)) ** 2
        u, v, thickness = still.copy(), still.copy(), still + 38000.0 - 3000 * np.sin(np.radians(lat)) ** 2
        for track_latitude, track_longitude in tracks:
            for step in range(len(times)):
                place = float(track_latitude[step]), float(track_longitude[step])
                r = np.maximum(great_circle_km(*place, lat, lon), 1.0)
                decay = (radius_km / r) ** shape
                pressure[step] -= depth_pa * (1 - np.exp(-decay))
                coriolis = r * 1000 * OMEGA_PER_S * abs(np.sin(np.radians(place[0])))
                speed = np.sqrt(shape / AIR_KG_M3 * decay * depth_pa * np.exp(-decay) + coriolis**2) - coriolis
                # to the left of the way to the centre lies the wind of a cyclone of the north
                inward = np.radians(direction_deg(lat + 0 * lon, lon + 0 * lat, *place))
                turn = np.sign(place[0])
                u[step] += turn * speed * np.sin(inward + np.pi / 2)
                v[step] += turn * speed * np.cos(inward + np.pi / 2)
                if warmth_m2_s2 is not None:
                    thickness[step] += warmth_m2_s2 * np.exp(-((r / 250.0) ** 2))
        dims = ("time", "latitude", "longitude")
        fields = {"msl": pressure, "u10": u, "v10": v}
        coords = {"time": times, "latitude": latitude, "longitude": longitude}
        dataset = xr.Dataset({name: (dims, field.astype(np.float32)) for name, field in fields.items()}, coords)
        if warmth_m2_s2 is not None:
            levels = np.stack([55000.0 + thickness, 55000.0 + still], axis=1).astype(np.float32)
            dataset["z"] = (("time", "level", "latitude", "longitude"), levels)
            dataset["level"] = ("level", [300.0, 500.0])
        return dataset

    return build


@pytest.fixture
def six_hourly() -> np.ndarray:
    """Thirteen times over three days."""
    return np.datetime64("2020-09-01T00", "ns") + np.arange(13) * np.timedelta64(6, "h")
