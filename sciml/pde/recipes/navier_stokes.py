"""Recipe `navier-stokes`: vorticity of Li et al. 2021 (arXiv:2010.08895), section 5.3 and appendix A.3.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.pde.recipes.making import Fields, Split
from sciml.pde.solvers.etdrk4 import StepTooLongError
from sciml.pde.solvers.gaussian_fields import periodic_field, random_stream
from sciml.pde.solvers.navier_stokes import Torus, paper_forcing, vorticity_at
from sciml.pde.writing import Layout

# a flow eight times as fast as the step was chosen for is not one of these
_MOST_HALVINGS = 3


@dataclass(frozen=True)
class NavierStokesRecipe:
    """The settings in dataset.yaml.

    Attributes:
        seed: of all random numbers; the name of the split and the number of the sample come to it.
        chunk: samples that are made at once.
        splits: the files.
        viscosity: nu.
        points: an axis, of the computation.
        every: one of so many points is kept along each axis.
        step: of time; halved for samples that need it, up to three times.
        last_time: states are kept at 0, 1, ... and this one.
        variance: s^2 of the initial state's covariance s^2 (-Laplacian + tau^2)^-alpha.
        tau: see there.
        alpha: see there.
        precision: of the computation.
    """

    seed: int
    chunk: int
    splits: dict[str, Split]
    viscosity: float
    points: int
    every: int
    step: float
    last_time: int
    variance: float
    tau: float
    alpha: float
    precision: Literal["float32", "float64"] = "float64"

    def __post_init__(self) -> None:
        check_ranges("recipe", self, {"points": (8, 2**14), "every": (1, 2**10), "chunk": (1, 10_000)})
        check_ranges("recipe", self, {"viscosity": (Excluded(0), np.inf), "step": (Excluded(0), 1)})
        check_ranges("recipe", self, {"last_time": (1, 10_000)})
        if self.points % self.every:
            raise UserError(f"`recipe.every` has to divide {self.points} points, but is {self.every}.")

    @property
    def times(self) -> list[float]:
        return [float(time) for time in range(self.last_time + 1)]

    def layout(self) -> Layout:
        x = np.arange(0, self.points, self.every) / self.points
        return Layout(
            fields={"vorticity": ("time", "x", "y")},
            long_names={"vorticity": "vorticity"},
            coordinates={"time": np.array(self.times), "x": x, "y": x},
            periodic={"x": True, "y": True},
            attributes={
                "equation": "w_t + u . grad w = viscosity Laplacian w + f on the unit torus; u = (psi_y, -psi_x), "
                "-Laplacian psi = w",
                "viscosity": self.viscosity,
                "forcing": "0.1 (sin 2 pi (x + y) + cos 2 pi (x + y))",
                "initial_state": f"N(0, {self.variance:g} (-Laplacian + {self.tau:g}^2)^-{self.alpha:g}), mean zero, "
                f"wave numbers up to {Torus(self.points).highest} an axis",
                "solver": f"Fourier, 2/3 rule, ETDRK4, {self.points}^2 points, steps of {self.step:g} "
                f"or, where the flow is too fast for it, a half of it or less, {self.precision}",
                "seed": self.seed,
                "licence": "CC-BY-4.0",
            },
        )

    def samples(self, split: str, numbers: Sequence[int]) -> Fields:
        size = (self.points, self.points)
        noise = [random_stream(self.seed, split, number).normal(size=size) for number in numbers]
        initial = np.stack([periodic_field(one, self.variance, self.tau, self.alpha) for one in noise])
        for halvings in range(_MOST_HALVINGS + 1):
            try:
                return {"vorticity": self._solve(initial.astype(self.precision), self.step / 2**halvings)}
            except StepTooLongError:
                if halvings == _MOST_HALVINGS:
                    raise
        raise AssertionError

    def _solve(self, initial: Float[np.ndarray, "b n n"], step: float) -> Float32[np.ndarray, "b t m m"]:
        states = vorticity_at(initial, paper_forcing(self.points), self.viscosity, self.times, step)
        kept = [state[:, :: self.every, :: self.every].astype(np.float32) for state in states]
        return np.stack(kept, axis=1)
