"""UNet: what it does at borders and between resolutions; what all operators have in common is tested elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.convolution import Boundary, Convolution
from sciml.fno.grids import Grid
from sciml.fno.unet import UNet, UNetConfig

SMALL = UNetConfig(width=4, multipliers=(1, 2, 2), groups=2)
# float64 in sums of another order
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def network(grid: Grid, config: UNetConfig = SMALL) -> UNet:
    torch.manual_seed(0)
    return UNet(config, 1, 1, grid).double()


def field(*shape: int) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(1, *shape, 1, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(16,), (8, 12), (4, 8, 4)])
def test_moving_the_input_by_the_stride_moves_the_output(shape: tuple[int, ...]) -> None:
    unet, x = network(Grid(shape, (True,) * len(shape))), field(*shape)
    for axis, n in enumerate(shape, start=1):
        by = SMALL.stride if n > SMALL.stride else 0
        torch.testing.assert_close(unet(x.roll(by, dims=axis)), unet(x).roll(by, dims=axis), **CLOSE)


def test_moving_it_by_less_or_along_an_axis_with_ends_does_not() -> None:
    unet, x = network(Grid((8, 8), (True, False))), field(8, 8)
    torch.testing.assert_close(unet(x.roll(4, dims=1)), unet(x).roll(4, dims=1), **CLOSE)
    for by, axis in ((2, 1), (4, 2)):
        assert (unet(x.roll(by, dims=axis)) - unet(x).roll(by, dims=axis)).abs().max() > 1e-3


@pytest.mark.parametrize("periodic", [(True,), (False,), (True, False), (False, False), (True, True, False)])
@pytest.mark.parametrize("boundary", ["replicate", "zeros"])
def test_convolutions_go_on_as_numpy_would_pad(periodic: tuple[bool, ...], boundary: Boundary) -> None:
    torch.manual_seed(0)
    convolution = Convolution(2, 3, periodic, boundary).double()
    x = torch.randn(2, 2, *(4, 5, 6)[: len(periodic)], dtype=torch.float64)
    padded = x.numpy()
    for axis, is_periodic in enumerate(periodic, start=2):
        widths = [(1, 1) if i == axis else (0, 0) for i in range(padded.ndim)]
        mode = "wrap" if is_periodic else {"replicate": "edge", "zeros": "constant"}[boundary]
        padded = np.pad(padded, widths, mode=mode)  # pyright: ignore
    torch.testing.assert_close(convolution(x), convolution.weights(torch.from_numpy(padded)), **CLOSE)


def test_a_field_without_change_along_an_axis_keeps_none() -> None:
    """With its ends repeated an axis has no ends to see."""
    x = field(8, 1).expand(1, 8, 9, 1)
    y = network(Grid((8, 9), (True, False)))(x)
    torch.testing.assert_close(y, y[:, :, :1].expand_as(y), **CLOSE)


@pytest.mark.parametrize("n", [9, 10, 11, 12, 13])
def test_axes_with_ends_have_any_size(n: int) -> None:
    unet = network(Grid((8, 8), (True, False)))
    assert unet(field(8, n)).shape == (1, 8, n, 1)
    x = field(8, n)
    far = x.clone()
    far[:, :, -1] += 1
    changed = (unet(far) - unet(x)).abs().amax(dim=(0, 1, 3))
    assert changed[-1] > 1e-3


def test_channels_lie_last_in_memory_throughout() -> None:
    """A copy of every field in another order would cost as much as the convolutions' edges."""
    orders = []

    def record(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        orders.append(output.is_contiguous(memory_format=torch.channels_last))

    unet = network(Grid((8, 12), (True, False)))
    for module in unet.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.GroupNorm):
            module.register_forward_hook(record)
    unet(field(8, 12))
    assert len(orders) > 16
    assert all(orders)


def test_periodic_axes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(
        UserError, match="3 resolutions needs a multiple of 4 points along periodic axes, but axis 1 has 6"
    ):
        network(Grid((8, 6), (False, True)))
    with pytest.raises(UserError, match="but axis 0 has 9"):
        network(Grid((8, 8), (True, False)))(field(9, 8))


def test_sizes_without_sense_are_refused() -> None:
    with pytest.raises(UserError, match="`model.width`, 10, needs to be a multiple of `groups`, 4"):
        UNetConfig(width=10, groups=4)
    with pytest.raises(UserError, match=r"`model.multipliers` needs 1 to 10 numbers between 1 and 64.* but is \[\]"):
        UNetConfig(multipliers=())
    with pytest.raises(UserError, match="`model.blocks` needs to be between 1 and 16, but is 0"):
        UNetConfig(blocks=0)
