"""Lows of one time that may be tropical cyclones.

The criteria are those of Zarzycki & Ullrich 2017 (doi:10.1002/2016GL071606) and of TempestExtremes (Ullrich & Zarzycki
2017, doi:10.5194/gmd-10-1069-2017; Ullrich et al. 2021, doi:10.5194/gmd-14-5023-2021): a minimum of pressure at mean
sea level inside a closed contour, and a warm core, which is a maximum of thickness inside a closed contour. The
vorticity is asked for as by Vitart et al. 1997 (J. Climate 10:745).

Shapes: y latitudes, x longitudes; n lows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.cyclones.sphere import great_circle_deg
from sciml.weather.cyclones.vorticity import relative_vorticity
from sciml.weather.cyclones.windows import contour_closes, local_minima, refined_minimum, rises_around, window
from sciml.weather.grid import Grid

Field = Float[np.ndarray, "y x"]

# level at which the vorticity of a tropical cyclone is looked at, hPa (Vitart et al. 1997)
_VORTICITY_HPA = 850.0
# thickness between these levels tells a warm core, hPa (Zarzycki & Ullrich 2017)
_THICKNESS_HPA = (300.0, 500.0)
# mean temperature over the levels between these does when there is no geopotential, hPa (Ullrich & Zarzycki 2017)
_WARM_HPA = (200.0, 500.0)
# mean wind over those of these levels that are at hand steers a storm, hPa: the deep layer without its outflow
_STEERING_HPA = (850.0, 700.0, 500.0)


@dataclass(frozen=True)
class DetectionSettings:
    """What makes a low a candidate; angles are degrees of a great circle.

    Args:
        contour_pa: the pressure rises by so much above the minimum in all directions ...
        contour_radius_deg: ... within this distance.
        vorticity_per_s: the largest cyclonic vorticity near the minimum, at 850 hPa or else at 10 m.
        warm_core: whether a warm core is asked for where the data have the levels.
        warm_core_offset_deg: how far the warm core may be from the minimum.
        thickness_drop_m2_s2: the geopotential thickness of 300 to 500 hPa falls by so much (6 m times g) ...
        thickness_radius_deg: ... within this distance.
        temperature_drop_k: without geopotential, the mean temperature of 200 to 500 hPa falls by so much ...
        temperature_radius_deg: ... within this distance.
        wind_radius_deg: the strongest 10 m wind and the vorticity are those within this distance.
        merge_deg: of several candidates within this distance the deepest stays.
    """

    contour_pa: float = 200.0
    contour_radius_deg: float = 5.5
    vorticity_per_s: float = 3.5e-5
    warm_core: bool = True
    warm_core_offset_deg: float = 1.0
    thickness_drop_m2_s2: float = 58.8
    thickness_radius_deg: float = 6.5
    temperature_drop_k: float = 0.6
    temperature_radius_deg: float = 4.0
    wind_radius_deg: float = 2.0
    merge_deg: float = 6.0


@dataclass(frozen=True)
class WarmCore:
    """A field that is largest over a warm core, and how far it falls around one."""

    field: Field
    drop: float
    radius_deg: float


@dataclass(frozen=True)
class Fields:
    """What is looked at, at one time.

    Args:
        grid: of all fields.
        pressure_pa: [y, x] at mean sea level.
        wind_m_s: [y, x] speed at 10 m.
        vorticity_per_s: [y, x] relative vorticity, at 850 hPa or else at 10 m.
        warm_core: thickness, else temperature, else nothing.
        steering_m_s: [y, x] eastward and northward mean wind of the layers that steer a storm, or nothing.
    """

    grid: Grid
    pressure_pa: Field
    wind_m_s: Field
    vorticity_per_s: Field
    warm_core: WarmCore | None
    steering_m_s: tuple[Field, Field] | None


@dataclass(frozen=True)
class Lows:
    """Candidates of one time, the deepest first: columns [n] in degrees, Pa, m/s and 1/s (cyclonic positive)."""

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    pressure_pa: NDArray[np.float64]
    wind_m_s: NDArray[np.float64]
    vorticity_per_s: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.latitude)


def fields_at(dataset: xr.Dataset, settings: DetectionSettings) -> Fields:
    """Reads what detection needs of one time of a canonical dataset, and nothing else.

    Raises:
        UserError: msl, u10 or v10 is missing, or there are dimensions beside level, latitude and longitude.
    """
    missing = [name for name in ("msl", "u10", "v10") if name not in dataset]
    if missing:
        raise UserError(f"Tropical cyclones are found in msl, u10 and v10, but {', '.join(missing)} is missing.")
    extra = set(dataset["msl"].dims) - {"latitude", "longitude"}
    if extra:
        raise UserError(f"Cyclones are found in one field at a time, but msl has {', '.join(map(str, extra))} too.")
    grid = Grid(dataset["latitude"].values, dataset["longitude"].values)
    if min(grid.shape) < 3:
        raise UserError(f"Cyclones need a grid of three rows and columns at least, but this one has {grid.shape}.")
    levels = set(dataset["level"].values.tolist()) if "level" in dataset.dims else set()

    def has(names: str, wanted: tuple[float, ...]) -> bool:
        return set(wanted) <= levels and all(name in dataset and "level" in dataset[name].dims for name in names)

    wanted = {name: dataset[name] for name in ("msl", "u10", "v10")}
    warm_levels = tuple(sorted(level for level in levels if _WARM_HPA[0] <= level <= _WARM_HPA[1]))
    steering_levels = tuple(level for level in _STEERING_HPA if level in levels)
    has_thickness = settings.warm_core and has("z", _THICKNESS_HPA)
    has_temperature = settings.warm_core and not has_thickness and len(warm_levels) > 1 and has("t", warm_levels)
    if has("uv", (_VORTICITY_HPA,)):
        wanted |= {"u_low": dataset["u"].sel(level=_VORTICITY_HPA), "v_low": dataset["v"].sel(level=_VORTICITY_HPA)}
    if has_thickness:
        upper, lower = (dataset["z"].sel(level=level, drop=True) for level in _THICKNESS_HPA)
        wanted["warm"] = upper - lower
    elif has_temperature:
        wanted["warm"] = dataset["t"].sel(level=list(warm_levels)).mean("level", skipna=False)
    if steering_levels and has("uv", steering_levels):
        for name in "uv":
            mean = dataset[name].sel(level=list(steering_levels)).mean("level", skipna=False)
            wanted[f"{name}_steering"] = mean
    loaded = xr.Dataset({name: field.drop_vars("level", errors="ignore") for name, field in wanted.items()}).compute()
    at = {name: loaded[name].transpose("latitude", "longitude").values for name in wanted}
    core = None
    if "warm" in at:
        drop = settings.thickness_drop_m2_s2 if has_thickness else settings.temperature_drop_k
        core = WarmCore(
            at["warm"], drop, settings.thickness_radius_deg if has_thickness else settings.temperature_radius_deg
        )
    return Fields(
        grid=grid,
        pressure_pa=at["msl"],
        wind_m_s=np.hypot(at["u10"], at["v10"]),
        vorticity_per_s=relative_vorticity(at.get("u_low", at["u10"]), at.get("v_low", at["v10"]), grid),
        warm_core=core,
        steering_m_s=(at["u_steering"], at["v_steering"]) if "u_steering" in at else None,
    )


def find_lows(fields: Fields, settings: DetectionSettings, near: tuple[float, float, float] | None = None) -> Lows:
    """The lows that meet all criteria.

    Args:
        fields: of one time.
        settings: the criteria.
        near: latitude, longitude and radius in degrees of the circle in which to look; everywhere if not given.
    """
    minima = local_minima(fields.pressure_pa, fields.grid)
    latitude, longitude = fields.grid.latitude[minima[:, 0]], fields.grid.longitude[minima[:, 1]]
    if near is not None:
        minima = minima[great_circle_deg(near[0], near[1], latitude, longitude) <= near[2]]
    found = [low for row, column in minima.tolist() if (low := _low(fields, settings, row, column)) is not None]
    kept: list[tuple[float, ...]] = []
    for low in found:  # the deepest first
        if all(great_circle_deg(low[0], low[1], other[0], other[1]) >= settings.merge_deg for other in kept):
            kept.append(low)
    columns = np.array(kept, np.float64).reshape(-1, 5).T
    return Lows(*columns)


def _low(fields: Fields, settings: DetectionSettings, row: int, column: int) -> tuple[float, ...] | None:
    """Latitude, longitude, pressure, wind and vorticity of a minimum, or nothing if it fails a criterion."""
    grid = fields.grid
    latitude, longitude = float(grid.latitude[row]), float(grid.longitude[column])
    lowest = float(fields.pressure_pa[row, column])
    if not rises_around(fields.pressure_pa, grid, row, column, settings.contour_pa, settings.contour_radius_deg):
        return None
    part = window(grid, latitude, longitude, max(settings.contour_radius_deg, settings.wind_radius_deg))
    centre = int(np.flatnonzero(part.rows == row)[0]), int(np.flatnonzero(part.columns == column)[0])
    if not contour_closes(
        part.of(fields.pressure_pa) - lowest - settings.contour_pa, centre, settings.contour_radius_deg, part
    ):
        return None
    inner = part.within(settings.wind_radius_deg)
    cyclonic = (np.sign(latitude) or 1.0) * part.of(fields.vorticity_per_s)[inner]
    vorticity = float(np.nanmax(cyclonic, initial=-np.inf))
    if vorticity < settings.vorticity_per_s:
        return None
    if fields.warm_core is not None and not _has_warm_core(fields.warm_core, grid, settings, latitude, longitude):
        return None
    wind = float(np.nanmax(part.of(fields.wind_m_s)[inner], initial=-np.inf))
    refined = refined_minimum(fields.pressure_pa, grid, row, column)
    return *refined, lowest, wind if np.isfinite(wind) else np.nan, vorticity


def _has_warm_core(core: WarmCore, grid: Grid, settings: DetectionSettings, latitude: float, longitude: float) -> bool:
    part = window(grid, latitude, longitude, core.radius_deg + settings.warm_core_offset_deg)
    values = part.of(core.field)
    near = np.where(part.within(settings.warm_core_offset_deg), values, -np.inf)
    row, column = np.unravel_index(np.nanargmax(near), near.shape)
    # the distance counts from the warmest point, not from the minimum of pressure
    around = window(
        grid, float(grid.latitude[part.rows[row]]), float(grid.longitude[part.columns[column]]), core.radius_deg
    )
    start = (
        int(np.flatnonzero(around.rows == part.rows[row])[0]),
        int(np.flatnonzero(around.columns == part.columns[column])[0]),
    )
    return contour_closes(float(near[row, column]) - core.drop - around.of(core.field), start, core.radius_deg, around)
