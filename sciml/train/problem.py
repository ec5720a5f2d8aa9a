"""What a domain hands to the trainer: a network, a loss, data and how to score them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Samples(Protocol):
    """A dataset in memory: a length and a sample a number. A list is one, a torch Dataset with `__len__` too."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class Problem:
    """One training task.

    Attributes:
        network: what is trained; its initial weights are part of the task, so seed before building it.
        loss: (network, batch) to named scalars; the one called "loss" is differentiated, the others are logged.
        metrics: (network, batch) to name -> (sum, count) over the batch. Sums and counts are added over batches and
            processes and divided at the end, so a mean is exact however the data is cut. Of a name that ends in
            "_rmse" the sum is of squares and the root is taken; others are means.
        train_data: samples to learn from.
        validation_data: samples to choose the best weights by.
        collate: a list of samples to one batch.
        validation_loss: from the averaged metrics to the number that is monitored, less is better; None takes the mean
            of "loss" over the validation samples.
        metadata: JSON that goes into each checkpoint: domain, config, elements, units, normalisation, data fingerprint.
    """

    network: nn.Module
    loss: Callable[[nn.Module, Any], dict[str, Tensor]]
    metrics: Callable[[nn.Module, Any], dict[str, tuple[Tensor, Tensor]]]
    train_data: Samples
    validation_data: Samples
    collate: Callable[[Sequence[Any]], Any]
    validation_loss: Callable[[dict[str, float]], float] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
