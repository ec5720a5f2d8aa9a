"""A loss of several terms, from a configuration.

Shapes: b samples, grid points along one or more axes, c channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.losses import (
    SpectralKind,
    exceedance_weights,
    quantile_loss,
    relative_h1,
    relative_l2,
    spectral_loss,
    weighted_mae,
    weighted_mse,
)


@dataclass(frozen=True)
class FieldLossConfig:
    """Weights of the terms of a loss, and what the terms need.

    Attributes:
        relative_l2_weight: of `relative_l2`.
        relative_h1_weight: of `relative_h1`; not on the sphere.
        mse_weight: of `weighted_mse`.
        mae_weight: of `weighted_mae`.
        spectral_weight: of `spectral_loss`.
        spectral_kind: what of the spectra is compared.
        quantile_weight: of `quantile_loss`.
        quantile_level: probability of falling below what is predicted.
        exceedance_strength: how fast weights of mse and mae grow beyond a threshold; see `exceedance_weights`.
        exceedance_largest: where their growth ends.
    """

    relative_l2_weight: float = 1.0
    relative_h1_weight: float = 0.0
    mse_weight: float = 0.0
    mae_weight: float = 0.0
    spectral_weight: float = 0.0
    spectral_kind: SpectralKind = "adjusted"
    quantile_weight: float = 0.0
    quantile_level: float = 0.9
    exceedance_strength: float = 0.0
    exceedance_largest: float = 10.0

    def __post_init__(self) -> None:
        any_weight = (0, math.inf)
        check_ranges(
            "loss",
            self,
            {
                "relative_l2_weight": any_weight,
                "relative_h1_weight": any_weight,
                "mse_weight": any_weight,
                "mae_weight": any_weight,
                "spectral_weight": any_weight,
                "quantile_weight": any_weight,
                "quantile_level": (Excluded(0), Excluded(1)),
                "exceedance_strength": any_weight,
                "exceedance_largest": (1, math.inf),
            },
        )
        if not self.has_term:
            raise UserError("`loss` needs a weight above 0, but all are 0. Set one, such as `relative_l2_weight: 1.0`.")
        if self.exceedance_strength > 0 and max(self.mse_weight, self.mae_weight) == 0:
            raise UserError(
                "`loss.exceedance_strength` is set, but is of mse and mae, and neither has a weight. "
                "Set `mse_weight` or `mae_weight`."
            )

    @property
    def has_term(self) -> bool:
        """Whether anything is learnt from."""
        return max(self.weights.values()) > 0

    @property
    def weights(self) -> dict[str, float]:
        """By term."""
        terms = ("relative_l2", "relative_h1", "mse", "mae", "spectral", "quantile")
        return {term: getattr(self, f"{term}_weight") for term in terms}


def field_loss(
    config: FieldLossConfig,
    prediction: Float[Tensor, "b *grid c"],
    truth: Float[Tensor, "b *grid c"],
    grid: Grid,
    weights: Tensor | None = None,
    *,
    low: Float[Tensor, " c"] | None = None,
    high: Float[Tensor, " c"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """The weighted sum "loss", and its terms by name; those without weight are not computed.

    Args:
        weights: of points and channels, for all terms but relative_h1 and spectral.
        low, high: thresholds of a channel beyond which mse and mae weigh more (`exceedance_weights`).

    >>> truth = torch.tensor([[[3.0], [4.0]]])
    >>> config = FieldLossConfig(relative_l2_weight=1.0, mae_weight=0.5)
    >>> losses = field_loss(config, 2 * truth, truth, Grid((2,), (True,)))
    >>> {name: value.item() for name, value in losses.items()}
    {'loss': 2.75, 'relative_l2': 1.0, 'mae': 3.5}

    Raises:
        UserError: fields of unlike shapes, relative_h1 on the sphere, exceedances without thresholds.
    """
    point_weights = weights
    if config.exceedance_strength > 0:
        if low is None and high is None:
            raise UserError("`loss.exceedance_strength` is set, but the data give no thresholds of a tail.")
        strength, largest = config.exceedance_strength, config.exceedance_largest
        tail = exceedance_weights(truth, low=low, high=high, strength=strength, largest=largest)
        point_weights = tail if weights is None else tail * weights
    if config.relative_h1_weight > 0 and grid.sphere is not None:
        raise UserError("`loss.relative_h1_weight` is for grids of a box, but this one is on the sphere. Set it to 0.")
    terms = {
        "relative_l2": lambda: relative_l2(prediction, truth, weights),
        "relative_h1": lambda: relative_h1(prediction, truth, grid.periodic),
        "mse": lambda: weighted_mse(prediction, truth, point_weights),
        "mae": lambda: weighted_mae(prediction, truth, point_weights),
        "spectral": lambda: spectral_loss(prediction, truth, grid, config.spectral_kind),
        "quantile": lambda: quantile_loss(prediction, truth, config.quantile_level, weights),
    }
    values = {name: terms[name]() for name, weight in config.weights.items() if weight > 0}
    total = torch.stack([config.weights[name] * value for name, value in values.items()]).sum()
    return {"loss": total, **{name: value.detach() for name, value in values.items()}}
