"""The mean of a climatology as a few harmonics of the year: small enough to be kept beside a model.

A window of 61 days, whose weights fall linearly to both ends, leaves next to nothing of what goes around more often
than ten times a year: its response, the square of sinc(30 n / 366), is 0.04 at the tenth harmonic and less than 0.001
at the twelfth. Quantiles are not so smooth and are left out.

Shapes: d = 366 days of the year, n harmonics.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from sciml.weather.climatology_sums import DAYS

HARMONICS = 10


def to_harmonics(climatology: xr.Dataset) -> xr.Dataset:
    """The means of a climatology with the dimension `coefficient` in place of dayofyear.

    Coefficients are the mean of the year, and the cosine's and the sine's part of each harmonic.
    """
    basis = _basis()
    # of a basis whose functions are orthogonal over the days
    inverse = basis / np.square(basis).sum(axis=0)
    found = {}
    for name, array in climatology.data_vars.items():
        if "dayofyear" not in array.dims or "quantile" in array.dims:
            continue
        values, least = [], np.inf
        for hour in array["hour"].values:
            # an hour at a time: the whole may be large
            year = array.sel(hour=hour).values
            values.append(np.tensordot(inverse, year, axes=(0, 0)))
            least = min(least, float(year.min()))
        attrs = array.attrs | ({"valid_min": 0.0} if least >= 0 else {})
        coords = {dim: array[dim] for dim in array.dims if dim != "dayofyear"}
        dims = ["coefficient" if dim == "dayofyear" else dim for dim in array.dims]
        found[name] = xr.DataArray(np.stack(values).astype(np.float32), coords, dims, attrs=attrs)
    return xr.Dataset(found, attrs=climatology.attrs)


def from_harmonics(coefficients: xr.Dataset) -> xr.Dataset:
    """The climatology that `to_harmonics` was given, but for what is faster than its harmonics."""
    basis = _basis()
    found = {}
    for name, array in coefficients.data_vars.items():
        values = [np.tensordot(basis, array.sel(hour=hour).values, axes=(1, 0)) for hour in array["hour"].values]
        dims = ["dayofyear" if dim == "coefficient" else dim for dim in array.dims]
        coords = {dim: array[dim] for dim in array.dims if dim != "coefficient"}
        coords["dayofyear"] = xr.DataArray(np.arange(1, DAYS + 1), dims="dayofyear")
        whole = np.stack(values).astype(np.float32)
        attrs = {key: value for key, value in array.attrs.items() if key != "valid_min"}
        least = array.attrs.get("valid_min", -np.inf)
        found[name] = xr.DataArray(np.maximum(whole, np.float32(least)), coords, dims, attrs=attrs)
    return xr.Dataset(found, attrs=coefficients.attrs)


def _basis() -> np.ndarray:
    """[d, 1 + 2 n]."""
    angle = 2 * np.pi * np.arange(DAYS)[:, None] / DAYS * np.arange(1, HARMONICS + 1)
    return np.concatenate([np.ones((DAYS, 1)), np.cos(angle), np.sin(angle)], axis=1)
