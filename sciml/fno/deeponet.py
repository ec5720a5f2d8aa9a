"""DeepONet of Lu et al. 2021 (Nature Machine Intelligence 3, 218; arXiv:1910.03193).

A branch turns the input field, seen at fixed sensors, into coefficients, a trunk turns a place into values of as many
basis functions, and the output there is their product. Of several output channels each has coefficients of its own and
all share the basis (one of the ways of Lu et al. 2022, arXiv:2111.05512: split the branch and share the trunk).

Shapes: b batch, i input and o output channels, p basis functions, f features of a place, k conditions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.fno.conditioning import check_input
from sciml.fno.convolution import CONVOLUTIONS, Convolution, channels_last, check_dimension
from sciml.fno.grids import Grid
from sciml.fno.points import count_point_features, points_like


@dataclass(frozen=True)
class DeepONetConfig:
    """Sizes of a DeepONet.

    Attributes:
        basis: functions that the trunk gives and the branch has coefficients for.
        encoder: of the branch: "mlp" takes all values at the sensors at once, "convolutions" halve the resolution
            first, as often as `convolutions` says.
        branch_width: hidden channels of the branch.
        branch_layers: hidden layers of the branch.
        trunk_width: hidden channels of the trunk.
        trunk_layers: hidden layers of the trunk.
        convolutions: of the encoder "convolutions".
        waves: of each periodic axis that the trunk is told (see `points.point_features`).
    """

    basis: int = 128
    encoder: Literal["mlp", "convolutions"] = "mlp"
    branch_width: int = 128
    branch_layers: int = 2
    trunk_width: int = 128
    trunk_layers: int = 3
    convolutions: int = 2
    waves: int = 4

    def __post_init__(self) -> None:
        size, layers = (1, 65536), (1, 64)
        check_ranges(
            "model",
            self,
            {
                "basis": size,
                "branch_width": size,
                "branch_layers": layers,
                "trunk_width": size,
                "trunk_layers": layers,
                "convolutions": (1, 10),
                "waves": (1, 1024),
            },
        )


def mlp(inputs: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    """Linear layers with GELU between."""
    sizes = [inputs, *[hidden] * layers]
    pairs = zip(sizes[:-1], sizes[1:], strict=True)
    return nn.Sequential(
        *(part for pair in pairs for part in (nn.Linear(*pair), nn.GELU())), nn.Linear(hidden, outputs)
    )


class Encoder(nn.Module):
    """Ever coarser fields of ever more channels, flattened."""

    def __init__(self, config: DeepONetConfig, in_channels: int, grid: Grid) -> None:
        super().__init__()
        widths = [in_channels, *(16 * 2**level for level in range(config.convolutions))]
        coarsest = [n // 2**config.convolutions for n in grid.shape]
        if min(coarsest) < 1:
            raise UserError(
                f"`model.convolutions`, {config.convolutions}, halve a grid so often, but it has the shape "
                f"{list(grid.shape)}. Lower it."
            )
        layers: list[nn.Module] = []
        for fine, coarse in zip(widths[:-1], widths[1:], strict=True):
            halve = CONVOLUTIONS[grid.n_dims](coarse, coarse, 2, stride=2)
            layers += [Convolution(fine, coarse, grid.periodic, "replicate"), nn.GELU(), halve, nn.GELU()]
        self.layers = nn.Sequential(*layers)
        self.outputs = widths[-1] * math.prod(coarsest)
        channels_last(self, grid.n_dims)

    def forward(self, x: Float[Tensor, "b *grid i"]) -> Float[Tensor, "b c"]:
        return self.layers(x.movedim(-1, 1)).flatten(1)


class DeepONet(nn.Module):
    """A field at any points of the domain from a field at the points of the training grid, the sensors.

    Finer inputs that have the sensors among their points are taken at these: m n points of a periodic axis of n,
    m (n - 1) + 1 of another one. Any other resolution is refused, for values between points would be made up.

    Args:
        config: sizes.
        in_channels: of the input field.
        out_channels: of the output field.
        grid: that it is trained on, the sensors.
        n_conditions: numbers that come beside the field, as a time or a viscosity; further inputs of the branch.

    Raises:
        UserError: an encoder of convolutions on more than three dimensions, or that halve the grid too often.
    """

    def __init__(
        self, config: DeepONetConfig, in_channels: int, out_channels: int, grid: Grid, n_conditions: int = 0
    ) -> None:
        super().__init__()
        self.config, self.grid = config, grid
        self.in_channels, self.out_channels, self.n_conditions = in_channels, out_channels, n_conditions
        self.encoder = None
        inputs = math.prod(grid.shape) * in_channels
        if config.encoder == "convolutions":
            check_dimension("DeepONet with an encoder of convolutions", grid.n_dims)
            self.encoder = Encoder(config, in_channels, grid)
            inputs = self.encoder.outputs
        p = config.basis
        self.branch = mlp(inputs + n_conditions, config.branch_width, config.branch_layers, out_channels * p)
        places = count_point_features(grid, config.waves)
        self.trunk = mlp(places, config.trunk_width, config.trunk_layers, p)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(
        self,
        x: Float[Tensor, "b *grid i"],
        condition: Float[Tensor, "b k"] | None = None,
        shape: Sequence[int] | None = None,
    ) -> Float[Tensor, "b *out o"]:
        """The output field, at the points of a grid of `shape` over the same domain, or of the input's shape.

        Raises:
            UserError: another dimension, other channels or conditions, or a resolution without the sensors.
        """
        check_input(self, x, condition)
        at = tuple(x.shape[1:-1] if shape is None else shape)
        if len(at) != self.grid.n_dims:
            raise UserError(f"The output's shape needs {self.grid.n_dims} axes, but is {list(at)}.")
        coefficients_bop, basis_np = self.coefficients(x, condition), self.basis(x, at)
        # products with 1 / sqrt(p) have outputs of order one, however large the basis
        scaled_bop = coefficients_bop * self.config.basis**-0.5
        return (basis_np @ scaled_bop.transpose(1, 2)).unflatten(1, at) + self.bias

    def coefficients(
        self, x: Float[Tensor, "b *grid i"], condition: Float[Tensor, "b k"] | None
    ) -> Float[Tensor, "b o p"]:
        """What the branch makes of the field at the sensors."""
        seen = self._at_sensors(x)
        flat = seen.flatten(1) if self.encoder is None else self.encoder(seen)
        if condition is not None:
            flat = torch.cat([flat, condition], dim=1)
        return self.branch(flat).unflatten(1, (self.out_channels, self.config.basis))

    def basis(self, like: Tensor, shape: tuple[int, ...]) -> Float[Tensor, "n p"]:
        """The trunk's functions at the points of a grid, for all samples."""
        return self.trunk(points_like(like, shape, self.grid, self.config.waves).flatten(0, -2))

    def _at_sensors(self, x: Tensor) -> Tensor:
        grid = self.grid
        for axis, (given, n, is_periodic) in enumerate(zip(x.shape[1:-1], grid.shape, grid.periodic, strict=True)):
            if given == n:
                continue
            step, rest = divmod(given, n) if is_periodic else divmod(given - 1, n - 1)
            # other latitudes lie elsewhere at every resolution
            nested = grid.sphere in (None, "equiangular") or is_periodic
            if rest or step < 1 or not nested:
                raise UserError(
                    f"DeepONet sees its input at the {n} points that axis {axis} had in training, but got {given} "
                    "points, which are not these or a refinement of them. Resample the input to the training grid "
                    f"{list(grid.shape)} and ask for another output with `shape`."
                )
            x = x.narrow(axis + 1, 0, (n - 1) * step + 1).unfold(axis + 1, 1, step).squeeze(-1)
        return x
