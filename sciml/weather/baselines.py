"""Forecasts that need no model, which every forecast has to beat: persistence, climatology, and years of the past.

Each rule is a value of one variable. Its `block(times, lead_times)` gives the forecasts that start at these times and
go for these lead times as one array, NaN where data lack; a function gives the same fields as a canonical forecast,
lazily, in blocks of one initial and one lead time. `like` is a forecast's dimensions, coordinates and attributes.

Shapes: n pairs of an initial time and a lead time, i initial times, l lead times, m members, ... levels, latitudes,
longitudes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import dask.array
import numpy as np
import xarray as xr
from jaxtyping import Float, Shaped

from sciml.core.errors import UserError
from sciml.weather.climatology import at_times

Data = TypeVar("Data", xr.Dataset, xr.DataArray)
Times = Shaped[np.ndarray, " n"]


@dataclass(frozen=True)
class Persistence:
    """The weather stays as it was at the initial time.

    Args:
        truth: one variable of a canonical dataset.
    """

    truth: xr.DataArray

    @property
    def like(self) -> xr.DataArray:
        return self.truth.isel(time=0, drop=True)

    def block(self, times: Times, lead_times: Times) -> Float[np.ndarray, "n ..."]:
        return _fields_at(self.truth, np.broadcast_to(times, np.broadcast_shapes(times.shape, lead_times.shape)))


@dataclass(frozen=True)
class Climatology:
    """The weather is what is normal for the day of the year and the hour.

    Args:
        climatology: one variable of a climatology, the mean or quantiles.
    """

    climatology: xr.DataArray

    @property
    def like(self) -> xr.DataArray:
        return self.climatology.isel(hour=0, dayofyear=0, drop=True)

    def block(self, times: Times, lead_times: Times) -> Float[np.ndarray, "n ..."]:
        valid, which = np.unique(times + lead_times, return_inverse=True)
        return _loaded(at_times(self.climatology, valid))[which]


@dataclass(frozen=True)
class PastYears:
    """An ensemble: the weather goes on as it did from the same date and hour on in other years, one member a year.

    What was done by WeatherBench 2 (scripts/compute_probabilistic_climatological_forecasts.py), without a random choice
    of days around the date. From 29 February a common year starts on the 28th.

    Args:
        truth: one variable of a canonical dataset.
        years: of the members.
    """

    truth: xr.DataArray
    years: tuple[int, ...]

    @property
    def like(self) -> xr.DataArray:
        return self.truth.isel(time=0, drop=True).expand_dims(number=np.arange(len(self.years)))

    def block(self, times: Times, lead_times: Times) -> Float[np.ndarray, "n m ..."]:
        started = np.stack([in_year(times, year) for year in self.years], axis=1)
        wanted = (started + lead_times[:, None]).astype("datetime64[ns]")
        return _fields_at(self.truth, wanted.ravel()).reshape(*wanted.shape, *self.truth.shape[1:])


Baseline = Persistence | Climatology | PastYears


def persistence(truth: Data, lead_times: np.ndarray, initial_times: np.ndarray | None = None) -> Data:
    """The analysis of each initial time as the forecast for all lead times, as a canonical forecast, lazily.

    Args:
        truth: canonical.
        lead_times: timedelta64.
        initial_times: datetime64, all in the truth; all of the truth's when not given.

    Raises:
        UserError: initial times that the truth does not have.
    """
    there = np.asarray(truth["time"])
    times = there if initial_times is None else initial_times
    if (lacking := ~np.isin(times, there)).any():
        raise UserError(
            f"Persistence needs the analysis at each initial time, but the truth has none at {lacking.sum()} of "
            f"{len(times)}, the first of them {times[lacking][0]:.16}. Leave these initial times out."
        )
    return _forecasts(truth, Persistence, times, lead_times)


def climatology_forecast(climatology: Data, initial_times: np.ndarray, lead_times: np.ndarray) -> Data:
    """What is normal at each valid time, as a canonical forecast, lazily; quantiles too where there are any.

    Args:
        climatology: of `make_climatology` or `open_climatology`.
        initial_times: datetime64.
        lead_times: timedelta64.
    """
    return _forecasts(climatology, Climatology, initial_times, lead_times)


def climatological_ensemble(
    truth: Data, initial_times: np.ndarray, lead_times: np.ndarray, years: Sequence[int] | None = None
) -> Data:
    """The weather of other years from the same dates on, as a canonical forecast with a member for each, lazily.

    Args:
        truth: canonical, of many years.
        initial_times: datetime64.
        lead_times: timedelta64.
        years: of the members. When not given, all in which the truth has all times that are needed, without the years
            that the forecasts themselves lie in.

    Raises:
        UserError: fewer than two such years, or years that the truth does not cover or that are forecast.
    """
    there = np.asarray(truth["time"])
    valid = initial_times[:, None] + lead_times
    forecast = set(_years(np.append(initial_times, valid))) if valid.size else set()
    candidates = sorted(set(_years(there)) - forecast) if years is None else list(years)
    complete = [year for year in candidates if np.isin(in_year(initial_times, year)[:, None] + lead_times, there).all()]
    wrong = [] if years is None else sorted((set(candidates) - set(complete)) | (set(candidates) & forecast))
    if wrong or len(complete) < 2:
        raise UserError(
            "An ensemble of past years needs two or more years, none of them forecast itself, in which the truth has "
            f"all dates and hours that are forecast; it has them in {complete or 'none'}"
            + (f", but {wrong} were asked for" if wrong else "")
            + ". Give a longer record or other years."
        )
    return _forecasts(truth, lambda array: PastYears(array, tuple(complete)), initial_times, lead_times)


def in_year(times: np.ndarray, year: int) -> np.ndarray:
    """The same dates and hours in another year, [n] datetime64[ns]; 29 February becomes the 28th where there is none.

    >>> in_year(np.array(["2020-02-29T06", "2020-12-31T18"], "datetime64[h]"), 2019).astype("datetime64[h]").tolist()
    [datetime.datetime(2019, 2, 28, 6, 0), datetime.datetime(2019, 12, 31, 18, 0)]
    """
    month = times.astype("datetime64[M]")
    there = month + np.timedelta64(12 * (year - 1970), "M") - 12 * times.astype("datetime64[Y]").astype(np.int64)
    moved = there.astype("datetime64[ns]") + (times - month.astype("datetime64[ns]"))
    too_late = (moved.astype("datetime64[M]") != there).astype(np.int64)
    return moved - too_late * np.timedelta64(1, "D")


def _years(times: np.ndarray) -> list[int]:
    return np.unique(times.astype("datetime64[Y]").astype(np.int64) + 1970).tolist()


def _forecasts(
    data: Data, make: Callable[[xr.DataArray], Baseline], initial_times: np.ndarray, lead_times: np.ndarray
) -> Data:
    if isinstance(data, xr.DataArray):
        return _lazy_forecast(make(data), initial_times, lead_times)
    changing = [name for name, array in data.data_vars.items() if {"time", "dayofyear"} & set(array.dims)]
    return data[changing].map(lambda array: _lazy_forecast(make(array), initial_times, lead_times), keep_attrs=True)


def _lazy_forecast(baseline: Baseline, initial_times: np.ndarray, lead_times: np.ndarray) -> xr.DataArray:
    like = baseline.like

    def one(block_id: tuple[int, ...]) -> np.ndarray:
        i, j = block_id[:2]
        return baseline.block(initial_times[i : i + 1], lead_times[j : j + 1])[None]

    chunks = ((1,) * len(initial_times), (1,) * len(lead_times), *((size,) for size in like.shape))
    values = dask.array.map_blocks(one, chunks=chunks, dtype=np.float32, meta=np.empty((0,) * len(chunks), np.float32))
    leading = {
        "time": ("time", initial_times.astype("datetime64[ns]"), {"standard_name": "forecast_reference_time"}),
        "lead_time": ("lead_time", lead_times.astype("timedelta64[ns]"), {"standard_name": "forecast_period"}),
    }
    return xr.DataArray(values, {**leading, **like.coords}, [*leading, *like.dims], like.name, like.attrs)


def _fields_at(truth: xr.DataArray, times: Times) -> Float[np.ndarray, "n ..."]:
    """Fields of the truth at these times, NaN where it has none; each time is read once."""
    wanted, which = np.unique(times.astype("datetime64[ns]"), return_inverse=True)
    there = np.isin(wanted, truth["time"].values)
    fields = np.full((len(wanted), *truth.shape[1:]), np.nan, np.float32)
    fields[there] = _loaded(truth.sel(time=wanted[there]))
    return fields[which]


def _loaded(array: xr.DataArray) -> Float[np.ndarray, "..."]:
    # in this thread: this runs inside of a task, whatever scheduler there is
    return np.asarray(array.compute(scheduler="synchronous").values, np.float32)
