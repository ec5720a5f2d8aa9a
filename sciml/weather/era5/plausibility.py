"""Do the values fit their units? A few fields of each variable are read and held against the range in the table.

Fields are taken at the first, the middle and the last time, of one member, on the highest and the lowest level, every
few points, so that a file of any size is judged in a moment.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.accumulations import SMALLEST_NEGATIVE, is_sum
from sciml.weather.era5.repairs import Repairs
from sciml.weather.variables import VARIABLES, Variable

# points in each direction of a sampled field
_POINTS = 64
_ONE_DAY = np.timedelta64(1, "D")


def check_values(array: xr.DataArray, name: str, source: str, repairs: Repairs) -> None:
    """Refuses values that are not in the units they say, and fields without any value.

    Raises:
        UserError: out of the range of the table, negative sums, or fields that are NaN everywhere.
    """
    variable = VARIABLES.get(name)
    if variable is None:
        return
    fields = _sample(array)
    values = fields.values
    _check_filled(fields, variable, source)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    smallest, largest = variable.smallest, variable.largest * _days(array, variable)
    if is_sum(name) and smallest >= 0 and low < 0:
        if low >= SMALLEST_NEGATIVE[variable.units]:
            repairs.add(f"`{name}` has tiny negative values, as packing leaves them; they are read as 0.")
        smallest = SMALLEST_NEGATIVE[variable.units]
    if low < smallest or high > largest:
        raise UserError(
            f"{source}: `{name}` has values from {low:g} to {high:g} and says they are in {variable.units}, where they "
            f'lie within {variable.smallest:g} and {largest:g}. Name the units it has, units={{"{name}": "..."}}, or, '
            "if numbers stand for missing values, replace them with NaN."
        )


def _sample(array: xr.DataArray) -> xr.DataArray:
    picked: dict[str, object] = {axis: 0 for axis in ("number",) if axis in array.dims}
    for axis in ("time", "lead_time"):
        if axis in array.dims:
            picked[axis] = np.unique([0, array.sizes[axis] // 2, array.sizes[axis] - 1])
    if "level" in array.dims:
        picked["level"] = np.unique([0, array.sizes["level"] - 1])
    for axis in ("latitude", "longitude"):
        picked[axis] = slice(None, None, max(1, array.sizes[axis] // _POINTS))
    return array.isel(picked).load()


def _check_filled(fields: xr.DataArray, variable: Variable, source: str) -> None:
    empty = fields.isnull().all(["latitude", "longitude"])
    # the first step of a forecast has no sum yet
    may_be_empty = variable.has_mask or variable.kind in ("accumulated", "extreme")
    if not empty.any() or (may_be_empty and not empty.all()) or variable.has_mask:
        return
    place = {axis: coordinate.values.flat[0] for axis, coordinate in fields.coords.items() if coordinate.ndim == 0}
    if empty.ndim:
        at = np.argwhere(empty.values)[0]
        place |= {str(axis): empty[axis].values[index] for axis, index in zip(empty.dims, at, strict=True)}
    where = ", ".join(f"{axis} {value}" for axis, value in place.items() if axis not in ("latitude", "longitude"))
    raise UserError(
        f"{source}: `{variable.name}` is NaN everywhere{f' at {where}' if where else ''}. Choose what has values with "
        "time=, levels= or variables=, or get the file again."
    )


def _days(array: xr.DataArray, variable: Variable) -> float:
    # the range of a sum is that of a day; sums since the start of a forecast go on
    if variable.kind != "accumulated" or "lead_time" not in array.dims:
        return 1.0
    return max(1.0, float(array["lead_time"].values.max() / _ONE_DAY))
