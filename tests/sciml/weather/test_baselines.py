"""Forecasts without a model: persistence, climatology and past years, lazily and block by block."""

from __future__ import annotations

import dask
import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.baselines import (
    Climatology,
    PastYears,
    Persistence,
    climatological_ensemble,
    climatology_forecast,
    persistence,
)

LEADS = np.array([0, 6, 36], "timedelta64[h]").astype("timedelta64[ns]")


def truth(first: str = "2019-12-20", last: str = "2020-01-20", lazy: bool = False) -> xr.Dataset:
    """Values are hours since 1970 in t2m, to which q on levels adds the level."""
    times = pd.date_range(first, last, freq="6h").values.astype("datetime64[ns]")
    hours = times.astype("datetime64[h]").astype(np.float32)
    coordinates = {"time": times, "level": [500.0, 850.0], "latitude": [0.0, 1.0], "longitude": [0.0, 1.0, 2.0]}
    grid = np.zeros((2, 3), np.float32)
    fields = {
        "t2m": (("time", "latitude", "longitude"), hours[:, None, None] + grid, {"units": "K"}),
        "q": (
            ("time", "level", "latitude", "longitude"),
            hours[:, None, None, None] + np.array([500, 850], np.float32)[:, None, None] + grid,
        ),
        "lsm": (("latitude", "longitude"), grid),
    }
    dataset = xr.Dataset(fields, coordinates)
    return dataset.chunk(time=7) if lazy else dataset


def climatology() -> xr.Dataset:
    """Values are 100 x day of the year + hour; the quantiles are one less and one more."""
    coordinates = {
        "hour": np.arange(0, 24, 6),
        "dayofyear": np.arange(1, 367),
        "latitude": [0.0, 1.0],
        "longitude": [0.0, 1.0, 2.0],
    }
    values = 100 * coordinates["dayofyear"] + coordinates["hour"][:, None]
    mean = values[..., None, None].astype(np.float32) + np.zeros((2, 3), np.float32)
    fields = {
        "t2m": (tuple(coordinates), mean, {"units": "K"}),
        "t2m_quantile": (("quantile", *coordinates), np.stack([mean - 1, mean + 1])),
    }
    return xr.Dataset(fields, {"quantile": [0.1, 0.9], **coordinates})


def hours(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[h]").astype(np.float32)


def stands(forecast: xr.DataArray, dims: tuple[str, ...]) -> None:
    """Canonical, and nothing is computed yet: one block for each initial and lead time."""
    assert forecast.dims == ("time", "lead_time", *dims)
    assert forecast["time"].dtype == "datetime64[ns]" and forecast["lead_time"].dtype == "timedelta64[ns]"
    assert isinstance(forecast.data, dask.array.Array) and forecast.dtype == np.float32
    assert set(forecast.chunksizes["time"]) == set(forecast.chunksizes["lead_time"]) == {1}


@pytest.mark.parametrize("lazy", [False, True])
def test_persistence_is_the_analysis_at_the_initial_time(lazy: bool) -> None:
    initial = truth()["time"].values[[3, 8]]
    out = persistence(truth(lazy=lazy), LEADS, initial)
    assert set(out.data_vars) == {"t2m", "q"}
    stands(out["t2m"], ("latitude", "longitude"))
    stands(out["q"], ("level", "latitude", "longitude"))
    assert out["t2m"].attrs["units"] == "K"
    wanted = np.broadcast_to(hours(initial)[:, None], (2, 3))
    np.testing.assert_array_equal(out["t2m"].mean(("latitude", "longitude")), wanted)
    np.testing.assert_array_equal(out["q"].sel(level=850.0, latitude=0.0, longitude=1.0), wanted + 850)


def test_persistence_starts_from_every_time_of_the_truth() -> None:
    out = persistence(truth()["t2m"], LEADS)
    assert out.sizes["time"] == truth().sizes["time"]
    with pytest.raises(UserError, match="none at 1 of 2, the first of them 2020-01-01T03:00"):
        persistence(truth(), LEADS, np.array(["2020-01-01T00", "2020-01-01T03"], "datetime64[ns]"))


def test_only_what_is_asked_for_is_read() -> None:
    read: list[int] = []

    def block(block_info: dict) -> np.ndarray:
        read.append(block_info[None]["chunk-location"][0])
        return np.zeros(block_info[None]["chunk-shape"], np.float32)

    dataset = truth(lazy=True)
    shape = dataset["t2m"].chunks
    dataset["t2m"].data = dask.array.map_blocks(
        block, chunks=shape, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    out = persistence(dataset["t2m"], LEADS)
    assert read == []
    out.isel(time=20, lead_time=2).compute()
    assert read == [20 // 7]


def test_climatology_is_looked_up_at_the_valid_time() -> None:
    initial = np.array(["2019-12-31T00", "2020-12-31T12"], "datetime64[ns]")
    out = climatology_forecast(climatology(), initial, LEADS)
    stands(out["t2m"], ("latitude", "longitude"))
    stands(out["t2m_quantile"], ("quantile", "latitude", "longitude"))
    wanted = np.array([[36500, 36506, 112], [36612, 36618, 200]])
    np.testing.assert_array_equal(out["t2m"].isel(latitude=1, longitude=2), wanted)
    np.testing.assert_array_equal(out["t2m_quantile"].sel(quantile=0.9).isel(latitude=1, longitude=2), wanted + 1)


def test_past_years_go_on_as_they_did() -> None:
    history = truth("2015-01-01", "2021-01-10", lazy=True)
    initial = np.array(["2020-02-28T18", "2020-02-29T00", "2020-12-31T06"], "datetime64[ns]")
    out = climatological_ensemble(history, initial, LEADS)
    stands(out["t2m"], ("number", "latitude", "longitude"))
    stands(out["q"], ("number", "level", "latitude", "longitude"))
    # 2020 is forecast, and 2021 ends before the first initial time
    assert out["number"].values.tolist() == [0, 1, 2, 3, 4]
    members = out["t2m"].isel(latitude=0, longitude=0).values
    starts = {
        2015: ["2015-02-28T18", "2015-02-28T00", "2015-12-31T06"],
        2016: ["2016-02-28T18", "2016-02-29T00", "2016-12-31T06"],
    }
    for member, dates in enumerate(starts.values()):
        wanted = hours(np.array(dates, "datetime64[ns]")[:, None] + LEADS)
        np.testing.assert_array_equal(members[:, :, member], wanted)


def test_too_few_past_years_are_refused() -> None:
    initial = np.array(["2020-01-10"], "datetime64[ns]")
    with pytest.raises(UserError, match="it has them in none. Give a longer record"):
        climatological_ensemble(truth(), initial, LEADS)
    history = truth("2015-01-01", "2021-06-01")
    chosen = climatological_ensemble(history, initial, LEADS, years=[2016, 2018])
    assert chosen.sizes["number"] == 2
    with pytest.raises(UserError, match=r"but \[2014, 2020\] were asked for"):
        climatological_ensemble(history, initial, LEADS, years=[2014, 2018, 2019, 2020])


@pytest.mark.parametrize("name", ["persistence", "climatology", "past years"])
def test_blocks_are_the_fields_of_the_forecast(name: str) -> None:
    history = truth("2015-01-01", "2020-02-01")
    initial = history["time"].values[-60:-50:3]
    rule, forecast = {
        "persistence": (Persistence(history["t2m"]), persistence(history["t2m"], LEADS, initial)),
        "climatology": (Climatology(climatology()["t2m"]), climatology_forecast(climatology()["t2m"], initial, LEADS)),
        "past years": (
            PastYears(history["t2m"], (2016, 2018)),
            climatological_ensemble(history["t2m"], initial, LEADS, [2016, 2018]),
        ),
    }[name]
    # lead times within initial times
    block = rule.block(np.repeat(initial, len(LEADS)), np.tile(LEADS, len(initial)))
    np.testing.assert_array_equal(block, forecast.values.reshape(block.shape))
    with dask.config.set(scheduler="threads"):
        np.testing.assert_array_equal(forecast.compute().values.reshape(block.shape), block)


def test_a_block_is_missing_where_the_truth_is() -> None:
    times = np.array(["2020-01-20T00", "2020-01-20T06", "2020-01-20T00"], "datetime64[ns]")
    leads = np.zeros(3, "timedelta64[ns]")
    block = Persistence(truth()["t2m"]).block(times, leads)
    assert np.isnan(block[1]).all() and (block[[0, 2]] == hours(times[:1])).all()
