"""Files of every form, small, written by the libraries that write the real ones."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.samples import sample_path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def grib_folder() -> Path:
    folder = Path(os.environ.get("SCIML_DATA", "")) / "grib"
    if not (folder / "era5-levels-members.grib").is_file():
        pytest.skip("needs grib below $SCIML_DATA")
    return folder


@pytest.fixture
def sample() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        try:
            return sample_path(name)
        except UserError as error:
            pytest.skip(str(error))

    return find


@pytest.fixture
def made() -> Callable[..., xr.Dataset]:
    """A small plausible dataset in canonical names and units, 8 x 16 points, whose values tell their place."""

    def make(
        names: tuple[str, ...] = ("t2m",),
        times: int = 4,
        hours: int = 6,
        levels: tuple[float, ...] = (500.0, 850.0),
        start: str = "2020-01-01",
    ) -> xr.Dataset:
        rows, columns = np.linspace(-78.75, 78.75, 8), np.arange(0, 360, 22.5)
        stamps = np.datetime64(start, "ns") + np.arange(times) * np.timedelta64(hours, "h")
        kinds = {
            "t2m": (280.0, "K"),
            "msl": (1e5, "Pa"),
            "sp": (9e4, "Pa"),
            "sst": (290.0, "K"),
            "tp": (1e-3, "m"),
            "z": (5e4, "m**2 s**-2"),
            "gh": (5e3, "m"),
            "t": (260.0, "K"),
            "q": (1e-3, "kg kg**-1"),
        }
        variables = {}
        for number, name in enumerate(names):
            on_levels = name in ("z", "t", "q", "gh")
            shape = (times, *([len(levels)] if on_levels else []), 8, 16)
            random = np.random.default_rng(number)
            axes = ("time", *(["level"] if on_levels else []), "latitude", "longitude")
            middle, unit = kinds.get(name, (1.0, "1"))
            values = middle * (1 + 0.01 * random.random(shape))
            variables[name] = (axes, values.astype(np.float32), {"units": unit})
        coordinates = {
            "time": stamps,
            "latitude": ("latitude", rows, {"units": "degrees_north"}),
            "longitude": ("longitude", columns, {"units": "degrees_east"}),
        }
        if any("level" in axes for axes, *_ in variables.values()):
            coordinates["level"] = ("level", np.array(levels), {"units": "hPa"})
        return xr.Dataset(variables, coordinates)

    return make


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """The warnings that were logged."""
    with caplog.at_level(logging.WARNING, "sciml.weather"):
        yield lambda: [record.getMessage() for record in caplog.records if record.name == "sciml.weather"]
