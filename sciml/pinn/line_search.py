"""Step length by the strong Wolfe conditions (Nocedal & Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6).

Near a minimum a loss differs from that at the start by less than its rounding. There the slope decides alone, by the
approximate condition of Hager & Zhang 2005 (SIAM J. Optim. 16, 170, equation 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

# parts of the slope at the start: that the loss falls by at least, and that is left at most (Nocedal & Wright,
# section 3.1)
DECREASE = 1e-4
CURVATURE = 0.9
# relative difference of two losses that counts as rounding: some hundreds of units of float64's last digit
ROUNDING = 1e-13
# how much longer a step becomes at once
LARGEST_GROWTH = 10.0


@dataclass(frozen=True)
class Trial:
    """The loss at a step length.

    Attributes:
        step: length, in units of the direction.
        loss: value there.
        slope: its derivative by the step.
        gradient: of all parameters.
    """

    step: float
    loss: float
    slope: float
    gradient: Float[Tensor, " n"]

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.slope)


def strong_wolfe(evaluate: Callable[[float], Trial], start: Trial, first: float, evaluations: int = 25) -> Trial:
    """A trial that fulfils the strong Wolfe conditions, or the best one found; `start` itself where none is lower.

    A trial that is not finite counts as one that is too long.

    Args:
        evaluate: the loss at a step.
        start: at step 0, with a negative slope.
        first: step to try first.
        evaluations: most calls of `evaluate`.
    """
    assert start.slope < 0 and first > 0, "a line search goes downhill"
    low, step = start, first
    for done in range(1, evaluations + 1):
        trial = evaluate(step)
        if not _has_decreased(trial, start) or (done > 1 and trial.loss >= low.loss):
            return _zoom(evaluate, start, low, trial, evaluations - done)
        if abs(trial.slope) <= -CURVATURE * start.slope:
            return trial
        if trial.slope >= 0:
            return _zoom(evaluate, start, trial, low, evaluations - done)
        beyond = _cubic_minimum(low, trial)
        low, step = trial, min(max(beyond, 2 * trial.step), LARGEST_GROWTH * trial.step)
    return low


def _zoom(evaluate: Callable[[float], Trial], start: Trial, low: Trial, high: Trial, evaluations: int) -> Trial:
    """Between `low`, the best one so far, and `high`, there is a step that fulfils the conditions."""
    for _ in range(evaluations):
        width = high.step - low.step
        if width == 0:  # no number lies between them
            return low
        part = (_cubic_minimum(low, high) - low.step) / width if high.is_finite else 0.1
        # a tenth away from both ends at least, so that the interval does shrink
        part = min(max(part, 0.1), 0.9)
        trial = evaluate(low.step + part * width)
        if not _has_decreased(trial, start) or trial.loss >= low.loss:
            high = trial
        else:
            if abs(trial.slope) <= -CURVATURE * start.slope:
                return trial
            if trial.slope * width >= 0:
                high = low
            low = trial
    return low


def _has_decreased(trial: Trial, start: Trial) -> bool:
    if not trial.is_finite:
        return False
    if trial.loss <= start.loss + DECREASE * trial.step * start.slope:
        return True
    is_flat = abs(trial.loss - start.loss) <= ROUNDING * abs(start.loss)
    return is_flat and trial.slope <= (2 * DECREASE - 1) * start.slope


def _cubic_minimum(a: Trial, b: Trial) -> float:
    """Where the cubic with the losses and slopes of two trials is least (Nocedal & Wright, equation 3.59)."""
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:
        return (a.step + b.step) / 2
    d2 = math.copysign(math.sqrt(square), b.step - a.step)
    bottom = b.slope - a.slope + 2 * d2
    if bottom == 0:
        return (a.step + b.step) / 2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / bottom
