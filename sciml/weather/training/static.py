"""Channels that do not change with time: land and sea, orography, where on the globe a cell is.

Shapes: s channels, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.weather.grid import Grid

# the channels of `position`
POSITION = ("sin_latitude", "cos_latitude", "sin_longitude", "cos_longitude")

# files round coordinates to float32 or to 1e-3 degrees
_SAME_PLACE_DEG = 1e-3


def static_channel_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of the channels of `static_channels`.

    >>> static_channel_names(["lsm", "position"])
    ('lsm', 'sin_latitude', 'cos_latitude', 'sin_longitude', 'cos_longitude')
    """
    return tuple(channel for name in names for channel in (POSITION if name == "position" else (name,)))


def static_channels(static: xr.Dataset | None, names: Sequence[str], grid: Grid) -> Float[np.ndarray, "s y x"]:
    """Static channels, of order one, float32.

    Args:
        static: holds the named variables, such as lsm and z (the surface's geopotential), on (latitude, longitude).
        names: of variables, and `position` for sine and cosine of latitude and of longitude. A variable within 0 and 1
            stays as it is; another one is taken from its area-weighted mean and divided by its standard deviation.
        grid: of the samples.

    Raises:
        UserError: a variable that is not there, has other dimensions, another grid, missing values, or one value only.
    """
    channels = []
    for name in names:
        if name == "position":
            latitude, longitude = np.meshgrid(np.radians(grid.latitude), np.radians(grid.longitude), indexing="ij")
            channels += [np.sin(latitude), np.cos(latitude), np.sin(longitude), np.cos(longitude)]
        else:
            channels.append(_variable(static, name, grid))
    return np.stack(channels).astype(np.float32) if channels else np.zeros((0, *grid.shape), np.float32)


def _variable(static: xr.Dataset | None, name: str, grid: Grid) -> Float[np.ndarray, "y x"]:
    if static is None or name not in static.data_vars:
        have = "none" if static is None else ", ".join(map(str, static.data_vars)) or "none"
        raise UserError(f"The static field `{name}` was asked for, but given are: {have}. Give it in `static`.")
    array = static[name]
    if array.dims != ("latitude", "longitude"):
        raise UserError(
            f"The static field `{name}` needs the dimensions latitude and longitude, but has "
            f"{', '.join(map(str, array.dims))}. Choose one entry of the others, as with isel(time=0)."
        )
    if array.shape != grid.shape or not (
        np.allclose(array["latitude"], grid.latitude, rtol=0, atol=_SAME_PLACE_DEG)
        and np.allclose(array["longitude"], grid.longitude, rtol=0, atol=_SAME_PLACE_DEG)
    ):
        raise UserError(
            f"The static field `{name}` is on another grid ({array.shape[0]} x {array.shape[1]}) than the samples "
            f"({grid.shape[0]} x {grid.shape[1]}), or its latitudes run the other way. Regrid it."
        )
    values = array.values.astype(np.float64)
    if not np.isfinite(values).all():
        raise UserError(f"The static field `{name}` has missing values. Fill them, as with fillna(0).")
    if values.min() >= 0 and values.max() <= 1:
        return values
    weights = grid.area_weights()
    values = values - np.average(values, weights=weights)
    std = np.sqrt(np.average(values**2, weights=weights))
    if std == 0:
        raise UserError(f"The static field `{name}` is the same everywhere. Leave it out.")
    return values / std
