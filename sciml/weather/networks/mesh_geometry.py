"""Where the nodes of a mesh on the sphere and the points of a grid are, which see each other, and what an edge knows.

Shapes: n places, p points of the grid, v nodes of the mesh, e edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.spatial import KDTree

from sciml.fno.grids import Grid
from sciml.weather.networks.globe import latitudes_deg
from sciml.weather.networks.icosphere import Icosphere

# Lam et al. 2023, supplementary section 3.2.3: a grid point sends to nodes nearer than this share of the longest edge
_SENDING_SHARE = 0.6
# grid points that send to a node which has none so near, on a grid coarser than the mesh
_FEWEST_SENDERS = 4
# position of the sender (2), direction to it (2), distance (1), turn of the axes (2)
EDGE_FEATURES = 7
# a sender at the place of its receiver is in no direction
_TINY = 1e-9


@dataclass(frozen=True)
class Places:
    """Points on the sphere and their axes; on a pole, those of the meridian that the point stands for.

    Attributes:
        points: [n, 3] unit vectors.
        east: [n, 3] unit vectors.
        north: the same.
    """

    points: Float64[np.ndarray, "n 3"]
    east: Float64[np.ndarray, "n 3"]
    north: Float64[np.ndarray, "n 3"]

    def latitude_features(self) -> Float64[np.ndarray, "n 1 2"]:
        """Sine and cosine of the latitude."""
        sine = self.points[:, 2]
        return np.stack([sine, np.sqrt(np.maximum(1 - sine**2, 0.0))], axis=1)[:, None]


def grid_places(grid: Grid) -> Places:
    """The points of a grid, row after row.

    Raises:
        UserError: a grid that is not on the sphere.
    """
    latitude = np.radians(latitudes_deg(grid))
    longitude = 2 * np.pi / grid.shape[1] * np.arange(grid.shape[1])
    latitude, longitude = (angle.ravel() for angle in np.meshgrid(latitude, longitude, indexing="ij"))
    return _places(np.sin(latitude), np.cos(latitude), longitude)


def mesh_places(sphere: Icosphere) -> Places:
    """The nodes of a mesh, none of which is a pole."""
    x, y, z = sphere.vertices.T
    return _places(z, np.hypot(x, y), np.arctan2(y, x))


def _places(sine: np.ndarray, cosine: np.ndarray, longitude: np.ndarray) -> Places:
    ahead, aside, zero = np.cos(longitude), np.sin(longitude), np.zeros_like(longitude)
    points = np.stack([cosine * ahead, cosine * aside, sine], axis=1)
    north = np.stack([-sine * ahead, -sine * aside, cosine], axis=1)
    return Places(points, np.stack([-aside, ahead, zero], axis=1), north)


def senders_near(
    points: Float64[np.ndarray, "p 3"], sphere: Icosphere
) -> tuple[Int64[np.ndarray, " e"], Int64[np.ndarray, " e"]]:
    """Edges from grid points to the nodes of the mesh near them; each point and each node has one at least."""
    nodes = KDTree(sphere.vertices)
    reach = _SENDING_SHARE * 2 * np.sin(sphere.edge_rad / 2)
    near = nodes.query_ball_point(points, reach)
    sender = np.repeat(np.arange(len(points)), [len(found) for found in near])
    receiver = np.concatenate([np.asarray(found, np.int64) for found in near])
    nearest = nodes.query(points)[1]
    lonely = np.setdiff1d(np.arange(len(sphere.vertices)), np.concatenate([receiver, nearest]))
    given = KDTree(points).query(sphere.vertices[lonely], k=_FEWEST_SENDERS)[1]
    pairs = np.concatenate(
        [
            np.stack([sender, receiver], axis=1),
            np.stack([np.arange(len(points)), nearest], axis=1),
            np.stack([given.ravel(), np.repeat(lonely, _FEWEST_SENDERS)], axis=1),
        ]
    )
    sender, receiver = np.unique(pairs, axis=0).T
    return sender.copy(), receiver.copy()


def edge_features(
    senders: Places, receivers: Places, sender: Int64[np.ndarray, " e"], receiver: Int64[np.ndarray, " e"]
) -> Float64[np.ndarray, "e 7"]:
    """What an edge knows of its ends.

    The position of the sender in the receiver's axes east and north, in units of the longest distance; the same in
    units of its own distance, as the edges of a multi-mesh differ a lot; the distance; cosine and sine of the angle
    from the receiver's east to that of the sender, which is moved to the receiver along the great circle.
    """
    start, end = senders.points[sender], receivers.points[receiver]
    east, north = receivers.east[receiver], receivers.north[receiver]
    way = start - end
    distance = np.linalg.norm(way, axis=1)
    # the rotation that takes `start` to `end` by the shortest way, applied to the sender's east (Rodrigues' formula)
    axis, theirs = np.cross(start, end), senders.east[sender]
    once = np.cross(axis, theirs)
    moved = theirs + once + np.cross(axis, once) / (1 + (start * end).sum(1, keepdims=True))
    position = np.stack([(way * direction).sum(1) for direction in (east, north)], axis=1)
    turn = np.stack([(moved * direction).sum(1) for direction in (east, north)], axis=1)
    longest, distance = distance.max(), distance[:, None]
    return np.concatenate([position / longest, position / (distance + _TINY), distance / longest, turn], axis=1)
