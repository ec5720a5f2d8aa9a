"""Results of an evaluation that never was: the files and names of `sciml score`, with numbers made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

UNITS = {"t2m": "K", "z500": "m**2 s**-2", "u10": "m s**-1", "v10": "m s**-1", "msl": "Pa", "tp": "m", "t850": "K"}
SIZES = {"t2m": 1.0, "z500": 250.0, "u10": 1.2, "v10": 1.2, "msl": 150.0, "tp": 2e-3, "t850": 1.0}
QUANTILES = np.array([0.05, 0.95])
THRESHOLDS = np.array([1.0, 10.0])
SCALES = np.array([1, 3, 9])


def made_up_scores(
    fields: Sequence[str] = ("t2m", "z500"),
    models: Sequence[str] = ("unet", "persistence", "climatology"),
    regions: Sequence[str] = ("global", "tropics", "europe"),
    lead_hours: Sequence[float] = (6, 24, 72, 120),
    members: int = 1,
    shape: tuple[int, int] = (16, 32),
    maps: dict[str, np.ndarray] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """scores.nc with every variable of the contract that such an evaluation has.

    `maps` are [l, y, x] differences of each field to make maps of in place of smooth waves.
    """
    random = np.random.default_rng(seed)
    names = [*models, "truth"]
    hours = np.array(lead_hours, np.float64)
    m, f, r, l = len(names), len(fields), len(regions), len(hours)  # noqa: E741
    size = np.array([SIZES[field] for field in fields])[None, :, None, None]
    growth = 0.3 + np.sqrt(hours / 24)
    # persistence grows faster, climatology stays where it is, and no region is like another
    level = np.stack([growth if i == 0 else 1.5 * growth if i == 1 else 0 * growth + 2.4 for i in range(m)])
    rmse = level[:, None, None, :] * size * (1 + 0.15 * random.normal(size=(1, f, r, 1)))
    rmse = rmse * (1 + 0.02 * random.normal(size=rmse.shape))
    width = 0.08 * rmse * (1 + random.random(rmse.shape))
    difference = rmse - rmse[:1]
    shared = ("model", "field", "region", "lead_time")
    data: dict[str, Any] = {
        "rmse": (shared, rmse),
        "mae": (shared, 0.75 * rmse),
        "bias": (shared, 0.1 * rmse * random.normal(size=rmse.shape)),
        "acc": (shared, np.clip(1 - (rmse / size) ** 2 / 8, -1, 1)),
        "activity": (shared, 1.5 * size * np.ones_like(rmse) * (1 - 0.1 * level[:, None, None, :])),
        "rmse_difference": (shared, difference),
        "rmse_low": (shared, difference - width),
        "rmse_high": (shared, difference + width),
        "forecasts": (shared, np.full(rmse.shape, 12.0)),
    }
    if members > 1:
        data["crps"] = (shared, 0.55 * rmse)
        data["spread"] = (shared, 0.8 * rmse)
        data["spread_skill_ratio"] = (shared, 0.8 + 0.02 * random.normal(size=rmse.shape))
        ranks = 1 + 0.5 * np.abs(np.linspace(-1, 1, members + 1)) + 0 * random.random((m, f, l, members + 1))
        data["rank_histogram"] = (("model", "field", "lead_time", "rank"), ranks)
        said = np.linspace(0.05, 0.95, 10) + np.zeros((m, f, len(QUANTILES), 10))
        data["reliability_forecast"] = (("model", "field", "quantile", "bin"), said)
        data["reliability_observed"] = (("model", "field", "quantile", "bin"), 0.1 + 0.7 * said)
        data["reliability_count"] = (("model", "field", "quantile", "bin"), np.round(1e5 * np.exp(-6 * said)))
        parts = {"brier": 0.05, "brier_reliability": 0.002, "brier_resolution": 0.03, "brier_uncertainty": 0.078}
        for name, value in parts.items():
            whole = np.full((m, f, len(QUANTILES), l), value)
            data[name] = (("model", "field", "quantile", "lead_time"), whole)
    wavenumber = np.arange(shape[1] // 2 + 1)
    fall = (1.0 + wavenumber) ** -3.0
    damping = np.exp(-np.outer(0.01 * np.sqrt(hours), wavenumber))
    power = np.stack([fall * damping if i == 0 else fall + 0 * damping for i in range(m)])
    power = power[:, None] * size**2 * 4e7
    data["power"] = (("model", "field", "lead_time", "wavenumber"), power)
    decay = np.exp(-hours / 150)
    event = 0.85 * decay * np.array([1.0, 0.8])[:, None]
    factor = np.array([1.0, 0.6, 0.1, np.nan])[:m] if m < 5 else np.ones(m)
    sedi = factor[:, None, None, None, None] * event[None, None, :, None, :] + np.zeros((1, f, 1, r, 1))
    by_quantile = ("model", "field", "quantile", "region", "lead_time")
    for name, value in (("sedi", sedi), ("hit_rate", 0.9 * sedi), ("frequency_bias", 0.7 + 0.3 * sedi)):
        data[name] = (by_quantile, value)
    if "tp" in fields:
        is_rain = np.array([1.0 if field == "tp" else np.nan for field in fields])
        ets = 0.5 * sedi * is_rain[None, :, None, None, None]
        for name in ("ets", "csi"):
            data[name] = (("model", "field", "threshold", "region", "lead_time"), ets)
        data["seeps"] = (("model", "region", "lead_time"), 1.1 - sedi[:, 0, 0])
        growing = np.array([0.7, 0.9, 1.0])[None, None, :, None]
        data["fss"] = (("model", "threshold", "scale", "lead_time"), sedi[:, 0, :, :1] * growing)
    half = 0 if shape[0] % 2 else 90 / shape[0]
    latitude = np.linspace(-90 + half, 90 - half, shape[0])
    longitude = np.arange(shape[1]) * 360 / shape[1]
    chosen = hours[:: max(1, len(hours) // 4)][:4]
    field_map = np.zeros((m, f, len(chosen), *shape))
    wave = np.cos(np.radians(3 * longitude)) * np.cos(np.radians(latitude))[:, None]
    for j, field in enumerate(fields):
        for k in range(len(chosen)):
            field_map[:, j, k] = maps[field][k] if maps else SIZES[field] * (k + 1) * wave
    share = np.array([1.0, 1.5, 1.2, np.nan])[:m] if m < 5 else np.ones(m)
    over = share[:, None, None, None, None]
    by_map = ("model", "field", "map_lead_time", "latitude", "longitude")
    data["bias_map"] = (by_map, 0.3 * field_map * over)
    data["rmse_map"] = (by_map, np.abs(field_map) * over + 0.1 * size[..., None])
    for name, (dims, values) in data.items():
        if "model" in dims and name != "power":
            values = np.array(values)
            values[-1] = np.nan
            data[name] = (dims, values)
    return xr.Dataset(
        data,
        coords={
            "model": names,
            "field": list(fields),
            "field_units": ("field", [UNITS[field] for field in fields]),
            "region": list(regions),
            "lead_time": (hours * 3.6e12).astype("timedelta64[ns]"),
            "map_lead_time": (chosen * 3.6e12).astype("timedelta64[ns]"),
            "quantile": QUANTILES,
            "threshold": ("threshold", THRESHOLDS, {"units": "mm"}),
            "scale": SCALES,
            "latitude": latitude,
            "longitude": longitude,
        },
    )


def heat_wave() -> dict[str, Any]:
    """A case with rows, a series and a map."""
    times = np.datetime_as_string(
        np.datetime64("2026-03-20T00") + np.arange(20) * np.timedelta64(12, "h"), "s"
    ).tolist()
    truth = (300 + 8 * np.exp(-(((np.arange(20) - 10) / 4) ** 2))).tolist()
    latitude, longitude = np.linspace(30, 50, 11), np.linspace(350, 380, 16) % 360
    longitude = np.linspace(0, 30, 16)
    field = 300 + 10 * np.outer(np.cos(np.radians(4 * latitude)), np.sin(np.radians(6 * longitude)))
    return {
        "id": 1,
        "title": "Heat wave of the made-up spring",
        "kind": "heat_wave",
        "start": "2026-03-23T00:00:00",
        "end": "2026-03-27T00:00:00",
        "region": {"latitude": [30.0, 50.0], "longitude": [0.0, 30.0]},
        "covered": True,
        "field": "t2m",
        "unit": "K",
        "rows": [
            {"model": model, "lead_hours": hours, "score": score, "name": name, "unit": unit}
            for name, unit, scale in (("onset error", "h", 6.0), ("peak error", "K", 1.3))
            for model, hours, score in (("unet", 24, scale), ("unet", 72, 2 * scale), ("persistence", 24, None))
        ],
        "series": {
            "times": times,
            "over_box": "mean",
            "truth": truth,
            "forecasts": {"unet": {"24": [*(t + 0.5 for t in truth[:-1]), None], "72": [t - 2 for t in truth]}},
        },
        "map": {
            "time": times[10],
            "lead_hours": 72.0,
            "latitude": latitude.tolist(),
            "longitude": longitude.tolist(),
            "truth": field.tolist(),
            "forecast": (field - 2 + 3 * np.sin(field)).tolist(),
        },
    }


def cyclone() -> dict[str, Any]:
    """A case with tracks alone, across the antimeridian."""
    times = np.datetime_as_string(np.datetime64("2026-03-20T00") + np.arange(9) * np.timedelta64(6, "h"), "s").tolist()
    steps = np.arange(9.0)
    truth = {
        "times": times,
        "latitude": (-12 - 1.2 * steps).tolist(),
        "longitude": ((172 + 2.0 * steps + 0.3 * steps**1.5) % 360).tolist(),
        "wind_m_s": (25 + 20 * np.sin(steps / 3)).tolist(),
        "pressure_pa": (99000 - 4500 * np.sin(steps / 3)).tolist(),
    }
    made = [
        {
            **truth,
            "initial_time": f"2026-03-{day}T00:00:00",
            "latitude": (-12 - (1.2 + 0.1 * k) * steps).tolist(),
            "longitude": ((172 + (2.2 + 0.3 * k) * steps) % 360).tolist(),
            "wind_m_s": (22 + 12 * np.sin(steps / 3)).tolist(),
        }
        for k, day in enumerate((18, 19))
    ]
    return {
        "id": 12,
        "title": "Cyclone Example",
        "kind": "tropical_cyclone",
        "start": "2026-03-20T00:00:00",
        "end": "2026-03-22T00:00:00",
        "region": {"latitude": [-30.0, -5.0], "longitude": [165.0, 200.0]},
        "covered": True,
        "field": "msl",
        "unit": "Pa",
        "rows": [{"model": "unet", "lead_hours": 24, "score": 180.0, "name": "track error", "unit": "km"}],
        "tracks": {"truth": truth, "forecasts": made},
    }


def made_up_facts(forecast: str = "unet", members: int = 1, initial_times: int = 12) -> dict[str, Any]:
    """scores.json of the same evaluation."""
    return {
        "forecast": forecast,
        "truth": "ERA5, 1 degree",
        "climatology": "ERA5 1990-2019, day of year and hour",
        "period": ["2026-03-01T00:00:00", "2026-03-25T00:00:00"],
        "initial_times": initial_times,
        "members": members,
        "grid": {"kind": "regular", "latitudes": 181, "longitudes": 360},
        "version": "0.1.0",
        "repairs": ["tp: 12 values below zero, down to -1.2e-9 m, were set to zero"],
        "headline": [],
        "cases": [heat_wave(), cyclone(), {**cyclone(), "id": 13, "covered": False}],
    }


@pytest.fixture
def results_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes scores.nc and scores.json into an empty folder."""

    def write(scores: xr.Dataset | None = None, facts: dict[str, Any] | None = None) -> Path:
        scores = made_up_scores() if scores is None else scores
        scores.to_netcdf(tmp_path / "scores.nc", engine="netcdf4")
        (tmp_path / "scores.json").write_text(json.dumps(made_up_facts() if facts is None else facts))
        return tmp_path

    return write
