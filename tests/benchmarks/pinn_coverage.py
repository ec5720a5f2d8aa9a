"""How often the 95% intervals of unknown constants cover the truth, and how far the constants are from it.

    .venv/bin/python tests/benchmarks/pinn_coverage.py EXPERIMENT [--seeds 50] [--options=--train.epochs=20 ...]

Each repetition is `sciml train EXPERIMENT --train.seed=...` with noise, weights and points of its own, in this process
and without the experiment's reference fields; its constants are the truth. A line a seed, and the sum in the end. Set
OMP_NUM_THREADS=1: many threads are slower on matrices of these sizes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path

from sciml.cli.main import main as sciml
from sciml.core.config import compose, parse
from sciml.core.runs import Run
from sciml.pde.pinn.experiment import config_class
from sciml.pde.pinn.reference import true_constants


def repeat(experiment: str, options: list[str], seed: int, folder: Path) -> dict[str, tuple[float, float, float]]:
    """Value, low and high of each unknown."""
    run = folder / str(seed)
    arguments = ["train", experiment, *options, f"--train.seed={seed}", "--reference.solver=null", "--run", str(run)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as messages:
        code = sciml(arguments)
    if code:
        raise SystemExit(f"`sciml {' '.join(arguments)}` ended with {code}:\n{messages.getvalue()}")
    split = Run.open(run).scores()["solution"]
    return {name: (split["all"][name], *ends) for name, ends in split["intervals"].items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", metavar="EXPERIMENT")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--options", nargs="*", default=[], help="further options of `sciml train`, with =")
    asked = parser.parse_args()
    raw = compose(asked.experiment, asked.options)
    truth = true_constants(parse(config_class(raw), raw, asked.experiment))
    errors: dict[str, list[float]] = {}
    covered: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as name:
        for seed in range(asked.seeds):
            started = time.process_time()
            for constant, (value, low, high) in repeat(asked.experiment, asked.options, seed, Path(name)).items():
                true = truth[constant]
                errors.setdefault(constant, []).append(abs(value / true - 1))
                covered.setdefault(constant, []).append(low <= true <= high)
                apart, seconds = 100 * (value / true - 1), time.process_time() - started
                said = "covered" if covered[constant][-1] else "MISSED"
                print(
                    f"seed {seed:3}  {constant} {value:.6g} in [{low:.6g}, {high:.6g}], {apart:+.3f}%, {said}, "
                    f"{seconds:.1f} CPU s",
                    flush=True,
                )
    for constant, sizes in errors.items():
        print(
            f"{constant}: covered {sum(covered[constant])} of {len(sizes)}; relative error median "
            f"{100 * statistics.median(sizes):.3f}%, worst {100 * max(sizes):.3f}%"
        )


if __name__ == "__main__":
    main()
