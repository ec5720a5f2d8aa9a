"""Allen-Cahn, Korteweg-de Vries and Kuramoto-Sivashinsky in the settings that networks are measured on.

All are periodic and solved by `spectral_evolution`. Their defaults are converged as each says, in rel-L2 against half
the step and against twice the points; times have to be multiples of the step.

Shapes: n points, t times.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sciml.pde.references.spectral import Function, PeriodicEquation, spectral_evolution


def allen_cahn(
    x: Float[np.ndarray, " n"],
    t: Float[np.ndarray, " t"],
    diffusivity: float = 1e-4,
    rate: float = 5.0,
    points: int = 2048,
    step: float = 2.5e-4,
) -> Float[np.ndarray, "t n"]:
    """u_t = diffusivity u_xx + rate (u - u^3) from x^2 cos(pi x), of period 2 around 0.

    Raissi et al. 2019 (J. Comput. Phys. 378, 686), section 3.2.1. The initial state has a kink at the ends, so that
    its modes fall only as k^-2: 512 points leave 1e-7. Converged to 1e-11 to t = 1.
    """
    equation = PeriodicEquation(
        -1.0,
        1.0,
        lambda x: x**2 * np.cos(np.pi * x),
        lambda k: rate - diffusivity * k**2 + 0j,
        reaction=lambda u: -rate * u**3,
    )
    return spectral_evolution(equation, x, t, points, step)


def korteweg_de_vries(
    x: Float[np.ndarray, " n"],
    t: Float[np.ndarray, " t"],
    steepening: float = 1.0,
    dispersion: float = 0.0025,
    points: int = 256,
    step: float = 1e-4,
) -> Float[np.ndarray, "t n"]:
    """u_t + steepening u u_x + dispersion u_xxx = 0 from cos(pi x), of period 2 around 0.

    Raissi et al. 2019, section 4.2. Converged to 2e-12 to t = 1.
    """
    equation = PeriodicEquation(
        -1.0, 1.0, lambda x: np.cos(np.pi * x), lambda k: 1j * dispersion * k**3, flux=lambda u: steepening / 2 * u**2
    )
    return spectral_evolution(equation, x, t, points, step)


def kuramoto_sivashinsky(
    x: Float[np.ndarray, " n"],
    t: Float[np.ndarray, " t"],
    steepening: float = 5 / np.pi,
    growth: float = 5 / (3 * np.pi**2),
    damping: float = 5 / (27 * np.pi**4),
    points: int = 256,
    step: float = 1e-4,
) -> Float[np.ndarray, "t n"]:
    """u_t + steepening u u_x + growth u_xx + damping u_xxxx = 0 from -sin(pi x), of period 2 around 0.

    With the defaults the solution is regular, and converged to 1e-11 to t = 1.
    """
    return _kuramoto_sivashinsky(-1.0, 1.0, _sine, steepening, growth, damping, x, t, points, step)


def kuramoto_sivashinsky_chaotic(
    x: Float[np.ndarray, " n"],
    t: Float[np.ndarray, " t"],
    points: int = 256,
    step: float = 2.5e-5,
) -> Float[np.ndarray, "t n"]:
    """u_t + 100/16 u u_x + 100/16^2 u_xx + 100/16^4 u_xxxx = 0 from cos(x) (1 + sin(x)), of period 2 pi from 0 on.

    Wang et al. 2022 (arXiv:2203.07404). Chaos lets errors grow: converged to 1e-9 to t = 1; 128 points leave
    1e-4.
    """
    equation = (0.0, 2 * np.pi, lambda x: np.cos(x) * (1 + np.sin(x)), 100 / 16, 100 / 16**2, 100 / 16**4)
    return _kuramoto_sivashinsky(*equation, x, t, points, step)


def _sine(x: Float[np.ndarray, "*p"]) -> Float[np.ndarray, "*p"]:
    return -np.sin(np.pi * x)


def _kuramoto_sivashinsky(
    lower: float,
    upper: float,
    initial: Function,
    steepening: float,
    growth: float,
    damping: float,
    x: Float[np.ndarray, " n"],
    t: Float[np.ndarray, " t"],
    points: int,
    step: float,
) -> Float[np.ndarray, "t n"]:
    equation = PeriodicEquation(
        lower,
        upper,
        initial,
        lambda k: growth * k**2 - damping * k**4 + 0j,
        flux=lambda u: steepening / 2 * u**2,
    )
    return spectral_evolution(equation, x, t, points, step)
