"""Named regions of the globe, and the weights that restrict a mean over area to them.

The boxes are those of the WMO's and ECMWF's score cards as WeatherBench 2 has them (Rasp et al. 2024,
arXiv:2308.15560, `scripts/evaluate.py`). A grid point belongs to a box when its centre does, edges included, and counts
with the whole area of its cell: the row at 20 degrees north is in the tropics and in the extra-tropics.

Shapes: r regions, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Float64

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.scores.alignment import on_same_grid

# coordinates in files are rounded to about this
_TOLERANCE_DEG = 1e-5


@dataclass(frozen=True)
class Box:
    """A box of latitudes and longitudes, edges included.

    Args:
        south, north: degrees north.
        west, east: degrees east, the west from -180 to 360, the east to 720; a box whose west is not below its east
            crosses the seam of 0.

    Raises:
        UserError: the south is not below the north, or a number is out of range.
    """

    south: float | int = -90.0
    north: float | int = 90.0
    west: float | int = 0.0
    east: float | int = 360.0

    def __post_init__(self) -> None:
        if not -90 <= self.south < self.north <= 90:
            raise UserError(
                f"A box needs -90 <= south < north <= 90 degrees, but has {self.south:g} and {self.north:g}."
            )
        if not (-180 <= self.west <= 360 and -180 <= self.east <= 720):
            raise UserError(
                f"A box needs a west from -180 to 360 and an east to 720 degrees, not {self.west:g} and {self.east:g}."
            )

    @property
    def goes_around(self) -> bool:
        """Whether it has all longitudes."""
        return self.east - self.west >= 360

    def contains(self, grid: Grid) -> Bool[np.ndarray, "y x"]:
        """Which points of the grid are in it.

        >>> europe = Box(35.0, 75.0, -12.5, 42.5)
        >>> row = europe.contains(Grid(np.array([30.0, 40.0]), np.arange(0.0, 360.0, 10.0)))[1]
        >>> [int(x) for x in np.flatnonzero(row) * 10]
        [0, 10, 20, 30, 40, 350]
        """
        latitude, longitude = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
        return self.holds(latitude, longitude)

    def holds(self, latitude: Float[np.ndarray, "*n"], longitude: Float[np.ndarray, "*n"]) -> Bool[np.ndarray, "*n"]:
        """Whether points are in it."""
        inside = (latitude >= self.south - _TOLERANCE_DEG) & (latitude <= self.north + _TOLERANCE_DEG)
        if self.goes_around:
            return inside
        eastward = (longitude - self.west + _TOLERANCE_DEG) % 360
        return inside & (eastward <= (self.east - self.west) % 360 + 2 * _TOLERANCE_DEG)


REGIONS: dict[str, tuple[Box, ...]] = {
    "global": (Box(),),
    "tropics": (Box(-20, 20),),
    "extra-tropics": (Box(-90, -20), Box(20, 90)),
    "northern-hemisphere": (Box(20, 90),),
    "southern-hemisphere": (Box(-90, -20),),
    "europe": (Box(35, 75, -12.5, 42.5),),
    "north-america": (Box(25, 60, 240, 285),),
    "north-atlantic": (Box(25, 65, 290, 350),),
    "north-pacific": (Box(25, 60, 145, 230),),
    "east-asia": (Box(25, 60, 102.5, 150),),
    "ausnz": (Box(-45, -12.5, 120, 175),),
    "arctic": (Box(60, 90),),
    "antarctic": (Box(-90, -60),),
    # more of WeatherBench-X (`public_benchmark/run_benchmark_evaluation.py`)
    "northern-africa": (Box(5, 32.5, -12.5, 37.5),),
    "southern-africa": (Box(-30, 5, 12.5, 37.5),),
    "south-america": (Box(-40, 5, -75, -45),),
    "west-asia": (Box(15, 60, 42.5, 102.5),),
    "south-east-asia": (Box(-12.5, 25, 95, 125),),
}

# a region: a name of REGIONS; or names of one's own with a box, several, or a mask [latitude, longitude] of weights
Regions = Sequence[str] | Mapping[str, Box | tuple[Box, ...] | xr.DataArray]


def _midway_to_the_poles(grid: Grid) -> Float64[np.ndarray, " y"]:
    edges = 0.5 * (grid.latitude[1:] + grid.latitude[:-1])
    last = np.copysign(90.0, grid.latitude[-1] - grid.latitude[0])
    return np.abs(np.diff(np.sin(np.radians([-last, *edges, last]))))


def _midway_half_a_cell(grid: Grid) -> Float64[np.ndarray, " y"]:
    middle = 0.5 * (grid.latitude[1:] + grid.latitude[:-1])
    edges = [2 * grid.latitude[0] - middle[0], *middle, 2 * grid.latitude[-1] - middle[-1]]
    return np.abs(np.diff(np.sin(np.radians(np.clip(edges, -90, 90)))))


def _cosine(grid: Grid) -> Float64[np.ndarray, " y"]:
    return np.cos(np.radians(grid.latitude))


# how the weight of a cell follows from its latitude, where it is not its own area
OTHER_AREAS: dict[str, Callable[[Grid], Float64[np.ndarray, " y"]]] = {
    "weatherbench2": _midway_to_the_poles,
    "weatherbenchx": _midway_half_a_cell,
    "cosine": _cosine,
}


def area_weights(grid: Grid, area: str = "cells") -> Float64[np.ndarray, "y x"]:
    """The weight of each cell, 1 in the mean.

    Args:
        grid: a grid.
        area: `cells` is the area of the cell as `Grid.area_weights` has it; others are what other packages use:
            `weatherbench2` lets the outermost cells reach the poles, on regional grids too, `weatherbenchx` cuts
            halfway between points on Gaussian grids too, `cosine` is the cosine of the latitude (`scores`,
            `xskillscore`). On a global regular grid the first three are the same.

    Raises:
        UserError: an unknown `area`.

    >>> poles = Grid(np.array([-90.0, 0.0, 90.0]), np.arange(0.0, 360.0, 90.0))
    >>> [round(float(w), 3) for w in area_weights(poles)[:, 0]]  # 1 - sin 45, 2 sin 45, 1 - sin 45 over 2/3
    [0.439, 2.121, 0.439]
    >>> [round(float(w), 3) for w in area_weights(poles, "cosine")[:, 0]]
    [0.0, 3.0, 0.0]
    """
    if area == "cells":
        return grid.area_weights()
    if area not in OTHER_AREAS:
        raise UserError(f"There is no area '{area}'; choose one of: cells, {', '.join(OTHER_AREAS)}.")
    rows = OTHER_AREAS[area](grid)
    return np.repeat((rows / rows.mean())[:, None], len(grid.longitude), 1)


def region_weights(
    grid: Grid, regions: Regions | None = None, area: str = "cells"
) -> tuple[list[str], Float64[np.ndarray, "r y x"]]:
    """Names of regions, and the area of each cell where it is in the region, 0 elsewhere.

    Args:
        grid: a grid.
        regions: names of `REGIONS`, or a mapping of names to boxes or to masks of weights from 0 to 1 such as the part
            of a cell that is land. None is the whole grid.
        area: as in `area_weights`.

    Raises:
        UserError: an unknown name, a mask of another shape or with a value below 0, a region without a point.
    """
    cells = area_weights(grid, area)
    if regions is None:
        return ["all"], cells[None]
    if isinstance(regions, str):
        regions = [regions]
    unknown = [name for name in regions if not isinstance(regions, Mapping) and name not in REGIONS]
    if unknown:
        raise UserError(
            f"There is no region '{unknown[0]}'; there are: {', '.join(REGIONS)}. Others can be given as boxes."
        )
    chosen = regions if isinstance(regions, Mapping) else {name: REGIONS[name] for name in regions}
    weights = np.stack([_inside(name, region, grid) for name, region in chosen.items()]) * cells
    for name, weight in zip(chosen, weights, strict=True):
        if not weight.any():
            raise UserError(
                f"Region '{name}' has no point of the grid, whose latitudes go from {grid.latitude.min():g} to "
                f"{grid.latitude.max():g} and longitudes from {grid.longitude[0]:g} to {grid.longitude[-1]:g}. "
                "Leave it out."
            )
    return list(chosen), weights


def _inside(name: str, region: Box | tuple[Box, ...] | xr.DataArray, grid: Grid) -> Float64[np.ndarray, "y x"]:
    if isinstance(region, xr.DataArray):
        ordered = region.transpose("latitude", "longitude")
        if {"latitude", "longitude"} <= set(ordered.coords):
            ordered = on_same_grid(ordered, grid)
            if ordered is None:
                raise UserError(f"The mask of region '{name}' is on another grid. Bring it to the field's by regrid.")
        mask = np.asarray(ordered, np.float64)
        if mask.shape != grid.shape or not (mask >= 0).all():
            raise UserError(
                f"The mask of region '{name}' needs a value from 0 on at each of the {grid.shape[0]} x {grid.shape[1]} "
                f"points of the grid, but is {mask.shape[0]} x {mask.shape[1]} with a least value of {mask.min():g}."
            )
        return mask
    boxes = (region,) if isinstance(region, Box) else region
    return np.any([box.contains(grid) for box in boxes], axis=0).astype(np.float64)
