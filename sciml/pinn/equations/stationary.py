"""Equations without time: Poisson, Helmholtz and the bending of a beam.

Quantities have any consistent units; the ones given are those of x in m and u in its own unit [u]. A source is a
number or a tensor of one element or one a point.

Shapes: n points, d coordinates. Each function takes x [n, d] and u [n, 1], computed from x, and returns [n, 1].
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from sciml.pinn.derivatives import derivative, laplacian
from sciml.pinn.equations.evolution import Parameter, flat


def poisson(x: Float[Tensor, "n d"], u: Float[Tensor, "n 1"], source: Parameter) -> Float[Tensor, "n 1"]:
    """lap u + source, in [u]/m^2, in any number of dimensions. (Evans 1998, section 2.2.)"""
    return (laplacian(u[:, 0], x, range(x.shape[1])) + flat(source))[:, None]


def helmholtz(
    x: Float[Tensor, "n d"], u: Float[Tensor, "n 1"], wavenumber: Parameter, source: Parameter
) -> Float[Tensor, "n 1"]:
    """lap u + wavenumber^2 u - source, in [u]/m^2, in any number of dimensions; wavenumber in 1/m.

    Wang, Teng & Perdikaris 2021 (arXiv:2001.04536).
    """
    return (laplacian(u[:, 0], x, range(x.shape[1])) + flat(wavenumber) ** 2 * u[:, 0] - flat(source))[:, None]


def euler_beam(
    x: Float[Tensor, "n 1"], u: Float[Tensor, "n 1"], stiffness: Parameter, load: Parameter
) -> Float[Tensor, "n 1"]:
    """stiffness w_xxxx - load, in N/m, of a beam's deflection w in m; stiffness E I in N m^2, load a length in N/m.

    Gere & Timoshenko, Mechanics of Materials; w is positive in the direction of the load.
    """
    return (flat(stiffness) * derivative(u[:, 0], x, 0, 0, 0, 0) - flat(load))[:, None]
