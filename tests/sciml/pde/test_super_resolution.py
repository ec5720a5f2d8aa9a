"""An operator asked at twice the points and twice the times of its training, against the solver's truth there.

Burgers' equation from u at time 0 to u at any time, which the network is given as a condition. Training sees every
second time and every second point of what the solver gives; the truth that it is measured by is of states that it did
not see.

Shapes: s states, t times, x points, one channel.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.fno.fno import FNO, FNOConfig
from sciml.fno.grids import Grid
from sciml.fno.losses import relative_l2
from sciml.pde.solvers.burgers import solve_burgers
from sciml.pde.solvers.gaussian_fields import periodic_field

N_TRAIN, N_TEST = 160, 40
# those of the truth; training has every second one
TIMES, POINTS = np.linspace(0, 1, 65), 128
VISCOSITY = 0.02
STEPS, BATCH = 800, 16
EVEN, ODD, ALL = range(0, 65, 2), range(1, 65, 2), range(65)


@pytest.fixture(scope="module")
def truth() -> Float[Tensor, "s t x 1"]:
    """By the solver."""
    noise = np.random.RandomState(7).normal(size=(N_TRAIN + N_TEST, POINTS))
    initial = np.stack([periodic_field(one, 625.0, 5.0, 2.0) for one in noise])
    u = solve_burgers(initial, VISCOSITY, TIMES.tolist(), 1 / 512)
    return torch.from_numpy(u[..., None].astype(np.float32))


def at(network: FNO, initial: Tensor, places: Tensor) -> Tensor:
    """What the network predicts from states [s, x, 1] at one of TIMES each."""
    time = torch.from_numpy(TIMES.astype(np.float32))[places, None]
    return initial + network(initial.contiguous(), 2 * time - 1)


@pytest.fixture(scope="module")
def network(truth: Tensor) -> FNO:
    """Trained at 33 times and 64 points, some ten seconds."""
    torch.manual_seed(0)
    config = FNOConfig(modes=(24,), width=24, layers=3, coordinates=False)
    network = FNO(config, 1, 1, Grid((POINTS // 2,), (True,)), n_conditions=1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=STEPS)
    for _ in range(STEPS):
        states, places = torch.randint(N_TRAIN, (BATCH,)), 2 * torch.randint(len(EVEN), (BATCH,))
        loss = relative_l2(at(network, truth[states, 0, ::2], places), truth[states, places, ::2])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def error(network: FNO, truth: Tensor, times: range, every: int) -> float:
    """Relative L2 over some times and one of so many points, of the states that training did not see."""
    unseen = truth[N_TRAIN:, :, ::every]
    with torch.no_grad():
        found = [at(network, unseen[:, 0], torch.full((N_TEST,), place)) for place in times]
    return relative_l2(torch.stack(found, dim=1), unseen[:, list(times)]).item()


def test_twice_the_points_and_times_cost_less_than_a_tenth_of_the_error(network: FNO, truth: Tensor):
    native = error(network, truth, EVEN, 2)
    # it has learnt the equation: the state at time 0 for all times would be off by some 100 %
    assert native < 0.05
    assert error(network, truth, EVEN, 1) < 1.1 * native
    assert error(network, truth, ALL, 2) < 1.1 * native
    assert error(network, truth, ALL, 1) < 1.1 * native


def test_times_between_those_of_the_training_are_as_good_by_themselves(network: FNO, truth: Tensor):
    # the first time, which is given, is among the others
    assert error(network, truth, ODD, 1) < 1.1 * error(network, truth, EVEN, 1)
