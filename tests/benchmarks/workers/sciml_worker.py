"""Our own potentials: the training step of `sciml train` and the calculator of `sciml.materials.calculator`."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import torch
from ase.calculators.calculator import Calculator
from protocol import Model, Sample, Training, serve
from torch_geometric.data import Batch

from sciml.core.atoms import to_pyg
from sciml.gnn.potential import POTENTIALS, Potential, build_potential
from sciml.materials.calculator import SKIN_ANGSTROM, SciMLCalculator
from sciml.materials.graphs import build_graph, build_labels
from sciml.materials.loss import LossConfig, PotentialLoss
from sciml.materials.structures import from_atoms, with_labels

LABELS = {"schnet": "SchNet 64x3", "painn": "PaiNN 64x3", "qace": "QACE 32x2"}


def main() -> None:
    models: dict[str, Model] = {}
    for architecture, label in LABELS.items():
        models[label] = Model(
            training=_training(architecture),
            calculator=_calculator(architecture, skin_angstrom=0.0),
            training_path="loss and optimiser of `sciml train` without its bookkeeping; no stress labels",
            calculator_path="SciMLCalculator, skin 0 (vesin's neighbour list anew each step), with stress",
        )
        models[f"{label}, skin"] = Model(
            training=None,
            calculator=_calculator(architecture, skin_angstrom=SKIN_ANGSTROM),
            calculator_path=f"SciMLCalculator as it comes: the list is kept within a skin of {SKIN_ANGSTROM:g} A",
        )
    serve("sciml", "sciml-surrogates", models)


def _potential(architecture: str, cutoff_angstrom: float) -> Potential:
    config_class, _ = POTENTIALS[architecture]
    config = replace(config_class(), cutoff_angstrom=cutoff_angstrom)
    return build_potential(config, elements=[14], reference_energies_ev=[0.0])


def _training(architecture: str) -> Callable[[float, list[list[Sample]]], Training]:
    def build(cutoff_angstrom: float, batches: list[list[Sample]]) -> Training:
        potential = _potential(architecture, cutoff_angstrom).train()
        data = itertools.cycle([_batch(batch, cutoff_angstrom) for batch in batches])
        loss = PotentialLoss(LossConfig(kind="mse"), energy_scale_ev=1.0)
        optimizer = torch.optim.Adam(potential.parameters(), lr=1e-4, fused=True)

        def step() -> None:
            optimizer.zero_grad()
            loss(potential, next(data))["loss"].backward()
            optimizer.step()

        return Training(potential, step)

    return build


def _batch(samples: list[Sample], cutoff_angstrom: float) -> Batch:
    structures = [with_labels(from_atoms(s.atoms), energy=s.energy, forces=s.forces) for s in samples]
    return Batch.from_data_list(
        [to_pyg(build_graph(one, cutoff_angstrom, torch.float32), build_labels(one)) for one in structures]
    )


def _calculator(architecture: str, skin_angstrom: float) -> Callable[[float], Calculator]:
    def build(cutoff_angstrom: float) -> Calculator:
        return SciMLCalculator(_potential(architecture, cutoff_angstrom), skin_angstrom=skin_angstrom)

    return build


if __name__ == "__main__":
    main()
