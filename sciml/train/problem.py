"""What a domain hands to the trainer: a network, a loss, data and how to score them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn
from torch.optim import Optimizer


@runtime_checkable
class Samples(Protocol):
    """A dataset in memory: a length and a sample a number. A list is one, a torch Dataset with `__len__` too."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@runtime_checkable
class BatchSource(Protocol):
    """Data that makes batches itself, such as files of which it reads each part once an epoch."""

    def __len__(self) -> int: ...

    def batches_per_epoch(self, batch_size: int, world: int, /) -> int:
        """Batches of each of `world` processes in a shuffled epoch, as many for each."""
        ...

    def batches(
        self, batch_size: int, /, *, seed: int, epoch: int, rank: int, world: int, start: int, shuffle: bool
    ) -> Iterable[tuple[Any, int]]:
        """This process's batches of an epoch from batch `start` on, each with its number of samples.

        A pure function of its arguments. Without `shuffle` all samples, each in one process, come in their order.
        """
        ...


@runtime_checkable
class Stateful(Protocol):
    """What changes on the way beside the network, such as points that follow the loss; JSON values and tensors."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


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
        collate: a list of samples to one batch; None where both data are a `BatchSource`.
        validation_loss: from the averaged metrics to the number that is monitored, less is better; None takes the mean
            of "loss" over the validation samples.
        on_progress: called before each step with the fraction of the training that is done, for a loss that changes on
            the way, as by longer roll-outs.
        state: saved and restored with the trainer's own.
        second_order: for a problem that offers the optimisers of SECOND_ORDER, from the name of one to the optimiser.
        metadata: JSON that goes into each checkpoint: domain, config, elements, units, normalisation, data fingerprint.
    """

    network: nn.Module
    loss: Callable[[nn.Module, Any], dict[str, Tensor]]
    metrics: Callable[[nn.Module, Any], dict[str, tuple[Tensor, Tensor]]]
    train_data: Samples | BatchSource
    validation_data: Samples | BatchSource
    collate: Callable[[Sequence[Any]], Any] | None = None
    validation_loss: Callable[[dict[str, float]], float] | None = None
    on_progress: Callable[[float], None] | None = None
    state: Stateful | None = None
    second_order: Callable[[str], Optimizer] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
