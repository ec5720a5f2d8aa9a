"""Which of a file's times are initial, lead and valid times, and along which dimensions they run.

Shapes: t initial or valid times, l lead times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.era5.coordinates import NAMES, find_name
from sciml.weather.era5.repairs import Repairs
from sciml.weather.era5.times import decode_leads, decode_times


@dataclass(frozen=True)
class Axis:
    """Values along a dimension of the file, or a single value without one."""

    dimension: str | None
    values: np.ndarray


@dataclass(frozen=True)
class Clock:
    """Initial times and lead times; of a reanalysis, whose leads are None, valid times."""

    time: Axis | None
    lead: Axis | None


def analysis_clock(dataset: xr.Dataset, source: str, repairs: Repairs) -> Clock:
    """The valid times of a reanalysis; two axes where its files keep initial times and steps.

    Raises:
        UserError: times that cannot be read.
    """
    valid, time, lead = (find_name(dataset, axis) for axis in ("valid_time", "time", "lead_time"))
    if valid is not None and valid in dataset.coords and dataset[valid].ndim < 2:
        return Clock(_axis(dataset, valid, decode_times(dataset[valid], dataset.attrs, source, repairs)), None)
    if time is None:
        return Clock(None, None)
    _check_has_values(dataset, time, source)
    times = _axis(dataset, time, decode_times(dataset[time], dataset.attrs, source, repairs))
    if lead is None:
        return Clock(times, None)
    _check_has_values(dataset, lead, source)
    leads = _axis(dataset, lead, decode_leads(dataset[lead], source, repairs))
    if leads.dimension is None or leads.dimension == times.dimension:
        return Clock(Axis(times.dimension, times.values + leads.values), None)
    if times.dimension is None:
        return Clock(Axis(leads.dimension, times.values + leads.values), None)
    return Clock(times, leads)


def forecast_clock(dataset: xr.Dataset, source: str, repairs: Repairs) -> Clock:
    """Initial and lead times of a forecast.

    Raises:
        UserError: no initial time, or no lead times and nothing to tell them from.
    """
    lead, valid = find_name(dataset, "lead_time"), find_name(dataset, "valid_time")
    initial = _initial_name(dataset)
    if initial is None:
        raise UserError(
            f"{source}: no initial time is found. Add it: ds.assign_coords(init_time=np.datetime64('2020-01-01'))."
        )
    _check_has_values(dataset, initial, source)
    times = _axis(dataset, initial, decode_times(dataset[initial], dataset.attrs, source, repairs))
    others = [other for other in (lead, valid) if other is not None and other in dataset.coords]
    # along the steps of one forecast its initial time is written again and again; along itself it is there twice
    if times.dimension != initial or any(initial in dataset[other].dims for other in others):
        times = _constant_as_single(times)
    if lead is not None:
        _check_has_values(dataset, lead, source)
        leads = _axis(dataset, lead, decode_leads(dataset[lead], source, repairs))
    else:
        valid = valid or ("time" if "time" in dataset.coords and initial != "time" else None)
        if valid is None or valid not in dataset.coords or dataset[valid].ndim > 1 or times.dimension is not None:
            raise UserError(
                f"{source}: no lead times are found. Name them: ds.rename(NAME='lead_time'), as timedelta64 or as "
                "numbers with the attribute units='hours'; a file of one forecast may have valid times and a scalar "
                "coordinate `forecast_reference_time` instead. A reanalysis is opened with open_era5."
            )
        stamps = _axis(dataset, valid, decode_times(dataset[valid], dataset.attrs, source, repairs))
        leads = Axis(stamps.dimension, stamps.values - times.values)
        repairs.add("Lead times were computed from the valid times and the initial time.")
    if leads.dimension is not None and leads.dimension == times.dimension:
        raise UserError(
            f"{source}: initial and lead times run along one dimension, `{leads.dimension}`. Make them two: "
            f"ds.set_index({leads.dimension}=['{initial}', '{lead}']).unstack()."
        )
    if leads.values.size and leads.values.min() < np.timedelta64(0):
        raise UserError(
            f"{source}: lead times are negative, as {pd.Timedelta(leads.values.min())}. Check the initial time."
        )
    return Clock(times, leads)


def _initial_name(dataset: xr.Dataset) -> str | None:
    # beside an explicit initial time, `time` is the valid one, as the CF conventions have it
    present = {str(name).lower(): str(name) for name in (*dataset.coords, *dataset.dims)}
    explicit = [present[name] for name in NAMES["time"] if name in present and name != "time"]
    return explicit[0] if explicit else present.get("time")


def _axis(dataset: xr.Dataset, name: str, values: np.ndarray) -> Axis:
    dimensions = dataset[name].dims
    return Axis(str(dimensions[0]) if dimensions else None, values)


def _constant_as_single(axis: Axis) -> Axis:
    alike = axis.dimension is not None and len(axis.values) > 1 and (axis.values == axis.values[0]).all()
    return Axis(None, axis.values[0]) if alike else axis


def _check_has_values(dataset: xr.Dataset, name: str, source: str) -> None:
    if name not in dataset.coords or dataset[name].ndim > 1:
        raise UserError(
            f"{source}: `{name}` needs one row of values. Give it some: ds.assign_coords({name}=('{name}', ...))."
        )
