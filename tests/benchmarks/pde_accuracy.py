"""Operators trained by `sciml train` and by neuraloperator on the same data for the same time: errors on test samples.

    .venv/bin/python tests/benchmarks/pde_accuracy.py --neuraloperator ~/peers/neuralop/bin/python --data made \
        [--tasks burgers darcy navier-stokes] [--minutes 20] [--keep] [--json out.json]

`SCIML_BENCH_NEURALOPERATOR` does the same as the option. `--data` is the folder in which `sciml data make` has written
burgers-1d, darcy-2d and navier-stokes-1e-3. The two are trained one after the other, each in a process of its own with
one thread. A minute is one of processor time, so that what else the machine does is of no account: ours has as many as
its experiment says, for steps and validations, the peer has as many for its steps alone. Both choose their best weights
by the validation samples; the same function scores both on the test samples, which nothing else sees.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sciml.core.config import compose, parse
from sciml.core.runs import Run
from sciml.pde.dataset import load_split
from sciml.pde.experiment import PdeExperiment, config_class, make_surrogate
from sciml.pde.training import relative_errors

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
WORKER = Path(__file__).parent / "workers" / "neuraloperator_training.py"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Task:
    """What is learnt, and how the peer learns it.

    Attributes:
        experiment: ours; its data, its roll-out and its minutes hold for the peer too.
        options: of `sciml train`, beside those that name the files.
        peer: settings of the peer that are not ours.
    """

    experiment: str
    options: tuple[str, ...] = ()
    peer: dict[str, Any] = field(default_factory=dict)


# The peer's settings for Darcy are those of its config/darcy_config.py, for Navier-Stokes the loss, batch and weight
# decay of its config/navier_stokes_config.py; what they do not say (its network for 10,000 flows on 128 points has 64
# modes, and is trained for days) is as in our experiment.
TASKS = {
    "burgers": Task("burgers-fno", peer={"loss": "l2"}),
    "darcy": Task(
        "darcy-fno",
        ("--dataset.resolution=85",),
        {"modes": [16, 16], "norm": "group_norm", "loss": "h1", "learning_rate": 5e-3, "batch_size": 16},
    ),
    "navier-stokes": Task("navier-stokes-1e-3-fno", ("--dataset.n_validation=25",), {"loss": "h1", "batch_size": 8}),
}


@dataclass(frozen=True)
class Found:
    """How well one of the two did."""

    relative_l2: float
    worst: float
    minutes: float
    parameters: int
    about: dict[str, Any]


def measure(
    task: Task, peer_python: str, data: Path, minutes: float | None, runs: Path, keep: bool = False
) -> dict[str, Found]:
    """Both, one after the other; with `keep` our run is the one that is there, if it has finished."""
    options = [*task.options, *(f"--dataset.{split}={data / split}.nc" for split in SPLITS)]
    if minutes is not None:
        options.append(f"--train.max_minutes={minutes}")
    raw = compose(task.experiment, list(options))
    config = parse(config_class(raw), raw, task.experiment)
    return {
        "sciml": ours(task.experiment, options, runs / Path(task.experiment).stem, keep),
        "neuraloperator": theirs(config, task.peer, peer_python),
    }


def ours(experiment: str, options: list[str], folder: Path, keep: bool) -> Found:
    """By the command line, as anyone would, but for the clock of `train_by_processor_time`."""
    arguments = ["train", experiment, *options, "--run", str(folder), "--overwrite"]
    command = [sys.executable, str(Path(__file__).resolve()), "--sciml", *arguments]
    if not (keep and (folder / "metrics.json").exists()):
        _last_line(command)
    run = Run.open(folder)
    record = json.loads(run.record_file.read_text())
    scores = run.scores()["test"]["all"]
    return Found(
        relative_l2=scores["relative_l2_mean"],
        worst=scores["relative_l2_worst"],
        minutes=record["seconds"] / 60,
        parameters=record["parameters"],
        about={"run": str(folder), "epochs": record["epochs"]},
    )


def train_by_processor_time(arguments: list[str]) -> int:
    """The command line with a trainer whose minutes are those of this process's work."""
    from types import SimpleNamespace

    from sciml.cli.main import main as sciml
    from sciml.train import progress

    progress.time = SimpleNamespace(monotonic=time.process_time)  # pyright: ignore[reportAttributeAccessIssue]
    return sciml(arguments)


def theirs(config: PdeExperiment, settings: dict[str, Any], python: str) -> Found:
    """By the worker, on what our reader reads."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        test = load_split(config.dataset, config.rollout, "test")
        for split in SPLITS:
            samples = load_split(config.dataset, config.rollout, split)
            np.save(folder / f"{split}_x.npy", samples.inputs)
            np.save(folder / f"{split}_y.npy", samples.targets)
        spec = folder / "spec.json"
        spec.write_text(json.dumps(_spec(config, test.domain.periodic, settings)))
        about = json.loads(_last_line([python, str(WORKER), str(spec)]))
        surrogate = make_surrogate(test, config.rollout)
        predicted = torch.from_numpy(np.load(folder / "test_predicted.npy"))
        truth = surrogate.truth(test.batch(slice(None)))
        errors = relative_errors(predicted.double(), truth.double(), surrogate)
    minutes = about["training_cpu_seconds"] / 60
    return Found(float(errors.mean()), float(errors.max()), minutes, about["parameters"], about)


def _spec(config: PdeExperiment, periodic: tuple[bool, ...], settings: dict[str, Any]) -> dict[str, Any]:
    rollout, train = config.rollout, config.train
    return {
        "minutes": train.max_minutes,
        "history": rollout.history if rollout else 0,
        "bundle": rollout.bundle if rollout else 0,
        "modes": list(config.model.modes),
        "width": config.model.width,
        "layers": config.model.layers,
        "norm": None,
        "periodic": list(periodic),
        "batch_size": train.batch_size,
        "learning_rate": train.learning_rate,
        "weight_decay": 1e-4,
        "seed": train.seed,
        **settings,
    }


def _last_line(command: list[str]) -> str:
    """What a command prints last."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **ONE_THREAD})
    if done.returncode:
        raise SystemExit(f"`{' '.join(command[:4])} ...` ended with {done.returncode}; see its messages above.")
    return (done.stdout.strip().splitlines() or [""])[-1]


def show(label: str, found: dict[str, Found]) -> None:
    """The rows of one task."""
    ratio = found["neuraloperator"].relative_l2 / found["sciml"].relative_l2
    print(f"\n{label}: relative L2 error on the test samples, mean (worst)")
    for name, one in found.items():
        print(
            f"  {name:15s} {100 * one.relative_l2:7.3f} % ({100 * one.worst:.3f} %)  {one.parameters:9,d} parameters, "
            f"{one.minutes:.1f} min of processor time"
        )
    print(f"  neuraloperator's error is {ratio:.2f} times ours", flush=True)


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] == ["--sciml"]:
        raise SystemExit(train_by_processor_time(sys.argv[2:]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    default = os.environ.get("SCIML_BENCH_NEURALOPERATOR")
    parser.add_argument("--neuraloperator", metavar="PYTHON", default=default, help="the peer's python")
    parser.add_argument("--data", type=Path, required=True, help="folder of burgers-1d, darcy-2d, navier-stokes-1e-3")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--minutes", type=float, help="in place of those of the experiments")
    parser.add_argument("--runs", type=Path, default=Path("runs/pde-accuracy"), help="our runs go there")
    parser.add_argument("--keep", action="store_true", help="take finished runs of ours that are there already")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.neuraloperator:
        parser.error("--neuraloperator (or SCIML_BENCH_NEURALOPERATOR) needs the python that neuraloperator is in")
    results = {}
    for label in options.tasks:
        task = TASKS[label]
        dataset = str(compose(task.experiment, [])["dataset"]["name"])
        data = options.data / dataset
        found = measure(task, options.neuraloperator, data, options.minutes, options.runs, options.keep)
        show(label, found)
        results[label] = {name: vars(one) for name, one in found.items()}
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
