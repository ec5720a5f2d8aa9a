"""Point sets of our own, and how they follow the residual: RAD and R3.

Random numbers come from a generator that the caller owns and saves (`get_state`), so that a run resumes exactly.

Shapes: n points, c candidates, d coordinates.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from sciml.core.errors import UserError
from sciml.pinn.embeddings import Box


def uniform_points(box: Box, n: int, generator: Generator) -> Float[Tensor, "n d"]:
    """Independent points, alike all over the box.

    Raises:
        UserError: fewer than one.
    """
    if n < 1:
        raise UserError(f"A point set needs at least one point, but {n} are asked for.")
    return box.places(torch.rand(n, box.n_dims, dtype=torch.float64, generator=generator))


def latin_points(box: Box, n: int, generator: Generator) -> Float[Tensor, "n d"]:
    """A Latin hypercube: each coordinate has one point in each n-th of its range.

    Raises:
        UserError: fewer than one.
    """
    inside = uniform_points(Box((0.0,) * box.n_dims, (1.0,) * box.n_dims), n, generator)
    order = torch.stack([torch.randperm(n, generator=generator) for _ in range(box.n_dims)], dim=1)
    return box.places((inside + order) / n)


def by_residual(
    candidates: Float[Tensor, "c d"],
    residual: Float[Tensor, " c"],
    n: int,
    generator: Generator,
    power: float = 1.0,
    floor: float = 1.0,
) -> Float[Tensor, "n d"]:
    """RAD: candidates with probabilities |r|^power / mean(|r|^power) + floor (Wu et al. 2023, arXiv:2207.10289, eq. 2).

    None is taken twice.

    Args:
        candidates: many more points than are asked for.
        residual: at each of them; its sign does not matter.
        n: points to draw.
        generator: of random numbers.
        power: the paper's k; larger ones concentrate points.
        floor: the paper's c; larger ones spread points.

    Raises:
        UserError: fewer candidates than points, a residual that is not finite, or negative numbers.
    """
    if not 1 <= n <= len(candidates):
        raise UserError(f"RAD needs between 1 and {len(candidates)} points, the candidates, but {n} are asked for.")
    if power < 0 or floor < 0:
        raise UserError(f"RAD needs a power and a floor of at least 0, but got {power} and {floor}.")
    _check_finite(candidates, residual)
    largest = residual.abs().max()
    # scaled first, so that a power of small numbers does not vanish
    sizes = (residual.abs() / largest) ** power if largest > 0 else torch.ones_like(residual)
    density = sizes / sizes.mean() + floor
    # the smallest share keeps a positive chance, as drawing without return needs n of them
    density = density.clamp_min(torch.finfo(density.dtype).tiny ** 0.5)
    # exponential clocks (Efraimidis & Spirakis 2006, Inf. Process. Lett. 97, 181): the first n to ring are the sample;
    # torch.multinomial takes 2^24 categories at most
    clock = -torch.log1p(-torch.rand(len(density), dtype=torch.float64, generator=generator)) / density
    return candidates[torch.topk(clock, n, largest=False).indices]


def retain_and_release(
    points: Float[Tensor, "n d"], residual: Float[Tensor, " n"], fresh: Float[Tensor, "n d"]
) -> Float[Tensor, "n d"]:
    """R3: points whose |r| is above the mean stay, fresh ones take the place of the others (arXiv:2207.02338, alg. 1).

    Raises:
        UserError: a residual that is not finite.

    >>> points, fresh = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[7.0], [8.0], [9.0]])
    >>> retain_and_release(points, torch.tensor([0.1, -5.0, 0.2]), fresh).flatten().tolist()
    [7.0, 2.0, 9.0]
    """
    _check_finite(points, residual)
    size = residual.abs()
    return torch.where((size > size.mean())[:, None], points, fresh)


def _check_finite(points: Tensor, residual: Tensor) -> None:
    bad = ~torch.isfinite(residual)
    if bad.any():
        place = [round(number, 6) for number in points[int(bad.int().argmax())].tolist()]
        raise UserError(f"The residual is not finite at {place}; points cannot follow it.")
