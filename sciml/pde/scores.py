"""Errors of a surrogate over samples: all, by time, by scale, by resolution, beside what baselines give.

Shapes: s samples, n predicted times, grid points along each axis, o channels, w shells of wavenumber.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sciml.core.checkpoint import save_checkpoint
from sciml.fno.spectra import cross_spectra
from sciml.pde.samples import FieldSamples
from sciml.pde.surrogate import FieldBatch, Surrogate
from sciml.pde.training import relative_errors

Predictor = Callable[[FieldBatch], Tensor]

# numbers of a batch of predictions: some 100 MB within a network of a few dozen channels
_NUMBERS_AT_ONCE = 2**17
# first and last shell of each band, in waves per length of the domain, as PDEBench has them (Takamoto et al. 2022,
# arXiv:2210.07182, appendix B); their errors are in parts of the whole field's norm, so their squares add up
BANDS = {"low": (0, 4), "mid": (5, 12), "high": (13, None)}
# samples whose fields a report shows: of quantiles of the error, the worst first
SHOWN = (1.0, 0.5, 0.0)
# times of those fields, of a forecast
_MOST_TIMES = 4
# errors of single points for the figure of truth against prediction
_POINTS = 20_000


class Errors:
    """Errors of predictions, batch by batch.

    Args:
        surrogate: what predicts, for scales and names.
        n_samples: of all batches.
    """

    def __init__(self, surrogate: Surrogate) -> None:
        self.surrogate = surrogate
        self.sample: list[float] = []
        self.by_time: list[np.ndarray] = []
        self.square = np.zeros(len(surrogate.outputs.names))
        self.count = 0
        self.spectra: np.ndarray | None = None

    def add(self, prediction: Tensor, truth: Tensor) -> None:
        """A batch, [b, n, *grid, o]."""
        prediction, truth = prediction.double(), truth.double()
        self.sample += relative_errors(prediction, truth, self.surrogate).tolist()
        b, n = truth.shape[:2]
        steps = relative_errors(prediction.flatten(0, 1), truth.flatten(0, 1), self.surrogate)
        self.by_time.append(steps.view(b, n).numpy())
        self.square += (prediction - truth).square().flatten(0, -2).sum(dim=0).numpy()
        self.count += truth[..., 0].numel()
        power_p, power_t, cross = cross_spectra(prediction.flatten(0, 1), truth.flatten(0, 1), self.surrogate.grid)
        error = power_p + power_t - 2 * cross
        sums = torch.stack([power_p, power_t, error.clamp_min(0)]).sum(dim=1).numpy()
        self.spectra = sums if self.spectra is None else self.spectra + sums

    def scores(self, units: Mapping[str, str]) -> dict[str, float | int]:
        """Numbers of all samples together."""
        sample = np.array(self.sample)
        found: dict[str, float | int] = {
            "relative_l2_mean": float(sample.mean()),
            "relative_l2_median": float(np.median(sample)),
            "relative_l2_worst": float(sample.max()),
        }
        for name, square in zip(self.surrogate.outputs.names, self.square, strict=True):
            unit = units.get(name, "1")
            found[f"{name}_rmse" + (f"_{unit}" if unit not in {"", "1"} else "")] = float(np.sqrt(square / self.count))
        assert self.spectra is not None
        whole = np.maximum(self.spectra[1].sum(axis=0), np.finfo(float).tiny)
        for band, (first, last) in BANDS.items():
            error = self.spectra[2, first : None if last is None else last + 1].sum(axis=0)
            found[f"relative_l2_{band}_waves"] = float(np.sqrt((error / whole).mean()))
        return {**found, "n_samples": len(sample)}


def predictor(surrogate: Surrogate, network: nn.Module) -> Predictor:
    """The network, without gradients."""

    def predict(batch: FieldBatch) -> Tensor:
        with torch.no_grad():
            return surrogate.predict_batch(network, batch)

    return predict


def batches(samples: FieldSamples) -> Iterator[tuple[slice, FieldBatch]]:
    """All samples in order, as many at once as fit."""
    numbers = math.prod(samples.domain.grid.shape) * (samples.targets.shape[-1] + samples.inputs.shape[-1])
    size = max(1, _NUMBERS_AT_ONCE // numbers)
    for start in range(0, len(samples), size):
        part = slice(start, min(start + size, len(samples)))
        yield part, samples.batch(part)


def evaluate_split(
    surrogate: Surrogate,
    network: nn.Module,
    samples: FieldSamples,
    split: str,
    baselines: Mapping[str, Predictor],
    file: Path,
) -> dict[str, Any]:
    """Scores of one split; what a report shows of it goes to `file`."""
    predict = predictor(surrogate, network)
    errors, seconds = Errors(surrogate), []
    others = {name: Errors(surrogate) for name in baselines}
    points: list[Tensor] = []
    for part, batch in batches(samples):
        start = time.perf_counter()
        prediction = predict(batch)
        seconds.append((time.perf_counter() - start) / (part.stop - part.start))
        truth = surrogate.truth(batch)
        errors.add(prediction, truth)
        for name, baseline in baselines.items():
            others[name].add(baseline(batch), truth)
        pair = torch.stack([truth, prediction.to(truth.dtype)]).flatten(1, -2)
        points.append(pair[:, :: max(1, pair.shape[1] * len(samples) // (_POINTS * len(batch.targets)))])
    shown = _shown(np.array(errors.sample))
    tensors = {
        **_fields(predict, surrogate, samples, shown),
        "points": torch.cat(points, dim=1),
        "spectra": torch.from_numpy(np.asarray(errors.spectra)),
    }
    save_checkpoint(file, tensors, _described(surrogate, samples, split, shown, errors))
    found: dict[str, Any] = {
        "all": {**errors.scores(samples.units), "seconds_per_sample": float(np.median(seconds))},
        "baselines": {name: other.scores(samples.units) for name, other in others.items()},
        "worst_sample": samples.first + int(np.argmax(errors.sample)),
    }
    if surrogate.rollout is not None:
        means = {"surrogate": errors, **others}
        found["by_time"] = {
            "time": _predicted_times(surrogate, samples),
            "relative_l2": {name: np.concatenate(e.by_time).mean(axis=0).tolist() for name, e in means.items()},
        }
    return found


def score_resolution(surrogate: Surrogate, network: nn.Module, samples: FieldSamples) -> dict[str, float | int]:
    """Scores at other points than those of the training.

    Raises:
        UserError: the network cannot.
    """
    errors, predict = Errors(surrogate), predictor(surrogate, network)
    for _, batch in batches(samples):
        errors.add(predict(batch), surrogate.truth(batch))
    return errors.scores(samples.units)


def _shown(errors: np.ndarray) -> list[int]:
    """The samples whose error is the largest, the median and the smallest."""
    order = np.argsort(errors)
    return list(dict.fromkeys(int(order[round(q * (len(order) - 1))]) for q in SHOWN))


def _predicted_times(surrogate: Surrogate, samples: FieldSamples) -> list[float]:
    if surrogate.rollout is None:
        return samples.times.tolist()
    h = surrogate.rollout.history
    return samples.times[h : h + surrogate.n_steps(torch.from_numpy(samples.targets[:1]))].tolist()


def _fields(predict: Predictor, surrogate: Surrogate, samples: FieldSamples, shown: list[int]) -> dict[str, Tensor]:
    """Inputs, truth and prediction of the samples that are shown, at a few times."""
    parts = [samples.batch(slice(i, i + 1)) for i in shown]
    truth = torch.cat([surrogate.truth(batch) for batch in parts])
    prediction = torch.cat([predict(batch) for batch in parts]).to(truth.dtype)
    times = _shown_times(truth.shape[1])
    h = 0 if surrogate.rollout is None else surrogate.rollout.history
    inputs = torch.cat([batch.targets[:, h - 1] if h else batch.inputs for batch in parts])
    return {"inputs": inputs, "truth": truth[:, times], "prediction": prediction[:, times]}


def _shown_times(n: int) -> list[int]:
    return np.unique(np.linspace(0, n - 1, min(n, _MOST_TIMES)).round().astype(int)).tolist()


def _described(
    surrogate: Surrogate, samples: FieldSamples, split: str, shown: list[int], errors: Errors
) -> dict[str, Any]:
    times = _predicted_times(surrogate, samples)
    domain = samples.domain
    return {
        "split": split,
        "samples": [samples.first + i for i in shown],
        "errors": [errors.sample[i] for i in shown],
        "sample_errors": errors.sample,
        "times": [times[i] for i in _shown_times(len(times))],
        "axes": list(domain.axes),
        "coordinates": [values.tolist() for values in domain.coordinates],
        "inputs": list(surrogate.inputs.names if surrogate.rollout is None else surrogate.outputs.names),
        "outputs": list(surrogate.outputs.names),
        "units": dict(samples.units),
    }
