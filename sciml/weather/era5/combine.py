"""Canonical pieces of many files put together: along time, lead time, members and levels, then variable by variable."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.repairs import Repairs

_AXES = ("time", "lead_time", "number", "level")
# 0.1 degrees in float32 is 2e-6 off; no grid is so fine
_SAME_DEGREES = 1e-4
# at how many stamps along an axis an overlap is compared, with all levels and members: to read all would take hours
_COMPARED = 5


def join_pieces(pieces: Sequence[xr.Dataset], source: str, repairs: Repairs) -> dict[str, xr.DataArray]:
    """Each variable of all pieces as one array, its times ascending.

    Fields that two pieces share are kept once when the values of a sample of them are the same.

    Raises:
        UserError: two grids, fields that contradict each other, or blocks with holes.
    """
    by_variable: dict[str, list[xr.DataArray]] = defaultdict(list)
    for piece in _on_one_grid(pieces, source):
        for name, array in piece.data_vars.items():
            by_variable[str(name)].append(array)
    return {
        name: _in_order_of_time(_joined(name, arrays, source, repairs), name, source, repairs)
        for name, arrays in by_variable.items()
    }


def on_common_axes(arrays: Mapping[str, xr.DataArray], source: str, repairs: Repairs) -> xr.Dataset:
    """One dataset: times that all variables have, and the lead times and levels of any, NaN where one has none.

    Raises:
        UserError: no time in common, or members of some variables only.
    """
    arrays = _on_common_times(arrays, source, repairs)
    for axis, words in (("lead_time", "lead times"), ("level", "levels")):
        owners = {name: array for name, array in arrays.items() if axis in array.dims}
        if not owners:
            continue
        union = functools.reduce(np.union1d, [array[axis].values for array in owners.values()])
        short = [name for name, array in owners.items() if len(array[axis]) < len(union)]
        if short:
            repairs.add(f"Variables have different {words}: {', '.join(short)} is NaN at those it does not have.")
            arrays = {name: array.reindex({axis: union}) if name in short else array for name, array in arrays.items()}
    members = {tuple(array["number"].values.tolist()) for array in arrays.values() if "number" in array.dims}
    if len(members) > 1:
        raise UserError(
            f"{source}: variables have different members, {' and '.join(str(len(part)) for part in members)}. Open "
            "those with the same members together, with variables=[...]."
        )
    return xr.Dataset(dict(arrays))


def _on_one_grid(pieces: Sequence[xr.Dataset], source: str) -> list[xr.Dataset]:
    first = pieces[0]
    for piece in pieces[1:]:
        for axis in ("latitude", "longitude"):
            one, other = first[axis].values, piece[axis].values
            if len(one) != len(other) or np.abs(one - other).max() > _SAME_DEGREES:
                sizes = [f"{part.sizes['latitude']}x{part.sizes['longitude']}" for part in (first, piece)]
                names = [", ".join(map(str, part)) for part in (first, piece)]
                raise UserError(
                    f"{source}: {names[0]} is on a grid of {sizes[0]} points and {names[1]} on another of {sizes[1]} "
                    f"({axis} {one[0]:g} to {one[-1]:g} and {other[0]:g} to {other[-1]:g}). Regrid one first, or "
                    "choose with variables=[...]."
                )
    # files of several writers differ in the last digits
    return [piece.assign_coords(latitude=first["latitude"], longitude=first["longitude"]) for piece in pieces]


def _joined(name: str, arrays: Sequence[xr.DataArray], source: str, repairs: Repairs) -> xr.DataArray:
    """One array: joined along each axis in turn, where those on the other axes are the same."""
    _check_alike(name, arrays, source)
    for axis in _AXES:
        if axis not in arrays[0].dims:
            continue
        groups: dict[tuple, list[xr.DataArray]] = defaultdict(list)
        for array in arrays:
            groups[_place(array, without=axis)].append(array)
        arrays = [_along(axis, name, group, source, repairs) for group in groups.values()]
    if len({_place(array) for array in arrays}) > 1:
        parts = [_in_words(array) for array in arrays[:2]]
        raise UserError(
            f"{source}: the files of `{name}` fill no block without holes: one has {parts[0]}, another {parts[1]}. "
            "Choose what all have with time=, levels= or variables=, or open them apart."
        )
    return arrays[0] if len(arrays) == 1 else _same(name, arrays, source, repairs)


def _place(array: xr.DataArray, without: str = "") -> tuple:
    return tuple((axis, *array[axis].values.tolist()) for axis in _AXES if axis != without and axis in array.dims)


def _in_words(array: xr.DataArray) -> str:
    words = []
    for axis in _AXES:
        if axis in array.dims:
            values = array[axis].values
            words.append(f"{len(values)} of {axis} ({_text(values[0])} to {_text(values[-1])})")
    return ", ".join(words)


def _check_alike(name: str, arrays: Sequence[xr.DataArray], source: str) -> None:
    for what, kinds in (
        ("dimensions", {array.dims for array in arrays}),
        ("windows of their sums", {array.attrs.get("accumulation", "not said") for array in arrays}),
        ("units", {array.attrs["units"] for array in arrays}),
    ):
        if len(kinds) > 1:
            shown = " and ".join(map(str, sorted(kinds, key=str)))
            raise UserError(f"{source}: the files of `{name}` have different {what}, {shown}. Open them apart.")


def _along(axis: str, name: str, arrays: Sequence[xr.DataArray], source: str, repairs: Repairs) -> xr.DataArray:
    arrays = sorted(arrays, key=lambda array: array[axis].values[0])
    kept = [arrays[0]]
    for array in arrays[1:]:
        there = np.concatenate([part[axis].values for part in kept])
        values = array[axis].values
        twice = np.isin(values, there)
        if twice.any():
            for value in values[twice][_sample(int(np.count_nonzero(twice)))]:
                first = next(part for part in kept if value in part[axis].values)
                _check_same(name, first, array, {axis: value}, source)
            repairs.add(f"Files share {axis}: a sample of them was compared and is the same; each was kept once.")
            array = array.isel({axis: np.flatnonzero(~twice)})
        if array.sizes[axis]:
            kept.append(array)
    if len(kept) == 1:
        return kept[0]
    return xr.concat(kept, axis, coords="minimal", compat="override", join="override", combine_attrs="override")


def _same(name: str, arrays: Sequence[xr.DataArray], source: str, repairs: Repairs) -> xr.DataArray:
    for array in arrays[1:]:
        _check_same(name, arrays[0], array, {}, source)
    return arrays[0]


def _check_same(name: str, first: xr.DataArray, second: xr.DataArray, where: Mapping[str, object], source: str) -> None:
    one, other = (array.sel({axis: [value] for axis, value in where.items()}) for array in (first, second))
    along = [axis for axis in _AXES if axis in one.dims and axis not in where]
    positions = [
        _sample(one.sizes[axis]) if axis in ("time", "lead_time") else range(one.sizes[axis]) for axis in along
    ]
    # field by field, as all of them may not fit into memory
    for place in itertools.product(*positions):
        here = {axis: [position] for axis, position in zip(along, place, strict=True)}
        if not np.array_equal(one.isel(here).values, other.isel(here).values, equal_nan=True):
            stamps = {**where, **{axis: one[axis].values[position] for axis, (position,) in here.items()}}
            words = ", ".join(f"{axis} {_text(value)}" for axis, value in stamps.items())
            raise UserError(
                f"{source}: two files have different values of `{name}`{' at ' if words else ''}{words}. Keep one of "
                "them, or choose with time= or variables=."
            )


def _sample(count: int) -> list[int]:
    """Positions of the first, the last and some between.

    >>> _sample(3), _sample(101)
    ([0, 1, 2], [0, 25, 50, 75, 100])
    """
    return np.unique(np.linspace(0, count - 1, min(count, _COMPARED)).round().astype(np.int64)).tolist()


def _in_order_of_time(array: xr.DataArray, name: str, source: str, repairs: Repairs) -> xr.DataArray:
    for axis in ("time", "lead_time"):
        if axis not in array.dims:
            continue
        stamps = array[axis].values
        order = np.argsort(stamps, kind="stable")
        if (order != np.arange(len(order))).any():
            repairs.add("Times were sorted.")
        again = np.append(False, np.diff(stamps[order]) == np.timedelta64(0))
        for position in np.flatnonzero(again)[_sample(int(np.count_nonzero(again)))]:
            pair = [array.isel({axis: [order[position - 1 + part]]}).drop_vars(axis) for part in (0, 1)]
            if not np.array_equal(*(part.values for part in pair), equal_nan=True):
                raise UserError(
                    f"{source}: two different fields of `{name}` at {_text(stamps[order[position]])}. Keep one: "
                    f"ds.drop_duplicates('{axis}'); forecasts are opened with open_forecast."
                )
        if again.any():
            repairs.add(
                f"{np.count_nonzero(again)} times were there twice: a sample of them was compared and is the same; one "
                "of each was dropped."
            )
        if again.any() or (order != np.arange(len(order))).any():
            array = array.isel({axis: order[~again]})
    return array


def _on_common_times(arrays: Mapping[str, xr.DataArray], source: str, repairs: Repairs) -> dict[str, xr.DataArray]:
    stamps = {name: array["time"].values for name, array in arrays.items() if "time" in array.dims}
    if not stamps:
        return dict(arrays)
    common = functools.reduce(np.intersect1d, stamps.values())
    longest = max(len(values) for values in stamps.values())
    if not len(common):
        first = {_text(values[0]): name for name, values in stamps.items()}
        shown = " and ".join(f"`{name}` at {stamp}" for stamp, name in list(first.items())[:2])
        raise UserError(
            f"{source}: no time is common to all variables, which begin as {shown}. Choose with variables=[...], or "
            "get files with the same hours."
        )
    if len(common) < longest:
        repairs.add(f"Times were cut to the {len(common)} of {longest} that all variables have.")
    return {
        name: array.isel(time=np.flatnonzero(np.isin(array["time"].values, common)))
        if "time" in array.dims and array.sizes["time"] > len(common)
        else array
        for name, array in arrays.items()
    }


def _text(value: object) -> str:
    if isinstance(value, np.datetime64):
        return f"{pd.Timestamp(value):%Y-%m-%d %H:%M}"
    if isinstance(value, np.timedelta64):
        return f"{value / np.timedelta64(1, 'h'):g} h"
    return f"{value:g}" if isinstance(value, float) else str(value)
