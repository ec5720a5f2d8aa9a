"""Distances, directions and displacements on the sphere.

Angles are degrees, longitudes east of Greenwich in any range, directions clockwise from north.
Shapes: any that broadcast; of numbers come arrays without dimensions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sciml.weather.grid import EARTH_RADIUS_KM

Degrees = NDArray[np.float64] | float
Numbers = NDArray[np.float64]


def great_circle_deg(latitude: Degrees, longitude: Degrees, to_latitude: Degrees, to_longitude: Degrees) -> Numbers:
    """Angle between two points, in degrees of a great circle (haversine formula).

    >>> round(float(great_circle_deg(0.0, 350.0, 0.0, 10.0)), 6)
    20.0
    """
    phi, to_phi = np.radians(latitude), np.radians(to_latitude)
    half_dphi, half_dlambda = 0.5 * (to_phi - phi), 0.5 * np.radians(np.subtract(to_longitude, longitude))
    haversine = np.sin(half_dphi) ** 2 + np.cos(phi) * np.cos(to_phi) * np.sin(half_dlambda) ** 2
    return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.minimum(haversine, 1.0)))))


def great_circle_km(latitude: Degrees, longitude: Degrees, to_latitude: Degrees, to_longitude: Degrees) -> Numbers:
    """Distance between two points along the great circle, in km.

    >>> round(float(great_circle_km(0.0, 0.0, 90.0, 77.0)), 2)  # a quarter of the circumference
    10007.56
    """
    return np.asarray(np.radians(great_circle_deg(latitude, longitude, to_latitude, to_longitude)) * EARTH_RADIUS_KM)


def direction_deg(latitude: Degrees, longitude: Degrees, to_latitude: Degrees, to_longitude: Degrees) -> Numbers:
    """Direction in which the great circle to another point leaves, clockwise from north, 0 to 360.

    >>> float(direction_deg(0.0, 179.0, 0.0, -179.0))  # across the date line to the east
    90.0
    """
    phi, to_phi = np.radians(latitude), np.radians(to_latitude)
    dlambda = np.radians(np.subtract(to_longitude, longitude))
    east = np.cos(to_phi) * np.sin(dlambda)
    north = np.cos(phi) * np.sin(to_phi) - np.sin(phi) * np.cos(to_phi) * np.cos(dlambda)
    return np.asarray(np.degrees(np.arctan2(east, north)) % 360)


def displaced(
    latitude: Degrees, longitude: Degrees, direction: Degrees, distance_km: Numbers | float
) -> tuple[Numbers, Numbers]:
    """Latitude and longitude (0 to 360) after so many km on the great circle that leaves in a direction.

    >>> [round(float(x), 6) for x in displaced(80.0, 0.0, 0.0, 20 * EARTH_RADIUS_KM * np.pi / 180)]  # over the pole
    [80.0, 180.0]
    """
    phi, theta, angle = np.radians(latitude), np.radians(direction), np.divide(distance_km, EARTH_RADIUS_KM)
    sine = np.clip(np.sin(phi) * np.cos(angle) + np.cos(phi) * np.sin(angle) * np.cos(theta), -1, 1)
    east = np.sin(theta) * np.sin(angle) * np.cos(phi)
    dlambda = np.degrees(np.arctan2(east, np.cos(angle) - np.sin(phi) * sine))
    return np.asarray(np.degrees(np.arcsin(sine))), eastwards_deg(np.add(longitude, dlambda))


def along_and_cross_km(distance_km: Numbers | float, direction: Degrees, heading: Degrees) -> tuple[Numbers, Numbers]:
    """A displacement split along and across a heading: two great-circle distances in km.

    Args:
        distance_km: how far the point lies from the origin.
        direction: where it lies, clockwise from north.
        heading: the direction of the great circle along which is measured.

    Returns:
        along: positive ahead; to the foot of the perpendicular from the point to the great circle of the heading.
        cross: positive to the right; the length of that perpendicular.

    >>> along, cross = along_and_cross_km(100.0, 120.0, 90.0)  # 30 degrees to the right of eastward
    >>> round(float(along), 1), round(float(cross), 1)
    (86.6, 50.0)
    """
    angle, turned = np.divide(distance_km, EARTH_RADIUS_KM), np.radians(np.subtract(direction, heading))
    along = np.arctan2(np.cos(turned) * np.sin(angle), np.cos(angle))
    cross = np.arcsin(np.clip(np.sin(turned) * np.sin(angle), -1, 1))
    return np.asarray(along * EARTH_RADIUS_KM), np.asarray(cross * EARTH_RADIUS_KM)


def unit_vectors(latitude: Degrees, longitude: Degrees) -> NDArray[np.float64]:
    """[..., 3] points on the unit sphere: x to 0 E on the equator, y to 90 E, z to the north pole."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi) * np.ones_like(lam)], axis=-1)


def from_unit_vectors(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitude and longitude (0 to 360) of vectors [..., 3] of any length but zero."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.asarray(np.degrees(np.arctan2(z, np.hypot(x, y)))), eastwards_deg(np.degrees(np.arctan2(y, x)))


def eastwards_deg(longitude: Degrees) -> Numbers:
    """Longitudes from 0 to below 360."""
    # the remainder of -1e-20 rounds to 360 itself, whose remainder is 0
    return np.asarray(np.mod(np.mod(longitude, 360.0), 360.0))
