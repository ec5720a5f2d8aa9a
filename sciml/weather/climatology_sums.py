"""Sums over the years of a record, from which a climatology is made, band of latitudes by band.

Shapes: t times, h hours, d = 366 days of the year, k years, p grid points and levels of a band, q quantiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from sciml.weather.window_quantiles import window_quantiles

DAYS = 366
# bytes of one reading: large enough for few calls, small beside the sums
_READ_BYTES = 128e6


def day_of_year(times: np.ndarray) -> Int[np.ndarray, "..."]:
    """1 to 366, of datetime64.

    >>> day_of_year(np.array(["2023-03-01T06", "2024-03-01T06"], "datetime64[h]")).tolist()
    [60, 61]
    """
    return (times.astype("datetime64[D]") - times.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1


def window_weights(window_days: int) -> Float[np.ndarray, "d d"]:
    """[to day, from day] weights of the smoothing over the days of the year, not normalised.

    >>> window_weights(5)[0, [364, 365, 0, 1, 2]].tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    away = np.abs(np.arange(DAYS)[:, None] - np.arange(DAYS))
    away = np.minimum(away, DAYS - away)
    return np.clip(1 - away / max(window_days // 2, 1), 0, None)


class Calendar:
    """Where the samples of a record belong: hour, day of the year and year, by time step."""

    def __init__(self, hour: np.ndarray, day: np.ndarray, year: np.ndarray, hours: int, years: np.ndarray) -> None:
        self.hour, self.day, self.year = hour, day, year
        self.hours, self.years = hours, len(years)
        first, after = years.astype("datetime64[D]"), (years + 1).astype("datetime64[D]")
        common = (after - first).astype(int) == DAYS - 1
        # the last day of a common year stands for day 366 too
        self.also_366 = (day == DAYS - 2) & common[year]


class Sums:
    """Sums over years of a band of latitudes, and all its samples where quantiles are asked for."""

    def __init__(self, array: xr.DataArray, calendar: Calendar, keep: bool) -> None:
        self._like = array.isel(time=0, drop=True)
        self._attrs = array.attrs
        self._calendar = calendar
        points = int(self._like.size)
        self._sum_hdp = np.zeros((calendar.hours, DAYS, points))
        self._count_hdp = np.zeros((calendar.hours, DAYS, points), np.int32)
        shape = (calendar.hours, points, DAYS, calendar.years)
        self._samples_hpdk = np.full(shape, np.nan, np.float32) if keep else None

    def add(self, slab: slice, values: np.ndarray) -> None:
        where = self._calendar
        for step, field in zip(range(slab.start, slab.stop), values.reshape(len(values), -1), strict=True):
            known = np.isfinite(field)
            hour, year = where.hour[step], where.year[step]
            for day in (where.day[step], DAYS - 1)[: 1 + int(where.also_366[step])]:
                self._sum_hdp[hour, day] += np.where(known, field, 0)
                self._count_hdp[hour, day] += known
                if self._samples_hpdk is not None:
                    self._samples_hpdk[hour, :, day, year] = np.where(known, field, np.nan)

    def mean(self, window_days: int, hours: np.ndarray) -> xr.DataArray:
        weights = window_weights(window_days)
        out = np.empty(self._sum_hdp.shape, np.float32)
        for hour, (total, count) in enumerate(zip(self._sum_hdp, self._count_hdp, strict=True)):
            share = weights @ count
            out[hour] = np.where(share > 0, weights @ total / np.where(share > 0, share, 1), np.nan)
        return self._labelled(out, {"hour": hours, "dayofyear": np.arange(1, DAYS + 1)})

    def quantiles(self, window_days: int, quantiles: Sequence[float], hours: np.ndarray) -> xr.DataArray:
        assert self._samples_hpdk is not None
        out = np.stack([window_quantiles(samples, window_days, quantiles) for samples in self._samples_hpdk], axis=1)
        leading = {"quantile": np.asarray(quantiles, float), "hour": hours, "dayofyear": np.arange(1, DAYS + 1)}
        return self._labelled(out, leading)

    def _labelled(self, values: np.ndarray, leading: dict[str, np.ndarray]) -> xr.DataArray:
        shape = [*map(len, leading.values()), *self._like.shape]
        coordinates = {**leading, **self._like.coords}
        return xr.DataArray(values.reshape(shape), coordinates, [*leading, *self._like.dims], attrs=self._attrs)


def bands_of(array: xr.DataArray, calendar: Calendar, quantiles: Sequence[float], memory_gb: float) -> Iterator[slice]:
    """Bands of latitude whose sums and samples fit into the memory."""
    rows = array.sizes["latitude"]
    points = array.isel(time=0).size / rows
    # sums, counts; samples of one more year for what the quantiles work in
    bytes_per_point = calendar.hours * DAYS * (12 + (4 * (calendar.years + 1) if quantiles else 0))
    count = max(int(memory_gb * 1e9 / (bytes_per_point * points)), 1)
    for start in range(0, rows, count):
        yield slice(start, min(start + count, rows))


def slabs_of(array: xr.DataArray) -> Iterator[slice]:
    """Runs of times to read at once, whole chunks where the array has any."""
    steps = array.sizes["time"]
    step_bytes = array.isel(time=0).size * array.dtype.itemsize
    chunk = array.chunksizes["time"][0] if array.chunks is not None else 1
    count = max(int(_READ_BYTES / (step_bytes * chunk)), 1) * chunk
    for start in range(0, steps, count):
        yield slice(start, min(start + count, steps))
