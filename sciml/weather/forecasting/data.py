"""The data of a forecasting experiment: which files and years, which fields, and what samples the trainer takes."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr

from sciml.core.catalogue import cache_dir, find_data_file
from sciml.core.checks import check_ranges
from sciml.core.data_files import FileConfig, lasting
from sciml.core.errors import UserError
from sciml.core.runs import read_json, write_json
from sciml.fno.grids import Grid as OperatorGrid
from sciml.fno.grids import SphereKind
from sciml.weather.era5 import open_era5
from sciml.weather.fields import Field, fields_of
from sciml.weather.grid import Grid
from sciml.weather.networks.layout import ChannelLayout
from sciml.weather.training.samples import ForecastSamples
from sciml.weather.training.statistics import Period, Statistics, compute_statistics, data_key, time_span
from sciml.weather.training.stream import Reading
from sciml.weather.training.values import ForecastBatch, SampleConfig

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

# rows of statistics that were computed before, in the cache folder
_CACHE = "weather-statistics"


@dataclass(frozen=True)
class WeatherDataConfig:
    """The `dataset:` part of an experiment: a folder of the catalogue, or one's own analyses.

    Attributes:
        name: folder in datasets/.
        files: train, validation, test and static; the catalogue's.
        variables: what the catalogue says of the units in them; not used.
        folder: with train.zarr, validation.zarr, test.zarr and static.nc, as `sciml data make speedy-t31` writes.
        train, validation, test: one's own files, folders, globs or addresses, as `sciml score` takes; without the last
            two, that of `train` is used, and periods are needed.
        static: one's own file with the variables of `static_fields`.
        train_period, validation_period, test_period: first and last time, such as [2000, 2003]; all if null.
        upper: variables on pressure levels.
        levels_hpa: of these; all that the training data have if empty.
        surface: variables of one field.
        direct: those of them that a step gives themselves, not as a change: sums such as rain.
        accumulate_hours: window that rain and other sums are brought to; null leaves them as they are.
        history: states that a step starts from.
        step_hours: of a step.
        forcings: `toa_radiation`, `year`, `local_time`.
        static_fields: `position` and variables of the static file.
        validation_every: 1 uses all validation samples, 4 every fourth.
        shuffle_blocks: from how many chunks of the file at once samples are drawn.
    """

    name: str | None = None
    files: dict[str, FileConfig] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    folder: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    static: str | None = None
    train_period: tuple[str | int, str | int] | None = None
    validation_period: tuple[str | int, str | int] | None = None
    test_period: tuple[str | int, str | int] | None = None
    upper: tuple[str, ...] = ("z", "t", "u", "v", "q")
    levels_hpa: tuple[float, ...] = ()
    surface: tuple[str, ...] = ("t2m", "u10", "v10", "msl", "tp")
    direct: tuple[str, ...] = ("tp",)
    accumulate_hours: int | None = None
    history: int = 1
    step_hours: int = 6
    forcings: tuple[str, ...] = ("toa_radiation", "year", "local_time")
    static_fields: tuple[str, ...] = ("position", "lsm", "z")
    validation_every: int = 1
    shuffle_blocks: int = 32

    def __post_init__(self) -> None:
        check_ranges(
            "dataset",
            self,
            {"history": (1, 16), "step_hours": (1, 24), "validation_every": (1, 10**6), "shuffle_blocks": (1, 10**4)},
        )
        if unknown := [name for name in self.direct if name not in self.surface]:
            raise UserError(f"`dataset.direct` names `{unknown[0]}`, which is none of `surface`.")

    def source(self, split: str) -> str | None:
        """The file, folder or address of a split, or of "static"; None where there is none.

        Raises:
            UserError: it is the catalogue's, and is not there or not as published.
        """
        own = getattr(self, split)
        if own is not None:
            return _place(own)
        if self.folder is not None:
            return _place(f"{self.folder.rstrip('/')}/{'static.nc' if split == 'static' else f'{split}.zarr'}")
        if split in ("validation", "test") and self.train is not None:
            return _place(self.train)
        if split in self.files:
            return str(find_data_file(str(self.name), self.files[split].path, self.files[split].sha256))
        return None

    def period(self, split: Split) -> Period | None:
        """First and last time of a split."""
        given = getattr(self, f"{split}_period")
        return None if given is None else (str(given[0]), str(given[1]))


def _place(source: str) -> str:
    return source if "://" in source else lasting(source)


class ForecastData:
    """The splits of an experiment, opened when they are needed.

    Args:
        config: what and where.
        statistics: of the training period, such as a checkpoint has; computed from the training data without.

    Raises:
        UserError: whatever opening and `ForecastSamples` refuse.
    """

    def __init__(self, config: WeatherDataConfig, statistics: Statistics | None = None) -> None:
        self.config = config
        self._statistics = statistics
        self._opened: dict[Split, xr.Dataset] = {}

    @functools.cached_property
    def statistics(self) -> Statistics:
        """Of the training period; those computed for the same data before are taken from the cache folder."""
        if self._statistics is not None:
            return self._statistics
        data = self.open("train")
        names = self.fields(data)
        key = json.dumps([self.config.source("train"), self.config.step_hours, data_key(data, names)])
        place = cache_dir() / _CACHE / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        if place.is_file():
            return Statistics.from_json(read_json(place))
        found = compute_statistics(
            data, names, period=time_span(data["time"].values), step_hours=self.config.step_hours
        )
        write_json(place, found.to_json())
        return found

    def open(self, split: Split) -> xr.Dataset:
        """The canonical dataset of a split, its period alone; opened and checked once.

        Raises:
            UserError: there is none, it cannot be read, or it has no time in the period.
        """
        if split not in self._opened:
            self._opened[split] = self._open(split)
        return self._opened[split]

    def _open(self, split: Split) -> xr.Dataset:
        config = self.config
        source = config.source(split)
        if source is None:
            raise UserError(
                f"there are no {split} data. Give `dataset.{split}`, or `dataset.folder` with a {split}.zarr."
            )
        data = open_analyses(source, config)
        period = config.period(split)
        if period is None and split != "train" and source == config.source("train"):
            raise UserError(
                f"the {split} data are the training data. Give `dataset.{split}_period` and `dataset.train_period`, "
                f"or another file as `dataset.{split}`."
            )
        if period is not None:
            data = data.sel(time=slice(*period))
        if data.sizes["time"] == 0:
            raise UserError(f"{source} has no time from {' to '.join(period or ())}. Choose another {split} period.")
        return data

    def fields(self, data: xr.Dataset) -> tuple[str, ...]:
        """The fields of a state by name, those on levels first.

        Raises:
            UserError: the data lack one.
        """
        known = {str(found): found for found in fields_of(data)}
        levels = self.config.levels_hpa or tuple(data["level"].values.tolist() if "level" in data.coords else ())
        wanted = [Field(name, float(level)) for name in self.config.upper for level in sorted(levels)]
        names = [str(one) for one in wanted] + list(self.config.surface)
        if lacking := [name for name in names if name not in known]:
            raise UserError(
                f"the data lack `{lacking[0]}` of `dataset.upper` and `dataset.surface`; they have "
                f"{', '.join(list(known)[:16])}{', ...' if len(known) > 16 else ''}."
            )
        return tuple(names)

    def samples(self, split: Split, steps: int = 1) -> ForecastSamples:
        """Samples of a split with so many steps to compare with."""
        data = self.open(split)
        config = self.config
        sample = SampleConfig(
            fields=self.statistics.fields,
            step_hours=config.step_hours,
            history=config.history,
            steps=steps,
            forcings=config.forcings,
            static=config.static_fields,
        )
        return ForecastSamples(
            data,
            sample,
            self.statistics,
            static=self.static(),
            held_out=split != "train",
            reading=Reading(shuffle_blocks=config.shuffle_blocks),
        )

    def static(self) -> xr.Dataset | None:
        """The static fields, latitudes ascending."""
        source = self.config.source("static")
        if source is None:
            return None
        with xr.open_dataset(source, engine="netcdf4") as file:
            return file.load().sortby("latitude")


def open_analyses(source: str, config: WeatherDataConfig) -> xr.Dataset:
    """What an experiment needs of a file, canonical."""
    return open_era5(
        source,
        variables=[*config.upper, *config.surface],
        levels=config.levels_hpa or None,
        accumulate_hours=config.accumulate_hours,
    )


def layout_of(
    config: WeatherDataConfig, statistics: Statistics, n_statics: int, n_forcings: int, n_features: int = 0
) -> ChannelLayout:
    """What the channels of a network are: forcings come twice, of now and of a step later."""
    n_levels = (len(statistics.fields) - len(config.surface)) // len(config.upper) if config.upper else 0
    return ChannelLayout(config.upper, n_levels, config.surface, config.history, 2 * n_forcings, n_statics, n_features)


def sphere_of(grid: Grid) -> OperatorGrid:
    """The grid as networks know it.

    Raises:
        UserError: it is none of the whole sphere with ascending latitudes and longitudes from 0.
    """
    y, x = grid.shape
    step = 180 / y
    regular: dict[SphereKind, Any] = {
        "equiangular": np.linspace(-90, 90, y),
        "equiangular-offset": -90 + step * (np.arange(y) + 0.5),
    }
    kind: SphereKind | None = "gauss-legendre" if grid.kind == "gaussian" else None
    if grid.kind == "regular":
        kind = next((name for name, rows in regular.items() if np.allclose(rows, grid.latitude, atol=1e-3)), None)
    if kind is None or not np.allclose(grid.longitude, np.arange(x) * 360 / x, atol=1e-3):
        raise UserError(
            "Networks of weather need a whole globe: latitudes of a Gaussian grid, or evenly spaced with both poles or "
            f"half a spacing from them, and longitudes from 0; but the data have {y} x {x} points from "
            f"{grid.latitude[0]:g} N {grid.longitude[0]:g} E to {grid.latitude[-1]:g} N {grid.longitude[-1]:g} E. "
            "Bring them to such a grid with sciml.weather.regrid."
        )
    return OperatorGrid((y, x), (False, True), kind)


class EpochsOf:
    """Samples as the trainer takes them (a `BatchSource`), each chunk of the file read once an epoch."""

    def __init__(self, samples: ForecastSamples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def batches_per_epoch(self, batch_size: int, world: int) -> int:
        return self.samples.batches_per_epoch(batch_size, world)

    def batches(self, batch_size: int, **which: Any) -> Iterator[tuple[ForecastBatch, int]]:
        for batch in self.samples.batches(batch_size, **which):
            yield batch, len(batch.time)


class EveryNth:
    """Each n-th sample, in order of time."""

    def __init__(self, samples: ForecastSamples, n: int) -> None:
        self.samples, self.n = samples, n

    def __len__(self) -> int:
        return -(-len(self.samples) // self.n)

    def __getitem__(self, index: int) -> ForecastBatch:
        return self.samples[range(0, len(self.samples), self.n)[index]]
