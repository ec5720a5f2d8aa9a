"""The features that the equations of motion give: against flows whose changes are known by formula."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.legendre import latitudes_rad
from sciml.weather.networks.dynamics import (
    _RADIUS_M,
    EARTH_ROTATION_RAD_S,
    NEEDED,
    Dynamics,
    StateScales,
    dealiased,
    upstream,
)
from sciml.weather.networks.layout import ChannelLayout

GAUSS = Grid((48, 96), (False, True), "gauss-legendre")
POLES = Grid((33, 64), (False, True), "equiangular")
OFFSET = Grid((32, 63), (False, True), "equiangular-offset")
LEVELS = (200.0, 500.0, 850.0)
UPPER = ("z", "t", "u", "v", "q")
NAMES = ("vorticity", "divergence", "t", "q", "of_vorticity", "turned_u", "turned_v")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def points(grid: Grid) -> tuple[Tensor, Tensor]:
    """Latitude and longitude in radians, [y, x]."""
    assert grid.sphere is not None
    latitude = torch.from_numpy(latitudes_rad(grid.sphere, grid.shape[0]))
    longitude = torch.arange(grid.shape[1], dtype=torch.float64) * (2 * math.pi / grid.shape[1])
    return latitude[:, None].expand(grid.shape), longitude.expand(grid.shape)


def turning(grid: Grid, axis: Tensor, speed_m_s: float) -> tuple[Tensor, Tensor]:
    """Wind of a solid body's rotation about an axis through the centre."""
    la, lo = points(grid)
    up = torch.stack([la.cos() * lo.cos(), la.cos() * lo.sin(), la.sin()], -1)
    east = torch.stack([-lo.sin(), lo.cos(), torch.zeros_like(lo)], -1)
    north = torch.stack([-la.sin() * lo.cos(), -la.sin() * lo.sin(), la.cos()], -1)
    wind = speed_m_s * torch.linalg.cross(axis.expand_as(up), up)
    return (wind * east).sum(-1), (wind * north).sum(-1)


def on_sphere(grid: Grid, turn: Tensor) -> Tensor:
    """A smooth scalar of the points' places, turned."""
    la, lo = points(grid)
    place = torch.stack([la.cos() * lo.cos(), la.cos() * lo.sin(), la.sin()], -1) @ turn
    x, y, z = place.unbind(-1)
    return x * y + 0.5 * z**3 - 0.3 * x


def rotation(axis: Tensor, angle: float) -> Tensor:
    x, y, z = axis.tolist()
    skew = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(angle * skew)


@pytest.mark.parametrize("grid", [GAUSS, POLES, OFFSET], ids=lambda grid: grid.sphere)
@pytest.mark.parametrize("tilt_deg", [0.0, 45.0, 90.0])
def test_a_solid_body_carries_fields_around_and_over_the_poles(grid: Grid, tilt_deg: float) -> None:
    """In six hours at 80 m/s air moves by 1700 km, three or four points and more near the poles."""
    tilt = math.radians(tilt_deg)
    axis = torch.tensor([math.sin(tilt), 0.0, math.cos(tilt)], dtype=torch.float64)
    u, v = (part[None, :, :, None] for part in turning(grid, axis, 80.0))
    seconds = 6 * 3600.0
    back = rotation(axis, seconds * 80.0 / _RADIUS_M)
    field = on_sphere(grid, torch.eye(3, dtype=torch.float64))[None, :, :, None, None]
    expected = on_sphere(grid, back)
    found = upstream(field, u, v, seconds, grid)[0, :, :, 0, 0]
    # chords instead of arcs and bicubic values in between; without any motion the field would be off by about 0.3
    assert (found - expected).abs().max() < 0.03
    assert (field[0, :, :, 0, 0] - expected).abs().max() > 0.2


def test_levels_are_carried_by_their_own_wind() -> None:
    axis = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    u, v = turning(GAUSS, axis, 50.0)
    still = torch.zeros_like(u)
    field = on_sphere(GAUSS, torch.eye(3, dtype=torch.float64))
    two = torch.stack([u, still], -1)[None], torch.stack([v, still], -1)[None]
    found = upstream(torch.stack([field, field], -1)[None, ..., None], *two, 21600.0, GAUSS)[0, ..., 0]
    torch.testing.assert_close(found[..., 1], field, rtol=0, atol=1e-9)
    assert (found[..., 0] - field).abs().max() > 0.1


def features(grid: Grid, fields: dict[str, Tensor]) -> dict[str, Tensor]:
    """Features of fields [y, x], alike at all levels, in physical units, but for what `Dynamics` divides them by."""
    n = len(LEVELS)
    module = Dynamics(layout(), scales(), grid).double()
    values = [fields.get(name, torch.zeros(grid.shape, dtype=torch.float64)) for name in NEEDED]
    given = [value.unsqueeze(-1).expand(*grid.shape, n)[None] for value in values]
    return dict(zip(NAMES, [found[0] for found in module._features(*given)], strict=True))


def layout() -> ChannelLayout:
    return ChannelLayout(UPPER, len(LEVELS), ("t2m",))


def scales() -> StateScales:
    ones = [1.0] * (len(UPPER) * len(LEVELS) + 1)
    return StateScales([0.0] * len(ones), ones, ones, 6)


def test_vorticity_that_turns_with_the_globe_does_not_change() -> None:
    """Solid rotation about the axis (Williamson et al. 1992, case 2)."""
    speed = 40.0
    u, v = turning(GAUSS, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), speed)
    latitude, _ = points(GAUSS)
    found = features(GAUSS, {"u": u, "v": v})
    torch.testing.assert_close(found["vorticity"][..., 0], 2 * speed / _RADIUS_M * latitude.sin())
    # m/s; values between points are bicubic
    assert max(found[name].abs().max() for name in ("turned_u", "turned_v")) < 0.02
    assert found["divergence"].abs().max() < 1e-12


def test_a_wave_of_vorticity_moves_as_rossby_found() -> None:
    """A weak wave in an atmosphere at rest: its change is -v df/dy, to first order in the wave."""
    latitude, longitude = points(GAUSS)
    # streamfunction a^2 s cos^4 sin(4 x): degree 5 of order 4 is sin * cos^4; degree 4 of order 4 is cos^4
    s = 1e-8
    u = _RADIUS_M * s * 4 * latitude.cos() ** 3 * latitude.sin() * (4 * longitude).sin()
    v = _RADIUS_M * s * 4 * latitude.cos() ** 3 * (4 * longitude).cos()
    found = features(GAUSS, {"u": u, "v": v})
    expected = -21600 * v * 2 * EARTH_ROTATION_RAD_S * latitude.cos() / _RADIUS_M
    assert (found["of_vorticity"][..., 0] - expected).abs().max() < 0.01 * expected.abs().max()


def test_nothing_is_carried_where_all_is_the_same() -> None:
    latitude, _ = points(GAUSS)
    found = features(GAUSS, {"t": torch.full(GAUSS.shape, 280.0, dtype=torch.float64), "v": 10 * latitude.cos()})
    assert found["t"].abs().max() < 1e-9
    torch.testing.assert_close(found["divergence"][..., 0], -20 * latitude.sin() / _RADIUS_M)


def test_features_are_of_order_one_for_usual_weather_and_bounded_for_any() -> None:
    n = len(UPPER) * len(LEVELS) + 1
    usual = {"z": (5e4, 3e3, 600.0), "t": (250.0, 15.0, 2.0), "u": (5.0, 12.0, 4.0), "v": (0.0, 8.0, 4.0)}
    usual["q"] = (0.004, 0.003, 0.0008)
    mean, deviation, change = (
        [usual[name][k] for name in UPPER for _ in LEVELS] + [(280.0, 20.0, 3.0)[k]] for k in range(3)
    )
    module = Dynamics(layout(), StateScales(mean, deviation, change, 6), GAUSS)
    # smooth fields: a few degrees of the sphere
    coarse = torch.randn(2, n, 6, 12)
    state = torch.nn.functional.interpolate(coarse, GAUSS.shape, mode="bicubic").movedim(1, -1)
    found = module(state)
    assert found.shape == (2, *GAUSS.shape, module.n_features) == (2, 48, 96, 21)
    by_kind = found.unflatten(-1, (7, 3)).square().mean((0, 1, 2, 4)).sqrt()
    assert by_kind.min() > 0.05 and by_kind.max() < 12
    assert module(1e6 * state).abs().max() <= 12


def test_gradients_pass_and_half_precision_is_kept_out() -> None:
    module = Dynamics(layout(), scales(), GAUSS)
    state = torch.randn(1, *GAUSS.shape, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = module(state)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, module(state))
    found.square().mean().backward()
    assert state.grad is not None and torch.isfinite(state.grad).all() and state.grad.abs().max() > 0


@pytest.mark.parametrize("grid", [GAUSS, POLES, OFFSET], ids=lambda grid: grid.sphere)
@pytest.mark.parametrize("wind", [0.0, 1.0])
def test_slopes_are_bounded_over_the_poles(grid: Grid, wind: float) -> None:
    module = Dynamics(layout(), scales(), grid)
    state = torch.randn(1, *grid.shape, 16)
    state[..., 6:12] *= wind
    state.requires_grad_()
    module(state).sum().backward()
    assert state.grad is not None and torch.isfinite(state.grad).all()
    # wind that carries by a point's distance changes values by what they differ by
    assert state.grad.abs().max() < 1e5


def test_fields_that_never_change_have_no_features() -> None:
    ones = [1.0] * 16
    change = [0.0] * 16
    module = Dynamics(layout(), StateScales([0.0] * 16, ones, change, 6), GAUSS)
    state = torch.randn(1, *GAUSS.shape, 16)
    assert torch.isfinite(module(state)).all() and torch.isfinite(module.with_winds(state)).all()


def test_winds_come_from_vorticity_and_divergence_and_all_else_stays() -> None:
    n = len(LEVELS)
    change = [1.0] * (len(UPPER) * n + 1)
    # the usual change of u and v in m/s
    change[2 * n : 4 * n] = [2.0] * n + [6.0] * n
    module = Dynamics(layout(), StateScales([0.0] * len(change), change, change, 6), GAUSS).double()
    latitude, longitude = points(GAUSS)
    given = torch.randn(1, *GAUSS.shape, len(change), dtype=torch.float64)
    given[..., 2 * n : 3 * n] = latitude.sin()[..., None]
    given[..., 3 * n : 4 * n] = (latitude.cos() * longitude.cos())[..., None]
    found = module.with_winds(given)
    rest = [*range(2 * n), *range(4 * n, len(change))]
    torch.testing.assert_close(found[..., rest], given[..., rest], rtol=0, atol=0)
    # streamfunction and potential are those of degree one: -8 / 2 times; 4 m/s is the usual change of the wind
    u = 4 * (4 * latitude.cos() + 4 * longitude.sin())
    v = 4 * 4 * latitude.sin() * longitude.cos()
    torch.testing.assert_close(found[0, ..., 2 * n] * 2, u)
    torch.testing.assert_close(found[0, ..., 3 * n] * 6, v)


def test_what_it_needs_is_said() -> None:
    with pytest.raises(UserError, match="`dynamics` needs t, u, v, q on levels, but the state has z, t. Add u, v, q"):
        Dynamics(ChannelLayout(("z", "t"), 2, ()), scales(), GAUSS)
    with pytest.raises(UserError, match="no variables on levels"):
        Dynamics(ChannelLayout((), 0, ("t2m",)), scales(), GAUSS)


def test_products_of_two_fields_stay_within_what_the_grid_carries() -> None:
    assert dealiased(GAUSS) == 32
    assert dealiased(Grid((2, 2), (False, True), "gauss-legendre")) == 1
    assert np.isclose(dealiased(Grid((721, 1440), (False, True), "equiangular")), 480)
