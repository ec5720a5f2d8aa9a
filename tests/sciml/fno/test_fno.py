"""FNO: neuraloperator's numbers, then what holds for any of them: resolution, shifts, batches, precisions, errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.fno import FNO, FNOConfig
from sciml.fno.grids import Grid
from sciml.fno.kernels import plain_route
from sciml.fno.neuraloperator import from_neuraloperator

# made by make_golden.py beside it
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.npz"))


def make(
    shape: tuple[int, ...] = (16, 15), periodic: bool = True, n_conditions: int = 0, channels: int = 2, **options: Any
) -> FNO:
    torch.manual_seed(0)
    options = {"modes": (4,) * len(shape), "width": 8, "layers": 2, **options}
    return FNO(FNOConfig(**options), channels, 3, Grid(shape, (periodic,) * len(shape)), n_conditions)


def sample(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(1)
    return torch.randn(*shape, dtype=dtype)


# ----------------------------------------------------------------------------------------------------- neuraloperator


@pytest.mark.parametrize("file", GOLDEN, ids=[file.stem for file in GOLDEN])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)], ids=str)
@pytest.mark.parametrize("route", [nullcontext, plain_route], ids=["kernels", "plain"])
def test_output_and_gradients_are_those_of_neuraloperator(
    file: Path, dtype: torch.dtype, tolerance: float, route: Callable[[], AbstractContextManager[None]]
) -> None:
    """With its weights. The numbers in the files are of float64; in float32 a gradient sums some hundred points."""
    with route():
        check_golden(np.load(file), dtype, tolerance)


def check_golden(golden: Any, dtype: torch.dtype, tolerance: float) -> None:
    network, weights = load(golden, "weight/", dtype)
    gradients = from_neuraloperator(network, weights | tensors(golden, "grad/"))
    x = torch.from_numpy(golden["x"]).to(dtype).clone().requires_grad_()
    out = network(x)
    (out * torch.from_numpy(golden["cotangent"]).to(dtype)).sum().backward()
    assert_close(out, torch.from_numpy(golden["out"]), tolerance)
    assert_close(x.grad, torch.from_numpy(golden["grad_x"]), tolerance)
    for name, parameter in network.named_parameters():
        assert_close(parameter.grad, gradients[name], tolerance)


def load(golden: Any, prefix: str, dtype: torch.dtype) -> tuple[FNO, dict[str, Tensor]]:
    config = json.loads(str(golden["config"]))
    shape = golden["x"].shape[1:-1]
    grid = Grid(shape, (True,) * len(shape))
    network = FNO(FNOConfig(**{**config, "modes": tuple(config["modes"])}), 2, 3, grid).to(dtype)
    weights = tensors(golden, prefix)
    network.load_state_dict(from_neuraloperator(network, weights))
    return network, weights


def tensors(golden: Any, prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): torch.from_numpy(golden[key]) for key in golden.files if key.startswith(prefix)}


def assert_close(ours: Tensor | None, theirs: Tensor, tolerance: float) -> None:
    assert ours is not None
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


def test_weights_that_do_not_fit_are_refused() -> None:
    golden = np.load(GOLDEN[0].with_name("2d.npz"))
    weights = tensors(golden, "weight/")
    fits = {"modes": (6, 5), "width": 4, "layers": 2}
    with pytest.raises(
        UserError, match=r"fno_blocks.* has no place in the network; are `skip` and `weights` the same\?"
    ):
        from_neuraloperator(make(**{**fits, "skip": None}), weights)
    with pytest.raises(UserError, match=r"lack blocks\.2.*; are `layers` and the MLPs the same\?"):
        from_neuraloperator(make(**{**fits, "layers": 3}), weights)
    with pytest.raises(UserError, match="Give both the same channels, modes and rank"):
        from_neuraloperator(make(**{**fits, "modes": (6, 6)}), weights)


# ---------------------------------------------------------------------------------------------------------- resolution


def waves(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> Tensor:
    """Few and smooth waves of the unit square, in two channels."""
    axes = [torch.arange(n, dtype=torch.float64) / (n if p else n - 1) for n, p in zip(shape, periodic, strict=True)]
    x, y = torch.meshgrid(*(2 * torch.pi * axis for axis in axes), indexing="ij")
    return torch.stack([torch.sin(x - 2 * y) + torch.cos(2 * x), torch.cos(3 * x + y)], dim=-1)[None]


def change_by_doubling(network: FNO, n: int, periodic: tuple[bool, bool]) -> float:
    """Relative difference of the output, at n points an axis, to that at twice the resolution on the same points."""
    coarse, fine = (network(waves(tuple(k if p else k + 1 for p in periodic), periodic)).detach() for k in (n, 2 * n))
    return ((coarse - fine[:, ::2, ::2]).norm() / fine.norm()).item()


def test_on_periodic_axes_twice_the_points_change_nothing() -> None:
    """GELU makes overtones that fall off as those of an analytic function do: aliases vanish spectrally."""
    network = make((64, 64), modes=(12, 12), coordinates=False).double()
    periodic = (True, True)
    assert change_by_doubling(network, 16, periodic) > 1e-6
    # a trained-at-64 network at 128
    assert change_by_doubling(network, 64, periodic) < 1e-13


@pytest.mark.parametrize("periodic", [(True, True), (False, True), (False, False)])
def test_a_jump_in_the_domain_leaves_a_change_of_first_order(periodic: tuple[bool, bool]) -> None:
    """Coordinates and padding are not smooth where the period closes: the change halves with each doubling."""
    torch.manual_seed(0)
    network = FNO(FNOConfig(modes=(12, 12), width=4, layers=2, padding=0.125), 2, 3, Grid((33, 33), periodic)).double()
    first, second = (change_by_doubling(network, n, periodic) for n in (16, 32))
    assert first < 2e-3
    # exact halves in the limit
    assert first / second == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize("shape", [(11,), (32,), (7, 20), (9, 9), (5, 6, 7)], ids=str)
@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "with ends"])
def test_any_size_goes(shape: tuple[int, ...], periodic: bool) -> None:
    network = make(shape, periodic)
    assert network(sample(2, *shape, 2)).shape == (2, *shape, 3)
    larger = tuple(n + 3 for n in shape)
    assert network(sample(2, *larger, 2)).shape == (2, *larger, 3)
    assert not list(network.buffers()), "nothing that belongs to a grid is saved"


def test_a_network_without_coordinates_commutes_with_shifts() -> None:
    network = make(coordinates=False).double()
    x = sample(1, 16, 15, 2, dtype=torch.float64)
    shifted = network(x.roll((3, -4), dims=(1, 2)))
    torch.testing.assert_close(shifted, network(x).roll((3, -4), dims=(1, 2)), atol=1e-13, rtol=0)


@pytest.mark.parametrize("n", [17, 33])
def test_padding_makes_the_period_the_same_multiple_of_the_domain(n: int) -> None:
    torch.manual_seed(0)
    network = FNO(FNOConfig(modes=(4, 4), width=8, padding=0.25), 2, 3, Grid((17, 16), (False, True)))
    h = sample(1, n, n - 1, 8)
    padded = network._pad(h)
    # 1 + 2 * 0.25 domains of n - 1 spacings each; the periodic axis is as it was
    assert padded.shape == (1, 3 * (n - 1) // 2, n - 1, 8)
    before = (n - 1) // 4
    assert torch.equal(padded[:, before : before + n], h)
    assert padded.count_nonzero() == h.count_nonzero()
    assert torch.equal(network._unpad(padded, (n, n - 1)), h)


# --------------------------------------------------------------------------------------------- conditions, precisions


def test_samples_do_not_see_each_other() -> None:
    network = make(n_conditions=2).double()
    x, condition = sample(3, 16, 15, 2, dtype=torch.float64), sample(3, 2, dtype=torch.float64)
    together = network(x, condition)
    alone = torch.cat([network(x[i : i + 1], condition[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-13, rtol=0)


def test_memory_may_lie_in_any_order() -> None:
    network = make((12, 12)).double()
    x = sample(2, 2, 12, 12, dtype=torch.float64)
    torch.testing.assert_close(network(x.movedim(1, -1)), network(x.movedim(1, -1).contiguous()), atol=1e-13, rtol=0)


def test_a_condition_reaches_every_layer() -> None:
    network = make(n_conditions=1)
    x = sample(1, 16, 15, 2)
    network(x, torch.ones(1, 1)).sum().backward()
    assert network.shifts is not None
    slope = network.shifts.second.weight.grad
    assert slope is not None and (slope.reshape(3, 8, 8).abs().amax(dim=(1, 2)) > 0).all()
    assert (network(x, torch.ones(1, 1)) - network(x, torch.zeros(1, 1))).abs().max() > 1e-3


def test_double_precision_and_autocast() -> None:
    network = make((16, 16), periodic=False)
    x = sample(2, 16, 16, 2)
    single = network(x)
    double = network.double()(x.double())
    assert double.dtype == torch.float64
    # sums of a hundred products in three layers
    torch.testing.assert_close(single, double.float(), atol=1e-5, rtol=0)
    network.float()
    with torch.autocast("cpu", torch.bfloat16):
        half = network(x)
    half.float().square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    # bfloat16 has 8 bits, 0.4 percent, at each of some ten roundings
    assert (half - single).norm() < 0.03 * single.norm()


@pytest.mark.parametrize("options", [{}, {"channel_mlp_expansion": None}], ids=str)
def test_a_seed_gives_a_network_and_it_learns(options: dict[str, Any]) -> None:
    first, second = make(**options), make(**options)
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    x = sample(2, 16, 15, 2)
    target = torch.stack([x[..., 0], x[..., 1], x.sum(-1)], dim=-1)
    optimizer = torch.optim.Adam(first.parameters(), lr=2e-2)
    losses = []
    for _ in range(30):
        loss = (first(x) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"modes": (4, 4, 4)},
            r"`model.modes` needs a number for each axis .* has 2, but is \[4, 4, 4\]",
        ),
        ({"modes": (17, 4)}, r"17 x 4 Fourier modes need .* has 16 x 15. Lower `modes` or use a finer grid."),
        ({"modes": (0, 4)}, "at least 1 for each axis"),
        ({"modes": ()}, "at least 1 for each axis"),
        ({"width": 0}, "`model.width` needs to be between 1 and"),
        ({"rank": 0.0}, "`model.rank` needs to be more than 0"),
        ({"padding": -0.1}, "`model.padding` needs to be between 0 and 1"),
    ],
)
def test_a_configuration_that_cannot_be_built(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**options)


def test_fields_that_the_network_was_not_made_for() -> None:
    network = make(modes=(8, 4))
    with pytest.raises(UserError, match=r"2 dimension\(s\) and 2 channel\(s\).* shape \[1, 16, 15, 3\]"):
        network(sample(1, 16, 15, 3))
    with pytest.raises(UserError, match=r"fields of 2 dimension\(s\)"):
        network(sample(1, 16, 2))
    with pytest.raises(UserError, match="8 x 4 Fourier modes need .* has 7 x 15"):
        network(sample(1, 7, 15, 2))
    with pytest.raises(UserError, match=r"0 condition\(s\) a sample, but got 1"):
        network(sample(1, 16, 15, 2), torch.zeros(1, 1))
    with pytest.raises(UserError, match=r"2 condition\(s\) a sample, but got 0"):
        make(n_conditions=2)(sample(1, 16, 15, 2))
