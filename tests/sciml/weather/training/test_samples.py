"""Samples have the right values at the right times, in and out of batches, and never what they must not know."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch.utils.data import DataLoader

from sciml.core.checkpoint import load_checkpoint, save_checkpoint
from sciml.core.errors import UserError
from sciml.train.batches import map_tensors
from sciml.weather.grid import Grid
from sciml.weather.training import reading, samples
from sciml.weather.training.forcings import forcing_fields, relative_radiation
from sciml.weather.training.samples import ForecastSamples
from sciml.weather.training.statistics import Statistics, compute_statistics
from sciml.weather.training.stream import Reading
from sciml.weather.training.values import ForecastBatch, SampleConfig, collate

CONFIG = SampleConfig(
    ("z500", "t2m"), diagnostics=("u10",), step_hours=6, history=2, steps=3, static=("lsm", "position")
)
PERIOD = ("2020-01-01", "2020-01-10")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 1)


def make(data: xr.Dataset, config: SampleConfig = CONFIG, **options: Any) -> ForecastSamples:
    static = xr.Dataset(
        {"lsm": (("latitude", "longitude"), np.eye(4, 6))}, coords=data[["latitude", "longitude"]].coords
    )
    statistics = compute_statistics(data, config.all_fields, period=PERIOD, step_hours=config.step_hours)
    options = {"static": static, "period": PERIOD, "reading": Reading(shuffle_blocks=3), **options}
    return ForecastSamples(data, config, statistics, **options)


def check_batch(batch: ForecastBatch, samples: ForecastSamples, data: xr.Dataset) -> None:
    """By the times that the batch names, from the data and the statistics."""
    config, known = samples.config, samples.statistics
    assert batch.inputs.is_contiguous() and batch.targets.is_contiguous()
    for i, nanoseconds in enumerate(batch.time.tolist()):
        now = np.datetime64(nanoseconds, "ns")
        times = now + np.arange(1 - config.history, config.steps + 1) * np.timedelta64(config.step_hours, "h")
        part = data.sel(time=times)
        wanted = np.stack([part["z"].sel(level=500), part["t2m"], part["u10"]], axis=1).astype(np.float64)
        mean, std = known.of("mean", config.all_fields), known.of("std", config.all_fields)
        wanted = (wanted - mean[:, None, None]) / std[:, None, None]
        h = config.history
        # float32 of z near 5e4 with a deviation of 1000: 4e-3 / 1000, and the rounding of the mean
        np.testing.assert_allclose(batch.inputs[i], wanted[:h, :2], atol=1e-5)
        np.testing.assert_allclose(batch.targets[i], wanted[h:], atol=1e-5)
        forcings = np.empty(batch.forcings[i].shape, np.float32)
        for row, time in zip(forcings, times, strict=True):
            radiation = np.empty(row.shape[1:], np.float32)
            relative_radiation(samples.reader.grid, time, config.step_hours, radiation)
            forcing_fields(config.forcings, samples.reader.grid, time, radiation, row)
        np.testing.assert_array_equal(batch.forcings[i], forcings)


def same(one: ForecastBatch, other: ForecastBatch) -> None:
    for name, a, b in zip(ForecastBatch._fields, one, other, strict=True):
        assert torch.equal(a, b), name


def test_one_sample_by_number(data: xr.Dataset) -> None:
    samples = make(data.chunk(time=4))
    assert len(samples) == 36 and samples.skipped == 4
    sample = samples[0]
    assert [tuple(tensor.shape) for tensor in sample] == [
        (2, 2, 4, 6),
        (3, 3, 4, 6),
        (5, 5, 4, 6),
        (5, 0, 4, 6),
        (5, 4, 6),
        (),
    ]
    check_batch(collate([samples[i] for i in (35, 3, -1)]), samples, data)
    assert torch.equal(samples[-1].time, samples[35].time)
    with pytest.raises(IndexError):
        samples[36]
    np.testing.assert_array_equal(samples.static[0], np.eye(4, 6))
    assert samples.static_names[:2] == ("lsm", "sin_latitude") and len(samples.forcing_names) == 5


@pytest.mark.parametrize("times", [1, 7, 40])
@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_has_every_sample_and_decodes_every_chunk_once(
    stored: Callable[..., Any], data: xr.Dataset, times: int, shuffle: bool
) -> None:
    lazy, store = stored(data, times=times)
    samples = make(lazy)
    store.reads.clear()
    batches = samples.batches(5, seed=1, shuffle=shuffle)
    found = list(batches)
    assert set(store.reads.values()) == {1}
    assert [len(batch.time) for batch in found] == [5] * 7 + [1] and len(batches) == samples.batches_per_epoch(5) == 8
    for batch in found:
        check_batch(batch, samples, data)
    initial = torch.cat([batch.time for batch in found]).numpy()
    np.testing.assert_array_equal(np.sort(initial) if shuffle else initial, samples.initial_times.astype(np.int64))
    # in order of time one by one, too
    store.reads.clear()
    for i in range(len(samples)):
        assert samples[i].time == samples.initial_times[i].astype(np.int64)
    assert set(store.reads.values()) == {1}


def test_an_epoch_is_the_same_again_and_after_a_resume(data: xr.Dataset) -> None:
    samples = make(data.chunk(time=3))
    whole = list(samples.batches(4, seed=2, epoch=5))
    for start in (0, 4, 9):
        rest = list(samples.batches(4, seed=2, epoch=5, start=start))
        assert len(rest) == 9 - start
        for one, other in zip(whole[start:], rest, strict=True):
            same(one, other)
    other = torch.cat([batch.time for batch in samples.batches(4, seed=2, epoch=6)])
    assert not torch.equal(torch.cat([batch.time for batch in whole]), other)


def test_processes_share_the_chunks(stored: Callable[..., Any]) -> None:
    from .conftest import make_data

    data = make_data(times=40)
    lazy, store = stored(data, times=2)
    samples = make(lazy)
    store.reads.clear()
    seen = [torch.cat([batch.time for batch in samples.batches(2, rank=rank, world=2)]).tolist() for rank in range(2)]
    assert set(store.reads.values()) == {1}
    assert len(seen[0]) == len(seen[1]) == 2 * samples.batches_per_epoch(2, 2)
    assert not set(seen[0]) & set(seen[1])


def test_batches_outlive_the_pool(data: xr.Dataset) -> None:
    """Memory is used again, but not that of a batch that somebody holds."""
    samples = make(data.chunk(time=3))
    kept = [(batch, map_tensors(torch.clone, batch)) for batch in samples.batches(2)]
    for batch, copy in kept:
        same(batch, copy)


def test_a_loader_of_torch_takes_it(data: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = make(data.chunk(time=3)).batches(4)
    for one, other in zip(DataLoader(batches, batch_size=None), batches, strict=True):
        same(one, other)
    # what a process of a loader with two is told
    monkeypatch.setattr(samples, "get_worker_info", lambda: SimpleNamespace(num_workers=2))
    with pytest.raises(UserError, match="num_workers=0"):
        next(iter(batches))


def test_gaps_are_passed_over_and_counted(data: xr.Dataset) -> None:
    config = SampleConfig(("t2m",), step_hours=6, static=())
    gappy = data.isel(time=[0, 1, 2, 5, 6, 10, 20, 21, 22])
    samples = make(gappy, config)
    kept = gappy["time"].values[[0, 1, 3, 6, 7]]
    np.testing.assert_array_equal(samples.initial_times, kept)
    assert samples.skipped == 4
    assert torch.cat([batch.time for batch in samples.batches(2, shuffle=False)]).tolist() == kept.astype(int).tolist()
    with pytest.raises(UserError, match=r"3 times 18 h apart.*neighbours are 6, 18, 24, 60 h apart"):
        make(
            gappy,
            SampleConfig(("t2m",), step_hours=18, steps=2, static=()),
        )


def test_missing_values_are_masked_where_that_is_said_and_refused_elsewhere(data: xr.Dataset) -> None:
    data["u10"][:, 1, 2:] = np.nan
    data["t2m"][7, 3, 3] = np.nan
    config = SampleConfig(("t2m", "z500"), diagnostics=("u10",), missing=("u10",), static=())
    with pytest.raises(UserError, match="`t2m` has missing or infinite values at 2020-01-02T18:00"):
        list(make(data.chunk(time=4), config).batches(3))
    with pytest.raises(UserError, match="`t2m` has missing"):
        make(data.chunk(time=4), config)[7]
    config = SampleConfig(("t2m", "z500"), diagnostics=("u10",), missing=("u10", "t2m"), static=())
    samples = make(data.chunk(time=4), config)
    sample = samples[6]
    assert torch.isfinite(sample.targets).all()
    assert (sample.targets[0, 2, 1, 2:] == 0).all() and sample.targets[0, 0, 3, 3] == 0
    wanted = torch.ones(2, 2, 4, 6)
    wanted[:, 0, 1, 2:] = 0
    wanted[1, 1, 3, 3] = 0
    assert torch.equal(sample.valid, wanted)
    assert (sample.targets[0, 2][sample.valid[1, 0] == 1] != 0).all()


def test_units_come_back(data: xr.Dataset) -> None:
    samples = make(data)
    sample = samples[0]
    for values, last in ((sample.targets, 3), (sample.inputs, 2)):
        physical = samples.denormalise(values)
        at = data["time"].values[2:5] if last == 3 else data["time"].values[:2]
        # float32 near 280
        np.testing.assert_allclose(physical[:, 1], data["t2m"].sel(time=at), rtol=1e-6)
        torch.testing.assert_close(samples.normalise(physical), values, atol=1e-5, rtol=0)


def test_what_was_trained_on_is_not_tested_on(data: xr.Dataset) -> None:
    train, test = ("2020-01-01", "2020-01-06"), ("2020-01-07", "2020-01-09")
    config = SampleConfig(("t2m",))
    known = compute_statistics(data, ("t2m",), period=train)
    assert len(ForecastSamples(data, config, known, period=train)) == 23
    assert len(ForecastSamples(data, config, known, period=test, held_out=True)) == 11
    with pytest.raises(UserError, match="Compute them for the period of training"):
        ForecastSamples(data, config, known, period=test)
    for period in (train, ("2020-01-06T18", "2020-01-09"), None):
        with pytest.raises(UserError, match="Held-out samples .* overlap"):
            ForecastSamples(data, config, known, period=period, held_out=True)


def test_metadata_fits_a_checkpoint(data: xr.Dataset, tmp_path: Path) -> None:
    samples = make(data)
    save_checkpoint(tmp_path / "c.safetensors", {"w": torch.ones(1)}, samples.metadata())
    metadata = load_checkpoint(tmp_path / "c.safetensors")[1]
    assert Statistics.from_json(metadata["statistics"]) == samples.statistics
    assert metadata["units"] == {"z500": "m**2 s**-2", "t2m": "K", "u10": "m s**-1"}
    assert json.loads(json.dumps(metadata)) == samples.metadata()


def test_bad_settings_are_refused(data: xr.Dataset) -> None:
    for options, words in (
        ({"fields": ()}, "at least one field"),
        ({"steps": 0}, "steps of at least 1"),
        ({"forcings": ("sun",)}, "is no forcing"),
        ({"missing": ("sst",)}, "none of the fields t2m"),
        ({"step_hours": 48}, "at most 24 hours"),
    ):
        with pytest.raises(UserError, match=words):
            SampleConfig(**{"fields": ("t2m",), **options})
    flat = data.assign(t2m=xr.full_like(data["t2m"], 280.0))
    with pytest.raises(UserError, match="`t2m` does not vary"):
        make(flat)
    with pytest.raises(UserError, match="memory_gb"):
        next(iter(make(data, reading=Reading(memory_gb=1e-9)).batches(2)))


# 480 times of two fields of 246 kB are 236 MB; a pool of some 200 frames takes 100 MB, stacks of threads the rest
YEARS = """
import resource, sys
import numpy as np, xarray as xr, torch, zarr
from sciml.weather.training.samples import ForecastSamples
from sciml.weather.training.statistics import compute_statistics
from sciml.weather.training.stream import Reading
from sciml.weather.training.values import SampleConfig

zarr.config.set({"threading.max_workers": 1})
data = xr.open_zarr(sys.argv[1], chunks={}, consolidated=False)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
limit = used + 180 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
period = ("2020", "2021")
reading = Reading(shuffle_blocks=2, threads=1, prefetch_blocks=1)
known = compute_statistics(data, ("t2m", "msl"), period=period, reading=reading)
samples = ForecastSamples(data, SampleConfig(("t2m", "msl"), forcings=()), known, reading=reading)
print(sum(len(batch.time) for batch in samples.batches(2)))
try:
    data.load()
except MemoryError:
    print("does not fit")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits the memory for data")
def test_years_that_do_not_fit_in_memory(tmp_path: Path) -> None:
    n, y, x, length = 480, 181, 340, 24
    grid = Grid(np.linspace(-90, 90, y), np.arange(x) * 360 / x)
    time = np.datetime64("2020-01-01", "ns") + np.arange(n) * np.timedelta64(6, "h")
    coordinates = {"time": time, "latitude": grid.latitude, "longitude": grid.longitude}
    rows = (280 + np.arange(n, dtype=np.float32) % 7)[:, None, None] + np.arange(y, dtype=np.float32)[:, None] % 5
    for first in range(0, n, 10 * length):
        part = np.broadcast_to(rows[first : first + 10 * length], (10 * length, y, x))
        arrays = {name: (("time", "latitude", "longitude"), part, {"units": "K"}) for name in ("t2m", "msl")}
        piece = xr.Dataset(arrays, coords={**coordinates, "time": time[first : first + 10 * length]})
        options: Any = (
            {"append_dim": "time"} if first else {"encoding": {name: {"chunks": (length, y, x)} for name in arrays}}
        )
        piece.to_zarr(tmp_path / "years.zarr", consolidated=False, **options)
    command = [sys.executable, "-c", YEARS, str(tmp_path / "years.zarr")]
    environment = {
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONPATH": str(Path(reading.__file__).parents[3]),
    }
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ended.stdout.split("\n") == ["479", "does not fit", ""], ended.stderr
