"""How long a conventional solver takes to be as accurate as something else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Generic, TypeVar

import numpy as np
from jaxtyping import Float

from sciml.core.errors import UserError

Setting = TypeVar("Setting")

_REPETITIONS = 3


@dataclass(frozen=True)
class Cheapest(Generic[Setting]):
    """What the first setting that is accurate enough costs.

    Attributes:
        setting: of those tried.
        seconds: of the wall, median of three.
        error: rel-L2 against the reference.
    """

    setting: Setting
    seconds: float
    error: float


def relative_error(found: Float[np.ndarray, "*n"], reference: Float[np.ndarray, "*n"]) -> float:
    """Norm of the difference over that of the reference.

    >>> relative_error(np.array([3.0, 4.5]), np.array([3.0, 4.0]))
    0.1
    """
    return float(np.linalg.norm(found - reference) / np.linalg.norm(reference))


def cheapest(
    solve: Callable[[Setting], Float[np.ndarray, "*n"]],
    reference: Float[np.ndarray, "*n"],
    error: float,
    settings: Sequence[Setting],
) -> Cheapest[Setting]:
    """The first setting whose solution is within a relative error of the reference, and its time.

    Args:
        solve: the solution on the places of the reference; UserError where a setting is too coarse for any.
        reference: converged, well below the error.
        error: largest rel-L2.
        settings: numbers of points, steps or pairs of them, from the cheapest on.

    Raises:
        UserError: none is accurate enough; says which came nearest.
    """
    best: tuple[float, Any] = (np.inf, None)
    for setting in settings:
        try:
            reached = relative_error(solve(setting), reference)
        except UserError:
            continue
        if reached <= error:
            return Cheapest(setting, median(_seconds(solve, setting) for _ in range(_REPETITIONS)), reached)
        best = min(best, (reached, setting), key=lambda pair: pair[0])
    raise UserError(
        f"No setting of the solver comes within {error:g} of the reference: the best is {best[1]} with {best[0]:.2g}. "
        "Add finer settings."
    )


def _seconds(solve: Callable[[Setting], Any], setting: Setting) -> float:
    start = time.perf_counter()
    solve(setting)
    return time.perf_counter() - start
