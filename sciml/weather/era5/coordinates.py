"""Dimensions by whatever name a file gives them: time, number, level, latitude, longitude; their units, order and seam.

Shapes: y latitudes, x longitudes, l levels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.repairs import Repairs
from sciml.weather.units import conversion

# earlier ones first, where a file has several
NAMES: Mapping[str, tuple[str, ...]] = {
    "latitude": ("latitude", "lat", "nav_lat", "lats"),
    "longitude": ("longitude", "lon", "nav_lon", "lons"),
    "level": (
        "level",
        "pressure_level",
        "isobaricInhPa",
        "isobaricInPa",
        "isobaric",
        "plev",
        "pressure",
        "lev",
        "levels",
        "levelist",
        "air_pressure",
    ),
    "number": ("number", "realization", "member", "sample", "ensemble", "ensemble_member", "ens"),
    "valid_time": ("valid_time",),
    "time": (
        "time",
        "init_time",
        "initial_time",
        "initialization_time",
        "init",
        "forecast_reference_time",
        "reference_time",
        "base_time",
        "time_index",
        "datetime",
        "date",
    ),
    "lead_time": (
        "lead_time",
        "prediction_timedelta",
        "step",
        "lead",
        "leadtime",
        "forecast_period",
        "timedelta",
        "forecast_hour",
    ),
}
_STANDARD_NAMES = {
    "latitude": "latitude",
    "longitude": "longitude",
    "level": "air_pressure",
    "number": "realization",
    "lead_time": "forecast_period",
}
# names of a single dimension of points, as ICON, MPAS and reduced Gaussian grids have
_UNSTRUCTURED = ("values", "cell", "ncells", "node", "nodes", "point", "points", "rgrid")
# 0.1 degrees in float32 is 2e-6 off; no grid is so fine
_SAME_DEGREES = 1e-4
# no pressure level is below; the deepest low on record is 870 hPa, the highest pressure 1084 hPa
_LARGEST_LEVEL_HPA = 1100


def find_name(dataset: xr.Dataset, axis: str) -> str | None:
    """What a dataset calls an axis: a dimension, or a coordinate of a single value."""
    present = {str(name).lower(): str(name) for name in (*dataset.coords, *dataset.dims)}
    for alias in NAMES[axis]:
        if alias.lower() in present:
            return present[alias.lower()]
    for name, coordinate in dataset.coords.items():
        if axis in _STANDARD_NAMES and coordinate.attrs.get("standard_name") == _STANDARD_NAMES[axis]:
            return str(name)
    return None


def with_zeros(dataset: xr.Dataset, repairs: Repairs) -> xr.Dataset:
    """The same, with the 0 of a coordinate whose fill value is 0, which xarray reads as missing.

    zarr fills arrays of format 2 with 0 unless it is told otherwise, and a coordinate has no missing values in CF.
    """
    zeros_lost = [str(name) for name, array in dataset.variables.items() if is_filled_with_zero(array)]
    lost_values = [f"`{name}`" for name in sorted(zeros_lost) if name in dataset.data_vars]
    if lost_values:
        repairs.add(
            f"The fill value of {', '.join(lost_values)} is 0, so that each 0 is read as missing. If 0 is a value, "
            "write the file again with NaN as fill value, or open xr.open_zarr(FILE, mask_and_scale=False)."
        )
    for name, coordinate in dataset.coords.items():
        if name not in zeros_lost or coordinate.ndim > 1:
            continue
        values = coordinate.values
        # a row has each of its values once
        if np.count_nonzero(np.isnan(values)) == 1:
            filled = np.where(np.isnan(values), 0.0, values).astype(values.dtype)
            dataset = dataset.assign_coords({name: (coordinate.dims, filled, coordinate.attrs)})
            repairs.add(f"The 0 of `{name}` was marked as missing, as its fill value is 0; it was read as 0.")
    return dataset


def is_filled_with_zero(array: xr.Variable) -> bool:
    """Whether xarray takes the zeros of a float array as missing."""
    fill = array.encoding.get("_FillValue")
    is_zero = isinstance(fill, int | float | np.number) and bool(fill == 0)
    return is_zero and "scale_factor" not in array.encoding and array.dtype.kind == "f"


def with_horizontal(dataset: xr.Dataset, source: str, repairs: Repairs) -> xr.Dataset:
    """The same, with latitude and longitude as float64 in degrees under these names, in the file's order.

    Raises:
        UserError: no such dimensions, or a grid that is none of rows and columns.
    """
    for axis in ("latitude", "longitude"):
        name = find_name(dataset, axis)
        if name is None or name not in dataset.coords or dataset[name].dims != (name,):
            raise _no_rows_and_columns(dataset, name, axis, source)
        values = _degrees(dataset[name], axis, source, repairs)
        dataset = (
            dataset.drop_vars(name).rename({name: axis} if name != axis else {}).assign_coords({axis: (axis, values)})
        )
        repairs.rename(name, axis)
    return dataset


def _no_rows_and_columns(dataset: xr.Dataset, name: str | None, axis: str, source: str) -> UserError:
    dimensions = [str(dimension) for dimension in dataset.dims]
    if name is not None and name in dataset.coords:
        coordinate = dataset[name]
        if coordinate.ndim == 2:
            return UserError(
                f"{source}: `{name}` has two dimensions, so the grid is curvilinear. Regrid it to latitudes and "
                "longitudes first: `cdo remapbil,r360x180 IN OUT`."
            )
        if coordinate.ndim == 1:
            return UserError(
                f"{source}: `{name}` runs over `{coordinate.dims[0]}`, so the grid is reduced or unstructured. Make it "
                "one of rows and columns first: `cdo setgridtype,regular IN OUT` for a reduced Gaussian grid, "
                "`cdo remapbil,r360x180 IN OUT` for others."
            )
        return UserError(
            f"{source}: `{name}` is a single value, but maps are needed. Keep the dimension: ds.expand_dims('{name}')."
        )
    if any(dimension.lower() in _UNSTRUCTURED for dimension in dimensions):
        return UserError(
            f"{source}: the points run over one dimension ({', '.join(dimensions)}) without rows and columns. Regrid "
            "them first: `cdo remapbil,r360x180 IN OUT`, or `cdo sp2gpl IN OUT` for spherical harmonics."
        )
    return UserError(
        f"{source}: no {axis} is found among {', '.join(map(str, (*dataset.coords, *dimensions))) or 'nothing'}. "
        f"Rename it: ds.rename(NAME='{axis}'), and give it values in degrees."
    )


def _degrees(coordinate: xr.DataArray, axis: str, source: str, repairs: Repairs) -> np.ndarray:
    values = coordinate.values
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or not values.size:
        raise UserError(f"{source}: `{coordinate.name}` needs to be finite numbers in degrees, but is not. Repair it.")
    # the shortest decimal of a float32 is what was meant: 0.1, not 0.10000000149
    exact = values.astype(str).astype(np.float64) if values.dtype == np.float32 else values.astype(np.float64)
    units = str(coordinate.attrs.get("units", "degrees"))
    if units.lower().startswith("rad"):
        repairs.add(f"{axis.capitalize()} was in {units} and is now in degrees.")
        exact = np.degrees(exact)
    elif not units.lower().startswith("deg"):
        raise UserError(
            f"{source}: `{coordinate.name}` is in {units}, but degrees are needed. If it is, say so: "
            f'ds["{coordinate.name}"].attrs["units"] = "degrees".'
        )
    limit = 90.0 if axis == "latitude" else 720.0
    if np.abs(exact).max() > limit + _SAME_DEGREES:
        raise UserError(
            f"{source}: `{coordinate.name}` reaches {exact[np.abs(exact).argmax()]:g}, beyond {limit:g} degrees. Check "
            "which dimension is which."
        )
    return np.clip(exact, -limit, limit)


def ordered_horizontally(dataset: xr.Dataset, latitude: str, source: str, repairs: Repairs) -> xr.Dataset:
    """The same, latitudes in the asked order, longitudes ascending in [0, 360), a column that repeats another dropped.

    Raises:
        UserError: latitudes that repeat.
    """
    rows, columns = dataset["latitude"].values, dataset["longitude"].values
    row_order = np.argsort(rows, kind="stable")
    if (np.diff(rows[row_order]) < _SAME_DEGREES).any():
        raise UserError(
            f"{source}: latitudes repeat. Drop the rows that are there twice: ds.drop_duplicates('latitude')."
        )
    if not (np.array_equal(row_order, np.arange(len(rows))) or np.array_equal(row_order[::-1], np.arange(len(rows)))):
        repairs.add("Latitudes were sorted.")
    if latitude == "descending":
        row_order = row_order[::-1]
    elif rows[0] > rows[-1]:
        repairs.add("Latitudes were turned to run from south to north.")
    if latitude == "descending" and rows[0] < rows[-1]:
        repairs.add("Latitudes were turned to run from north to south.")

    around = columns % 360
    around[around > 360 - _SAME_DEGREES / 100] = 0.0  # -1e-15 % 360 is 360
    if (columns < 0).any():
        repairs.add("Longitudes were brought from -180..180 to 0..360.")
    column_order = np.argsort(around, kind="stable")
    kept = column_order[np.append(True, np.diff(around[column_order]) >= _SAME_DEGREES)]
    if len(kept) < len(columns):
        twice = np.setdiff1d(np.arange(len(columns)), kept)
        if len(twice) > 1:
            raise UserError(
                f"{source}: {len(twice)} longitudes repeat. Drop the columns that are there twice: "
                "ds.drop_duplicates('longitude')."
            )
        first = kept[np.searchsorted(around[kept], around[twice[0]] - _SAME_DEGREES)]
        _check_same_column(dataset, int(first), int(twice[0]), source)
        repairs.add(
            f"The column at longitude {columns[twice[0]]:g} repeats that at {around[twice[0]]:g} and was dropped."
        )
    gaps = np.diff(around[kept])
    if len(kept) > 2 and columns.max() - columns.min() < 360 and gaps.max() > 1.5 * np.median(gaps) + _SAME_DEGREES:
        repairs.add("The region crosses Greenwich, so that its longitudes in 0..360 have a gap.")
    dataset = dataset.isel(latitude=_as_slice(row_order), longitude=_as_slice(kept))
    return dataset.assign_coords(latitude=("latitude", rows[row_order]), longitude=("longitude", around[kept]))


def _check_same_column(dataset: xr.Dataset, first: int, second: int, source: str) -> None:
    """Refuses two columns of one longitude that hold different values, seen in the first field of each variable."""
    for name, array in dataset.data_vars.items():
        if "longitude" in array.dims:
            field = array.isel({dim: 0 for dim in array.dims if dim not in ("latitude", "longitude")})
            one, other = (field.isel(longitude=column).values for column in (first, second))
            if not np.allclose(one, other, rtol=1e-6, equal_nan=True):
                raise UserError(
                    f"{source}: two columns are at longitude {float(array['longitude'][first]) % 360:g}, but `{name}` "
                    "differs between them. Drop one of them: ds.isel(longitude=slice(None, -1))."
                )


def _as_slice(order: np.ndarray) -> slice | np.ndarray:
    steps = np.diff(order)
    if (steps == 1).all():
        return slice(int(order[0]), int(order[-1]) + 1)
    if (steps == -1).all():
        return slice(int(order[0]), int(order[-1]) - 1 if order[-1] else None, -1)
    return order


def levels_hpa(coordinate: xr.DataArray, source: str, repairs: Repairs) -> np.ndarray:
    """[l] or a single value, float64.

    Raises:
        UserError: levels that are not of pressure, or may not be.
    """
    name, values = str(coordinate.name), np.asarray(coordinate.values)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise UserError(f"{source}: `{name}` needs to be finite numbers in hPa, but is not. Repair it.")
    values = values.astype(np.float64)
    units = str(coordinate.attrs.get("units", ""))
    if not units:
        units = _unsaid_units(values, name, source)
        repairs.add(f"`{name}` has no units and was taken as {units}.")
    try:
        scale = conversion(units, "hPa").scale
    except UserError as error:
        raise UserError(
            f"{source}: `{name}` is in `{units}`, but pressure levels are needed. Bring model levels to pressure "
            "levels first, as `cdo ml2pl,100000,85000,50000 IN OUT` does, or choose others with variables=[...]."
        ) from error
    if scale != 1.0:
        repairs.add(f"`{name}` was in {units} and is now in hPa.")
    levels = np.round(values * scale, 6)
    if levels.size and (levels.max() > _LARGEST_LEVEL_HPA or levels.min() <= 0):
        raise UserError(
            f"{source}: `{name}` says it is in {units}, but has values like {values.max():g}. Say in "
            f'which units it is: ds["{name}"].attrs["units"] = "Pa", and open ds.'
        )
    return np.asarray(levels)


def _unsaid_units(values: np.ndarray, name: str, source: str) -> str:
    counted = values.size > 3 and (np.abs(np.diff(values)) == 1).all()
    if name == "isobaricInPa" or (not counted and values.size and values.max() > 2 * _LARGEST_LEVEL_HPA):
        return "Pa"
    if counted or (values.size and values.max() > _LARGEST_LEVEL_HPA):
        raise UserError(
            f"{source}: `{name}` has no units and values like {values.flat[0]:g}, {values.flat[-1]:g}, which may be "
            f'numbers of model levels. If they are pressures, say so: ds["{name}"].attrs["units"] = "hPa", and open ds.'
        )
    return "hPa"
