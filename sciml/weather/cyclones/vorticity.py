"""Relative vorticity on a latitude-longitude grid.

zeta = 1/(a cos(phi)) dv/dlambda - 1/a d(u cos(phi))/dmu with mu = sin(phi) (Holton & Hakim 2013, An Introduction to
Dynamic Meteorology, 5th ed., section 4.2, in spherical coordinates). In mu the differences are exact for solid rotation
about the axis, for which u cos(phi) is quadratic. Differences are of second order, one-sided at the edges of a region.

Shapes: y latitudes, x longitudes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sciml.weather.grid import EARTH_RADIUS_KM, Grid

# a latitude this near to 90 degrees is the pole itself
_POLE_DEG = 1e-3


def relative_vorticity(
    u: Float[np.ndarray, "*leading y x"], v: Float[np.ndarray, "*leading y x"], grid: Grid
) -> Float[np.ndarray, "*leading y x"]:
    """Relative vorticity in 1/s of a wind in m/s; at a pole the circulation around the next row over its area.

    The winds need three rows and three columns at least. Where a wind within one point is missing (NaN), so is the
    vorticity.
    """
    radius_m = 1000 * EARTH_RADIUS_KM
    latitude = np.radians(grid.latitude)
    sine, cosine = np.sin(latitude)[:, None], np.cos(latitude)[:, None]
    longitude = np.radians(grid.longitude)
    u, v = u.astype(np.float64), v.astype(np.float64)
    joined, columns = grid.in_one_piece()
    if joined is not grid:
        zeta = relative_vorticity(u[..., columns], v[..., columns], joined)
        return zeta[..., np.argsort(columns)]
    if grid.is_cyclic:
        around = np.concatenate([[longitude[-1] - 2 * np.pi], longitude, [longitude[0] + 2 * np.pi]])
        wrapped = np.concatenate([v[..., -1:], v, v[..., :1]], axis=-1)
        dv_dlambda = np.gradient(wrapped, around, axis=-1)[..., 1:-1]
    else:
        dv_dlambda = np.gradient(v, longitude, axis=-1, edge_order=2)
    poles = np.flatnonzero(90 - np.abs(grid.latitude) < _POLE_DEG)
    with_metric = np.where(np.isin(np.arange(len(latitude)), poles)[:, None], 1.0, cosine)
    zeta = (dv_dlambda / with_metric - np.gradient(u * cosine, sine[:, 0], axis=-2, edge_order=2)) / radius_m
    for row in poles:
        beside = 1 if row == 0 else row - 1
        circulation = cosine[beside] * u[..., beside, :].mean(axis=-1, keepdims=True)
        zeta[..., row, :] = np.sign(sine[row]) * circulation / (radius_m * (1 - abs(sine[beside])))
    return zeta
