"""Formulas that a user writes in a configuration: numbers, names, + - * / **, and functions of one argument.

Nothing else of Python is evaluated.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def evaluate_formula(
    text: str,
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[[Any], Any]],
    key: str,
    number: Callable[[float], Any] = float,
) -> Any:
    """The value of a formula, of whatever kind the names' values are.

    >>> evaluate_formula("2 * abs(x) ** 2", {"x": -3.0}, {"abs": abs}, "formula")
    18.0

    Args:
        text: the formula.
        names: what may be named in it, with values.
        functions: what may be called.
        key: of the configuration, for messages.
        number: what a number that stands in the formula becomes.

    Raises:
        UserError: what it has beside these.
    """

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as found):
                return number(found)
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Name(id=name):
                hint = suggest(name, names) or f"there are {', '.join(names)}."
                raise UserError(f"`{key}`, {text!r}: there is no `{name}`; {hint}")
            case ast.BinOp(left=left, op=ast.Pow(), right=right) if (power := _literal(right)) is not None:
                return value(left) ** power  # as a plain number, since the slope by an exponent may be none
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in functions:
                return functions[name](value(argument))
            case _:
                pass
        raise UserError(
            f"`{key}`, {text!r}: a formula has numbers, {', '.join(names)}, + - * / ** and the functions "
            f"{', '.join(functions)}, but this has `{ast.unparse(node)}`."
        )

    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise UserError(f"`{key}`, {text!r}, is not a formula: {error}.") from error
    return value(tree.body)


def _literal(node: ast.expr) -> float | None:
    """A number that stands in a formula, also with a minus."""
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -float(number)
        case _:
            return None
