"""Whether forecasts have the truth's power at each scale, from a scorecard's spectra."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sciml.fno.grids import Grid
from sciml.weather.networks.dynamics import dealiased
from sciml.weather.scorecard.results import TRUTH


def resolved_waves(grid: Grid) -> int:
    """Two thirds of the largest zonal wavenumber that a grid carries with products of two fields.

    >>> resolved_waves(Grid((48, 96), (False, True), "gauss-legendre"))  # T31
    20
    """
    return max(1, 2 * (dealiased(grid) - 1) // 3)


def power_ratios(scores: xr.Dataset, hours: int, most_waves: int) -> dict[str, dict[str, float]]:
    """Of each field, the least and the most of the forecast's power over the truth's, from wavenumber 1 on.

    Args:
        scores: of a scorecard; the first model is the forecast.
        hours: lead time.
        most_waves: the largest zonal wavenumber.

    Returns:
        `least` and `most` by field; nothing without spectra, or for that lead time.
    """
    leads = scores["lead_time"].values.astype("timedelta64[s]").astype(float) / 3600 if "lead_time" in scores else []
    here = np.flatnonzero(np.isclose(leads, hours))
    if "power" not in scores or TRUTH not in scores["model"].values or not len(here):
        return {}
    power = scores["power"].isel(lead_time=int(here[0])).isel(wavenumber=slice(1, most_waves + 1))
    ratio = power.isel(model=0) / power.sel(model=TRUTH)
    found = {}
    for field in ratio["field"].values:
        values = ratio.sel(field=field).values
        if np.isfinite(values).any():
            found[str(field)] = {
                "least": round(float(np.nanmin(values)), 4),
                "most": round(float(np.nanmax(values)), 4),
            }
    return found
