"""A small problem for the trainer's tests, with forces by autograd and dropout; as a program it trains in a folder.

python toy.py FOLDER '{"epochs": 3, ...}' '{"n_train": 16, ...}' starts a run in FOLDER with those keys of TrainConfig
and those arguments of `make_problem`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from sciml.core.runs import Run
from sciml.train.batches import TrainBatches, ValidationBatches
from sciml.train.config import TrainConfig
from sciml.train.problem import Problem
from sciml.train.progress import Progress
from sciml.train.run import fit


class Surface(nn.Module):
    """An energy of a point, and the force on it."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        energy = self.layers(x).squeeze(-1)
        (gradient,) = torch.autograd.grad(energy.sum(), x, create_graph=self.training)
        return energy, -gradient


def collate(samples: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def loss(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    energy, force = network(batch["x"])
    energy_loss = (energy - batch["energy"]).square().mean()
    force_loss = (force - batch["force"]).square().mean()
    return {"loss": energy_loss + force_loss, "energy": energy_loss, "force": force_loss}


def metrics(network: nn.Module, batch: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    energy, force = network(batch["x"])
    return {
        "energy_mae": ((energy - batch["energy"]).abs().sum(), torch.tensor(energy.numel())),
        "force_rmse": ((force - batch["force"]).square().sum(), torch.tensor(force.numel())),
    }


def make_problem(
    n_train: int = 20, n_validation: int = 7, width: int = 8, dropout: float = 0.2, score: str = "force"
) -> Problem:
    """The energy sin x + cos y at random points. Every call makes the same problem.

    The validation score is the error of the force, its negative ("worse", so that learning never improves it), or the
    mean "loss".
    """
    scores = {"force": lambda means: means["force_rmse"], "worse": lambda means: -means["force_rmse"], "loss": None}
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(n_train + n_validation, 2, generator=generator)
    samples = [
        {"x": point, "energy": point[0].sin() + point[1].cos(), "force": torch.stack([-point[0].cos(), point[1].sin()])}
        for point in points
    ]
    torch.manual_seed(2)
    return Problem(
        network=Surface(width, dropout),
        loss=loss,
        metrics=metrics,
        train_data=samples[:n_train],
        validation_data=samples[n_train:],
        collate=collate,
        validation_loss=scores[score],
        metadata={"domain": "toy"},
    )


class Source:
    """A BatchSource with the very batches that the trainer makes of the samples itself."""

    def __init__(self, samples: list[dict[str, Tensor]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def batches_per_epoch(self, batch_size: int, world: int) -> int:
        return len(TrainBatches(len(self), batch_size, 0, world, Progress()))

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, rank: int, world: int, start: int, shuffle: bool
    ) -> Iterator[tuple[dict[str, Tensor], int]]:
        assert rank < world
        if shuffle:
            indices = TrainBatches(len(self), batch_size, seed, world, Progress(epoch=epoch, batch=start))
        else:
            indices = ValidationBatches(len(self), batch_size, world)
        for batch in indices:
            yield collate([self.samples[i] for i in batch]), len(batch)


if __name__ == "__main__":
    folder, config, arguments = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(1)
    fit(make_problem(**arguments), TrainConfig(**config), Run(folder))
