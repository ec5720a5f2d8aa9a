"""What every weather network does with its inputs: checks of their shapes, and norms that follow a condition."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.weather.networks.layout import ChannelLayout

# changes of scale and shift by a condition of unit variance before any training: felt, yet no noise that drowns fields
_FIRST_MODULATION = 0.1
# A network predicts what to add to the last state in units of its usual change. Before any training this is nearly
# nothing, so that a roll-out starts from persistence; exactly nothing would keep all but the last layer from learning.
FIRST_OUTPUT = 0.02


class ConditionalNorm(nn.Module):
    """Layer norm over the channels, whose scale and shift follow a condition (Perez et al. 2018, arXiv:1709.07871)."""

    def __init__(self, channels: int, n_conditions: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.modulation = nn.Linear(n_conditions, 2 * channels) if n_conditions else None
        if self.modulation is not None:
            nn.init.normal_(self.modulation.weight, std=_FIRST_MODULATION * n_conditions**-0.5)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Float[Tensor, "*points c"], condition: Tensor | None) -> Float[Tensor, "*points c"]:
        """`condition` [..., k] has leading axes that broadcast against those of x."""
        x = self.norm(x)
        if self.modulation is None:
            return x
        scale, shift = self.modulation(condition).chunk(2, dim=-1)
        return torch.addcmul(shift, x, 1 + scale)


def small_output(layer: nn.Linear) -> nn.Linear:
    """A last layer whose output is about `FIRST_OUTPUT` for inputs of unit variance."""
    nn.init.normal_(layer.weight, std=FIRST_OUTPUT * layer.in_features**-0.5)
    nn.init.zeros_(layer.bias)
    return layer


def check_channels(layout: ChannelLayout, n_inputs: int) -> None:
    """Refuses a number of inputs that the layout does not add up to.

    Raises:
        UserError: so.
    """
    if n_inputs != layout.n_inputs:
        raise UserError(
            f"The layout has {layout.n_inputs} inputs ({layout.history} states of {layout.n_state} channels, "
            f"{layout.n_forcings} forcings, {layout.n_features} features, {layout.n_statics} static fields), but the "
            f"network is asked for {n_inputs}."
        )


def check_fields(x: Tensor, condition: Tensor | None, grid: Grid, n_inputs: int, n_conditions: int) -> None:
    """Refuses fields on another grid or with other channels, and a missing, superfluous or wrong condition.

    Raises:
        UserError: so.
    """
    needed = (*grid.shape, n_inputs)
    if tuple(x.shape[1:]) != needed:
        raise UserError(
            f"The network is made for fields of (latitude, longitude, channel) {needed}, but got {tuple(x.shape[1:])}. "
            "Regrid the fields, or build a network for their grid and channels."
        )
    came = 0 if condition is None else condition.shape[-1]
    if came != n_conditions:
        raise UserError(f"The network is made for a condition of {n_conditions} numbers, but got {came}.")
