"""What a batch of training samples goes through before the network sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

from sciml.cli.main import main
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.plain_yaml import dump_yaml
from sciml.core.runs import Run
from sciml.fno.grids import Grid
from sciml.pde.experiment import build, config_class, load_surrogate
from sciml.pde.training import CoarseStart
from sciml.train.problem import Problem

Files = Callable[..., Path]
MIRROR = {"flip": ["x"]}
SLIDE = {"slide": {"x": 1}}


def problem(file: Path, dataset: dict[str, Any], **parts: Any) -> Problem:
    raw = {
        "domain": "pde",
        "dataset": {"train": str(file), "inputs": ["u"], "outputs": ["u"], **dataset},
        "model": {"architecture": "fno", "modes": [4], "width": 4, "layers": 1},
        **parts,
    }
    return build(parse(config_class(raw), raw))


class Seen(torch.nn.Module):
    """A network that keeps what it is given and gives back its last channel."""

    def __init__(self) -> None:
        super().__init__()
        self.size = torch.nn.Parameter(torch.ones(()))
        self.inputs: list[Tensor] = []

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        self.inputs.append(x)
        return self.size * x[..., -1:]


def seen(trained: Problem, fraction: float) -> Tensor:
    """What the network is given of all training samples."""
    assert trained.collate is not None and trained.on_progress is not None
    network = Seen()
    trained.on_progress(fraction)
    trained.loss(network, trained.collate([trained.train_data[i] for i in range(len(trained.train_data))]))  # pyright: ignore[reportIndexIssue, reportArgumentType]
    return network.inputs[0]


def test_training_begins_on_every_second_point(heat_file: Files):
    trained = problem(heat_file("a.nc"), {}, coarse={"every": 2, "until": 0.5})
    late = seen(trained, 0.5)
    assert torch.equal(seen(trained, 0.49), late[:, ::2])
    assert late.shape[1] == 16


def test_a_coarse_forecast_and_its_truth_are_on_the_same_points(heat_file: Files):
    trained = problem(heat_file("a.nc", n_times=5), {}, rollout={"history": 2, "calls": 2}, coarse={"every": 4})
    assert seen(trained, 0.0).shape[1:] == (4, 2)


def test_a_coarse_start_without_the_ends_is_refused(heat_file: Files):
    with pytest.raises(UserError, match=r"`coarse.every` is 3, but of 16 points along an axis that is periodic"):
        problem(heat_file("a.nc"), {}, coarse={"every": 3})
    with pytest.raises(UserError, match="of 16 points along an axis that is not periodic"):
        CoarseStart(every=4).check(Grid((16,), (False,)))
    CoarseStart(every=5).check(Grid((16,), (False,)))
    with pytest.raises(UserError, match=r"`coarse.every` needs to be between 2 and 64"):
        CoarseStart(every=1)


def test_samples_are_transformed_in_training_and_not_in_validation(heat_file: Files):
    file = heat_file("a.nc")
    plain, augmented = (problem(file, {"symmetries": [SLIDE], "augment": on}) for on in (False, True))
    torch.manual_seed(0)
    moved, there = seen(augmented, 0.0), seen(plain, 0.0)
    assert not torch.allclose(moved, there)
    # a slide keeps the sizes of the waves
    assert torch.allclose(torch.fft.rfft(moved, dim=1).abs(), torch.fft.rfft(there, dim=1).abs(), atol=1e-4)
    assert augmented.collate is not None
    batch = augmented.collate([augmented.validation_data[0]])  # pyright: ignore[reportIndexIssue]
    network = Seen()
    found = [trained.metrics(network, batch)["relative_l2"][0] for trained in (augmented, augmented, plain)]
    assert found[0] == found[1] == found[2]


def test_a_formula_reaches_the_network_and_goes_with_the_run(heat_file: Files, tmp_path: Path):
    """Trained, scored and predicted on a file that does not have the field; symmetric where it is asked for."""
    file = heat_file("a.nc", n_times=4)
    raw = {
        "domain": "pde",
        "dataset": {
            "train": str(file),
            "inputs": ["u", "wave"],
            "outputs": ["u"],
            "formulas": {"wave": "cos(2 * pi * x)"},
            "symmetries": [MIRROR],
            "augment": True,
            "average": True,
            "n_test": 2,
        },
        "rollout": {"residual": True},
        "coarse": {"every": 2, "until": 0.5},
        "model": {"architecture": "fno", "modes": [4], "width": 4, "layers": 1, "coordinates": False},
        "train": {"epochs": 2, "warmup_steps": 0, "threads": 1},
    }
    (tmp_path / "waves.yaml").write_text(dump_yaml(raw))
    run = Run(tmp_path / "run")
    assert main(["train", str(tmp_path / "waves.yaml"), "--run", str(run.path)]) == 0
    assert main(["predict", str(run.path), str(file), "-o", str(tmp_path / "p.nc")]) == 0
    surrogate, network, _ = load_surrogate(run)
    assert surrogate.inputs.names == ("wave",)
    x = torch.arange(16) / 16
    wave = torch.cos(2 * torch.pi * x)[None, :, None]
    u = torch.from_numpy(xr.open_dataset(file).u.values[:1, :1, :, None])
    with torch.no_grad():
        found = surrogate.predict(network, wave, u, torch.empty(1, 0), 3)
        turned = surrogate.predict(network, wave, u.flip(2).roll(1, 2), torch.empty(1, 0), 3)
    with xr.open_dataset(tmp_path / "p.nc") as file_of_predictions:
        # float32, in batches of another size
        assert np.allclose(file_of_predictions.u.values[:1], found[..., 0], atol=1e-5)
    assert torch.allclose(turned.flip(2).roll(1, 2), found, atol=1e-5)
