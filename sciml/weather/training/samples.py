"""The samples of a canonical dataset as torch takes them, one by one or an epoch in batches.

Fields are normalised with the training period's mean and standard deviation. A field named in `missing` (such as the
sea surface temperature) may have missing values: they are 0, the mean, after normalisation, and `valid` says where. Any
other missing value is refused, with its time.

Shapes: b samples, d fields and diagnostics, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from sciml.core.errors import UserError
from sciml.weather.training.forcings import forcing_channels, forcing_fields, relative_radiation
from sciml.weather.training.memory import RecycledMemory
from sciml.weather.training.plan import Plan, SampleFrames, ordered_plan, shuffled_plan, steps_per_epoch
from sciml.weather.training.planes import copy_frames
from sciml.weather.training.reading import FrameReader
from sciml.weather.training.static import static_channel_names, static_channels
from sciml.weather.training.statistics import Period, Statistics, time_span
from sciml.weather.training.stream import PooledBatch, Reading, stream
from sciml.weather.training.values import ForecastBatch, SampleConfig, frames_of_samples


class ForecastSamples(Dataset[ForecastBatch]):
    """The samples of a canonical dataset within a period.

    As a dataset it has a length and gives sample `i`, in order of time; that decodes whole chunks, of which the last
    few are kept. `batches` reads an epoch, and decodes no chunk twice.

    Args:
        data: canonical, as `sciml.weather.era5.open_era5` gives; lazy.
        config: what a sample has.
        statistics: of the training period.
        static: variables on (latitude, longitude).
        period: first and last time of inputs and targets; all that the data have without it.
        held_out: these samples are to validate or test, so no time may be of the statistics' period. Others must be of
            exactly that period.
        reading: order, threads and memory of an epoch.

    Attributes:
        initial_times: of the samples, datetime64[ns].
        skipped: initial times of the period for which the data lack an earlier or a later time.
        static: the static channels.

    Raises:
        UserError: no sample, statistics of something else or of times that they must not know, a field that does not
            vary, or whatever FrameReader and `static_channels` refuse.
    """

    def __init__(
        self,
        data: xr.Dataset,
        config: SampleConfig,
        statistics: Statistics,
        *,
        static: xr.Dataset | None = None,
        period: Period | None = None,
        held_out: bool = False,
        reading: Reading | None = None,
    ) -> None:
        if period is not None:
            data = data.sel(time=slice(*period))
        self.config, self.statistics, self.reading = config, statistics, reading or Reading()
        self.reader = FrameReader(data, config.all_fields)
        statistics.check(config.all_fields, self.reader.units, self.reader.grid, config.step_hours)
        _check_period(time_span(self.reader.time), statistics.period, held_out)
        std = statistics.of("std", config.all_fields)
        if flat := [name for name, value in zip(config.all_fields, std, strict=True) if value == 0]:
            raise UserError(f"`{flat[0]}` does not vary in the training period and cannot be normalised. Leave it out.")
        self._offset = statistics.of("mean", config.all_fields).astype(np.float32)
        self._scale = (1 / std).astype(np.float32)
        self._missing = [config.all_fields.index(name) for name in config.missing]
        frames = frames_of_samples(self.reader.time, config)
        self._frames = SampleFrames(frames, self.reader.edges)
        self.initial_times = self.reader.time[frames[:, config.history - 1]]
        self.skipped = len(self.reader.time) - len(frames)
        self.static = torch.from_numpy(static_channels(static, config.static, self.reader.grid))
        # of pools and batches, kept from epoch to epoch
        self._memory = RecycledMemory()
        self._recent: dict[int, NDArray[np.float32]] = {}

    @property
    def forcing_names(self) -> tuple[str, ...]:
        return forcing_channels(self.config.forcings)

    @property
    def static_names(self) -> tuple[str, ...]:
        return static_channel_names(self.config.static)

    def metadata(self) -> dict[str, Any]:
        """What a checkpoint has to keep of the data, as JSON: config, names, units, normalisation, fingerprint."""
        return {
            "samples": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.config).items()},
            "units": dict(zip(self.config.all_fields, self.reader.units, strict=True)),
            "forcings": list(self.forcing_names),
            "static": list(self.static_names),
            "statistics": self.statistics.to_json(),
            "initial_times": {"first_and_last": list(time_span(self.initial_times)), "number": len(self)},
        }

    def __len__(self) -> int:
        return len(self._frames.frames)

    def __getitem__(self, index: int) -> ForecastBatch:
        number = range(len(self))[index]
        wanted = self._frames.frames[number]
        blocks = self.reader.blocks_of(wanted)
        for block in np.unique(blocks).tolist():
            self._recent[block] = self._recent.pop(block) if block in self._recent else self._read_block(block)
        # as many as a sample can need, and one that the next may go back to
        for block in list(self._recent)[: -len(np.unique(blocks)) - 1]:
            del self._recent[block]
        starts = self.reader.edges[blocks]
        pool = np.stack([self._recent[b][i] for b, i in zip(blocks.tolist(), (wanted - starts).tolist(), strict=True)])
        slots = np.arange(len(wanted))[None]
        batch = self._batch(PooledBatch(np.array([number]), wanted[None], pool, slots))
        return ForecastBatch(*(tensor[0] for tensor in batch))

    def batches(
        self,
        batch_size: int,
        *,
        seed: int = 0,
        epoch: int = 0,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
        shuffle: bool = True,
    ) -> EpochBatches:
        """One epoch in batches, which decodes each chunk that it needs once.

        Args:
            batch_size: samples a batch; the last one of one process may be smaller.
            seed: with `epoch`, `rank` and `world` decides the order, as `sciml.weather.training.plan` describes.
            epoch: its number.
            rank: of this process, below `world`.
            world: processes that share the samples. Shuffled, all have the same number of batches, some samples are
                left out, others in each epoch, and no chunk is read by two; in order, each sample is in one process,
                and a chunk is read by two where their parts meet.
            start: batches done already; the rest is the same as in the whole epoch.
            shuffle: or in order of time.

        Raises:
            UserError: too few samples for so many processes.
        """
        if shuffle:
            plan = shuffled_plan(
                self._frames,
                batch_size=batch_size,
                shuffle_blocks=self.reading.shuffle_blocks,
                seed=seed,
                epoch=epoch,
                rank=rank,
                world=world,
                start=start,
            )
        else:
            plan = ordered_plan(self._frames, batch_size=batch_size, rank=rank, world=world, start=start)
        return EpochBatches(self, plan)

    def batches_per_epoch(self, batch_size: int, world: int = 1) -> int:
        """Batches of a process in a shuffled epoch, the same for each.

        Raises:
            UserError: too few samples for so many processes.
        """
        return steps_per_epoch(self._frames, batch_size, world)

    def normalise(self, values: Float[Tensor, "*b d y x"]) -> Float[Tensor, "*b d y x"]:
        """Physical units to normalised; the last channels, the diagnostics, may be lacking."""
        offset, scale = self._offset_and_scale(values)
        return (values - offset) * scale

    def denormalise(self, values: Float[Tensor, "*b d y x"]) -> Float[Tensor, "*b d y x"]:
        """Normalised to physical units: the inverse of `normalise`."""
        offset, scale = self._offset_and_scale(values)
        return values / scale + offset

    def _offset_and_scale(self, values: Tensor) -> tuple[Tensor, Tensor]:
        channels = values.shape[-3]
        both = (torch.from_numpy(array[:channels]).to(values)[:, None, None] for array in (self._offset, self._scale))
        offset, scale = both
        return offset, scale

    # ----------------------------------------------------------------------------------------------- frames and batches

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Of a frame in the pool: fields and diagnostics, where they are valid, radiation."""
        rows = len(self.config.all_fields) + len(self._missing) + ("toa_radiation" in self.config.forcings)
        return rows, *self.reader.grid.shape

    def read_frames(self, frames: NDArray[np.int64], out: Sequence[NDArray[np.float32]]) -> None:
        """Frames of one block, normalised, with `valid` and radiation after the fields; see `stream`."""
        d = len(self.config.all_fields)
        m = d + len(self._missing)
        sums = self.reader.read(frames, [rows[:d] for rows in out], self._offset, self._scale)
        for time, rows, total in zip(self.reader.time[frames], out, sums.tolist(), strict=True):
            for number, row in enumerate(self._missing, d):
                gone = np.isnan(rows[row])
                rows[number] = ~gone
                rows[row][gone] = 0
            if not np.isfinite(total) and not np.isfinite(rows[:d]).all():
                self._refuse_missing(rows[:d], time)
            if len(rows) > m:
                relative_radiation(self.reader.grid, time, self.config.step_hours, rows[m])

    def _refuse_missing(self, rows: NDArray[np.float32], time: np.datetime64) -> None:
        bad = ~np.isfinite(rows).all(axis=(1, 2))
        name = self.config.all_fields[int(np.argmax(bad))]
        raise UserError(
            f"`{name}` has missing or infinite values at {np.datetime_as_string(time, unit='m')}. "
            f"Name it in `missing`, or drop or repair such times."
        )

    def _read_block(self, block: int) -> NDArray[np.float32]:
        frames = np.arange(self.reader.edges[block], self.reader.edges[block + 1])
        wanted = np.intersect1d(frames, self._frames.frames)
        values = np.empty((len(frames), *self.row_shape), np.float32)
        self.read_frames(wanted, [values[i] for i in wanted - frames[0]])
        return values

    def _batch(self, batch: PooledBatch) -> ForecastBatch:
        """Copies a batch out of the pool."""
        (b, t), (_, y, x) = batch.slots.shape, self.row_shape
        h, c, d = self.config.history, len(self.config.fields), len(self.config.all_fields)
        m = d + len(self._missing)

        def copied(times: slice, rows: slice) -> Tensor:
            slots = batch.slots[:, times]
            out = self._memory.take((*slots.shape, len(range(self.row_shape[0])[rows]), y, x))
            copy_frames(batch.pool, slots, rows, out.numpy())
            return out

        return ForecastBatch(
            inputs=copied(slice(0, h), slice(0, c)),
            targets=copied(slice(h, t), slice(0, d)),
            forcings=self._forcings(batch),
            valid=copied(slice(0, t), slice(d, m)),
            static=self.static.expand(b, *self.static.shape),
            time=torch.from_numpy(self.initial_times[batch.samples].astype(np.int64)),
        )

    def _forcings(self, batch: PooledBatch) -> Tensor:
        """Only what takes longer to find than to copy comes out of the pool."""
        row = len(self.config.all_fields) + len(self._missing)
        out = self._memory.take((*batch.slots.shape, len(self.forcing_names), *self.row_shape[1:]))
        places = out.numpy().reshape(batch.slots.size, *out.shape[2:])
        for place, frame, slot in zip(places, batch.frames.ravel().tolist(), batch.slots.ravel().tolist(), strict=True):
            radiation = batch.pool[slot, row] if row < self.row_shape[0] else None
            time: Any = self.reader.time[frame]
            forcing_fields(self.config.forcings, self.reader.grid, time, radiation, place)
        return out


class EpochBatches(IterableDataset[ForecastBatch]):
    """The batches of an epoch; may be gone through any number of times, and closed in the middle.

    A torch DataLoader takes it with `batch_size=None` and `num_workers=0`: it reads with threads of its own.

    Attributes:
        plan: what is read and emitted.
    """

    def __init__(self, samples: ForecastSamples, plan: Plan) -> None:
        self.samples, self.plan = samples, plan

    def __len__(self) -> int:
        return len(self.plan.batches)

    def __iter__(self) -> Iterator[ForecastBatch]:
        worker = get_worker_info()
        if worker is not None and worker.num_workers > 1:
            raise UserError(
                f"{worker.num_workers} workers would each read the whole epoch. Use num_workers=0, and "
                "Reading(threads=...) for more threads."
            )
        samples = self.samples
        frames, shape = samples._frames.frames, samples.row_shape
        for batch in stream(self.plan, frames, shape, samples.read_frames, samples.reading, samples._memory):
            yield samples._batch(batch)


def _check_period(own: Period, known: Period, held_out: bool) -> None:
    """Keeps what a network is tested on out of what it is normalised with."""
    if held_out and own[0] <= known[1] and known[0] <= own[1]:
        raise UserError(
            f"Held-out samples from {own[0]} to {own[1]} overlap the period of the statistics, {known[0]} to "
            f"{known[1]}, which are of the training data. Choose another period."
        )
    if not held_out and own != known:
        raise UserError(
            f"The statistics are of {known[0]} to {known[1]}, but the samples are of {own[0]} to {own[1]}. Compute "
            "them for the period of training, or say held_out=True for samples to validate or test."
        )
