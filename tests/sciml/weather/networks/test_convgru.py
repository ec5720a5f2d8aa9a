"""The ConvGRU: no seam, across the poles, a recurrent unit as published, and a memory that goes on in a roll-out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.weather.networks.convgru import ConvGRU, ConvGRUConfig, GlobeConv, RecurrentLayer, odd_signs
from sciml.weather.networks.layout import ChannelLayout

GRID = Grid((12, 24), (False, True), "gauss-legendre")
LAYOUT = ChannelLayout(upper=("z", "u"), n_levels=2, surface=("t2m",), n_statics=1)
SMALL = ConvGRUConfig(channels=8, fine_channels=8, layers=2, encoder_blocks=1, decoder_blocks=1)


def convgru(config: ConvGRUConfig = SMALL, layout: ChannelLayout = LAYOUT, grid: Grid = GRID) -> ConvGRU:
    torch.manual_seed(0)
    return ConvGRU(config, layout, grid, layout.n_inputs).double()


def some(layout: ChannelLayout = LAYOUT, grid: Grid = GRID) -> Tensor:
    return torch.randn(2, *grid.shape, layout.n_inputs, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("grid", [GRID, Grid((11, 24), (False, True), "equiangular")], ids=["gaussian", "with poles"])
def test_a_turn_by_strides_turns_the_output(stride: int, grid: Grid) -> None:
    """So that the date line is a meridian as any other."""
    config = ConvGRUConfig(channels=8, fine_channels=8, stride=stride)
    network, x = convgru(config, grid=grid), some(grid=grid)
    change = network(x)
    for turn in (stride, 5 * stride):
        assert (network(x.roll(turn, dims=2)) - change.roll(turn, dims=2)).abs().max() < 1e-14
    x.requires_grad_()
    (felt,) = torch.autograd.grad(network(x)[:, :, 0].square().sum(), x)
    assert felt[:, :, -1].abs().max() > 0


def test_a_circle_of_odd_length_has_no_seam_either() -> None:
    grid = Grid((12, 21), (False, True), "gauss-legendre")
    network, x = convgru(ConvGRUConfig(channels=8, fine_channels=8, stride=1), grid=grid), some(grid=grid)
    assert (network(x.roll(4, dims=2)) - network(x).roll(4, dims=2)).abs().max() < 1e-14


def test_what_is_beyond_a_pole_is_felt() -> None:
    """One block at either end: the row at the pole feels the other side of the globe, not the other pole."""
    config = ConvGRUConfig(channels=8, fine_channels=8, layers=1, encoder_blocks=0, decoder_blocks=0)
    x = some().requires_grad_()
    (felt,) = torch.autograd.grad(convgru(config)(x)[:, 0, 6].square().sum(), x)
    by_point = felt.abs().amax(dim=(0, 3))
    assert by_point[0, 18] > 0, "half a circle away, on the same row"
    assert by_point[0, 12] == 0 and by_point[-1].max() == 0


def test_a_convolution_of_a_scalar_and_a_wind_over_the_pole() -> None:
    """A wind that blows straight over the pole: its component along the meridian changes sign there.

    A difference along the meridian of the right size, with the pole between the rows, is that of the wind itself: zero.
    """
    rows, columns = 6, 8
    grid_longitude = 2 * torch.pi * torch.arange(columns, dtype=torch.float64) / columns
    latitude = torch.pi * ((torch.arange(rows, dtype=torch.float64) + 0.5) / rows - 0.5)
    # the constant wind (1, 0, 0) in space, near the pole nearly along its surface
    east = -torch.sin(grid_longitude).expand(rows, -1)
    north = -torch.sin(latitude)[:, None] * torch.cos(grid_longitude)
    layer = GlobeConv(2, 1, 3, torch.tensor([-1.0, -1.0]), False).double()
    with torch.no_grad():
        layer.conv.weight.zero_(), layer.conv.bias.zero_()
        layer.conv.weight[0, 1, 0, 1], layer.conv.weight[0, 1, 2, 1] = -1.0, 1.0
    slope = layer(torch.stack([east, north], dim=-1)[None])[0, :, :, 0]
    # d(north) / d(latitude) = -cos(latitude) cos(longitude), by exact differences over 2 steps of 30 degrees
    truth = -2 * torch.cos(latitude)[:, None] * torch.cos(grid_longitude) * torch.sin(torch.tensor(torch.pi / rows))
    assert (slope - truth).abs().max() < 1e-12


def test_of_a_uniform_field() -> None:
    """What saves the first convolution of the hidden state is what the convolution gives, at the poles too."""
    layer = GlobeConv(8, 5, 3, odd_signs(8), False).double()
    values = torch.randn(8).double()
    field = (values * (odd_signs(8) > 0)).expand(1, 6, 8, 8)
    assert (layer(field) - layer.of_uniform(values)).abs().max() < 1e-14


def test_without_neighbours_a_layer_is_torch_gru() -> None:
    """Second road: kernels of one point, torch.nn.GRUCell with the same weights (there, 1 - update is what is new)."""
    torch.manual_seed(0)
    ours = RecurrentLayer(ConvGRUConfig(channels=8, kernel_size=1), 0, False).double()
    theirs = nn.GRUCell(8, 8).double()
    for conv, weight, bias in (
        (ours.of_input.conv, theirs.weight_ih, theirs.bias_ih),
        (ours.of_hidden.conv, theirs.weight_hh, theirs.bias_hh),
    ):
        update, reset, candidate = conv.weight[:, :, 0, 0].chunk(3)
        update_bias, reset_bias, candidate_bias = conv.bias.chunk(3)
        with torch.no_grad():
            weight.copy_(torch.cat([reset, -update, candidate]))
            bias.copy_(torch.cat([reset_bias, -update_bias, candidate_bias]))
    x, hidden = torch.randn(2, 3, 4, 8).double(), torch.randn(2, 3, 4, 8).double()
    expected = theirs(ours.norm(x, None).reshape(-1, 8), hidden.reshape(-1, 8)).view_as(x)
    assert (ours(x, hidden, None) - expected).abs().max() < 1e-14


def test_a_history_is_read_step_by_step() -> None:
    """The same weights given one state after another, with the memory handed on, say what they say of a history."""
    long = ChannelLayout(**{**vars(LAYOUT), "history": 3})
    at_once = convgru(layout=long)
    stepwise = convgru()
    stepwise.load_state_dict(at_once.state_dict())
    x = some(long)
    states, others = long.split(x)
    hidden = None
    for time in range(3):
        change, hidden = stepwise.advance(torch.cat([states[..., time, :], others], dim=-1), None, hidden)
    assert (change - at_once(x)).abs().max() < 1e-14
    after, _ = at_once.advance(x, None, hidden)
    oldest_changed = torch.cat([x[..., :5] + 1, x[..., 5:]], dim=-1)
    assert (at_once(oldest_changed) - at_once(x)).abs().max() > 0, "the oldest state counts"
    assert (at_once.advance(oldest_changed, None, hidden)[0] - after).abs().max() == 0, "what is remembered is not read"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="has 24 and `model.stride` 5. Choose another stride"):
        convgru(ConvGRUConfig(stride=5))
    with pytest.raises(UserError, match="needs to be odd"):
        ConvGRUConfig(kernel_size=4)
    with pytest.raises(UserError, match="`model.layers` needs to be between 1 and 20, but is 0"):
        ConvGRUConfig(layers=0)
