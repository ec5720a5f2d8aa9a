"""What the equation leaves of a predicted field, as a term of a loss that needs no solution (Li et al. 2021, PINO,
arXiv:2111.03794).

Darcy's equation -div(a grad u) = f is taken as the solver of the data has it (`sciml.pde.solvers.darcy`), on the points
of the experiment. Fields of fewer points than the solutions were computed on keep the error of their coarser
differences, which such a term cannot see below.

A norm of second differences counts errors the more the finer they are: its condition number grows with the fourth power
of the points along an axis. The norm of the residual r in H^-1, (r, (-lap)^-1 r)^(1/2), is that of the error in H1 but
for factors between the least and the largest coefficient, on every grid.

Shapes: b samples, x and y points along the axes, i input and o output channels.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.catalogue import suggest
from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.fno.field_loss import FieldLossConfig
from sciml.pde.samples import FieldSamples
from sciml.pde.solvers.darcy import Faces, solve_darcy
from sciml.pde.surrogate import FieldBatch


@dataclass(frozen=True)
class PhysicsConfig:
    """The `physics:` part of a loss.

    Attributes:
        equation: darcy, of the unit square.
        weight: of the residual, relative to the source, beside the other terms.
        solutions: training samples, the first, whose solutions are learnt from; the others have the residual alone.
            Null for all of them, 0 for none.
        coefficient: the input that is the equation's coefficient.
        source: of the equation.
        faces: mean of two points' coefficients for the flux between them.
    """

    equation: Literal["darcy"]
    weight: float = 1.0
    solutions: int | None = None
    coefficient: str = "coefficient"
    source: float = 1.0
    faces: Faces = "arithmetic"

    def __post_init__(self) -> None:
        check_ranges("loss.physics", self, {"weight": (Excluded(0), math.inf), "solutions": (0, math.inf)})
        if self.source == 0 or not math.isfinite(self.source):
            raise UserError(f"`loss.physics.source` needs to be a number that is not 0, but is {self.source}.")


@dataclass(frozen=True)
class SurrogateLossConfig(FieldLossConfig):
    """The `loss:` part of an experiment on an operator.

    Attributes:
        physics: a term for what the equation leaves of a prediction; null for none.
    """

    physics: PhysicsConfig | None = None

    @property
    def has_term(self) -> bool:
        return self.physics is not None or super().has_term


class Physics:
    """The residual of an equation on what a surrogate predicts.

    Args:
        config: the equation.
        samples: of the training.

    Raises:
        UserError: samples of another equation: no such input, several outputs, or a domain that is no unit square.
    """

    def __init__(self, config: PhysicsConfig, samples: FieldSamples) -> None:
        self.config = config
        names, domain = samples.names["inputs"], samples.domain
        if config.coefficient not in names:
            hint = suggest(config.coefficient, names) or f"there are {', '.join(names)}."
            raise UserError(f"`loss.physics.coefficient`: there is no input `{config.coefficient}`; {hint}")
        self.channel = names.index(config.coefficient)
        ends = [(float(line[0]), float(line[-1])) for line in domain.coordinates]
        square = len(ends) == 2 and np.allclose(ends, [(0, 1), (0, 1)]) and not any(domain.periodic)
        if not square or len(samples.names["outputs"]) != 1 or domain.time_step is not None:
            there = " and ".join(f"{name} from {a:g} to {b:g}" for name, (a, b) in zip(domain.axes, ends, strict=True))
            raise UserError(
                f"`loss.physics.equation: {config.equation}` needs one output on a unit square that is not periodic, "
                f"without time, but {samples.source} has {', '.join(samples.names['outputs'])} on {there}."
            )

    def solved(self, samples: FieldSamples) -> FieldSamples | None:
        """Training samples with solutions that are learnt from; None for none."""
        part = slice(0, self.config.solutions)
        if self.config.solutions == 0:
            return None
        inputs, targets, parameters = samples.inputs[part], samples.targets[part], samples.parameters[part]
        return replace(samples, inputs=inputs, targets=targets, parameters=parameters)

    def solve(self, batch: FieldBatch) -> Float[Tensor, "b 1 x y 1"]:
        """What a conventional solver gives on the points of the batch: no training on the residual gets below it."""
        coefficients = batch.inputs[..., self.channel].double().numpy()
        found = [solve_darcy(field, self.config.source, self.config.faces, 1e-8) for field in coefficients]
        return torch.from_numpy(np.stack(found))[:, None, ..., None]

    def with_few_solutions(self, samples: FieldSamples) -> FieldSamples:
        """Training samples whose solutions beyond the asked ones are NaN."""
        if self.config.solutions is None:
            return samples
        targets = samples.targets.copy()
        targets[self.config.solutions :] = math.nan
        return replace(samples, targets=targets)

    def typical(self, samples: FieldSamples) -> Float[np.ndarray, "s t x y 1"]:
        """What outputs are scaled by: the solutions there are, or that of the mean coefficient where there are none."""
        if self.config.solutions != 0:
            return samples.targets[: self.config.solutions]
        mean = float(samples.inputs[..., self.channel].mean(dtype=np.float64))
        solution = solve_darcy(np.full(samples.domain.grid.shape, mean), self.config.source)
        return solution[None, None, ..., None].astype(np.float32)

    def __call__(self, u: Float[Tensor, "b x y 1"], inputs: Float[Tensor, "b x y i"]) -> Float[Tensor, " b"]:
        """Norm in H^-1 of each sample's residual over that of the source, and the size of the boundary values.

        That is their root mean square over that of the solution for the sample's mean coefficient.

        Args:
            u: the prediction in its own units.
            inputs: in their own units.
        """
        a, f = inputs[..., self.channel], self.config.source
        left = f - darcy_operator(u[..., 0], a, self.config.faces)
        source = torch.full_like(left[:1], f)
        typical = poisson_norms(source)[1] / math.sqrt(source.numel()) / a.mean(dim=(1, 2))
        sides = u[..., 0].clone()
        sides[:, 1:-1, 1:-1] = 0
        boundary = sides.square().sum(dim=(1, 2)) / (2 * sum(a.shape[1:]) - 4)
        return poisson_norms(left)[0] / poisson_norms(source)[0] + boundary.sqrt() / typical


def darcy_operator(u: Float[Tensor, "b x y"], a: Float[Tensor, "b x y"], faces: Faces) -> Float[Tensor, "b p q"]:
    """-div(a grad u) on the points inside of the unit square, p = x - 2 and q = y - 2.

    >>> x = torch.linspace(0, 1, 5).double()
    >>> u = (x**2)[None, :, None].expand(1, 5, 5)
    >>> darcy_operator(u, torch.full_like(u, 3.0), "arithmetic").unique().tolist()
    [-6.0]
    """
    flux = []
    for axis in (1, 2):
        n = u.shape[axis]
        low, high = a.narrow(axis, 0, n - 1), a.narrow(axis, 1, n - 1)
        between = (low + high) / 2 if faces == "arithmetic" else 2 * low * high / (low + high)
        flux.append((between * u.diff(dim=axis) * (n - 1)).diff(dim=axis) * (n - 1))
    return -(flux[0][:, :, 1:-1] + flux[1][:, 1:-1])


def poisson_norms(residual: Float[Tensor, "b p q"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """(r, (-lap)^-1 r)^(1/2) and |(-lap)^-1 r|, sums over the points inside of the unit square, by sine transforms.

    >>> n = 15
    >>> x = torch.arange(1, n + 1).double() / (n + 1)
    >>> wave = torch.sin(torch.pi * x)[:, None] * torch.sin(2 * torch.pi * x)
    >>> ratios = [float(wave.norm() / norm) for norm in poisson_norms(wave[None])]
    >>> round(ratios[0] ** 2 / torch.pi**2, 2), round(ratios[1] / torch.pi**2, 2)  # 1 + 4, for many points
    (4.95, 4.95)
    """
    (p, q) = residual.shape[1:]
    (first, along), (second, across) = (_sines(n, residual.dtype, residual.device) for n in (p, q))
    modes = first @ residual @ second
    values = along[:, None] + across
    return (modes.square() / values).sum(dim=(1, 2)).sqrt(), (modes / values).square().sum(dim=(1, 2)).sqrt()


@functools.cache
def _sines(n: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The orthonormal sine transform of n points inside of (0, 1), and the eigenvalues of -d^2/dx^2 there."""
    k = torch.arange(1, n + 1, dtype=torch.float64)
    waves = math.sqrt(2 / (n + 1)) * torch.sin(math.pi * k[:, None] * k / (n + 1))
    values = (2 * (n + 1) * torch.sin(math.pi * k / (2 * (n + 1)))) ** 2
    return waves.to(device, dtype), values.to(device, dtype)
