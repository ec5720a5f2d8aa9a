"""Averages are those over all samples, however they are cut into batches."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sciml.train.batches import Loaders
from sciml.train.config import TrainConfig
from sciml.train.progress import Progress
from sciml.train.validation import Totals, to_numbers, validate


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5), min_size=1, max_size=5))
def test_totals_are_exact(cut: list[list[float]]) -> None:
    totals = Totals()
    for part in cut:
        totals.add({"mse": (sum(x * x for x in part), len(part)), "mae": (sum(map(abs, part)), len(part))})
    everything, means = sum(cut, []), totals.means()
    assert list(means) == ["mse", "mae"]
    # float64, summed in another order
    assert means["mae"] == pytest.approx(math.fsum(map(abs, everything)) / len(everything), rel=1e-12)
    assert means["mse"] == pytest.approx(math.fsum(x * x for x in everything) / len(everything), rel=1e-12)


def test_nothing_counted_is_nan() -> None:
    totals = Totals()
    totals.add({"stress_mae": (0.0, 0)})
    assert math.isnan(totals.means()["stress_mae"])


def test_to_numbers_keeps_whole_numbers() -> None:
    assert to_numbers({"a": torch.tensor(2**40), "b": torch.tensor(0.5)}) == {"a": 2**40, "b": 0.5}


def test_validate_leaves_the_mode_and_uses_evaluation(toy: ModuleType) -> None:
    """Dropout is off inside, forces work under no_grad, and the result does not depend on the batches."""
    problem = toy.make_problem(dropout=0.5)
    problem.network.train()
    results = []
    for size in (2, 7):
        loader = Loaders(problem, TrainConfig(batch_size=size), Progress()).validation
        with torch.no_grad():
            results.append(validate(problem, loader, torch.device("cpu"), contextlib.nullcontext))
    assert problem.network.training, "the mode is as it was"
    (metrics, score), (other, other_score) = results
    problem.network.eval()
    pairs = toy.metrics(problem.network, toy.collate(problem.validation_data))
    assert metrics == pytest.approx(
        {
            "energy_mae": (pairs["energy_mae"][0] / pairs["energy_mae"][1]).item(),
            "force_rmse": (pairs["force_rmse"][0] / pairs["force_rmse"][1]).sqrt().item(),
        },
        rel=1e-6,
    )
    assert metrics == pytest.approx(other, rel=1e-6)  # float32, summed in another order
    assert score == metrics["force_rmse"] == pytest.approx(other_score, rel=1e-6)


def test_validate_restores_the_mode_after_an_error(toy: ModuleType) -> None:
    def fail(network: object, batch: object) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        raise RuntimeError

    problem = dataclasses.replace(toy.make_problem(), metrics=fail)
    loader = Loaders(problem, TrainConfig(), Progress()).validation
    with pytest.raises(RuntimeError):
        validate(problem, loader, torch.device("cpu"), contextlib.nullcontext)
    assert problem.network.training
