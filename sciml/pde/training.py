"""What a surrogate is trained on and validated by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sciml.fno.field_loss import FieldLossConfig, field_loss
from sciml.pde.surrogate import FieldBatch, Surrogate


class SurrogateLoss:
    """(network, batch) to the weighted sum "loss" and its terms; knows how far the training is.

    Args:
        config: the terms.
        surrogate: what predicts.
    """

    def __init__(self, config: FieldLossConfig, surrogate: Surrogate) -> None:
        self.config, self.surrogate = config, surrogate
        self.fraction_done = 0.0

    def on_progress(self, fraction_done: float) -> None:
        """Hears the fraction of the training that is done, from 0 to 1."""
        self.fraction_done = fraction_done

    def __call__(self, network: nn.Module, batch: FieldBatch) -> dict[str, Tensor]:
        prediction, truth = self.surrogate.training_pair(network, batch, self.fraction_done)
        return field_loss(self.config, prediction, truth, self.surrogate.grid)


@dataclass(frozen=True, eq=False)
class ValidationMetrics:
    """(network, batch) to sums and counts: the relative L2 error of each sample, the squared error of each variable."""

    surrogate: Surrogate

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
        return found


def validation_score(means: dict[str, float]) -> float:
    """The relative L2 error."""
    return means["relative_l2"]


def relative_errors(prediction: Tensor, truth: Tensor, surrogate: Surrogate) -> Tensor:
    """|prediction - truth| / |truth| of each sample, [b, ...] to [b], over all points, times and channels.

    Several channels are each divided by their standard deviation in the training data first.
    """
    scale = torch.tensor(surrogate.outputs.std, dtype=truth.dtype)
    error, size = ((field / scale).flatten(1) for field in (prediction - truth, truth))
    norms = torch.linalg.vector_norm(error, dim=1), torch.linalg.vector_norm(size, dim=1)
    # a truth that is zero everywhere is missed by the error itself
    return norms[0] / torch.where(norms[1] > 0, norms[1], torch.ones_like(norms[1]))
