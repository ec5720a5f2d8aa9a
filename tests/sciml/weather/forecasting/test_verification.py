"""Where the forecasts that are scored start."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.forecasting.verification import _starts


def hours(times: np.ndarray) -> list[int]:
    return ((times - np.datetime64("2005-01-01")) / np.timedelta64(1, "h")).astype(int).tolist()


def test_starts_are_evenly_spread_and_have_all_of_their_states(model: ForecastModel, analyses: xr.Dataset):
    # six hours apart, from 1 January on
    analyses = analyses.isel(time=slice(16))
    assert hours(_starts(model, analyses, 1, 18)) == [0, 18, 36, 54]
    two = dataclasses.replace(model, data=dataclasses.replace(model.data, history=2))
    assert hours(_starts(two, analyses, 1, 18)) == [6, 24, 42, 60]
    gap = analyses.isel(time=[number for number in range(16) if number != 3])
    assert hours(_starts(model, gap, 1, 18)) == [0, 36, 54]
    assert hours(_starts(two, gap, 1, 18)) == [6, 42, 60]


def test_no_start_at_all(model: ForecastModel, analyses: xr.Dataset):
    two = dataclasses.replace(model, data=dataclasses.replace(model.data, history=2))
    with pytest.raises(UserError, match="2 states 6 h apart, and the data have none such at times 24 h apart"):
        _starts(two, analyses.isel(time=slice(None, None, 4)), 1, 24)
