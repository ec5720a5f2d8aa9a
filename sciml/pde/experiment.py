"""The pde domain: from an experiment's configuration to a problem for the trainer, and from a run to scores.

Called by the command line for `domain: pde`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sciml.core.architectures import architecture_of, experiment_class
from sciml.core.checkpoint import load_checkpoint, load_weights
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.runs import Run, write_json
from sciml.fno.operators import OPERATORS
from sciml.pde import scores
from sciml.pde.baselines import Baseline, baselines
from sciml.pde.dataset import DatasetConfig, load_split, load_training_data, open_file
from sciml.pde.normalisation import Scaling
from sciml.pde.physics import Physics, SurrogateLossConfig
from sciml.pde.predicting import predict_file
from sciml.pde.samples import FieldSamples, check_domain, take
from sciml.pde.surrogate import Rollout, Surrogate, collate, surrogate_from
from sciml.pde.symmetries import Symmetries
from sciml.pde.training import (
    CoarseStart,
    SurrogateLoss,
    ValidationMetrics,
    validation_residual,
    validation_score,
)
from sciml.train.config import TrainConfig
from sciml.train.problem import Problem

logger = logging.getLogger(__name__)

DOMAIN = "pde"


@dataclass(frozen=True)
class PdeExperiment:
    """An experiment on an operator; `config_class` has one kind for each architecture.

    With `rollout` it is one of forecasts, without one of maps from field to field.
    """

    dataset: DatasetConfig
    model: Any
    rollout: Rollout | None = None
    coarse: CoarseStart | None = None
    loss: SurrogateLossConfig = field(default_factory=SurrogateLossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def config_class(raw: Mapping[str, Any]) -> type[PdeExperiment]:
    """The dataclass whose `model` has the fields of the architecture that `raw` names.

    Raises:
        UserError: no model, or an architecture that is not among OPERATORS.
    """
    return experiment_class(PdeExperiment, OPERATORS, raw, "fno")


# ---------------------------------------------------------------------------------------------------------------- build


def build(config: PdeExperiment) -> Problem:
    """Reads and checks the data, scales them, and builds the operator with fresh weights.

    Raises:
        UserError: what is wrong with which file.
    """
    train, validation = load_training_data(config.dataset, config.rollout)
    for role in config.dataset.test_splits:  # a mistake in them shows now and not after hours of training
        load_split(config.dataset, config.rollout, role)
    averaged = config.dataset.symmetries_of(train.domain) if config.dataset.average else None
    physics = None if config.loss.physics is None else Physics(config.loss.physics, train)
    surrogate = make_surrogate(train, config.rollout, averaged, physics)
    if physics is not None:
        train = physics.with_few_solutions(train)
    if config.rollout is not None and surrogate.most_calls(len(train.times)) < config.rollout.calls:
        logger.warning(
            "The training's trajectories have %d frames, so roll-outs in training have %d calls of %d frames, not %d.",
            len(train.times),
            surrogate.most_calls(len(train.times)),
            config.rollout.bundle,
            config.rollout.calls,
        )
    torch.manual_seed(config.train.seed)
    network = surrogate.build_network(config.model)
    network.to(torch.float64 if config.train.precision == "float64" else torch.float32)
    symmetries = config.dataset.symmetries_of(train.domain) if config.dataset.augment else None
    if config.coarse is not None:
        config.coarse.check(train.domain.grid)
    loss = SurrogateLoss(config.loss, surrogate, symmetries, config.coarse, physics)
    without_solutions = physics is not None and physics.config.solutions == 0
    return Problem(
        network=network,
        loss=loss,
        metrics=ValidationMetrics(surrogate, physics),
        train_data=train,
        validation_data=validation,
        collate=collate,
        validation_loss=validation_residual if without_solutions else validation_score,
        on_progress=loss.on_progress,
        metadata={
            "domain": DOMAIN,
            "architecture": architecture_of(config.model, OPERATORS),
            "model": asdict(config.model),
            **surrogate.described(),
            "space": train.domain.described,
            "units": dict(train.units),
            "dataset": config.dataset.name if config.dataset.train is None else None,
            "data_fingerprint": [train.fingerprint(), validation.fingerprint()],
            "data_counts": {"train": len(train), "validation": len(validation)},
        },
    )


def make_surrogate(
    train: FieldSamples,
    rollout: Rollout | None,
    averaged: Symmetries | None = None,
    physics: Physics | None = None,
) -> Surrogate:
    """Scaled by what the training samples have, solutions by those that are learnt from."""
    outputs = Scaling.of(train.names["outputs"], train.targets if physics is None else physics.typical(train))
    changes = (1.0,) * len(outputs.names)
    if rollout is not None and rollout.residual:
        k = rollout.bundle
        changed = Scaling.of(outputs.names, train.targets[:, k:] - train.targets[:, :-k])
        changes = tuple(c / s for c, s in zip(changed.std, outputs.std, strict=True))
    return Surrogate(
        grid=train.domain.grid,
        inputs=Scaling.of(train.names["inputs"], train.inputs),
        outputs=outputs,
        parameters=Scaling.of(train.names["parameters"], train.parameters),
        changes=changes,
        rollout=rollout,
        averaged=averaged,
    )


# ------------------------------------------------------------------------------------------------------------- verbs


def evaluate(run: Run, data: Path | None) -> dict[str, Any]:
    """Scores of the best weights on the test splits (on the validation split where there is none), or on a file.

    Writes metrics.json and predictions/<split>.safetensors into the run.

    Raises:
        UserError: a damaged file, one of another domain, without the variables, or with NaN.
    """
    config, scored_before = _config_of(run), run.scores()
    surrogate, network, metadata = load_surrogate(run)
    dataset, rollout = config.dataset, config.rollout
    if data is not None:
        splits = {_split_name(data, dataset): take(open_file(dataset, data), dataset.selection, rollout)}
    else:
        splits = {role: load_split(dataset, rollout, role) for role in dataset.test_splits or ["validation"]}
    compared = _baselines(config, surrogate)
    found: dict[str, Any] = {}
    for split, samples in splits.items():
        check_domain(metadata["space"], surrogate.grid.periodic, samples.domain, samples.source)
        fitting = compared if samples.domain.grid == surrogate.grid else {}
        found[split] = scores.evaluate_split(surrogate, network, samples, split, fitting, run.predictions(split))
        if data is None and dataset.test_resolutions:
            found[split]["groups"] = _other_resolutions(config, split, surrogate, network, found[split]["all"])
    write_json(run.metrics_file, {"splits": {**scored_before, **found}})
    return found


def _baselines(config: PdeExperiment, surrogate: Surrogate) -> dict[str, Baseline]:
    try:
        train, validation = load_training_data(config.dataset, config.rollout)
    except UserError as error:  # a run may be scored where its training data are no more
        logger.warning("No baselines: %s", error)
        return {}
    if config.loss.physics is None:
        return baselines(surrogate, train, validation)
    physics = Physics(config.loss.physics, train)
    solved = physics.solved(train)
    return {**baselines(surrogate, solved, None if solved is None else validation), "solver": physics.solve}


def _other_resolutions(
    config: PdeExperiment, role: str, surrogate: Surrogate, network: nn.Module, native: Mapping[str, Any]
) -> dict[str, Any]:
    """Scores by number of points, those of the training among them; empty where no other is to be had."""
    own = surrogate.grid.shape[0]
    found: dict[str, Any] = {str(own): native}
    for points in config.dataset.test_resolutions:
        try:
            samples = load_split(config.dataset, config.rollout, role, points)
        except UserError as error:  # the sample of a data set is coarser than all of it
            logger.info("No scores at %s points: %s", points, error)
            continue
        try:
            found[str(points)] = scores.score_resolution(surrogate, network, samples)
        except UserError as error:
            logger.warning("No scores at %s points: %s", points, error)
    ordered = dict(sorted(found.items(), key=lambda item: int(item[0])))
    return {f"{points} points": scored for points, scored in ordered.items()} if len(found) > 1 else {}


def predict(run: Run, source: Path, output: Path) -> str:
    """Writes what the run predicts from the fields of a file as netCDF.

    Raises:
        UserError: another suffix than .nc, a damaged file, one of another domain or without the variables, NaN.
    """
    config = _config_of(run)
    surrogate, network, metadata = load_surrogate(run)
    data = open_file(config.dataset, source)
    samples = take(data, config.dataset.selection, config.rollout, with_targets=False)
    check_domain(metadata["space"], surrogate.grid.periodic, samples.domain, samples.source)
    frames = np.asarray(data.times)[config.dataset.selection.frames(len(data.times))]
    return predict_file(surrogate, network, samples, frames, run, output)


def report(run: Run) -> Path:
    """Writes report.html into the run."""
    from sciml.pde.report import write_report

    return write_report(run)


def load_surrogate(run: Run) -> tuple[Surrogate, nn.Module, dict[str, Any]]:
    """The surrogate of a run, its network with the best weights, and the checkpoint's metadata.

    Raises:
        UserError: no checkpoint there, or not one of an operator with weights that fit it and are finite.
    """
    tensors, metadata = load_checkpoint(run.best)
    architecture = metadata.get("architecture")
    if metadata.get("domain") != DOMAIN or architecture not in OPERATORS:
        raise UserError(
            f"{run.best}: an operator is needed ({', '.join(OPERATORS)}), but this is a checkpoint of domain "
            f"{metadata.get('domain')!r}, architecture {architecture!r}."
        )
    surrogate = surrogate_from(metadata, str(run.best))
    network = surrogate.build_network(parse(OPERATORS[architecture][0], metadata["model"], str(run.best)))
    if metadata.get("training", {}).get("precision") == "float64":
        network.to(torch.float64)
    load_weights(network, tensors, run.best)
    return surrogate, network.eval(), metadata


def _config_of(run: Run) -> PdeExperiment:
    raw = run.config()
    return parse(config_class(raw), raw, str(run.config_file))


def _split_name(data: Path, dataset: DatasetConfig) -> str:
    name = data.name.split(".")[0] or "data"
    return f"own_{name}" if name in {"train", "validation", *dataset.test_splits} else name
