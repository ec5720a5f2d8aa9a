"""The sums of squares of an experiment: its equation, its conditions and its observations, each on points.

Shapes: n points, d coordinates, f fields.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.pde.pinn.config import ConditionConfig, DomainConfig, PinnExperiment
from sciml.pde.pinn.places import OfPlace, columns, constant, of_place
from sciml.pinn.derivatives import derivative
from sciml.pinn.equations.library import find_equation
from sciml.pinn.system import Equation

# the term of the equation, in logs and messages
EQUATION = "equation"


class EquationTerm:
    """The equation with its constants, some of which may be on their way, unknown, or formulas of the place.

    Raises:
        UserError: an equation that is not there, or other constants than it takes.
    """

    def __init__(self, config: PinnExperiment) -> None:
        self.config = config
        self.function = find_equation(config.equation.name)
        self.fraction_done = 1.0
        names = list(config.space.coordinates)
        self.numbers: dict[str, float] = {}
        self.formulas: dict[str, OfPlace] = {}
        for name, given in config.equation.constants.items():
            key = f"equation.constants.{name}"
            try:
                self.numbers[name] = constant(given, key)
            except UserError:
                self.formulas[name] = of_place(given, names, config.exact.let, key)
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
        return self.function(x, u, **given)


def check_constants(function: Callable[..., Tensor], config: PinnExperiment) -> None:
    """Refuses, with UserError, constants that the equation does not take, or the lack of one that it needs."""
    taken = list(inspect.signature(function).parameters.values())[2:]
    given = {*config.equation.constants, *config.equation.unknowns}
    known = [parameter.name for parameter in taken]
    for name in given:
        if name not in known:
            hint = suggest(name, known) or f"it takes {', '.join(known) or 'none'}."
            raise UserError(f"`equation`: {config.equation.name} has no constant `{name}`; {hint}")
    missing = [p.name for p in taken if p.default is inspect.Parameter.empty and p.name not in given]
    if missing:
        raise UserError(f"`equation.constants` needs {', '.join(missing)} for {config.equation.name}.")


@dataclass(frozen=True)
class Condition:
    """A condition on a side of the box.

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

    def points(self, space: DomainConfig, generator: Generator, low: Sequence[float], high: Sequence[float]) -> Tensor:
        """Fresh points of the part of the side between low and high; none where it lies outside of them."""
        names = list(space.coordinates)
        inside = all(low[names.index(n)] <= place <= high[names.index(n)] for n, place in self.config.at.items())
        free = len(names) > len(self.config.at)
        count = 0 if not inside else self.config.points if free else 1
        ends = torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64)
        x = ends[0] + (ends[1] - ends[0]) * torch.rand(count, len(names), dtype=torch.float64, generator=generator)
        for name, place in self.config.at.items():
            x[:, names.index(name)] = place
        return x


def conditions(config: PinnExperiment) -> list[Condition]:
    """All of an experiment's conditions.

    Raises:
        UserError: names of coordinates or fields that are not there, or a place outside of the box.
    """
    space, found = config.space, []
    names = list(space.coordinates)
    for name, given in config.conditions.items():
        key = f"conditions.{name}"
        for coordinate, place in given.at.items():
            if coordinate not in names:
                hint = suggest(coordinate, names) or f"there are {', '.join(names)}."
                raise UserError(f"`{key}.at`: there is no coordinate `{coordinate}`; {hint}")
            low, high = space.coordinates[coordinate]
            if not low <= place <= high:
                raise UserError(f"`{key}.at.{coordinate}` needs to be from {low} to {high}, but is {place}.")
        wanted = [parse_derivative(text, space, f"{key}.values") for text in given.values]
        formulas = [of_place(text, names, config.exact.let, f"{key}.values") for text in given.values.values()]
        found.append(Condition(name, given, functools.partial(_derivatives, wanted), columns(formulas)))
    return found


def parse_derivative(text: str, space: DomainConfig, key: str) -> tuple[int, tuple[int, ...]]:
    """The place of a field, and the axes by which it is differentiated.

    Raises:
        UserError: it is neither a field nor a derivative.

    >>> space = DomainConfig({"x": [0.0, 1.0], "t": [0.0, 1.0]}, ["u"])
    >>> parse_derivative("u_xxt", space, "key")
    (0, (0, 0, 1))
    """
    names, field, rest = list(space.coordinates), *text.partition("_")[::2]
    axes: list[int] = []
    while field in space.fields and rest:
        axis = next((i for i, name in enumerate(names) if rest.startswith(name)), None)
        if axis is None:
            break
        axes.append(axis)
        rest = rest[len(names[axis]) :]
    if field not in space.fields or rest:
        raise UserError(
            f"`{key}`: {text!r} is neither a field ({', '.join(space.fields)}) nor a derivative such as "
            f"`{space.fields[0]}_{names[0]}`."
        )
    return space.fields.index(field), tuple(axes)


def _derivatives(
    wanted: Sequence[tuple[int, tuple[int, ...]]], x: Tensor, u: Tensor, unknowns: Mapping[str, Tensor]
) -> Tensor:
    return torch.stack([derivative(u[:, field], x, *axes) for field, axes in wanted], dim=1)


def contradictions(config: PinnExperiment) -> list[str]:
    """Where two conditions that prescribe the same field hold at once and differ, in words with place and size."""
    space, found = config.space, []
    names, given = list(space.coordinates), conditions(config)
    generator = torch.Generator().manual_seed(0)
    for i, first in enumerate(given):
        for second in given[i + 1 :]:
            both = {**first.config.at, **second.config.at}
            agree = all(first.config.at.get(n, place) == place for n, place in second.config.at.items())
            shared = [name for name in first.config.values if name in second.config.values]
            if not agree or not shared:
                continue
            at = ConditionConfig(both, dict.fromkeys(shared, 0.0), points=200)
            x = Condition("", at, first.equation, first.prescribed).points(space, generator, space.low, space.high)
            for name in shared:
                columns_of = [list(c.config.values).index(name) for c in (first, second)]
                apart = (first.prescribed(x)[:, columns_of[0]] - second.prescribed(x)[:, columns_of[1]]).abs()
                worst = int(apart.argmax())
                if float(apart[worst]) > 1e-6 * max(1.0, float(first.prescribed(x).abs().max())):
                    place = ", ".join(f"{n} = {v:.4g}" for n, v in zip(names, x[worst].tolist(), strict=True))
                    found.append(
                        f"`conditions.{first.name}` and `conditions.{second.name}` differ by {float(apart[worst]):.3g} "
                        f"in {name} at {place}."
                    )
    return found
