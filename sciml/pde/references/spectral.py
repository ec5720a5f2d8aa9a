"""Equations in time on a periodic interval, in Fourier modes and by ETDRK4.

Kassam and Trefethen 2005 (SIAM J. Sci. Comput. 26, 1214); the linear part may be complex, as that of waves is.

Shapes: n points, t times, m modes, p points of the solver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex, Float

from sciml.core.errors import UserError
from sciml.pde.solvers.checks import check_finite, check_positive, check_times
from sciml.pde.solvers.etdrk4 import Etdrk4
from sciml.pde.solvers.transforms import fft

# of the initial state, so that modes of a kink, which fall as their square, are known to 1e-12
_FINEST = 2**20

# points on the circle around L dt, on which phi functions do not cancel (Kassam and Trefethen 2005, section 3)
_CIRCLE_POINTS = 64

Function = Callable[[Float[np.ndarray, "*p"]], Float[np.ndarray, "*p"]]


@dataclass(frozen=True)
class PeriodicEquation:
    """u_t = L u + reaction(u) - (flux(u))_x with the period upper - lower.

    Attributes:
        lower: of the interval.
        upper: of the interval.
        initial: u at time 0 of x.
        symbol: what L multiplies exp(i k x) by, of wave numbers k in radians a unit of x.
        reaction: without derivatives.
        flux: whose derivative is taken.
    """

    lower: float
    upper: float
    initial: Function
    symbol: Callable[[Float[np.ndarray, " m"]], Complex[np.ndarray, " m"]]
    reaction: Function | None = None
    flux: Function | None = None


def spectral_evolution(
    equation: PeriodicEquation,
    x: Float[np.ndarray, " n"],
    t: Float[np.ndarray, " t"],
    points: int,
    step: float,
) -> Float[np.ndarray, "t n"]:
    """u at any points, interpolated by its Fourier series, at times that are multiples of the step.

    At time 0 it is the initial state itself.

    Args:
        equation: what is solved.
        x: where u is asked for.
        t: ascending from 0 on, all multiples of the step.
        points: of the solver, even; aliasing of products is left to resolution.
        step: in time; errors fall as its fourth power.

    Raises:
        UserError: times between steps, an odd or too small number of points, or a solution that blows up.
    """
    check_positive(step=step)
    if points < 8 or points % 2:
        raise UserError(f"A spectral reference needs an even number of at least 8 points, but got {points}.")
    wave = 2 * np.pi / (equation.upper - equation.lower) * np.arange(points // 2 + 1)
    # the highest wave of an even number of points has no derivative; it is left out
    kept = np.arange(points // 2 + 1) < points // 2
    stepper = _ComplexEtdrk4.of_complex(np.where(kept, equation.symbol(wave), 0), step)
    derivative = -1j * wave

    def nonlinear(modes: Complex[np.ndarray, " m"]) -> Complex[np.ndarray, " m"]:
        u = fft.irfft(modes, points)
        result = np.zeros(len(wave), complex)
        if equation.reaction is not None:
            result += fft.rfft(equation.reaction(u))
        if equation.flux is not None:
            result += derivative * fft.rfft(equation.flux(u))
        return result * kept

    modes = _initial_modes(equation, points) * kept
    # exp(i k x) in radians from the lower end; both signs of a wave count
    basis = np.exp(1j * wave[:, None] * (x - equation.lower)) * np.where(wave > 0, 2, 1)[:, None] / points
    found = np.empty((len(t), len(x)))
    done = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for place, steps in enumerate(check_times(t.tolist(), step)):
            for _ in range(done, steps):
                modes = stepper.advance(modes, nonlinear)
            done = steps
            check_finite(modes[None], float(t[place]), step)
            found[place] = (modes @ basis).real if steps else equation.initial(x)
    return found


@dataclass(frozen=True, eq=False)
class _ComplexEtdrk4(Etdrk4):
    """The stepper with coefficients of a complex linear part."""

    whole: Complex[np.ndarray, "*modes"]
    half: Complex[np.ndarray, "*modes"]
    half_weight: Complex[np.ndarray, "*modes"]
    first: Complex[np.ndarray, "*modes"]
    middle: Complex[np.ndarray, "*modes"]
    last: Complex[np.ndarray, "*modes"]

    @classmethod
    def of_complex(cls, linear: Complex[np.ndarray, "*modes"], step: float) -> _ComplexEtdrk4:
        z = step * linear[..., None] + np.exp(2j * np.pi * (np.arange(_CIRCLE_POINTS) + 0.5) / _CIRCLE_POINTS)
        ez = np.exp(z)

        def mean(values: Complex[np.ndarray, "*modes circle"]) -> Complex[np.ndarray, "*modes"]:
            return step * values.mean(axis=-1)

        return cls(
            whole=np.exp(step * linear),
            half=np.exp(step * linear / 2),
            half_weight=mean((np.exp(z / 2) - 1) / z),
            first=mean((-4 - z + ez * (4 - 3 * z + z**2)) / z**3),
            middle=mean((2 + z + ez * (z - 2)) / z**3),
            last=mean((-4 - 3 * z - z**2 + ez * (4 - z)) / z**3),
        )


def _initial_modes(equation: PeriodicEquation, points: int) -> Complex[np.ndarray, " m"]:
    """Of the initial state on many more points than the solver's, so that none of its modes is taken for another."""
    x = equation.lower + (equation.upper - equation.lower) * np.arange(_FINEST) / _FINEST
    return fft.rfft(equation.initial(x))[: points // 2 + 1] * (points / _FINEST)
