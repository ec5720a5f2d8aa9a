"""What a surrogate has to beat: the mean of the training data, the last frame that is known, a linear map.

Shapes: s samples, p points and channels of all predicted times, q those of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sciml.pde.samples import FieldSamples
from sciml.pde.surrogate import FieldBatch, Surrogate

# more numbers than this in all targets make the linear map slow and large
_MOST_NUMBERS = 2 * 10**8
# of the ridge, relative to the mean square of the inputs
_RIDGES = 10.0 ** np.arange(-10, 3)

Baseline = Callable[[FieldBatch], Tensor]


def baselines(surrogate: Surrogate, train: FieldSamples | None, validation: FieldSamples | None) -> dict[str, Baseline]:
    """Name -> what it predicts for a batch, [b, n, *grid, o].

    Args:
        surrogate: says what is predicted.
        train: at the resolution of the batches; None leaves out what learns from it.
        validation: chooses the ridge; None leaves the linear map out.
    """
    found: dict[str, Baseline] = {}
    if train is not None:
        mean = _mean_of_truth(surrogate, train)
        found["mean"] = lambda batch: mean.expand(len(batch.targets), *mean.shape)
    known = _last_known(surrogate, train or validation)
    if known is not None:
        found["persistence"] = known
    if train is not None and validation is not None and surrogate.rollout is None:
        truth_numbers = train.targets.size + train.inputs.size
        if truth_numbers <= _MOST_NUMBERS and len(train) > 1:
            found["linear"] = ridge(surrogate, train, validation)
    return found


def _mean_of_truth(surrogate: Surrogate, train: FieldSamples) -> Tensor:
    """Of the training samples, at each predicted time and point."""
    start = 0 if surrogate.rollout is None else surrogate.rollout.history
    stop = start + surrogate.n_steps(torch.from_numpy(train.targets[:1]))
    total = sum(torch.from_numpy(sample[start:stop]).double() for sample in train.targets)
    assert isinstance(total, Tensor)
    return total / len(train)


def _last_known(surrogate: Surrogate, samples: FieldSamples | None) -> Baseline | None:
    """The last frame of the history, or a map's input where it is of the same variables as its output."""
    if surrogate.rollout is not None:
        h = surrogate.rollout.history

        def last(batch: FieldBatch) -> Tensor:
            return batch.targets[:, h - 1 : h].expand_as(surrogate.truth(batch))

        return last
    outputs, inputs = surrogate.outputs.names, surrogate.inputs.names
    if not set(outputs) <= set(inputs):
        return None
    places = [inputs.index(name) for name in outputs]
    return lambda batch: batch.inputs[..., places].unsqueeze(1)


def ridge(surrogate: Surrogate, train: FieldSamples, validation: FieldSamples) -> Baseline:
    """The linear map of least squares with a ridge that the validation samples choose.

    With K = X X^T over samples, of inputs less their mean, predictions are X' X^T (K + ridge)^-1 Y: as many equations
    as there are samples, whatever the number of points (Saunders et al. 1998, ICML, "Ridge regression in dual
    variables").
    """

    def flat(samples: FieldSamples) -> np.ndarray:
        batch = samples.batch(slice(None))
        x = surrogate.inputs.encode(batch.inputs).flatten(1)
        return torch.cat([x, surrogate.parameters.encode(batch.parameters)], dim=1).numpy().astype(np.float64)

    x, y = flat(train), train.targets.reshape(len(train), -1).astype(np.float64)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x -= x_mean
    values, vectors = np.linalg.eigh(x @ x.T)
    rotated = vectors.T @ (y - y_mean)
    x_validation = (flat(validation) - x_mean) @ x.T @ vectors
    truth = validation.targets.reshape(len(validation), -1)
    ridges = _RIDGES * max(float(values.mean()), np.finfo(float).tiny)

    def error(strength: float) -> float:
        found = y_mean + (x_validation / (np.maximum(values, 0) + strength)) @ rotated
        norms = np.linalg.norm(found - truth, axis=1) / np.maximum(np.linalg.norm(truth, axis=1), 1e-300)
        return float(norms.mean())

    best = min(ridges, key=error)
    weights = vectors @ (rotated / (np.maximum(values, 0) + best)[:, None])

    def predict(batch: FieldBatch) -> Tensor:
        encoded = surrogate.inputs.encode(batch.inputs).flatten(1)
        z = torch.cat([encoded, surrogate.parameters.encode(batch.parameters)], dim=1).numpy().astype(np.float64)
        found = y_mean + ((z - x_mean) @ x.T) @ weights
        return torch.from_numpy(found.reshape(batch.targets.shape))

    return predict
