"""Exponential time differencing, fourth order, for u' = L u + N(u) with a diagonal L (Cox and Matthews 2002).

The coefficients are those of Kassam and Trefethen 2005 (SIAM J. Sci. Comput. 26, 1214), eq. 2.4 and 2.5: means over a
circle in the complex plane, because the formulas themselves cancel where L is small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Complex, Float

from sciml.core.errors import UserError

# stability limit of RK4, and of ETDRK4 without damping, on the imaginary axis
ADVECTION_LIMIT = 2.8

# points on the half circle around L dt: more change nothing in double precision (Kassam and Trefethen, section 3)
_CIRCLE_POINTS = 32


class StepTooLongError(UserError):
    """A step with which the solution would blow up."""


Nonlinear = Callable[[Complex[np.ndarray, "*modes"]], Complex[np.ndarray, "*modes"]]


@dataclass(frozen=True, eq=False)
class Etdrk4:
    """One step of fixed length; all coefficients are real arrays that multiply the modes.

    Build it with `Etdrk4.of`.
    """

    whole: Float[np.ndarray, "*modes"]
    half: Float[np.ndarray, "*modes"]
    half_weight: Float[np.ndarray, "*modes"]
    first: Float[np.ndarray, "*modes"]
    middle: Float[np.ndarray, "*modes"]
    last: Float[np.ndarray, "*modes"]

    @classmethod
    def of(cls, linear: Float[np.ndarray, "*modes"], step: float, dtype: Any = np.float64) -> Etdrk4:
        """For the diagonal `linear`, real and not positive, and steps of `step`; coefficients of type `dtype`."""
        angle = np.pi * (np.arange(_CIRCLE_POINTS) + 0.5) / _CIRCLE_POINTS
        z = step * linear[..., None] + np.exp(1j * angle)
        ez = np.exp(z)

        def mean(values: Complex[np.ndarray, "*modes circle"]) -> Float[np.ndarray, "*modes"]:
            return (step * values.mean(axis=-1).real).astype(dtype)

        return cls(
            whole=np.exp(step * linear).astype(dtype),
            half=np.exp(step * linear / 2).astype(dtype),
            half_weight=mean((np.exp(z / 2) - 1) / z),
            first=mean((-4 - z + ez * (4 - 3 * z + z**2)) / z**3),
            middle=mean((2 + z + ez * (z - 2)) / z**3),
            last=mean((-4 - 3 * z - z**2 + ez * (4 - z)) / z**3),
        )

    def advance(self, modes: Complex[np.ndarray, "*b m"], nonlinear: Nonlinear) -> Complex[np.ndarray, "*b m"]:
        """The modes a step later."""
        at_start = nonlinear(modes)
        decayed = self.half * modes
        a = decayed + self.half_weight * at_start
        at_a = nonlinear(a)
        b = decayed + self.half_weight * at_a
        at_b = nonlinear(b)
        c = self.half * a + self.half_weight * (2 * at_b - at_start)
        at_c = nonlinear(c)
        at_a += at_b
        at_a *= 2 * self.middle
        result = self.whole * modes
        result += self.first * at_start
        result += at_a
        result += self.last * at_c
        return result


def check_advection(speed: float, wave: Float[np.ndarray, " k"], damping: float, step: float, time: float) -> None:
    """Refuses a step in which a flow of this speed carries some wave too far for ETDRK4 to be stable.

    A wave's number is speed * kappa * step, less what damping takes: a step counts as (1 - exp(-d step)) / d of itself
    for a damping d = `damping` kappa^2. The limit is RK4's, 2.8. Speeds that are not numbers pass.

    Raises:
        StepTooLongError: naming the longest step that would do.
    """

    def worst(step: float) -> float:
        return float(speed * (wave * _damped_step(damping * wave**2, step)).max())

    if worst(step) <= ADVECTION_LIMIT or not np.isfinite(speed):
        return
    enough = step
    while worst(enough) > ADVECTION_LIMIT:
        enough *= 0.9
    raise StepTooLongError(
        f"A step of {step:g} is too long: at time {time:g} the speed of the flow is {speed:.3g}, and max(speed kappa "
        f"step) is {worst(step):.2f}, but has to stay below {ADVECTION_LIMIT}. Take a step of {enough:.2g} or less."
    )


def _damped_step(damping: Float[np.ndarray, " k"], step: float) -> Float[np.ndarray, " k"]:
    exponent = damping * step
    return step * np.where(exponent > 0, -np.expm1(-exponent) / np.where(exponent > 0, exponent, 1), 1)
