"""The road that reanalyses and forecasts share: files, pieces, variables, sums, one dataset."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.accumulations import accumulate, without_negative
from sciml.weather.era5.combine import join_pieces, on_common_axes
from sciml.weather.era5.fields import asked_names, check_found, check_windows, named_windows
from sciml.weather.era5.plausibility import check_values
from sciml.weather.era5.reading import DIMENSIONS, SAME_LEVEL_HPA, canonical_piece
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.request import Request, within
from sciml.weather.era5.sources import Source, checked_source, describe, open_sources
from sciml.weather.era5.stamps import check_stamps

_AXES = {
    "time": {"standard_name": "time", "long_name": "time"},
    "lead_time": {"standard_name": "forecast_period", "long_name": "lead time"},
    "number": {"units": "1", "standard_name": "realization", "long_name": "ensemble member"},
    "level": {"units": "hPa", "standard_name": "air_pressure", "long_name": "pressure level", "positive": "down"},
    "latitude": {"units": "degrees_north", "standard_name": "latitude", "long_name": "latitude"},
    "longitude": {"units": "degrees_east", "standard_name": "longitude", "long_name": "longitude"},
}


def assemble(source: Source, request: Request) -> xr.Dataset:
    """The canonical dataset of a source.

    Raises:
        UserError: whatever keeps it from being told.
    """
    source = checked_source(source)
    name = describe(source)
    repairs = Repairs(name)
    pieces, seen = [], set()
    for raw in open_sources(source, request, repairs):
        seen |= {*map(str, raw.dataset.data_vars), *raw.also}
        piece = canonical_piece(raw, request, repairs) if len(raw.dataset) else raw.dataset
        if len(piece):
            pieces.append(piece)
    check_windows(seen, request, name)
    if not pieces:
        check_found(asked_names(seen), request, name)
        left = [sentence for sentence in repairs.sentences() if " was left out" in sentence]
        if left:
            raise UserError(f"{name}: no variable is left to read. {' '.join(left)}")
        raise UserError(
            f"{name}: nothing of what is asked for is there. They have {', '.join(sorted(seen)) or 'no variable'}. "
            "Check variables=, levels= and time=."
        )
    arrays = join_pieces(pieces, name, repairs)
    if request.levels is not None and not any("level" in array.dims for array in arrays.values()):
        asked = ", ".join(f"{level:g}" for level in request.levels)
        raise UserError(f"{name}: nothing is on the levels {asked} hPa that are asked for. Check levels=.")
    check_found(arrays, request, name)
    for variable, array in arrays.items():
        _check_levels(array, variable, request, name)
        check_values(array, variable, name, repairs)
        check_stamps(array, variable, name, repairs)
    arrays = {variable: without_negative(array, variable, name) for variable, array in arrays.items()}
    arrays = accumulate(arrays, request, name, repairs)
    _check_named_windows(arrays, request, name)
    # a difference of two packed sums may fall below zero by itself
    arrays = {variable: without_negative(array, variable, name) for variable, array in arrays.items()}
    dataset = on_common_axes(arrays, name, repairs)
    for axis, part in (("time", request.time), ("lead_time", request.lead_time)):
        if part is not None and axis in dataset.dims:
            dataset = dataset.isel({axis: np.flatnonzero(within(dataset[axis].values, part))})
            if not dataset.sizes[axis]:
                raise UserError(f"{name}: nothing is left within {axis}={part}. Choose others.")
    return _finished(dataset, request, repairs)


def _check_levels(array: xr.DataArray, variable: str, request: Request, source: str) -> None:
    if request.levels is None or "level" not in array.dims:
        return
    levels = array["level"].values
    missing = [level for level in request.levels if np.abs(levels - level).min() > SAME_LEVEL_HPA]
    if missing:
        raise UserError(
            f"{source}: `{variable}` has no level at {', '.join(f'{level:g}' for level in missing)} hPa, and of those "
            f"asked for {', '.join(f'{level:g}' for level in levels)} only. Choose with levels=."
        )


def _check_named_windows(arrays: Mapping[str, xr.DataArray], request: Request, source: str) -> None:
    """A file may have `tp` alone where total_precipitation_24hr is asked for."""
    if request.accumulate_hours is not None:
        return
    for name, array in arrays.items():
        hours = array.attrs.get("accumulation_hours")
        for window in named_windows(name, request.variables or ()) - {hours}:
            summed, remedy = f"{hours} h", ""
            if not hours:
                summed = "a window that the files do not say"
                remedy = (
                    f', or say that it is this one: accumulation="{window}h" (in the shell: --accumulation {window}h)'
                )
            raise UserError(
                f"{source}: `{name}` is asked for over {window} h, but is summed over {summed}. Ask for "
                f"accumulate_hours={window} (in the shell: --accumulate-hours {window}){remedy}."
            )


def _finished(dataset: xr.Dataset, request: Request, repairs: Repairs) -> xr.Dataset:
    axes = [axis for axis in DIMENSIONS if axis in dataset.dims]
    dataset = xr.Dataset(dataset.data_vars, {axis: dataset[axis] for axis in axes}).transpose(*axes)
    for axis, attributes in _AXES.items():
        if axis in dataset.dims:
            dataset[axis].attrs = dict(attributes)
    for variable in dataset.variables.values():
        # how the files packed it says nothing of how to write it again
        variable.encoding = {}
    return dataset.drop_attrs(deep=False).assign_attrs({"Conventions": "CF-1.11", "repairs": repairs.report()})
