"""DeepONet: its product of branch and trunk, its sensors and where it can be asked."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.deeponet import DeepONet, DeepONetConfig
from sciml.fno.grids import Grid
from sciml.fno.points import count_point_features, point_features

SMALL = DeepONetConfig(basis=6, branch_width=16, trunk_width=16, waves=2)
BOX = Grid((8, 9), (True, False))
# float64 in sums of another order
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def network(grid: Grid = BOX, config: DeepONetConfig = SMALL) -> DeepONet:
    torch.manual_seed(0)
    return DeepONet(config, 1, 2, grid).double()


def field(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, *shape, 1, dtype=torch.float64)


def test_the_output_is_a_sum_of_basis_functions() -> None:
    deeponet, x = network(), field(8, 9)
    torch.nn.init.normal_(deeponet.bias)
    coefficients_bop, basis_np = deeponet.coefficients(x, None), deeponet.basis(x, (8, 9))
    assert coefficients_bop.shape == (2, 2, 6)
    expected = torch.einsum("bop,np->bno", coefficients_bop, basis_np) / 6**0.5 + deeponet.bias
    torch.testing.assert_close(deeponet(x), expected.view(2, 8, 9, 2), **CLOSE)


def test_outputs_are_linear_in_the_last_layer_of_the_branch() -> None:
    deeponet, x = network(), field(8, 9)
    once = deeponet(x)
    last = deeponet.branch[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight *= 3
        last.bias *= 3
    torch.testing.assert_close(deeponet(x), 3 * once, **CLOSE)


def test_outputs_at_a_finer_grid_are_the_same_function() -> None:
    deeponet, x = network(), field(8, 9)
    coarse, fine = deeponet(x), deeponet(x, shape=(24, 17))
    assert fine.shape == (2, 24, 17, 2)
    torch.testing.assert_close(fine[:, ::3, ::2], coarse, **CLOSE)


def test_outputs_are_periodic_where_the_grid_is() -> None:
    """Across the end of a periodic axis the output is as smooth as elsewhere: a step of it shrinks with the spacing."""
    deeponet, x = network(), field(8, 9)

    def step_at_the_end(n: int) -> float:
        y = deeponet(x, shape=(n, 9))
        return (y[:, 0] - y[:, -1]).abs().max().item()

    # of first order in the spacing, once waves are resolved
    assert step_at_the_end(400) / step_at_the_end(800) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("encoder", ["mlp", "convolutions"])
def test_a_finer_input_is_seen_at_the_sensors(encoder: str) -> None:
    config = DeepONetConfig(basis=6, branch_width=16, trunk_width=16, encoder=encoder)  # pyright: ignore
    deeponet, fine = network(config=config), field(16, 25)
    torch.testing.assert_close(deeponet(fine)[:, ::2, ::3], deeponet(fine[:, ::2, ::3]), **CLOSE)


@pytest.mark.parametrize("shape", [(12, 9), (8, 10), (4, 9), (8, 18)])
def test_an_input_without_the_sensors_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(
        UserError, match=r"sees its input at the [89] points .* Resample the input to the training grid"
    ):
        network()(field(*shape))


def test_latitudes_of_gauss_are_other_ones_at_every_resolution() -> None:
    equiangular = network(Grid((9, 8), (False, True), "equiangular"))
    assert equiangular(field(17, 16)).shape == (2, 17, 16, 2)
    gauss = network(Grid((9, 8), (False, True), "gauss-legendre"))
    assert gauss(field(9, 16)).shape == (2, 9, 16, 2)
    with pytest.raises(UserError, match="axis 0"):
        gauss(field(17, 8))


def test_features_of_points_are_smooth_and_know_every_point() -> None:
    for grid in (BOX, Grid((9, 8), (False, True), "equiangular-offset"), Grid((4, 5, 6), (True, False, True))):
        features = torch.from_numpy(point_features(grid.shape, grid.periodic, grid.sphere, 2))
        assert features.shape == (*grid.shape, count_point_features(grid, 2))
        assert features.abs().max() <= 1
        flat = features.flatten(0, -2)
        apart = torch.cdist(flat, flat) + 10 * torch.eye(len(flat))
        assert apart.min() > 0.1


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"`model.convolutions`, 4, halve a grid so often, but it has the shape \[8, 9\]"
    ):
        network(config=DeepONetConfig(encoder="convolutions", convolutions=4))
    with pytest.raises(UserError, match=r"shape needs 2 axes, but is \[8\]"):
        network()(field(8, 9), shape=(8,))
    with pytest.raises(UserError, match="`model.basis` needs to be between 1 and"):
        DeepONetConfig(basis=0)
