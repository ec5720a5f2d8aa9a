"""What the fields of an experiment should be, on a grid of its parameters and coordinates.

Shapes: a grid has the values of each parameter, then the points along each coordinate, in their order; n points, d
coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.places import constant, of_place, parts_of_formulas
from sciml.pde.pinn.solvers import Solver, find_solver
from sciml.pde.pinn.terms import EquationTerm

# along a coordinate for which an experiment asks for no other number
POINTS = 101


@dataclass(frozen=True, eq=False)
class Reference:
    """What fields should be.

    Attributes:
        grid: values of each parameter, then points along each coordinate.
        values: [*grid, k] of the fields that are known.
        fields: their names.
        source: in words.
    """

    grid: dict[str, NDArray[np.float64]]
    values: NDArray[np.float64]
    fields: tuple[str, ...]
    source: str


def evaluation_grid(config: PinnExperiment) -> dict[str, NDArray[np.float64]]:
    """Values of each parameter, the ends of its range where none are given, and points along each coordinate."""
    asked = {} if config.reference is None else config.reference.points
    chosen = {} if config.reference is None else config.reference.parameters
    for name in asked:
        if name not in config.space.coordinates:
            raise UserError(f"`reference.points`: there is no coordinate `{name}`.")
    values = {name: np.array(chosen.get(name, ends), np.float64) for name, ends in config.space.parameters.items()}
    lines = {
        name: np.linspace(ends[0], ends[1], asked.get(name, POINTS)) for name, ends in config.space.coordinates.items()
    }
    return {**values, **lines}


@dataclass(frozen=True)
class Case:
    """One solution among those that a network has.

    Attributes:
        name: the parameters' values, as `viscosity=0.01`; empty for a network without parameters.
        parameters: name to value.
        index: where on a grid it is.
    """

    name: str
    parameters: dict[str, float]
    index: tuple[int, ...]


def cases(config: PinnExperiment, grid: Mapping[str, NDArray[np.float64]]) -> list[Case]:
    """Each value of each parameter with each of the others; a single one for a network without parameters."""
    names = list(config.space.parameters)
    found = []
    for index in np.ndindex(*(len(grid[name]) for name in names)):
        values = {name: float(grid[name][place]) for name, place in zip(names, index, strict=True)}
        found.append(Case(", ".join(f"{name}={value:g}" for name, value in values.items()), values, index))
    return found


def coordinates_of(config: PinnExperiment, grid: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """A grid without its parameters."""
    return {name: grid[name] for name in config.space.coordinates}


def check_solver(config: PinnExperiment) -> None:
    """Refuses, with UserError, a solver of other coordinates, or one that lacks a constant."""
    if config.reference is None or config.reference.solver is None:
        return
    name, solver = config.reference.solver, find_solver(config.reference.solver)
    if len(config.space.coordinates) != solver.n_coordinates:
        raise UserError(
            f"`reference.solver: {name}` needs {solver.n_coordinates} coordinates, but `space` has "
            f"{len(config.space.coordinates)}."
        )
    known = {**true_constants(config), **config.space.parameters}
    if missing := [constant for constant in solver.needs if constant not in known]:
        raise UserError(f"`reference.constants` needs {', '.join(missing)} for the solver {name}, a number each.")


def find_reference(config: PinnExperiment) -> Reference | None:
    """What the experiment names; None where it names nothing.

    Raises:
        UserError: a solver or field that is not there, a formula that is none, or a file that lacks what is needed.
    """
    given, space = config.reference, config.space
    if given is None or not (given.solver or given.formula or given.file):
        return None
    grid = evaluation_grid(config)
    if given.solver is not None:
        solver = find_solver(given.solver)
        lines, constants, setting = (
            coordinates_of(config, grid),
            true_constants(config),
            {**solver.best, **given.settings},
        )
        try:
            found = [solver.solve(lines, {**constants, **case.parameters}, setting) for case in cases(config, grid)]
        except TypeError as error:
            raise UserError(f"`reference.settings` do not fit the solver {given.solver}: {error}.") from error
        values = np.stack(found).reshape(*map(len, grid.values()), -1)
        return Reference(grid, values, _fields_of(solver, config, values.shape[-1]), solver.method)
    if given.formula:
        names = [name for name in space.outputs if name in given.formula]
        unknown = [name for name in given.formula if name not in space.outputs]
        if unknown:
            raise UserError(f"`reference.formula`: there is no field `{unknown[0]}`.")
        coordinates, let = list(space.axes), parts_of_formulas(config)
        x = torch.from_numpy(points_of(grid))
        columns = [
            of_place(given.formula[name], coordinates, let, f"reference.formula.{name}")(x).numpy() for name in names
        ]
        shape = [len(line) for line in grid.values()]
        return Reference(grid, np.stack(columns, axis=1).reshape(*shape, -1), tuple(names), "exact solution")
    return _from_file(config)


def _fields_of(solver: Solver, config: PinnExperiment, count: int) -> tuple[str, ...]:
    """What a solver gives: fields by their names, or else the first ones."""
    outputs = config.space.outputs
    missing = [name for name in solver.fields if name not in outputs]
    if missing:
        raise UserError(
            f"`reference.solver: {config.reference.solver if config.reference else ''}` gives "
            f"{', '.join(solver.fields)}, but `space` has no {missing[0]} among its fields or in `space.derived`."
        )
    return tuple(solver.fields or outputs[:count])


def true_constants(config: PinnExperiment) -> dict[str, float]:
    """Constants of the equation that are numbers, those of the reference among them."""
    given = {} if config.reference is None else config.reference.constants
    named = {name: constant(value, f"reference.constants.{name}") for name, value in given.items()}
    return {**EquationTerm(config).numbers, **named}


def _from_file(config: PinnExperiment) -> Reference:
    import xarray as xr

    assert config.reference is not None
    assert config.reference.file is not None
    path, space = user_path(config.reference.file), config.space
    try:
        with xr.open_dataset(path) as data:
            names = [name for name in space.outputs if name in data]
            missing = [name for name in space.axes if name not in data.coords]
            if missing or not names:
                raise UserError(
                    f"{path}: needs coordinates {', '.join(space.axes)} and one of the fields "
                    f"{', '.join(space.outputs)}, but has {', '.join(map(str, data.variables))}."
                )
            ordered = data[names].transpose(*space.axes)
            grid = {name: np.array(data[name], np.float64) for name in space.axes}
            values = np.stack([np.asarray(ordered[name], np.float64) for name in names], axis=-1)
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a reference: {error}.") from error
    return Reference(grid, values, tuple(names), path.name)


def points_of(grid: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """All points of a grid, [n, d], the last coordinate fastest."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*grid.values(), indexing="ij")], axis=1)
