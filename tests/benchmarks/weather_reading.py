"""Training samples from Zarr: ours against decoding the same chunks with zarr alone, and against xbatcher.

    .venv/bin/python tests/benchmarks/weather_reading.py [--rounds 7] [--json out.json]

A store of `--times` six-hourly states on a grid of 1 degree is made in `--folder` and kept: five surface fields of
smooth weather with noise, as coarse as packed analyses are, in chunks of 24 times and all points; as Zarr v3 with its
default codec (zstd) and as Zarr v2 with blosc (lz4). A sample is (state, state six hours later). The rows are

- zarr alone: `array[chunk]` of every chunk, once each, and nothing else
- ours: a shuffled epoch of `ForecastSamples.batches(4)`, where each chunk is decoded once, normalised, checked for
  missing values and copied into batches
- ours, all forcings: the same with radiation, year and local time, five channels more
- xbatcher, windows: `BatchGenerator` of windows of two times in a DataLoader of torch with batches of 4, its documented
  way; in order, as it decodes a chunk for every window in any order. The first `--windows` only
- xbatcher, chunks: `batch_dims` of one chunk, its fastest: it loads a chunk and the one after it, into which its last
  window reaches, at once; without shuffling. The first two chunks only

zarr's own threads and the threads that read for us are `--threads` (1); ours copies batches in the thread that takes
them. Before anything is timed, all have to give the same values. A round measures each row once, forwards in one round
and backwards in the next; ratios are taken within a round. "clock" is what a user waits for; "cpu" is all threads'
time, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# before numpy is imported: what counts here are the threads that the table names
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numcodecs
import numpy as np
import torch
import xarray as xr
import xbatcher
import zarr
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader
from xbatcher.loaders.torch import MapDataset

from sciml.weather.training.samples import ForecastSamples
from sciml.weather.training.statistics import Statistics, compute_statistics, time_span
from sciml.weather.training.stream import Reading
from sciml.weather.training.values import SampleConfig

FIELDS = ("t2m", "d2m", "u10", "v10", "msl")
CHUNK = 24
BATCH = 4
FORCINGS = ("toa_radiation", "year", "local_time")
STORES = {"v3 zstd": 3, "v2 blosc": 2}


@dataclass
class Row:
    """One way to read, and its measurements."""

    store: str
    name: str
    run: Callable[[], int]
    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def record(self) -> None:
        """One measurement, in samples a second."""
        clock, cpu = time.perf_counter(), time.process_time()
        samples = self.run()
        self.clock.append(samples / (time.perf_counter() - clock))
        self.cpu.append(samples / (time.process_time() - cpu))


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    torch.set_num_threads(1)
    zarr.config.set({"threading.max_workers": options.threads, "async.concurrency": max(2, options.threads)})
    known: Statistics | None = None
    rows: list[Row] = []
    for store in options.stores:
        path = _store(options.folder, STORES[store], options.times, options.degrees)
        data = xr.open_zarr(path, chunks={}, consolidated=False)
        # the stores have the same values
        known = known or compute_statistics(data, FIELDS, period=time_span(data["time"].values))
        rows += _rows(store, path, data, known, options)
    for number in range(options.rounds):
        for row in reversed(rows) if number % 2 else rows:
            row.record()
    console = Console()
    for store in options.stores:
        console.print(_table([row for row in rows if row.store == store], store))
    if options.json:
        found = [{key: value for key, value in vars(row).items() if key != "run"} for row in rows]
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="times that every row is measured")
    parser.add_argument("--times", type=int, default=480, help="states in the store; whole chunks of 24")
    parser.add_argument("--degrees", type=float, default=1.0, help="spacing of the grid")
    parser.add_argument("--threads", type=int, default=1, help="of zarr, and of ours that read")
    parser.add_argument("--windows", type=int, default=24, help="samples that xbatcher's windows are measured by")
    parser.add_argument("--stores", nargs="+", choices=list(STORES), default=list(STORES))
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "sciml-benchmarks")
    parser.add_argument("--json", type=Path, help="file for every single measurement")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.times < 2 * CHUNK or options.times % CHUNK:
        parser.error(f"--rounds must be at least 1, and --times a multiple of {CHUNK}, at least {2 * CHUNK}")
    return options


def _rows(store: str, path: Path, data: xr.Dataset, known: Statistics, options: argparse.Namespace) -> list[Row]:
    group = zarr.open_group(path, mode="r")
    reading = Reading(threads=options.threads)

    def samples(forcings: tuple[str, ...], known: Statistics = known) -> ForecastSamples:
        return ForecastSamples(data, SampleConfig(FIELDS, forcings=forcings, static=()), known, reading=reading)

    def zarr_alone() -> int:
        arrays: list[Any] = [group[name] for name in FIELDS]
        for start in range(0, options.times, CHUNK):
            for array in arrays:
                array[start : start + CHUNK]
        return options.times - 1

    epochs = iter(range(10**9))

    def ours(data: ForecastSamples) -> Callable[[], int]:
        return lambda: sum(len(batch.time) for batch in data.batches(BATCH, epoch=next(epochs)))

    window: dict[Hashable, int] = {"time": 2, "latitude": data.sizes["latitude"], "longitude": data.sizes["longitude"]}
    lazy = xr.open_zarr(path, chunks=None, consolidated=False)[list(FIELDS)]

    def windows() -> Iterator[torch.Tensor]:
        generator = xbatcher.BatchGenerator(
            lazy.isel(time=slice(0, options.windows + 1)), window, {"time": 1}, preload_batch=False
        )
        yield from DataLoader(MapDataset(generator, transform=_tensor), batch_size=BATCH)

    def chunks() -> Iterator[np.ndarray]:
        generator = xbatcher.BatchGenerator(
            lazy.isel(time=slice(0, 2 * CHUNK + 1)),
            window,
            {"time": 1},
            batch_dims={"time": CHUNK},
            concat_input_dims=True,
            preload_batch=True,
        )
        for part in generator:
            yield part.to_array().transpose("input_batch", "time_input", "variable", ...).values

    plain = _identity(known)
    _check(samples((), plain), group, windows, chunks, options.windows)
    return [
        Row(store, "zarr alone", zarr_alone),
        Row(store, "ours", ours(samples(()))),
        Row(store, "ours, all forcings", ours(samples(FORCINGS))),
        Row(store, "xbatcher, windows", lambda: sum(len(batch) for batch in windows())),
        Row(store, "xbatcher, chunks", lambda: sum(len(part) for part in chunks())),
    ]


def _store(folder: Path, version: int, times: int, degrees: float) -> Path:
    """Makes the store, if it is not there, and says where it is."""
    path = folder / f"reading-{times}-{degrees:g}-v{version}.zarr"
    if path.exists():
        return path
    print(f"making {path}")
    generator = np.random.default_rng(0)
    latitude, longitude = np.arange(-90, 90 + degrees / 2, degrees), np.arange(0, 360, degrees)
    hours = np.arange(times) * np.timedelta64(6, "h")
    noise = generator.standard_normal((len(latitude), len(longitude)), dtype=np.float32)
    smooth = 20 * np.cos(np.radians(latitude))[:, None] + np.sin(np.radians(3 * longitude))
    codec = {"compressors": (numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),)} if version == 2 else {}
    temporary = path.with_suffix(".part")
    for start in range(0, times, CHUNK):
        arrays = {}
        for name in FIELDS:
            values = np.stack([280 + smooth + np.roll(noise, start + step, 1) for step in range(CHUNK)])
            values += 0.3 * generator.standard_normal(values.shape, dtype=np.float32)
            # files of analyses are packed with some 12 bits of digits
            arrays[name] = (("time", "latitude", "longitude"), (np.round(values * 64) / 64).astype(np.float32))
        coordinates = {"latitude": latitude, "longitude": longitude}
        piece = xr.Dataset(
            arrays, {"time": np.datetime64("2019-01-01", "ns") + hours[start : start + CHUNK], **coordinates}
        )
        encoding: Any = {name: {"chunks": (CHUNK, len(latitude), len(longitude)), **codec} for name in FIELDS}
        new: Any = {"append_dim": "time"} if start else {"mode": "w", "encoding": encoding}
        piece.to_zarr(temporary, zarr_format=version, consolidated=False, **new)
    return temporary.rename(path)


def _tensor(window: Any) -> torch.Tensor:
    """[time, field, latitude, longitude]."""
    return torch.from_numpy(window.to_array().transpose("time", "variable", ...).values)


def _identity(known: Statistics) -> Statistics:
    """Statistics that leave values as they are."""
    values = asdict(known)
    return Statistics(**{**values, "mean": (0.0,) * len(FIELDS), "std": (1.0,) * len(FIELDS)})


def _check(
    ours: ForecastSamples,
    group: zarr.Group,
    windows: Callable[[], Iterator[torch.Tensor]],
    chunks: Callable[[], Iterator[np.ndarray]],
    n: int,
) -> None:
    """All rows have to read the same values.

    Raises:
        RuntimeError: they do not.
    """
    arrays: list[Any] = [group[name] for name in FIELDS]
    wanted = np.stack([array[: max(n, CHUNK) + 1] for array in arrays], axis=1)
    first = ours.initial_times[0].astype(np.int64)
    seen = 0
    for batch in ours.batches(BATCH):
        for sample in range(len(batch.time)):
            place = int((batch.time[sample] - first) // (6 * 3600 * 10**9))
            if place + 1 < len(wanted):
                pair = np.stack([batch.inputs[sample, 0], batch.targets[sample, 0]])
                seen += bool((pair == wanted[place : place + 2]).all())
    found = torch.cat(list(windows())).numpy()
    pairs = np.stack([wanted[:-1], wanted[1:]], axis=1)
    by_chunk = next(iter(chunks()))
    same = (found == pairs[:n]).all() and (by_chunk == pairs[: len(by_chunk)]).all()
    if seen != len(pairs) or not same:
        raise RuntimeError("The rows do not read the same values.")


def _table(rows: list[Row], store: str) -> Table:
    table = Table(title=f"Zarr {store}", title_justify="left")
    for column in (
        "row",
        "samples/s (median, range)",
        "clock / zarr alone",
        "cpu / zarr alone",
        "ours is faster, times",
    ):
        table.add_column(column)
    alone, ours = rows[0], rows[1]
    for row in rows:
        ratios = [
            statistics.median(a / b for a, b in zip(one, other, strict=True))
            for one, other in ((row.clock, alone.clock), (row.cpu, alone.cpu), (ours.clock, row.clock))
        ]
        speed = f"{statistics.median(row.clock):.0f} ({min(row.clock):.0f} - {max(row.clock):.0f})"
        table.add_row(row.name, speed, *(f"{ratio:.2f}" for ratio in ratios))
    return table


if __name__ == "__main__":
    main()
