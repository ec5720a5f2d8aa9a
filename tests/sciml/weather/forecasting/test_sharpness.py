"""Ratios of power, from a scorecard's spectra."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sciml.weather.forecasting.sharpness import power_ratios


def spectra() -> xr.Dataset:
    """A forecast with half the power of the truth at wavenumber 3, and a tenth more at 2; nothing is known of t2m."""
    power = np.ones((3, 2, 2, 6))
    power[0, 0, 0, 3], power[0, 0, 0, 2], power[0, 0, 0, 5] = 0.5, 1.1, 9.0
    power[0, 0, 0, 0] = 7.0
    power[:, 1] = np.nan
    coords = {
        "model": ["ours", "persistence", "truth"],
        "field": ["z500", "t2m"],
        "lead_time": np.array([24, 48], "timedelta64[h]").astype("timedelta64[ns]"),
    }
    return xr.Dataset({"power": ((*coords, "wavenumber"), power)}, coords)


def test_the_extremes_up_to_a_wavenumber_without_the_mean():
    assert power_ratios(spectra(), 24, 4) == {"z500": {"least": 0.5, "most": 1.1}}
    assert power_ratios(spectra(), 24, 2) == {"z500": {"least": 1.0, "most": 1.1}}
    assert power_ratios(spectra(), 48, 4) == {"z500": {"least": 1.0, "most": 1.0}}


def test_nothing_without_spectra_or_for_another_lead_time():
    assert power_ratios(spectra(), 72, 4) == {}
    assert power_ratios(spectra().drop_vars("power"), 24, 4) == {}
    assert power_ratios(spectra().isel(model=[0, 1]), 24, 4) == {}
