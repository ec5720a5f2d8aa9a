"""The nature run's recipe on chunks that a test wrote: canonical weather, splits, a sample, and an environment."""

from __future__ import annotations

import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciml.core.catalogue import find_dataset
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.weather.era5 import open_era5
from sciml.weather.grid import gauss_legendre
from sciml.weather.recipes import nature_run
from sciml.weather.recipes.nature_fields import canonical, static_fields
from sciml.weather.recipes.nature_run import NatureRun, model_python, write_sample

SIGMA = np.array([0.1, 0.4, 0.7, 0.95])
LATITUDE = np.degrees(np.arcsin(gauss_legendre(24)[0]))
LONGITUDE = np.arange(48) * 7.5
LEVELS = (200.0, 500.0, 850.0)
RECIPE = {
    "packages": ["jcm==3.0.0"],
    "start": "1999-12-27",
    "years": {"train": [2000, 2000], "test": [2001, 2001]},
    "levels_hpa": list(LEVELS),
    "twins": {"split": "test", "days": 5, "amplitude_kelvin": 0.5, "seed": 1, "fields": ["z500"]},
    "sample": {"grid": "N4", "levels_hpa": [500], "times": {"train": 3}},
}


def write_chunk(work: Path, day: str, rain: float) -> None:
    """Five days in which all is the same everywhere but the rain of the second six hours."""
    t, p, x, y = 20, len(SIGMA), len(LONGITUDE), len(LATITUDE)
    times = np.datetime64(day, "s") + np.arange(1, t + 1) * np.timedelta64(6, "h")
    log = np.log(SIGMA)[None, :, None, None]
    level, flat = np.ones((t, p, x, y), np.float32), np.ones((t, x, y), np.float32)
    wet = 0 * flat
    wet[1] = rain
    # northward wind grows with the number of the longitude, so that a swap of the axes is seen
    arrays = {
        "u": 5 * level,
        "v": level * np.arange(x, dtype=np.float32)[:, None],
        "t": 280 * level,
        "q": 0.001 * level,
        "z": (-287.04 * 280 * log * level).astype(np.float32),
        "normalized_surface_pressure": flat,
        "t2m": 281 * flat,
        "u10": 3 * flat,
        "v10": 0 * flat,
        "rain_kg_m2": wet,
        "time": times.astype(np.int64),
    }
    (work / "chunks").mkdir(parents=True, exist_ok=True)
    np.savez(work / "chunks" / f"{day}.npz", **arrays)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    for number, day in enumerate(("1999-12-27", "2000-01-01", "2000-01-06")):
        write_chunk(folder, day, rain=float(number))
    np.savez(
        folder / "grid.npz",
        latitude=LATITUDE,
        longitude=LONGITUDE,
        sigma=SIGMA,
        orography_m=np.arange(48 * 24, dtype=np.float32).reshape(48, 24),
        land_fraction=np.zeros((48, 24), np.float32),
    )
    return folder


def test_chunks_are_canonical_weather(work: Path, tmp_path: Path):
    weather = canonical(work, LEVELS)
    assert dict(weather.sizes) == {"time": 60, "level": 3, "latitude": 24, "longitude": 48}
    weather.to_zarr(tmp_path / "weather.zarr", zarr_format=2)
    found = open_era5(str(tmp_path / "weather.zarr")).load()
    # an isothermal atmosphere of 280 K on 1000 hPa
    assert np.allclose(found["z"].sel(level=500), -287.04 * 280 * np.log(0.5), rtol=1e-5)
    assert np.allclose(found["t"], 280)
    # below the lowest level it is not isothermal: 0.4 km of 6.5 K/km
    assert np.allclose(found["msl"], 1e5, rtol=3e-4)
    assert (found["v"].isel(longitude=7) == 7).all()
    assert found["tp"].attrs["units"] == "m"
    # 1 kg m-2 is 1 mm
    assert float(found["tp"].sel(time="2000-01-01T12").max()) == pytest.approx(1e-3)
    assert found["tp"].attrs["accumulation_hours"] == 6


def test_static_fields(work: Path):
    static = static_fields(work)
    assert static["z"].dims == ("latitude", "longitude")
    assert float(static["z"][3, 2]) == pytest.approx(9.81 * (2 * 24 + 3))


def test_the_recipe_writes_splits_and_what_is_there_stays(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nature_run, "model_python", lambda packages: Path(sys.executable))
    asked: list[Any] = []
    monkeypatch.setattr(nature_run, "_integrate", lambda *arguments: asked.append(arguments))
    facts = {"summary": "a trial", "recipe": RECIPE}
    nature_run.make(facts, tmp_path / "out", work, limit=10)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["static.nc", "train.zarr"]
    made = open_era5(str(tmp_path / "out" / "train.zarr"))
    # 00 UTC of 1 January is the last time of the chunk before
    assert str(made["time"].values[0])[:13] == "2000-01-01T00"
    assert str(made["time"].values[-1])[:13] == "2000-01-11T00"
    # five days of spin-up and ten of weather
    assert asked[0][3] == 15
    (tmp_path / "out" / "train.zarr" / "mark").touch()
    nature_run.make(facts, tmp_path / "out", work, limit=10)
    assert (tmp_path / "out" / "train.zarr" / "mark").exists()


def test_what_a_trial_wrote_is_not_taken_for_the_whole(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nature_run, "model_python", lambda packages: Path(sys.executable))
    monkeypatch.setattr(nature_run, "_integrate", lambda *arguments: None)
    facts = {"summary": "a trial", "recipe": RECIPE}
    last = work / "chunks" / "2000-01-06.npz"
    later = last.rename(tmp_path / "later.npz")
    nature_run.make(facts, tmp_path / "out", work, limit=5)
    assert open_era5(str(tmp_path / "out" / "train.zarr")).sizes["time"] == 21
    later.rename(last)
    nature_run.make(facts, tmp_path / "out", work, limit=10)
    assert open_era5(str(tmp_path / "out" / "train.zarr")).sizes["time"] == 41


def test_the_model_is_not_started_where_all_is_there(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nature_run, "model_python", lambda packages: Path(sys.executable))
    monkeypatch.setattr(nature_run, "_integrate", lambda *arguments: None)
    facts = {"summary": "a trial", "recipe": RECIPE}
    nature_run.make(facts, tmp_path / "out", work, limit=10)

    def never(*_: Any) -> None:
        raise AssertionError("the environment is asked for")

    monkeypatch.setattr(nature_run, "model_python", never)
    # nor are the chunks needed
    shutil.rmtree(work)
    nature_run.make(facts, tmp_path / "out", work, limit=10)
    nature_run.make(facts, tmp_path / "out", work, limit=5)
    # the whole, as far as anybody can tell, and its twins
    monkeypatch.setattr(NatureRun, "times", lambda run, split, days: 41 if split == "train" else 0)
    (tmp_path / "out" / "twin-limit.json").touch()
    nature_run.make(facts, tmp_path / "out", work)
    assert (tmp_path / "out" / "sample-train.nc").is_file()
    monkeypatch.undo()
    monkeypatch.setattr(nature_run, "model_python", never)
    # a day more is not there
    with pytest.raises(AssertionError, match="the environment is asked for"):
        nature_run.make(facts, tmp_path / "out", work, limit=11)
    (tmp_path / "out" / "static.nc").unlink()
    with pytest.raises(AssertionError, match="the environment is asked for"):
        nature_run.make(facts, tmp_path / "out", work, limit=10)


def test_how_many_times_a_split_has():
    run = NatureRun.of(RECIPE)
    # six-hourly, from six hours after 27 December 1999 on; the last is the end of the last day
    assert [run.times("train", days) for days in (4, 5, 6, 371, 372)] == [0, 1, 5, 1464, 1464]
    assert run.times("test", 371) == 1
    assert run.times("test", run.days) == 4 * 365


def test_a_sample_is_small_and_close(work: Path, tmp_path: Path):
    canonical(work, LEVELS).to_zarr(tmp_path / "train.zarr", zarr_format=2)
    static_fields(work).to_netcdf(tmp_path / "static.nc", engine="netcdf4")
    write_sample(tmp_path, RECIPE["sample"])
    with xr.open_dataset(tmp_path / "sample-train.nc", engine="netcdf4") as sample:
        assert dict(sample.sizes) == {"time": 3, "level": 1, "latitude": 8, "longitude": 16}
        assert np.allclose(sample["t"], 280)
        # two bytes: to half of a 65,000th of the range
        assert np.allclose(sample["v"].mean(), 23.5, atol=0.01)
    assert (tmp_path / "sample-static.nc").is_file()


def test_the_committed_recipe_has_years_after_its_spin_up():
    run = NatureRun.of(read_yaml(find_dataset("speedy-t31") / "dataset.yaml")["recipe"])
    first = date(min(year for year, _ in run.years.values()), 1, 1)
    assert (first - run.start).days >= 90
    assert sum(last - first + 1 for first, last in run.years.values()) == 6
    assert run.days % nature_run.CHUNK_DAYS == 0


def test_an_interpreter_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCIML_JCM_PYTHON", sys.executable)
    assert model_python(("jcm==3.0.0",)) == Path(sys.executable)
    monkeypatch.setenv("SCIML_JCM_PYTHON", str(tmp_path / "none"))
    with pytest.raises(UserError, match="needs to name a Python interpreter with jcm"):
        model_python(("jcm==3.0.0",))


def test_a_model_that_stops_is_said_with_its_last_words(tmp_path: Path):
    run = NatureRun.of(RECIPE)
    # this interpreter has no jcm
    with pytest.raises(UserError, match=r"the model stopped: .*jcm.*model\.log"):
        nature_run._integrate(Path(sys.executable), tmp_path, run, 5)


def test_no_chunks(tmp_path: Path):
    with pytest.raises(UserError, match="has no chunk"):
        canonical(tmp_path, LEVELS)
