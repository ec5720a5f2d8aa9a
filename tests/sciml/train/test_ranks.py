"""Two processes on a CPU train as one with the doubled batch, and their metrics are exact."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from sciml.core.checkpoint import load_checkpoint
from sciml.core.runs import Run
from sciml.train.config import TrainConfig
from sciml.train.ranks import largest_over_ranks, rank, sum_over_ranks, world_size
from sciml.train.run import fit

# 16 samples are two steps an epoch; the 7 samples of the validation make shares of 4 and 3, in batches of 4 and 8
ARGUMENTS = {"n_train": 16, "n_validation": 7, "dropout": 0.0}
DOUBLED = TrainConfig(
    epochs=3, batch_size=8, learning_rate=0.01, warmup_steps=2, ema_decay=0.9, gradient_clip=0.5, precision="float64"
)


def rows(run: Run) -> list[dict[str, str]]:
    with run.log_file.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_process_needs_no_setup() -> None:
    assert (rank(), world_size()) == (0, 1)
    values = torch.tensor([1.0, 2.0])
    assert torch.equal(sum_over_ranks(values), values)
    assert torch.equal(largest_over_ranks(values), values)


def test_two_processes_are_one_with_the_doubled_batch(
    toy: ModuleType, toy_file: Path, new_run: Callable[[str], Run]
) -> None:
    one, two = new_run("one"), new_run("two")
    single = fit(toy.make_problem(**ARGUMENTS), DOUBLED, one)
    config: dict[str, Any] = dataclasses.asdict(dataclasses.replace(DOUBLED, batch_size=4, devices=2))
    done = subprocess.run(
        [sys.executable, str(toy_file), str(two.path), json.dumps(config), json.dumps(ARGUMENTS)],
        capture_output=True,
        text=True,
        timeout=900,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("epoch 3/3"), "the first process prints, and only it"
    assert done.stdout.count("epoch 3/3") == 1

    for name in ("best", "last"):
        expected, found = load_checkpoint(getattr(one, name))[0], load_checkpoint(getattr(two, name))[0]
        for key, tensor in network_and_average(expected).items():
            # float64: gradients are summed in another order, and Adam divides by their size
            torch.testing.assert_close(found[key], tensor, rtol=1e-9, atol=1e-11)
    for expected_row, row in zip(rows(one), rows(two), strict=True):
        expected_row.pop("seconds"), row.pop("seconds")
        assert {name: float(value) for name, value in row.items()} == pytest.approx(
            {name: float(value) for name, value in expected_row.items()}, rel=1e-9
        )
    assert len(list(two.tensorboard_dir.iterdir())) == 1
    assert single.steps == int(rows(two)[-1]["step"]) == 6


def network_and_average(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if "rng" not in name}
