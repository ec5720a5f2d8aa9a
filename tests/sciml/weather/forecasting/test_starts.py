"""States that forecasts start from: those of the file, each block read once, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.forecasting import starts
from sciml.weather.forecasting.request import spread_times
from sciml.weather.forecasting.saved import ForecastModel
from sciml.weather.forecasting.starts import InitialStates
from sciml.weather.training import reading


def expected(model: ForecastModel, analyses: xr.Dataset, time: np.datetime64) -> np.ndarray:
    frame = analyses.sel(time=time)
    return np.stack(
        [frame[f.variable] if f.level_hpa is None else frame[f.variable].sel(level=f.level_hpa) for f in model.fields]
    )


@pytest.mark.parametrize("room", [1.0, 3e6, 1e9], ids=["of one start", "of several", "of all"])
def test_states_are_those_of_the_file(
    model: ForecastModel, analyses: xr.Dataset, monkeypatch: pytest.MonkeyPatch, room: float
):
    monkeypatch.setattr(starts, "_BYTES", room)
    two = dataclasses.replace(model, data=dataclasses.replace(model.data, history=2))
    times = analyses["time"].values[1:].astype("datetime64[ns]")
    found = InitialStates(two, analyses, times)
    for time, states in zip(times, found, strict=True):
        assert np.array_equal(states[1], expected(model, analyses, time))
        assert np.array_equal(states[0], expected(model, analyses, time - np.timedelta64(6, "h")))
    assert np.array_equal(found.between(3, 9)[:, 1], np.stack([expected(model, analyses, time) for time in times[3:9]]))
    assert found.digest == InitialStates(two, analyses, times).digest
    assert found.digest != InitialStates(two, analyses, times[1:]).digest


def test_starts_that_share_a_block_are_read_together(
    model: ForecastModel, analyses: xr.Dataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)
    read: list[int] = []
    whole = reading.FrameReader.read

    def counted(self: reading.FrameReader, frames: np.ndarray, out: list[np.ndarray]) -> np.ndarray:
        read.append(len(frames))
        return whole(self, frames, out)

    monkeypatch.setattr(reading.FrameReader, "read", counted)
    times = analyses["time"].values[:32].astype("datetime64[ns]")
    found = InitialStates(model, analyses.chunk(time=8), times)
    assert len(found.digest) == 64
    assert read == [8, 8, 8, 8]
    # they are in memory still
    for _ in found:
        pass
    assert len(read) == 4
    # room for less than a block: it is read once for each part that there is room for
    read.clear()
    monkeypatch.setattr(starts, "_BYTES", 4.5 * 4 * len(model.fields) * 24 * 48)
    assert InitialStates(model, analyses.chunk(time=8), times).digest == found.digest
    assert read == [4] * 8


def test_a_start_that_the_data_lack(model: ForecastModel, analyses: xr.Dataset):
    with pytest.raises(UserError, match=r"needs the state at 1990-01-01T00:00, which the data"):
        InitialStates(model, analyses, np.array(["1990-01-01"], "datetime64[ns]"))


def test_a_start_in_other_units(model: ForecastModel, analyses: xr.Dataset, start: np.ndarray):
    celsius = analyses.assign(t2m=(analyses["t2m"] - 273.15).assign_attrs(units="degC"))
    with pytest.raises(UserError, match="`t2m` are in K, but the data in degC"):
        InitialStates(model, celsius, start)


def test_a_start_with_rain_of_another_window(model: ForecastModel, analyses: xr.Dataset, start: np.ndarray):
    daily = analyses.assign(tp=analyses["tp"].assign_attrs(accumulation_hours=24))
    with pytest.raises(UserError, match="`tp` summed over 6 h, but the data have sums over 24 h"):
        InitialStates(model, daily, start)


def test_a_start_on_another_grid(model: ForecastModel, analyses: xr.Dataset, start: np.ndarray):
    with pytest.raises(UserError, match="grid"):
        InitialStates(model, analyses.isel(latitude=slice(None, None, 2)), start)


def test_a_start_with_missing_values(model: ForecastModel, analyses: xr.Dataset, start: np.ndarray):
    holes = analyses.load().copy(deep=True)
    holes["msl"][0, 3, 4] = np.nan
    with pytest.raises(UserError, match="`msl` has missing values at 2005-01-01T00:00, where a forecast starts"):
        InitialStates(model, holes, start).between(0, 1)


def test_spread_times():
    found = spread_times(np.datetime64("2005-01-01", "ns"), np.datetime64("2005-01-03", "ns"), 24)
    assert found.astype("datetime64[D]").astype(str).tolist() == ["2005-01-01", "2005-01-02", "2005-01-03"]
