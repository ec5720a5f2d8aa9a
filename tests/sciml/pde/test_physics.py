"""The residual of Darcy's equation as a loss: zero for the solver's own solutions, and enough to learn from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sciml.core.config import compose, parse
from sciml.core.errors import UserError
from sciml.pde import experiment
from sciml.pde.dataset import load_split
from sciml.pde.physics import Physics, PhysicsConfig, SurrogateLossConfig, poisson_norms
from sciml.pde.samples import FieldSamples
from sciml.pde.solvers.darcy import Faces, solve_darcy


@pytest.fixture(scope="module")
def samples() -> FieldSamples:
    raw = compose("darcy-fno-physics", [])
    return load_split(parse(experiment.config_class(raw), raw, "darcy-fno-physics").dataset, None, "train")


def solved(samples: FieldSamples, faces: Faces) -> torch.Tensor:
    found = [solve_darcy(field.astype(np.float64), 2.0, faces) for field in samples.inputs[:3, ..., 0]]
    return torch.from_numpy(np.stack(found))[..., None]


@pytest.mark.parametrize("faces", ["arithmetic", "harmonic"])
def test_the_solvers_own_solutions_leave_nothing(samples: FieldSamples, faces: Faces):
    physics = Physics(PhysicsConfig("darcy", source=2.0, faces=faces), samples)
    a, u = torch.from_numpy(samples.inputs[:3]).double(), solved(samples, faces)
    # the solver stops at 1e-10 of the source
    assert float(physics(u, a).max()) < 1e-8
    # all of the source is left of zero, and the term grows with the distance from the solution
    torch.testing.assert_close(physics(0 * u, a), torch.ones(3).double())
    torch.testing.assert_close(physics(0.9 * u, a), torch.full((3,), 0.1).double())
    # what is not zero on the boundary counts
    assert float(physics(u + 0.1 * u.max(), a).min()) > 0.1
    # and the conventional solver is a baseline
    batch = samples.batch(slice(0, 3))
    torch.testing.assert_close(physics.solve(batch)[:, 0], u, rtol=1e-6, atol=0)


def test_its_norm_is_that_of_the_error_in_h1_but_for_the_coefficients_range(samples: FieldSamples):
    physics = Physics(PhysicsConfig("darcy", source=2.0), samples)
    a, u = torch.from_numpy(samples.inputs[:3]).double(), solved(samples, "arithmetic")
    n = u.shape[1]
    generator = torch.Generator().manual_seed(0)
    unit = 1 / poisson_norms(torch.full((1, n - 2, n - 2), 2.0).double())[0]
    for waves in (1, 5, n - 2):  # smooth errors and rough ones
        error = torch.zeros_like(u)
        line = torch.linspace(0, 1, n).double()
        modes = torch.randn(3, waves, waves, generator=generator, dtype=torch.float64)
        sines = torch.sin(torch.pi * torch.arange(1, waves + 1).double()[:, None] * line)
        error[..., 0] = 1e-3 * torch.einsum("bij,ix,jy->bxy", modes, sines, sines)
        error[:, 0] = error[:, -1] = error[:, :, 0] = error[:, :, -1] = 0
        slope = sum((error.diff(dim=axis) * (n - 1)).square().sum(dim=(1, 2, 3)) for axis in (1, 2))
        ratio = physics(u + error, a) / (torch.as_tensor(slope).sqrt() * unit)
        assert float(ratio.min()) > 3 - 1e-6
        assert float(ratio.max()) < 12 + 1e-6


def small(*options: str) -> experiment.PdeExperiment:
    given = ["--model.width=4", "--model.modes=[8,8]", "--model.layers=2", "--dataset.resolution=22", *options]
    raw = compose("darcy-fno-physics", [*given, "--train.batch_size=4", "--train.precision=float32"])
    return parse(experiment.config_class(raw), raw, "darcy-fno-physics")


@pytest.mark.parametrize("solutions", [0, 10])
def test_it_teaches_without_solutions(solutions: int):
    problem = experiment.build(small(f"--loss.physics.solutions={solutions}"))
    train: Any = problem.train_data
    assert np.isfinite(train.targets[:solutions]).all()
    assert np.isnan(train.targets[solutions:]).all()
    assert problem.collate is not None
    batch = problem.collate([train[index] for index in (0, 1, 20, 21)])
    optimizer = torch.optim.Adam(problem.network.parameters(), lr=0.01)
    residuals = []
    for _ in range(60):
        losses = problem.loss(problem.network, batch)
        assert ("relative_l2" in losses) == (solutions > 0)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        residuals.append(float(losses["physics"]))
    assert residuals[-1] < 0.5 * residuals[0]
    total, count = problem.metrics(problem.network, batch)["physics_residual"]
    assert float(total / count) < 0.6 * residuals[0]
    assert problem.validation_loss is not None
    means = {"relative_l2": 2.0, "physics_residual": 3.0}
    assert problem.validation_loss(means) == (2.0 if solutions else 3.0)


def test_what_it_cannot_be_used_on_is_said(samples: FieldSamples):
    with pytest.raises(UserError, match="no input `coeficient`; did you mean"):
        Physics(PhysicsConfig("darcy", coefficient="coeficient"), samples)
    stretched = tuple(2 * line for line in samples.domain.coordinates)
    with pytest.raises(UserError, match="unit square that is not periodic, without time, but .* x from 0 to 2"):
        Physics(PhysicsConfig("darcy"), replace(samples, domain=replace(samples.domain, coordinates=stretched)))
    with pytest.raises(UserError, match="source"):
        PhysicsConfig("darcy", source=0.0)
    with pytest.raises(UserError, match="needs a weight above 0"):
        SurrogateLossConfig(relative_l2_weight=0.0)
    assert SurrogateLossConfig(relative_l2_weight=0.0, physics=PhysicsConfig("darcy")).has_term
