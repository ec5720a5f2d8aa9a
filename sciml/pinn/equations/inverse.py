"""Equations whose forcing or coefficient is a field beside the solution, to be found from observations.

Quantities have any consistent units; the ones given are those of x in m, t in s and u in its own unit [u].

Shapes: n points, d coordinates; fields are the solution, then what is sought with it.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from sciml.pinn.derivatives import gradient, laplacian
from sciml.pinn.equations.evolution import Parameter, flat


def oscillator(
    t: Float[Tensor, "n 1"], fields: Float[Tensor, "n 2"], mass: Parameter, damping: Parameter, stiffness: Parameter
) -> Float[Tensor, "n 1"]:
    """mass y'' + damping y' + stiffness y - F in N, of the displacement y in m and the force F in N.

    mass in kg, damping in N s/m, stiffness in N/m. Both fields observed, all three can be found, as those of a
    cylinder in vortex-induced vibration from its motion and its lift (Raissi et al. 2019, J. Fluid Mech. 861, 119).
    """
    y, force = fields.unbind(1)
    speed = gradient(y, t)[:, 0]
    acceleration = gradient(speed, t)[:, 0]
    total = flat(mass) * acceleration + flat(damping) * speed + flat(stiffness) * y - force
    return total[:, None]


def diffusion_coefficient(
    x: Float[Tensor, "n d"], fields: Float[Tensor, "n 2"], source: Parameter = 0.0
) -> Float[Tensor, "n 1"]:
    """div(k grad u) / k + source / k in [u]/m^2, of u and q = log k, steady and in any number of dimensions.

    k is in units of source m^2 / [u]; its logarithm keeps it positive. k is determined along the lines of grad u from
    where u has an extremum, k lap u = -source, or from where k is known; without a source only up to a factor, and
    where u is flat not at all.
    """
    u, q = fields.unbind(1)
    du, dq = gradient(u, x), gradient(q, x)
    return (laplacian(u, x, range(x.shape[1])) + (du * dq).sum(dim=1) + flat(source) * (-q).exp())[:, None]
