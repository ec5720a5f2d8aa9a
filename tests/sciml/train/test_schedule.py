"""The learning rate at the ends and in between."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciml.train.config import TrainConfig
from sciml.train.progress import Progress
from sciml.train.schedule import Best, Plateau, fraction_done, learning_rate

CONFIG = TrainConfig(epochs=10, learning_rate=1.0, minimum_learning_rate=0.01, warmup_steps=5)


def test_progress_is_the_further_of_steps_and_time() -> None:
    config = dataclasses.replace(CONFIG, max_minutes=2.0)
    assert fraction_done(CONFIG, Progress(step=25), batches_per_epoch=5) == 0.5
    assert fraction_done(config, Progress(step=25, seconds=30.0), batches_per_epoch=5) == 0.5
    assert fraction_done(config, Progress(step=25, seconds=90.0), batches_per_epoch=5) == 0.75
    assert fraction_done(config, Progress(step=25, seconds=999.0), batches_per_epoch=5) == 1.0


def test_cosine_is_torchs() -> None:
    """The second road: torch's CosineAnnealingLR over the same steps."""
    import torch

    config = dataclasses.replace(CONFIG, warmup_steps=0)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0.01)
    for step in range(50):
        # torch multiplies its rate up from step to step, which rounds a little
        assert learning_rate(config, step, step / 50) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-12)
        optimizer.step()
        scheduler.step()


def test_warm_up_is_linear() -> None:
    config = dataclasses.replace(CONFIG, schedule="constant")
    assert [learning_rate(config, step, 0.0) for step in range(7)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0])


def test_plateau_does_not_go_below_the_minimum() -> None:
    config = dataclasses.replace(CONFIG, schedule="plateau", warmup_steps=0)
    assert learning_rate(config, 0, 0.0, plateau_scale=0.5) == 0.5
    assert learning_rate(config, 0, 0.0, plateau_scale=1e-9) == 0.01


@given(
    step=st.integers(0, 10**6), fraction=st.floats(0, 1), schedule=st.sampled_from(["constant", "cosine", "plateau"])
)
def test_never_above_the_largest_nor_zero(step: int, fraction: float, schedule: str) -> None:
    config = dataclasses.replace(CONFIG, schedule=schedule)
    assert 0 < learning_rate(config, step, fraction) <= 1.0


def test_plateau_shrinks_after_its_patience() -> None:
    config = dataclasses.replace(CONFIG, plateau_factor=0.5, plateau_patience_epochs=2)
    plateau, scales = Plateau(), []
    for epoch, improved in enumerate([True, False, False, False, False, False, False, True, False], start=1):
        plateau.update(config, improved, epoch)
        scales.append(plateau.scale)
    assert scales == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_best_is_the_first_smallest() -> None:
    best = Best()
    assert [best.update(score, epoch) for epoch, score in enumerate([3.0, 2.0, 2.0, math.nan, 2.5], start=1)] == [
        *(True, True, False, False, False)
    ]
    assert (best.score, best.epoch) == (2.0, 2)
