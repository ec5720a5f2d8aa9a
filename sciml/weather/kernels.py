"""The compiled sums of kernels.cpp as functions of numpy arrays, and the same sums in numpy where nothing compiles.

Arrays of fields may have any leading dimensions and strides: the kernels are told where each plane begins, so that
neither many lead times that share an analysis nor a transposed ensemble are copied. What an index array names is a
field of the flattened leading dimensions; -1 is a field that is missing.

Shapes: ... leading dimensions, n all of them in one, m members, r regions, k thresholds, g groups, s sums, y latitudes,
x longitudes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from sciml.core import native

SOURCE = Path(__file__).with_name("kernels.cpp")
_SUFFIX = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}

# the order of the sums in the last axis of what the functions return
ERROR_SUMS = ("weight", "error", "absolute_error", "squared_error")
ANOMALY_SUMS = (
    "anomaly_weight",
    "forecast_anomaly",
    "truth_anomaly",
    "anomaly_product",
    "squared_forecast_anomaly",
    "squared_truth_anomaly",
)
THRESHOLD_SUMS = ("threshold_weight", "threshold_error", "threshold_difference")
ENSEMBLE_SUMS = ("weight", "member_error", "member_difference", "mean_error", "squared_mean_error", "variance")


def field_sums(
    forecast: Float[np.ndarray, "*lead y x"],
    truth: Float[np.ndarray, "*truth y x"],
    climatology: Float[np.ndarray, "*climatology y x"] | None,
    truth_index: Int[np.ndarray, "..."] | None,
    climatology_index: Int[np.ndarray, "..."] | None,
    weights: Float64[np.ndarray, "r y x"],
    threads: int,
) -> Float64[np.ndarray, "*lead r s"]:
    """Weighted sums of errors and, with a climatology, of anomalies: `ERROR_SUMS`, `ANOMALY_SUMS`."""
    arrays = _alike(forecast, truth, *([] if climatology is None else [climatology]))
    lead, shape = forecast.shape[:-2], weights.shape
    at = [_places(arrays[0], None, lead), _places(arrays[1], truth_index, lead)]
    if climatology is not None:
        at.append(_places(arrays[2], climatology_index, lead))
    sums = len(ERROR_SUMS) + (0 if climatology is None else len(ANOMALY_SUMS))
    out = np.zeros((at[0].size, shape[0], sums))
    function = _function("field_sums", arrays[0].dtype)
    if function is None:
        for i, row in enumerate(out):
            fields = [_plane(array, int(places.flat[i]), shape[1:]) for array, places in zip(arrays, at, strict=True)]
            row[:] = weights.reshape(shape[0], -1) @ np.stack(_field_points(*fields)).reshape(sums, -1).T
    else:
        inputs = [part for pair in zip(arrays, at, strict=True) for part in pair]
        inputs += [None] * (6 - len(inputs))
        sizes = (at[0].size, shape[1], shape[2], shape[0])
        function(*map(ctypes.c_int64, sizes), *map(_pointer, [*inputs, weights, out]), ctypes.c_int(threads))
    return out.reshape(*lead, shape[0], sums)


def _field_points(forecast: np.ndarray, truth: np.ndarray, climatology: np.ndarray | None = None) -> list[np.ndarray]:
    """What one point adds to each sum."""
    error = forecast - truth
    valid = ~np.isnan(error)
    error = np.where(valid, error, 0)
    points = [valid.astype(np.float64), error, np.abs(error), error**2]
    if climatology is not None:
        a, b = forecast - climatology, truth - climatology
        known = valid & ~np.isnan(a) & ~np.isnan(b)
        a, b = np.where(known, a, 0), np.where(known, b, 0)
        points += [known.astype(np.float64), a, b, a * b, a**2, b**2]
    return points


def table_sums(
    forecast: Float[np.ndarray, "n y x"],
    truth: Float[np.ndarray, "n y x"],
    limits: Float[np.ndarray, "k n y x"],
    above: Sequence[bool],
    inclusive: bool,
    weights: Float64[np.ndarray, "r y x"],
    threads: int,
) -> Float64[np.ndarray, "k n r 4"] | None:
    """Weights of hits, misses, false alarms and correct negatives, compared in the forecast's precision; None without
    a compiler."""
    function = _function("table_sums", forecast.dtype)
    if function is None:
        return None
    arrays = _alike(forecast, truth.astype(forecast.dtype, copy=False), limits)
    many, n, height, width = limits.shape
    at = [_places(array, None, lead) for array, lead in zip(arrays, [(n,), (n,), (many, n)], strict=True)]
    side = np.where(above, 1, -1).astype(np.int64)
    out = np.zeros((many, n, len(weights), 4))
    inputs = [part for pair in zip(arrays, at, strict=True) for part in pair]
    sizes = (n, many, height, width, len(weights), int(inclusive))
    pointers = map(_pointer, [*inputs, side, np.ascontiguousarray(weights), out])
    function(*map(ctypes.c_int64, sizes), *pointers, ctypes.c_int(threads))
    return out


def map_sums(
    forecast: Float[np.ndarray, "*lead y x"],
    truth: Float[np.ndarray, "*truth y x"],
    truth_index: Int[np.ndarray, "..."] | None,
    group: Int[np.ndarray, "..."],
    out: Float64[np.ndarray, "g 3 y x"],
    threads: int,
) -> None:
    """Adds 1, the error and its square to `out` at every point, for each field to its group's maps."""
    arrays = _alike(forecast, truth)
    lead = forecast.shape[:-2]
    at = [_places(arrays[0], None, lead), _places(arrays[1], truth_index, lead)]
    groups = np.ascontiguousarray(np.broadcast_to(group, lead), np.int64)
    function = _function("map_sums", arrays[0].dtype)
    if function is None:
        for i, g in enumerate(groups.flat):
            fields = [
                _plane(array, int(places.flat[i]), out.shape[2:]) for array, places in zip(arrays, at, strict=True)
            ]
            weight, error, _, squared = _field_points(*fields)
            out[g] += np.stack([weight, error, squared])
    else:
        inputs = [arrays[0], at[0], arrays[1], at[1], groups, out]
        sizes = (at[0].size, out.shape[2] * out.shape[3])
        function(*map(ctypes.c_int64, sizes), *map(_pointer, inputs), ctypes.c_int(threads))


def ensemble_sums(
    members: Float[np.ndarray, "*lead m y x"],
    truth: Float[np.ndarray, "*truth y x"],
    truth_index: Int[np.ndarray, "..."] | None,
    lower: Float[np.ndarray, "*threshold y x"] | None,
    upper: Float[np.ndarray, "*threshold y x"] | None,
    threshold_index: Int[np.ndarray, "... k"] | None,
    weights: Float64[np.ndarray, "r y x"],
    ranks: bool,
    lowest: bool,
    threads: int,
) -> tuple[Float64[np.ndarray, "*lead r s"], Float64[np.ndarray, "*lead r h"] | None]:
    """Weighted sums of `ENSEMBLE_SUMS`, then of `THRESHOLD_SUMS` for each threshold; and the histogram of ranks, h = m
    + 1.

    A point counts where the truth and all members are known. `lower` and `upper` are limits that members and truth are
    pushed into; `threshold_index` names k of them for each field. Ties share a rank's weight in equal parts, or, with
    `lowest`, count in the lowest rank.
    """
    limits = [] if lower is None or upper is None else [lower, upper]
    arrays = _alike(members, truth, *limits)
    lead, (count, height, width) = members.shape[:-3], members.shape[-3:]
    member_at = _places(arrays[0], None, members.shape[:-2])
    truth_at = _places(arrays[1], truth_index, lead)
    thresholds = 0
    threshold_at = None
    if limits:
        assert threshold_index is not None
        arrays[2:] = [np.ascontiguousarray(array) for array in arrays[2:]]
        thresholds = threshold_index.shape[-1]
        threshold_at = _places(arrays[2], threshold_index, (*lead, thresholds))
    regions, sums = len(weights), len(ENSEMBLE_SUMS) + len(THRESHOLD_SUMS) * thresholds
    out = np.zeros((truth_at.size, regions, sums))
    histogram = np.zeros((truth_at.size, regions, count + 1)) if ranks else None
    function = _function("ensemble_sums", arrays[0].dtype)
    if function is None:
        for i in range(truth_at.size):
            if truth_at.flat[i] < 0:
                continue
            where = (height, width)
            x = np.stack([_plane(arrays[0], int(at), where) for at in member_at.reshape(-1, count)[i]]).reshape(
                count, -1
            )
            y = _plane(arrays[1], int(truth_at.flat[i]), where).ravel()
            known = ~(np.isnan(x).any(0) | np.isnan(y))
            x, y, w = np.sort(x[:, known], axis=0), y[known], weights.reshape(regions, -1)[:, known]
            bounds = [] if threshold_at is None else threshold_at.reshape(-1, thresholds)[i]
            pushed = [[_plane(array, int(at), where).ravel()[known] for array in arrays[2:]] for at in bounds]
            out[i] = w @ np.stack(_ensemble_points(x, y, pushed)).T
            if histogram is not None:
                histogram[i] = _ranks(x, y, w, lowest)
    else:
        inputs = [arrays[0], member_at, arrays[1], truth_at, *(arrays[2:] or [None, None]), threshold_at]
        sizes = (truth_at.size, count, height, width, regions, thresholds, int(lowest))
        pointers = map(_pointer, [*inputs, weights, out, histogram])
        function(*map(ctypes.c_int64, sizes), *pointers, ctypes.c_int(threads))
    shaped = None if histogram is None else histogram.reshape(*lead, regions, count + 1)
    return out.reshape(*lead, regions, sums), shaped


def _ensemble_points(x: np.ndarray, y: np.ndarray, limits: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """What one point adds to each sum, of sorted members [m, point]."""
    error = x.mean(0) - y
    variance = x.var(0, ddof=1) if len(x) > 1 else np.zeros_like(y)
    points = [np.ones_like(y), *_skill_and_spread(x, y), error, error**2, variance]
    for low, high in limits:
        here = ~(np.isnan(low) | np.isnan(high))
        pushed = _skill_and_spread(np.clip(x, low, high), np.clip(y, low, high))
        points += [here.astype(np.float64), *(np.where(here, part, 0) for part in pushed)]
    return points


def _skill_and_spread(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    m = len(x)
    # of sorted members, j + 1 stand up to the j-th and m - j from it: pairs of differences in O(m)
    factor = 2.0 * np.arange(m) - m + 1
    return np.abs(x - y).mean(0), 2 * (factor @ (x - y)) / (m * max(m - 1, 1))


def _ranks(x: np.ndarray, y: np.ndarray, weights: np.ndarray, lowest: bool) -> np.ndarray:
    below, equal = (x < y).sum(0), (x == y).sum(0)
    places = np.ones_like(equal) if lowest else equal + 1
    out = np.zeros((len(weights), len(x) + 1))
    for place in range(int(places.max(initial=0))):
        here = places > place
        for row, weight in zip(out, weights, strict=True):
            row += np.bincount(below[here] + place, (weight / places)[here], minlength=len(row))
    return out


def _alike(*arrays: np.ndarray) -> list[np.ndarray]:
    """The arrays in one precision that loses nothing, copied where a plane has gaps or strides go backwards."""
    dtype = np.result_type(np.float32, *arrays)
    ready = []
    for array in arrays:
        converted = np.asarray(array, dtype)
        height, width = converted.shape[-2:]
        step = converted.itemsize
        gapless = (width == 1 or converted.strides[-1] == step) and (
            height == 1 or converted.strides[-2] == width * step
        )
        if not gapless or min(converted.strides) < 0:
            converted = np.ascontiguousarray(converted)
        ready.append(converted)
    return ready


def _places(array: np.ndarray, index: np.ndarray | None, lead: tuple[int, ...]) -> Int64[np.ndarray, "..."]:
    """Where the plane of each field of the leading dimensions begins, in elements; -1 where it is missing."""
    where = np.zeros(array.shape[:-2], np.int64)
    for axis, (size, stride) in enumerate(zip(array.shape[:-2], array.strides[:-2], strict=True)):
        steps = np.arange(size, dtype=np.int64) * (stride // array.itemsize)
        where += steps.reshape([-1 if axis == other else 1 for other in range(where.ndim)])
    if index is not None:
        where = np.where(index < 0, -1, where.ravel()[index]) if where.size else np.full(index.shape, -1, np.int64)
    return np.ascontiguousarray(np.broadcast_to(where, lead))


def _plane(array: np.ndarray, at: int, shape: tuple[int, ...]) -> Float64[np.ndarray, "y x"]:
    if at < 0:
        return np.full(shape, np.nan)
    count = shape[0] * shape[1]
    strides = (array.itemsize,)
    flat = np.lib.stride_tricks.as_strided(array, (at + count,), strides)[at:]
    return flat.reshape(shape).astype(np.float64)


def _pointer(array: np.ndarray | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def _function(name: str, dtype: np.dtype) -> Callable[..., None] | None:
    library = native.load(SOURCE)
    return None if library is None else getattr(library, f"{name}_{_SUFFIX[dtype]}")
