"""The pinn domain: from an experiment's configuration to a problem for the trainer, and from a run to scores.

Called by the command line for `domain: pinn`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sciml.core.architectures import architecture_of, experiment_class
from sciml.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.runs import Run, write_json
from sciml.pde.pinn.comparison import (
    RELATIVE_L2,
    conventional,
    fields_on,
    overall,
    residual_norms,
    score_unit,
    scores_by_case,
)
from sciml.pde.pinn.config import PinnExperiment, ReferenceConfig
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.observations import Observations, read_observations
from sciml.pde.pinn.predicting import predict_table
from sciml.pde.pinn.reference import (
    Case,
    Reference,
    check_solver,
    coordinates_of,
    evaluation_grid,
    find_reference,
    true_constants,
)
from sciml.pde.pinn.starting import DOMAIN, start_from
from sciml.pde.pinn.terms import EQUATION, contradictions
from sciml.pde.pinn.training import Epochs, PinnTraining
from sciml.pde.pinn.uncertainty import intervals
from sciml.pinn.networks import NETWORKS
from sciml.pinn.residuals import residuals
from sciml.train.problem import Problem

logger = logging.getLogger(__name__)

# the one split that a run is scored on: the whole of space and time
SOLUTION = "solution"
NEXT = "sciml report {run}"


def config_class(raw: Mapping[str, Any]) -> type[PinnExperiment]:
    """The dataclass whose `model` has the fields of the architecture that `raw` names.

    Raises:
        UserError: no model, or an architecture that is not among NETWORKS.
    """
    return experiment_class(PinnExperiment, NETWORKS, raw, "pinn-mlp")


def build(config: PinnExperiment) -> Problem:
    """The network with fresh weights, and its equations, conditions and observations.

    Raises:
        UserError: an equation, formula, condition or table that is wrong, and how.
    """
    torch.manual_seed(config.train.seed)
    network = PinnNetwork(config)
    if config.start_from is not None:
        start_from(config, network)
        config = replace(config, curriculum={})  # which would lead away from the start
    observations = _observations(config)
    if config.equation.unknowns and observations is None:
        raise UserError("`equation.unknowns` needs `observations` that they can be found from.")
    check_solver(config)  # a mistake shows now and not after the training
    for words in contradictions(config):
        logger.warning("%s Training will settle between the two.", words)
    training = PinnTraining(config, network, observations)
    return Problem(
        network=network,
        loss=training,
        metrics=_Metrics(config, training),
        train_data=Epochs(training.steps_an_epoch, config.sampling.points),
        validation_data=Epochs(1, config.sampling.validation),
        validation_loss=lambda metrics: metrics["residual_rmse"],
        on_progress=training.on_progress,
        state=training,
        second_order=training.second_order,
        metadata={
            "domain": DOMAIN,
            "architecture": architecture_of(config.model, NETWORKS),
            "model": asdict(config.model),
            "equation": config.equation.name,
            "space": asdict(config.space),
            "windows": config.windows,
            "started_from": config.start_from,
            "units": {name: config.space.unit(name) for name in (*config.space.axes, *config.space.outputs)},
        },
    )


def _observations(config: PinnExperiment) -> Observations | None:
    if config.observations is None:
        return None
    return read_observations(config.observations, config.space, config.train.seed)


class _Metrics:
    """The residual on points of its own, of all windows, with the equation's constants as they are in the end."""

    def __init__(self, config: PinnExperiment, training: PinnTraining) -> None:
        generator = torch.Generator().manual_seed(config.train.seed + 1)
        self.training = training
        self.points = training.region.points(config.sampling.validation, generator)
        self.terms = training.validation_terms()

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        training = self.training
        kept, training.equation.fraction_done = training.equation.fraction_done, 1.0
        raw = {name: parameter.detach() for name, parameter in training.network.unknowns.items()}
        try:
            found = residuals(lambda x, u: training.equation(x, u, raw), network, self.points, EQUATION).detach()
        finally:
            training.equation.fraction_done = kept
        square = (training.weigh(self.points) * found.square().sum(dim=1)).sum()
        for term in self.terms:
            left = residuals(lambda x, u, t=term: t.equation(x, u, raw), network, term.points, term.name).detach()
            left = left if term.targets is None else left - term.targets
            share = (term.weights * left.square().sum(dim=1)).mean()
            square = square + share * len(self.points)
        metrics = {"residual_rmse": (square, torch.tensor(float(len(self.points)), dtype=torch.float64))}
        one = torch.tensor(1.0, dtype=torch.float64)
        for name, value in training.network.values_of_unknowns().items():
            metrics[name] = (torch.tensor(value, dtype=torch.float64), one)
        return metrics


# ------------------------------------------------------------------------------------------------------------- verbs


def evaluate(run: Run, data: Path | None) -> dict[str, Any]:
    """Scores of the best weights: errors against the reference, residuals, drifts, and a conventional solver's time.

    Of a network with parameters also those of each solution, as groups; the solver is timed on the worst. Writes
    metrics.json and predictions/solution.safetensors, or a file for each solution, into the run.

    Raises:
        UserError: `data` is no netCDF with the fields and coordinates of the experiment.
    """
    config = config_of(run)
    if data is not None:
        config = replace(config, reference=ReferenceConfig(file=data))
    network = load_network(run, config)
    reference = find_reference(config)
    grid = evaluation_grid(config) if reference is None else reference.grid
    found = fields_on(network, grid)
    scored = scores_by_case(config, grid, found, reference)
    scores: dict[str, Any] = overall(config, found, reference, [one for _, one in scored])
    scores |= residual_norms(config, network)
    true = true_constants(config)
    for constant, value in network.values_of_unknowns().items():
        scores[constant] = value
        if true.get(constant):
            scores[f"{constant}_relative_error"] = abs(value / true[constant] - 1)
    split: dict[str, Any] = {"all": scores}
    observations = _observations(config)
    if observations is not None:
        found_intervals = intervals(config, network, observations)
        split["intervals"] = {name: [interval.low, interval.high] for name, interval in found_intervals.items()}
    if reference is not None:
        errors = [
            (max(e), case) for case, one in scored if (e := [v for k, v in one.items() if k.endswith(RELATIVE_L2)])
        ]
        error, worst = max(errors, key=lambda pair: pair[0], default=(0.0, scored[0][0]))
        solver = conventional(config, reference, worst, error) if errors else None
        split["reference"] = reference.source
        if solver is not None:
            split["conventional"] = solver
            if "seconds" in solver:
                scores["conventional_solver_seconds"] = solver["seconds"]
        if "seconds" in run.record():
            scores["training_seconds"] = run.record()["seconds"]
    name = SOLUTION if data is None else data.stem
    if config.space.parameters:
        split["groups"] = {case.name: one for case, one in scored}
        scores["prediction_seconds"] = _seconds_a_solution(config, network, grid)
    split["units"] = {score: score_unit(score, config) for score in scores}
    for case, _ in scored:
        _keep(run.predictions("_".join(filter(None, [name, case.name]))), config, grid, found, reference, case)
    write_json(run.metrics_file, {"splits": {**run.scores(), name: split}})
    return {name: split}


def _seconds_a_solution(config: PinnExperiment, network: PinnNetwork, grid: Mapping[str, Any]) -> float:
    """Of the wall, by the trained network on the grid of the coordinates."""
    single = {name: line[:1] if name in config.space.parameters else line for name, line in grid.items()}
    started = time.perf_counter()
    fields_on(network, single)
    return time.perf_counter() - started


def _keep(
    path: Path, config: PinnExperiment, grid: Mapping[str, Any], found: Any, reference: Reference | None, case: Case
) -> None:
    """One solution, for the report."""
    lines = coordinates_of(config, grid)
    tensors = {f"coordinates/{axis}": torch.from_numpy(line) for axis, line in lines.items()}
    tensors["prediction"] = torch.from_numpy(np.ascontiguousarray(found[case.index]))
    if reference is not None:
        tensors["reference"] = torch.from_numpy(np.ascontiguousarray(reference.values[case.index]))
    fields = [] if reference is None else list(reference.fields)
    metadata = {"coordinates": list(lines), "fields": config.space.outputs, "reference_fields": fields}
    save_checkpoint(path, tensors, metadata)


def predict(run: Run, source: Path, output: Path) -> str:
    """Writes the fields at the points of a table.

    Raises:
        UserError: a table without the coordinates, or an output that cannot be written.
    """
    config = config_of(run)
    return predict_table(config, load_network(run, config), source, output)


def report(run: Run) -> Path:
    """Writes report.html into the run."""
    from sciml.pde.pinn.report import write_report

    return write_report(run, config_of(run))


def config_of(run: Run) -> PinnExperiment:
    """What the run was set up by."""
    raw = run.config()
    return parse(config_class(raw), raw, str(run.config_file))


def load_network(run: Run, config: PinnExperiment) -> PinnNetwork:
    """The network of a run with its best weights.

    Raises:
        UserError: no checkpoint there, or not one of this domain with weights that fit and are finite.
    """
    tensors, metadata = load_checkpoint(run.best)
    if metadata.get("domain") != DOMAIN:
        raise UserError(f"{run.best}: a physics-informed network is needed, but it is of {metadata.get('domain')!r}.")
    network = PinnNetwork(config).to(torch.float64)
    load_weights(network, tensors, run.best)
    return network.eval()
