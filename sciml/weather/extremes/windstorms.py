"""Wind storms: wind at 10 m beyond its local 98th percentile, the storm severity index, and where a storm strikes.

Sources: Klawe and Ulbrich 2003 (doi:10.5194/nhess-3-725-2003) and Leckebusch et al. 2008
(doi:10.1127/0941-2948/2008/0266): loss grows with the cube of the wind beyond what houses of the place are built for,
taken as the 98th percentile v98 of the whole year. SSI = sum over area of (v / v98 - 1)^3 where v > v98. Both sum over
land, and the former weighs with population: give region weights that do so.

The footprint is where v > v98. Overlap is the area of both footprints over that of either: 1 is the same, 0 elsewhere.

Shapes: n forecasts, y latitudes, x longitudes, r regions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float, Float64

from sciml.core.errors import UserError
from sciml.weather.grid import EARTH_RADIUS_KM, Grid
from sciml.weather.scores.categories import Table, contingency, critical_success_index, frequency_bias
from sciml.weather.scores.pairs import pair


def wind_speed(u: xr.DataArray, v: xr.DataArray) -> xr.DataArray:
    """Speed of a wind from its parts towards the east and the north.

    Raises:
        UserError: they are in different units.
    """
    if u.attrs.get("units") != v.attrs.get("units"):
        raise UserError(
            f"The two parts of a wind need one unit, but have {u.attrs.get('units')} and {v.attrs.get('units')}. "
            f"Convert one."
        )
    units = {"units": u.attrs["units"]} if "units" in u.attrs else {}
    return ((u**2 + v**2) ** 0.5).rename("wind_speed").assign_attrs(long_name="wind speed", **units)


def severity(
    speed: Float[np.ndarray, "n y x"],
    v98: Float[np.ndarray, "*h y x"],
    weights: Float[np.ndarray, "r y x"],
) -> Float64[np.ndarray, "n r"]:
    """Storm severity index of every field and region, in the unit of the weights; missing wind or v98 adds nothing.

    >>> float(severity(np.array([[[30.0, 10.0]]]), np.full((1, 2), 20.0), np.full((1, 1, 2), 8.0))[0, 0])  # 8 (1/2)^3
    1.0
    """
    index = np.zeros((len(speed), len(weights)))
    weights_pr = np.ascontiguousarray(weights.reshape(len(weights), -1).T, np.float64)
    for n, field in enumerate(speed):
        limit = v98[n % len(v98)] if v98.ndim == 3 else v98
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = field.astype(np.float64) / np.where(limit > 0, limit, np.nan) - 1
        index[n] = np.where(excess > 0, excess, 0).ravel() ** 3 @ weights_pr
    return index


def wind_storm_scores(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    v98: xr.DataArray,
    *,
    weights: xr.DataArray | None = None,
    pool: Sequence[str] = ("time",),
) -> xr.Dataset:
    """Severity of storms, its error, and the overlap of footprints (lead_time, region).

    For the footprint of a whole storm give the maxima over its days, `speed.max("lead_time")`, in place of every field.

    Args:
        forecast: wind speed (time, lead_time, latitude, longitude).
        truth: wind speed (time of validity, latitude, longitude).
        v98: local 98th percentile (latitude, longitude), with time at will.
        weights: (region, latitude, longitude), areas over their mean on the grid, 0 outside of the region; the whole
            grid if not given.
        pool: dimensions that go together besides space: severities are means over them, footprints one table.

    Returns:
        ssi_forecast, ssi_truth, ssi_error, ssi_absolute_error in km^2, ssi_relative_error of the means,
        footprint_overlap and footprint_bias (area forecast over area observed); NaN without a storm.

    Raises:
        UserError: other grids or units, valid times that the truth lacks.
    """
    pairs = pair(forecast, truth)
    limit, extra = pairs.threshold(v98)
    if extra:
        raise UserError(f"v98 is one quantile, but has the dimension {', '.join(map(str, extra))}. Select one.")
    regions = pairs.region_weights(weights)
    # what either lacks is in neither
    known = ~(np.isnan(pairs.forecast) | np.isnan(pairs.truth))
    areas = regions * _mean_cell_km2(pairs.grid)
    index_f, index_o = (
        pairs.by_region(severity(np.where(known, speed, 0).astype(speed.dtype), limit, areas), weights)
        for speed in (pairs.forecast, pairs.truth)
    )
    pooled = [dim for dim in pool if dim in pairs.sizes]
    cells = contingency(pairs.forecast, pairs.truth, limit, regions)
    parts = [
        pairs.by_region(cell, weights).sum(pooled)
        for cell in (cells.hits, cells.misses, cells.false_alarms, cells.correct_negatives)
    ]
    table = Table(*(np.asarray(part.values) for part in parts))
    mean_f, mean_o = index_f.mean(pooled), index_o.mean(pooled)
    found = {
        "ssi_forecast": (mean_f, "storm severity index of the forecast", "km**2"),
        "ssi_truth": (mean_o, "storm severity index of the truth", "km**2"),
        "ssi_error": (mean_f - mean_o, "error of the storm severity index", "km**2"),
        "ssi_absolute_error": (abs(index_f - index_o).mean(pooled), "absolute error of the severity index", "km**2"),
        "ssi_relative_error": (mean_f / mean_o.where(mean_o > 0) - 1, "relative error of the severity index", "1"),
        "footprint_overlap": (parts[0].copy(data=critical_success_index(table)), "overlap of the footprints", "1"),
        "footprint_bias": (parts[0].copy(data=frequency_bias(table)), "area forecast over area observed", "1"),
    }
    return xr.Dataset(
        {name: values.assign_attrs(long_name=text, units=unit) for name, (values, text, unit) in found.items()}
    )


def _mean_cell_km2(grid: Grid) -> float:
    rows = np.abs(np.diff(np.sin(np.radians(grid.latitude_edges))))
    columns = np.radians(grid.longitude_widths)
    return float(rows.mean() * columns.mean() * EARTH_RADIUS_KM**2)
