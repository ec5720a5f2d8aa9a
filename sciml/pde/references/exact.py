"""Solutions in closed form of advection, heat, wave, Fisher-KPP, Allen-Cahn, KdV, Helmholtz and Euler beams.

They are right to some units of the last digit. Quantities have any consistent units, as in the equations.

Shapes: n points, t times; functions of time return [t, n].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from sciml.pde.solvers.checks import check_positive

Line = Float[np.ndarray, " n"]
Times = Float[np.ndarray, " t"]
History = Float[np.ndarray, "t n"]


def advection(x: Line, t: Times, speed: float = 50.0, initial: Callable[[np.ndarray], np.ndarray] = np.sin) -> History:
    """u_t + speed u_x = 0: `initial`, carried along.

    Speed 50 and a sine of period 2 pi: Krishnapriyan et al. 2021 (arXiv:2109.01050).
    """
    return initial(x - speed * t[:, None])


def heat(x: Line, t: Times, diffusivity: float, wave_number: float = np.pi) -> History:
    """u_t = diffusivity u_xx from sin(wave_number x) (Evans 1998, section 2.3)."""
    return np.exp(-diffusivity * wave_number**2 * t[:, None]) * np.sin(wave_number * x)


def wave(x: Line, t: Times, speed: float, wave_number: float = np.pi) -> History:
    """u_tt = speed^2 u_xx from sin(wave_number x) at rest (Evans 1998, section 2.4)."""
    return np.cos(speed * wave_number * t[:, None]) * np.sin(wave_number * x)


def fisher_kpp_front(x: Line, t: Times, diffusivity: float, rate: float) -> History:
    """u_t = diffusivity u_xx + rate u (1 - u) from 1 at the left to 0, at the speed 5 (rate diffusivity / 6)^(1/2).

    Ablowitz and Zeppetella 1979 (Bull. Math. Biol. 41, 835).
    """
    check_positive(diffusivity=diffusivity, rate=rate)
    along = x - 5 * np.sqrt(rate * diffusivity / 6) * t[:, None]
    return (1 + np.exp(np.sqrt(rate / (6 * diffusivity)) * along)) ** -2


def allen_cahn_front(x: Line, t: Times, diffusivity: float, rate: float) -> History:
    """u_t = diffusivity u_xx + rate (u - u^3) from 1 at the left to 0, at the speed 3 (rate diffusivity / 2)^(1/2).

    Put in, it leaves nothing: with w = 1 / (1 + e^z), w' = -w (1 - w) in z = (rate / (2 diffusivity))^(1/2) (x - c t).
    """
    check_positive(diffusivity=diffusivity, rate=rate)
    along = x - 3 * np.sqrt(rate * diffusivity / 2) * t[:, None]
    return 1 / (1 + np.exp(np.sqrt(rate / (2 * diffusivity)) * along))


def korteweg_de_vries_soliton(
    x: Line, t: Times, speed: float, steepening: float = 6.0, dispersion: float = 1.0
) -> History:
    """u_t + steepening u u_x + dispersion u_xxx = 0, one wave on an infinite line.

    Zabusky and Kruskal 1965 (Phys. Rev. Lett. 15, 240), scaled.
    """
    check_positive(speed=speed, steepening=steepening, dispersion=dispersion)
    along = np.sqrt(speed / dispersion) / 2 * (x - speed * t[:, None])
    return 3 * speed / steepening / np.cosh(along) ** 2


def helmholtz(x: Line, y: Line, a1: float = 1.0, a2: float = 4.0) -> Line:
    """sin(a1 pi x) sin(a2 pi y), zero on the edge of [-1, 1]^2 for whole a1 and a2.

    Wang, Teng and Perdikaris 2021 (SIAM J. Sci. Comput. 43, A3055).
    """
    return np.sin(a1 * np.pi * x) * np.sin(a2 * np.pi * y)


def helmholtz_source(x: Line, y: Line, a1: float = 1.0, a2: float = 4.0, wavenumber: float = 1.0) -> Line:
    """q of lap u + wavenumber^2 u = q that `helmholtz` solves.

    >>> helmholtz_source(np.array([0.5]), np.array([0.125]), wavenumber=np.pi) / np.pi**2
    array([-16.])
    """
    return (wavenumber**2 - (a1**2 + a2**2) * np.pi**2) * helmholtz(x, y, a1, a2)


def cantilever(x: Line, stiffness: float, load: float, length: float = 1.0) -> Line:
    """Deflection with stiffness w'''' = load, clamped at 0 and free at `length`, all of N, m.

    Gere and Timoshenko 1997, Mechanics of Materials, table of deflections of cantilevers; load length^4 / (8 stiffness)
    at the end.

    >>> float(cantilever(np.array([2.0]), 5.0, 10.0, length=2.0)[0])
    4.0
    """
    return load / (24 * stiffness) * x**2 * (6 * length**2 - 4 * length * x + x**2)


def vibrating_beam(x: Line, t: Times, stiffness: float, mass: float, wave_number: float = np.pi) -> History:
    """mass w_tt + stiffness w_xxxx = 0 between hinges, from sin(wave_number x) at rest."""
    check_positive(stiffness=stiffness, mass=mass)
    return np.cos(np.sqrt(stiffness / mass) * wave_number**2 * t[:, None]) * np.sin(wave_number * x)
