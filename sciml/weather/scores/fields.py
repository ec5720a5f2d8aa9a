"""Scores of one field against another: RMSE, MAE, bias, anomaly correlation, activity, and maps of the error.

Definitions are WeatherBench 2's (Rasp et al. 2024, arXiv:2308.15560, appendix A); where WeatherBench-X, `scores` or
`xskillscore` differ, the function says so and has an option. A point where the forecast or the truth is NaN leaves the
sums and the weights alike; for anomalies, a NaN in the climatology does so too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather import kernels
from sciml.weather.scores.alignment import Source, align, align_climatology, grid_of
from sciml.weather.scores.blocks import index_of, mean_dims, reduced, refuse_gaps, rows_of, score_of
from sciml.weather.scores.field_sums import FieldSums, MapSums, map_sums
from sciml.weather.scores.regions import Regions, region_weights


def weighted_sums(
    forecast: xr.DataArray,
    sources: Sequence[Source],
    regions: Regions | None,
    area: str,
    skipna: bool,
    threads: int,
) -> xr.DataArray:
    """Sums [..., region, sum] of a forecast against a truth and perhaps a climatology, as `skipna` has it."""
    names, weights = region_weights(grid_of(forecast), regions, area)
    counts = [len(kernels.ERROR_SUMS), len(kernels.ANOMALY_SUMS)][: len(sources)]

    def reduction(block: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        (truth, truth_index), *rest = pairs
        climatology, climatology_index = rest[0] if rest else (None, None)
        out = kernels.field_sums(block, truth, climatology, truth_index, climatology_index, weights, threads)
        if not skipna:
            refuse_gaps(out, weights, [0, len(kernels.ERROR_SUMS)][: len(sources)])
        return out

    sums = reduced(forecast, sources, reduction, {"region": len(names), "sum": sum(counts)})
    return sums.assign_coords(region=names)


@dataclass(frozen=True)
class _Score:
    """What a score is called, what it is of the sums, and whether it has the unit of the field."""

    long_name: str
    formula: Callable[..., np.ndarray]
    has_units: bool = True
    needs_climatology: bool = False


_SCORES: dict[str, _Score] = {
    "rmse": _Score("root mean squared error", FieldSums.rmse),
    "mae": _Score("mean absolute error", FieldSums.mae),
    "bias": _Score("mean error", FieldSums.bias),
    "acc": _Score("anomaly correlation coefficient", FieldSums.acc, has_units=False, needs_climatology=True),
    "activity": _Score("activity: root mean square anomaly", FieldSums.activity, needs_climatology=True),
}


def field_scores(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    *,
    climatology: xr.DataArray | None = None,
    scores: Sequence[str] = ("rmse", "mae", "bias"),
    regions: Regions | None = None,
    over: Sequence[str] | None = None,
    area: str = "cells",
    skipna: bool = True,
    threads: int = 1,
) -> xr.Dataset:
    """Several scores in one pass over the data; each as the function of its name has it.

    Args:
        forecast: dimensions `time` (initial time), `lead_time`, `number`, `level` as there are, `latitude`,
            `longitude`. Lazy where it is dask's, and then a chunk is one task.
        truth: on the same grid, with valid times in `time`, or with the forecast's `time` and `lead_time`.
        climatology: for `acc` and `activity`: with `dayofyear` and perhaps `hour`, or as the truth, or constant.
        scores: of rmse, mae, bias, acc, activity.
        regions: as in `regions.region_weights`; the result then has the dimension `region`.
        over: dimensions that the mean goes over beside the horizontal ones; the initial times unless said.
        area: as in `regions.area_weights`.
        skipna: True leaves out points that are missing; with False one missing point makes the score NaN, as in
            WeatherBench 2 unless told otherwise.
        threads: how many a task uses.

    Raises:
        UserError: an unknown score, no climatology where one is needed, or what `align` and `region_weights` refuse.
    """
    unknown = [name for name in scores if name not in _SCORES]
    if unknown:
        raise UserError(f"There is no score '{unknown[0]}' of a field; there are: {', '.join(_SCORES)}.")
    if climatology is None and any(_SCORES[name].needs_climatology for name in scores):
        raise UserError("Anomaly correlation and activity need a climatology; make one with sciml.weather.climatology.")
    sources = [align(forecast, truth)]
    if climatology is not None:
        sources.append(align_climatology(forecast, climatology))
    sums = weighted_sums(forecast, sources, regions, area, skipna, threads)
    over = mean_dims(forecast, over)
    return xr.Dataset({name: _named(sums, over, regions, name, forecast) for name in scores})


def _named(
    sums: xr.DataArray, over: Sequence[str], regions: Regions | None, name: str, forecast: xr.DataArray, **options: bool
) -> xr.DataArray:
    score = _SCORES[name]
    result = score_of(sums, over, regions, lambda stacked, axis: score.formula(FieldSums.of(stacked), axis, **options))
    units = forecast.attrs.get("units", "") if score.has_units else ""
    return result.rename(name).assign_attrs(long_name=score.long_name, units=units)


def rmse(forecast: xr.DataArray, truth: xr.DataArray, **options: Any) -> xr.DataArray:
    """Root mean squared error, its root after the mean over space and time. Options as in `field_scores`.

    With `over=()` the root is of each initial time; the mean of those is WeatherBench 2's `RMSESqrtBeforeTimeAvg`.
    Missing points: all points of all times weigh alike by area, as in WeatherBench-X, `scores` and `xskillscore`;
    WeatherBench 2 takes each time's mean first, which differs where other points are missing at other times.

    >>> grid = {"latitude": [-45.0, 45.0], "longitude": [0.0, 90.0, 180.0, 270.0]}
    >>> truth = xr.DataArray(np.zeros((2, 4), np.float32), grid)
    >>> float(rmse(truth + 3.0, truth))
    3.0
    """
    return field_scores(forecast, truth, scores=("rmse",), **options)["rmse"]


def mae(forecast: xr.DataArray, truth: xr.DataArray, **options: Any) -> xr.DataArray:
    """Mean absolute error. Options as in `field_scores`."""
    return field_scores(forecast, truth, scores=("mae",), **options)["mae"]


def bias(forecast: xr.DataArray, truth: xr.DataArray, **options: Any) -> xr.DataArray:
    """Mean of forecast minus truth. Options as in `field_scores`."""
    return field_scores(forecast, truth, scores=("bias",), **options)["bias"]


def acc(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    climatology: xr.DataArray,
    *,
    centred: bool = False,
    pooled: bool = False,
    regions: Regions | None = None,
    over: Sequence[str] | None = None,
    area: str = "cells",
    skipna: bool = True,
    threads: int = 1,
) -> xr.DataArray:
    """Anomaly correlation coefficient: of each forecast, then the mean over forecasts (WeatherBench 2).

    Args:
        forecast, truth, climatology, regions, over, area, skipna, threads: as in `field_scores`.
        centred: takes the mean anomaly of the region out of both anomalies first, which makes it the area-weighted
            Pearson correlation of anomalies that the WMO asks for; WeatherBench 2 and X do not.
        pooled: one ratio of sums over all forecasts in place of the mean of ratios, as WeatherBench-X has it. Centred,
            it is `xskillscore.pearson_r` over time and space.

    Raises:
        UserError: what `field_scores` refuses.
    """
    sources = [align(forecast, truth), align_climatology(forecast, climatology)]
    sums = weighted_sums(forecast, sources, regions, area, skipna, threads)
    return _named(sums, mean_dims(forecast, over), regions, "acc", forecast, centred=centred, pooled=pooled)


def activity(
    forecast: xr.DataArray,
    climatology: xr.DataArray,
    *,
    centred: bool = False,
    regions: Regions | None = None,
    over: Sequence[str] | None = None,
    area: str = "cells",
    skipna: bool = True,
    threads: int = 1,
) -> xr.DataArray:
    """Root mean square of the anomaly of a forecast, or of a truth given in its place: less than the truth's is
    blurred.

    Args:
        forecast, climatology, regions, over, area, skipna, threads: as in `field_scores`.
        centred: takes out the mean anomaly, so that it is a standard deviation (Ben Bouallègue et al. 2024,
            arXiv:2307.10128); without it, it is WeatherBench-X's `PredictionActivity`.

    Raises:
        UserError: what `field_scores` refuses.
    """
    source = align_climatology(forecast, climatology)
    itself = align(forecast, forecast)
    sums = weighted_sums(forecast, [itself, source], regions, area, skipna, threads)
    return _named(sums, mean_dims(forecast, over), regions, "activity", forecast, centred=centred)


def error_maps(forecast: xr.DataArray, truth: xr.DataArray, *, threads: int = 1) -> xr.Dataset:
    """Where on the globe a forecast errs: `bias` and `rmse` of every point over the initial times, and `forecasts` in
    them.

    Computed at once, one chunk of initial times after the other, so that a year need not fit into memory.

    Args:
        forecast, truth, threads: as in `field_scores`.

    Raises:
        UserError: what `align` refuses.
    """
    timed = forecast if "time" in forecast.dims else forecast.expand_dims("time")
    timed = timed.transpose("time", ..., "latitude", "longitude")
    source = align(timed, truth)
    lead = [str(name) for name in timed.dims[1:-2]]
    shape = [timed.sizes[name] for name in lead]
    group, groups = np.arange(int(np.prod(shape))).reshape(shape), int(np.prod(shape))
    sizes = timed.sizes
    total = MapSums.nothing(groups, (sizes["latitude"], sizes["longitude"]))
    ends = np.cumsum(timed.chunksizes.get("time", (sizes["time"],)))
    for begin, end in zip((0, *ends[:-1]), ends, strict=True):
        window = {"time": slice(int(begin), int(end))}
        needed = rows_of(source, window)
        index = index_of(["time", *lead], needed)
        block, fields = timed.isel(window).values, needed.fields.values
        total += map_sums(block, fields, truth_index=index, group=group, groups=groups, threads=threads)
    outline = timed.isel(time=0, drop=True)
    units = forecast.attrs.get("units", "")
    maps = {
        "bias": (total.bias(), "mean error", units),
        "rmse": (total.rmse(), "root mean squared error", units),
        "forecasts": (total.count, "number of forecasts", ""),
    }
    arrays = {}
    for name, (values, long_name, unit) in maps.items():
        array = xr.DataArray(values.reshape(outline.shape), outline.coords, outline.dims)
        arrays[name] = array.assign_attrs(long_name=long_name, units=unit)
    return xr.Dataset(arrays)
