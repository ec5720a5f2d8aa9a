"""A domain of one line, y = slope * x, so that the verbs are tested without any physics."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sciml.cli import domains
from sciml.core.checkpoint import load_checkpoint
from sciml.core.runs import Run, write_json, write_text
from sciml.train.config import TrainConfig
from sciml.train.problem import Problem

EXPERIMENT = """\
domain: line
slope: 3.0
train: {epochs: 2, batch_size: 4, warmup_steps: 0, learning_rate: 0.1}
"""


@dataclass(frozen=True)
class LineConfig:
    slope: float = 2.0
    train: TrainConfig = field(default_factory=TrainConfig)


def config_class(raw: Mapping[str, Any]) -> type:
    return LineConfig


def build(config: LineConfig) -> Problem:
    torch.manual_seed(config.train.seed)
    samples = [(x, config.slope * x) for x in torch.linspace(-1, 1, 12)]

    def error(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        return network(x[:, None])[:, 0] - y

    return Problem(
        network=nn.Linear(1, 1),
        loss=lambda network, batch: {"loss": error(network, batch).square().mean()},
        metrics=lambda network, batch: {
            "y_mae": (error(network, batch).detach().abs().sum(), torch.tensor(float(len(batch[0]))))
        },
        train_data=samples[::2],
        validation_data=samples[1::2],
        collate=lambda pairs: tuple(torch.stack(column) for column in zip(*pairs, strict=True)),
        validation_loss=None,
        metadata={"domain": "line"},
    )


def evaluate(run: Run, data: Path | None) -> dict[str, Any]:
    weights, _ = load_checkpoint(run.best)
    error = abs(float(weights["weight"]) - run.config()["slope"])
    name = "test" if data is None else data.stem
    scores = {
        name: {"all": {"y_mae_mev_per_atom": error, "n": 12}, "groups": {}, "baseline": {"y_mae_mev_per_atom": 3.0}}
    }
    write_json(run.metrics_file, {"splits": scores})
    return scores


def predict(run: Run, source: Path, output: Path) -> str:
    write_text(output, source.read_text())
    return f"{output}: predicted"


def report(run: Run) -> Path:
    write_text(run.report_file, f"<p>{json.dumps(run.record())}</p>")
    return run.report_file


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with experiments/line.yaml; the domain `line` is known."""
    module = ModuleType("line_domain")
    for function in (config_class, build, evaluate, predict, report):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "line_domain", module)
    monkeypatch.setitem(domains.DOMAINS, "line", "line_domain")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/line.yaml").write_text(EXPERIMENT)
    return tmp_path
