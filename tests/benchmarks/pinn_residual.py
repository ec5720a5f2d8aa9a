"""The loss of Burgers' equation at points and its gradient by all weights: ours and deepxde's, measured in alternation.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/pinn_residual.py --deepxde PYTHON [--rounds 7] [--json out.json]

PYTHON is the interpreter of an environment that has deepxde and our torch; SCIML_BENCH_DEEPXDE does the same:

    python3 -m venv ~/peers/deepxde
    ~/peers/deepxde/bin/pip install -c constraints.txt "deepxde==1.15.*" torch scikit-optimize scikit-learn

Network, weights and points are the same, and so is what comes of them, which is checked before anything is
timed. Ours takes the features' jets as given, since they change with the points alone. Every round measures each once,
forwards in one round and backwards in the next; a ratio is taken within a round. What counts is processor time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sciml.pinn.equations.evolution import burgers
from sciml.pinn.jet_fields import field_route
from sciml.pinn.jets import Indices, jet_of
from sciml.pinn.mlp_jets import mlp_jets

WORKER = Path(__file__).parent / "workers" / "deepxde_worker.py"
NETWORKS = ((3, 20), (4, 64))  # hidden layers and their width; the first is that of deepxde's example
POINTS = (2500, 10000)
# of the loss and of the gradient's norm
TOLERANCE = {"float64": 1e-11, "float32": 1e-3}
EQUATION = partial(burgers, viscosity=0.01 / math.pi)


class Ours:
    """Our evaluation."""

    def __init__(self, points: Tensor, weights: list[Tensor], biases: list[Tensor]) -> None:
        self.points, self.weights, self.biases = points, weights, biases
        self.indices = Indices.with_lower([(2, 0), (0, 1)], 2)
        self.fields = field_route(EQUATION, self.indices, points[:16], 1)
        self.features = jet_of(self.indices, lambda x: x, points)

    def step(self) -> tuple[float, Tensor]:
        """The loss and its gradient."""
        jet, back = mlp_jets(self.indices, self.features, self.weights, self.biases, "tanh", way_back=True)
        jet.requires_grad_()
        x = self.points.detach().clone().requires_grad_()
        loss = EQUATION(*self.fields(self.indices, jet, x)).square().mean()
        (cotangent,) = torch.autograd.grad(loss, jet)
        assert back is not None
        return float(loss.detach()), back.gradient(cotangent)

    def measure(self, steps: int) -> float:
        """Processor seconds a step."""
        started = time.process_time()
        for _ in range(steps):
            self.step()
        return (time.process_time() - started) / steps


@dataclass(eq=False)
class Row:
    """A way to evaluate, and its measurements."""

    title: str
    precision: str
    measure: Any
    loss: float
    gradient: Tensor
    steps: int = 1
    cpu_seconds: list[float] = field(default_factory=list)

    def check(self, other: Row) -> None:
        """Raises RuntimeError where another has another loss or gradient."""
        off = float((self.gradient - other.gradient).norm() / other.gradient.norm())
        off = max(off, abs(self.loss - other.loss) / other.loss)
        if not off < TOLERANCE[self.precision]:
            raise RuntimeError(f"{self.title} differs from {other.title} by {off:.1e} of the loss or its gradient.")


def main(arguments: list[str] | None = None) -> None:
    """Measures and prints."""
    options = _options(arguments)
    torch.set_num_threads(1)
    results = []
    for layers, width in options.networks:
        for points in options.points:
            results += _case(layers, width, points, options)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def _case(layers: int, width: int, points: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(points, 2, generator=generator, dtype=torch.float64) * torch.tensor([2.0, 1.0]) - torch.tensor(
        [1.0, 0.0]
    )
    sizes = [2, *[width] * layers, 1]
    weights, biases = [], []
    for i, o in zip(sizes[:-1], sizes[1:], strict=True):  # of Glorot's size, with biases that are not zero
        weights.append(torch.randn(o, i, generator=generator, dtype=torch.float64) * math.sqrt(2 / (i + o)))
        biases.append(0.1 * torch.randn(o, generator=generator, dtype=torch.float64))
    ours = Ours(x, weights, biases)
    rows = [Row("sciml, float64", "float64", ours.measure, *ours.step())]
    with ExitStack() as stack:
        if options.deepxde:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            arrays = {"points": x.numpy()}
            for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                arrays |= {f"weight{number}": weight.numpy(), f"bias{number}": bias.numpy()}
            np.savez(folder / "problem.npz", **arrays)
            for precision in TOLERANCE:
                ask = stack.enter_context(_worker(options.deepxde, precision))
                found = ask(file=str(folder / "problem.npz"), width=width, layers=layers)
                title = f"deepxde {found['version']}, {precision}"
                gradient = torch.tensor(found["gradient"], dtype=torch.float64)
                row = Row(title, precision, partial(_measure, ask), found["loss"], gradient)
                row.check(rows[0])
                rows.append(row)
        for row in rows:
            row.steps = max(1, round(options.seconds / max(row.measure(1), 1e-9)))
        for number in range(options.rounds):
            for row in reversed(rows) if number % 2 else rows:
                row.cpu_seconds.append(row.measure(row.steps))
    print(f"{layers} x {width} tanh, {points:,} points")
    for row in rows:
        ratios = [theirs / mine for theirs, mine in zip(row.cpu_seconds, rows[0].cpu_seconds, strict=True)]
        times = [1e3 * seconds for seconds in row.cpu_seconds]
        print(
            f"  {row.title:24} {statistics.median(times):8.2f} ms ({min(times):.2f} - {max(times):.2f}), "
            f"time / ours {statistics.median(ratios):5.2f} ({min(ratios):.2f} - {max(ratios):.2f})",
            flush=True,
        )
    case = {"layers": layers, "width": width, "points": points}
    return [{**case, "title": row.title, "cpu_seconds": row.cpu_seconds} for row in rows]


def _measure(ask: Any, steps: int) -> float:
    return ask(steps=steps)["cpu_seconds"]


@contextmanager
def _worker(python: str, precision: str) -> Iterator[Any]:
    """A process with deepxde, as a function from a request to its answer."""
    errors: Any = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed below, behind the process that writes to it
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors, "text": True}
    process: Any = subprocess.Popen(
        [python, str(WORKER), precision], env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes
    )

    def ask(**request: Any) -> dict[str, Any]:
        print(json.dumps(request), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            errors.seek(0)
            raise RuntimeError(f"The worker of deepxde ended: {errors.read().strip().splitlines()[-1:]}")
        return json.loads(line)

    try:
        yield ask
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        errors.close()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--deepxde", metavar="PYTHON", default=os.environ.get("SCIML_BENCH_DEEPXDE"), help="interpreter with deepxde"
    )
    parser.add_argument("--rounds", type=int, default=7, help="times that each is measured")
    parser.add_argument("--seconds", type=float, default=0.5, help="processor time of one measurement, about")
    parser.add_argument("--points", type=int, nargs="+", default=POINTS)
    parser.add_argument("--json", type=Path, help="file for every single measurement")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or min(options.points) < 1:
        parser.error("--rounds and --points must be at least 1")
    options.networks = NETWORKS
    if not options.deepxde:
        print("deepxde is left out: give --deepxde PYTHON or set SCIML_BENCH_DEEPXDE.", file=sys.stderr)
    return options


if __name__ == "__main__":
    main()
