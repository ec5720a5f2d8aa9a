"""What UNet, DeepONet and Transolver have in common: shapes, precisions, conditions, gradients, and that they learn."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.deeponet import DeepONet, DeepONetConfig
from sciml.fno.grids import Grid
from sciml.fno.losses import relative_l2
from sciml.fno.transolver import Transolver, TransolverConfig
from sciml.fno.unet import UNet, UNetConfig

SMALL: dict[str, tuple[Any, Any]] = {
    "unet": (UNetConfig(width=4, multipliers=(1, 2), groups=2), UNet),
    "deeponet": (DeepONetConfig(basis=8, branch_width=16, trunk_width=16, waves=2), DeepONet),
    "deeponet-convolutions": (
        DeepONetConfig(basis=8, branch_width=16, trunk_width=16, encoder="convolutions", convolutions=1),
        DeepONet,
    ),
    "transolver": (TransolverConfig(width=8, heads=2, slices=4, layers=2), Transolver),
    "transolver-pointwise": (TransolverConfig(width=8, heads=2, slices=4, layers=2, local=False), Transolver),
}
GRIDS = [
    Grid((8,), (True,)),
    Grid((8, 9), (True, False)),
    Grid((9, 8), (False, True), "equiangular"),
    Grid((4, 5, 6), (True, False, True)),
]
EVERY = pytest.mark.parametrize("name", SMALL)


def build(name: str, grid: Grid, n_conditions: int = 0, n_in: int = 3, n_out: int = 2) -> nn.Module:
    torch.manual_seed(0)
    config, network_class = SMALL[name]
    return network_class(config, n_in, n_out, grid, n_conditions)


def fields(grid: Grid, n: int = 2, channels: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(n, *grid.shape, channels, dtype=dtype)


@EVERY
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_fields_of_one_to_three_dimensions_in_every_precision(name: str, grid: Grid) -> None:
    network, x = build(name, grid), fields(grid)
    exact = copy.deepcopy(network).double()(x.double())
    assert exact.shape == (2, *grid.shape, 2)
    assert exact.dtype == torch.float64
    # rounding of float32, 1e-7, in sums of some hundred terms behind normalisations
    torch.testing.assert_close(network(x), exact.float(), rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = network(x)
    # bf16 has three digits, and outputs are of order one
    torch.testing.assert_close(low.float(), exact.float(), rtol=0, atol=0.06)


@EVERY
@pytest.mark.parametrize("grid", GRIDS[1:3], ids=str)
def test_samples_do_not_know_of_each_other(name: str, grid: Grid) -> None:
    network, x = build(name, grid, n_conditions=1).double(), fields(grid, n=3, dtype=torch.float64)
    condition = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    whole = network(x, condition)
    # sums of float64 in another order
    torch.testing.assert_close(network(x[1:2], condition[1:2]), whole[1:2], rtol=1e-10, atol=1e-12)


@EVERY
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_gradients_reach_every_parameter(name: str, grid: Grid) -> None:
    network = build(name, grid, n_conditions=2)
    network(fields(grid), torch.randn(2, 2)).square().sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


@EVERY
def test_a_condition_changes_the_output(name: str) -> None:
    grid = GRIDS[1]
    network, x = build(name, grid, n_conditions=1), fields(grid)
    zero, one = network(x, torch.zeros(2, 1)), network(x, torch.ones(2, 1))
    assert (zero - one).abs().mean() > 1e-3 * zero.abs().mean()


@pytest.mark.parametrize("name", [name for name in SMALL if not name.startswith("deeponet")])
def test_weights_fit_a_network_for_another_resolution(name: str) -> None:
    """DeepONet apart, whose sensors are part of it."""
    small, large = build(name, Grid((8, 9), (True, False))), build(name, Grid((16, 20), (True, False)))
    large.load_state_dict(small.state_dict())
    x = torch.randn(1, 16, 20, 3)
    torch.testing.assert_close(large(x), small(x), rtol=0, atol=0)


@EVERY
def test_the_same_seed_gives_the_same_network(name: str) -> None:
    one, other = build(name, GRIDS[1]), build(name, GRIDS[1])
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


@EVERY
def test_what_the_network_was_not_made_for_is_refused(name: str) -> None:
    grid = GRIDS[1]
    plain, conditioned = build(name, grid), build(name, grid, n_conditions=2)
    with pytest.raises(UserError, match=r"3 channel\(s\), as \[batch, 2 axes, channels\], but got .* \[2, 8, 9, 1\]"):
        plain(fields(grid, channels=1))
    with pytest.raises(UserError, match=r"fields of 2 dimension\(s\)"):
        plain(torch.randn(2, 8, 3))
    with pytest.raises(UserError, match=r"made for 0 condition\(s\) a sample, but got 2"):
        plain(fields(grid), torch.randn(2, 2))
    with pytest.raises(UserError, match=r"made for 2 condition\(s\) a sample, but got 0"):
        conditioned(fields(grid))


def test_four_dimensions_are_refused() -> None:
    grid = Grid((2, 2, 2, 2), (True,) * 4)
    for name in ("unet", "transolver", "deeponet-convolutions"):
        with pytest.raises(UserError, match="1 to 3 dimensions, but the grid has 4"):
            build(name, grid)


# ----------------------------------------------------------------------------------------------------------- learning


def smoothed(x: Tensor) -> Tensor:
    """Heat that has spread on a circle: waves of number k are damped by exp(-0.1 k^2)."""
    k = torch.arange(x.shape[1] // 2 + 1)
    damping = torch.exp(-0.1 * k**2)[:, None]
    return torch.fft.irfft(torch.fft.rfft(x, dim=1) * damping, dim=1)


def moved(x: Tensor) -> Tensor:
    return x.roll(2, dims=1)


# name -> sizes, steps of 32 samples, and the error that they reach with a margin of a half or more; the input itself is
# 0.53 away from the smoothed field and 1.36 from the moved one
LEARNERS: dict[str, tuple[Any, Any, int, float]] = {
    "unet": (UNetConfig(width=16, multipliers=(1, 2), groups=4), UNet, 100, 0.1),
    "deeponet": (
        DeepONetConfig(basis=32, branch_width=128, branch_layers=1, trunk_width=32, trunk_layers=2),
        DeepONet,
        150,
        0.05,
    ),
    "transolver": (TransolverConfig(width=32, heads=4, slices=16, layers=2), Transolver, 150, 0.35),
}


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("operator", [smoothed, moved])
def test_a_linear_operator_is_learnt(name: str, operator: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    config, network_class, steps, limit = LEARNERS[name]
    network = network_class(config, 1, 1, Grid((16,), (True,)))

    def draw(n: int) -> Tensor:
        waves = torch.randn(n, 4, dtype=torch.complex64)
        return torch.fft.irfft(waves, n=16, dim=1).unsqueeze(-1) * 4

    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        x = draw(32)
        loss = relative_l2(network(x), operator(x))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    x = draw(64)
    with torch.no_grad():
        error = relative_l2(network(x), operator(x)).item()
    assert error < limit
