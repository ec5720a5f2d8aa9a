"""A mass on a spring with a damper under three harmonic forces, as of an elastically held cylinder, by integration.

Shapes: t times.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from sciml.pde.solvers.checks import check_positive

# N, rad/s and rad of each
_FORCES = ((3.0, 4.0, 0.0), (2.0, 6.5, 1.0), (1.5, 9.0, 2.0))
_START_M = 0.05


def oscillator(
    t: Float[np.ndarray, " t"], mass: float, damping: float, stiffness: float, tolerance: float = 1e-12
) -> Float[np.ndarray, "t 2"]:
    """Displacement in m and force in N at times in s, from rest at 0.05 m; within ten times the tolerance.

    Args:
        t: ascending from 0 on.
        mass: in kg.
        damping: in N s/m.
        stiffness: in N/m.
        tolerance: relative, of the integration (DOP853).

    Raises:
        UserError: a constant or tolerance that is not positive.
    """
    check_positive(mass=mass, damping=damping, stiffness=stiffness, tolerance=tolerance)

    def change(time: float, state: Float[np.ndarray, " 2"]) -> list[float]:
        y, speed = state.tolist()
        return [speed, (_force(np.array([time]))[0] - damping * speed - stiffness * y) / mass]

    span, start = (0.0, float(t[-1])), [_START_M, 0.0]
    found = solve_ivp(change, span, start, "DOP853", t, rtol=tolerance, atol=tolerance * _START_M)
    return np.stack([found.y[0], _force(t)], axis=1)


def _force(t: Float[np.ndarray, " t"]) -> Float[np.ndarray, " t"]:
    return np.sum([size * np.sin(rate * t + phase) for size, rate, phase in _FORCES], axis=0)
