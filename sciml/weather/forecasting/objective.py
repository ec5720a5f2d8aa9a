"""What a forecast is trained for: errors weighted by area, height and variable, and what they may have beside them.

Errors are in units of a field's usual change within a step, so that every field counts alike before weights. Levels
weigh as their pressure does and surface fields as configured, in the manner of GraphCast (Lam et al. 2023,
arXiv:2212.12794, supplement 5.2).

Terms aimed at extremes: errors weigh more where the truth lies beyond a quantile of its place's climate (`exceedance`);
the pinball loss of a high quantile pulls the forecast towards it (`quantile`); a spectral term keeps the small scales
that a mean squared error smooths away (`spectral`).

Shapes: b samples, h states, k steps, m members, y latitudes, x longitudes, c fields.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.legendre import area_weights
from sciml.fno.losses import almost_fair_crps, quantile_loss, spectral_loss, weighted_mae, weighted_mse
from sciml.weather.fields import Field
from sciml.weather.forecasting.forecaster import Forecaster
from sciml.weather.training.values import ForecastBatch

States = Float[Tensor, "b k y x c"]


@dataclass(frozen=True)
class ForecastLossConfig:
    """The `loss:` part of an experiment.

    Attributes:
        kind: of the error: mse, mae, or crps of an ensemble that the network makes by its noise.
        steps: of the roll-out that is trained; the gradient goes through all of them.
        first_steps: of it at the start of training, growing evenly to `steps`; null: `steps` all the time.
        members: of the ensemble for crps.
        crps_alpha: 1 for the fair score, less for the almost fair one.
        level_weights: "pressure", or "equal".
        field_weights: factors by variable, such as {t2m: 1.0, msl: 0.5}; 1 for others.
        exceedance_weight: how much more an error weighs where the truth is beyond the quantile; 0 turns it off.
        exceedance_quantile: of the training climate of each place, of both tails (of the upper alone for rain).
        quantile_weight: of a pinball loss; 0 turns it off.
        quantile_level: of it.
        spectral_weight: of the distance between power spectra; 0 turns it off.
        mean_weight: of the squared error of global means: little in a forecast of days, but what a roll-out of months
            drifts by; 0 turns it off.
        extreme_fields: variables that the terms for extremes are for; all if empty.
    """

    kind: Literal["mse", "mae", "crps"] = "mse"
    steps: int = 1
    first_steps: int | None = None
    members: int = 2
    crps_alpha: float = 0.95
    level_weights: Literal["pressure", "equal"] = "pressure"
    field_weights: dict[str, float] | None = None
    exceedance_weight: float = 0.0
    exceedance_quantile: float = 0.98
    quantile_weight: float = 0.0
    quantile_level: float = 0.9
    spectral_weight: float = 0.0
    mean_weight: float = 0.0
    extreme_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        inside = (Excluded(0), Excluded(1))
        check_ranges(
            "loss",
            self,
            {
                "steps": (1, 1000),
                "first_steps": (1, self.steps),
                "members": (2, 64),
                "crps_alpha": (0, 1),
                "exceedance_weight": (0, 1e4),
                "exceedance_quantile": (Excluded(0.5), Excluded(1)),
                "quantile_weight": (0, 1e4),
                "quantile_level": inside,
                "spectral_weight": (0, 1e4),
                "mean_weight": (0, 1e6),
            },
        )
        for name, weight in (self.field_weights or {}).items():
            if not (0 <= weight < math.inf):
                raise UserError(f"`loss.field_weights.{name}` needs to be a number from 0, but is {weight}.")


@dataclass(frozen=True)
class Tails:
    """Where the extremes of each place begin, in normalised units; infinite where a tail does not matter."""

    low: Float[Tensor, "y x c"]
    high: Float[Tensor, "y x c"]


def channels_last(batch: ForecastBatch) -> tuple[Tensor, Tensor, Tensor]:
    """States, truth, and forcings from the last state's time on, their channels last."""
    history = batch.inputs.shape[-4]
    states, truth, forcings = (part.movedim(-3, -1) for part in (batch.inputs, batch.targets, batch.forcings))
    return states, truth, forcings[..., history - 1 :, :, :, :]


def channel_weights(fields: Sequence[Field], config: ForecastLossConfig) -> Float[Tensor, " c"]:
    """Weights of the fields, their mean 1.

    Raises:
        UserError: a weight for a variable that is not there, or none above zero.

    >>> pair = [Field("z", 500.0), Field("z", 1000.0), Field("t2m")]
    >>> channel_weights(pair, ForecastLossConfig()).tolist()  # pressure over its mean, and 1 at the surface
    [0.6666666865348816, 1.3333333730697632, 1.0]
    """
    given = config.field_weights or {}
    if unknown := set(given) - {field.variable for field in fields}:
        raise UserError(f"`loss.field_weights` names `{sorted(unknown)[0]}`, which is none of the variables.")
    levels = sorted({field.level_hpa for field in fields if field.level_hpa is not None})
    mean = sum(levels) / max(len(levels), 1)
    weights = []
    for field in fields:
        alike = field.level_hpa is None or config.level_weights == "equal"
        weights.append((1.0 if alike else float(field.level_hpa or 0) / mean) * given.get(field.variable, 1.0))
    if not any(weights):
        raise UserError("`loss.field_weights` leaves no variable with a weight above zero.")
    return torch.tensor(weights) * len(weights) / sum(weights)


class ForecastLoss:
    """(forecaster, batch) to the named terms of the loss.

    Args:
        config: which terms.
        fields: of a state.
        grid: of the sphere.
        tails: where extremes begin; needed for `exceedance_weight`.

    Raises:
        UserError: variables that are not there.
    """

    def __init__(
        self, config: ForecastLossConfig, fields: Sequence[Field], grid: Grid, tails: Tails | None = None
    ) -> None:
        assert tails is not None or not config.exceedance_weight
        self.config, self.grid, self.tails = config, grid, tails
        self.steps = config.steps if config.first_steps is None else config.first_steps
        self.weights = channel_weights(fields, config)
        assert grid.sphere is not None
        area = torch.from_numpy(area_weights(grid.sphere, grid.shape[0]))
        self.area = (area / area.mean()).float()[:, None, None]
        names = config.extreme_fields or tuple(field.variable for field in fields)
        if unknown := set(names) - {field.variable for field in fields}:
            raise UserError(f"`loss.extreme_fields` names `{sorted(unknown)[0]}`, which is none of the variables.")
        self.extreme = torch.tensor([float(field.variable in names) for field in fields])

    def on_progress(self, fraction_done: float) -> None:
        """Sets the steps of the roll-out; each number of them lasts as long as the others."""
        first, last = self.config.first_steps, self.config.steps
        if first is not None:
            self.steps = min(last, first + int(fraction_done * (last - first + 1)))

    def __call__(self, forecaster: nn.Module, batch: ForecastBatch) -> dict[str, Tensor]:
        assert isinstance(forecaster, Forecaster)
        config = self.config
        states, truth, forcings = channels_last(batch)
        truth, forcings = truth[:, : self.steps], forcings[:, : self.steps + 1]
        if config.kind == "crps":
            states, forcings = (part.repeat_interleave(config.members, 0) for part in (states, forcings))
        forecast = forecaster(states, forcings, self.steps)
        # in units of the change of a step
        truth, forecast = truth / forecaster.change, forecast / forecaster.change
        weights = (self.weights * self.area).to(truth)
        if config.exceedance_weight:
            weights = weights * self.emphasis(truth * forecaster.change)
        terms = {}
        # an ensemble's mean has to be smooth: each member is to have the truth's spectrum
        each, same = forecast.flatten(0, 1), truth.repeat_interleave(len(forecast) // len(truth), 0).flatten(0, 1)
        if config.kind == "crps":
            members = forecast.unflatten(0, (-1, config.members))
            terms["crps"] = almost_fair_crps(members, truth, config.crps_alpha, weights)
            forecast = members.mean(1)
        else:
            error = weighted_mse if config.kind == "mse" else weighted_mae
            terms[config.kind] = error(forecast, truth, weights)
        total = terms[config.kind]
        if config.quantile_weight:
            extreme = (self.extreme * self.weights * self.area).to(truth)
            terms["quantile"] = quantile_loss(forecast, truth, config.quantile_level, extreme)
            total = total + config.quantile_weight * terms["quantile"]
        if config.spectral_weight:
            terms["spectral"] = spectral_loss(each, same, self.grid, "log", self.weights.to(truth))
            total = total + config.spectral_weight * terms["spectral"]
        if config.mean_weight:
            drift = ((forecast - truth) * self.area.to(truth)).mean(dim=(-3, -2))
            terms["mean"] = (drift.square() * self.weights.to(truth)).mean()
            total = total + config.mean_weight * terms["mean"]
        return {"loss": total, **terms}

    def emphasis(self, truth: States) -> States:
        """Factors of errors: 1 where the truth is usual, more where it is beyond a tail; their mean is above 1."""
        assert self.tails is not None
        beyond = (truth > self.tails.high.to(truth)) | (truth < self.tails.low.to(truth))
        return 1 + self.config.exceedance_weight * self.extreme.to(truth) * beyond


class ForecastMetrics:
    """(forecaster, batch) to sums for the validation's scores: errors of the last step, of an ensemble its mean's.

    Args:
        loss: whose weights are used.
        names: of all fields.
        shown: of these, whose root mean square errors are listed, in the unit of their usual change within a step.
    """

    def __init__(self, loss: ForecastLoss, names: Sequence[str], shown: Sequence[str]) -> None:
        self.loss, self.names, self.shown = loss, tuple(names), tuple(shown)

    @torch.no_grad()
    def __call__(self, forecaster: nn.Module, batch: ForecastBatch) -> dict[str, tuple[Tensor, Tensor]]:
        assert isinstance(forecaster, Forecaster)
        states, truth, forcings = channels_last(batch)
        # the same noise for the same weather, so that scores of two epochs differ by the weights alone
        generator = torch.Generator().manual_seed(int(batch.time[0]) % 2**62)
        config = self.loss.config
        members = config.members if config.kind == "crps" else 1
        states, forcings = (part.repeat_interleave(members, 0) for part in (states, forcings))
        forecast = forecaster(states, forcings, config.steps, generator)[:, -1].unflatten(0, (-1, members))
        several, wanted = forecast / forecaster.change, truth[:, -1] / forecaster.change
        last = several.mean(1)
        squares = ((last - wanted).square() * self.loss.area.to(last)).mean(dim=(1, 2))
        number = torch.tensor(len(squares))
        found = {"weighted_rmse": ((squares * self.loss.weights.to(squares)).mean(1).sum(), number)}
        if config.kind == "crps":
            weights = (self.loss.weights * self.loss.area).to(last)
            found["weighted_crps"] = (almost_fair_crps(several, wanted, 1.0, weights) * number, number)
        for name in self.shown:
            found[f"{name}_rmse"] = (squares[:, self.names.index(name)].sum(), number)
        return found


def headline_fields(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the usual headline fields that there are."""
    return tuple(name for name in ("z500", "t850", "t2m", "tp", "msl") if name in names)


def find_tails(frames: Float[Tensor, "n c y x"], quantile: float, one_sided: Sequence[bool]) -> Tails:
    """Where the extremes of each place begin, from normalised frames spread over the training period.

    Args:
        frames: many, of which some have to be beyond the quantile.
        quantile: of the upper tail; the lower one has the same share.
        one_sided: of each field, whether only the upper tail matters, as for rain.
    """
    place = min(len(frames) - 1, math.floor(quantile * len(frames)))
    low, high = [], []
    # a field at a time: sorting takes three times the memory of what is sorted
    for values, alone in zip(frames.unbind(1), one_sided, strict=True):
        ordered = values.sort(dim=0).values
        high.append(ordered[place])
        low.append(torch.full_like(ordered[0], -math.inf) if alone else ordered[-1 - place])
    return Tails(torch.stack(low, dim=-1), torch.stack(high, dim=-1))
