"""Losses against their definitions, other libraries and the laws that they have to keep."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import xarray as xr
from scores.probability import crps_for_ensemble
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.field_loss import FieldLossConfig, field_loss
from sciml.fno.grids import Grid
from sciml.fno.losses import (
    almost_fair_crps,
    derivative,
    exceedance_weights,
    quantile_loss,
    relative_h1,
    relative_l2,
    spectral_loss,
    weighted_mae,
    weighted_mse,
)
from sciml.fno.spectra import cross_spectra

TAU = 2 * math.pi
BOXES = [Grid((12,), (True,)), Grid((9, 8), (False, True)), Grid((6, 5, 7), (True, True, False))]
SPHERE = Grid((10, 16), (False, True), "gauss-legendre")
# sums of some hundred float64 numbers
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def fields(grid: Grid, n: int = 2, channels: int = 3) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, *grid.shape, channels, dtype=torch.float64) for _ in range(n)]


# ------------------------------------------------------------------------------------------------------- point by point


def test_weights_of_channels_points_and_samples_multiply_errors() -> None:
    x, y = fields(BOXES[1])
    for weights in (torch.rand(3), torch.rand(9, 1, 1), torch.rand(2, 9, 8, 3)):
        w = np.broadcast_to(weights.numpy(), x.shape)
        error = (x - y).numpy()
        assert weighted_mse(x, y, weights).item() == pytest.approx((w * error**2).mean(), rel=1e-12)
        assert weighted_mae(x, y, weights).item() == pytest.approx((w * abs(error)).mean(), rel=1e-12)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.98])
def test_the_quantile_loss_is_least_at_the_quantile(level: float) -> None:
    sample = np.sort(np.random.default_rng(0).gumbel(size=999))
    truth = torch.from_numpy(sample).view(-1, 1, 1)
    losses = [quantile_loss(torch.full_like(truth, value), truth, level).item() for value in sample]
    # between two values of the sample the loss is linear, so its least is at one of them
    assert sample[np.argmin(losses)] == pytest.approx(np.quantile(sample, level, method="inverted_cdf"))


def test_quantile_levels_may_differ_between_channels() -> None:
    x, y = fields(BOXES[0])
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    each = [quantile_loss(x[..., [i]], y[..., [i]], levels[i].item()) for i in range(3)]
    torch.testing.assert_close(quantile_loss(x, y, levels), torch.stack(each).mean(), **EXACT)


def test_weights_grow_in_the_tails_alone_and_without_a_jump() -> None:
    truth = torch.tensor([-3.0, -1.0, 0.0, 1.0, 1.5, 99.0]).view(1, -1, 1).repeat(1, 1, 2)
    inf = torch.inf
    weights = exceedance_weights(
        truth, low=torch.tensor([-1.0, -inf]), high=torch.tensor([1.0, inf]), strength=2.0, largest=20.0
    )
    assert weights[0, :, 0].tolist() == [5.0, 1.0, 1.0, 1.0, 2.0, 20.0]
    assert (weights[0, :, 1] == 1).all()


@pytest.mark.parametrize(("alpha", "method"), [(0.0, "ecdf"), (1.0, "fair")])
@pytest.mark.parametrize("members", [2, 5])
def test_crps_of_the_scores_package_at_both_ends_of_alpha(alpha: float, method: str, members: int) -> None:
    torch.manual_seed(0)
    ensemble, truth = torch.randn(3, members, 4, 2).double(), torch.randn(3, 4, 2).double()
    dims = ("b", "m", "x", "c")
    theirs = crps_for_ensemble(
        xr.DataArray(ensemble.numpy(), dims=dims),
        xr.DataArray(truth.numpy(), dims=("b", "x", "c")),
        ensemble_member_dim="m",
        method=method,  # pyright: ignore[reportArgumentType]
    )
    assert almost_fair_crps(ensemble, truth, alpha).item() == pytest.approx(float(theirs), rel=1e-12)


def test_crps_between_is_the_equation_of_the_paper() -> None:
    torch.manual_seed(0)
    m, alpha = 4, 0.95
    x, y = torch.randn(m).double().tolist(), 0.3
    epsilon = (1 - alpha) / m
    terms = [
        abs(x[j] - y) + abs(x[k] - y) - (1 - epsilon) * abs(x[j] - x[k]) for j in range(m) for k in range(m) if j != k
    ]
    ours = almost_fair_crps(torch.tensor(x).double().view(1, m, 1, 1), torch.tensor([[[y]]]).double(), alpha)
    assert ours.item() == pytest.approx(sum(terms) / (2 * m * (m - 1)), rel=1e-12)


def test_the_fair_crps_expects_the_same_of_few_and_many_members() -> None:
    torch.manual_seed(0)
    n = 200_000
    few, many = (almost_fair_crps(torch.randn(n, m, 1, 1), torch.randn(n, 1, 1), alpha=1.0).item() for m in (2, 10))
    # E|x - y| / 2 = 1 / sqrt(pi) of a normal distribution; one sample strays by some 0.7, the mean of n by 0.0016
    assert few == pytest.approx(1 / math.sqrt(math.pi), abs=0.007)
    assert many == pytest.approx(1 / math.sqrt(math.pi), abs=0.007)


# ------------------------------------------------------------------------------------------------------- whole samples


@pytest.mark.parametrize("grid", BOXES)
def test_relative_errors_know_no_units(grid: Grid) -> None:
    x, y = fields(grid)
    torch.testing.assert_close(relative_l2(7 * x, 7 * y), relative_l2(x, y), **EXACT)
    torch.testing.assert_close(relative_h1(7 * x, 7 * y, grid.periodic), relative_h1(x, y, grid.periodic), **EXACT)
    norms = [np.linalg.norm((x - y)[i].numpy()) / np.linalg.norm(y[i].numpy()) for i in range(2)]
    assert relative_l2(x, y).item() == pytest.approx(np.mean(norms), rel=1e-12)


def test_weights_of_relative_errors_are_those_of_squares() -> None:
    x, y = fields(BOXES[0])
    keep = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(relative_l2(x, y, keep), relative_l2(x[..., :1], y[..., :1]), **EXACT)


@pytest.mark.parametrize("n", [8, 9])
def test_slopes_of_waves_are_exact_on_periodic_axes(n: int) -> None:
    angle = TAU * torch.arange(n, dtype=torch.float64) / n
    wave = (torch.sin(3 * angle) + torch.cos(2 * angle)).view(1, n, 1)
    slope = TAU * (3 * torch.cos(3 * angle) - 2 * torch.sin(2 * angle)).view(1, n, 1)
    torch.testing.assert_close(derivative(wave, 0, periodic=True), slope, rtol=0, atol=1e-12)


def test_slopes_are_of_second_order_on_other_axes() -> None:
    def error(n: int) -> float:
        x = torch.linspace(0, 1, n, dtype=torch.float64).view(1, n, 1)
        return (derivative(x.exp(), 0, periodic=False) - x.exp()).abs().max().item()

    # the next term is of third order: a percent at this spacing
    assert math.log2(error(101) / error(201)) == pytest.approx(2, abs=0.03)


def test_h1_of_the_same_fields_does_not_depend_on_the_grid() -> None:
    def error(n: int) -> Tensor:
        x, y = torch.meshgrid(torch.arange(n).double() / n, torch.linspace(0, 1, 4 * n).double(), indexing="ij")
        truth = (torch.sin(TAU * x) * torch.exp(-y))[None, ..., None]
        return relative_h1(truth + 0.1 * torch.cos(TAU * 2 * x)[None, ..., None], truth, (True, False))

    # ends of an axis count whole, which is an error of the order of the spacing, 1/128
    torch.testing.assert_close(error(32), error(64), rtol=5e-3, atol=0)


# ------------------------------------------------------------------------------------------------------------- spectra


@pytest.mark.parametrize("grid", BOXES, ids=str)
def test_power_in_all_shells_is_the_mean_of_squares(grid: Grid) -> None:
    x, y = fields(grid)
    weights = torch.ones(grid.shape, dtype=torch.float64)
    for axis, (n, periodic) in enumerate(zip(grid.shape, grid.periodic, strict=True)):
        if not periodic:
            ends = torch.ones(n, dtype=torch.float64)
            ends[[0, -1]] = 0.5
            weights = weights * ends.view([-1 if i == axis else 1 for i in range(grid.n_dims)])
    weights = (weights / weights.mean())[..., None]
    axes = tuple(range(1, grid.n_dims + 1))
    for spectrum, product in zip(cross_spectra(x, y, grid), (x * x, y * y, x * y), strict=True):
        torch.testing.assert_close(spectrum.sum(dim=1), (weights * product).mean(dim=axes), **EXACT)


def test_power_on_the_sphere_lies_in_its_degree() -> None:
    latitude = torch.from_numpy(np.arcsin(np.polynomial.legendre.leggauss(10)[0])).view(1, 10, 1, 1)
    longitude = (TAU * torch.arange(20, dtype=torch.float64) / 20).view(1, 1, 20, 1)
    # harmonics of the degrees 1 and 2; their mean squares are integrals over latitude
    x = latitude.sin().expand(1, 10, 20, 1)
    y = latitude.cos().square() * (2 * longitude).cos()
    of_x, of_both, cross = (
        s.flatten() for s in cross_spectra(x, x + y, Grid((10, 20), (False, True), "gauss-legendre"))
    )
    for spectrum, one, two in ((of_x, 1 / 3, 0.0), (of_both, 1 / 3, 4 / 15), (cross, 1 / 3, 0.0)):
        expected = torch.zeros_like(spectrum)
        expected[1], expected[2] = one, two
        torch.testing.assert_close(spectrum, expected, **EXACT)


def test_power_lies_in_the_shell_of_its_wavenumber() -> None:
    x, y = torch.meshgrid(torch.arange(16).double() / 16, torch.linspace(0, 1, 17).double(), indexing="ij")
    # 3 waves along the first axis and 8 half waves along the second are 5 waves in a slanted direction
    wave = (torch.cos(TAU * 3 * x) * torch.cos(TAU * 8 / 2 * y))[None, ..., None]
    power = cross_spectra(wave, wave, Grid((16, 17), (True, False)))[0].flatten()
    assert power.argmax() == 5
    assert power[5].item() == pytest.approx(power.sum().item(), rel=1e-12)


def test_shells_of_a_plane_are_those_of_numpy() -> None:
    (x,) = fields(Grid((8, 9), (True, True)), n=1)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(8, 1 / 8), np.fft.fftfreq(9, 1 / 9), indexing="ij"))
    power = abs(np.fft.fft2(x[0, ..., 0].numpy(), norm="forward")) ** 2
    expected = np.bincount(np.floor(k + 0.5).astype(int).ravel(), power.ravel())
    found = cross_spectra(x, x, Grid((8, 9), (True, True)))[0][0, :, 0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_spectra_of_fields_that_are_moved_are_the_same_and_the_adjusted_error_is_the_squared_one() -> None:
    grid = Grid((8, 12), (True, True))
    (x,) = fields(grid, n=1)
    moved = x.roll((3, 5), dims=(1, 2))
    # rounding of powers some 1e-16 small, times the logarithm's slope of one
    assert spectral_loss(moved, x, grid, "log").item() == pytest.approx(0, abs=1e-20)
    assert spectral_loss(moved, x, grid, "amplitude").item() == pytest.approx(0, abs=1e-20)
    # the floor under the powers is some 1e-8 of the whole
    assert spectral_loss(moved, x, grid, "adjusted").item() == pytest.approx(weighted_mse(moved, x).item(), rel=1e-6)


def test_twice_a_field_has_four_times_its_power() -> None:
    grid = BOXES[1]
    (x,) = fields(grid, n=1)
    # the floor under the powers is 1e-8 of the whole, of which the least shell has some 1e-3
    assert spectral_loss(2 * x, x, grid, "log").item() == pytest.approx(math.log(4) ** 2, rel=1e-5)
    assert spectral_loss(2 * x, x, grid, "amplitude").item() == pytest.approx(
        cross_spectra(x, x, grid)[0].sum(dim=1).mean().item(), rel=1e-6
    )


def test_a_wave_in_the_wrong_place_is_not_lowered_by_the_adjusted_error() -> None:
    grid, angle = Grid((16,), (True,)), TAU * torch.arange(16).double() / 16
    truth, placed = torch.sin(angle).view(1, -1, 1), torch.cos(angle).view(1, -1, 1)
    amplitudes = [0.0, 0.5, 0.9, 1.0, 1.1, 2.0]
    adjusted = [spectral_loss(a * placed, truth, grid, "adjusted").item() for a in amplitudes]
    squared = [weighted_mse(a * placed, truth).item() for a in amplitudes]
    assert amplitudes[int(np.argmin(adjusted))] == 1.0
    assert amplitudes[int(np.argmin(squared))] == 0.0


# ------------------------------------------------------------------------------------------------------------ of all


def every_loss(grid: Grid) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "mse": weighted_mse,
        "mae": weighted_mae,
        "quantile": lambda x, y: quantile_loss(x, y, 0.9),
        "exceedance": lambda x, y: weighted_mse(x, y, exceedance_weights(y, high=torch.full((y.shape[-1],), 0.5))),
        "crps": lambda x, y: almost_fair_crps(torch.stack([x, 2 * x], dim=1), y),
        "relative_l2": relative_l2,
        "spectral_log": lambda x, y: spectral_loss(x, y, grid, "log"),
        "spectral_amplitude": lambda x, y: spectral_loss(x, y, grid, "amplitude"),
        "spectral_adjusted": lambda x, y: spectral_loss(x, y, grid, "adjusted"),
    }
    if grid.sphere is None:
        losses["relative_h1"] = lambda x, y: relative_h1(x, y, grid.periodic)
    return losses


@pytest.mark.parametrize("grid", [Grid((4, 5), (True, False)), Grid((5, 8), (False, True), "equiangular")], ids=str)
def test_gradients_are_those_of_the_losses(grid: Grid) -> None:
    x, y = fields(grid, channels=1)
    x.requires_grad_()
    for name, loss in every_loss(grid).items():
        assert torch.autograd.gradcheck(lambda z, loss=loss: loss(z, y), (x,)), name


def test_a_perfect_prediction_has_no_loss_and_a_finite_gradient() -> None:
    grid = BOXES[1]
    (y,) = fields(grid, n=1)
    for name, loss in every_loss(grid).items():
        x = y.clone().requires_grad_()
        value = loss(x, y)
        value.backward()
        assert x.grad is not None and x.grad.isfinite().all(), name
        # of an ensemble one member is off on purpose; 1 - coherence is rounded at 1e-16
        assert name == "crps" or value.item() == pytest.approx(0, abs=1e-14), name


def test_a_field_of_zeros_has_finite_spectral_losses() -> None:
    grid = BOXES[0]
    (x,) = fields(grid, n=1)
    for name, loss in every_loss(grid).items():
        if name.startswith("spectral"):
            z = torch.zeros_like(x).requires_grad_()
            loss(z, x).backward()
            assert z.grad is not None and z.grad.isfinite().all(), name
            assert loss(x, torch.zeros_like(x)).isfinite(), name


def test_lower_precision_is_compared_in_float32() -> None:
    grid = BOXES[1]
    x, y = (field.to(torch.bfloat16) for field in fields(grid))
    for name, loss in every_loss(grid).items():
        assert loss(x, y).dtype in (torch.float32, torch.float64), name
        # both sides have the same numbers and differ by rounding of float32
        torch.testing.assert_close(loss(x, y).double(), loss(x.double(), y.double()), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------------ several terms


def test_terms_are_summed_by_their_weights() -> None:
    grid = BOXES[1]
    x, y = fields(grid)
    config = FieldLossConfig(
        relative_l2_weight=0.0, relative_h1_weight=2.0, mse_weight=3.0, spectral_weight=0.5, quantile_weight=1.0
    )
    losses = field_loss(config, x, y, grid)
    assert list(losses) == ["loss", "relative_h1", "mse", "spectral", "quantile"]
    total = 2 * losses["relative_h1"] + 3 * losses["mse"] + 0.5 * losses["spectral"] + losses["quantile"]
    torch.testing.assert_close(losses["loss"], total, **EXACT)


def test_exceedances_weigh_mse_beside_other_weights() -> None:
    grid = BOXES[0]
    x, y = fields(grid)
    config = FieldLossConfig(relative_l2_weight=0.0, mse_weight=1.0, exceedance_strength=3.0)
    weights, high = torch.rand(3), torch.tensor([0.0, 1.0, torch.inf])
    expected = weighted_mse(x, y, weights * exceedance_weights(y, high=high, strength=3.0))
    torch.testing.assert_close(field_loss(config, x, y, grid, weights, high=high)["mse"], expected, **EXACT)


def test_configs_without_sense_are_refused() -> None:
    with pytest.raises(UserError, match="needs a weight above 0"):
        FieldLossConfig(relative_l2_weight=0.0)
    with pytest.raises(UserError, match="`loss.quantile_level` needs to be more than 0 and less than 1, but is 1.0"):
        FieldLossConfig(quantile_level=1.0)
    with pytest.raises(UserError, match="`loss.mse_weight` needs to be at least 0"):
        FieldLossConfig(mse_weight=-1.0)
    with pytest.raises(UserError, match="of mse and mae, and neither has a weight"):
        FieldLossConfig(exceedance_strength=1.0)


def test_fields_that_do_not_fit_are_refused() -> None:
    x, y = fields(BOXES[1])
    tail = FieldLossConfig(mse_weight=1.0, exceedance_strength=1.0)
    with pytest.raises(UserError, match="no thresholds"):
        field_loss(tail, x, y, BOXES[1])
    (z,) = fields(SPHERE, n=1)
    with pytest.raises(UserError, match="this one is on the sphere"):
        field_loss(FieldLossConfig(relative_h1_weight=1.0), z, z, SPHERE)
    with pytest.raises(UserError, match="at least two members, but got 1"):
        almost_fair_crps(x.unsqueeze(1), y)
    with pytest.raises(UserError, match="`periodic` for 2 axes"):
        relative_h1(x, y, (True,))
    with pytest.raises(UserError, match="at least three points"):
        derivative(x[:, :2], 0, periodic=False)
    with pytest.raises(UserError, match="1 axes between samples and channels"):
        cross_spectra(x, y, BOXES[0])
