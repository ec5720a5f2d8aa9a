"""The Swin transformer: windows and masks, where channels go, and that the date line is nowhere."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.weather.networks.layout import ChannelLayout
from sciml.weather.networks.swin import Swin, SwinConfig
from sciml.weather.networks.windows import Windows, whole_window

GRID = Grid((16, 32), (False, True), "gauss-legendre")
LAYOUT = ChannelLayout(upper=("z", "u"), n_levels=5, surface=("t2m", "u10"), n_statics=1)
WINDOWS = [((3, 5, 8), (2, 2, 4)), ((2, 4, 6), (2, 4, 3)), ((5, 3, 4), (3, 2, 4))]


def swin(config: SwinConfig, layout: ChannelLayout = LAYOUT, grid: Grid = GRID) -> Swin:
    torch.manual_seed(0)
    return Swin(config, layout, grid, layout.n_inputs).double()


def some(seed: int = 1) -> Tensor:
    return torch.randn(1, *GRID.shape, LAYOUT.n_inputs, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize(("tokens", "window"), WINDOWS)
@pytest.mark.parametrize("is_shifted", [False, True])
def test_cut_windows_join_to_the_box(tokens: tuple, window: tuple, is_shifted: bool) -> None:
    windows = Windows(tokens, window, is_shifted)
    x = torch.randn(2, *tokens, 3)
    assert (windows.join(windows.cut(x)) == x).all()


@pytest.mark.parametrize(("tokens", "window"), WINDOWS)
@pytest.mark.parametrize("is_shifted", [False, True])
def test_tokens_see_each_other_when_they_are_near_and_never_over_a_pole(
    tokens: tuple, window: tuple, is_shifted: bool
) -> None:
    """Second road: coordinates of the tokens in each window; level and latitude less than a window apart, or apart."""
    windows = Windows(tokens, window, is_shifted)
    places = torch.stack(torch.meshgrid(*(torch.arange(1, n + 1) for n in tokens), indexing="ij"), dim=-1)
    cut = windows.cut(places[None].double()).view(-1, *windows.apart().shape[:2], 3)
    filled = (cut == 0).all(-1)
    far = ((cut.unsqueeze(2) - cut.unsqueeze(3)).abs()[..., :2] >= torch.tensor(windows.window[:2])).any(-1)
    real = ~filled.unsqueeze(2) & ~filled.unsqueeze(3)
    apart = windows.apart().expand(len(cut), -1, -1, -1)
    assert (apart[real] == far[real]).all()
    assert apart[filled.unsqueeze(2) != filled.unsqueeze(3)].all(), "what only fills a window is not seen"
    if is_shifted and windows.shift[2]:
        columns = cut[real.any(-1)][:, 2]
        assert columns.min() == 1 and columns.max() == tokens[2]
        across = (cut[..., 2].unsqueeze(2) - cut[..., 2].unsqueeze(3)).abs() > windows.window[2]
        assert (~apart & across & real).any(), "windows go on over the date line"


def test_pairs_are_told_apart_as_they_should_be() -> None:
    windows = Windows((4, 6, 12), (2, 3, 4), False)
    earth, n_earth, relative, n_relative = windows.pairs()
    places = list(itertools.product(range(2), range(3), range(4)))
    by_earth: dict = {}
    by_way: dict = {}
    for (i, a), (j, b) in itertools.product(enumerate(places), repeat=2):
        by_earth.setdefault((a[0], b[0], a[1], b[1], b[2] - a[2]), set()).add(int(earth[i, j]))
        by_way.setdefault(tuple(q - p for p, q in zip(a, b, strict=True)), set()).add(int(relative[i, j]))
    for table, entries in ((by_earth, n_earth), (by_way, n_relative)):
        assert all(len(found) == 1 for found in table.values())
        assert len({next(iter(found)) for found in table.values()}) == len(table) == entries


@pytest.mark.parametrize("bias", ["earth", "relative"])
def test_a_turn_by_whole_windows_turns_the_output(bias: str) -> None:
    """Windows of 4 tokens, of 2 columns each in the fine stage and 4 in the coarse one: 16 columns, half a circle."""
    config = SwinConfig(
        channels=16, patch_points=2, window_levels=2, window_latitudes=3, window_longitudes=4, bias=bias
    )
    network, x = swin(config), some()
    change = network(x)
    assert (network(x.roll(16, dims=2)) - change.roll(16, dims=2)).abs().max() < 1e-12 * change.abs().max() + 1e-14


def test_the_date_line_is_an_ordinary_meridian() -> None:
    """Turned by one window of the fine stage alone, so that the date line comes to lie inside of the grid."""
    config = SwinConfig(channels=16, coarse_blocks=0, patch_points=2, window_longitudes=4, window_latitudes=3)
    network, x = swin(config), some()
    change = network(x)
    assert (network(x.roll(8, dims=2)) - change.roll(8, dims=2)).abs().max() < 1e-14
    x.requires_grad_()
    (felt,) = torch.autograd.grad(network(x)[:, :, 0].square().sum(), x)
    assert felt[:, :, -2:].abs().max() > 0


def test_the_poles_do_not_see_each_other() -> None:
    """Four blocks with windows of two rows of tokens, every second shifted by one: from row 7 they lead to row 4."""
    config = SwinConfig(channels=16, fine_blocks=2, coarse_blocks=0, patch_points=2, window_latitudes=2)
    network, x = swin(config), some().requires_grad_()
    (felt,) = torch.autograd.grad(network(x)[:, -2:].square().sum(), x)
    by_row = felt.abs().amax(dim=(0, 2, 3))
    assert (by_row[8:] > 0).all() and (by_row[:8] == 0).all()


def test_the_top_does_not_see_the_surface_through_a_shifted_window() -> None:
    """Seven levels of one token each and the surface, windows of two: after a shift they stay in order."""
    layout = ChannelLayout(upper=("z",), n_levels=7, surface=("t2m",))
    config = SwinConfig(
        channels=16, fine_blocks=2, coarse_blocks=0, patch_levels=1, window_levels=2, window_latitudes=2
    )
    network = swin(config, layout)
    x = torch.randn(1, *GRID.shape, 8).double().requires_grad_()
    (felt,) = torch.autograd.grad(network(x)[..., 0].square().sum(), x)
    # four blocks, every second of them shifted by one: from level 0 the windows lead down to level 3
    seen = felt.abs().amax(dim=(0, 1, 2)) > 0
    assert seen.tolist() == [True] * 4 + [False] * 4


def test_every_channel_goes_into_its_own_token_and_comes_out_of_it() -> None:
    """Five levels in patches of two: the top is repeated, so that level 0 is the second of the first token."""
    network = swin(SwinConfig(channels=16, patch_points=4))
    x = some()
    tokens = network._embed(x)
    for variable, level in itertools.product(range(2), range(5)):
        other = x.clone()
        other[0, 9, 30, 5 * variable + level] += 1
        changed = (network._embed(other) != tokens)[0].any(-1).nonzero().tolist()
        assert changed == [[(level + 1) // 2, 9 // 4, 30 // 4]]
    for channel in (10, 11, 12):
        other = x.clone()
        other[0, 0, 5, channel] += 1
        assert (network._embed(other) != tokens)[0].any(-1).nonzero().tolist() == [[3, 0, 1]]

    names = torch.arange(float(network.upper.out_features)).double()
    with torch.no_grad():
        network.upper.weight.zero_(), network.upper.bias.copy_(names)
        network.surface.weight.zero_(), network.surface.bias.copy_(-1 - names[:32])
        out = network._recover(torch.zeros(1, 4, 4, 8, 32).double())[0]
    by_place = names.view(4, 4, 2, 2)
    for y, x_, variable, level in itertools.product((0, 1, 7), (0, 6), range(2), range(5)):
        assert out[y, x_, 5 * variable + level] == by_place[y % 4, x_ % 4, variable, (level + 1) % 2]
    assert out[6, 5, 10:].tolist() == (-1 - names[:32].view(4, 4, 2)[2, 1]).tolist()


@pytest.mark.parametrize(
    ("config", "columns", "message"),
    [
        (SwinConfig(), 36, r"divides twice, as tokens are merged, but has 36 and 4"),
        (SwinConfig(coarse_blocks=0), 30, "divides but has 30 and 4"),
        (
            SwinConfig(coarse_blocks=0, patch_points=2),
            26,
            "13 tokens along the longitudes make no whole windows of 3 to 6",
        ),
    ],
)
def test_longitudes_that_make_no_patches_or_windows_are_refused(config: SwinConfig, columns: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        swin(config, LAYOUT, Grid((16, columns), (False, True), "equiangular-offset"))


def test_what_a_transformer_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="multiple of `model.heads`"):
        SwinConfig(channels=10, heads=4)
    with pytest.raises(UserError, match="`model.patch_points` needs to be between 1 and 64, but is 0"):
        SwinConfig(patch_points=0)
    with pytest.raises(UserError, match="needs variables on levels"):
        swin(SwinConfig(), ChannelLayout(upper=(), n_levels=0, surface=("t2m",)))
    assert [whole_window(n, 6) for n in (24, 16, 12, 13, 5)] == [6, 4, 6, 1, 5]
