"""Laws of the spherical Fourier neural operator, and the network of torch-harmonics with its weights.

golden/sphere.safetensors is made by make_golden_sphere.py.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno import kernels
from sciml.fno.grids import Grid, SphereKind
from sciml.fno.points import sphere_coordinates
from sciml.fno.sfno import SFNO, SFNOConfig
from sciml.fno.sphere import spherical_transform, values_at
from sciml.fno.sphere_mixing import mixed

GOLDEN = Path(__file__).parent / "golden/sphere.safetensors"
SMALL = SFNOConfig(width=6, layers=2)
VARIANTS = {
    "default": SMALL,
    "real": replace(SMALL, weights="real"),
    "diagonal": replace(SMALL, filters="diagonal"),
    "diagonal, real": replace(SMALL, filters="diagonal", weights="real"),
    "coarse inside": replace(SMALL, scale_factor=2.0, norm=True),
    "all parts": replace(SMALL, modes=5, skip=True, norm=True, position=True, encoder_ratio=None),
}


def sphere(shape: tuple[int, int] = (12, 24), kind: SphereKind = "equiangular") -> Grid:
    return Grid(shape, (False, True), kind)


def network(config: SFNOConfig = SMALL, grid: Grid | None = None, conditions: int = 0) -> SFNO:
    torch.manual_seed(0)
    return SFNO(config, 2, 3, grid or sphere(), conditions).to(torch.float64)


def points_of(grid: Grid) -> Tensor:
    """On the unit sphere, [y x, 3]."""
    assert grid.sphere is not None
    return torch.from_numpy(sphere_coordinates(grid.sphere, *grid.shape)).flatten(0, 1)


def at_points(coefficients: Tensor, points: Tensor) -> Tensor:
    return values_at(coefficients, points[:, 2].clamp(-1, 1).asin(), torch.atan2(points[:, 1], points[:, 0]))


def smooth_field(grid: Grid, degrees: int, rotation: Tensor | None = None) -> Tensor:
    """A field of a few degrees, [1, y, x, 2], or as it is after its sphere has been turned."""
    a = torch.randn(1, degrees, degrees, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    points = points_of(grid) if rotation is None else points_of(grid) @ rotation
    # coefficients with l < m count nothing
    return at_points(a, points).unflatten(1, grid.shape)


@pytest.mark.parametrize("name", ["default", "real", "diagonal", "diagonal, real"])
def test_turning_about_the_poles_turns_the_output(name: str) -> None:
    net, x = network(VARIANTS[name]), torch.randn(2, 12, 24, 2, dtype=torch.float64)
    # rounding alone: each longitude is as every other
    torch.testing.assert_close(net(x.roll(7, dims=2)), net(x).roll(7, dims=2), atol=1e-12, rtol=0)


def test_any_rotation_turns_the_output_of_real_filters_alone() -> None:
    """Up to what GELU makes beyond the degrees that the grid carries, which is little for a smooth field."""
    grid = sphere((32, 64), "gauss-legendre")
    random = torch.Generator().manual_seed(2)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=random))[0]
    rotation = rotation * rotation.det()
    x, turned = smooth_field(grid, 4), smooth_field(grid, 4, rotation)
    errors = []
    for config in (replace(SMALL, weights="real"), SMALL):
        net = network(config, grid)
        expected = at_points(spherical_transform(grid).analysis(net(x)), points_of(grid) @ rotation)
        error = net(turned).flatten(1, 2) - expected
        errors.append((error.norm() / expected.norm()).item())
    # complex filters turn m and -m in opposite senses, so that the axis is special
    assert errors[0] < 1e-4 and errors[1] > 1e-2, errors


@pytest.mark.parametrize("kind", ["gauss-legendre", "equiangular-offset"])
def test_other_resolutions_give_the_same_field(kind: SphereKind) -> None:
    """As far as the coarse grid carries what GELU makes of a smooth field."""
    net = network(replace(SMALL, modes=12, position=True), sphere((24, 48), kind))
    coarse, fine = sphere((24, 48), kind), sphere((45, 90), kind)
    out = spherical_transform(coarse).analysis(net(smooth_field(coarse, 4)))
    expected = at_points(out, points_of(fine))
    found = net(smooth_field(fine, 4)).flatten(1, 2)
    assert (found - expected).norm() < 1e-2 * expected.norm()


def test_output_and_gradients_are_those_of_torch_harmonics() -> None:
    golden = {k.removeprefix("network."): v for k, v in load_file(GOLDEN).items() if k.startswith("network.")}
    config = SFNOConfig(width=6, layers=2, encoder_ratio=None, big_skip=False)
    net = SFNO(config, 2, 3, sphere((8, 16), "gauss-legendre"))
    net.load_state_dict({name: ours_of(golden, "weight", name, p) for name, p in net.state_dict().items()})
    x = golden["field"].flip(2).permute(0, 2, 3, 1).contiguous()
    out = net(x)
    # single precision
    torch.testing.assert_close(out, golden["out"].flip(2).permute(0, 2, 3, 1), atol=1e-5, rtol=1e-5)
    out.square().mean().backward()
    for name, parameter in net.named_parameters():
        expected = ours_of(golden, "slope", name, parameter)
        # theirs has no such bias
        if expected.any():
            torch.testing.assert_close(parameter.grad, expected, atol=1e-5, rtol=1e-4)


def ours_of(golden: dict[str, Tensor], what: str, name: str, like: Tensor) -> Tensor:
    theirs = name.replace("filter", "global_conv").replace("mlp.first", "mlp.fwd.0").replace("mlp.second", "mlp.fwd.2")
    theirs = theirs.replace("encoder", "encoder.0").replace("decoder", "decoder.0")
    found = golden.get(f"{what}.{theirs}")
    if found is None:
        return torch.zeros_like(like)
    return found.permute(2, 1, 0, 3).contiguous() if "filter" in name else found.reshape(like.shape)


@pytest.mark.parametrize("name", VARIANTS)
def test_compiled_route_is_that_of_torch(name: str) -> None:
    net, x = network(VARIANTS[name], conditions=2), torch.randn(2, 12, 24, 2, dtype=torch.float64)
    nn.init.normal_(net.film.second.weight)  # pyright: ignore[reportOptionalMemberAccess]
    condition = torch.randn(2, 2, dtype=torch.float64)
    parameters = list(net.parameters())
    results = []
    for route in (nullcontext, kernels.plain_route):
        with route():
            out = net(x, condition)
            results.append([out, *torch.autograd.grad(out.square().mean(), parameters)])
    torch.testing.assert_close(*results, atol=1e-10, rtol=1e-10)


def test_filters_have_their_derivatives() -> None:
    kept = spherical_transform(sphere((4, 8))).truncation
    for shape in ((3, 2, 2, 2), (3, 2, 2)):
        weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
        packed = torch.randn(kept.size, 1, 2, 2, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda a, w: mixed(a, w, kept), (packed, weight))
        assert torch.autograd.gradgradcheck(lambda a, w: mixed(a, w, kept), (packed, weight))


def test_conditions_start_without_effect_and_get_one() -> None:
    net, x = network(conditions=1), torch.randn(2, 12, 24, 2, dtype=torch.float64)
    low, high = torch.zeros(2, 1, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64)
    torch.testing.assert_close(net(x, low), net(x, high))
    assert net.film is not None
    nn.init.normal_(net.film.second.weight)
    both = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    torch.testing.assert_close(net(x, both)[0], net(x, low)[0])
    assert not torch.allclose(net(x, both)[1], net(x, low)[1])


def test_half_precision_keeps_filters_in_single() -> None:
    net, x = network().float(), torch.randn(1, 12, 24, 2)
    with torch.autocast("cpu", torch.bfloat16):
        out = net(x)
    # bfloat16 has 8 bits
    assert (out.float() - net(x)).norm() < 3e-2 * net(x).norm()


def test_networks_copy_and_hold_nothing_of_the_grid() -> None:
    net, x = network(), torch.randn(1, 12, 24, 2, dtype=torch.float64)
    net(x)
    torch.testing.assert_close(copy.deepcopy(net)(x), net(x))
    other = network(replace(SMALL, modes=11), sphere((20, 40)))
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other(x), net(x))
    with torch.inference_mode():
        net(torch.randn(1, 14, 28, 2, dtype=torch.float64))
    net(torch.randn(1, 14, 28, 2, dtype=torch.float64)).sum().backward()


def test_networks_export() -> None:
    net, x = network().float().eval(), torch.randn(1, 12, 24, 2)
    program = torch.export.export(net, (x,))
    torch.testing.assert_close(program.module()(x), net(x), atol=1e-5, rtol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="need a grid of latitudes and longitudes"):
        SFNO(SMALL, 2, 3, Grid((12, 24), (False, True)))
    with pytest.raises(UserError, match="carries 11 degrees and 12 orders.*but 12 degrees and 12 orders are asked"):
        SFNO(replace(SMALL, modes=12), 2, 3, sphere())
    with pytest.raises(UserError, match="carries 5 degrees"):
        SFNO(replace(SMALL, modes=9, scale_factor=3.0), 2, 3, sphere((13, 36)))
    net = network()
    with pytest.raises(UserError, match=r"2 channel\(s\).*but got a tensor of shape \[1, 12, 24, 3\]"):
        net(torch.zeros(1, 12, 24, 3, dtype=torch.float64))
    with pytest.raises(UserError, match="A grid of 6 x 24 points"):
        net(torch.zeros(1, 6, 24, 2, dtype=torch.float64))
    with pytest.raises(UserError, match="made for 0 condition"):
        net(torch.zeros(1, 12, 24, 2, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
    with pytest.raises(UserError, match="`model.width` needs to be between 1 and 4096, but is 0"):
        SFNOConfig(width=0)


def test_blocks_work_on_the_linear_grid_of_a_truncation() -> None:
    """A quadratic grid of T31 has 48 x 96 points, the linear one 32 x 64: T31 goes through both alike."""
    grid = sphere((48, 96), "gauss-legendre")
    network = SFNO(replace(SMALL, modes=None, scale_factor=1.5), 2, 3, grid)
    assert network.modes == 32
    assert network(torch.randn(1, 48, 96, 2)).shape == (1, 48, 96, 3)
