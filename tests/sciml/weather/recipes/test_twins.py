"""Twins part as they were made to: a known difference is found, at the right lead time."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.fields import Field
from sciml.weather.recipes.twins import part_by_lead_time

TIME = np.datetime64("2005-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")
LATITUDE, LONGITUDE = np.array([-60.0, 0.0, 60.0]), np.arange(4) * 90.0


@pytest.fixture(scope="module")
def control() -> xr.Dataset:
    random = np.random.default_rng(0)
    coords = {"time": TIME, "level": [500.0, 850.0], "latitude": LATITUDE, "longitude": LONGITUDE}
    return xr.Dataset(
        {
            "z": (("time", "level", "latitude", "longitude"), random.normal(size=(40, 2, 3, 4))),
            "t2m": (("time", "latitude", "longitude"), random.normal(size=(40, 3, 4))),
        },
        coords,
    )


def twin(control: xr.Dataset, first: int, apart: float) -> dict[str, np.ndarray]:
    """At 500 hPa apart by so much times the number of the step, at 2 m apart on the equator alone."""
    part = control.isel(time=slice(first, first + 4))
    z, t2m = part["z"].values.copy(), part["t2m"].values.copy()
    z[:, 0] += apart * np.arange(1, 5)[:, None, None]
    t2m[:, 1] += 1
    return {"time": part["time"].values, "z": z, "t2m": t2m}


def test_by_hand(control: xr.Dataset):
    pair = {"a": twin(control, 1, 3.0), "b": twin(control, 9, 4.0)}
    found = part_by_lead_time(pair, control, [Field("z", 500.0), Field("z", 850.0), Field("t2m")])
    assert found["lead_hours"] == [6, 12, 18, 24]
    assert found["starts"] == ["2005-01-01T00:00", "2005-01-03T00:00"]
    # the root of the mean of 3^2 and 4^2
    assert found["rmse"]["z500"] == pytest.approx([12.5**0.5 * step for step in (1, 2, 3, 4)], rel=1e-4)
    assert found["rmse"]["z850"] == [0, 0, 0, 0]
    # the cell on the equator, from 30 S to 30 N, is half of the sphere
    assert found["rmse"]["t2m"] == pytest.approx([0.5**0.5] * 4, rel=1e-4)


def test_no_twin_or_one_of_other_times(control: xr.Dataset):
    with pytest.raises(UserError, match="no twin"):
        part_by_lead_time({}, control, [Field("t2m")])
    stray = twin(control, 1, 1.0)
    stray["time"] = stray["time"] + np.timedelta64(1, "h")
    with pytest.raises(UserError, match="a has times that the nature run lacks"):
        part_by_lead_time({"a": stray}, control, [Field("t2m")])
