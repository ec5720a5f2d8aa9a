"""Real spherical harmonics up to degree 3, and exact quadrature on the sphere.

Harmonics are component-normalised, sum over m of Y_lm(u)^2 = 2l + 1, and stand in one axis of (l_max + 1)^2 entries:
l = 0, then the three of l = 1, the five of l = 2, the seven of l = 3.

Shapes: ... any leading axes, k = (l_max + 1)^2 harmonics, g points on the sphere.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

MAXIMUM_DEGREE = 3


def _solid_harmonics(u: np.ndarray) -> list[np.ndarray]:
    """Harmonics of unit vectors `u` [g, 3], one array [g, 2l + 1] a degree."""
    x, y, z = u.T
    # Homogeneous polynomials of e.g. Varshalovich et al. 1988, table 5.1, rescaled to sum of squares 2l + 1.
    s3, s5, s7, s15 = np.sqrt(3.0), np.sqrt(5.0), np.sqrt(7.0), np.sqrt(15.0)
    degree_2 = [s15 * x * y, s15 * y * z, s5 / 2 * (3 * z**2 - 1), s15 * x * z, s15 / 2 * (x**2 - y**2)]
    degree_3 = [
        s7 * np.sqrt(10.0) / 4 * y * (3 * x**2 - y**2),
        s7 * s15 * x * y * z,
        s7 * np.sqrt(6.0) / 4 * y * (5 * z**2 - 1),
        s7 / 2 * z * (5 * z**2 - 3),
        s7 * np.sqrt(6.0) / 4 * x * (5 * z**2 - 1),
        s7 * s15 / 2 * z * (x**2 - y**2),
        s7 * np.sqrt(10.0) / 4 * x * (x**2 - 3 * y**2),
    ]
    return [
        np.ones((len(u), 1)),
        s3 * np.stack([x, y, z], axis=1),
        np.stack(degree_2, axis=1),
        np.stack(degree_3, axis=1),
    ]


def _quadrature(exact_degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Lebedev's points [g, 3] and weights [g] (summing to 1) that integrate polynomials of `exact_degree` exactly."""
    from scipy.integrate import lebedev_rule

    points, weights = lebedev_rule(exact_degree + (exact_degree + 1) % 2)
    return points.T, weights / (4.0 * np.pi)


class SphericalHarmonics(nn.Module):
    """Y_lm of unit vectors for l = 0..l_max.

    Degree l is a linear map of the l-fold product u (x) u ..., so that a batch costs a few dense products; the map is
    found once, by least squares over random directions (exact to rounding).
    """

    def __init__(self, l_max: int) -> None:
        super().__init__()
        if not 0 <= l_max <= MAXIMUM_DEGREE:
            raise ValueError(f"SphericalHarmonics needs 0 <= l_max <= {MAXIMUM_DEGREE}, but l_max is {l_max}.")
        self.l_max = l_max
        # whether a harmonic changes sign with the direction
        self.odd = torch.tensor([degree % 2 for degree in range(l_max + 1) for _ in range(2 * degree + 1)])
        points = np.random.default_rng(0).normal(size=(200, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        harmonics = _solid_harmonics(points)
        power = points
        # plain tensors in float64, not buffers: a module moved to float32 and back keeps them exact
        self.matrices: list[Tensor] = []
        for degree in range(2, l_max + 1):
            power = (power[:, :, None] * points[:, None, :]).reshape(len(points), -1)
            matrix = np.linalg.lstsq(power, harmonics[degree], rcond=None)[0]
            self.matrices.append(torch.from_numpy(matrix))

    def forward(self, direction: Float[Tensor, "*e 3"]) -> Float[Tensor, "*e k"]:
        parts = [torch.ones_like(direction[..., :1]), direction * 3.0**0.5]
        power = direction
        for matrix in self.matrices:
            power = (power.unsqueeze(-1) * direction.unsqueeze(-2)).flatten(-2)
            parts.append(power @ matrix.to(power))
        return torch.cat(parts[: self.l_max + 1], dim=-1)


def sphere_grid(l_max: int, product_degree: int) -> tuple[Float[Tensor, "g k"], Float[Tensor, " g"]]:
    """Harmonics on a quadrature grid and its weights, exact for products of `product_degree` in total.

    Raises:
        ValueError: l_max above the degree that is implemented.
    """
    if not 0 <= l_max <= MAXIMUM_DEGREE:
        raise ValueError(f"sphere_grid needs 0 <= l_max <= {MAXIMUM_DEGREE}, but l_max is {l_max}.")
    points, weights = _quadrature(product_degree)
    harmonics = np.concatenate(_solid_harmonics(points)[: l_max + 1], axis=1)
    return torch.from_numpy(harmonics), torch.from_numpy(weights)
