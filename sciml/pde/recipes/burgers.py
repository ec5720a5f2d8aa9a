"""Recipe `burgers`: u at time 0 and later, of Li et al. 2021 (arXiv:2010.08895), section 5.1 and appendix A.3.1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.pde.recipes.making import Fields, Split
from sciml.pde.solvers.burgers import solve_burgers
from sciml.pde.solvers.gaussian_fields import periodic_field, random_stream
from sciml.pde.writing import Layout


@dataclass(frozen=True)
class BurgersRecipe:
    """The settings in dataset.yaml.

    Attributes:
        seed: of all random numbers; the name of the split and the number of the sample come to it.
        chunk: samples that are made at once.
        splits: the files.
        viscosity: nu.
        points: of the computation.
        every: one of so many points is kept.
        step: of time.
        times: that are kept, from 0 on.
        variance: s^2 of the initial state's covariance s^2 (-Laplacian + tau^2)^-alpha.
        tau: see there.
        alpha: see there.
    """

    seed: int
    chunk: int
    splits: dict[str, Split]
    viscosity: float
    points: int
    every: int
    step: float
    times: list[float]
    variance: float
    tau: float
    alpha: float

    def __post_init__(self) -> None:
        check_ranges("recipe", self, {"points": (8, 2**20), "every": (1, 2**10), "chunk": (1, 10_000)})
        check_ranges("recipe", self, {"viscosity": (Excluded(0), np.inf), "step": (Excluded(0), 1)})
        if self.points % self.every:
            raise UserError(f"`recipe.every` has to divide {self.points} points, but is {self.every}.")

    def layout(self) -> Layout:
        return Layout(
            fields={"u": ("time", "x")},
            long_names={"u": "velocity"},
            coordinates={
                "time": np.array(self.times),
                "x": np.arange(0, self.points, self.every) / self.points,
            },
            periodic={"x": True},
            attributes={
                "equation": "u_t + (u^2 / 2)_x = viscosity u_xx on the periodic unit interval",
                "viscosity": self.viscosity,
                "initial_state": f"N(0, {self.variance:g} (-Laplacian + {self.tau:g}^2)^-{self.alpha:g}), mean zero",
                "solver": f"Fourier, 2/3 rule, ETDRK4, {self.points} points, steps of {self.step:g}",
                "seed": self.seed,
                "licence": "CC-BY-4.0",
            },
        )

    def samples(self, split: str, numbers: Sequence[int]) -> Fields:
        noise = [random_stream(self.seed, split, number).normal(size=self.points) for number in numbers]
        initial = np.stack([periodic_field(one, self.variance, self.tau, self.alpha) for one in noise])
        u = solve_burgers(initial, self.viscosity, self.times, self.step)
        return {"u": u[..., :: self.every].astype(np.float32)}
