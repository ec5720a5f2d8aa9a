"""Fields that are known as a formula of the place, such as the forcing of a flow: inputs beside those of a file.

A formula has numbers, the names of axes, pi, + - * / **, and the functions of `FUNCTIONS`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.pde.data import Fetch, PdeData, PdeField

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def with_formulas(data: PdeData, formulas: Mapping[str, str]) -> PdeData:
    """The data with further fields, the same for all samples and times, without unit.

    Raises:
        UserError: a name that the file has already, a formula that is none, or one without a value at some point.
    """
    if not formulas:
        return data
    places = np.meshgrid(*(np.asarray(data.coordinates[axis], np.float64) for axis in data.axes), indexing="ij")
    known = dict(zip(data.axes, places, strict=True))
    added = []
    for name, text in formulas.items():
        if name in data.names:
            raise UserError(f"{data.source} has a field `{name}` itself. Give `dataset.formulas` another name.")
        values = evaluate(text, known, f"dataset.formulas.{name}")
        if not np.isfinite(values).all():
            raise UserError(f"`dataset.formulas.{name}`, {text!r}, has no value at some of the points.")
        added.append(PdeField(name, "1", _fetch(values, data.n_samples), varies_in_time=False))
    return replace(data, fields=(*data.fields, *added))


def evaluate(text: str, known: Mapping[str, Float64[np.ndarray, "*grid"]], key: str) -> Float64[np.ndarray, "*grid"]:
    """The values of a formula.

    >>> evaluate("2 * x + pi / pi", {"x": np.array([0.0, 1.0])}, "formula")
    array([1., 3.])

    Args:
        text: the formula.
        known: coordinates of the points, by axis.
        key: of the configuration, for messages.

    Raises:
        UserError: what it has beside numbers, names of axes and the functions.
    """
    names = {"pi": np.pi, **known}

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number):
                return np.float64(number)
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Name(id=name):
                hint = suggest(name, names) or f"there are {', '.join(names)}."
                raise UserError(f"`{key}`, {text!r}: there is no `{name}`; {hint}")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
                return FUNCTIONS[name](value(argument))
            case _:
                pass
        raise UserError(
            f"`{key}`, {text!r}: a formula has numbers, {', '.join(names)}, + - * / ** and the functions "
            f"{', '.join(FUNCTIONS)}, but this has `{ast.unparse(node)}`."
        )

    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise UserError(f"`{key}`, {text!r}, is not a formula: {error}.") from error
    with np.errstate(all="ignore"):  # what has no value is refused by the caller
        found = value(tree.body)
    return np.broadcast_to(np.asarray(found, np.float64), next(iter(known.values())).shape).copy()


def _fetch(values: NDArray[np.float64], n_samples: int) -> Fetch:
    """Reads as from a file: [sample, time, *grid]."""

    def fetch(samples: slice, times: slice, grid: tuple[slice, ...]) -> NDArray[np.float32]:
        part = values[grid].astype(np.float32)
        return np.broadcast_to(part, (len(range(*samples.indices(n_samples))), 1, *part.shape))

    return fetch
