"""Which samples make which batch: a pure function of seed, epoch and rank, so that a resumed run sees the same.

With several processes a step takes `processes * batch_size` of the shuffled samples and cuts them into equal parts (the
last step as equal as can be; when there are fewer samples left than processes, they are left out of that epoch). A loss
is an average over its part, and gradients are averaged over processes: that is the gradient of the whole step when the
parts are equal, and weighs samples slightly differently in a last step that does not divide evenly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from sciml.train.config import TrainConfig
from sciml.train.precision import doubled
from sciml.train.problem import BatchSource, Problem, Samples
from sciml.train.progress import Progress
from sciml.train.ranks import rank
from sciml.train.seeding import mix


class Batch(NamedTuple):
    """A collated batch and how many samples it has."""

    data: Any
    samples: int


class Collate:
    """The domain's collate; the batch's real numbers in float64 when the network computes in it."""

    def __init__(self, collate: Callable[[Sequence[Any]], Any], double: bool) -> None:
        self.collate, self.double = collate, double

    def __call__(self, samples: Sequence[Any]) -> Batch:
        data = self.collate(samples)
        return Batch(map_tensors(doubled, data) if self.double else data, len(samples))


class TrainBatches(Sampler[list[int]]):
    """Indices of this process's batches of the epoch that `progress` is in, without those that are done already."""

    def __init__(self, n_samples: int, batch_size: int, seed: int, world: int, progress: Progress) -> None:
        self.n_samples, self.batch_size, self.seed = n_samples, batch_size, seed
        self.world, self.progress = world, progress

    def __len__(self) -> int:
        steps, rest = divmod(self.n_samples, self.batch_size * self.world)
        return steps + (rest >= self.world)

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(mix(self.seed, self.progress.epoch))
        order = torch.randperm(self.n_samples, generator=generator)
        together = self.batch_size * self.world
        for step in range(self.progress.batch, len(self)):
            parts = order[step * together : (step + 1) * together].tensor_split(self.world)
            yield parts[rank()].tolist()


class ValidationBatches(Sampler[list[int]]):
    """Indices of this process's share of the validation data, in order; shares may differ in length."""

    def __init__(self, n_samples: int, batch_size: int, world: int) -> None:
        self.n_samples, self.batch_size, self.world = n_samples, batch_size, world

    def __iter__(self) -> Iterator[list[int]]:
        share = list(range(rank(), self.n_samples, self.world))
        for start in range(0, len(share), self.batch_size):
            yield share[start : start + self.batch_size]


class SourceBatches(IterableDataset[Batch]):
    """This process's batches of a `BatchSource`: shuffled, without those done, or in order."""

    def __init__(self, source: BatchSource, config: TrainConfig, progress: Progress, shuffle: bool) -> None:
        self.source, self.config, self.progress, self.shuffle = source, config, progress, shuffle

    def __len__(self) -> int:
        """Of a shuffled epoch, those that are done among them."""
        return self.source.batches_per_epoch(self.config.batch_size, self.config.devices)

    def __iter__(self) -> Iterator[Batch]:
        config, progress = self.config, self.progress
        batches = self.source.batches(
            config.batch_size,
            seed=config.seed,
            epoch=progress.epoch if self.shuffle else 0,
            rank=rank(),
            world=config.devices,
            start=progress.batch if self.shuffle else 0,
            shuffle=self.shuffle,
        )
        for data, samples in batches:
            yield Batch(map_tensors(doubled, data) if config.precision == "float64" else data, samples)


class Loaders:
    """This process's batches: `train`, shuffled anew each epoch, and `validation`."""

    def __init__(self, problem: Problem, config: TrainConfig, progress: Progress) -> None:
        self.batches_per_epoch, self.train = _train_loader(problem, config, progress)
        self.validation = _validation_loader(problem, config, progress)


def _train_loader(problem: Problem, config: TrainConfig, progress: Progress) -> tuple[int, DataLoader[Batch]]:
    data = problem.train_data
    if isinstance(data, BatchSource):
        batches = SourceBatches(data, config, progress, shuffle=True)
        return len(batches), _source_loader(batches)
    indices = TrainBatches(len(data), config.batch_size, config.seed, config.devices, progress)
    return len(indices), _loader(problem, data, indices, config)


def _validation_loader(problem: Problem, config: TrainConfig, progress: Progress) -> DataLoader[Batch]:
    data = problem.validation_data
    if isinstance(data, BatchSource):
        return _source_loader(SourceBatches(data, config, progress, shuffle=False))
    return _loader(problem, data, ValidationBatches(len(data), config.batch_size, config.devices), config)


def _loader(problem: Problem, data: Samples, batches: Iterable[list[int]], config: TrainConfig) -> DataLoader[Batch]:
    assert problem.collate is not None, "a Problem with Samples needs collate"
    return DataLoader(
        cast("Dataset[Any]", data),
        batch_sampler=batches,
        collate_fn=Collate(problem.collate, double=config.precision == "float64"),
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        # its own, so that making an iterator leaves the generator that the network uses as it is
        generator=torch.Generator(),
    )


def _source_loader(batches: Dataset[Batch]) -> DataLoader[Batch]:
    # a source reads with threads of its own; workers would each go through all of it
    return DataLoader(batches, batch_size=None, num_workers=0, generator=torch.Generator())


def map_tensors(function: Callable[[Tensor], Tensor], batch: Any) -> Any:
    """A batch with a function applied to its tensors: tensors, dicts, lists, tuples, torch-geometric's batches."""
    match batch:
        case Tensor():
            return function(batch)
        case dict():
            return {key: map_tensors(function, value) for key, value in batch.items()}
        case list():
            return [map_tensors(function, value) for value in batch]
        case tuple():
            values = [map_tensors(function, value) for value in batch]
            return type(batch)(*values) if hasattr(batch, "_fields") else tuple(values)
        case _ if hasattr(batch, "apply"):
            return batch.apply(function)
        case _:
            return batch
