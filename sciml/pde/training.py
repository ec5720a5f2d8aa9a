"""What a surrogate is trained on and validated by.

Shapes: b samples, t times, grid points along each axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sciml.core.checks import check_ranges
from sciml.core.errors import UserError
from sciml.fno.field_loss import field_loss
from sciml.fno.grids import Grid
from sciml.pde.physics import Physics, SurrogateLossConfig
from sciml.pde.surrogate import FieldBatch, Surrogate
from sciml.pde.symmetries import Symmetries


@dataclass(frozen=True)
class CoarseStart:
    """The `coarse:` part of an experiment: training begins on a part of the points, where a step costs less.

    For networks that take any resolution. Validation has all points from the beginning.

    Attributes:
        every: one of so many points along each axis is kept.
        until: fraction of the training after which all points are used.
    """

    every: int = 2
    until: float = 0.75

    def __post_init__(self) -> None:
        check_ranges("coarse", self, {"every": (2, 64), "until": (0, 1)})

    def check(self, grid: Grid) -> None:
        """Refuses, with UserError, a grid of which no regular part is left."""
        for n, periodic in zip(grid.shape, grid.periodic, strict=True):
            if (n if periodic else n - 1) % self.every:
                raise UserError(
                    f"`coarse.every` is {self.every}, but of {n} points along an axis that is "
                    f"{'' if periodic else 'not '}periodic every {self.every}th does not end where the axis does. "
                    f"Take a divisor of {n if periodic else n - 1}."
                )

    def thinned(self, batch: FieldBatch) -> FieldBatch:
        """Fewer points of [b, *grid, i] and [b, t, *grid, o]."""
        grid = (slice(None, None, self.every),) * (batch.inputs.ndim - 2)
        return batch._replace(
            inputs=batch.inputs[:, *grid].contiguous(), targets=batch.targets[:, :, *grid].contiguous()
        )


class SurrogateLoss:
    """(network, batch) to the weighted sum "loss" and its terms; knows how far the training is.

    Args:
        config: the terms.
        surrogate: what predicts.
        symmetries: by which samples are transformed, None for not at all.
        coarse: how training begins on fewer points, None for on all of them.
        physics: the residual of an equation, None for no such term. Samples whose solution is NaN then have it alone.
    """

    def __init__(
        self,
        config: SurrogateLossConfig,
        surrogate: Surrogate,
        symmetries: Symmetries | None = None,
        coarse: CoarseStart | None = None,
        physics: Physics | None = None,
    ) -> None:
        self.config, self.surrogate, self.symmetries, self.coarse = config, surrogate, symmetries, coarse
        self.physics = physics
        self.fraction_done = 0.0

    def on_progress(self, fraction_done: float) -> None:
        """Hears the fraction of the training that is done, from 0 to 1."""
        self.fraction_done = fraction_done

    def __call__(self, network: nn.Module, batch: FieldBatch) -> dict[str, Tensor]:
        batch = self.surrogate.window(batch, self.fraction_done)
        if self.symmetries is not None:
            names = self.surrogate.inputs.names, self.surrogate.outputs.names
            inputs, targets = self.symmetries.draw(batch.inputs, batch.targets, *names)
            batch = batch._replace(inputs=inputs, targets=targets)
        if self.coarse is not None and self.fraction_done < self.coarse.until:
            batch = self.coarse.thinned(batch)
        prediction, truth = self.surrogate.training_pair(network, batch)
        if self.physics is None:
            return field_loss(self.config, prediction, truth, self.surrogate.grid)
        solved = torch.isfinite(truth).flatten(1).all(dim=1)
        losses = {"loss": prediction.new_zeros(())}
        if solved.any() and max(self.config.weights.values()) > 0:
            losses = field_loss(self.config, prediction[solved], truth[solved], self.surrogate.grid)
        scale = torch.tensor(self.surrogate.outputs.std, dtype=prediction.dtype, device=prediction.device)
        residual = self.physics(prediction * scale, batch.inputs).mean()
        total = losses["loss"] + self.physics.config.weight * residual
        return {**losses, "loss": total, "physics": residual.detach()}


@dataclass(frozen=True, eq=False)
class ValidationMetrics:
    """(network, batch) to sums and counts: the relative L2 error of each sample, the squared error of each variable.

    With physics also the relative residual of the equation.
    """

    surrogate: Surrogate
    physics: Physics | None = None

    def __call__(self, network: nn.Module, batch: FieldBatch) -> dict[str, tuple[Tensor, Tensor]]:
        surrogate = self.surrogate
        with torch.no_grad():
            prediction = surrogate.predict_batch(network, batch).double()
            truth = surrogate.truth(batch).double()
        errors = relative_errors(prediction, truth, surrogate)
        found = {"relative_l2": (errors.sum(), torch.tensor(float(len(errors))))}
        for channel, name in enumerate(surrogate.outputs.names):
            square = (prediction[..., channel] - truth[..., channel]).square()
            found[f"{name}_rmse"] = (square.sum(), torch.tensor(float(square.numel())))
        if self.physics is not None:
            residual = self.physics(prediction[:, 0], batch.inputs.double())
            found["physics_residual"] = (residual.sum(), torch.tensor(float(len(residual))))
        return found


def validation_score(means: dict[str, float]) -> float:
    """The relative L2 error."""
    return means["relative_l2"]


def validation_residual(means: dict[str, float]) -> float:
    """What the equation leaves, for a training without solutions."""
    return means["physics_residual"]


def relative_errors(prediction: Tensor, truth: Tensor, surrogate: Surrogate) -> Tensor:
    """|prediction - truth| / |truth| of each sample, [b, ...] to [b], over all points, times and channels.

    Several channels are each divided by their standard deviation in the training data first.
    """
    scale = torch.tensor(surrogate.outputs.std, dtype=truth.dtype)
    error, size = ((field / scale).flatten(1) for field in (prediction - truth, truth))
    norms = torch.linalg.vector_norm(error, dim=1), torch.linalg.vector_norm(size, dim=1)
    # a truth that is zero everywhere is missed by the error itself
    return norms[0] / torch.where(norms[1] > 0, norms[1], torch.ones_like(norms[1]))
