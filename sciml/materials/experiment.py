"""The materials domain: from an experiment's configuration to a problem for the trainer, and from a run to scores.

Called by the command line for `domain: materials`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Batch, Data

from sciml.core.architectures import experiment_class
from sciml.core.atoms import to_pyg
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.runs import Run, write_json, write_text
from sciml.gnn.potential import POTENTIALS, build_potential
from sciml.materials import scores
from sciml.materials.dataset import DatasetConfig, TrainingData, load_training_data, read_split
from sciml.materials.graphs import build_graph, build_labels
from sciml.materials.loss import LossConfig, PotentialLoss, ValidationScore, metrics
from sciml.materials.potentials import describe_potential, load_potential
from sciml.materials.reading import read_structures, read_unlabelled
from sciml.materials.references import energy_scale, fingerprint, reference_energies
from sciml.materials.structures import Structure, attach_labels, extxyz_text
from sciml.train.config import TrainConfig
from sciml.train.problem import Problem

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MaterialsExperiment:
    """An experiment on an interatomic potential; `config_class` has one kind for each architecture."""

    dataset: DatasetConfig
    model: Any
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def config_class(raw: Mapping[str, Any]) -> type[MaterialsExperiment]:
    """The dataclass whose `model` has the fields of the architecture that `raw` names.

    Raises:
        UserError: no model, or an architecture that is not among POTENTIALS.
    """
    return experiment_class(MaterialsExperiment, POTENTIALS, raw, "painn")


def build(config: MaterialsExperiment) -> Problem:
    """Reads and checks the data, says what they lack, and builds the potential with fresh weights.

    Raises:
        UserError: what is wrong with which file.
    """
    data = load_training_data(config.dataset)
    for note in data.notes:
        logger.warning(note)
    loss_needs_a_label(config.loss, data)
    elements = data.elements
    lone = data.isolated_atoms if config.dataset.reference_energies == "isolated_atoms" else []
    references = reference_energies(data.train + lone, elements)
    scale = energy_scale(data.train)
    torch.manual_seed(config.train.seed)
    potential = build_potential(config.model, elements, references, scale)
    dtype = torch.float64 if config.train.precision == "float64" else torch.float32
    potential.network.to(dtype)
    cutoff = potential.cutoff_angstrom
    return Problem(
        network=potential,
        loss=PotentialLoss(config.loss, scale),
        metrics=metrics,
        train_data=to_samples(data.train, cutoff, dtype),
        validation_data=to_samples(data.validation, cutoff, dtype),
        collate=collate,
        validation_loss=ValidationScore(config.loss),
        metadata={
            **describe_potential(config.model, elements, references, scale),
            "baseline_energies_ev": reference_energies(data.train, elements),
            # of the catalogue, where the training data are from there
            "dataset": config.dataset.name if config.dataset.train is None else None,
            "data_fingerprint": fingerprint(data.train + data.validation),
            "data_counts": {
                "train": _counts(data.train),
                "validation": _counts(data.validation),
            },
            "notes": data.notes,
        },
    )


def loss_needs_a_label(loss: LossConfig, data: TrainingData) -> None:
    """Refuses a training structure, or validation data as a whole, without a label of a kind that the loss weighs."""
    weights = {"energy": loss.energy_weight, "forces": loss.forces_weight, "stress": loss.stress_weight}
    weighed = [label for label, weight in weights.items() if weight > 0]

    def has_label(structure: Structure) -> bool:
        return any(getattr(structure, f"has_{label}") for label in weighed)

    for structure in data.train:
        if not has_label(structure):
            raise UserError(
                f"{structure.name}: the loss weighs {', '.join(weighed)}, but the structure has no such label. "
                "Remove it."
            )
    if data.validation and not any(map(has_label, data.validation)):
        raise UserError(
            f"{data.validation[0].name}: the loss weighs {', '.join(weighed)}, but no validation structure has such a "
            "label, so the best weights could not be told. Give labelled validation data."
        )


def to_samples(structures: Sequence[Structure], cutoff_angstrom: float, dtype: torch.dtype) -> list[Data]:
    """Graphs with their labels, in memory."""
    return [to_pyg(build_graph(structure, cutoff_angstrom, dtype), build_labels(structure)) for structure in structures]


def collate(samples: Sequence[Data]) -> Batch:
    """Several graphs as one of torch-geometric's batches."""
    return Batch.from_data_list(list(samples))


def evaluate(run: Run, data: Path | None) -> dict[str, Any]:
    """Scores of the best weights on the test splits (on the validation split where there is none), or on a file.

    Writes metrics.json and predictions/<split>.safetensors into the run.

    Raises:
        UserError: a damaged file, a file without labels, an element that the potential does not know.
    """
    config, scored_before = _config_of(run), run.scores()
    potential, metadata = load_potential(run.path)
    if data is not None:
        splits = {_split_name(data, config.dataset): read_structures(data, "auto", config.dataset.options)}
    elif config.dataset.test_splits:
        splits = {role: read_split(config.dataset, role) for role in config.dataset.test_splits}
    else:
        splits = {"validation": load_training_data(config.dataset).validation}
    found = {
        split: scores.evaluate_split(potential, structures, split, metadata, run.predictions(split))
        for split, structures in splits.items()
    }
    write_json(run.metrics_file, {"splits": {**scored_before, **found}})
    return found


def predict(run: Run, source: Path, output: Path) -> str:
    """Writes the structures of `source` with energy, forces and (where periodic) stress as extended XYZ.

    Labels that `source` has are neither needed nor looked at; its other info and arrays stay with the structures.

    Raises:
        UserError: another suffix than .extxyz or .xyz, a damaged file, an element that the potential does not know.
    """
    if output.suffix not in {".xyz", ".extxyz"}:
        raise UserError(f"{output}: predictions are written as extended XYZ; name the file .extxyz or .xyz.")
    config = _config_of(run)
    potential, _ = load_potential(run.path)
    unlabelled = read_unlabelled(source, config.dataset.options)
    structures, frames = [structure for structure, _ in unlabelled], [atoms for _, atoms in unlabelled]
    for atoms, predicted in zip(frames, scores.predict_structures(potential, structures), strict=True):
        attach_labels(atoms, predicted)
    write_text(output, extxyz_text(frames))
    n_atoms = sum(structure.n_atoms for structure in structures)
    predicted = "energy, forces and stress" if all(s.pbc.all() for s in structures) else "energy and forces"
    return f"{output}: {predicted} of {len(structures)} structures, {n_atoms} atoms"


def report(run: Run) -> Path:
    """Writes report.html into the run."""
    from sciml.materials.report import write_report

    return write_report(run)


def _config_of(run: Run) -> MaterialsExperiment:
    raw = run.config()
    return parse(config_class(raw), raw, str(run.config_file))


def _split_name(data: Path, dataset: DatasetConfig) -> str:
    name = data.name.split(".")[0] or "data"
    return f"own_{name}" if name in {"train", "validation", *dataset.test_splits} else name


def _counts(structures: Sequence[Structure]) -> dict[str, int]:
    return {"n_structures": len(structures), "n_atoms": sum(structure.n_atoms for structure in structures)}
