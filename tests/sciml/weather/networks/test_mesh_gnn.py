"""The graph network: who sends to whom, what edges know, and that it turns with the globe as far as the mesh does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from sciml.core.errors import UserError
from sciml.fno.grids import Grid, SphereKind
from sciml.weather.networks.icosphere import icosphere
from sciml.weather.networks.layout import ChannelLayout
from sciml.weather.networks.mesh_geometry import (
    EDGE_FEATURES,
    edge_features,
    grid_places,
    mesh_places,
    senders_near,
)
from sciml.weather.networks.mesh_gnn import MeshGNN, MeshGNNConfig

GRID = Grid((16, 30), (False, True), "gauss-legendre")
LAYOUT = ChannelLayout(upper=("z",), n_levels=2, surface=("t2m",), n_statics=1)
SMALL = MeshGNNConfig(channels=16, layers=2, refinement=1)


def mesh_gnn(config: MeshGNNConfig = SMALL, grid: Grid = GRID) -> MeshGNN:
    torch.manual_seed(0)
    return MeshGNN(config, LAYOUT, grid, LAYOUT.n_inputs)


@pytest.mark.parametrize("kind", ["gauss-legendre", "equiangular", "equiangular-offset"])
@pytest.mark.parametrize("refinement", [1, 2])
def test_a_third_of_a_turn_turns_the_output(kind: SphereKind, refinement: int) -> None:
    network = mesh_gnn(MeshGNNConfig(channels=16, layers=2, refinement=refinement), Grid((16, 30), (False, True), kind))
    network.double()
    x = torch.randn(2, 16, 30, LAYOUT.n_inputs, generator=torch.Generator().manual_seed(1)).double()
    change = network(x)
    # what edges know was rounded to single precision when the network was built
    tolerance = 1e-5 * change.abs().max()
    assert (network(x.roll(10, dims=2)) - change.roll(10, dims=2)).abs().max() < tolerance
    assert (network(x.roll(5, dims=2)) - change.roll(5, dims=2)).abs().max() > 100 * tolerance


@pytest.mark.parametrize(
    ("shape", "refinement"), [((16, 32), 0), ((16, 32), 2), ((48, 96), 3), ((6, 12), 3), ((5, 7), 2), ((33, 64), 1)]
)
@pytest.mark.parametrize("kind", ["gauss-legendre", "equiangular"])
def test_every_point_and_every_node_is_reached(shape: tuple[int, int], refinement: int, kind: SphereKind) -> None:
    points = grid_places(Grid(shape, (False, True), kind)).points
    sphere = icosphere(refinement)
    sender, receiver = senders_near(points, sphere)
    assert set(sender.tolist()) == set(range(len(points)))
    assert set(receiver.tolist()) == set(range(len(sphere.vertices)))
    assert len({*zip(sender.tolist(), receiver.tolist(), strict=True)}) == len(sender), "no edge twice"


def test_a_change_at_any_point_is_felt_at_its_neighbours() -> None:
    network = mesh_gnn().double()
    x = torch.randn(1, *GRID.shape, LAYOUT.n_inputs).double().requires_grad_()
    (felt,) = torch.autograd.grad(network(x)[:, 8, 0].square().sum(), x)
    assert felt[0, 8, -1].abs().max() > 0 and felt[0, 8, 1].abs().max() > 0 and felt[0, 7, 0].abs().max() > 0
    (felt,) = torch.autograd.grad(network(x).square().sum(), x)
    assert (felt.abs().amax(dim=-1) > 0).all()


def test_sums_of_messages_are_the_loop() -> None:
    graph = mesh_gnn().mesh
    messages = torch.randn(len(graph.sender), 2, 3)
    total = torch.zeros(graph.n_receivers, 2, 3)
    for message, receiver in zip(messages, graph.receiver.tolist(), strict=True):
        total[receiver] += message
    assert torch.allclose(graph.received(messages), total * graph.scale, atol=1e-6)
    assert (graph.receiver.diff() >= 0).all()
    assert graph.scale == pytest.approx((len(messages) / graph.n_receivers) ** -0.5)


def test_edges_know_the_sender_in_the_axes_of_the_receiver() -> None:
    """Second road: as GraphCast, a rotation that takes the receiver to 0 N, 0 E, where (y, z) is (east, north).

    The turn of the axes is the change of the azimuth of the great circle on its way, from spherical trigonometry.
    """
    grid, sphere = Grid((8, 10), (False, True), "gauss-legendre"), icosphere(1)
    senders, receivers = mesh_places(sphere), grid_places(grid)
    random = np.random.default_rng(0)
    sender, receiver = random.integers(0, 42, 300), random.integers(0, 80, 300)
    features = edge_features(senders, receivers, sender, receiver)
    assert features.shape == (300, EDGE_FEATURES)

    start, end = senders.points[sender], receivers.points[receiver]
    latitude, longitude = np.arcsin(end[:, 2]), np.arctan2(end[:, 1], end[:, 0])
    home = Rotation.from_euler("y", latitude[:, None]) * Rotation.from_euler("z", -longitude[:, None])
    assert np.allclose(home.apply(end), [1, 0, 0])
    position = home.apply(start)[:, 1:]
    distance = np.linalg.norm(start - end, axis=1)
    assert np.allclose(features[:, :2], position / distance.max(), atol=1e-12)
    assert np.allclose(features[:, 2:4] * distance[:, None], position, atol=1e-8)
    assert np.allclose(features[:, 4], distance / distance.max(), atol=1e-12)

    phi, theirs = np.arcsin(start[:, 2]), np.arctan2(start[:, 1], start[:, 0])
    turn = longitude - theirs
    leaving = np.arctan2(
        np.sin(turn) * np.cos(latitude),
        np.cos(phi) * np.sin(latitude) - np.sin(phi) * np.cos(latitude) * np.cos(turn),
    )
    # azimuth at the end, of going on: back-azimuth plus half a turn
    arriving = (
        np.arctan2(
            np.sin(-turn) * np.cos(phi),
            np.cos(latitude) * np.sin(phi) - np.sin(latitude) * np.cos(phi) * np.cos(turn),
        )
        + np.pi
    )
    # axes keep their angle to the way and turn with it; azimuths count clockwise, angles from east to north do not
    angle = leaving - arriving
    assert np.allclose(features[:, 5], np.cos(angle), atol=1e-8)
    assert np.allclose(features[:, 6], np.sin(angle), atol=1e-8)


def test_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(UserError, match="`model.refinement` needs to be between 0 and 7, but is 8"):
        MeshGNNConfig(refinement=8)
    with pytest.raises(UserError, match="`model.layers`"):
        MeshGNNConfig(layers=0)
