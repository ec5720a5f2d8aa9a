"""The sums of squares of an experiment: its equation, its conditions and its observations, each on points.

Shapes: n points, d coordinates, f fields.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.pde.pinn.config import ConditionConfig, PinnExperiment
from sciml.pde.pinn.network import exact_conditions
from sciml.pde.pinn.places import OfPlace, columns, constant, of_place, parse_derivative, parts_of_formulas
from sciml.pde.pinn.regions import Region
from sciml.pde.pinn.space import DomainConfig
from sciml.pinn.derivatives import derivative, gradient, last_columns
from sciml.pinn.equations.library import find_equation, parameters_of
from sciml.pinn.system import Equation

# the term of the equation, in logs and messages
EQUATION = "equation"
# points on which conditions are compared, and what counts as the same there
_CHECKED, _NEAR = 200, 1e-6


class EquationTerm:
    """The equation with its constants, some of which may be on their way, unknown, or formulas of the place.

    Raises:
        UserError: an equation that is not there, or other constants than it takes.
    """

    def __init__(self, config: PinnExperiment) -> None:
        self.config = config
        self.function = find_equation(config.equation.name)
        self.fraction_done = 1.0
        names = list(config.space.axes)
        self.parameters = [name for name in config.space.parameters if name in parameters_of(self.function)]
        self.numbers: dict[str, float] = {}
        self.formulas: dict[str, OfPlace] = {}
        for name, given in config.equation.constants.items():
            key = f"equation.constants.{name}"
            try:
                self.numbers[name] = constant(given, key)
            except UserError:
                self.formulas[name] = of_place(given, names, parts_of_formulas(config), key)
        check_constants(self.function, config)
        for name in config.curriculum:
            if name not in self.numbers:
                raise UserError(
                    f"`curriculum.{name}` needs a constant that is a number, but it is a formula of the place."
                )

    def constants_now(self) -> dict[str, float]:
        """The numbers, those of the curriculum where they are by now."""
        found = dict(self.numbers)
        for name, ramp in self.config.curriculum.items():
            part = min(self.fraction_done / ramp.until, 1.0)
            last = found[name]
            if ramp.start > 0 and last > 0:
                found[name] = ramp.start * (last / ramp.start) ** part
            else:
                found[name] = ramp.start + (last - ramp.start) * part
        return found

    def __call__(self, x: Tensor, u: Tensor, unknowns: Mapping[str, Tensor]) -> Tensor:
        given: dict[str, float | Tensor] = dict(self.constants_now())
        given |= {name: formula(x.detach()) for name, formula in self.formulas.items()}
        for name, raw in unknowns.items():
            given[name] = raw.exp() if self.config.equation.unknowns[name].positive else raw
        axes, coordinates = list(self.config.space.axes), self.config.space.coordinates
        given |= {name: x.detach()[:, axes.index(name)] for name in self.parameters}
        return self.function(last_columns(x, len(coordinates)), u, **given)


class PointWeights:
    """What squares of the equation count at points, by the place and the time.

    Raises:
        UserError: a formula that is none.
    """

    def __init__(self, config: PinnExperiment) -> None:
        self.names = list(config.space.axes)
        self.decay, self.start = config.weights.decay, config.space.low[-1]
        self.formula = of_place(config.weights.formula, self.names, parts_of_formulas(config), "weights.formula")

    def __call__(self, x: Tensor) -> Tensor:
        """At points [n, d], both together: [n]."""
        return self.by_place(x) * torch.exp(-self.decay * (x[:, -1] - self.start))

    def by_place(self, x: Tensor) -> Tensor:
        """By the formula alone. Raises UserError where it is negative or not finite."""
        found = self.formula(x)
        bad = ~(torch.isfinite(found) & (found >= 0))
        if bad.any():
            worst = int(bad.int().argmax())
            place = ", ".join(f"{name} = {at:.4g}" for name, at in zip(self.names, x[worst].tolist(), strict=True))
            raise UserError(f"`weights.formula` needs to be zero or more, but is {float(found[worst]):.3g} at {place}.")
        return found


def check_constants(function: Callable[..., Tensor], config: PinnExperiment) -> None:
    """Refuses, with UserError, constants that the equation does not take, or the lack of one that it needs."""
    taken = list(inspect.signature(function).parameters.values())[2:]
    given = {*config.equation.constants, *config.equation.unknowns}
    found = {*given, *config.space.parameters}
    known = [parameter.name for parameter in taken]
    for name in given:
        if name not in known:
            hint = suggest(name, known) or f"it takes {', '.join(known) or 'none'}."
            raise UserError(f"`equation`: {config.equation.name} has no constant `{name}`; {hint}")
    missing = [p.name for p in taken if p.default is inspect.Parameter.empty and p.name not in found]
    if missing:
        raise UserError(f"`equation.constants` needs {', '.join(missing)} for {config.equation.name}.")


@dataclass(frozen=True)
class Condition:
    """A condition on a side of the box, or on the boundary of a shape.

    Attributes:
        name: of the experiment's key.
        config: what it says.
        equation: the derivatives that it is about.
        prescribed: what they should be, from points [n, d] to [n, number of values].
    """

    name: str
    config: ConditionConfig
    equation: Equation
    prescribed: OfPlace
    region: Region

    def points(self, space: DomainConfig, generator: Generator, low: Sequence[float], high: Sequence[float]) -> Tensor:
        """Fresh points of the part of the side between low and high; none where it lies outside of them."""
        names = list(space.axes)
        if self.config.boundary is not None:
            return self.region.boundary(self.config.boundary, self.config.points, generator, self.name, (low, high))
        inside = all(low[names.index(n)] <= place <= high[names.index(n)] for n, place in self.config.at.items())
        free = len(names) > len(self.config.at)
        count = 0 if not inside else self.config.points if free else 1
        if not count:
            return torch.empty(0, len(names), dtype=torch.float64)
        return self.region.at(self.config.at, count, generator, self.name, (low, high))

    def value_of(self, name: str, x: Tensor) -> Tensor:
        """What one of the fields or derivatives should be, [n]."""
        return self.prescribed(x)[:, list(self.config.values).index(name)]


def conditions(config: PinnExperiment) -> list[Condition]:
    """All of an experiment's conditions.

    Raises:
        UserError: names of coordinates or fields that are not there, or a place outside of the box.
    """
    space, region, found = config.space, Region(config.space), []
    names = list(space.axes)
    for name, given in config.conditions.items():
        key = f"conditions.{name}"
        for coordinate, place in given.at.items():
            if coordinate not in names:
                hint = suggest(coordinate, names) or f"there are {', '.join(names)}."
                raise UserError(f"`{key}.at`: there is no coordinate `{coordinate}`; {hint}")
            low, high = space.axes[coordinate]
            if not low <= place <= high:
                raise UserError(f"`{key}.at.{coordinate}` needs to be from {low} to {high}, but is {place}.")
        wanted = [_wanted(text, given, space, f"{key}.values") for text in given.values]
        formulas = [of_place(text, names, parts_of_formulas(config), f"{key}.values") for text in given.values.values()]
        equation = functools.partial(_derivatives, wanted, region)
        found.append(Condition(name, given, equation, columns(formulas), region))
    return found


def _wanted(text: str, given: ConditionConfig, space: DomainConfig, key: str) -> tuple[int, tuple[int, ...] | None]:
    """The place of a field and the axes by which it is differentiated, None for the normal of a boundary."""
    field, _, by = text.partition("_")
    if given.boundary is not None and by == "n" and field in space.fields and "n" not in space.axes:
        return space.fields.index(field), None
    return parse_derivative(text, space, key)


def _derivatives(
    wanted: Sequence[tuple[int, tuple[int, ...] | None]],
    region: Region,
    x: Tensor,
    u: Tensor,
    unknowns: Mapping[str, Tensor],
) -> Tensor:
    found = []
    for field, axes in wanted:
        if axes is None:
            normals = region.normals(x.detach())
            found.append((normals * gradient(u[:, field], x)[:, region.axes]).sum(dim=1))
        else:
            found.append(derivative(u[:, field], x, *axes))
    return torch.stack(found, dim=1)


def contradictions(config: PinnExperiment) -> list[str]:
    """Where a condition differs from another one, or from an exact one, that holds there: in words, place and size."""
    given = conditions(config)
    pairs = [(first, second) for i, first in enumerate(given) for second in given[i + 1 :]]
    found = [words for first, second in pairs for words in _between(config.space, first, second)]
    return [*found, *(words for condition in given for words in _with_exact(config, condition))]


def _between(space: DomainConfig, first: Condition, second: Condition) -> list[str]:
    """Where two conditions on the same fields or derivatives hold at once and differ; boundaries are not compared."""
    if first.config.boundary is not None or second.config.boundary is not None:
        return []
    if any(first.config.at.get(name, place) != place for name, place in second.config.at.items()):
        return []
    both = {**first.config.at, **second.config.at}
    x = replace(first, config=replace(first.config, at=both, points=_CHECKED)).points(
        space, Generator().manual_seed(0), space.low, space.high
    )
    keys = f"conditions.{first.name}", f"conditions.{second.name}"
    return [
        words
        for name in first.config.values
        if name in second.config.values
        for words in _apart(space, x, first.value_of(name, x), second.value_of(name, x), name, keys)
    ]


def _with_exact(config: PinnExperiment, condition: Condition) -> list[str]:
    """Where a condition on fields differs from the exact value that the network cannot leave."""
    space, found = config.space, []
    value, distance = exact_conditions(config)
    x = replace(condition, config=replace(condition.config, points=_CHECKED)).points(
        space, Generator().manual_seed(0), space.low, space.high
    )
    edges = []
    for axis, name in enumerate(space.axes):
        for end in space.axes[name] if condition.config.at and name not in condition.config.at else ():
            edges.append(x.clone())
            edges[-1][:, axis] = end
    x = torch.cat([x, *edges])
    for place, name in enumerate(space.fields):
        held = distance(x)[:, place].abs() < _NEAR
        if name in condition.config.values and held.any():
            here = x[held]
            wanted, exact = condition.value_of(name, here), value(here)[:, place]
            found += _apart(space, here, wanted, exact, name, (f"conditions.{condition.name}", "exact.value"))
    return found


def _apart(
    space: DomainConfig, x: Tensor, first: Tensor, second: Tensor, name: str, keys: tuple[str, str]
) -> list[str]:
    """In words, where two prescribed values of a field differ most; nothing where they are the same."""
    sizes = (first - second).abs()
    worst = int(sizes.argmax())
    if float(sizes[worst]) <= _NEAR * max(1.0, float(first.abs().max())):
        return []
    place = ", ".join(f"{axis} = {at:.4g}" for axis, at in zip(space.axes, x[worst].tolist(), strict=True))
    return [f"`{keys[0]}` and `{keys[1]}` differ by {float(sizes[worst]):.3g} in {name} at {place}."]
