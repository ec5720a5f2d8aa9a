"""The networks that forecast weather by name, and how to build one from its configuration."""

from __future__ import annotations

from typing import Any

from torch import nn

from sciml.core.architectures import architecture_of
from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.sfno import SFNO, SFNOConfig
from sciml.weather.networks.conditions import small_output
from sciml.weather.networks.convgru import ConvGRU, ConvGRUConfig
from sciml.weather.networks.layout import ChannelLayout
from sciml.weather.networks.mesh_gnn import MeshGNN, MeshGNNConfig
from sciml.weather.networks.swin import Swin, SwinConfig

# name -> (sizes, network); each is built as (config, layout, grid, n_inputs, n_conditions)
NETWORKS: dict[str, tuple[Any, Any]] = {
    "sfno": (SFNOConfig, None),
    "swin": (SwinConfig, Swin),
    "convgru": (ConvGRUConfig, ConvGRU),
    "mesh-gnn": (MeshGNNConfig, MeshGNN),
}


def build_network(config: Any, layout: ChannelLayout, grid: Grid, n_conditions: int = 0) -> nn.Module:
    """A network with fresh weights, [b, y, x, inputs] to the normalised change of a state, [b, y, x, state].

    Args:
        config: sizes.
        layout: what the channels are.
        grid: of the sphere.
        n_conditions: numbers that come with each sample beside the fields.

    Raises:
        UserError: sizes that do not fit the grid, or a grid that is none of the whole sphere.
    """
    if grid.sphere is None:
        raise UserError("Networks of weather need a grid of the whole sphere, but got one of a box.")
    name = architecture_of(config, NETWORKS)
    if name != "sfno":
        return NETWORKS[name][1](config, layout, grid, layout.n_inputs, n_conditions)
    # the one that knows nothing of variables and levels
    network = SFNO(config, layout.n_inputs, layout.n_state, grid, n_conditions)
    last = [module for module in network.decoder.modules() if isinstance(module, nn.Linear)][-1]
    small_output(last)
    return network
