"""The loss by hand on small fields: weights of area, levels and variables, extremes, ensembles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.weather.fields import Field
from sciml.weather.forecasting.forecaster import Forecaster
from sciml.weather.forecasting.objective import (
    ForecastLoss,
    ForecastLossConfig,
    ForecastMetrics,
    channel_weights,
    find_tails,
    headline_fields,
)
from sciml.weather.training.values import ForecastBatch

Y, X = 6, 12
GRID = Grid((Y, X), (False, True), "gauss-legendre")
FIELDS = (Field("z", 250.0), Field("z", 750.0), Field("t2m"), Field("tp"))
CHANGE = [0.5, 0.25, 0.1, 1.0]
C = len(FIELDS)


class Nothing(nn.Module):
    """Persistence; with a condition, plus the first number of it."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        change = torch.zeros(*x.shape[:-1], C) + self.unused
        return change if condition is None else change + condition[:, :1, None, None]


def forecaster(noise: int = 0) -> Forecaster:
    return Forecaster(Nothing(), CHANGE, [False] * C, torch.zeros(1, Y, X), noise)


def make_batch(targets: Tensor, b: int = 1) -> ForecastBatch:
    """Inputs of zero, and these targets [k, c, y, x] for each sample."""
    k = targets.shape[0]
    return ForecastBatch(
        inputs=torch.zeros(b, 1, C, Y, X),
        targets=targets.expand(b, *targets.shape),
        forcings=torch.zeros(b, 1 + k, 1, Y, X),
        valid=torch.zeros(b, 1 + k, 0, Y, X),
        static=torch.zeros(b, 1, Y, X),
        time=torch.arange(b) * 3_600_000_000_000,
    )


def test_errors_are_in_units_of_the_usual_change():
    targets = torch.tensor(CHANGE)[None, :, None, None].expand(1, C, Y, X)
    found = ForecastLoss(ForecastLossConfig(level_weights="equal"), FIELDS, GRID)(forecaster(), make_batch(targets))
    # every field is wrong by its usual change, and weights have the mean one
    assert found["loss"].item() == pytest.approx(1, abs=1e-6)
    assert found["mse"] == found["loss"]


def test_levels_weigh_as_their_pressure():
    config = ForecastLossConfig(field_weights={"tp": 0.0})
    weights = channel_weights(FIELDS, config)
    assert weights.tolist() == pytest.approx([0.5 * 4 / 3, 1.5 * 4 / 3, 4 / 3, 0.0])


def test_rows_weigh_as_their_area():
    targets = torch.zeros(1, C, Y, X)
    targets[:, :, 0] = torch.tensor(CHANGE)[None, :, None]  # the southernmost latitude
    found = ForecastLoss(ForecastLossConfig(), FIELDS, GRID)(forecaster(), make_batch(targets))
    assert found["loss"].item() == pytest.approx(np.polynomial.legendre.leggauss(Y)[1][0] / 2, rel=1e-5)


def test_the_roll_out_grows_while_training_goes_on():
    loss = ForecastLoss(ForecastLossConfig(kind="mae", steps=3, first_steps=1, level_weights="equal"), FIELDS, GRID)
    # persistence errs by 1, 2 and 3 in units of the change of a step
    truth = torch.arange(1.0, 4.0)[:, None, None, None] * torch.tensor(CHANGE)[:, None, None] * torch.ones(C, Y, X)
    found = {}
    for fraction in (0.0, 0.3, 0.34, 0.5, 0.7, 1.0):
        loss.on_progress(fraction)
        found[fraction] = loss(forecaster(), make_batch(truth))["mae"].item()
    assert found == pytest.approx({0.0: 1.0, 0.3: 1.0, 0.34: 1.5, 0.5: 1.5, 0.7: 2.0, 1.0: 2.0})


def test_steps_beyond_the_roll_out_do_not_exist():
    targets = torch.ones(3, C, Y, X)
    loss = ForecastLoss(ForecastLossConfig(kind="mae", steps=3, level_weights="equal"), FIELDS, GRID)
    assert loss(forecaster(), make_batch(targets))["loss"].item() == pytest.approx(np.mean(1 / np.array(CHANGE)))


def test_an_extreme_weighs_more():
    frames = torch.randn(400, C, Y, X, generator=torch.Generator().manual_seed(0))
    tails = find_tails(frames, 0.9, [False, False, False, True])
    config = ForecastLossConfig(exceedance_weight=3.0, exceedance_quantile=0.9, level_weights="equal")
    loss = ForecastLoss(config, FIELDS, GRID, tails)
    calm, wild = torch.zeros(1, 1, Y, X, C), torch.full((1, 1, Y, X, C), 5.0)
    assert (loss.emphasis(calm) == 1).all()
    assert (loss.emphasis(wild) == 4).all()
    assert (loss.emphasis(-wild)[..., :3] == 4).all()
    assert (loss.emphasis(-wild)[..., 3] == 1).all(), "rain has no lower tail"


def test_tails_have_the_share_they_are_named_for():
    frames = torch.randn(1000, C, Y, X, generator=torch.Generator().manual_seed(0))
    tails = find_tails(frames, 0.98, [False] * C)
    values = frames.movedim(1, -1)
    # 20 of 1000 at every place, but for the one that is the quantile itself
    assert set((values > tails.high).sum(0).unique().tolist()) == {19}
    assert set((values < tails.low).sum(0).unique().tolist()) == {19}
    assert (find_tails(frames, 0.98, [True] * C).low == -math.inf).all()


def test_emphasis_on_chosen_variables_alone():
    frames = torch.randn(100, C, Y, X, generator=torch.Generator().manual_seed(0))
    config = ForecastLossConfig(exceedance_weight=3.0, extreme_fields=("t2m",))
    loss = ForecastLoss(config, FIELDS, GRID, find_tails(frames, 0.98, [False] * C))
    assert loss.emphasis(torch.full((1, 1, Y, X, C), 9.0))[0, 0, 0, 0].tolist() == [1, 1, 4, 1]


def test_crps_of_two_members_by_hand():
    config = ForecastLossConfig(kind="crps", members=2, crps_alpha=1.0, level_weights="equal")
    model, batch = forecaster(noise=2), make_batch(torch.zeros(1, C, Y, X), b=1)
    torch.manual_seed(4)
    found = ForecastLoss(config, FIELDS, GRID)(model, batch)["loss"].item()
    torch.manual_seed(4)
    first, second = torch.randn(2, 2)[:, 0].tolist()
    assert found == pytest.approx((abs(first) + abs(second)) / 2 - abs(first - second) / 2, abs=1e-5)


def test_other_terms_come_with_their_weight():
    targets = torch.randn(1, C, Y, X, generator=torch.Generator().manual_seed(0))
    plain = ForecastLoss(ForecastLossConfig(), FIELDS, GRID)(forecaster(), make_batch(targets))
    config = ForecastLossConfig(quantile_weight=2.0, spectral_weight=0.5)
    found = ForecastLoss(config, FIELDS, GRID)(forecaster(), make_batch(targets))
    assert set(found) == {"loss", "mse", "quantile", "spectral"}
    expected = plain["loss"] + 2 * found["quantile"] + 0.5 * found["spectral"]
    assert found["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_mean_weighs_what_all_points_have_in_common():
    torch.manual_seed(0)
    config = ForecastLossConfig(level_weights="equal", mean_weight=3.0)
    loss = ForecastLoss(config, FIELDS, GRID)
    everywhere = 2 * torch.tensor(CHANGE)[None, :, None, None].expand(1, C, Y, X)
    found = loss(forecaster(), make_batch(everywhere))
    assert found["mean"].item() == pytest.approx(4, rel=1e-5)
    assert found["loss"].item() == pytest.approx(found["mse"].item() + 12, rel=1e-5)
    waves = torch.cos(2 * torch.pi * torch.arange(X) / X).expand(1, C, Y, X)
    assert loss(forecaster(), make_batch(waves))["mean"].item() < 1e-10


def test_metrics_are_of_the_last_step():
    targets = torch.zeros(2, C, Y, X)
    targets[1] = torch.tensor(CHANGE)[:, None, None] * 2
    loss = ForecastLoss(ForecastLossConfig(steps=2, level_weights="equal"), FIELDS, GRID)
    names = ["z250", "z750", "t2m", "tp"]
    found = ForecastMetrics(loss, names, headline_fields(names))(forecaster(), make_batch(targets, b=3))
    assert set(found) == {"weighted_rmse", "t2m_rmse", "tp_rmse"}
    for total, count in found.values():
        # sums of squares: the error is twice the usual change
        assert (total / count).item() == pytest.approx(4, rel=1e-6)
        assert count == 3


def test_metrics_keep_nothing_for_a_gradient():
    loss = ForecastLoss(ForecastLossConfig(steps=2), FIELDS, GRID)
    found = ForecastMetrics(loss, ["z250", "z750", "t2m", "tp"], ("t2m",))(
        forecaster(), make_batch(torch.ones(2, C, Y, X))
    )
    assert not any(total.requires_grad for total, _ in found.values())


def test_spectra_are_of_members_and_not_of_their_mean():
    """Two members that have the truth's spectrum, though their mean has none."""
    wave = torch.cos(2 * math.pi * torch.arange(X) / X).expand(C, Y, X)

    class Waves(Forecaster):
        def forward(self, states: Tensor, *_: object, **__: object) -> Tensor:
            signs = torch.tensor([1.0, -1.0]).repeat(len(states) // 2)
            return (signs[:, None, None, None] * wave)[:, None].movedim(2, -1)

    model = Waves(Nothing(), CHANGE, [False] * C, torch.zeros(1, Y, X), noise=2)
    config = ForecastLossConfig(kind="crps", members=2, spectral_weight=1.0)
    found = ForecastLoss(config, FIELDS, GRID)(model, make_batch(wave[None], b=2))
    assert found["spectral"].item() == pytest.approx(0, abs=1e-6)


def test_an_ensemble_is_judged_by_its_crps():
    loss = ForecastLoss(ForecastLossConfig(kind="crps", members=8, level_weights="equal"), FIELDS, GRID)
    names = ["z250", "z750", "t2m", "tp"]
    found = ForecastMetrics(loss, names, ())(forecaster(noise=2), make_batch(torch.zeros(1, C, Y, X), b=3))
    crps, number = found["weighted_crps"]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(24, 2, generator=generator)[:, 0].reshape(3, 8)
    pairs = (drawn[:, :, None] - drawn[:, None]).abs().sum((1, 2)) / (8 * 7)
    assert crps.item() == pytest.approx((drawn.abs().mean(1) - pairs / 2).sum().item(), rel=1e-4)
    # the error is of the members' mean
    assert found["weighted_rmse"][0].item() == pytest.approx(drawn.mean(1).square().sum().item(), rel=1e-4)
    assert number == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"field_weights": {"q": 1.0}}, "names `q`"),
        ({"field_weights": {"z": 0.0, "t2m": 0.0, "tp": 0.0}}, "leaves no variable"),
        ({"field_weights": {"z": -1.0}}, "needs to be a number from 0"),
        ({"extreme_fields": ("q",)}, "names `q`"),
        ({"exceedance_quantile": 0.4}, "more than 0.5"),
        ({"members": 1}, "between 2 and 64"),
    ],
)
def test_bad_options(options: dict, message: str):
    with pytest.raises(UserError, match=message):
        ForecastLoss(ForecastLossConfig(**options), FIELDS, GRID)
