"""An experiment on heat in one dimension, small enough for any test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sciml.core.config import parse
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.experiment import config_class

HEAT: dict[str, Any] = {
    "domain": "pinn",
    "space": {"coordinates": {"x": [0.0, 1.0], "t": [0.0, 2.0]}, "fields": ["u"], "time": "t"},
    "equation": {"name": "heat", "constants": {"diffusivity": 0.1}},
    "sampling": {"points": 20, "every": 2, "validation": 10},
    "model": {"architecture": "mlp", "width": 4, "layers": 1},
    "train": {"optimizer": "levenberg-marquardt", "precision": "float64", "epochs": 1},
}


@pytest.fixture
def heat() -> Callable[..., PinnExperiment]:
    """The experiment with whole parts replaced."""

    def make(**parts: Any) -> PinnExperiment:
        raw = {**HEAT, **parts}
        return parse(config_class(raw), raw, "heat.yaml")

    return make
