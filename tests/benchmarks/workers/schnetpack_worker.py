"""SchNetPack: the training step of its AtomisticTask and its ASE calculator."""

from __future__ import annotations

import itertools
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import schnetpack
import torch
from ase.calculators.calculator import Calculator
from protocol import Model, Sample, Training, serve
from schnetpack import atomistic, representation
from schnetpack.interfaces import AtomsConverter, SpkCalculator
from schnetpack.task import AtomisticTask, ModelOutput
from schnetpack.transform import MatScipyNeighborList

REPRESENTATIONS = {"SchNet 64x3": (representation.SchNet, 50), "PaiNN 64x3": (representation.PaiNN, 20)}


class Quiet(AtomisticTask):
    """The training task without a logger to write to."""

    def log(self, *_: object, **__: object) -> None:
        """Nothing listens."""


def main() -> None:
    # the calculator reads a pickled model, which torch has refused by default since 2.6; this one is written here
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    models = {
        name: Model(
            training=partial(_training, name),
            calculator=partial(_calculator, name),
            training_path="AtomisticTask.training_step",
            calculator_path="SpkCalculator, MatScipyNeighborList anew each step, no stress",
        )
        for name in REPRESENTATIONS
    }
    serve("SchNetPack", "schnetpack", models)


def _network(name: str, cutoff_angstrom: float) -> schnetpack.model.NeuralNetworkPotential:
    """As in its configuration for molecular dynamics data, without the offset of energies."""
    build, radial_functions = REPRESENTATIONS[name]
    return schnetpack.model.NeuralNetworkPotential(
        representation=build(
            n_atom_basis=64,
            n_interactions=3,
            radial_basis=schnetpack.nn.GaussianRBF(n_rbf=radial_functions, cutoff=cutoff_angstrom),
            cutoff_fn=schnetpack.nn.CosineCutoff(cutoff_angstrom),
        ),
        input_modules=[atomistic.PairwiseDistances()],
        output_modules=[
            atomistic.Atomwise(n_in=64, output_key="energy"),
            atomistic.Forces(energy_key="energy", force_key="forces"),
        ],
    )


def _training(name: str, cutoff_angstrom: float, batches: list[list[Sample]]) -> Training:
    outputs = [
        ModelOutput(name=label, loss_fn=torch.nn.MSELoss(), loss_weight=1.0, metrics={})
        for label in ("energy", "forces")
    ]
    task = Quiet(
        model=_network(name, cutoff_angstrom),
        outputs=outputs,
        optimizer_cls=torch.optim.Adam,
        optimizer_args={"lr": 1e-4},
    ).train()
    optimizer = task.configure_optimizers()
    data = itertools.cycle([_batch(batch, cutoff_angstrom) for batch in batches])

    def step() -> None:
        optimizer.zero_grad()
        # the forward pass adds its results to the dictionary that it is given
        task.training_step(dict(next(data)), 0).backward()
        optimizer.step()

    return Training(task, step)


def _batch(samples: list[Sample], cutoff_angstrom: float) -> dict[str, torch.Tensor]:
    convert = AtomsConverter(neighbor_list=MatScipyNeighborList(cutoff=cutoff_angstrom), dtype=torch.float32)
    batch = convert([sample.atoms for sample in samples])
    batch["energy"] = torch.tensor([sample.energy for sample in samples], dtype=torch.float32)
    batch["forces"] = torch.tensor(np.concatenate([sample.forces for sample in samples]), dtype=torch.float32)
    return batch


def _calculator(name: str, cutoff_angstrom: float) -> Calculator:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        torch.save(_network(name, cutoff_angstrom), file)
        return SpkCalculator(
            str(file), neighbor_list=MatScipyNeighborList(cutoff=cutoff_angstrom), energy_unit="eV", dtype=torch.float32
        )


if __name__ == "__main__":
    main()
