"""What may be scored: options, and whether forecast, truth and climatology agree: fields, times, grids, windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.fields import Field, fields_of, parse_field
from sciml.weather.grid import SAME_POINT_DEG

BASELINES = ("persistence", "climatology")
# what the truth is called among models
TRUTH = "truth"
# lead times of a baseline scored by itself go this far when none are asked for
_LONGEST_BASELINE_LEAD = np.timedelta64(5, "D")
# so many times have all differences of a pattern of times that repeats
_PATTERN = 48
_HOUR = np.timedelta64(1, "h")
# between two hours of a climatology it is linear; farther from one than this it would be made up
_FARTHEST_HOURS = 6


@dataclass(frozen=True)
class ScoreOptions:
    """What a user may choose; nothing given means everything that forecast and truth have.

    Args:
        fields: names such as `z500`, `t2m`.
        lead_hours: lead times.
        period: first and last initial time, both included, as ISO 8601 writes them; a day means all of it.
        regions: names of `sciml.weather.scores.regions.REGIONS`.
        baselines: models to score beside the forecast.
        rain_thresholds_mm: amounts whose exceedance is scored.
        seeps_dry_mm: what is less is dry for SEEPS, as the climatology has it.
        fss_scales: widths, in grid boxes, of the neighbourhoods of the fractions skill score.
        map_hours: lead times of the maps; at most four spread over all if none is given.
        memory_gb: what reading and scoring may use, beyond the program itself.
        threads: how many blocks are scored at a time.
    """

    fields: tuple[str, ...] = ()
    lead_hours: tuple[float | int, ...] = ()
    period: tuple[str, str] | None = None
    regions: tuple[str, ...] = ()
    baselines: tuple[str, ...] = BASELINES
    rain_thresholds_mm: tuple[float | int, ...] = (1.0, 5.0, 10.0, 25.0)
    seeps_dry_mm: float = 0.25
    fss_scales: tuple[int, ...] = (1, 3, 9)
    map_hours: tuple[float | int, ...] = ()
    memory_gb: float | int = 2.0
    threads: int = 1


def common_fields(forecast: xr.Dataset | None, truth: xr.Dataset, options: ScoreOptions) -> tuple[Field, ...]:
    """The fields asked for, or all that both have. Raises UserError when there are none."""
    common = fields_of(truth)
    if forecast is not None:
        of_forecast = fields_of(forecast)
        for text in options.fields:
            for what, there in (("forecast", of_forecast), ("truth", common)):
                try:
                    parse_field(text, there)
                except UserError as error:
                    raise UserError(f"the {what}: {error}") from error
        shared = [field for field in common if field in of_forecast]
        if not shared:
            raise UserError(
                f"forecast and truth have no field in common: the forecast has {_few(of_forecast)}, "
                f"the truth {_few(common)}."
            )
        common = shared
    return tuple(parse_field(text, common) for text in options.fields) or tuple(common)


def cut_to(dataset: xr.Dataset, part: xr.Dataset) -> xr.Dataset:
    """The dataset on the points of a smaller grid, if it has all of them; else as it is."""
    chosen = {}
    for axis in ("latitude", "longitude"):
        there, wanted = dataset[axis].values, part[axis].values
        nearest = np.abs(there - wanted[:, None]).argmin(1)
        if len(there) <= len(wanted) or np.abs(there[nearest] - wanted).max() > SAME_POINT_DEG:
            if there.shape != wanted.shape:
                return dataset
            nearest = np.arange(len(there))
        chosen[axis] = nearest
    return dataset.isel(chosen)


def with_normal(fields: tuple[Field, ...], climatology: xr.Dataset, options: ScoreOptions) -> tuple[Field, ...]:
    """The fields that the climatology has, as its forecasts are scored."""
    there = [field for field in fields if has_field(climatology, field)]
    lacking = [field for field in fields if field not in there]
    if not there or (options.fields and lacking):
        raise UserError(f"the climatology has no {_few(lacking)}, which cannot be forecast by it.")
    return tuple(there)


def has_field(climatology: xr.Dataset, field: Field, statistic: str = "") -> bool:
    """Whether a climatology has a statistic of a field."""
    name = field.variable + statistic
    if name not in climatology:
        return False
    levels = climatology["level"].values if "level" in climatology[name].dims else [None]
    return field.level_hpa in levels


def check_windows(forecast: xr.Dataset, truth: xr.Dataset, fields: tuple[Field, ...]) -> None:
    """Sums over time are compared when both are over the same window."""
    for variable in dict.fromkeys(field.variable for field in fields):
        ours, theirs = (window_of(dataset[variable]) for dataset in (forecast, truth))
        if ours != theirs:
            raise UserError(
                f"`{variable}` of the forecast is {_window_text(ours)}, of the truth {_window_text(theirs)}. Bring "
                "both to one window with --accumulate-hours 24 or the like; --accumulation 1h (of the truth) and "
                "--forecast-accumulation 6h say what files do not. Or leave it out with --fields."
            )


def window_of(array: xr.DataArray) -> str | None:
    """Over what a sum over time is: `6h`, `since-start`; None where nothing is known, or where there is no sum."""
    hours = array.attrs.get("accumulation_hours")
    return f"{int(hours)}h" if hours is not None else array.attrs.get("accumulation")


def _window_text(window: str | None) -> str:
    return "a sum over a window that its files do not say" if window is None else f"a sum over {window}"


def check_hours(climatology: xr.Dataset, valid: np.ndarray) -> None:
    """Refuses a climatology of other hours of the day; one without hours is of whole days."""
    if climatology.attrs.get("daily"):
        return
    hours = np.unique((valid - valid.astype("datetime64[D]")) / _HOUR)
    apart = np.abs((hours[:, None] - climatology["hour"].values + 12) % 24 - 12).min(1)
    if (far := hours[apart > _FARTHEST_HOURS]).size:
        raise UserError(
            f"forecasts are valid at {far[0]:g} UTC, but the climatology has the hours "
            f"{', '.join(map(str, climatology['hour'].values))} alone. Make one with the hours of the forecasts."
        )


def check_grids(what: str, dataset: xr.Dataset, truth: xr.Dataset) -> None:
    """Refuses, with UserError, another grid than the truth's."""
    for axis in ("latitude", "longitude"):
        came, wanted = dataset[axis].values, truth[axis].values
        if came.shape != wanted.shape or np.abs(came - wanted).max() > SAME_POINT_DEG:
            raise UserError(
                f"{what} and truth are on different grids: {_grid(dataset)} and {_grid(truth)}. Bring them to one: "
                "`sciml score --grid 1.5deg ...` does so, and `sciml.weather.regrid.regrid` in Python."
            )


def baseline_leads(times: np.ndarray) -> np.ndarray:
    """Differences between the times of the truth, up to five days."""
    if len(times) < 2:
        raise UserError(f"a baseline needs a truth of two times or more, but it has {len(times)}.")
    differences = np.unique(times - times[:_PATTERN, None])
    differences = differences[differences > np.timedelta64(0)]
    chosen = differences[differences <= _LONGEST_BASELINE_LEAD]
    return chosen if len(chosen) else differences[:1]


def chosen_leads(there: np.ndarray, options: ScoreOptions) -> np.ndarray:
    """The lead times asked for, or all there are. Raises UserError for one that is not there."""
    if not options.lead_hours:
        return there
    wanted = np.unique((np.asarray(options.lead_hours) * 3600).round().astype("timedelta64[s]").astype(there.dtype))
    missing = wanted[~np.isin(wanted, there)]
    if len(missing):
        hours = ", ".join(f"{lead / _HOUR:g}" for lead in there[:12])
        more = ", ..." if len(there) > 12 else ""
        raise UserError(f"there is no lead time of {missing[0] / _HOUR:g} hours; there are {hours}{more} hours.")
    return wanted


def in_period(times: np.ndarray, period: tuple[str, str] | None) -> np.ndarray:
    """The initial times of a period. Raises UserError when none is in it."""
    if period is None:
        return times
    try:
        first, last = (pd.Period(text) for text in period)
    except ValueError:
        first = last = pd.NaT
    if isinstance(first, pd.Period) and isinstance(last, pd.Period):
        chosen = times[(times >= np.datetime64(first.start_time)) & (times <= np.datetime64(last.end_time))]
    else:
        raise UserError(f"a period is two dates, such as 2020-01-01/2020-12-31, but {'/'.join(period)} is not.")
    if not len(chosen):
        raise UserError(
            f"no forecast starts from {period[0]} to {period[1]}: they start {minute_text(times[0])} to "
            f"{minute_text(times[-1])}."
        )
    return chosen


def _few(fields: list[Field]) -> str:
    return ", ".join(map(str, fields[:6])) + (", ..." if len(fields) > 6 else "") if fields else "none"


def _grid(dataset: xr.Dataset) -> str:
    latitude, longitude = dataset["latitude"].values, dataset["longitude"].values
    return (
        f"{len(latitude)} x {len(longitude)} points from {latitude[0]:g} to {latitude[-1]:g} north and "
        f"{longitude[0]:g} to {longitude[-1]:g} east"
    )


def minute_text(time: np.datetime64) -> str:
    """A time to the minute, as people write it."""
    return str(time)[:16].replace("T", " ")
