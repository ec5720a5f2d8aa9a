"""Incompressible Navier-Stokes in two dimensions, steady and in time, with velocity and pressure as fields.

Without unit, in lengths L, speeds U and pressures density U^2 of the problem, viscosity is 1 / Re; with units it is
the kinematic one in m^2/s, speeds are in m/s and p is pressure over density, in m^2/s^2 (Batchelor 1967).

Shapes: n points; coordinates are x, y and, in time, t; fields are u, v and p; residuals are the momentum along x and
y, then the divergence. Raissi et al. 2019 (J. Comput. Phys. 378, 686) have the same with lambda_1 = 1 and lambda_2 =
viscosity, `inertia` being lambda_1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.pinn.derivatives import gradient, laplacian
from sciml.pinn.equations.evolution import Parameter, flat


def navier_stokes_steady(
    x: Float[Tensor, "n 2"], fields: Float[Tensor, "n 3"], viscosity: Parameter, inertia: Parameter = 1.0
) -> Float[Tensor, "n 3"]:
    """inertia (u . grad) u + grad p - viscosity lap u, of both components, and div u."""
    return _residuals(x, fields, viscosity, inertia, in_time=False)


def navier_stokes(
    x: Float[Tensor, "n 3"], fields: Float[Tensor, "n 3"], viscosity: Parameter, inertia: Parameter = 1.0
) -> Float[Tensor, "n 3"]:
    """u_t + inertia (u . grad) u + grad p - viscosity lap u, of both components, and div u."""
    return _residuals(x, fields, viscosity, inertia, in_time=True)


def navier_stokes_stream(
    x: Float[Tensor, "n 2"], fields: Float[Tensor, "n 2"], viscosity: Parameter
) -> Float[Tensor, "n 2"]:
    """The steady momentum of the stream function psi and of p, with u = psi_y and v = -psi_x, which conserve mass.

    psi is in m^2/s. Raissi et al. 2019, section 4.1.1, have these fields.
    """
    psi, p = fields.unbind(1)
    of_psi, dp = gradient(psi, x), gradient(p, x)
    u, v = of_psi[:, 1], -of_psi[:, 0]
    du, swirl = gradient(u, x), gradient(laplacian(psi, x, (0, 1)), x)
    v_x = -gradient(of_psi[:, 0], x)[:, 0]
    along_x = u * du[:, 0] + v * du[:, 1] + dp[:, 0] - flat(viscosity) * swirl[:, 1]
    along_y = u * v_x - v * du[:, 0] + dp[:, 1] + flat(viscosity) * swirl[:, 0]
    return torch.stack([along_x, along_y], dim=1)


def _residuals(
    x: Tensor, fields: Tensor, viscosity: Parameter, inertia: Parameter, *, in_time: bool
) -> Float[Tensor, "n 3"]:
    u, v, p = fields.unbind(1)
    du, dv, dp = gradient(u, x), gradient(v, x), gradient(p, x)
    momentum = []
    for along, d in enumerate((du, dv)):
        diffusion = gradient(d[:, 0], x)[:, 0] + gradient(d[:, 1], x)[:, 1]
        advection = flat(inertia) * (u * d[:, 0] + v * d[:, 1])
        total = advection + dp[:, along] - flat(viscosity) * diffusion
        momentum.append(d[:, 2] + total if in_time else total)
    return torch.stack([*momentum, du[:, 0] + dv[:, 1]], dim=1)
