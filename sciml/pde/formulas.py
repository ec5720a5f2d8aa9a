"""Fields that are known as a formula of the place, such as the forcing of a flow: inputs beside those of a file.

A formula has numbers, the names of axes, pi, + - * / **, and the functions of `FUNCTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.core.formulas import evaluate_formula
from sciml.pde.data import Fetch, PdeData, PdeField

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
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
    with np.errstate(all="ignore"):  # what has no value is refused by the caller
        found = evaluate_formula(text, {"pi": np.pi, **known}, FUNCTIONS, key, np.float64)
    return np.broadcast_to(np.asarray(found, np.float64), next(iter(known.values())).shape).copy()


def _fetch(values: NDArray[np.float64], n_samples: int) -> Fetch:
    """Reads as from a file: [sample, time, *grid]."""

    def fetch(samples: slice, times: slice, grid: tuple[slice, ...]) -> NDArray[np.float32]:
        part = values[grid].astype(np.float32)
        return np.broadcast_to(part, (len(range(*samples.indices(n_samples))), 1, *part.shape))

    return fetch
