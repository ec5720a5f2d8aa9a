"""TrainConfig refuses numbers that make no sense, in one line that names the key."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from sciml.core.errors import UserError
from sciml.train.config import TrainConfig


def test_defaults_are_good() -> None:
    TrainConfig()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("max_minutes", 0.0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("weight_decay", -0.1),
        ("warmup_steps", -1),
        ("minimum_learning_rate", 0.1),
        ("plateau_factor", 1.0),
        ("ema_decay", 1.0),
        ("gradient_clip", -1.0),
        ("early_stopping_epochs", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("devices", 0),
        ("threads", 0),
        ("workers", -1),
        ("validate_every_epochs", 0),
        ("save_every_minutes", -1.0),
        ("log_every_steps", 0),
    ],
)
def test_what_is_refused(key: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^`train\.{key}` needs to be .*, but is {value}\.$"):
        dataclasses.replace(TrainConfig(), **{key: value})


@pytest.mark.parametrize("key", ["max_minutes", "ema_decay", "gradient_clip", "early_stopping_epochs", "threads"])
def test_what_may_be_off(key: str) -> None:
    assert getattr(dataclasses.replace(TrainConfig(), **{key: None}), key) is None
