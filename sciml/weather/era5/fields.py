"""Variables of a file as variables of the table: name, units, float32; and those that the table does not know.

A variable that the table does not know keeps its name when the file gives its units, as users have their own; without
units it is left out, or refused when it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.request import Request
from sciml.weather.units import conversion
from sciml.weather.variables import VARIABLES, Variable, find_variable, split_window

# attributes of cfgrib and of the old Climate Data Store that name the variable
_NAMING_ATTRIBUTES = ("GRIB_cfVarName", "GRIB_shortName", "short_name")


def canonical_name(array: xr.DataArray, *, has_levels: bool) -> str:
    """The table's name of a variable, or its own where the table has none.

    Its own name counts first, then what its attributes call it. Geopotential beside the pressure levels is that of the
    surface; in metres it is geopotential height.
    """
    own, _ = split_window(str(array.name))
    said = [own, *(str(array.attrs[key]) for key in _NAMING_ATTRIBUTES if key in array.attrs)]
    variable = next((found for name in said if (found := find_variable(name))), None)
    if variable is None:
        return str(array.name)
    if variable.name in ("z", "gh"):
        units = str(array.attrs.get("units", ""))
        is_height = _measures(units, "m") if units else variable.name == "gh"
        if is_height:
            return "gh" if has_levels else str(array.name)
        return "z" if has_levels else "z_sfc"
    return variable.name


def choose(
    arrays: Mapping[str, xr.DataArray], has_levels: Mapping[str, bool], request: Request, source: str, repairs: Repairs
) -> dict[str, xr.DataArray]:
    """The variables that are asked for, by canonical name.

    Args:
        arrays: by the name that the file gives.
        has_levels: of each, whether it is on pressure levels.
        request: what is asked for.
        source: the file, for messages.
        repairs: what was changed.

    Raises:
        UserError: two variables of the same name.
    """
    asked = None if request.variables is None else asked_names(request.variables)
    chosen: dict[str, xr.DataArray] = {}
    for own, array in arrays.items():
        # units that the user names decide between geopotential and its height
        said = array.assign_attrs(units=units) if (units := _units(array, own, request)) else array
        name = canonical_name(said, has_levels=has_levels[own])
        if asked is not None and name not in asked:
            continue
        windows, window = named_windows(name, request.variables or ()), split_window(own)[1]
        if windows and window is not None and window not in windows:
            repairs.add(f"`{own}` was left out: sums over {min(windows)} h are asked for.")
            continue
        if name not in VARIABLES and not _has_units(array, own, request):
            if asked is None:
                repairs.add(f"`{own}` was left out: the table does not know it, and it has no units.")
                continue
            raise UserError(
                f"{source}: `{own}` is in no table and has no units, so nothing can be said of it. Name its units: "
                f'units={{"{own}": "m s**-1"}} (in the shell: --units "{own}=m s**-1").'
            )
        if name in chosen:
            chosen[name] = _one_window(chosen[name], array, name, request, source, repairs)
            continue
        chosen[name] = array
    for name, array in chosen.items():
        repairs.rename(str(array.name), name)
        if name not in VARIABLES:
            repairs.add(f"`{name}` is in no table: kept under its own name and units, unchecked.")
    return chosen


def asked_names(names: Iterable[str]) -> set[str]:
    """Canonical names of those that a user asks for."""
    return {variable.name if (variable := find_variable(split_window(name)[0])) else name for name in names}


def named_windows(name: str, asked: Iterable[str]) -> set[int]:
    """Windows in hours that a user asks for by the name of a variable.

    >>> named_windows("tp", ["total_precipitation_24hr", "t2m"]), named_windows("tp", ["tp"])
    ({24}, set())
    """
    return {window for each in asked if (window := split_window(each)[1]) and asked_names([each]) == {name}}


def check_windows(names: Iterable[str], request: Request, source: str) -> None:
    """Refuses to take a sum over another window for one that is asked for by its name.

    Args:
        names: as the files have them.
        request: what is asked for.
        source: the files, for messages.

    Raises:
        UserError: two windows of one variable, or one that is not there.
    """
    names = list(names)
    for each in request.variables or ():
        base, asked = split_window(each)
        if asked is None:
            continue
        (name,) = asked_names([each])
        if len(named_windows(name, request.variables or ())) > 1:
            raise UserError(
                f"{source}: `{each}` is asked for with another window of `{name}`, but a dataset has one. Open them "
                "one after the other."
            )
        windows = {split_window(own)[1] for own in names if asked_names([own]) == {name}}
        if windows and not windows & {asked, None}:
            there = ", ".join(f"{base}_{window}hr" for window in sorted(window for window in windows if window))
            raise UserError(
                f"{source}: `{each}` is not there, but {there} is. Sums over {asked} h may be made of it: "
                f'variables=["{name}"], accumulate_hours={asked} (in the shell: --accumulate-hours {asked}).'
            )


def check_found(found: Iterable[str], request: Request, source: str) -> None:
    """Refuses to go on without a variable that was asked for.

    Raises:
        UserError: which one, and which there are.
    """
    found = sorted(found)
    for name in request.variables or ():
        if not asked_names([name]) <= set(found):
            hint = suggest(name, [*found, *VARIABLES])
            raise UserError(
                f"{source}: `{name}` is not there{f'; {hint}' if hint else '.'} There are {', '.join(found) or 'none'}."
            )
    if not found:
        raise UserError(f"{source}: no variable on latitudes and longitudes is there.")


def in_units_of_table(array: xr.DataArray, name: str, request: Request, source: str, repairs: Repairs) -> xr.DataArray:
    """float32 in the table's units, with its attributes.

    Raises:
        UserError: no units, or of another quantity.
    """
    own = str(array.name)
    window = split_window(own)[1]
    said = _units(array, own, request)
    variable = VARIABLES.get(name)
    kept = {key: array.attrs[key] for key in ("accumulation", "cell_methods") if key in array.attrs}
    if "accumulation_hours" in array.attrs:  # of a dataset that was opened before
        kept["accumulation"] = f"{int(array.attrs['accumulation_hours'])}h"
    if window is not None:
        kept["accumulation"] = f"{window}h"
    if variable is None:
        long_name = {"long_name": str(array.attrs["long_name"])} if "long_name" in array.attrs else {}
        return array.astype(np.float32).assign_attrs({}).drop_attrs().assign_attrs({"units": said, **long_name, **kept})
    said = said or _unsaid_units(array, variable, own, request, source)
    try:
        change = conversion(said, variable.units)
    except UserError as error:
        raise UserError(
            f"{source}: `{own}` should be in {variable.units}. {error} If the file is wrong, name the units it has: "
            f'units={{"{own}": "{variable.units}"}} (in the shell: --units "{own}={variable.units}").'
        ) from error
    if not change.is_identity:
        repairs.add(f"`{name}` was in {said} and is now in {variable.units}.")
        if array.dtype == np.float32 and change.offset:
            array = array.astype(np.float64)
        array = array * change.scale + change.offset
    return array.astype(np.float32).drop_attrs().assign_attrs({**variable.attributes, **kept})


def _units(array: xr.DataArray, own: str, request: Request) -> str:
    for name, units in request.units.items():
        if asked_names([name]) & {own, *asked_names([own])}:
            return units
    return str(array.attrs.get("units", "")).strip()


def _unsaid_units(array: xr.DataArray, variable: Variable, own: str, request: Request, source: str) -> str:
    if request.units_are_ecmwf or (variable.units == "1" and "units" in array.attrs):
        return variable.units
    raise UserError(
        f"{source}: `{own}` has no units, and values in other units look alike. Name them, "
        f'units={{"{own}": "{variable.units}"}}, or say that all without are in those of ECMWF, units="ecmwf" '
        f'(in the shell: --units "{own}={variable.units}" or --units ecmwf).'
    )


def _has_units(array: xr.DataArray, own: str, request: Request) -> bool:
    return bool(_units(array, own, request))


def _measures(units: str, target: str) -> bool:
    try:
        conversion(units, target)
    except UserError:
        return False
    return True


def _one_window(
    first: xr.DataArray, second: xr.DataArray, name: str, request: Request, source: str, repairs: Repairs
) -> xr.DataArray:
    """Of two sums over windows of different lengths the one that is asked for, else the shorter."""
    windows = {split_window(str(array.name))[1] or 0: array for array in (first, second)}
    if len(windows) < 2:
        raise UserError(
            f'{source}: `{first.name}` and `{second.name}` are both `{name}`. Open one: ds.drop_vars("{second.name}").'
        )
    asked = request.accumulate_hours
    kept = asked if asked in windows else min(windows)
    left = next(array for window, array in windows.items() if window != kept)
    repairs.add(f"`{left.name}` was left out, as `{windows[kept].name}` is `{name}` too.")
    return windows[kept]
