"""What the equations of motion say of a state: inputs that spare a network from finding advection by itself.

A network that sees values at points has to learn that wind carries what is upstream: over six hours, three or four grid
lengths, by another amount at each point and level. Here that is worked out, without any weights, from the last state:

- vorticity and divergence;
- the change of temperature, humidity and absolute vorticity that the horizontal wind brings within a step, by a semi-
  Lagrangian step (Staniforth and Cote 1991, doi:10.1175/1520-0493(1991)119<2206:SLISFA>2.0.CO;2): the value at the
  point where the air was, less the value here;
- the wind that belongs to this change of vorticity.

So much of the primitive equations (Holton and Hakim 2013, An Introduction to Dynamic Meteorology, 5th edition, section
3.1) holds over a whole step. The rates of change by pressure gradient and vertical wind at one instant do not, for
gravity waves turn them around within it: as further inputs they lowered the error of one step a little, and roll-outs
blew up within three days. They are left to the network, as are friction, heating and rain. Features are dimensionless:
about one where they are as large as the usual change within a step.

Shapes: b batch, y latitudes, x longitudes, c channels of a state, l levels from the top of the atmosphere down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.constants import constant
from sciml.fno.grids import Grid
from sciml.fno.legendre import latitudes_rad
from sciml.fno.sphere import spherical_transform
from sciml.fno.sphere_vectors import vector_transform
from sciml.weather.grid import EARTH_RADIUS_KM
from sciml.weather.networks.globe import pad_globe
from sciml.weather.networks.layout import ChannelLayout

NEEDED = ("t", "u", "v", "q")

_RADIUS_M = 1000 * EARTH_RADIUS_KM
# nominal mean angular velocity (IERS Conventions 2010, table 1.2 of TN 32; also Moritz 2000, GRS80)
EARTH_ROTATION_RAD_S = 7.292115e-5
# rows and columns beyond the edge that a bicubic interpolation looks at
_MARGIN = 2
# usual size of vorticity and divergence over that of the wind's change: degree of the scales that change fastest
_DEGREE = 8.0
# a feature this many times its usual size is noise, or a state out of all bounds, and would only spread
_LARGEST = 12.0
_PER_LEVEL = 7
# of the search for the point half-way: a third changes places by less than the interpolation's error
_ITERATIONS = 2
# distance from the axis, in radii, that counts as none: six metres
_POLE = 1e-6
# and below which the longitude says too little for a slope: six kilometres
_NEAR_POLE = 1e-3
# of sizes that are divided by, for fields that never change
_LEAST = 1e-30


@dataclass(frozen=True)
class StateScales:
    """Normalisation of a state, by channel, in physical units.

    Attributes:
        mean, deviation: that states are normalised with.
        change: standard deviation of the change within a step.
        step_hours: of a step.
    """

    mean: Sequence[float]
    deviation: Sequence[float]
    change: Sequence[float]
    step_hours: int


class Dynamics(nn.Module):
    """Features of a normalised state; they have no weights.

    Args:
        layout: of the state.
        scales: normalisation.
        grid: of the sphere.

    Raises:
        UserError: the state lacks one of `NEEDED`.
    """

    mean: Tensor
    deviation: Tensor
    change: Tensor

    def __init__(self, layout: ChannelLayout, scales: StateScales, grid: Grid) -> None:
        super().__init__()
        lacking = [name for name in NEEDED if name not in layout.upper]
        if lacking:
            raise UserError(
                f"`dynamics` needs {', '.join(NEEDED)} on levels, but the state has "
                f"{', '.join(layout.upper) or 'no variables on levels'}. Add {', '.join(lacking)} to `dataset.upper`, "
                "or turn `dynamics` off."
            )
        self.layout, self.grid = layout, grid
        self.step_s = 3600.0 * scales.step_hours
        self.n_features = _PER_LEVEL * layout.n_levels
        for name in ("mean", "deviation", "change"):
            self.register_buffer(name, torch.tensor(getattr(scales, name), dtype=torch.float32), persistent=False)

    def forward(self, state: Float[Tensor, "b y x c"]) -> Float[Tensor, "b y x f"]:
        """The features of a normalised state, those of one kind after another, each from the top level down."""
        with torch.autocast(state.device.type, enabled=False):
            state = state if state.dtype == torch.float64 else state.float()
            found = self._features(*(self._physical(state, name) for name in NEEDED))
        of_t, of_u, of_v, of_q = (self._of(self.change, name) for name in NEEDED)
        rotation = 0.5 * (of_u + of_v) * (_DEGREE / _RADIUS_M)
        sizes = (rotation, rotation, of_t, of_q, rotation, of_u, of_v)
        scaled = [values / size.clamp(min=_LEAST) for values, size in zip(found, sizes, strict=True)]
        return torch.cat(scaled, dim=-1).clamp(-_LARGEST, _LARGEST)

    def with_winds(self, change: Float[Tensor, "b y x c"]) -> Float[Tensor, "b y x c"]:
        """A change of the state in units of the usual one, from one whose `u` and `v` are vorticity and divergence.

        These are scalars, which a network and its filters know how to turn, and smooth over the poles.
        """
        n, first = self.layout.n_levels, {name: self.layout.upper.index(name) for name in ("u", "v")}
        with torch.autocast(change.device.type, enabled=False):
            change = change if change.dtype == torch.float64 else change.float()
            degrees = dealiased(self.grid)
            given = torch.cat([self._of(change, "u"), self._of(change, "v")], dim=-1)
            packed = spherical_transform(self.grid, degrees, degrees).analysis(_DEGREE * given)
            winds = vector_transform(self.grid, degrees, degrees).synthesis(*packed.chunk(2, dim=-1))
        of_u, of_v = self._of(self.change, "u"), self._of(self.change, "v")
        # one size for both, or a turn of the axes would change the wind
        size = 0.5 * (of_u + of_v)
        parts = list(change.split([n] * len(self.layout.upper) + [len(self.layout.surface)], dim=-1))
        parts[first["u"]], parts[first["v"]] = (
            wind * (size / of_wind.clamp(min=_LEAST)) for wind, of_wind in zip(winds, (of_u, of_v), strict=True)
        )
        return torch.cat(parts, dim=-1)

    def _features(self, t: Tensor, u: Tensor, v: Tensor, q: Tensor) -> list[Tensor]:
        """In SI units; changes are those of a step."""
        degrees = dealiased(self.grid)
        scalars = spherical_transform(self.grid, degrees, degrees)
        vectors = vector_transform(self.grid, degrees, degrees)
        rotation, spread = vectors.analysis(u, v)
        vorticity, divergence = (scalars.synthesis(torch.cat([rotation, spread], -1)) / _RADIUS_M).chunk(2, dim=-1)
        latitude = constant(latitudes_rad, self.grid.sphere, self.grid.shape[0], dtype=u.dtype, device=u.device)
        absolute = vorticity + 2 * EARTH_ROTATION_RAD_S * latitude.sin()[:, None, None]

        carried = torch.stack([t, q, absolute], dim=-1)
        carried = upstream(carried, u, v, self.step_s, self.grid) - carried
        of_t, of_q, of_vorticity = carried.unbind(-1)
        turning = scalars.analysis(of_vorticity * _RADIUS_M)
        turned_u, turned_v = vectors.synthesis(turning, torch.zeros_like(turning))

        return [vorticity, divergence, of_t, of_q, of_vorticity, turned_u, turned_v]

    def _physical(self, state: Tensor, name: str) -> Float[Tensor, "b y x l"]:
        return self._of(state, name) * self._of(self.deviation, name) + self._of(self.mean, name)

    def _of(self, values: Tensor, name: str) -> Tensor:
        first = self.layout.upper.index(name) * self.layout.n_levels
        return values[..., first : first + self.layout.n_levels]


def dealiased(grid: Grid) -> int:
    """Degrees that a grid carries with their products of two (Orszag's two thirds): 32, T31, for 48 latitudes.

    >>> dealiased(Grid((48, 96), (False, True), "gauss-legendre"))
    32
    """
    return max(1, min(2 * grid.shape[0] // 3, grid.shape[1] // 3))


def upstream(
    fields: Float[Tensor, "b y x l k"],
    u: Float[Tensor, "b y x l"],
    v: Float[Tensor, "b y x l"],
    seconds: float,
    grid: Grid,
) -> Float[Tensor, "b y x l k"]:
    """Values of scalar fields where the air at each point was so long ago, moved by the wind (m/s) of its level.

    The wind half-way is found by iteration.
    """
    basis = constant(_basis, grid, dtype=u.dtype, device=u.device)
    here, east, north = basis.unbind(-2)
    wind = u.unsqueeze(-1) * east.unsqueeze(-2) + v.unsqueeze(-1) * north.unsqueeze(-2)
    here = here.unsqueeze(-2)
    way = seconds / _RADIUS_M
    between = wind
    for _ in range(_ITERATIONS):
        between = interpolated(wind, here - 0.5 * way * between, grid)
    return interpolated(fields, here - way * between, grid)


def interpolated(
    fields: Float[Tensor, "b y x l k"], places: Float[Tensor, "b y x l 3"], grid: Grid
) -> Float[Tensor, "b y x l k"]:
    """Values at places of any length from the centre of the globe, each level at its own.

    Torch's bicubic interpolation has the parameter A = -0.75, with which a line between points is half as steep again
    near them: a weak wind would carry half as much too much. Along a row or column values are linear in A (Keys 1981,
    doi:10.1109/TASSP.1981.1163711), and with A = 0 they are linear ones between places moved towards the points. So
    two thirds of the one and one third of the other are those of A = -0.5 there, exact for quadratic functions of the
    numbers of row and column; for products of both they are nearly so.
    """
    b, _, _, levels, _ = fields.shape
    places = torch.nn.functional.normalize(places, dim=-1).movedim(3, 1)
    rows = constant(_rows_beyond, grid, dtype=places.dtype, device=places.device)
    # slopes stay finite over the poles
    latitude = torch.atan2(places[..., 2], (places[..., :2].square().sum(-1) + _POLE**2).sqrt()).contiguous()
    above = torch.searchsorted(rows, latitude.detach()).clamp(1, len(rows) - 1)
    row_part = (latitude - rows[above - 1]) / (rows[above] - rows[above - 1])
    across = places[..., :2]
    far = across.detach().square().sum(-1, keepdim=True) > _NEAR_POLE**2
    across = torch.where(far, across, across.detach())
    turn = torch.atan2(across[..., 1], across[..., 0]) / (2 * math.pi)
    column = (turn - turn.detach().floor()) * grid.shape[1] + _MARGIN
    column_part = column - column.detach().floor()

    padded = pad_globe(fields.flatten(-2), _MARGIN, _MARGIN, _MARGIN + 1, None, grid.sphere == "equiangular")
    padded = padded[:, :, 1:].unflatten(-1, (levels, -1)).permute(0, 3, 4, 1, 2).flatten(0, 1)
    height, width = padded.shape[-2:]

    def sampled(row: Tensor, column: Tensor, mode: str) -> Tensor:
        # corners of the picture are at -1 and 1
        where = torch.stack([2 * column / (width - 1) - 1, 2 * row / (height - 1) - 1], dim=-1).flatten(0, 1)
        return torch.nn.functional.grid_sample(padded, where, mode=mode, align_corners=True)

    row, near = above - 1 + row_part, [part * part * (3 - 2 * part) - part for part in (row_part, column_part)]
    found = (2 * sampled(row, column, "bicubic") + sampled(row + near[0], column + near[1], "bilinear")) / 3
    return found.unflatten(0, (b, levels)).permute(0, 3, 4, 1, 2)


def _basis(grid: Grid) -> np.ndarray:
    """Unit vectors upwards, eastwards and northwards, [y, x, 3, 3]."""
    assert grid.sphere is not None
    latitude = latitudes_rad(grid.sphere, grid.shape[0])[:, None]
    longitude = np.arange(grid.shape[1]) * (2 * np.pi / grid.shape[1])
    s, c, sx, cx = np.sin(latitude), np.cos(latitude), np.sin(longitude), np.cos(longitude)
    zero = np.zeros(grid.shape)
    up = np.stack([c * cx, c * sx, s + zero], axis=-1)
    east = np.stack([zero - sx, zero + cx, zero], axis=-1)
    north = np.stack([-s * cx, -s * sx, c + zero], axis=-1)
    return np.stack([up, east, north], axis=-2)


def _rows_beyond(grid: Grid) -> np.ndarray:
    """Latitudes in radians with those of the rows beyond the poles, going on past a right angle."""
    assert grid.sphere is not None
    inside = latitudes_rad(grid.sphere, grid.shape[0])
    pole = int(grid.sphere == "equiangular")
    south, north = inside[pole : pole + _MARGIN][::-1], inside[len(inside) - pole - _MARGIN : len(inside) - pole][::-1]
    return np.concatenate([-np.pi - south, inside, np.pi - north])
