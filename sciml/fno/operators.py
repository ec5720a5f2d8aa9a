"""The operator networks by name, and how to build one from its configuration."""

from __future__ import annotations

from typing import Any

from torch import nn

from sciml.core.architectures import architecture_of
from sciml.fno.deeponet import DeepONet, DeepONetConfig
from sciml.fno.fno import FNO, FNOConfig
from sciml.fno.grids import Grid
from sciml.fno.sfno import SFNO, SFNOConfig
from sciml.fno.transolver import Transolver, TransolverConfig
from sciml.fno.unet import UNet, UNetConfig

# name -> (sizes, network); each is built as (config, in_channels, out_channels, grid, n_conditions)
OPERATORS: dict[str, tuple[Any, Any]] = {
    "fno": (FNOConfig, FNO),
    "sfno": (SFNOConfig, SFNO),
    "unet": (UNetConfig, UNet),
    "deeponet": (DeepONetConfig, DeepONet),
    "transolver": (TransolverConfig, Transolver),
}


def build_operator(config: Any, in_channels: int, out_channels: int, grid: Grid, n_conditions: int = 0) -> nn.Module:
    """A network with fresh weights of the operator that `config` belongs to, [b, *grid, i] to [b, *grid, o].

    Args:
        config: sizes.
        in_channels: of the input field.
        out_channels: of the output field.
        grid: that it is trained on.
        n_conditions: numbers that come with each sample beside the field.

    Raises:
        UserError: sizes that do not fit the grid.
    """
    _, network_class = OPERATORS[architecture_of(config, OPERATORS)]
    return network_class(config, in_channels, out_channels, grid, n_conditions)
