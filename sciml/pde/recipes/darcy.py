"""Recipe `darcy`: coefficient and solution of Li et al. 2021 (arXiv:2010.08895), section 5.2 and appendix A.3.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sciml.core.checks import Excluded, check_ranges
from sciml.pde.recipes.making import Fields, Split
from sciml.pde.solvers.darcy import solve_darcy, threshold
from sciml.pde.solvers.gaussian_fields import neumann_field, random_stream
from sciml.pde.writing import Layout


@dataclass(frozen=True)
class DarcyRecipe:
    """The settings in dataset.yaml.

    Attributes:
        seed: of all random numbers; the name of the split and the number of the sample come to it.
        chunk: samples that are made at once.
        splits: the files.
        points: an axis, both ends included.
        at_or_above: the coefficient where the Gaussian field is zero or more.
        below: the coefficient elsewhere.
        source: right-hand side, a constant.
        tau: of the Gaussian field's covariance (-Laplacian + tau^2)^-alpha.
        alpha: see there.
    """

    seed: int
    chunk: int
    splits: dict[str, Split]
    points: int
    at_or_above: float
    below: float
    source: float
    tau: float
    alpha: float

    def __post_init__(self) -> None:
        check_ranges("recipe", self, {"points": (3, 10_000), "chunk": (1, 10_000)})
        check_ranges("recipe", self, {"at_or_above": (Excluded(0), np.inf), "below": (Excluded(0), np.inf)})

    def layout(self) -> Layout:
        x = np.linspace(0, 1, self.points)
        return Layout(
            fields={"coefficient": ("x", "y"), "u": ("x", "y")},
            long_names={"coefficient": "permeability", "u": "pressure"},
            coordinates={"x": x, "y": x},
            periodic={"x": False, "y": False},
            attributes={
                "equation": "-div(coefficient grad u) = source on the unit square, u = 0 on its boundary",
                "source": self.source,
                "coefficient_law": f"{self.at_or_above:g} where a field of N(0, (-Laplacian + {self.tau:g}^2)^-"
                f"{self.alpha:g}) with zero Neumann conditions is 0 or more, {self.below:g} elsewhere",
                "solver": f"second-order finite differences, arithmetic means on faces, {self.points}^2 points",
                "seed": self.seed,
                "licence": "CC-BY-4.0",
            },
        )

    def samples(self, split: str, numbers: Sequence[int]) -> Fields:
        coefficients, solutions = [], []
        for number in numbers:
            noise = random_stream(self.seed, split, number).normal(size=(self.points - 1, self.points - 1))
            field = neumann_field(noise, self.points, 1.0, self.tau, self.alpha)
            coefficients.append(threshold(field, self.at_or_above, self.below))
            solutions.append(solve_darcy(coefficients[-1], self.source))
        return {
            "coefficient": np.stack(coefficients).astype(np.float32),
            "u": np.stack(solutions).astype(np.float32),
        }
