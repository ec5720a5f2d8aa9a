"""Our Fourier neural operator against neuraloperator's, measured in alternation with the same weights.

    .venv/bin/python tests/benchmarks/fno.py --neuraloperator ~/peers/neuralop/bin/python [--rounds 7] [--json out.json]

`SCIML_BENCH_NEURALOPERATOR` does the same as the option. This file runs as a worker in the peer's environment too, so
it needs nothing but torch at the top. Every package stays loaded in a process of its own with one thread, which waits
while another is measured; a round measures all, forwards in one round and backwards in the next, and a ratio is taken
within a round. Before times count, output and gradients are compared: the networks have the same weights, made by the
peer.
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
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# processes: environment, whether it is the peer's interpreter
PROCESSES = {
    "sciml": ({}, False),
    "sciml, no compiler": ({"SCIML_KERNELS": "0"}, False),
    "neuraloperator": ({}, True),
}
REFERENCE = "neuraloperator"
# float32: outputs are sums of some hundred terms, gradients of some ten thousand
OUTPUT_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4


@dataclass(frozen=True)
class Task:
    """Sizes of a network and its batch; the rest are neuraloperator's defaults, with 4 layers."""

    shape: tuple[int, ...]
    modes: tuple[int, ...]
    width: int
    batch: int

    def data(self) -> tuple[Tensor, Tensor]:
        """Input and target [b, *shape, 1]."""
        generator = torch.Generator().manual_seed(1)
        x, y = torch.randn(2, self.batch, *self.shape, 1, generator=generator)
        return x, y


TASKS = {
    "1-D": Task((1024,), (16,), 64, 32),
    "2-D": Task((64, 64), (16, 16), 32, 16),
    "3-D": Task((32, 32, 32), (8, 8, 8), 16, 2),
}


def sciml_network(task: Task, tensors: dict[str, Tensor]) -> nn.Module:
    from sciml.fno.fno import FNO, FNOConfig
    from sciml.fno.grids import Grid
    from sciml.fno.neuraloperator import from_neuraloperator

    grid = Grid(task.shape, (True,) * len(task.shape))
    network = FNO(FNOConfig(modes=task.modes, width=task.width), 1, 1, grid)
    network.load_state_dict(from_neuraloperator(network, tensors))
    return network


class ChannelsFirst(nn.Module):
    """neuraloperator's network behind an interface with channels last; of a single channel that costs nothing."""

    def __init__(self, task: Task, tensors: dict[str, Tensor] | None) -> None:
        super().__init__()
        from neuralop.models import FNO  # pyright: ignore[reportMissingImports]

        torch.manual_seed(0)
        self.network = FNO(n_modes=task.modes, in_channels=1, out_channels=1, hidden_channels=task.width)
        if tensors is not None:
            self.network.load_state_dict({**self.network.state_dict(), **tensors})

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.movedim(-1, 1)).movedim(1, -1)


# ---------------------------------------------------------------------------------------------------------- the worker


class Worker:
    """One network, by a package, and what may be asked of it."""

    def __init__(self, name: str, task: Task, file: Path) -> None:
        self.empty_gb = _resident_gb("VmRSS")
        tensors = torch.load(file, weights_only=True)["weights"] if file.exists() else None
        if name.startswith("sciml"):
            assert tensors is not None
            self.network = sciml_network(task, tensors)
        else:
            self.network = ChannelsFirst(task, tensors)
        self.x, self.y = task.data()

    def train(self) -> Tensor:
        for parameter in self.network.parameters():
            parameter.grad = None
        out = self.network(self.x)
        (out - self.y).square().mean().backward()
        return out.detach()

    def infer(self) -> Tensor:
        with torch.inference_mode():
            return self.network(self.x)

    def save(self, file: Path) -> dict[str, Any]:
        """Weights, output and gradients, for others to compare theirs with."""
        out = self.train()
        network = self.network.network
        tensors = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
        gradients = {name: tensor.grad for name, tensor in network.named_parameters()}
        torch.save({"weights": tensors, "output": out, "gradients": gradients}, file)
        return {"parameters": sum(parameter.numel() * (1 + parameter.is_complex()) for parameter in tensors.values())}

    def compare(self, file: Path) -> dict[str, Any]:
        """Largest deviations from the saved output, of the one in training too, and gradients."""
        saved = torch.load(file, weights_only=True)
        outputs = max(_deviation(out, saved["output"]) for out in (self.train(), self.infer()))
        named = dict(self.network.named_parameters())
        if isinstance(self.network, ChannelsFirst):
            theirs = {f"network.{name}": gradient for name, gradient in saved["gradients"].items()}
        else:
            from sciml.fno.fno import FNO
            from sciml.fno.neuraloperator import from_neuraloperator

            assert isinstance(self.network, FNO)
            theirs = from_neuraloperator(self.network, saved["gradients"])
        assert named.keys() == theirs.keys()
        gradients = max(_deviation(_gradient(named[name]), theirs[name]) for name in named)
        return {"outputs": outputs, "gradients": gradients}

    def measure(self, what: str, steps: int) -> dict[str, Any]:
        step = self.train if what == "training" else self.infer
        begin = time.process_time(), time.perf_counter()
        for _ in range(steps):
            step()
        return {"cpu_s": (time.process_time() - begin[0]) / steps, "wall_s": (time.perf_counter() - begin[1]) / steps}

    def memory(self, what: str) -> dict[str, Any]:
        """The most memory during a step, network and data included."""
        for parameter in self.network.parameters():
            parameter.grad = None
        # 5: the peak is counted anew
        Path("/proc/self/clear_refs").write_text("5")
        self.measure(what, 1)
        return {"peak_gb": _resident_gb("VmHWM") - self.empty_gb}


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _deviation(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def _resident_gb(kind: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(kind))
    return int(line.split()[1]) / 2**20


def work(name: str, task: Task, file: Path) -> None:
    """Answers requests, one line of JSON each, until there are no more."""
    # libraries print; what they print goes to the standard error stream
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    worker = Worker(name, task, file)
    for line in sys.stdin:
        match json.loads(line):
            case {"command": "save"}:
                answer = worker.save(file)
            case {"command": "compare"}:
                answer = worker.compare(file)
            case {"command": "memory", "what": what}:
                answer = worker.memory(what)
            case {"command": "measure", "what": what, "steps": steps}:
                answer = worker.measure(what, steps)
            case request:
                raise ValueError(f"A request saves, compares or measures, but this came: {request}.")
        print(json.dumps(answer), file=answers, flush=True)


# ---------------------------------------------------------------------------------------------------------- the driver


def ask(process: subprocess.Popen[str], **request: Any) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps(request), file=process.stdin, flush=True)
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a process has ended; its message stands above")
    return json.loads(line)


def measure(label: str, names: list[str], peer: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Results by package, for training and inference."""
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "shared.pt"

        def start(name: str) -> subprocess.Popen[str]:
            environment, theirs = PROCESSES[name]
            command = [peer if theirs else sys.executable, __file__, "--worker", name, "--task", label]
            command += ["--file", str(file)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            every = {**os.environ, **ONE_THREAD, **environment}
            return stack.enter_context(subprocess.Popen(command, text=True, env=every, **pipes))

        processes = {REFERENCE: start(REFERENCE)}
        found = {name: {} for name in names}
        parameters = ask(processes[REFERENCE], command="save")
        for name in names:
            if name != REFERENCE:
                processes[name] = start(name)
                found[name] = check = ask(processes[name], command="compare")
                if check["outputs"] > OUTPUT_TOLERANCE or check["gradients"] > GRADIENT_TOLERANCE:
                    raise SystemExit(f"{label}: {name} differs from {REFERENCE}: {check}")
        for what in ("training", "inference"):
            took = {name: ask(process, command="measure", what=what, steps=1) for name, process in processes.items()}
            steps = {name: max(1, math.ceil(seconds / once["wall_s"])) for name, once in took.items()}
            times: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for number in range(rounds):
                for name in names if number % 2 else reversed(names):
                    answer = ask(processes[name], command="measure", what=what, steps=steps[name])
                    times[name].append(answer)
            for name in names:
                found[name] |= {what: times[name], f"{what} memory": ask(processes[name], command="memory", what=what)}
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
    return {**parameters, "packages": found}


def show(label: str, result: dict[str, Any]) -> None:
    task, packages = TASKS[label], result["packages"]
    sizes = f"{' x '.join(map(str, task.shape))} points, {task.modes} modes, width {task.width}, batch {task.batch}"
    print(f"\n{label}: {sizes}, {result['parameters']:,} numbers in the weights\n")
    print("| package | step | ms (median, range) | theirs / it | theirs / it, by the clock | most memory, MB |")
    print("|---|---|---|---|---|---|")
    for what in ("training", "inference"):
        for name, each in packages.items():
            ms = [1000 * once["cpu_s"] for once in each[what]]
            pairs = list(zip(packages[REFERENCE][what], each[what], strict=True))
            cpu, wall = (statistics.median(peer[key] / it[key] for peer, it in pairs) for key in ("cpu_s", "wall_s"))
            print(
                f"| {name} | {what} | {statistics.median(ms):.3g} ({min(ms):.3g} - {max(ms):.3g}) | {cpu:.2f} | "
                f"{wall:.2f} | {1024 * each[f'{what} memory']['peak_gb']:.0f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    peer = os.environ.get("SCIML_BENCH_NEURALOPERATOR")
    parser.add_argument("--neuraloperator", default=peer, help="the peer's python")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a measurement, about")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--without", nargs="*", default=[], choices=list(PROCESSES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", choices=list(PROCESSES), help=argparse.SUPPRESS)
    parser.add_argument("--task", choices=list(TASKS), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, TASKS[options.task], options.file)
        return
    if not options.neuraloperator:
        parser.error("--neuraloperator (or SCIML_BENCH_NEURALOPERATOR) needs the python that neuraloperator is in")
    names = [name for name in PROCESSES if name == REFERENCE or name not in options.without]
    results = {}
    for label in options.tasks:
        results[label] = measure(label, names, options.neuraloperator, options.rounds, options.seconds)
        show(label, results[label])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
