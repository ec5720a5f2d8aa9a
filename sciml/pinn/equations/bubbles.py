"""The radius of a spherical gas bubble in a liquid: Rayleigh-Plesset and Keller-Miksis.

The gas follows a polytrope, vapour has a constant pressure. Residuals are over the ambient pressure, so of no unit.
Time in seconds and radii in metres are far from one: a network should see t / T and give R / R_0, the equation their
products with T and R_0 (the derivative by t is taken of what is computed from it).

Shapes: n points; the only coordinate is t in s, the only field R in m.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.pinn.derivatives import gradient
from sciml.pinn.equations.evolution import Parameter, flat

# pressure in Pa, far from the bubble, at times [n] in s
Pressure = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Bubble:
    """A bubble and the liquid around it.

    Attributes:
        equilibrium_radius_m: radius at rest under the ambient pressure.
        ambient_pressure_pa: far from the bubble at rest; also the unit of residuals.
        density_kg_m3: of the liquid.
        viscosity_pa_s: dynamic, of the liquid.
        surface_tension_n_m: between both.
        vapour_pressure_pa: of the liquid.
        polytropic_exponent: of the gas: 1 isothermal, its ratio of heat capacities adiabatic.
        gas_pressure_pa: of the gas at the equilibrium radius; None for the one that makes it an equilibrium, 0 for a
            cavity of vapour alone.

    Raises:
        UserError: a number out of range.
    """

    equilibrium_radius_m: float
    ambient_pressure_pa: float
    density_kg_m3: float
    viscosity_pa_s: float = 0.0
    surface_tension_n_m: float = 0.0
    vapour_pressure_pa: float = 0.0
    polytropic_exponent: float = 1.4
    gas_pressure_pa: float | None = None

    def __post_init__(self) -> None:
        for name in ("equilibrium_radius_m", "ambient_pressure_pa", "density_kg_m3", "polytropic_exponent"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise UserError(f"`bubble.{name}` needs to be a finite number above zero, but is {value}.")
        for name in ("viscosity_pa_s", "surface_tension_n_m", "vapour_pressure_pa", "gas_pressure_pa"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise UserError(f"`bubble.{name}` needs to be a finite number of at least zero, but is {value}.")

    @property
    def gas_at_rest_pa(self) -> float:
        """Pressure of the gas at the equilibrium radius.

        >>> round(Bubble(1e-3, 101325.0, 998.0, surface_tension_n_m=0.0725).gas_at_rest_pa, 6)
        101470.0
        """
        if self.gas_pressure_pa is not None:
            return self.gas_pressure_pa
        laplace = 2 * self.surface_tension_n_m / self.equilibrium_radius_m
        return self.ambient_pressure_pa + laplace - self.vapour_pressure_pa


def rayleigh_plesset(
    t: Float[Tensor, "n 1"], radius: Float[Tensor, "n 1"], bubble: Bubble, pressure: Pressure
) -> Float[Tensor, "n 1"]:
    """(density (R R'' + 3/2 R'^2) - p_wall + p_far) / p_ambient (Plesset & Prosperetti 1977, Annu. Rev. Fluid Mech. 9).

    p_wall = p_gas (R_0 / R)^(3 k) + p_vapour - 4 viscosity R' / R - 2 surface_tension / R.

    Args:
        t: times in s.
        radius: R in m, positive.
        bubble: constants.
        pressure: p_far in Pa at times in s.
    """
    r = radius[:, 0]
    dr = gradient(r, t)[:, 0]
    ddr = gradient(dr, t)[:, 0]
    inertia = bubble.density_kg_m3 * (r * ddr + 1.5 * dr**2)
    return ((inertia - _excess(t, r, dr, bubble, pressure)) / bubble.ambient_pressure_pa)[:, None]


def bubble_collapse(
    t: Float[Tensor, "n 1"],
    radius: Float[Tensor, "n 1"],
    gas: Parameter,
    exponent: Parameter = 1.4,
    viscosity: Parameter = 0.0,
    tension: Parameter = 0.0,
) -> Float[Tensor, "n 1"]:
    """Rayleigh-Plesset without units: R R'' + 3/2 R'^2 + 1 + 4 viscosity R' / R + 2 tension / R - gas R^(-3 exponent).

    Radii are in units of R_0, pressures in those of p, the excess far away over the vapour's, and times in those of
    R_0 (density / p)^(1/2), in which an empty cavity closes after 0.91468.

    Args:
        t: times.
        radius: R, positive.
        gas: its pressure at the radius 1.
        exponent: of its polytrope.
        viscosity: over R_0 (density p)^(1/2).
        tension: of the surface, over R_0 p.
    """
    r = radius[:, 0]
    dr = gradient(r, t)[:, 0]
    inertia = r * gradient(dr, t)[:, 0] + 1.5 * dr**2
    resistance = 1 + (4 * flat(viscosity) * dr + 2 * flat(tension)) / r
    return (inertia + resistance - flat(gas) * r ** (-3 * flat(exponent)))[:, None]


def keller_miksis(
    t: Float[Tensor, "n 1"],
    radius: Float[Tensor, "n 1"],
    bubble: Bubble,
    pressure: Pressure,
    sound_speed_m_s: float,
) -> Float[Tensor, "n 1"]:
    """Rayleigh-Plesset with sound radiated by the wall, to first order in its Mach number.

    ((1 - M) R R'' + 3/2 (1 - M / 3) R'^2) density - (1 + M) p - R p' / c, over p_ambient, with M = R' / c and
    p = p_wall - p_far as above (Keller & Miksis 1980, J. Acoust. Soc. Am. 68, 628, in the form of Lauterborn & Kurz
    2010, Rep. Prog. Phys. 73, 106501).

    Args:
        t: times in s.
        radius: R in m, positive.
        bubble: constants.
        pressure: p_far in Pa at times in s, a differentiable function.
        sound_speed_m_s: c of the liquid.

    Raises:
        UserError: a speed that is not positive.
    """
    if not sound_speed_m_s > 0:
        raise UserError(f"`sound_speed_m_s` needs to be above zero, but is {sound_speed_m_s}.")
    r = radius[:, 0]
    dr = gradient(r, t)[:, 0]
    ddr = gradient(dr, t)[:, 0]
    mach = dr / sound_speed_m_s
    excess = _excess(t, r, dr, bubble, pressure)
    inertia = bubble.density_kg_m3 * ((1 - mach) * r * ddr + 1.5 * (1 - mach / 3) * dr**2)
    radiated = r / sound_speed_m_s * gradient(excess, t)[:, 0]
    return ((inertia - (1 + mach) * excess - radiated) / bubble.ambient_pressure_pa)[:, None]


def _excess(t: Tensor, r: Tensor, dr: Tensor, bubble: Bubble, pressure: Pressure) -> Float[Tensor, " n"]:
    """Pressure of the liquid at the wall less that far away, in Pa."""
    gas = bubble.gas_at_rest_pa * (bubble.equilibrium_radius_m / r) ** (3 * bubble.polytropic_exponent)
    drag = 4 * bubble.viscosity_pa_s * dr / r + 2 * bubble.surface_tension_n_m / r
    return gas + bubble.vapour_pressure_pa - drag - pressure(t[:, 0])
