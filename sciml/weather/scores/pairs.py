"""A forecast and its truth side by side: the same valid times, the same grid, the same unit, as plain arrays.

Shapes: n forecasts and lead times (every dimension before latitude and longitude, in one row), y latitudes,
x longitudes, m members, q thresholds, r regions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.scores.alignment import SPACE, converted, grid_of, on_same_grid


@dataclass(frozen=True)
class Pairs:
    """What `pair` makes of a forecast and a truth.

    Args:
        forecast: [n, y, x], or [m, n, y, x] when members were asked for.
        truth: [n, y, x].
        grid: of both.
        sizes: the dimensions that n is made of, in their order.
        coordinates: theirs.
        units: the forecast's, if it names them.
    """

    forecast: np.ndarray
    truth: Float[np.ndarray, "n y x"]
    grid: Grid
    sizes: Mapping[Hashable, int]
    coordinates: Mapping[Hashable, Any]
    units: str | None

    def field(self, other: xr.DataArray, name: str) -> np.ndarray:
        """Another field on the grid as [n, y, x], or [q, n, y, x] when it has one dimension more, which comes first.

        Raises:
            UserError: it is on another grid, or has more than one dimension that the forecast has not.
        """
        other = on_grid(other, self.grid, name, "the forecast")
        own = [dim for dim in other.dims if dim not in self.sizes and dim not in SPACE]
        if len(own) > 1:
            raise UserError(
                f"{name.capitalize()} may have one dimension that the forecast has not, but has {_listed(own)}. "
                f"Select one of each."
            )
        for dim in self.sizes:
            if dim in other.dims and other.sizes[dim] != self.sizes[dim]:
                raise UserError(
                    f"{name.capitalize()} has {other.sizes[dim]} along `{dim}`, the forecast {self.sizes[dim]}. "
                    f"Select the same."
                )
            if dim in other.coords and dim in self.coordinates:
                wrong = other[dim].values != self.coordinates[dim].values
                if wrong.any():
                    raise UserError(
                        f"{name.capitalize()} has `{dim}` {other[dim].values[wrong][0]} where the forecast has "
                        f"{self.coordinates[dim].values[wrong][0]}. Select the same, in the same order."
                    )
        missing = [dim for dim in self.sizes if dim not in other.dims]
        values = other.expand_dims(missing).transpose(*own, *self.sizes, *SPACE).values
        shape = values.shape[: len(own)] + tuple(self.sizes.values())
        return np.broadcast_to(values, shape + self.grid.shape).reshape(
            *values.shape[: len(own)], math.prod(self.sizes.values()), *self.grid.shape
        )

    def threshold(self, threshold: xr.DataArray | float) -> tuple[Any, dict[Hashable, Any]]:
        """A threshold in the forecast's unit at its valid times: a number, [n, y, x] or [q, n, y, x]; and what q is.

        n is 1 where the threshold is the same for all forecasts.

        Raises:
            UserError: another grid, another kind of unit, no valid time that it has.
        """
        if not isinstance(threshold, xr.DataArray):
            return float(threshold), {}
        units = self.units, threshold.attrs.get("units")
        if None not in units and units[0] != units[1]:
            threshold = in_unit(threshold, str(units[0]))
        if not set(SPACE) & set(threshold.dims):
            threshold = threshold.expand_dims(latitude=self.grid.latitude, longitude=self.grid.longitude)
        if "time" in threshold.dims and "time" in self.coordinates and "lead_time" in self.coordinates:
            threshold = at_valid_time(threshold, xr.Dataset(coords=dict(self.coordinates)), "the threshold")
        own = [dim for dim in threshold.dims if dim not in self.sizes and dim not in SPACE]
        named = {dim: threshold[dim].variable if dim in threshold.coords else None for dim in own}
        if len(own) < 2 and not set(self.sizes) & set(threshold.dims):
            threshold = on_grid(threshold, self.grid, "the threshold", "the forecast")
            # one for all forecasts
            return np.expand_dims(threshold.transpose(*own, *SPACE).values, -3), named
        return self.field(threshold, "the threshold"), named

    def region_weights(self, weights: xr.DataArray | None) -> Float[np.ndarray, "r y x"]:
        """Weights of regions (region, latitude, longitude); without any, the area of the whole grid.

        Raises:
            UserError: they are on another grid.
        """
        if weights is None:
            return self.grid.area_weights()[None]
        weights = on_grid(weights, self.grid, "the weights", "the forecast")
        order = [dim for dim in weights.dims if dim not in SPACE]
        return weights.transpose(*order, *SPACE).values.reshape(-1, *self.grid.shape).astype(np.float64)

    def by_region(
        self,
        values: np.ndarray,
        weights: xr.DataArray | None,
        before: Mapping[Hashable, Any] | None = None,
        after: Mapping[Hashable, Any] | None = None,
    ) -> xr.DataArray:
        """[before ..., n, r, after ...] with n as its dimensions again and r as the weights' region, or without it."""
        named = self.unstacked(values, before, {"region": None, **(after or {})})
        if weights is None or "region" not in weights.dims:
            return named.isel(region=0)
        return named.assign_coords(region=weights["region"].variable) if "region" in weights.coords else named

    def unstacked(
        self,
        values: np.ndarray,
        before: Mapping[Hashable, Any] | None = None,
        after: Mapping[Hashable, Any] | None = None,
    ) -> xr.DataArray:
        """[before ..., n, after ...] with n as its dimensions again; None is a dimension without coordinate."""
        before, after = before or {}, after or {}
        shape = values.shape[: len(before)] + tuple(self.sizes.values()) + values.shape[len(before) + 1 :]
        coordinates = {
            name: value for name, value in {**before, **self.coordinates, **after}.items() if value is not None
        }
        return xr.DataArray(values.reshape(shape), dims=[*before, *self.sizes, *after], coords=coordinates)


def pair(forecast: xr.DataArray, truth: xr.DataArray, *, members: bool = False) -> Pairs:
    """A forecast and the truth at its valid times.

    Args:
        forecast: dimensions time, lead_time, latitude, longitude and any more, or without lead_time.
        truth: dimensions time, latitude, longitude, or those of the forecast.
        members: whether the forecast's dimension `number` is kept apart.

    Raises:
        UserError: another grid, a unit that is not the truth's, no valid time that the truth has, no members.
    """
    for name, field in (("forecast", forecast), ("truth", truth)):
        if missing := [dim for dim in SPACE if dim not in field.dims]:
            raise UserError(f"The {name} needs the dimensions latitude and longitude, but lacks {_listed(missing)}.")
    if members and "number" not in forecast.dims:
        raise UserError(f"An ensemble has a dimension `number`, but the forecast has {_listed(forecast.dims)}.")
    grid = grid_of(forecast)
    truth = on_grid(truth, grid, "the truth", "the forecast")
    units = forecast.attrs.get("units"), truth.attrs.get("units")
    if None not in units and units[0] != units[1]:
        truth = in_unit(truth, str(units[0]))
    truth = at_valid_time(truth, forecast)
    apart = ("number",) if members else ()
    leading = [dim for dim in forecast.dims if dim not in (*SPACE, *apart)]
    if other := [dim for dim in truth.dims if dim not in (*leading, *SPACE)]:
        raise UserError(f"The truth has {_listed(other)} that the forecast has not. Select one of each.")
    sizes = {dim: forecast.sizes[dim] for dim in leading}
    values = forecast.transpose(*apart, *leading, *SPACE).values
    pairs = Pairs(
        values.reshape(*values.shape[: len(apart)], -1, *grid.shape),
        np.empty((0, *grid.shape)),
        grid,
        sizes,
        {name: forecast[name].variable for name in leading if name in forecast.coords},
        units[0],
    )
    return replace(pairs, truth=pairs.field(truth, "the truth"))


def at_valid_time(field: xr.DataArray, forecast: xr.DataArray | xr.Dataset, name: str = "the truth") -> xr.DataArray:
    """The field at the forecast's time + lead_time; a field without a time, or one at lead times already, as it is.

    It is NaN, which leaves forecasts out, at valid times that it lacks.

    Raises:
        UserError: it lacks all of them.
    """
    if "lead_time" not in forecast.dims or "lead_time" in field.dims or "time" not in field.dims:
        return field
    valid = forecast["time"] + forecast["lead_time"]
    wanted = np.unique(valid.values)
    lacking = np.setdiff1d(wanted, field["time"].values)
    if lacking.size == wanted.size:
        first, last = (np.datetime_as_string(end, unit="m") for end in (wanted[0], wanted[-1]))
        raise UserError(
            f"{name.capitalize()} has none of the {wanted.size} valid times of the forecast, from {first} to {last}. "
            "Give one of the same days and hours."
        )
    if lacking.size:
        field = field.reindex(time=wanted)
    return field.sel(time=valid.drop_vars(["time", "lead_time"])).assign_coords(
        time=forecast["time"].variable, lead_time=forecast["lead_time"].variable
    )


def in_unit(field: xr.DataArray, unit: str) -> xr.DataArray:
    """The field in another unit of the same dimension, read from its attribute `units`.

    Raises:
        UserError: no unit, an unknown one, or one of another dimension.
    """
    given = field.attrs.get("units")
    if given is None:
        raise UserError(f"`{field.name}` needs an attribute `units` that leads to {unit}, but has none. Set it.")
    return converted(field, unit)


def on_grid(field: xr.DataArray, grid: Grid, name: str, other_name: str) -> xr.DataArray:
    """The field, turned upside down if need be.

    Raises:
        UserError: its latitudes and longitudes are not those of the grid.
    """
    if missing := [dim for dim in SPACE if dim not in field.dims]:
        raise UserError(f"{name.capitalize()} needs the dimension {missing[0]}, but has {_listed(field.dims)}.")
    if (same := on_same_grid(field, grid)) is not None:
        return same
    spans = [(_span(dim, field[dim].values), _span(dim, getattr(grid, dim))) for dim in SPACE]
    came, wanted = next((pair for pair in spans if pair[0] != pair[1]), spans[0])
    raise UserError(
        f"{name.capitalize()} needs the grid of {other_name}, but has {came} where {other_name} has {wanted}. "
        "Regrid one of them with sciml.weather.regrid."
    )


def _span(dim: str, values: np.ndarray) -> str:
    return f"{len(values)} {dim}s from {values[0]:g} to {values[-1]:g}"


def _listed(names: Sequence[Hashable]) -> str:
    return ", ".join(str(name) for name in names) or "none"
