"""Radial bases and cutoff functions of atomistic networks.

Shapes: ... any leading axes (edges), k basis functions.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def cosine_cutoff(distance: Float[Tensor, "*e"], cutoff: float) -> Float[Tensor, "*e"]:
    """Behler's cutoff, (1 + cos(pi r / cutoff)) / 2 (J. Chem. Phys. 134, 074106 (2011), equation 4); 0 beyond.

    Value and slope vanish at the cutoff, so energy and forces are continuous there.
    """
    inside = (distance < cutoff).to(distance.dtype)
    return 0.5 * (torch.cos(distance * (math.pi / cutoff)) + 1.0) * inside


def polynomial_cutoff(distance: Float[Tensor, "*e"], cutoff: float, exponent: int = 6) -> Float[Tensor, "*e"]:
    """Envelope of DimeNet (Gasteiger et al. 2020, arXiv:2003.03123, equation 8): 1 at r = 0, 0 from the cutoff on.

    Value, slope and curvature vanish at the cutoff, so energy, forces and force constants are continuous there.
    """
    p = exponent
    x = distance / cutoff
    inside = (x < 1.0).to(distance.dtype)
    polynomial = 1.0 + x**p * (-(p + 1) * (p + 2) / 2 + x * (p * (p + 2) - x * (p * (p + 1) / 2)))
    return polynomial * inside


def gaussian_basis(distance: Float[Tensor, " e"], centres: Float[Tensor, " k"]) -> Float[Tensor, "e k"]:
    """Gaussians of SchNet (Schuett et al. 2018, arXiv:1712.06113), equally spaced and as wide as their spacing."""
    gamma = 0.5 / (centres[1] - centres[0]) ** 2
    return torch.exp(-gamma * (distance.unsqueeze(-1) - centres) ** 2)


def bessel_basis(distance: Float[Tensor, "*e"], cutoff: float, n_basis: int) -> Float[Tensor, "*e k"]:
    """sin(k pi r / cutoff) / r for k = 1..n_basis, in units of 1/cutoff (PaiNN, arXiv:2102.03150, section 3).

    Chebyshev's recurrence gives the higher sines from the first, which is several times cheaper than n_basis sines.
    """
    x = distance * (math.pi / cutoff)
    twice_cosine = 2.0 * torch.cos(x)
    sines = [torch.sin(x) * (cutoff / distance)]
    previous = torch.zeros_like(x)
    for _ in range(n_basis - 1):
        sines.append(twice_cosine * sines[-1] - (sines[-2] if len(sines) > 1 else previous))
    return torch.stack(sines, dim=-1)
