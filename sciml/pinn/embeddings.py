"""What a network sees of coordinates: scaled to [-1, 1], as waves of a periodic axis, as random Fourier features.

Shapes: n points, d coordinates, f features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError


@dataclass(frozen=True)
class Box:
    """Where the coordinates lie.

    Attributes:
        low: least value of each coordinate.
        high: largest value of each coordinate.
        periodic: whether fields at `low` and `high` are the same, for each coordinate; empty for none.
        even: whether fields mirror at the middle of a periodic axis, for each coordinate; empty for none.
        logarithmic: whether a coordinate goes by its logarithm, for each coordinate; empty for none.

    Raises:
        UserError: bounds that are not finite, not in order, of different numbers, or not positive where logarithmic.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    periodic: tuple[bool, ...] = ()
    even: tuple[bool, ...] = ()
    logarithmic: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if not self.low or len(self.low) != len(self.high) or len(self.periodic) not in (0, len(self.low)):
            raise UserError(
                "A box needs `low`, `high` and `periodic` for each coordinate, but has "
                f"{len(self.low)}, {len(self.high)} and {len(self.periodic)} of them."
            )
        for low, high in zip(self.low, self.high, strict=True):
            if not -math.inf < low < high < math.inf:
                raise UserError(f"A box needs finite bounds with low < high, but has {low} and {high}.")

        if len(self.even) not in (0, len(self.low)) or any(
            even and not self.is_periodic(axis) for axis, even in enumerate(self.even)
        ):
            raise UserError("A box can be even along periodic coordinates alone.")
        if len(self.logarithmic) not in (0, len(self.low)) or any(
            by_log and (self.low[axis] <= 0 or self.is_periodic(axis)) for axis, by_log in enumerate(self.logarithmic)
        ):
            raise UserError("A box can be logarithmic along positive coordinates alone, which are not periodic.")

    @property
    def n_dims(self) -> int:
        return len(self.low)

    def is_periodic(self, axis: int) -> bool:
        return bool(self.periodic) and self.periodic[axis]

    def is_even(self, axis: int) -> bool:
        """Whether fields mirror at the middle of an axis."""
        return bool(self.even) and self.even[axis]

    def straight(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Coordinates, those that go by their logarithm as this.

        >>> Box((0.0, 1.0), (1.0, 100.0), logarithmic=(False, True)).straight(torch.tensor([[1.0, 1.0]])).tolist()
        [[1.0, 0.0]]
        """
        if not any(self.logarithmic):
            return x
        columns = zip(x.unbind(1), self.logarithmic, strict=True)
        return torch.stack([column.log() if by_log else column for column, by_log in columns], dim=1)

    def ends(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        """Low and high, as `straight` gives them."""
        both = self.straight(torch.tensor([self.low, self.high], dtype=torch.float64))
        return both[0], both[1]

    def places(self, parts: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Points of the unit cube, moved to where they are in the box.

        >>> round(float(Box((1.0,), (100.0,), logarithmic=(True,)).places(torch.tensor([[0.5]]))), 5)
        10.0
        """
        low, high = self.ends()
        x = low + (high - low) * parts
        if not any(self.logarithmic):
            return x
        columns = zip(x.unbind(1), self.logarithmic, strict=True)
        return torch.stack([column.exp() if by_log else column for column, by_log in columns], dim=1)


class Embedding(nn.Module):
    """Features of coordinates, of order one.

    A periodic axis gives cos and sin of its first `waves` waves, exactly periodic with all derivatives (Dong & Ni
    2021, arXiv:2007.07442); another one its place scaled to [-1, 1]. Of these, `fourier` random directions b give
    cos(b z) and sin(b z) instead if it is not zero (Tancik et al. 2020, arXiv:2006.10739), b being normal numbers
    times `scale`; they stay as drawn.

    Args:
        box: where the coordinates lie.
        waves: of each periodic axis.
        fourier: random directions; 0 for none.
        scale: of the random directions: larger ones make faster features.

    Raises:
        UserError: numbers out of range.
    """

    middle: Tensor
    reach: Tensor
    directions: Tensor | None

    def __init__(self, box: Box, waves: int = 1, fourier: int = 0, scale: float = 1.0) -> None:
        super().__init__()
        if waves < 1 or fourier < 0 or not 0 < scale < math.inf:
            raise UserError(
                "An embedding needs `waves` of at least 1, `fourier` of at least 0 and a positive `scale`, but got "
                f"{waves}, {fourier} and {scale}."
            )
        self.box, self.waves = box, waves
        low, high = box.ends()
        self.register_buffer("middle", (low + high) / 2, persistent=False)
        self.register_buffer("reach", (high - low) / 2, persistent=False)
        n_periodic = sum(box.is_periodic(axis) for axis in range(box.n_dims))
        n_even = sum(box.is_even(axis) for axis in range(box.n_dims))
        seen = box.n_dims - n_periodic + waves * (2 * n_periodic - n_even)
        directions = scale * torch.randn(seen, fourier, dtype=torch.float64) if fourier else None
        self.register_buffer("directions", directions)
        self.n_features = 2 * fourier if fourier else seen

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        """Raises UserError for another number of coordinates than the box has."""
        if x.shape[1] != self.box.n_dims:
            raise UserError(f"The network needs {self.box.n_dims} coordinates a point, but got {x.shape[1]}.")
        z = (self.box.straight(x) - self.middle) / self.reach
        if any(self.box.periodic):
            parts = []
            for axis in range(self.box.n_dims):
                if self.box.is_periodic(axis):
                    wave = math.pi * torch.arange(1, self.waves + 1, dtype=z.dtype, device=z.device)
                    angles = z[:, axis, None] * wave
                    parts.append(torch.cos(angles))
                    if not self.box.is_even(axis):
                        parts.append(torch.sin(angles))
                else:
                    parts.append(z[:, axis, None])
            z = torch.cat(parts, dim=1)
        if self.directions is not None:
            angles = z @ self.directions
            z = torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)
        return z
