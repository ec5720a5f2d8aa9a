"""What is normal for a day of the year and an hour of the day: mean and quantiles over many years, smoothed.

The definition is WeatherBench 2's (google-research/weatherbench2, scripts/compute_climatology.py, method `explicit`).
The value of a day of the year at an hour is the mean over all samples of that hour, of all years, in a window of 61
days around the day, with weights that fall linearly from the middle to zero at the two ends. Day 1 follows day 366; a
year of 365 days counts its day 365 as its day 366 too. From March on, days of the year are one later in leap years.
Quantiles have the same windows and weights (`window_quantiles`). Missing values are left out; WeatherBench 2 puts the
value of day 365 of the same year there.

A climatology is an `xr.Dataset`: `<name>` with the dimensions hour, dayofyear, [level], latitude, longitude, and
`<name>_quantile` with the dimension quantile before these; hour 0 to 23 UTC, dayofyear 1 to 366. Names are those of the
canonical dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.core.units import conversion_factor
from sciml.weather.climatology_sums import DAYS, Calendar, Sums, bands_of, day_of_year, slabs_of

Climate = TypeVar("Climate", xr.Dataset, xr.DataArray)
_Slot = dict[str, np.ndarray]

# WeatherBench 2's default of --window_size
WINDOW_DAYS = 61
# WMO-No. 1203 (2017): period averages, weaker than normals, are computed over at least ten years
MIN_YEARS = 10


def make_climatology(
    dataset: xr.Dataset,
    *,
    years: tuple[int, int] | None = None,
    window_days: int = WINDOW_DAYS,
    quantiles: Sequence[float] = (),
    hours: Sequence[int] | None = None,
    min_years: int = MIN_YEARS,
    memory_gb: float = 2.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> xr.Dataset:
    """The climatology of a canonical dataset, which is read field by field and may be far larger than the memory.

    The mean takes one pass where its sums fit into `memory_gb`, else one pass for each band of latitudes that does;
    quantiles keep all samples of a band. The result is in memory: 4 bytes x hours x 366 x (1 + quantiles) a point.

    Args:
        dataset: with `time`, on whole hours; variables without time are left out.
        years: first and last year, both included; all when not given.
        window_days: odd, 1 to 365; 1 is no smoothing.
        quantiles: of the samples in the window, each from 0 to 1; none when empty.
        hours: hours of the day, UTC; all that occur when not given.
        min_years: fewer years of days than that are refused.
        memory_gb: for sums and samples.
        progress: called with the readings done and all there will be.

    Raises:
        UserError: options out of range, times between hours, no data for these years and hours, or too few years.
    """
    _check_options(window_days, quantiles, memory_gb)
    record = _select(dataset, years, hours)
    times = record["time"].values
    slot_ht, hours_there = _hour_slots(times)
    found_years, year_slot = np.unique(times.astype("datetime64[Y]"), return_inverse=True)
    _check_length(times, min_years)
    calendar = Calendar(slot_ht, day_of_year(times) - 1, year_slot, len(hours_there), found_years)

    plan = [
        (name, band) for name in record.data_vars for band in bands_of(record[name], calendar, quantiles, memory_gb)
    ]
    slabs = {name: list(slabs_of(record[name])) for name in record.data_vars}
    total, done = sum(len(slabs[name]) for name, _ in plan), 0
    parts: dict[object, list[xr.DataArray]] = {}
    for name, band in plan:
        array = record[name].isel(latitude=band)
        sums = Sums(array, calendar, bool(quantiles))
        for slab in slabs[name]:
            sums.add(slab, array.isel(time=slab).values)
            done += 1
            progress(done, total)
        parts.setdefault(name, []).append(sums.mean(window_days, hours_there))
        if quantiles:
            parts.setdefault(f"{name}_quantile", []).append(sums.quantiles(window_days, quantiles, hours_there))
    fields = {name: xr.concat(bands, "latitude") if len(bands) > 1 else bands[0] for name, bands in parts.items()}
    first, last = (int(str(year)) for year in found_years[[0, -1]])
    return xr.Dataset(fields, attrs={"years": f"{first}-{last}", "window_days": window_days})


def make_seeps_climatology(rain: xr.DataArray, *, dry_threshold_mm: float = 0.25, **options: Any) -> xr.Dataset:
    """What SEEPS asks of the climate: how often it is dry, and the amount that a third of the wet cases exceed.

    `<name>_seeps_dry_fraction` and `<name>_seeps_threshold` (hour, dayofyear, latitude, longitude), as WeatherBench 2
    calls them, with the window and the weights of the mean.

    Args:
        rain: one variable of a canonical dataset, with its unit.
        dry_threshold_mm: less is dry: 0.25 mm in 24 hours (Rodwell et al. 2010), 0.1 mm in 6 hours in WeatherBench 2.
        options: of `make_climatology`, but quantiles.
    """
    dry = dry_threshold_mm * conversion_factor("mm", str(rain.attrs["units"]))
    is_dry = (rain < dry).where(rain.notnull()).astype(np.float32)
    fraction = make_climatology(xr.Dataset({"dry": is_dry}), **options)["dry"]
    wet = make_climatology(xr.Dataset({"wet": rain.where(rain >= dry)}), quantiles=(2 / 3,), **options)["wet_quantile"]
    windows = {key: value for key, value in rain.attrs.items() if key.startswith("accumulation")}
    about = {"dry_threshold_mm": dry_threshold_mm, **windows}
    return xr.Dataset(
        {
            f"{rain.name}_seeps_dry_fraction": fraction.assign_attrs(units="1", **about),
            f"{rain.name}_seeps_threshold": wet.squeeze("quantile", drop=True).assign_attrs(rain.attrs | about),
        }
    )


def _check_options(window_days: int, quantiles: Sequence[float], memory_gb: float) -> None:
    if window_days % 2 == 0 or not 1 <= window_days < DAYS:
        raise UserError(f"`window_days` needs to be odd, from 1 to 365, so that it has a middle, but is {window_days}.")
    if any(not 0 <= quantile <= 1 for quantile in quantiles) or len(set(quantiles)) < len(quantiles):
        raise UserError(f"`quantiles` need to be different numbers from 0 to 1, but are {list(quantiles)}.")
    if not memory_gb > 0:
        raise UserError(f"`memory_gb` needs to be more than 0, but is {memory_gb}.")


def _select(dataset: xr.Dataset, years: tuple[int, int] | None, hours: Sequence[int] | None) -> xr.Dataset:
    changing = [name for name, array in dataset.data_vars.items() if "time" in array.dims]
    if not changing:
        raise UserError(
            "A climatology needs fields with the dimension time, but the data have only "
            f"{', '.join(map(str, dataset.data_vars)) or 'no fields'}."
        )
    record = dataset[changing]
    times = record["time"].values
    kept = np.ones(len(times), bool)
    if years is not None:
        year = times.astype("datetime64[Y]").astype(int) + 1970
        kept &= (year >= years[0]) & (year <= years[1])
    if hours is not None:
        kept &= np.isin(_fraction_of_day_h(times), list(hours))
    if not kept.any():
        span = f"{times[0]:.10} to {times[-1]:.10}" if len(times) else "no time at all"
        wanted = f"{years[0]} to {years[1]}" if years else "all"
        raise UserError(
            f"A climatology needs fields at the times asked for (years {wanted}, hours {hours or 'all'}), but the data "
            f"hold {span}. Ask for other years or hours."
        )
    return record.isel(time=np.flatnonzero(kept)) if not kept.all() else record


def _hour_slots(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hour = _fraction_of_day_h(times)
    if (between := hour % 1 != 0).any():
        raise UserError(
            f"A climatology needs times on whole hours, but {between.sum()} of {len(times)} lie between, the first at "
            f"{times[between][0]:.19}. Choose the times to use, e.g. by `hours`."
        )
    found, slot = np.unique(hour.astype(np.int64), return_inverse=True)
    return slot, found


def _check_length(times: np.ndarray, min_years: int) -> None:
    days = len(np.unique(times.astype("datetime64[D]")))
    # a year that lacks a few days is a year
    if days < 0.95 * 365 * min_years:
        raise UserError(
            f"A climatology needs {min_years} years of days, about {365 * min_years}, to be what is normal, but the "
            f"data hold {days} days, {times[0]:.10} to {times[-1]:.10}. Give a longer record or a published "
            f"climatology, or set `min_years` to {days // 365} to use this one all the same."
        )


def _fraction_of_day_h(times: np.ndarray) -> Float[np.ndarray, "..."]:
    return (times - times.astype("datetime64[D]")) / np.timedelta64(1, "h")


def at_times(climatology: Climate, times: np.ndarray | xr.DataArray) -> Climate:
    """What is normal at these times, lazily where the climatology is lazy.

    Between two hours of the climatology it is linear in time, from the last hour of a day to the first of the next; a
    climatology of one hour holds for the whole day.

    Args:
        climatology: with the dimensions hour and dayofyear, a dataset or one of its fields.
        times: datetime64, one after the other, or with any named dimensions (valid times of initial and lead times).

    Returns:
        the same without hour and dayofyear, with the dimensions of `times` first (`time` if they have no name).
    """
    wanted = times if isinstance(times, xr.DataArray) else xr.DataArray(times, {"time": times}, ["time"])
    if climatology.sizes["dayofyear"] != DAYS:
        raise UserError(
            f"A climatology has 366 days, but this has {climatology.sizes['dayofyear']}. Read it by open_climatology."
        )
    lower, upper, share = _neighbours(np.asarray(climatology["hour"]), wanted.values)

    def at(slot: _Slot) -> Climate:
        found = climatology.isel({name: xr.DataArray(index, dims=wanted.dims) for name, index in slot.items()})
        return found.drop_vars(["hour", "dayofyear"])

    found = at(lower)
    if share.any():
        found = found + (at(upper) - found) * xr.DataArray(share.astype(np.float32), dims=wanted.dims)
    found = found.assign_coords(wanted.coords)
    return found.transpose(*wanted.dims, ...)


def _neighbours(hours: np.ndarray, times: np.ndarray) -> tuple[_Slot, _Slot, Float[np.ndarray, "..."]]:
    """The slots before and after each time, and how far it is from one to the other, 0 to 1."""
    date = times.astype("datetime64[D]")
    hour_h = _fraction_of_day_h(times)
    before = np.searchsorted(hours, hour_h, side="right") - 1
    if len(hours) == 1:
        only = _slot(date, np.zeros_like(before))
        return only, only, np.zeros(times.shape)
    after = before + 1
    # before the first hour of a day comes the last of the day before, and after the last the first of the next
    days_back, days_on = (before < 0).astype(np.int64), (after == len(hours)).astype(np.int64)
    lower, upper = before % len(hours), after % len(hours)
    lower_h, upper_h = hours[lower] - 24 * days_back, hours[upper] + 24 * days_on
    share = (hour_h - lower_h) / (upper_h - lower_h)
    return _slot(date - days_back, lower), _slot(date + days_on, upper), share


def _slot(date: np.ndarray, hour: np.ndarray) -> _Slot:
    return {"dayofyear": day_of_year(date) - 1, "hour": hour}
