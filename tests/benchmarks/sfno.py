"""Spherical transforms and the spherical Fourier neural operator against torch-harmonics 0.9.2, side by side.

    .venv/bin/python tests/benchmarks/sfno.py --torch-harmonics ~/peers/torchharm/bin/python --json sfno.json

Every package stays loaded in a process of its own with one thread; a round measures all, forwards and backwards in
turn, and ratios are taken within a round. Before times count, results are compared: coefficients and values of the
transforms, and outputs and gradients of the networks, ours with the weights of theirs. README.md has the results.
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
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
CHANNELS, LAYERS = 70, 4
# latitudes, longitudes, degrees
SIZES = {"32x64": (32, 64, 32), "121x240": (121, 240, 120)}
OURS, PLAIN, THEIRS = "sciml", "sciml, SCIML_KERNELS=0", "torch-harmonics"
# single precision; on these outputs of order 1 ours in float64 differs by as much from ours in float32
TOLERANCE = 1e-4
Run = Callable[[], None]
Runs = dict[str, Run]


def tasks(widths: list[int]) -> dict[str, dict[str, Any]]:
    """What is measured: the bare transforms of 70 channels, and networks of some widths, without and with gradients."""
    found: dict[str, dict[str, Any]] = {}
    for size in SIZES:
        for what in ("analysis", "synthesis", "both with gradients"):
            found[f"{size}, {what}"] = {"size": size, "kind": "transform", "what": what}
        for width in widths:
            for what in ("forward", "forward and backward"):
                found[f"{size}, SFNO {width}, {what}"] = {"size": size, "kind": "network", "width": width, "what": what}
    return found


# ----------------------------------------------------------------------------------------------------- torch-harmonics


def import_peer() -> Any:
    """torch-harmonics without its attention and its local convolutions, whose compiled parts are for another torch."""
    import types
    import warnings

    warnings.simplefilter("ignore")

    class Absent(types.ModuleType):
        __path__: list[str] = []

        def __getattr__(self, name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

    for name in ("torch_harmonics.attention", "torch_harmonics.disco"):
        sys.modules[name] = Absent(name)
    import torch_harmonics

    return torch_harmonics


def peer_transform(size: str, folder: Path) -> tuple[Runs, Any]:
    import torch

    peer = import_peer()
    y, x, degrees = SIZES[size]
    sht = peer.RealSHT(y, x, lmax=degrees, mmax=degrees, grid="legendre-gauss").float()
    back = peer.InverseRealSHT(y, x, lmax=degrees, mmax=degrees, grid="legendre-gauss").float()
    field = torch.randn(1, CHANNELS, y, x, generator=torch.Generator().manual_seed(0))
    coefficients = sht(field)
    values = back(coefficients)
    torch.save({"field": field, "coefficients": torch.view_as_real(coefficients), "values": values}, folder / "x.pt")
    wanted = field.clone().requires_grad_()

    def both() -> None:
        (slope,) = torch.autograd.grad(back(sht(wanted)).square().sum(), wanted)
        assert slope.shape == field.shape

    return {"analysis": lambda: sht(field), "synthesis": lambda: back(coefficients), "both with gradients": both}, None


def peer_network(size: str, width: int, folder: Path) -> tuple[Runs, Any]:
    import torch

    import_peer()
    from torch_harmonics.examples.models.sfno import SphericalFourierNeuralOperator

    y, x, _ = SIZES[size]
    torch.manual_seed(0)
    net = SphericalFourierNeuralOperator(
        img_size=(y, x),
        grid="legendre-gauss",
        grid_internal="legendre-gauss",
        scale_factor=1,
        in_chans=CHANNELS,
        out_chans=CHANNELS,
        embed_dim=width,
        num_layers=LAYERS,
    )
    field = torch.randn(1, CHANNELS, y, x)
    runs = network_runs(net, field)
    runs["forward and backward"]()
    saved = {name: torch.view_as_real(p) if p.is_complex() else p for name, p in net.state_dict().items()}
    slopes = {name: torch.view_as_real(p.grad) if p.is_complex() else p.grad for name, p in net.named_parameters()}
    with torch.no_grad():
        torch.save({"weights": saved, "slopes": slopes, "field": field, "out": net(field)}, folder / "x.pt")
    return runs, None


# ---------------------------------------------------------------------------------------------------------------- ours


def our_transform(size: str, folder: Path) -> tuple[Runs, Any]:
    import torch

    from sciml.fno.grids import Grid
    from sciml.fno.sphere import spherical_transform

    y, x, degrees = SIZES[size]
    transform = spherical_transform(Grid((y, x), (False, True), "gauss-legendre"), degrees)
    theirs = torch.load(folder / "x.pt", weights_only=True)
    # theirs begin in the north, with channels first
    field = theirs["field"].flip(2).permute(0, 2, 3, 1).contiguous()
    coefficients = transform.analysis(field)
    values = transform.synthesis(coefficients)
    errors = {
        "coefficients": difference(coefficients, theirs["coefficients"].permute(0, 2, 3, 4, 1)),
        "values": difference(values, theirs["values"].flip(2).permute(0, 2, 3, 1)),
    }
    wanted = field.clone().requires_grad_()

    def both() -> None:
        (slope,) = torch.autograd.grad(transform.synthesis(transform.analysis(wanted)).square().sum(), wanted)
        assert slope.shape == field.shape

    runs = {
        "analysis": lambda: transform.analysis(field),
        "synthesis": lambda: transform.synthesis(coefficients),
        "both with gradients": both,
    }
    return runs, errors


def our_network(size: str, width: int, folder: Path) -> tuple[Runs, Any]:
    import torch

    from sciml.fno.grids import Grid
    from sciml.fno.sfno import SFNO, SFNOConfig

    y, x, degrees = SIZES[size]
    config = SFNOConfig(modes=degrees, width=width, layers=LAYERS, encoder_ratio=None, big_skip=False)
    net = SFNO(config, CHANNELS, CHANNELS, Grid((y, x), (False, True), "gauss-legendre"))
    theirs = torch.load(folder / "x.pt", weights_only=True)
    net.load_state_dict(from_peer(theirs["weights"], net.state_dict()))
    field = theirs["field"].flip(2).permute(0, 2, 3, 1).contiguous()
    runs = network_runs(net, field)
    runs["forward and backward"]()
    ours = {name: parameter.grad for name, parameter in net.named_parameters()}
    slopes = from_peer(theirs["slopes"], ours)
    with torch.no_grad():
        errors = {"output": difference(net(field), theirs["out"].flip(2).permute(0, 2, 3, 1))}
    # biases of ours that theirs do not have
    errors |= {name: difference(ours[name], slopes[name]) for name in ours if slopes[name].any()}
    return runs, errors


def from_peer(theirs: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """Their parameters in our names and shapes; biases that they do not have are zero."""
    import torch

    found = {name: torch.zeros_like(tensor) for name, tensor in like.items()}
    found["encoder.weight"] = theirs["encoder.0.weight"][:, :, 0, 0]
    found["decoder.weight"] = theirs["decoder.0.weight"][:, :, 0, 0]
    for i in range(LAYERS):
        found[f"blocks.{i}.filter.weight"] = theirs[f"blocks.{i}.global_conv.weight"].permute(2, 1, 0, 3)
        found[f"blocks.{i}.mlp.first.weight"] = theirs[f"blocks.{i}.mlp.fwd.0.weight"][:, :, 0, 0]
        found[f"blocks.{i}.mlp.first.bias"] = theirs[f"blocks.{i}.mlp.fwd.0.bias"]
        found[f"blocks.{i}.mlp.second.weight"] = theirs[f"blocks.{i}.mlp.fwd.2.weight"][:, :, 0, 0]
    return found


# ---------------------------------------------------------------------------------------------------------------- both


def network_runs(net: Any, field: Any) -> Runs:
    import torch

    def forward() -> None:
        with torch.no_grad():
            net(field)

    def backward() -> None:
        net.zero_grad()
        net(field).square().mean().backward()

    return {"forward": forward, "forward and backward": backward}


def difference(ours: Any, theirs: Any) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def work(name: str, folder: Path) -> None:
    """Answers requests, one line of JSON each, until there are no more."""
    import torch

    torch.set_num_threads(1)
    makers = (peer_transform, peer_network) if name == THEIRS else (our_transform, our_network)
    runs: Runs = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "kind" in request:
            width = [request["width"]] if request["kind"] == "network" else []
            runs, errors = makers[request["kind"] == "network"](request["size"], *width, folder)
            answer: Any = {"errors": errors}
        else:
            run = runs[request["what"]]
            begin, count = time.process_time(), 0
            while count == 0 or time.process_time() - begin < request["seconds"]:
                run()
                count += 1
            answer = {"ms": 1000 * (time.process_time() - begin) / count}
        print(json.dumps(answer), flush=True)


def ask(process: subprocess.Popen[str], **request: Any) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    print(json.dumps(request), file=process.stdin, flush=True)
    line = process.stdout.readline()
    if not line:
        raise SystemExit("a process has ended; its message stands above")
    return json.loads(line)


def measure(workers: dict[str, Any], task: dict[str, Any], rounds: int, seconds: float) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in workers}
    # the first round warms up
    for number in range(rounds + 1):
        for name in list(workers) if number % 2 else reversed(list(workers)):
            ms = ask(workers[name], what=task["what"], seconds=seconds)["ms"]
            if number:
                times[name].append(ms)
    return times


def prepare(workers: dict[str, Any], task: dict[str, Any]) -> None:
    """Their process first, whose fields and weights ours take over and are compared with."""
    request = {key: value for key, value in task.items() if key != "what"}
    for name in (THEIRS, *(name for name in workers if name != THEIRS)):
        errors = ask(workers[name], **request)["errors"] or {}
        for what, error in errors.items():
            if not error < TOLERANCE:
                raise SystemExit(f"{name}: {what} of {request} differs from that of torch-harmonics by {error:.1e}")
        if errors:
            print(f"{name}, {request}: largest difference {max(errors.values()):.1e}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-harmonics", default=os.environ.get("SCIML_BENCH_TORCH_HARMONICS"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--widths", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--only", default="", help="tasks whose name has this in it")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", choices=[OURS, PLAIN, THEIRS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.folder)
        return
    if not options.torch_harmonics:
        parser.error("--torch-harmonics needs the python of an environment that has it")
    results: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        workers = {}
        for name in (OURS, PLAIN, THEIRS):
            python = options.torch_harmonics if name == THEIRS else sys.executable
            command = [python, str(Path(__file__)), "--worker", name, "--folder", folder]
            environment = {**os.environ, **ONE_THREAD, **({"SCIML_KERNELS": "0"} if name == PLAIN else {})}
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            workers[name] = stack.enter_context(subprocess.Popen(command, text=True, env=environment, **pipes))
        prepared: dict[str, Any] = {}
        print(f"| task | {' | '.join(f'{name}, ms' for name in workers)} | theirs / ours (range) |")
        print("|---" * (len(workers) + 2) + "|")
        for label, task in tasks(options.widths).items():
            if options.only not in label:
                continue
            if prepared != (same := {key: value for key, value in task.items() if key != "what"}):
                prepare(workers, task)
                prepared = same
            times = results[label] = measure(workers, task, options.rounds, options.seconds)
            ratios = [theirs / ours for theirs, ours in zip(times[THEIRS], times[OURS], strict=True)]
            medians = " | ".join(f"{statistics.median(each):.3g}" for each in times.values())
            print(f"| {label} | {medians} | {statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f}) |")
            sys.stdout.flush()
        for process in workers.values():
            process.stdin.close()
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
