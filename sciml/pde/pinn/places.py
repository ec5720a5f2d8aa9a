"""Formulas of an experiment as functions of points, which automatic differentiation goes through.

Shapes: n points, d coordinates, f fields.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.core.formulas import evaluate_formula
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.space import DomainConfig

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "cosh": torch.cosh,
    "sinh": torch.sinh,
    "atan": torch.atan,
    "erf": torch.erf,
}

OfPlace: TypeAlias = Callable[[Tensor], Tensor]
# a formula of the coordinates, or a number
Formula: TypeAlias = int | float | str


def constant(formula: Formula, key: str) -> float:
    """The value of a formula without coordinates.

    >>> constant("1 / 4 + 1", "key")
    1.25

    Raises:
        UserError: what it has beside numbers, or a value that is not finite.
    """
    if not isinstance(formula, str):
        return float(formula)
    functions = {name: lambda x, f=f: float(f(torch.tensor(x, dtype=torch.float64))) for name, f in FUNCTIONS.items()}
    try:
        value = float(evaluate_formula(formula, {"pi": math.pi}, functions, key))
    except (ZeroDivisionError, OverflowError, TypeError) as error:
        raise UserError(f"`{key}`, {formula!r}, has no value: {error}.") from error
    if not math.isfinite(value):
        raise UserError(f"`{key}`, {formula!r}, is {value}, but a finite number is needed.")
    return value


def of_place(formula: Formula, coordinates: Sequence[str], let: Mapping[str, Formula], key: str) -> OfPlace:
    """From points [n, d] to the values [n] of a formula.

    Args:
        formula: of the coordinates and of what `let` names.
        coordinates: their names, in the points' order.
        let: names for parts of formulas; each may use those before it.
        key: of the configuration, for messages.

    Raises:
        UserError: what it has beside numbers, names and functions; said now and not when it is called.
    """

    def value(x: Tensor) -> Tensor:
        names = {"pi": _number(math.pi), **dict(zip(coordinates, x.unbind(1), strict=True))}
        for name, part in let.items():
            names[name] = _evaluate(part, names, f"exact.let.{name}")
        return _evaluate(formula, names, key).expand(len(x))

    value(torch.full((1, len(coordinates)), 0.5, dtype=torch.float64))
    return value


def parts_of_formulas(config: PinnExperiment) -> dict[str, Formula]:
    """What formulas of an experiment may name beside coordinates: the equation's constants that are numbers, as they
    are at the end of a curriculum, and what `exact.let` names."""
    numbers: dict[str, Formula] = {}
    for name, given in config.equation.constants.items():
        with contextlib.suppress(UserError):
            numbers[name] = constant(given, f"equation.constants.{name}")
    return {**numbers, **config.exact.let}


def parse_derivative(text: str, space: DomainConfig, key: str) -> tuple[int, tuple[int, ...]]:
    """The place of a field, and the axes by which it is differentiated.

    Raises:
        UserError: it is neither a field nor a derivative.

    >>> space = DomainConfig({"x": [0.0, 1.0], "t": [0.0, 1.0]}, ["u"])
    >>> parse_derivative("u_xxt", space, "key")
    (0, (0, 0, 1))
    """
    names, field, rest = list(space.axes), *text.partition("_")[::2]
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


def columns(functions: Sequence[OfPlace]) -> OfPlace:
    """From points [n, d] to the values [n, f] of several formulas."""
    return lambda x: torch.stack([function(x) for function in functions], dim=1)


def _evaluate(formula: Formula, names: Mapping[str, Tensor], key: str) -> Tensor:
    text = formula if isinstance(formula, str) else repr(float(formula))
    return evaluate_formula(text, names, FUNCTIONS, key, _number)


def _number(value: int | float) -> Tensor:
    return torch.tensor(float(value), dtype=torch.float64)
