"""Do the values fit their units? A few fields of each variable are read and held against the range in the table.

Fields are taken at the first, the middle and the last time, of one member, on the highest and the lowest level, every
few points, so that a file of any size is judged in a moment.
"""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.accumulations import SMALLEST_NEGATIVE, is_sum
from sciml.weather.era5.repairs import Repairs
from sciml.weather.variables import VARIABLES, Variable

# scale height of the standard atmosphere's lower part in m, R_d T / g at 253 K, and its pressure at sea level in hPa
# (U.S. Standard Atmosphere, 1976): its heights are met within 15% from 700 to 1 hPa, 5226 m for 5574 m at 500 hPa
_SCALE_HEIGHT_M = 7400.0
_SEA_LEVEL_HPA = 1013.25
# geopotential of a metre, m s**-2 (WMO)
_GRAVITY = 9.80665
# lower down the height is small beside its own changes
_LOWEST_CHECKED_HPA = 700.0
# a mean over a field; metres and m**2 s**-2 are a factor of 9.8 apart
_HEIGHT_FACTOR = 2.0
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
            f'lie within {variable.smallest:g} and {largest:g}. Name the units it has, units={{"{name}": "..."}} (in '
            f'the shell: --units "{name}=..."), or, '
            "if numbers stand for missing values, replace them with NaN."
        )
    _check_height(fields, variable, source)


def _check_height(fields: xr.DataArray, variable: Variable, source: str) -> None:
    """Refuses geopotential that is its height, and the reverse: nothing else tells them apart on a level."""
    if variable.name not in ("z", "gh") or "level" not in fields.dims:
        return
    other, per_metre = ("m", _GRAVITY) if variable.name == "z" else ("m**2 s**-2", 1.0)
    for level in fields["level"].values:
        values = fields.sel(level=level).values
        values = values[np.isfinite(values)]
        if level > _LOWEST_CHECKED_HPA or not values.size:
            continue
        usual = per_metre * _SCALE_HEIGHT_M * math.log(_SEA_LEVEL_HPA / level)
        mean = float(values.mean(dtype=np.float64))
        if not usual / _HEIGHT_FACTOR < mean < usual * _HEIGHT_FACTOR:
            raise UserError(
                f"{source}: `{variable.name}` at {level:g} hPa is {mean:.0f} on average and says it is in "
                f"{variable.units}, where about {usual:.0f} is usual. If it is in {other}, say so, "
                f'units={{"{variable.name}": "{other}"}} (in the shell: --units "{variable.name}={other}"); it is then '
                f"read as `{'gh' if variable.name == 'z' else 'z'}`."
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
