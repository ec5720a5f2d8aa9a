"""Equations in time: advection, heat, wave, Burgers, Allen-Cahn, Fisher-KPP, KdV and Kuramoto-Sivashinsky.

The last coordinate is time t, those before it are space. Quantities have any consistent units; the ones given are
those of x in m, t in s and u in its own unit [u]. A parameter is a number, or a tensor of one element or one a point,
as an unknown of an inverse problem is.

Shapes: n points, d coordinates. Each function takes x [n, d] and u [n, 1], computed from x, and returns [n, 1].
"""

from __future__ import annotations

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.pinn.derivatives import derivative, divergence, gradient

Parameter: TypeAlias = float | Tensor


def advection(x: Float[Tensor, "n 2"], u: Float[Tensor, "n 1"], speed: Parameter) -> Float[Tensor, "n 1"]:
    """u_t + speed u_x, in [u]/s; speed in m/s. (PDEBench, Takamoto et al. 2022, arXiv:2210.07182.)"""
    du = gradient(u[:, 0], x)
    return (du[:, 1] + flat(speed) * du[:, 0])[:, None]


def heat(x: Float[Tensor, "n d"], u: Float[Tensor, "n 1"], diffusivity: Parameter) -> Float[Tensor, "n 1"]:
    """u_t - diffusivity lap u, in [u]/s, in any dimension; diffusivity in m^2/s. (Evans 1998, section 2.3.)"""
    space = _space(x)
    du = gradient(u[:, 0], x)
    second = divergence(du[:, space], x, space)
    return (du[:, -1] - flat(diffusivity) * second)[:, None]


def wave(x: Float[Tensor, "n d"], u: Float[Tensor, "n 1"], speed: Parameter) -> Float[Tensor, "n 1"]:
    """u_tt - speed^2 lap u, in [u]/s^2, in any number of dimensions; speed in m/s. (Evans 1998, section 2.4.)"""
    space = _space(x)
    du = gradient(u[:, 0], x)
    second = divergence(du[:, space], x, space)
    in_time = gradient(du[:, -1], x)[:, -1]
    return (in_time - flat(speed) ** 2 * second)[:, None]


def burgers(x: Float[Tensor, "n 2"], u: Float[Tensor, "n 1"], viscosity: Parameter) -> Float[Tensor, "n 1"]:
    """u_t + u u_x - viscosity u_xx, in m/s^2 for u in m/s; viscosity in m^2/s.

    Raissi et al. 2019 (J. Comput. Phys. 378, 686) have the viscosity 0.01 / pi.
    """
    du = gradient(u[:, 0], x)
    u_xx = gradient(du[:, 0], x)[:, 0]
    return (du[:, 1] + u[:, 0] * du[:, 0] - flat(viscosity) * u_xx)[:, None]


def allen_cahn(
    x: Float[Tensor, "n d"], u: Float[Tensor, "n 1"], diffusivity: Parameter, rate: Parameter
) -> Float[Tensor, "n 1"]:
    """u_t - diffusivity lap u + rate (u^3 - u), in 1/s for u of no unit; diffusivity in m^2/s, rate in 1/s.

    Raissi et al. 2019 have diffusivity 1e-4 and rate 5.
    """
    return heat(x, u, diffusivity) + _column(rate) * (u**3 - u)


def fisher_kpp(
    x: Float[Tensor, "n d"], u: Float[Tensor, "n 1"], diffusivity: Parameter, rate: Parameter
) -> Float[Tensor, "n 1"]:
    """u_t - diffusivity lap u - rate u (1 - u), in 1/s for u of no unit; diffusivity in m^2/s, rate in 1/s.

    Fisher 1937 (Ann. Eugen. 7, 355); its front of speed 5 (rate diffusivity / 6)^(1/2) is known in closed form
    (Ablowitz & Zeppetella 1979, Bull. Math. Biol. 41, 835).
    """
    return heat(x, u, diffusivity) - _column(rate) * u * (1 - u)


def korteweg_de_vries(
    x: Float[Tensor, "n 2"], u: Float[Tensor, "n 1"], steepening: Parameter, dispersion: Parameter
) -> Float[Tensor, "n 1"]:
    """u_t + steepening u u_x + dispersion u_xxx, in [u]/s; steepening in m/(s [u]), dispersion in m^3/s.

    Raissi et al. 2019 have 1 and 0.0025 in it; the form with 6 and 1 is that of solitons.
    """
    du = gradient(u[:, 0], x)
    u_xxx = derivative(du[:, 0], x, 0, 0)
    return (du[:, 1] + flat(steepening) * u[:, 0] * du[:, 0] + flat(dispersion) * u_xxx)[:, None]


def kuramoto_sivashinsky(
    x: Float[Tensor, "n 2"], u: Float[Tensor, "n 1"], steepening: Parameter, growth: Parameter, damping: Parameter
) -> Float[Tensor, "n 1"]:
    """u_t + steepening u u_x + growth u_xx + damping u_xxxx, in [u]/s.

    steepening is in m/(s [u]), growth in m^2/s, damping in m^4/s. Wang, Sankaranarayanan & Perdikaris 2022
    (arXiv:2203.07404) have 100/16, 100/16^2 and 100/16^4.
    """
    du = gradient(u[:, 0], x)
    u_xx = derivative(du[:, 0], x, 0)
    u_xxxx = derivative(u_xx, x, 0, 0)
    drift = du[:, 1] + flat(steepening) * u[:, 0] * du[:, 0]
    return (drift + flat(growth) * u_xx + flat(damping) * u_xxxx)[:, None]


def euler_beam_vibrating(
    x: Float[Tensor, "n 2"], u: Float[Tensor, "n 1"], stiffness: Parameter, mass: Parameter, load: Parameter
) -> Float[Tensor, "n 1"]:
    """stiffness w_xxxx + mass w_tt - load, in N/m, of a beam's deflection w in m.

    stiffness E I in N m^2, mass a length in kg/m, load a length in N/m. (Timoshenko 1937, Vibration Problems in
    Engineering.)
    """
    du = gradient(u[:, 0], x)
    w_xxxx = derivative(du[:, 0], x, 0, 0, 0)
    w_tt = derivative(du[:, 1], x, 1)
    return (flat(stiffness) * w_xxxx + flat(mass) * w_tt - flat(load))[:, None]


def _space(x: Tensor) -> list[int]:
    if x.shape[1] < 2:
        raise UserError("An equation in time needs coordinates of space and then time, but got a single one.")
    return list(range(x.shape[1] - 1))


def flat(parameter: Parameter) -> Parameter:
    """A parameter that multiplies columns [n]: one of each point may come as [n, 1]."""
    return parameter.reshape(-1) if isinstance(parameter, Tensor) and parameter.ndim == 2 else parameter


def _column(parameter: Parameter) -> Parameter:
    """A parameter that multiplies [n, 1]."""
    return parameter[:, None] if isinstance(parameter, Tensor) and parameter.ndim == 1 else parameter
