"""Every experiment of the catalogue takes two training steps, on stand-in data or on the samples that come with it."""

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


def experiments(domain: str) -> list[str]:
    return [name for name in sorted(entries("experiments")) if compose(name)["domain"] == domain]


def takes_two_steps(name: str, folder: Path, *overrides: str) -> None:
    """With one batch an epoch."""
    always = ("--train.epochs=2", "--train.batch_size=100", "--train.max_minutes=null", "--train.warmup_steps=0")
    raw = compose(name, [*overrides, *always])
    domain = load_domain(raw, name)
    config = parse(domain.config_class(raw), raw)
    problem = domain.build(config)
    before = [parameter.clone() for parameter in problem.network.parameters()]
    result = fit(problem, config.train, Run.create(folder, resolve(raw, config)))
    assert result.steps == 2
    after = list(problem.network.parameters())
    assert all(torch.isfinite(parameter).all() for parameter in after)
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("name", experiments("materials"))
def test_materials(name: str, stand_in: Callable[..., Path], tmp_path: Path):
    elements = compose(name)["dataset"]["elements"]
    train, test = stand_in("train.extxyz", elements), stand_in("test.extxyz", elements, 2)
    takes_two_steps(name, tmp_path / "run", f"--dataset.train={train}", f"--dataset.test={test}")


@pytest.mark.parametrize("name", experiments("weather"))
def test_weather(name: str, tmp_path: Path):
    takes_two_steps(name, tmp_path / "run")


@pytest.mark.parametrize("name", experiments("pinn"))
def test_pinn(name: str, tmp_path: Path):
    sampling = {"points": 50, "every": 1, "validation": 50}
    takes_two_steps(name, tmp_path / "run", *(f"--sampling.{key}={value}" for key, value in sampling.items()))


@pytest.mark.parametrize("name", experiments("pde"))
def test_pde(name: str, tmp_path: Path):
    takes_two_steps(name, tmp_path / "run", "--dataset.n_train=2", "--dataset.n_validation=1")
