"""Quantiles of each day of the year, from the samples of all years in a window around it.

The definition is WeatherBench 2's (google-research/weatherbench2, scripts/compute_climatology.py, `quantile`, method
`explicit`): weights fall linearly from the middle of the window, and the weighted quantile is that of xarray
(`DataArray.weighted(w).quantile`; Akinshin 2023, arXiv:2304.07265, with Kish's effective sample size
n = (sum w)^2 / sum w^2): the mean of the samples, in order, over the 1/n of the total weight that begins at the part
q (n - 1)/n of it. With equal weights that is numpy's quantile.

Shapes: p points, d days of the year, k samples of a day (years), q quantiles, s samples in a window.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from sciml.core import native

_SOURCE = Path(__file__).with_suffix(".cpp")
_POINTER, _INTEGER = ctypes.c_void_p, ctypes.c_int64


def window_quantiles(
    samples: Float[np.ndarray, "p d k"], window_days: int, quantiles: Sequence[float]
) -> Float[np.ndarray, "q d p"]:
    """Quantiles per day, NaN where a window has no samples.

    Args:
        samples: NaN is missing. The last day is followed by the first.
        window_days: odd; the weight of a day is 1 - |days from the middle| / (window_days // 2), of a window of one
            day 1.
        quantiles: each from 0 to 1.

    >>> samples = np.arange(5, dtype=np.float32).reshape(1, 1, 5).repeat(4, axis=1)
    >>> window_quantiles(samples, 1, [0.5, 0.75])[:, 0, 0].tolist()
    [2.0, 3.0]
    """
    reach = max(window_days // 2, 1)
    samples = np.ascontiguousarray(samples, np.float32)
    wanted = np.asarray(quantiles, np.float64)
    library = native.load(_SOURCE)
    if library is None:
        return _plain(samples, reach, wanted)
    points, days, per_day = samples.shape
    out = np.empty((len(wanted), days, points), np.float32)
    library.window_quantiles.argtypes = [_POINTER, *[_INTEGER] * 4, _POINTER, _INTEGER, _POINTER]
    library.window_quantiles(
        samples.ctypes.data, points, days, per_day, reach, wanted.ctypes.data, len(wanted), out.ctypes.data
    )
    return out


def _plain(
    samples: Float[np.ndarray, "p d k"], reach: int, quantiles: Float[np.ndarray, " q"]
) -> Float[np.ndarray, "q d p"]:
    points, days, per_day = samples.shape
    away = np.arange(1 - reach, reach)
    out = np.full((len(quantiles), days, points), np.nan, np.float32)
    for day in range(days):
        value_ps = samples[:, (day + away) % days].reshape(points, -1)
        order_ps = np.argsort(value_ps, axis=1)
        value_ps = np.take_along_axis(value_ps, order_ps, axis=1).astype(np.float64)
        weight_ps = np.where(np.isnan(value_ps), 0, np.repeat(reach - np.abs(away), per_day)[order_ps]).astype(float)
        some = weight_ps.any(axis=1)
        value_ps, weight_ps = np.nan_to_num(value_ps[some]), weight_ps[some]
        sum_p = weight_ps.sum(axis=1)
        effective_p = sum_p**2 / np.square(weight_ps).sum(axis=1)
        edge_ps = np.cumsum(np.pad(weight_ps, ((0, 0), (1, 0))), axis=1)
        for index, quantile in enumerate(quantiles):
            low_p = quantile * (effective_p - 1) / effective_p * sum_p
            part_ps = np.diff(np.clip(edge_ps, low_p[:, None], (low_p + sum_p / effective_p)[:, None]), axis=1)
            out[index, day, some] = (part_ps * value_ps).sum(axis=1) / part_ps.sum(axis=1)
    return out
