"""Our interatomic potentials against SchNetPack and NequIP, measured in alternation.

    .venv/bin/python tests/benchmarks/potentials.py --schnetpack PYTHON --nequip PYTHON [--rounds 7] [--json out.json]

PYTHON is the interpreter of an environment that has the peer (README.md says how to make it); the variables
SCIML_BENCH_SCHNETPACK and SCIML_BENCH_NEQUIP do the same. All packages stay loaded in processes of their own, which
wait while another is measured. Every round measures each model once, forwards in one round and backwards in the next,
so that a machine that gets faster or slower treats all alike; a ratio is taken within a round. What counts is the
processor time of the one thread, which other programs disturb less than the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WORKERS = Path(__file__).parent / "workers"
OURS = "sciml"
PEERS = {"schnetpack": "SchNetPack", "nequip": "NequIP"}
# the models of ours that every peer is compared with
YARDSTICKS = ("SchNet 64x3", "PaiNN 64x3", "QACE 32x2")
# label, unit, and how a measurement of `seconds` for `units` things is written
TASKS = {
    "training": ("Training, {atoms} atoms of Si, batch of {batch}", "structures/s"),
    "evaluation": ("Energy and forces through ASE, {atoms} atoms of Si", "us/atom"),
}
# forces against the slope of the energy: float32 and the curvature along the step leave less than a tenth of it
FORCES_TOLERANCE = 0.02
# a label that is not used changes no bit of the gradient
LABEL_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Worker:
    """A package in a process of its own."""

    name: str
    process: subprocess.Popen[str]
    errors: Any

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            RuntimeError: the worker has died, or says what is wrong.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:] or ["it says nothing"]
            raise RuntimeError(f"The worker of {self.name} ended: {last[0]}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer


@dataclass(eq=False)
class Row:
    """A model in one task, and its measurements."""

    worker: Worker
    package: str
    model: str
    task: str
    path: str
    steps: int = 1
    found: dict[str, Any] = field(default_factory=dict)
    cpu_seconds: list[float] = field(default_factory=list)
    wall_seconds: list[float] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.package} {self.model}"

    @property
    def is_ours(self) -> bool:
        return self.worker.name == OURS

    def prepare(self, workload: dict[str, Any], seconds: float) -> None:
        """Builds the model, checks that the task is done in full, and chooses how many steps a measurement has.

        Raises:
            RuntimeError: the task is not what it should be.
        """
        self.found = self.worker.ask(command="prepare", model=self.model, task=self.task, workload=workload)
        if self.task == "training":
            follows = min(self.found["gradient_follows_energy"], self.found["gradient_follows_forces"])
            done = self.found["weights_changed"] == 1.0 and follows > LABEL_TOLERANCE
        else:
            done = self.found["forces_off_energy_slope"] < FORCES_TOLERANCE
        if not done:
            raise RuntimeError(f"{self.title}, {self.task}: not done in full: {self.found}")
        once = self.measure()["cpu_seconds"]
        self.steps = max(1, round(seconds / max(once, 1e-9)))

    def measure(self) -> dict[str, float]:
        """Processor and wall-clock seconds a step."""
        found = self.worker.ask(command="measure", model=self.model, task=self.task, steps=self.steps)
        return {name: value / self.steps for name, value in found.items()}

    def record(self) -> None:
        found = self.measure()
        self.cpu_seconds.append(found["cpu_seconds"])
        self.wall_seconds.append(found["wall_seconds"])


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    console = Console()
    workload = {
        "cutoff_angstrom": 5.0,
        "training_cells": options.training_cells,
        "batch_size": options.batch_size,
        "evaluation_cells": options.evaluation_cells,
    }
    with ExitStack() as stack:
        rows = [row for worker in _workers(options, console, stack) for row in _rows(worker)]
        rows = [
            row for row in rows if row.task in options.tasks and not any(word in row.title for word in options.without)
        ]
        ready = []
        for row in rows:
            try:
                row.prepare(workload, options.seconds)
                ready.append(row)
            except RuntimeError as error:
                if row.is_ours:
                    raise
                console.print(f"Left out: {error}", style="yellow", highlight=False, markup=False)
        for number in range(options.rounds):
            for row in reversed(ready) if number % 2 else ready:
                row.record()
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    result = _result(ready, workload, options)
    for task in options.tasks:
        if any(row.task == task for row in ready):
            console.print(_table(result, task))
    console.print(_paths(result), highlight=False, markup=False, soft_wrap=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer, package in PEERS.items():
        parser.add_argument(
            f"--{peer}", metavar="PYTHON", default=os.environ.get(_variable(peer)), help=f"interpreter with {package}"
        )
    parser.add_argument("--rounds", type=int, default=7, help="times that every model is measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="processor time of one measurement, about")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument(
        "--without", nargs="+", metavar="TEXT", default=[], help="leave out models with TEXT in the name"
    )
    parser.add_argument("--training-cells", type=int, default=2, help="conventional cells along a side: 8 atoms each")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--evaluation-cells", type=int, default=4)
    parser.add_argument("--json", type=Path, help="file for every single measurement")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, but is {options.rounds}")
    return options


def _variable(peer: str) -> str:
    return f"SCIML_BENCH_{peer.upper()}"


def _workers(options: argparse.Namespace, console: Console, stack: ExitStack) -> list[Worker]:
    """Ours, and those peers that there is an interpreter for."""
    workers = [stack.enter_context(_started(OURS, sys.executable))]
    for peer, package in PEERS.items():
        if python := getattr(options, peer):
            workers.append(stack.enter_context(_started(peer, python)))
        else:
            console.print(
                f"{package} is left out: give --{peer} PYTHON or set {_variable(peer)}; "
                "tests/benchmarks/README.md has the commands that make its environment.",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    return workers


@contextmanager
def _started(name: str, python: str) -> Iterator[Worker]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as errors:
        command = [python, str(WORKERS / f"{name}_worker.py")]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
        except OSError as error:
            raise SystemExit(
                f"{python} does not start: {error.strerror}. Give the interpreter that has {name}."
            ) from error
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Worker(name, process, errors)
        finally:
            # a worker has nothing to lose; one that has ended before left the pipe broken
            process.terminate()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            process.wait()


def _rows(worker: Worker) -> list[Row]:
    try:
        about = worker.ask(command="describe")
    except RuntimeError as error:
        raise SystemExit(f"{error}. tests/benchmarks/README.md has the commands that make its environment.") from error
    package = f"{about['package']} {about['version']}"
    return [
        Row(worker, package, model, task, path)
        for model, paths in about["models"].items()
        for task, path in paths.items()
    ]


def _result(rows: list[Row], workload: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Every measurement, in seconds a step, and what follows from them."""
    units = {"training": workload["batch_size"], "evaluation": 8 * workload["evaluation_cells"] ** 3}
    parameters = {(row.package, row.model): row.found["parameters"] for row in rows if "parameters" in row.found}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "rounds": options.rounds,
        "workload": workload,
        "rows": [
            {
                "package": row.package,
                "model": row.model,
                "task": row.task,
                "path": row.path,
                "parameters": parameters.get((row.package, row.model)),
                "checks": row.found,
                "values": [_value(row.task, seconds, units[row.task]) for seconds in row.cpu_seconds],
                "cpu_seconds": row.cpu_seconds,
                "wall_seconds": row.wall_seconds,
                "times_slower_than": _ratios(row, rows),
            }
            for row in rows
        ],
    }


def _value(task: str, seconds: float, units: int) -> float:
    """Structures a second, or microseconds an atom."""
    return units / seconds if task == "training" else seconds / units * 1e6


def _ratios(row: Row, rows: list[Row]) -> dict[str, float]:
    """How many times as long as each of our models it takes: the median of the ratios within a round."""
    yardsticks = {other.model: other for other in rows if other.is_ours and other.task == row.task}
    return {
        name: statistics.median(
            theirs / ours for theirs, ours in zip(row.cpu_seconds, yardsticks[name].cpu_seconds, strict=True)
        )
        for name in YARDSTICKS
        if name in yardsticks
    }


def _table(result: dict[str, Any], task: str) -> Table:
    title, unit = TASKS[task]
    sizes = result["workload"]
    cells = sizes["training_cells"] if task == "training" else sizes["evaluation_cells"]
    title = title.format(atoms=8 * cells**3, batch=sizes["batch_size"])
    table = Table(title=f"{title}\n{result['rounds']} rounds, {result['processor']}, {result['date']}")
    table.add_column("package")
    table.add_column("model")
    for head in ("parameters", unit, "min - max", *(f"time / our {name.split()[0]}" for name in YARDSTICKS)):
        table.add_column(head, justify="right")
    for row in result["rows"]:
        if row["task"] == task:
            values, ratios = row["values"], row["times_slower_than"]
            table.add_row(
                row["package"],
                row["model"],
                "" if row["parameters"] is None else f"{row['parameters']:,}",
                f"{statistics.median(values):.3g}",
                f"{min(values):.3g} - {max(values):.3g}",
                *(f"{ratios[name]:.2f}" if name in ratios else "" for name in YARDSTICKS),
            )
    return table


def _paths(result: dict[str, Any]) -> str:
    lines = {f"{row['package']}, {row['task']}: {row['path']}": None for row in result["rows"]}
    return "\n".join(lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


if __name__ == "__main__":
    main()
