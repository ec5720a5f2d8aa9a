"""Refined icosahedra: counts, convexity, symmetry, and the face that a point is in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from sciml.weather.networks.icosphere import directed_edges, icosphere


@pytest.mark.parametrize("refinement", range(6))
def test_counts(refinement: int) -> None:
    sphere = icosphere(refinement)
    assert sphere.vertices.shape == (10 * 4**refinement + 2, 3)
    assert [len(faces) for faces in sphere.faces] == [20 * 4**r for r in range(refinement + 1)]
    for r, faces in enumerate(sphere.faces):
        undirected = {frozenset(edge) for edge in zip(*directed_edges(faces), strict=True)}
        assert len(undirected) == 30 * 4**r
    sender, receiver = sphere.multi_mesh()
    assert len(set(zip(sender.tolist(), receiver.tolist(), strict=True))) == 2 * 30 * sum(
        4**r for r in range(refinement + 1)
    )
    assert (np.diff(receiver) >= 0).all()
    assert np.bincount(receiver).min() >= 5, "the twelve first vertices have five neighbours, all others six"


@pytest.mark.parametrize("refinement", [0, 1, 3])
def test_faces_are_the_convex_hull_of_the_vertices(refinement: int) -> None:
    """Qhull's faces are ours, as sets; and ours are counter-clockwise seen from outside."""
    sphere = icosphere(refinement)
    ours = {frozenset(face) for face in sphere.faces[-1].tolist()}
    assert ours == {frozenset(face) for face in ConvexHull(sphere.vertices).simplices.tolist()}
    assert (np.linalg.det(sphere.vertices[sphere.faces[-1]]) > 0).all()
    assert np.allclose(np.linalg.norm(sphere.vertices, axis=1), 1, atol=1e-15)


def test_edges_are_nearly_even() -> None:
    """Splitting at the middles makes edges near the first vertices shorter, by about a sixth in the limit."""
    sphere = icosphere(4)
    sender, receiver = directed_edges(sphere.faces[-1])
    length = np.linalg.norm(sphere.vertices[sender] - sphere.vertices[receiver], axis=1)
    assert length.max() / length.min() < 1.2
    assert sphere.edge_rad == pytest.approx(2 * np.arcsin(length.max() / 2), rel=1e-9)


def test_a_third_of_a_turn_maps_the_mesh_onto_itself_and_no_smaller_turn_does() -> None:
    vertices = icosphere(2).vertices

    def furthest(degrees: float) -> float:
        turned = Rotation.from_euler("z", degrees, degrees=True).apply(vertices)
        return np.linalg.norm(turned[:, None] - vertices, axis=2).min(axis=1).max()

    assert furthest(120) < 1e-13
    assert min(furthest(angle) for angle in (60, 72, 90)) > 0.01


@pytest.mark.parametrize("refinement", [0, 2])
def test_points_are_in_the_triangle_around_them(refinement: int) -> None:
    """Second road: the one face of all in which a point has no negative barycentric coordinate."""
    sphere = icosphere(refinement)
    points = np.random.default_rng(0).normal(size=(500, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    corners = sphere.vertices[sphere.faces[-1]]
    coordinates = np.einsum("fij,pi->pfj", np.linalg.inv(corners), points)
    face = coordinates.min(axis=2).argmax(axis=1)
    assert (coordinates.min(axis=2).max(axis=1) > 0).all()
    assert (np.sort(sphere.around(points)) == np.sort(sphere.faces[-1][face])).all()
