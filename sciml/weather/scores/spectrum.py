"""Zonal power spectrum: how much of a field's variance lies in waves of each number along a circle of latitude.

With F_k the Fourier coefficient of wavenumber k along a circle of circumference C = 2 pi R cos(latitude), the power is
S_0 = C |F_0|^2 and S_k = 2 C |F_k|^2, the second for both signs of k: the `ZonalEnergySpectrum` of WeatherBench 2
(Rasp et al. 2024, arXiv:2308.15560). Summed over k it is the integral of the square along the circle. On a circle of an
even number of points the last wavenumber has one sign alone, yet is doubled as well, as WeatherBench 2 does;
`count_last_once` makes the sum exact.

Shapes: ... any leading dimensions, r regions, y latitudes, x longitudes, k = x // 2 + 1 wavenumbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.scores.alignment import grid_of
from sciml.weather.scores.blocks import mean_dims, reduced, score_of
from sciml.weather.scores.field_sums import Axis, ratio
from sciml.weather.scores.regions import Regions, region_weights

# the mean of the polar and the equatorial radius in km, as WeatherBench 2 has it (`weatherbench2/schema.py`)
EARTH_RADIUS_M = 1000 * (6357 + 6378) / 2


@dataclass(frozen=True)
class SpectrumSums:
    """Sums over circles of latitude, weighted by area, which add up: weight [..., r] and power [..., r, k]."""

    weight: Float64[np.ndarray, "..."]
    power: Float64[np.ndarray, "..."]

    def __add__(self, other: SpectrumSums) -> SpectrumSums:
        return SpectrumSums(self.weight + other.weight, self.power + other.power)

    def spectrum(self, axis: Axis = ()) -> Float64[np.ndarray, "..."]:
        """The mean power [..., r, k]; the axes of the mean count from the first dimension on."""
        return ratio(self.power.sum(axis), self.weight.sum(axis)[..., None])


def zonal_power(
    fields: Float[np.ndarray, "*lead y x"], latitude: Float64[np.ndarray, " y"], *, count_last_once: bool = False
) -> Float64[np.ndarray, "*lead y k"]:
    """Power of each wavenumber on each circle of latitude, in metres times the square of the field's unit.

    >>> wave = 3 * np.cos(2 * np.pi * np.arange(8) / 8)[None]  # on the equator: half the square of its amplitude
    >>> power = zonal_power(wave, np.zeros(1)) / (2 * np.pi * EARTH_RADIUS_M)
    >>> power.round(9).tolist()
    [[0.0, 4.5, 0.0, 0.0, 0.0]]
    """
    points = fields.shape[-1]
    coefficients = np.fft.rfft(fields.astype(np.float64), axis=-1, norm="forward")
    factor = np.full(coefficients.shape[-1], 2.0)
    factor[0] = 1.0
    if count_last_once and points % 2 == 0:
        factor[-1] = 1.0
    circumference_m = 2 * np.pi * EARTH_RADIUS_M * np.cos(np.radians(latitude))
    return circumference_m[:, None] * factor * (coefficients.real**2 + coefficients.imag**2)


def spectrum_sums(
    fields: Float[np.ndarray, "*lead y x"],
    latitude: Float64[np.ndarray, " y"],
    weights: Float64[np.ndarray, "r y"],
    *,
    count_last_once: bool = False,
) -> SpectrumSums:
    """Power of each wavenumber, summed over circles of latitude with their weights, as `circle_weights` gives them.

    A circle with a missing value leaves the sums and the weights alike.
    """
    lead = fields.shape[:-2]
    weight, power = np.zeros((*lead, len(weights))), np.zeros((*lead, len(weights), fields.shape[-1] // 2 + 1))
    for place in np.ndindex(lead):
        power_yk = zonal_power(fields[place], latitude, count_last_once=count_last_once)
        known = ~np.isnan(power_yk[:, 0])
        weight[place] = weights @ known
        power[place] = weights @ np.where(known[:, None], power_yk, 0)
    return SpectrumSums(weight, power)


def circle_weights(
    grid: Grid, regions: Regions | None = None, area: str = "cells"
) -> tuple[list[str], Float64[np.ndarray, "r y"]]:
    """Names of regions and the area of each circle of latitude in them; arguments as in `regions.region_weights`.

    Raises:
        UserError: the longitudes do not go once around in even steps, or a region does not.
    """
    step = np.diff(grid.longitude)
    if not grid.is_cyclic or np.abs(step - step.mean()).max() > 1e-3:
        raise UserError(
            f"A zonal spectrum needs longitudes that go once around in even steps, but these go from "
            f"{grid.longitude[0]:g} to {grid.longitude[-1]:g} in steps from {step.min():g} to {step.max():g}."
        )
    names, weights = region_weights(grid, regions, area)
    for name, weight in zip(names, weights, strict=True):
        if np.abs(weight - weight[:, :1]).max() > 1e-9:
            raise UserError(
                f"A zonal spectrum needs whole circles of latitude, but region '{name}' has parts of some. Choose a "
                "region with all longitudes, such as northern-hemisphere."
            )
    return names, weights.sum(-1)


def zonal_power_spectrum(
    field: xr.DataArray,
    *,
    regions: Regions | None = None,
    over: Sequence[str] | None = None,
    area: str = "cells",
    count_last_once: bool = False,
) -> xr.DataArray:
    """Power of each zonal wavenumber, in the mean over time; of each latitude, or in the mean over regions.

    Args:
        field: a forecast or a truth: dimensions `latitude`, `longitude` and any others. Lazy where it is dask's.
        regions: regions that go around the globe, as in `regions.region_weights`; the result then has the dimension
            `region`, with circles weighted by area. None keeps `latitude`, as WeatherBench 2 does.
        over: dimensions that the mean goes over; the initial times unless said.
        area: as in `regions.area_weights`.
        count_last_once: see above.

    Returns:
        Dimensions region or latitude, the remaining ones, and `wavenumber`. A circle with a missing value is left out.

    Raises:
        UserError: what `circle_weights` refuses.
    """
    grid = grid_of(field)
    names, weights = circle_weights(grid, regions, area)
    rows = np.eye(grid.shape[0]) if regions is None else weights
    wavenumbers = grid.shape[1] // 2 + 1

    def reduction(block: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        sums = spectrum_sums(block, grid.latitude, rows, count_last_once=count_last_once)
        return np.concatenate([sums.weight[..., None], sums.power], axis=-1)

    def formula(stacked: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
        first = tuple(stacked.ndim - 1 + place for place in axis)
        return SpectrumSums(stacked[..., 0], stacked[..., 1:]).spectrum(first)

    sums = reduced(field, [], reduction, {"region": len(rows), "sum": 1 + wavenumbers})
    if regions is not None:
        sums = sums.assign_coords(region=names)
    # rows are in the place of regions, and their dimension stays
    power = score_of(sums, mean_dims(field, over), regions or (), formula, {"wavenumber": wavenumbers})
    if regions is None:
        power = power.rename(region="latitude").assign_coords(latitude=field["latitude"])
    units = field.attrs.get("units", "")
    power = power.assign_coords(wavenumber=np.arange(wavenumbers))
    return power.rename("power").assign_attrs(
        long_name="zonal power spectrum", units=f"m ({units})**2" if units else "m"
    )
