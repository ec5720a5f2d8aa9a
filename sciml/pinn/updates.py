"""How an inverse Hessian follows from a step: BFGS and the self-scaled members of Broyden's class.

The inverse Hessian H follows from each step s and change of the gradient y (Urban, Stefanou & Pons 2024,
arXiv:2405.04230; Kiyani et al. 2025, arXiv:2501.16371; the scales are those of Al-Baali 1998, J. Optim. Theory Appl.
96, 533, for BFGS and of Al-Baali & Khalfan 2003, optimization-online.org/2003/08/699, for Broyden's class):

    H <- (H - H y y^T H / y^T H y + phi v v^T) / tau + s s^T / y^T s,  v = (y^T H y)^(1/2) (s / y^T s - H y / y^T H y)

which is BFGS for tau = phi = 1. A tau below one makes eigenvalues that are too small grow, of which BFGS rids itself
slowly: with losses of differential equations, whose curvatures span many orders of magnitude, that is what it waits
for.

Shapes: n parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

UPDATES = ("ssbroyden", "ssbfgs", "bfgs")


@dataclass(frozen=True)
class Step:
    """What an update is made of.

    Attributes:
        s: change of the parameters.
        y: change of the gradient.
        image: H y.
        ys: y^T s.
        yhy: y^T H y.
        sbs: s^T B s, B being the inverse of H.
    """

    s: Float[Tensor, " n"]
    y: Float[Tensor, " n"]
    image: Float[Tensor, " n"]
    ys: float
    yhy: float
    sbs: float


def scales(update: str, ys: float, yhy: float, sbs: float, n: int) -> tuple[float, float]:
    """tau and phi of an update, positive and not negative.

    With b = s^T B s / y^T s and h = y^T H y / y^T s, whose product is at least 1. Where b = h = 1 the curvature is as
    expected, and nothing is scaled:

    >>> scales("ssbroyden", 1.0, 1.0, 1.0, 5), scales("ssbfgs", 1.0, 4.0, 2.0, 5), scales("bfgs", 1.0, 4.0, 2.0, 5)
    ((1.0, 1.0), (0.5, 1.0), (1.0, 1.0))

    Args:
        update: "ssbroyden" is SSBroyden2 of arXiv:2405.04230, "ssbfgs" scales BFGS.
        ys: y^T s, positive.
        yhy: y^T H y, positive.
        sbs: s^T B s, positive.
        n: parameters.
    """
    if update == "bfgs":
        return 1.0, 1.0
    b, h = sbs / ys, yhy / ys
    least = min(1.0, 1 / b)
    if update == "ssbfgs":
        return least, 1.0
    a = h * b - 1  # not negative (Cauchy and Schwarz) but for rounding
    if a <= 1e-14:
        return least, 1.0
    rho = min(1.0, h * (1 - math.sqrt(a / (1 + a))))
    theta = max((rho - 1) / a, min(1 / rho, (1 - b) / b))
    sigma = 1 + theta * a
    root = sigma ** (1 / (1 - n)) if n > 1 else 1.0
    tau = min(least * root, sigma) if theta <= 0 else least * min(root, 1 / theta)
    return tau, (1 - theta) / sigma


def change(tau: float, phi: float, ys: float, yhy: float) -> tuple[float, float, float]:
    """Factors of s s^T, of s (H y)^T + (H y) s^T and of (H y) (H y)^T in the update."""
    return (phi * yhy / (ys * tau) + 1) / ys, -phi / (ys * tau), (phi - 1) / (yhy * tau)
