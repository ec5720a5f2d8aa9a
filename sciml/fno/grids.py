"""What an operator network must know of the points that its fields are given on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sciml.core.errors import UserError

SphereKind: TypeAlias = Literal["equiangular", "equiangular-offset", "gauss-legendre"]


@dataclass(frozen=True)
class Grid:
    """A regular grid of the unit box, or latitudes and longitudes of the sphere.

    Args:
        shape: points along each axis; (latitudes, longitudes) on the sphere.
        periodic: of each axis. A periodic axis has its points at i / n, another at i / (n - 1), ends included.
        sphere: None for a box. "equiangular": latitudes from pole to pole, both included; "equiangular-offset": half a
            spacing from the poles; "gauss-legendre": arcsines of the roots of the Legendre polynomial. Latitudes ascend
            from the south; longitudes are i / n of a circle.

    Raises:
        UserError: fewer than two points along an axis, or a sphere that is not periodic in longitude alone.
    """

    shape: tuple[int, ...]
    periodic: tuple[bool, ...]
    sphere: SphereKind | None = None

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 2:
            raise UserError(f"A grid needs at least two points along each axis, but has {self.shape}.")
        if len(self.periodic) != len(self.shape):
            raise UserError(f"A grid of {self.shape} points needs `periodic` for each axis, but got {self.periodic}.")
        if self.sphere is not None and self.periodic != (False, True):
            raise UserError(
                f"A grid on the sphere has latitudes and periodic longitudes, but `periodic` is {self.periodic}."
            )

    @property
    def n_dims(self) -> int:
        return len(self.shape)
