"""Icosahedra that are refined to nearly even meshes on the sphere, all of whose refinements make one multi-mesh.

As in GraphCast (Lam et al. 2023, arXiv:2212.12794, supplementary section 3.2.2): each face is split into four by the
middles of its edges, which are moved onto the sphere; the edges of all refinements are kept, over the finest vertices.
The poles are the centres of two faces, so that a turn by a third of a circle maps the mesh onto itself.

Shapes: v vertices, f faces, e directed edges, p points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

# A mesh whose mirror planes were meridians of the grid would have grid points on its edges, where rounding decides in
# which face they are. Turned by this angle about the axis, it has none on a grid that starts at 0 degrees east.
_TURN_RAD = 0.1


@dataclass(frozen=True)
class Icosphere:
    """An icosahedron, refined.

    Attributes:
        vertices: [v, 3] unit vectors; those of a coarser refinement come first.
        faces: by refinement, coarsest first, [faces, 3] vertices, counter-clockwise seen from outside. The faces 4i to
            4i + 3 of one are the parts of face i of the one before.
    """

    vertices: Float64[np.ndarray, "v 3"]
    faces: tuple[Int64[np.ndarray, "_ 3"], ...]

    @property
    def edge_rad(self) -> float:
        """The longest edge of the finest refinement, as an angle."""
        sender, receiver = directed_edges(self.faces[-1])
        cosine = (self.vertices[sender] * self.vertices[receiver]).sum(1)
        return float(np.arccos(cosine.min()))

    def multi_mesh(self) -> tuple[Int64[np.ndarray, " e"], Int64[np.ndarray, " e"]]:
        """Senders and receivers of the edges of all refinements, in both directions, sorted by receiver."""
        sender, receiver = (np.concatenate(ends) for ends in zip(*map(directed_edges, self.faces), strict=True))
        order = np.lexsort((sender, receiver))
        return sender[order], receiver[order]

    def around(self, points: Float64[np.ndarray, "p 3"]) -> Int64[np.ndarray, "p 3"]:
        """The vertices of the finest face that each point is in."""
        face = self._insideness(points, np.arange(20)[None]).argmax(1)
        for refinement in range(1, len(self.faces)):
            parts = 4 * face[:, None] + np.arange(4)
            inside = self._insideness(points, parts, refinement)
            face = parts[np.arange(len(points)), inside.argmax(1)]
        return self.faces[-1][face]

    def _insideness(
        self, points: Float64[np.ndarray, "p 3"], faces: Int64[np.ndarray, "_ k"], refinement: int = 0
    ) -> Float64[np.ndarray, "p k"]:
        """Sine of the angle by which a point is inside of a face, whose edges are great circles; negative outside."""
        a, b, c = np.moveaxis(self.vertices[self.faces[refinement][faces]], 2, 0)
        sides = [_unit(np.cross(start, end)) for start, end in ((a, b), (b, c), (c, a))]
        return np.min([(side * points[:, None]).sum(-1) for side in sides], axis=0)


def icosphere(refinement: int) -> Icosphere:
    """The icosahedron after so many refinements.

    >>> sphere = icosphere(2)
    >>> len(sphere.vertices), [len(faces) for faces in sphere.faces]
    (162, [20, 80, 320])
    """
    vertices, faces = _icosahedron()
    meshes = [faces]
    for _ in range(refinement):
        vertices, faces = _split(vertices, faces)
        meshes.append(faces)
    return Icosphere(vertices, tuple(meshes))


def directed_edges(faces: Int64[np.ndarray, "f 3"]) -> tuple[Int64[np.ndarray, " e"], Int64[np.ndarray, " e"]]:
    """Senders and receivers: each edge is in two faces, once in each direction."""
    return faces.ravel(), np.roll(faces, -1, axis=1).ravel()


def _icosahedron() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces, with the centre of a face at either pole."""
    golden = (1 + 5**0.5) / 2
    corners = [(0.0, s, t * golden) for s in (-1, 1) for t in (-1, 1)]
    vertices = _unit(np.array([np.roll(corner, shift) for shift in range(3) for corner in corners]))
    # neighbours are the pairs with the smallest distance; three that are all neighbours make a face
    near = vertices @ vertices.T > 0.4
    triples = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    faces = np.array([t if np.linalg.det(vertices[list(t)]) > 0 else (t[0], t[2], t[1]) for t in triples], np.int64)
    up = _unit(vertices[faces[0]].sum(0))
    ahead = _unit(vertices[faces[0, 0]] - up * (up @ vertices[faces[0, 0]]))
    standing = vertices @ np.stack([ahead, np.cross(up, ahead), up], axis=1)
    cosine, sine = np.cos(_TURN_RAD), np.sin(_TURN_RAD)
    return standing @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]), faces


def _split(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The next refinement."""
    ends = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2), axis=2)
    edges, middle = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    middles = _unit(vertices[edges].sum(1))
    (a, b, c), (ab, bc, ca) = faces.T, len(vertices) + middle.reshape(-1, 3).T
    parts = np.stack([[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]])
    return np.concatenate([vertices, middles]), parts.transpose(2, 0, 1).reshape(-1, 3)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
