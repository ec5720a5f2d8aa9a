"""Point sets of our own, and how they follow the residual: RAD and R3.

Random numbers come from a generator that the caller owns and saves (`get_state`), so that a run resumes exactly.

Shapes: n points, c candidates, d coordinates.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from sciml.core.errors import UserError
from sciml.pinn.embeddings import Box

# candidates, on the average, within which a subset is drawn at random
_IN_A_CELL = 8


def uniform_points(box: Box, n: int, generator: Generator) -> Float[Tensor, "n d"]:
    """Independent points, alike all over the box.

    Raises:
        UserError: fewer than one.
    """
    if n < 1:
        raise UserError(f"A point set needs at least one point, but {n} are asked for.")
    return box.places(torch.rand(n, box.n_dims, dtype=torch.float64, generator=generator))


def sobol_points(box: Box, n: int, generator: Generator) -> Float[Tensor, "n d"]:
    """The first n points of a scrambled Sobol sequence, of which a mean over them is a far better integral.

    Raises:
        UserError: fewer than one.
    """
    if n < 1:
        raise UserError(f"A point set needs at least one point, but {n} are asked for.")
    seed = int(torch.randint(2**31, (1,), generator=generator))
    engine = torch.quasirandom.SobolEngine(box.n_dims, scramble=True, seed=seed)
    return box.places(engine.draw(n, dtype=torch.float64))


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
    chances = _chances(density.clamp_min(torch.finfo(density.dtype).tiny ** 0.5), n)
    # a draw from each n-th part of the chances along a curve that fills space: every region gets its share to within
    # a point, where independent draws would leave the noise of their number in the loss
    order = _along_curve(candidates, generator)
    certain = order[chances[order] >= 1]
    order, n = order[chances[order] < 1], n - len(certain)
    if not n:
        return candidates[certain]
    ends = torch.cumsum(chances[order], 0)
    ticks = torch.arange(n, dtype=torch.float64) + torch.rand(n, dtype=torch.float64, generator=generator)
    chosen = torch.searchsorted(ends * (n / ends[-1]), ticks)
    # one that is drawn twice gives way to the next, and at the end to those before
    places = torch.arange(n)
    chosen = torch.cummax(chosen - places, 0).values + places
    chosen = torch.minimum(chosen, len(order) - n + places)
    return candidates[torch.cat([certain, order[chosen]])]


def _chances(density: Float[Tensor, " c"], n: int) -> Float[Tensor, " c"]:
    """Chances to be drawn that sum up to n, proportional to the density but at most 1.

    >>> _chances(torch.tensor([8.0, 1.0, 1.0]), 2).tolist()
    [1.0, 0.5, 0.5]
    """
    certain = torch.zeros(len(density), dtype=torch.bool)
    while True:
        free = n - int(certain.sum())
        rest = torch.where(certain, 0.0, density)
        chances = torch.where(certain, 1.0, rest * (free / rest.sum().clamp_min(torch.finfo(density.dtype).tiny)))
        more = (chances >= 1) & ~certain
        if not more.any():
            return chances
        certain |= more


def _along_curve(points: Float[Tensor, "c d"], generator: Generator) -> Tensor:
    """The order of points along a Z curve (Morton 1966) through cells with some points each, at random within a cell.

    Neighbours on it are near to one another in space.
    """
    c, d = points.shape
    low, high = points.amin(dim=0), points.amax(dim=0)
    bits = min(max(int(math.log2(max(c / _IN_A_CELL, 1)) / d), 1), 62 // d)
    cells = ((points - low) / (high - low).clamp_min(1e-300) * (2**bits - 1e-9)).long().clamp_max(2**bits - 1)
    code = torch.zeros(c, dtype=torch.int64)
    for bit in range(bits):
        for axis in range(d):
            code |= ((cells[:, axis] >> bit) & 1) << (bit * d + axis)
    shuffled = torch.randperm(c, generator=generator)
    return shuffled[torch.argsort(code[shuffled], stable=True)]


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
