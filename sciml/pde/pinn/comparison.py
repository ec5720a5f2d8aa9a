"""How far trained fields are from a reference, what the equation leaves there, and what a conventional solver costs.

Shapes: a grid has the points along each coordinate in their order; n points, d coordinates, f fields.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.places import of_place
from sciml.pde.pinn.reference import Case, Reference, cases, coordinates_of, points_of, true_constants
from sciml.pde.pinn.regions import Region
from sciml.pde.pinn.solvers import find_solver
from sciml.pde.pinn.terms import EQUATION, EquationTerm, conditions
from sciml.pde.references.timing import cheapest
from sciml.pinn.residuals import residuals

# what the names of these scores end on
RELATIVE_L2 = "_relative_l2"
# of the networks' calls, to bound memory
_AT_ONCE = 20_000
# of the equation's residual, drawn anew for the evaluation
_RESIDUAL_POINTS = 10_000
_RMS = "_rms"


def fields_at(network: PinnNetwork, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The network's fields and what derives from them, [n, f]."""
    parts = torch.from_numpy(points).split(_AT_ONCE)
    return np.concatenate([network.outputs(part).numpy() for part in parts])


def fields_on(network: PinnNetwork, grid: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The network's fields [*grid, f]; NaN outside of the experiment's shape."""
    points = points_of(grid)
    found = fields_at(network, points)
    found[~network.region.inside(torch.from_numpy(points)).numpy()] = np.nan
    return found.reshape(*(len(line) for line in grid.values()), -1)


def errors(found: NDArray[np.float64], reference: Reference, config: PinnExperiment) -> dict[str, float]:
    """Relative L2 and largest errors of each field, where its reference is no NaN.

    Of a reference that is zero all over, the largest error alone.
    """
    scores: dict[str, float] = {}
    inside = _inside(config, reference.grid)
    for column, name in enumerate(reference.fields):
        true = reference.values[..., column]
        known = np.isfinite(true) & inside
        apart = (found[..., config.space.outputs.index(name)] - true)[known]
        size = float(np.linalg.norm(true[known]))
        if size:
            scores[f"{name}{RELATIVE_L2}"] = float(np.linalg.norm(apart)) / size
        scores[f"{name}_largest_error"] = float(np.abs(apart).max())
    return scores


def _inside(config: PinnExperiment, grid: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Which points of a grid are places of the experiment, [*grid]."""
    region = Region(config.space)
    if region.domain is None:
        return np.ones([len(line) for line in grid.values()], bool)
    lines = {name: grid.get(name, np.zeros(1)) for name in config.space.axes}
    return region.inside(torch.from_numpy(points_of(lines))).numpy().reshape([len(line) for line in grid.values()])


def scores_by_case(
    config: PinnExperiment,
    grid: Mapping[str, NDArray[np.float64]],
    found: NDArray[np.float64],
    reference: Reference | None,
) -> list[tuple[Case, dict[str, float]]]:
    """Errors and drifts of each solution on a grid."""
    lines, scored = coordinates_of(config, grid), []
    for case in cases(config, grid):
        scores = drifts(config, lines, found[case.index])
        if reference is not None:
            part = replace(reference, grid=lines, values=reference.values[case.index])
            scores = errors(found[case.index], part, config) | scores
        scored.append((case, scores))
    return scored


def overall(
    config: PinnExperiment, found: NDArray[np.float64], reference: Reference | None, each: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Errors over all solutions, those of the worst one, and the largest drifts.

    Args:
        config: of the experiment.
        found: the network's fields on the reference's grid.
        reference: None without one.
        each: scores of each solution.
    """
    if not config.space.parameters:
        return dict(each[0])
    scores = {} if reference is None else errors(found, reference, config)
    for name in each[0]:
        if name.endswith(RELATIVE_L2):
            scores[f"{name.removesuffix(RELATIVE_L2)}_worst{RELATIVE_L2}"] = max(one.get(name, 0.0) for one in each)
        elif name.endswith("_drift"):
            scores[name] = max(one[name] for one in each)
    return scores


def residual_norms(config: PinnExperiment, network: Any) -> dict[str, float]:
    """Root mean square of what each term leaves, on points of their own."""
    generator = torch.Generator().manual_seed(config.train.seed + 1)
    space = config.space
    x = Region(space).points(_RESIDUAL_POINTS, generator)
    term = EquationTerm(config)
    raw = {name: parameter.detach() for name, parameter in network.unknowns.items()}
    found = residuals(lambda x, u: term(x, u, raw), network, x, EQUATION).detach()
    scores = {f"{EQUATION}{_RMS}": float(found.square().sum(dim=1).mean().sqrt())}
    for condition in conditions(config):
        x = condition.points(space, generator, space.low, space.high)
        left = residuals(lambda x, u, c=condition: c.equation(x, u, {}), network, x, condition.name)
        scores[f"{condition.name}{_RMS}"] = float(
            (left.detach() - condition.prescribed(x)).square().sum(dim=1).mean().sqrt()
        )
    return scores


def drifts(
    config: PinnExperiment, grid: Mapping[str, NDArray[np.float64]], fields: NDArray[np.float64]
) -> dict[str, float]:
    """The largest change in time of each integral that should be conserved, in units of its size at first.

    Args:
        config: that names them.
        grid: of the coordinates.
        fields: [*grid, f].

    Where that is zero, in units of the integral of the absolute value.
    """
    if config.reference is None or not config.reference.conserved or config.space.time is None:
        return {}
    names = [*config.space.coordinates, *config.space.outputs]
    values = torch.from_numpy(np.concatenate([points_of(grid), fields.reshape(-1, fields.shape[-1])], axis=1))
    found: dict[str, float] = {}
    for name, formula in config.reference.conserved.items():
        density = of_place(formula, names, {}, f"reference.conserved.{name}")(values).numpy()
        integral, size = density.reshape(fields.shape[:-1]), np.abs(density).reshape(fields.shape[:-1])
        for coordinate in reversed(list(config.space.coordinates)[:-1]):
            axis = list(config.space.coordinates).index(coordinate)
            integral, size = (np.trapezoid(part, grid[coordinate], axis=axis) for part in (integral, size))
        if not size[0]:  # there is nothing that could be conserved
            continue
        scale = abs(integral[0]) if abs(integral[0]) > 1e-6 * size[0] else size[0]
        found[f"{name}_drift"] = float(np.abs(integral - integral[0]).max() / scale)
    return found


def score_unit(score: str, config: PinnExperiment) -> str:
    """Of a score of `evaluate`; "1" for none, "" for a residual, whose unit is its equation's own."""
    if score.endswith("_seconds"):
        return "s"
    if score.endswith(_RMS):
        return ""
    return config.space.unit(score.removesuffix("_largest_error"))


def conventional(config: PinnExperiment, reference: Reference, case: Case, error: float) -> dict[str, Any] | None:
    """What the conventional solver takes for one solution to be as accurate; None without one.

    Returns:
        seconds of the wall, the setting, and its own relative error; `missed` in words where no setting is as good.
    """
    if config.reference is None or config.reference.solver is None:
        return None
    solver, lines = find_solver(config.reference.solver), coordinates_of(config, reference.grid)
    constants, wanted = {**true_constants(config), **case.parameters}, reference.values[case.index]
    known, started = np.isfinite(wanted) & _inside(config, lines)[..., None], time.perf_counter()
    try:
        found = cheapest(
            lambda setting: solver.solve(lines, constants, setting)[known], wanted[known], error, solver.settings
        )
    except UserError as missed:
        return {"missed": str(missed), "seconds_tried": time.perf_counter() - started}
    return {"method": solver.method, "setting": dict(found.setting), "seconds": found.seconds, "error": found.error}
