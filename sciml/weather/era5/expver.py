"""ERA5's `expver`: 1 is final, 5 is ERA5T, preliminary and up to three months old.

Files of the Climate Data Store up to 2024 have it as a dimension on which one of the two is missing at each time; later
ones as a text beside the times.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from sciml.weather.era5.repairs import Repairs

EXPVER = "expver"


def without_expver(
    arrays: Mapping[str, xr.DataArray], dataset: xr.Dataset, repairs: Repairs
) -> dict[str, xr.DataArray]:
    """The variables without `expver`: the final value where there is one, else the preliminary one.

    Args:
        arrays: by name, lazy.
        dataset: where they come from, with the versions.
        repairs: what was changed.
    """
    if EXPVER in dataset.variables:
        versions = [int(text) for text in np.ravel(dataset[EXPVER].values).astype(str) if text.strip().isdigit()]
    else:
        versions = []
    if EXPVER not in dataset.dims:
        if 5 in versions:
            repairs.add("Some values are preliminary (ERA5T, expver 5).")
        return dict(arrays)
    order = np.argsort(versions, kind="stable") if versions else np.arange(dataset.sizes[EXPVER])
    if len(order) > 1:
        repairs.add("Final (expver 1) and preliminary (expver 5) values were put together, the final ones first.")
    return {
        name: _first_that_is_there(array, order) if EXPVER in array.dims else array for name, array in arrays.items()
    }


def _first_that_is_there(array: xr.DataArray, order: np.ndarray) -> xr.DataArray:
    merged = array.isel({EXPVER: order[0]}, drop=True)
    for later in order[1:]:
        merged = merged.fillna(array.isel({EXPVER: later}, drop=True))
    return merged.rename(array.name).assign_attrs(array.attrs)
