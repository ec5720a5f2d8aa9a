"""Physics-informed networks of experiments/pinn: several seeds, recipes with a part left out, and deepxde beside them.

    .venv/bin/python tests/benchmarks/pinn_accuracy.py burgers allen-cahn [--seeds 5] [--minutes 2] [--ablate]
        [--deepxde PYTHON] [--options=--model.width=30 ...] [--json out.json]

Each run is `sciml train EXPERIMENT --train.seed=...` in a process of its own with one thread, and so is deepxde's own
example of Burgers' equation, after the first of ours, if PYTHON (or SCIML_BENCH_DEEPXDE) names an interpreter that has
it (README.md says how to make it). A minute is one of processor time, so that what else the machine does is of no
account. Errors are against the experiment's reference, of all fields the largest; median and worst of the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from sciml.core.config import compose, parse
from sciml.core.runs import Run
from sciml.pde.pinn.experiment import config_class
from sciml.pde.pinn.reference import find_reference, points_of

WORKER = Path(__file__).parent / "workers" / "deepxde_burgers.py"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# without one part of the recipe each
PARTS = {
    "as it is": [],
    "ssbroyden instead of levenberg-marquardt": ["--train.optimizer=ssbroyden", "--sampling.every=100"],
    "adam instead": ["--train.optimizer=adam", "--train.warmup_steps=100", "--sampling.every=100"],
    "adam in float32": [
        "--train.optimizer=adam",
        "--train.precision=float32",
        "--train.warmup_steps=100",
        "--sampling.every=100",
    ],
    "uniform points": ["--sampling.method=uniform"],
}
ONLY = {
    "burgers": {
        "without curriculum": ["--curriculum.viscosity.start=0.0031830988618379067"],
        "conditions in the loss": [
            "--exact.value.u=0",
            "--exact.distance.u=1",
            "--conditions.initial={at: {t: 0}, values: {u: '-sin(pi * x)'}, weight: 10}",
            "--conditions.left={at: {x: -1}, values: {u: 0}, weight: 10}",
            "--conditions.right={at: {x: 1}, values: {u: 0}, weight: 10}",
        ],
    },
    "allen-cahn": {
        "without weights of time": ["--weights.decay=0"],
        "without what becomes of the kink": ["--exact.value.u=x**2 * cos(pi * x)"],
        "without mirror symmetry": ["--space.even=[]"],
    },
    "kdv": {"in one window": ["--windows=1"]},
    "advection": {"in one window": ["--windows=1"]},
}


def ours(experiment: str, options: list[str], minutes: float | None, seed: int, folder: Path) -> dict[str, float]:
    """The scores of one run, by the command line."""
    run = folder / f"{experiment}-{seed}"
    arguments = ["train", experiment, *options, f"--train.seed={seed}", "--run", str(run), "--overwrite"]
    if minutes is not None:
        arguments.append(f"--train.max_minutes={minutes}")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--sciml", *arguments],
        stdout=subprocess.DEVNULL,
        env={**os.environ, **ONE_THREAD},
    )
    if done.returncode:
        raise SystemExit(f"`sciml {' '.join(arguments)}` ended with {done.returncode}; see its messages above.")
    scores = Run.open(run).scores()["solution"]["all"]
    return {**scores, "relative_l2": max(value for name, value in scores.items() if name.endswith("_relative_l2"))}


def train_by_processor_time(arguments: list[str]) -> int:
    """The command line with a trainer whose minutes are those of this process's work."""
    from types import SimpleNamespace

    from sciml.cli.main import main as sciml
    from sciml.train import progress

    progress.time = SimpleNamespace(monotonic=time.process_time)  # pyright: ignore[reportAttributeAccessIssue]
    return sciml(arguments)


def theirs(python: str, seed: int, folder: Path) -> dict[str, Any]:
    """deepxde's example, against the reference of ours."""
    raw = compose("burgers", [])
    reference = find_reference(parse(config_class(raw), raw, "burgers"))
    assert reference is not None
    points, fields = folder / "points.npy", folder / "fields.npy"
    np.save(points, points_of(reference.grid))
    done = subprocess.run(
        [python, str(WORKER), str(seed), str(points), str(fields)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )
    if done.returncode:
        raise SystemExit("deepxde's example failed; see its messages above.")
    about = json.loads(done.stdout.strip().splitlines()[-1])
    truth = reference.values.reshape(-1, 1)
    about["relative_l2"] = float(np.linalg.norm(np.load(fields) - truth) / np.linalg.norm(truth))
    return about


def show(name: str, found: list[dict[str, float]]) -> None:
    """A line: the median and the worst error."""
    sizes = [one["relative_l2"] for one in found]
    seconds = statistics.median(one["training_seconds"] for one in found)
    print(
        f"{name:60} rel-L2 {statistics.median(sizes):.2e} (worst of {len(sizes)}: {max(sizes):.2e})  {seconds:.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, help="of processor time; default: the experiment's")
    parser.add_argument("--ablate", action="store_true", help="leave out one part of the recipe after another")
    parser.add_argument("--options", nargs="*", default=[], help="further options of `sciml train`, with =")
    parser.add_argument("--deepxde", default=os.environ.get("SCIML_BENCH_DEEPXDE"), help="interpreter of the peer")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for experiment in asked.experiments:
            parts = {**PARTS, **ONLY.get(experiment, {})} if asked.ablate else {"as it is": []}
            for part, options in parts.items():
                runs = []
                for seed in range(asked.seeds):
                    runs.append(ours(experiment, [*options, *asked.options], asked.minutes, seed, folder))
                    if asked.deepxde and experiment == "burgers" and part == "as it is" and not seed:
                        report["deepxde"] = theirs(asked.deepxde, seed, folder)
                        print(f"deepxde's example: {report['deepxde']}", flush=True)
                show(f"{experiment}, {part}", runs)
                report[f"{experiment}, {part}"] = runs
                if asked.json is not None:
                    asked.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sciml"]:
        raise SystemExit(train_by_processor_time(sys.argv[2:]))
    main()
