"""Exact averages over data that comes in batches and processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sciml.train.batches import Batch, map_tensors
from sciml.train.problem import Problem
from sciml.train.ranks import sum_over_ranks

Number = float | int


class Totals:
    """Sums and counts by name, in float64."""

    def __init__(self, totals: Mapping[str, tuple[Number, Number]] | None = None) -> None:
        self.totals: dict[str, tuple[Number, Number]] = dict(totals or {})

    def add(self, values: Mapping[str, tuple[Number, Number]]) -> None:
        for name, (total, count) in values.items():
            old_total, old_count = self.totals.get(name, (0.0, 0.0))
            self.totals[name] = (old_total + total, old_count + count)

    def means(self) -> dict[str, float]:
        """Averages over all processes; NaN where nothing was counted."""
        names = sorted(self.totals)
        values = torch.tensor([self.totals[name] for name in names], dtype=torch.float64).reshape(-1, 2)
        means: dict[str, float] = {}
        for name, (total, count) in zip(names, sum_over_ranks(values).tolist(), strict=True):
            means[name] = total / count if count else math.nan
        return {name: means[name] for name in self.totals}


def to_numbers(scalars: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalar tensors as Python numbers, fetched from their device all at once."""
    stacked = torch.stack([scalar.detach().to(torch.float64) for scalar in scalars.values()])
    return dict(zip(scalars, stacked.tolist(), strict=True))


def validate(
    problem: Problem,
    loader: DataLoader[Batch],
    device: torch.device,
    precision: Callable[[], AbstractContextManager[None]],
) -> tuple[dict[str, float], float]:
    """The averaged metrics over the validation data, and the score to monitor (less is better).

    Gradients stay on, because forces are derivatives.
    """
    network = problem.network
    was_training = network.training
    network.eval()
    totals, losses = Totals(), Totals()
    try:
        for data, samples in loader:
            data: Any = map_tensors(lambda tensor: tensor.to(device), data) if device.type != "cpu" else data
            with torch.enable_grad(), precision():
                pairs = problem.metrics(network, data)
                if problem.validation_loss is None:
                    losses.add({"loss": (samples * problem.loss(network, data)["loss"].item(), samples)})
            sums = to_numbers({name: total for name, (total, _) in pairs.items()})
            counts = to_numbers({name: count for name, (_, count) in pairs.items()})
            totals.add({name: (sums[name], counts[name]) for name in pairs})
    finally:
        network.train(was_training)
    means = totals.means()
    metrics = {name: math.sqrt(mean) if name.endswith("_rmse") else mean for name, mean in means.items()}
    if problem.validation_loss is None:
        return metrics, losses.means()["loss"]
    return metrics, float(problem.validation_loss(metrics))
