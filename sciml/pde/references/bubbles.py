"""The radius of a spherical bubble over time: Rayleigh's empty cavity exactly, others by an integrator of eighth order.

Shapes: t times.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.integrate
import scipy.special
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.pde.solvers.checks import check_positive

# Rayleigh 1917 (Phil. Mag. 34, 94): (1 / 6)^(1/2) B(5/6, 1/2), of which he gives 0.91468
RAYLEIGH_FACTOR = math.sqrt(1 / 6) * math.gamma(5 / 6) * math.gamma(1 / 2) / math.gamma(4 / 3)

# allowed error of a step, relative to the radius and to its speed
_TOLERANCE = 1e-12

# pressure in Pa at a time in s
Pressure = Callable[[float], float]


def collapse_time_s(radius_m: float, overpressure_pa: float, density_kg_m3: float) -> float:
    """In which an empty cavity closes under a constant pressure.

    >>> round(collapse_time_s(1.0, 1.0, 1.0), 5)
    0.91468
    """
    check_positive(radius_m=radius_m, overpressure_pa=overpressure_pa, density_kg_m3=density_kg_m3)
    return RAYLEIGH_FACTOR * radius_m * math.sqrt(density_kg_m3 / overpressure_pa)


def rayleigh_collapse_m(
    t: Float[np.ndarray, " t"], radius_m: float, overpressure_pa: float, density_kg_m3: float
) -> Float[np.ndarray, " t"]:
    """Radius of an empty cavity from rest, 0 from its collapse on.

    t / T = 1 - I((R / R0)^3; 5/6, 1/2), with I the regularised incomplete beta function: the integral of Rayleigh's
    R'^2 = 2/3 overpressure / density ((R0 / R)^3 - 1) in s = (R / R0)^3. Within 1e-13 of R0.

    Args:
        t: times in s from 0 on.
        radius_m: R0.
        overpressure_pa: of the liquid far away over the cavity.
        density_kg_m3: of the liquid.

    Raises:
        UserError: a number out of range.
    """
    left = 1 - t / collapse_time_s(radius_m, overpressure_pa, density_kg_m3)
    return radius_m * np.cbrt(scipy.special.betaincinv(5 / 6, 1 / 2, np.clip(left, 0, 1)))


def bubble_radius_m(
    t: Float[np.ndarray, " t"],
    initial_radius_m: float,
    initial_speed_m_s: float,
    pressure_pa: Pressure,
    pressure_rate_pa_s: Pressure = lambda t: 0.0,
    sound_speed_m_s: float = math.inf,
    *,
    equilibrium_radius_m: float,
    density_kg_m3: float,
    gas_pressure_pa: float,
    polytropic_exponent: float = 1.4,
    viscosity_pa_s: float = 0.0,
    surface_tension_n_m: float = 0.0,
    vapour_pressure_pa: float = 0.0,
) -> Float[np.ndarray, " t"]:
    """R of Keller-Miksis, or of Rayleigh-Plesset for an infinite speed of sound.

    density ((1 - M) R R'' + 3/2 (1 - M / 3) R'^2) = (1 + M) p + R p' / c, M = R' / c, and p = gas_pressure (R_eq / R)^
    (3 k) + vapour_pressure - 4 viscosity R' / R - 2 surface_tension / R - pressure(t) (Keller and Miksis 1980, J.
    Acoust. Soc. Am. 68, 628; Lauterborn and Kurz 2010, Rep. Prog. Phys. 73, 106501, section 3). DOP853 with a relative
    tolerance of 1e-12: within 1e-11 of R_eq after four periods of a driven bubble of 10 um, against a tolerance of
    1e-13; within 3e-12 of R0 of Rayleigh's collapse up to 99.9% of its time.

    Args:
        t: ascending times in s, the first one that of the initial state.
        initial_radius_m: R at the first time.
        initial_speed_m_s: R' at the first time.
        pressure_pa: far from the bubble, of time.
        pressure_rate_pa_s: its derivative; what radiates sound has to know it.
        sound_speed_m_s: c of the liquid.
        equilibrium_radius_m: at which the gas has its pressure.
        density_kg_m3: of the liquid.
        gas_pressure_pa: at the equilibrium radius; 0 for none.
        polytropic_exponent: k of the gas.
        viscosity_pa_s: dynamic, of the liquid.
        surface_tension_n_m: between both.
        vapour_pressure_pa: of the liquid.

    Raises:
        UserError: a number out of range, or a bubble that closes before the last time.
    """
    check_positive(
        initial_radius_m=initial_radius_m,
        equilibrium_radius_m=equilibrium_radius_m,
        density_kg_m3=density_kg_m3,
        polytropic_exponent=polytropic_exponent,
    )
    if not sound_speed_m_s > 0:
        raise UserError(f"The sound_speed_m_s needs to be above zero, but is {sound_speed_m_s:g}.")
    if len(t) < 2 or not (np.diff(t) > 0).all():
        raise UserError("A bubble needs two or more times in s that ascend.")

    def motion(time: float, state: Float[np.ndarray, "2"]) -> list[float]:
        r, speed = state
        gas = gas_pressure_pa * (equilibrium_radius_m / r) ** (3 * polytropic_exponent)
        drag, tension = 4 * viscosity_pa_s * speed / r, 2 * surface_tension_n_m / r
        p = gas + vapour_pressure_pa - drag - tension - pressure_pa(time)
        # p' without the part that has R'' in it, which goes to the left
        rate = (drag + tension - 3 * polytropic_exponent * gas) * speed / r - pressure_rate_pa_s(time)
        mach = speed / sound_speed_m_s
        right = (1 + mach) * p + r * rate / sound_speed_m_s - 1.5 * density_kg_m3 * (1 - mach / 3) * speed**2
        return [speed, right / (density_kg_m3 * (1 - mach) * r + 4 * viscosity_pa_s / sound_speed_m_s)]

    smallest_speed = initial_radius_m / (t[-1] - t[0])
    # a step that is tried and left may end at a negative radius
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        found = scipy.integrate.solve_ivp(
            motion,
            (t[0], t[-1]),
            [initial_radius_m, initial_speed_m_s],
            "DOP853",
            t_eval=t,
            rtol=_TOLERANCE,
            atol=[_TOLERANCE * initial_radius_m, _TOLERANCE * smallest_speed],
        )
    if not found.success or not (found.y[0] > 0).all():
        raise UserError(
            f"The bubble closes before the last time, {t[-1]:g} s, or its motion is too fast: {found.message} "
            "Ask for earlier times."
        )
    return found.y[0]
