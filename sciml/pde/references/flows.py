"""Incompressible flow in closed form: velocities u, v and pressure over density, of any consistent units.

Both serve inverse problems: every point obeys Navier-Stokes to the last digit, so that a constant that is found can
be held against the one that was put in.

Shapes: n points; all return [n, 3].
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sciml.pde.solvers.checks import check_positive

Points = Float[np.ndarray, " n"]
Fields = Float[np.ndarray, "n 3"]


def taylor_green(x: Points, y: Points, t: Points, viscosity: float, drift: tuple[float, float] = (0.0, 0.0)) -> Fields:
    """Decaying vortices of period 2 pi, carried along by an even flow.

    Taylor and Green 1937 (Proc. R. Soc. A 158, 499). Without a drift inertia is balanced by pressure alone; with one,
    velocities at several times show it.

    >>> taylor_green(np.array([0.0]), np.array([np.pi / 2]), np.array([0.0]), 0.1)[:, :2].round(12).tolist()
    [[-1.0, 0.0]]
    """
    check_positive(viscosity=viscosity)
    a, b = x - drift[0] * t, y - drift[1] * t
    decay = np.exp(-2 * viscosity * t)
    u = drift[0] - np.cos(a) * np.sin(b) * decay
    v = drift[1] + np.sin(a) * np.cos(b) * decay
    return np.stack([u, v, -(np.cos(2 * a) + np.cos(2 * b)) * decay**2 / 4], axis=1)


def kovasznay(x: Points, y: Points, reynolds: float = 40.0) -> Fields:
    """Steady flow behind a grid of spacing 1, for a viscosity of 1 / reynolds (Kovasznay 1948, Proc. Camb. 44, 58).

    >>> kovasznay(np.array([0.0]), np.array([0.5])).round(12).tolist()
    [[2.0, -0.0, 0.0]]
    """
    check_positive(reynolds=reynolds)
    rate = reynolds / 2 - np.sqrt(reynolds**2 / 4 + 4 * np.pi**2)
    growth = np.exp(rate * x)
    u = 1 - growth * np.cos(2 * np.pi * y)
    v = rate / (2 * np.pi) * growth * np.sin(2 * np.pi * y)
    return np.stack([u, v, (1 - growth**2) / 2], axis=1)
