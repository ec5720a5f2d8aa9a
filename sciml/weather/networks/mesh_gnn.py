"""A graph network on a multi-mesh, as GraphCast (Lam et al. 2023, arXiv:2212.12794, supplementary section 3).

Points of the grid send what they know to the nodes of a mesh that are near; the nodes pass messages along the edges of
all refinements of an icosahedron; each point of the grid receives from the corners of the triangle that it is in. Each
step is an interaction network (Battaglia et al. 2016, arXiv:1612.00222).

What differs from GraphCast is for the sake of arithmetic, of the laws, and of learning in minutes. The first matrix of
a message is split into those of sender, receiver and edge, so that nodes are multiplied before they are gathered.
Messages are multiplied by a filter of their edge, as in SchNet (Schuett et al. 2017, arXiv:1706.08566), so that a slope
of a field is a sum of messages; between grid and mesh this is all that they are. Features of nodes and edges know
latitudes, but no longitude; edges also know by how much the axes of sender and receiver are turned, as winds are.

Features are laid out (node, batch, channel), so that a gather moves whole rows.

Shapes: b batch, y latitudes, x longitudes, i inputs, o outputs, k conditions, c channels, s senders, r receivers,
e edges, p points of the grid, v nodes of the mesh, f features of an edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from sciml.core.checks import check_ranges
from sciml.fno.grids import Grid
from sciml.weather.networks.conditions import ConditionalNorm, check_channels, check_fields, small_output
from sciml.weather.networks.icosphere import icosphere
from sciml.weather.networks.layout import ChannelLayout
from sciml.weather.networks.mesh_geometry import (
    EDGE_FEATURES,
    Places,
    edge_features,
    grid_places,
    mesh_places,
    senders_near,
)

# size of what nodes and edges of the mesh know of themselves, beside messages of about 1
_FIRST_STATICS = 0.1


@dataclass(frozen=True)
class MeshGNNConfig:
    """Sizes of a graph network on a mesh.

    Attributes:
        channels: features of a node and of an edge.
        layers: interactions along the mesh.
        refinement: of the mesh, which has 10 x 4^refinement + 2 nodes: 3 suits grids of 4 degrees, 4 those of 2.
    """

    channels: int = 96
    layers: int = 4
    refinement: int = 3

    def __post_init__(self) -> None:
        check_ranges("model", self, {"channels": (2, 4096), "layers": (1, 100), "refinement": (0, 7)})


class Graph(nn.Module):
    """Edges from senders to receivers, sorted by receiver, and what an edge knows of its ends."""

    sender: Tensor
    receiver: Tensor
    features: Tensor

    def __init__(
        self, senders: Places, receivers: Places, sender: Int64[np.ndarray, " e"], receiver: Int64[np.ndarray, " e"]
    ) -> None:
        super().__init__()
        order = np.lexsort((sender, receiver))
        sender, receiver = sender[order], receiver[order]
        self.n_receivers = len(receivers.points)
        # for sums of messages that are about as large as one
        self.scale = (len(receiver) / self.n_receivers) ** -0.5
        features = edge_features(senders, receivers, sender, receiver)
        self.register_buffer("sender", torch.from_numpy(sender), persistent=False)
        self.register_buffer("receiver", torch.from_numpy(receiver), persistent=False)
        features = torch.from_numpy(features).to(torch.get_default_dtype()).unsqueeze(1)
        self.register_buffer("features", features, persistent=False)

    def received(self, messages: Float[Tensor, "e b c"]) -> Float[Tensor, "r b c"]:
        """Sum of the messages to each receiver, scaled."""
        total = messages.new_zeros(self.n_receivers, *messages.shape[1:])
        return total.index_add_(0, self.receiver, messages) * self.scale


class Perceptron(nn.Module):
    """One hidden layer and a norm behind it; the first matrix is applied to each of several inputs by itself."""

    def __init__(self, inputs: tuple[int, ...], channels: int, n_conditions: int) -> None:
        super().__init__()
        parts = [nn.Linear(n, channels, bias=i == 0) for i, n in enumerate(inputs)]
        for part in parts:
            # as if they were one matrix
            nn.init.uniform_(part.weight, -(sum(inputs) ** -0.5), sum(inputs) ** -0.5)
        self.first = nn.ModuleList(parts)
        self.second = nn.Linear(channels, channels)
        # What is the same for every input must not drown what differs on the way through many norms and sums: with
        # random biases and features of places of full size, what comes over the mesh made 1/25 of the output before
        # training, now 0.4; before, a network did not learn to look beyond a point in 600 steps.
        nn.init.zeros_(parts[0].bias)
        nn.init.zeros_(self.second.bias)
        self.norm = ConditionalNorm(channels, n_conditions)

    def forward(
        self, hidden: Float[Tensor, "n _ c"], condition: Tensor | None, factor: Tensor | None = None
    ) -> Float[Tensor, "n _ c"]:
        """From the sum of what the parts of the first matrix gave; the hidden layer is multiplied by a factor."""
        hidden = functional.silu(hidden)
        return self.norm(self.second(hidden if factor is None else hidden * factor), condition)


def edge_filter(channels: int) -> nn.Linear:
    """Factors of about 1 from the features of an edge, about four of which are not small."""
    layer = nn.Linear(EDGE_FEATURES, channels)
    nn.init.normal_(layer.weight, std=0.5)
    nn.init.zeros_(layer.bias)
    return layer


class NodeUpdate(nn.Module):
    """A perceptron of a node and of the messages that it received, beside an identity."""

    def __init__(self, channels: int, n_conditions: int) -> None:
        super().__init__()
        self.perceptron = Perceptron((channels, channels), channels, n_conditions)

    def forward(
        self, nodes: Float[Tensor, "n _ c"], received: Float[Tensor, "n b c"], condition: Tensor | None
    ) -> Float[Tensor, "n b c"]:
        of_node, of_received = self.perceptron.first
        return nodes + self.perceptron(of_node(nodes) + of_received(received), condition)


class Transfer(nn.Module):
    """Messages from the nodes of one kind to those of another, each by a filter of its edge."""

    def __init__(self, channels: int, n_conditions: int) -> None:
        super().__init__()
        self.of_sender = nn.Linear(channels, channels, bias=False)
        nn.init.normal_(self.of_sender.weight, std=channels**-0.5)
        self.filter = edge_filter(channels)
        self.update = NodeUpdate(channels, n_conditions)

    def forward(
        self,
        senders: Float[Tensor, "s b c"],
        receivers: Float[Tensor, "r _ c"],
        graph: Graph,
        condition: Tensor | None,
    ) -> Float[Tensor, "r b c"]:
        messages = self.of_sender(senders).index_select(0, graph.sender) * self.filter(graph.features)
        return self.update(receivers, graph.received(messages), condition)


class Interaction(nn.Module):
    """Messages along the mesh, which edges keep and add to."""

    def __init__(self, channels: int, n_conditions: int) -> None:
        super().__init__()
        self.message = Perceptron((channels,) * 3, channels, n_conditions)
        self.filter = edge_filter(channels)
        self.update = NodeUpdate(channels, n_conditions)

    def forward(
        self,
        nodes: Float[Tensor, "v b c"],
        edges: Float[Tensor, "e _ c"],
        graph: Graph,
        condition: Tensor | None,
    ) -> tuple[Float[Tensor, "v b c"], Float[Tensor, "e b c"]]:
        of_sender, of_receiver, of_edge = self.message.first
        sent = of_sender(nodes).index_select(0, graph.sender)
        hidden = sent.add_(of_receiver(nodes).index_select(0, graph.receiver)).add_(of_edge(edges))
        messages = self.message(hidden, condition, self.filter(graph.features))
        return self.update(nodes, graph.received(messages), condition), edges + messages


class MeshGNN(nn.Module):
    """Predicts the normalised change of a state from the states before it, forcings and static fields.

    A turn of the input by a third of a circle turns the output.

    Args:
        config: sizes.
        layout: what the channels are.
        grid: latitudes and longitudes.
        n_inputs: channels that come in, for which the layout says what they are.
        n_conditions: numbers beside the fields, such as a lead time or noise.

    Raises:
        UserError: a grid that is not on the sphere, or other channels than the layout's.
    """

    grid_latitude: Tensor
    mesh_latitude: Tensor

    def __init__(
        self, config: MeshGNNConfig, layout: ChannelLayout, grid: Grid, n_inputs: int, n_conditions: int = 0
    ) -> None:
        super().__init__()
        check_channels(layout, n_inputs)
        self.config, self.layout, self.grid, self.n_conditions = config, layout, grid, n_conditions
        sphere = icosphere(config.refinement)
        points, nodes = grid_places(grid), mesh_places(sphere)
        self.to_mesh = Graph(points, nodes, *senders_near(points.points, sphere))
        self.mesh = Graph(nodes, nodes, *sphere.multi_mesh())
        corners = sphere.around(points.points)
        self.to_grid = Graph(nodes, points, corners.ravel(), np.repeat(np.arange(len(corners)), 3))
        dtype = torch.get_default_dtype()
        self.register_buffer("grid_latitude", torch.from_numpy(points.latitude_features()).to(dtype), persistent=False)
        self.register_buffer("mesh_latitude", torch.from_numpy(nodes.latitude_features()).to(dtype), persistent=False)

        c, k = config.channels, n_conditions
        self.enter = Perceptron((n_inputs, 2), c, k)
        self.enter_nodes = nn.Linear(2, c, bias=False)
        self.enter_edges = nn.Linear(EDGE_FEATURES, c, bias=False)
        for layer in (self.enter_nodes, self.enter_edges):
            nn.init.normal_(layer.weight, std=_FIRST_STATICS)
        self.encode = Transfer(c, k)
        self.keep = Perceptron((c,), c, k)
        self.process = nn.ModuleList(Interaction(c, k) for _ in range(config.layers))
        self.decode = Transfer(c, k)
        self.leave = nn.Sequential(nn.Linear(c, c), nn.SiLU(), small_output(nn.Linear(c, layout.n_state)))

    def forward(
        self, x: Float[Tensor, "b y x i"], condition: Float[Tensor, "b k"] | None = None
    ) -> Float[Tensor, "b y x o"]:
        check_fields(x, condition, self.grid, self.layout.n_inputs, self.n_conditions)
        of_fields, of_latitude = self.enter.first
        fields = x.flatten(1, 2).transpose(0, 1)
        points = self.enter(of_fields(fields) + of_latitude(self.grid_latitude), condition)
        nodes = self.encode(points, self.enter_nodes(self.mesh_latitude), self.to_mesh, condition)
        points = points + self.keep(self.keep.first[0](points), condition)
        edges = self.enter_edges(self.mesh.features)
        for interaction in self.process:
            nodes, edges = interaction(nodes, edges, self.mesh, condition)
        points = self.decode(nodes, points, self.to_grid, condition)
        return self.leave(points).transpose(0, 1).unflatten(1, self.grid.shape)
