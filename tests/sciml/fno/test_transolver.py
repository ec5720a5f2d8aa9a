"""Transolver: attention over slices against the paper's formulas, and what does not matter to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.transolver import NO_POINTS, PhysicsAttention, Transolver, TransolverConfig

BOX = Grid((5, 6), (True, False))
# float64 in sums of another order
CLOSE = {"rtol": 1e-10, "atol": 1e-12}


def attention(local: bool, grid: Grid = BOX) -> PhysicsAttention:
    torch.manual_seed(0)
    made = PhysicsAttention(TransolverConfig(width=8, heads=2, slices=3, local=local), grid).double()
    torch.nn.init.uniform_(made.temperature, 0.3, 1.0)
    return made


def field(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, *shape, 8, dtype=torch.float64)


@pytest.mark.parametrize("local", [True, False])
def test_attention_is_that_of_the_paper(local: bool) -> None:
    """Its steps one after the other, as in the authors' code, where ours are joined."""
    layer, x = attention(local), field(5, 6)
    if layer.convolution is not None:
        mixed = layer.convolution(x.movedim(-1, 1)).movedim(1, -1)
    else:
        assert layer.keys_and_values is not None
        mixed = layer.keys_and_values(x)
    keys_bhnd, values_bhnd = (
        part.unflatten(-1, (2, 4)).transpose(1, 2) for part in mixed.flatten(1, 2).chunk(2, dim=-1)
    )
    shares_bhng = torch.softmax(layer.slice(keys_bhnd) / layer.temperature.view(2, 1, 1), dim=-1)
    sums_bhgd = torch.einsum("bhng,bhnd->bhgd", shares_bhng, values_bhnd)
    tokens = sums_bhgd / (shares_bhng.sum(dim=2).unsqueeze(-1) + NO_POINTS)
    query, key, value = layer.to_query(tokens), layer.to_key(tokens), layer.to_value(tokens)
    attended = torch.softmax(query @ key.transpose(2, 3) / 2, dim=-1) @ value
    points_bhnd = torch.einsum("bhng,bhgd->bhnd", shares_bhng, attended)
    expected = layer.merge(points_bhnd.transpose(1, 2).flatten(2)).view(x.shape)
    torch.testing.assert_close(layer(x), expected, **CLOSE)


def test_attention_without_neighbours_knows_no_order_of_points() -> None:
    layer, x = attention(local=False), field(5, 6)
    order = torch.randperm(30)
    mixed = x.flatten(1, 2)[:, order].view(x.shape)
    torch.testing.assert_close(layer(mixed), layer(x).flatten(1, 2)[:, order].view(x.shape), **CLOSE)


def test_attention_without_neighbours_knows_no_number_of_points() -> None:
    """Each point twice makes slices twice as large and their means alike."""
    layer, x = attention(local=False), field(5, 6)
    twice = x.repeat_interleave(2, dim=1)
    # NO_POINTS counts for half as much among twice as many points, of which a slice has some ten
    torch.testing.assert_close(layer(twice), layer(x).repeat_interleave(2, dim=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("local", [True, False])
def test_without_coordinates_moving_the_input_moves_the_output(local: bool) -> None:
    torch.manual_seed(0)
    config = TransolverConfig(width=8, heads=2, slices=4, layers=2, local=local, coordinates=False)
    network = Transolver(config, 8, 1, Grid((5, 6), (True, True))).double()
    x = field(5, 6)
    torch.testing.assert_close(network(x.roll((2, 1), (1, 2))), network(x).roll((2, 1), (1, 2)), **CLOSE)


def test_with_coordinates_a_place_is_known() -> None:
    torch.manual_seed(0)
    network = Transolver(TransolverConfig(width=8, heads=2, slices=4, layers=1, local=False), 8, 1, BOX).double()
    y = network(torch.zeros(1, 5, 6, 8, dtype=torch.float64)).flatten()
    assert torch.cdist(y[:, None], y[:, None]).add(torch.eye(30)).min() > 0


def test_a_field_at_twice_the_resolution_has_nearly_the_same_output() -> None:
    torch.manual_seed(0)
    config = TransolverConfig(width=16, heads=2, slices=4, layers=2, local=False)
    network = Transolver(config, 1, 1, Grid((32, 32), (True, True))).double()

    def wave(n: int) -> Tensor:
        angle = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
        return (angle.sin()[:, None] * (2 * angle).cos()).view(1, n, n, 1)

    # means over a smooth periodic field are exact at either resolution but for NO_POINTS
    torch.testing.assert_close(network(wave(64))[:, ::2, ::2], network(wave(32)), rtol=0, atol=1e-5)


def test_the_cost_is_linear_in_points() -> None:
    torch.manual_seed(0)
    config = TransolverConfig(width=16, heads=2, slices=8, layers=1, local=False)
    network = Transolver(config, 1, 1, Grid((64, 64), (True, True)))

    def operations(n: int) -> int:
        with FlopCounterMode(display=False) as counter:
            network(torch.randn(1, n, n, 1)).sum().backward()
        return counter.get_total_flops()

    # what does not depend on points, the attention between slices, is some thousandth
    assert operations(64) / operations(32) == pytest.approx(4, rel=0.01)


def test_sizes_without_sense_are_refused() -> None:
    with pytest.raises(UserError, match="`model.width`, 10, needs to be a multiple of `heads`, 4"):
        TransolverConfig(width=10, heads=4)
    with pytest.raises(UserError, match="`model.slices` needs to be between 1 and"):
        TransolverConfig(slices=0)
    with pytest.raises(UserError, match="`model.mlp_expansion` needs to be more than 0"):
        TransolverConfig(mlp_expansion=0.0)
