"""What all workers share: the structures, the way of measuring, and the lines that they and the driver exchange.

This file also runs in the peers' environments, so it needs nothing but numpy, ase and torch. A worker reads one JSON
object a line from its standard input and answers each with one on its standard output:

    {"command": "describe"}                  -> package, version, torch, models and the path that each task takes
    {"command": "prepare", "model", "task", "workload"} -> parameters, and proof that the task is done in full
    {"command": "measure", "model", "task", "steps"}    -> cpu_seconds, wall_seconds for so many steps
    anything that goes wrong                 -> error

The tasks are "training" (one step: energies, forces, loss, its gradient by every weight, Adam) and "evaluation" (energy
and forces by the package's own ASE calculator of a structure that has just moved).
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes

LATTICE_CONSTANT_ANGSTROM = 5.43
# thermal amplitude of silicon at some hundred kelvin: no two distances are alike
RATTLE_ANGSTROM = 0.1
# how far atoms go in one step of molecular dynamics, about 1 fs
MOVE_ANGSTROM = 0.01


@dataclass(frozen=True, eq=False)
class Sample:
    """A structure with labels; the labels are random, for the time of a step does not depend on them."""

    atoms: Atoms
    energy: float
    forces: np.ndarray


@dataclass(frozen=True)
class Workload:
    """What is measured: sizes of the structures in conventional cells of 8 atoms along each side, and the cutoff."""

    cutoff_angstrom: float = 5.0
    training_cells: int = 2
    batch_size: int = 8
    batches: int = 2
    evaluation_cells: int = 4

    def batches_of_samples(self) -> list[list[Sample]]:
        """The batches that a training goes around."""
        generator = np.random.default_rng(1)
        return [[_sample(generator, self.training_cells) for _ in range(self.batch_size)] for _ in range(self.batches)]

    def structure(self) -> Atoms:
        """The structure that is evaluated."""
        return _rattled(np.random.default_rng(2), self.evaluation_cells)

    def units(self, task: str) -> int:
        """Structures in a training step, atoms in an evaluation."""
        return self.batch_size if task == "training" else 8 * self.evaluation_cells**3


@dataclass(frozen=True, eq=False)
class Training:
    """A network and one step of its training, which leaves the gradients where they are."""

    network: torch.nn.Module
    step: Callable[[], object]


@dataclass(frozen=True)
class Model:
    """A model of a package.

    Attributes:
        training: from the cutoff and the batches to a training, None where there is none to measure.
        calculator: from the cutoff to an ASE calculator that makes its neighbour list anew each time.
        training_path: which of the package's ways to train it is.
        calculator_path: which calculator, neighbour list and compilation it is.
    """

    training: Callable[[float, list[list[Sample]]], Training] | None
    calculator: Callable[[float], Calculator] | None
    training_path: str = ""
    calculator_path: str = ""

    def paths(self) -> dict[str, str]:
        """The tasks that it can do, and how."""
        paths = {}
        if self.training is not None:
            paths["training"] = self.training_path
        if self.calculator is not None:
            paths["evaluation"] = self.calculator_path
        return paths


def serve(package: str, distribution: str, models: dict[str, Model]) -> None:
    """Answers requests until the input ends.

    Args:
        package: name to show.
        distribution: name on PyPI, whose version is shown.
        models: by name.
    """
    # libraries print; what they print goes to the standard error stream
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    prepared: dict[tuple[str, str], Callable[[int], None]] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), package, distribution, models, prepared)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(
    request: dict[str, Any],
    package: str,
    distribution: str,
    models: dict[str, Model],
    prepared: dict[tuple[str, str], Callable[[int], None]],
) -> dict[str, Any]:
    match request:
        case {"command": "describe"}:
            return {
                "package": package,
                "version": version(distribution),
                "torch": torch.__version__,
                "models": {name: model.paths() for name, model in models.items()},
            }
        case {"command": "prepare", "model": name, "task": task, "workload": workload}:
            prepare = _prepare_training if task == "training" else _prepare_evaluation
            prepared[name, task], found = prepare(models[name], Workload(**workload))
            return found
        case {"command": "measure", "model": name, "task": task, "steps": steps}:
            started, started_cpu = time.perf_counter(), time.process_time()
            prepared[name, task](steps)
            return {"cpu_seconds": time.process_time() - started_cpu, "wall_seconds": time.perf_counter() - started}
        case _:
            raise ValueError(f"A request describes, prepares or measures, with all its keys, but this came: {request}.")


def _prepare_training(model: Model, workload: Workload) -> tuple[Callable[[int], None], dict[str, Any]]:
    assert model.training is not None
    found = _check_training(model.training, replace(workload, training_cells=1, batch_size=2, batches=1))
    torch.manual_seed(0)
    training = model.training(workload.cutoff_angstrom, workload.batches_of_samples())

    def run(steps: int) -> None:
        for _ in range(steps):
            training.step()

    # compilers and allocators settle
    run(2)
    return run, found


def _check_training(build: Callable[[float, list[list[Sample]]], Training], workload: Workload) -> dict[str, Any]:
    """Whether a step changes every weight, by a gradient that follows the energies and the forces; on a small batch."""
    batches = workload.batches_of_samples()
    torch.manual_seed(0)
    training = build(workload.cutoff_angstrom, batches)
    before = [weight.detach().clone() for weight in _weights(training)]
    training.step()
    gradients = _gradients(training)
    changed = [not torch.equal(old, new) for old, new in zip(before, _weights(training), strict=True)]
    found: dict[str, Any] = {
        "parameters": sum(weight.numel() for weight in before),
        "weights_changed": sum(changed) / len(changed),
    }
    for label in ("energy", "forces"):
        other = [[replace(sample, **{label: -2.0 * getattr(sample, label)}) for sample in batch] for batch in batches]
        torch.manual_seed(0)
        altered = build(workload.cutoff_angstrom, other)
        altered.step()
        difference = [new - old for new, old in zip(_gradients(altered), gradients, strict=True)]
        found[f"gradient_follows_{label}"] = _norm(difference) / _norm(gradients)
    return found


def _prepare_evaluation(model: Model, workload: Workload) -> tuple[Callable[[int], None], dict[str, Any]]:
    assert model.calculator is not None
    torch.manual_seed(0)
    calculator = model.calculator(workload.cutoff_angstrom)
    atoms = workload.structure()
    origin = atoms.positions.copy()
    generator = np.random.default_rng(3)

    def evaluate(positions: np.ndarray) -> tuple[float, np.ndarray]:
        atoms.positions = positions
        calculator.calculate(atoms, ["energy", "forces"], all_changes)
        return float(np.squeeze(calculator.results["energy"])), np.array(calculator.results["forces"])

    def run(steps: int) -> None:
        for _ in range(steps):
            evaluate(origin + MOVE_ANGSTROM * generator.normal(size=origin.shape))

    # along the forces the energy falls by their norm: a central difference over a step small against distances and
    # large against the rounding of float32
    step = 0.02
    _, forces = evaluate(origin)
    norm = float(np.linalg.norm(forces))
    slope = (evaluate(origin + step * forces / norm)[0] - evaluate(origin - step * forces / norm)[0]) / (2 * step)
    run(2)
    return run, {"forces_norm": norm, "forces_off_energy_slope": abs(slope + norm) / norm}


def _weights(training: Training) -> list[torch.Tensor]:
    return [weight for weight in training.network.parameters() if weight.requires_grad]


def _gradients(training: Training) -> list[torch.Tensor]:
    return [weight.grad.clone() for weight in _weights(training) if weight.grad is not None]


def _norm(tensors: list[torch.Tensor]) -> float:
    return float(torch.stack([tensor.double().square().sum() for tensor in tensors]).sum().sqrt())


def _rattled(generator: np.random.Generator, cells: int) -> Atoms:
    atoms = bulk("Si", "diamond", a=LATTICE_CONSTANT_ANGSTROM, cubic=True).repeat(cells)
    atoms.positions += RATTLE_ANGSTROM * generator.normal(size=atoms.positions.shape)
    return atoms


def _sample(generator: np.random.Generator, cells: int) -> Sample:
    atoms = _rattled(generator, cells)
    # forces large enough to be felt in any gradient beside the energy of many atoms
    return Sample(atoms, float(generator.normal()), 10.0 * generator.normal(size=atoms.positions.shape))
