"""Every experiment of the catalogue takes two training steps, on stand-in data of its elements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sciml.cli.domains import load_domain
from sciml.core.catalogue import entries
from sciml.core.config import compose, parse, resolve
from sciml.core.runs import Run
from sciml.train.run import fit


@pytest.mark.parametrize(
    "name", [name for name in sorted(entries("experiments")) if compose(name)["domain"] == "materials"]
)
def test_two_steps(name: str, stand_in: Callable[..., Path], tmp_path: Path):
    elements = compose(name)["dataset"]["elements"]
    raw = compose(
        name,
        [
            f"--dataset.train={stand_in('train.extxyz', elements)}",
            f"--dataset.test={stand_in('test.extxyz', elements, 2)}",
            # one batch an epoch
            "--train.epochs=2",
            "--train.batch_size=100",
            "--train.max_minutes=null",
            "--train.warmup_steps=0",
        ],
    )
    domain = load_domain(raw, name)
    config = parse(domain.config_class(raw), raw)
    problem = domain.build(config)
    before = [parameter.clone() for parameter in problem.network.parameters()]
    result = fit(problem, config.train, Run.create(tmp_path / "run", resolve(raw, config)))
    assert result.steps == 2
    after = list(problem.network.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
