"""What every solver asks of its input and of what it finds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError


def check_positive(**numbers: float) -> None:
    """Refuses, with UserError, what is not a finite number above zero."""
    for name, value in numbers.items():
        if not (0 < value < math.inf):
            raise UserError(f"The {name} needs to be a finite number above zero, but is {value:g}.")


def check_initial(initial: NDArray[Any]) -> None:
    """Refuses, with UserError, NaN and infinity, naming the first sample with one."""
    bad = ~np.isfinite(initial.reshape(len(initial), -1)).all(axis=1)
    if bad.any():
        raise UserError(
            f"The initial state of sample {int(bad.argmax())} has NaN or infinity in it. Give whole fields."
        )


def check_times(times: Sequence[float], step: float) -> list[int]:
    """How many steps each of the times is away from 0.

    Raises:
        UserError: times that do not ascend from 0, or lie between two steps.

    >>> check_times([0.0, 0.5, 1.0], 0.25)
    [0, 2, 4]
    """
    counts = [round(time / step) for time in times]
    if not counts or counts[0] < 0 or any(b <= a for a, b in zip(counts, counts[1:], strict=False)):
        raise UserError(f"Times need to ascend from 0 by a step of {step:g} or more, but are {list(times)[:5]} ....")
    # steps add up in binary digits: a millionth of a step is far above their rounding
    apart = [time for time, count in zip(times, counts, strict=True) if abs(count * step - time) > 1e-6 * step]
    if apart:
        raise UserError(f"Every time needs to be a multiple of the step {step:g}, but {apart[0]:g} is none.")
    return counts


def check_finite(state: NDArray[Any], time: float, step: float) -> None:
    """Refuses, with UserError, a solution that has blown up."""
    bad = ~np.isfinite(state.reshape(len(state), -1)).all(axis=1)
    if bad.any():
        raise UserError(
            f"The solution of sample {int(bad.argmax())} blew up before time {time:g} with steps of {step:g}. "
            "Take a shorter step."
        )
