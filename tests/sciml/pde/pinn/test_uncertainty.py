"""Intervals against Cramer and Rao's bound, which they meet where the conditions leave nothing else to be found."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sciml.core.errors import UserError
from sciml.pde.pinn.config import ObservationsConfig, PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.observations import Observations, read_observations
from sciml.pde.pinn.training import PinnTraining
from sciml.pde.pinn.uncertainty import intervals

Heat = Callable[..., PinnExperiment]
NOISE = 0.02
DIFFUSIVITY = 0.1
PARTS = {
    "equation": {"name": "heat", "unknowns": {"diffusivity": {"start": 0.2, "positive": True}}},
    "exact": {"value": {"u": "sin(pi * x)"}, "distance": {"u": "t * x * (1 - x)"}},
    "sampling": {"points": 200, "every": 5},
    "model": {"architecture": "mlp", "width": 8, "layers": 2},
}


def observed(points: torch.Tensor, noise: float | None, seed: int = 0) -> tuple[Observations, float]:
    """Heat that decays, with noise, and the bound on the standard deviation of the logarithm of the diffusivity."""
    x, t = points.T
    u = torch.exp(-DIFFUSIVITY * math.pi**2 * t) * torch.sin(math.pi * x)
    slope = DIFFUSIVITY * math.pi**2 * t * u
    noisy = u + NOISE * torch.randn(len(u), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    one = torch.ones(1, dtype=torch.float64)
    return Observations(points, noisy[:, None], (0,), one, 1.0, noise), NOISE / float(slope.norm())


def found(config: PinnExperiment, observations: Observations) -> PinnNetwork:
    torch.manual_seed(0)
    network = PinnNetwork(config)
    training = PinnTraining(config, network, observations)
    optimizer = training.second_order("levenberg-marquardt")
    for step in range(40):
        training(network, {"step": torch.tensor(step % 5)})
        optimizer.step()
    return network


def test_the_interval_is_as_wide_as_the_bound_and_covers(heat: Heat):
    config = heat(**PARTS)
    points = torch.rand(300, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * torch.tensor([1, 2])
    known, bound = observed(points, NOISE)
    network = found(config, known)
    interval = intervals(config, network, known)["diffusivity"]
    assert interval.low < DIFFUSIVITY < interval.high
    assert interval.value == pytest.approx(network.values_of_unknowns()["diffusivity"])
    half = math.log(interval.high / interval.low) / 2
    # the equation counts as much as the network can be wrong, which widens it
    assert 0.98 < half / (1.959963984540054 * bound) < 1.2
    from_misfit = intervals(config, network, replace(known, noise=None))["diffusivity"]
    assert math.log(from_misfit.high / from_misfit.low) / 2 == pytest.approx(half, rel=0.15)
    assert intervals(config, network, replace(known, noise=2 * NOISE))["diffusivity"].low < interval.low


def test_no_unknowns_and_several_windows_have_none(heat: Heat):
    points = torch.rand(20, 2, dtype=torch.float64)
    known, _ = observed(points, NOISE)
    assert intervals(heat(), PinnNetwork(heat()), known) == {}
    windows = heat(**PARTS, windows=2)
    assert intervals(windows, PinnNetwork(windows), known) == {}


# ------------------------------------------------------------------------------------------------------- what is read


def table(tmp_path: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(0).uniform(size=(50, 4)) * [1, 2, 3, 0.01]
    file = tmp_path / "measured.csv"
    file.write_text("x,t,u,v\n" + "\n".join(",".join(map(str, row)) for row in values.tolist()))
    return file, values


def test_misfits_are_in_units_of_spread_or_of_noise(heat: Heat, tmp_path: Path):
    file, values = table(tmp_path)
    space = replace(heat().space, fields=["v", "u"])
    spread = values[:, [3, 2]].std(axis=0)
    plain = read_observations(ObservationsConfig(file), space, 0)
    np.testing.assert_allclose(plain.units.numpy(), spread)
    assert plain.noise is None and plain.fields == (0, 1)
    (term,) = plain.terms(space.low, space.high)
    u = torch.ones(50, 2, dtype=torch.float64)
    assert term.targets is not None
    np.testing.assert_allclose(
        (term.equation(term.points, u, {}) - term.targets).numpy(), (1 - values[:, [3, 2]]) / spread
    )

    noise = {"u": 0.3, "v": 0.001}
    known = read_observations(ObservationsConfig(file, noise=noise), space, 0)
    assert known.noise is not None
    np.testing.assert_allclose(known.units.numpy() * known.noise, [0.001, 0.3])
    assert known.noise == pytest.approx(np.sqrt(np.mean((np.array([0.001, 0.3]) / spread) ** 2)))


def test_noise_that_is_refused(heat: Heat, tmp_path: Path):
    file, _ = table(tmp_path)
    space = replace(heat().space, fields=["v", "u"])
    with pytest.raises(UserError, match=r"needs a number for each observed field \(v, u\) or for none, but has u"):
        read_observations(ObservationsConfig(file, noise={"u": 0.3}), space, 0)
    with pytest.raises(UserError, match=r"`observations.noise.u` needs to be above 0"):
        ObservationsConfig(file, noise={"u": 0.0})
