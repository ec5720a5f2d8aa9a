"""neuraloperator's FNO trained for some minutes of processor time, in the environment that it is in.

    python neuraloperator_training.py SPEC.json

SPEC names a folder with train_x, train_y, validation_x, ... as .npy, channels last, in the units of the data, and says
how to train; `pde_accuracy.py` writes both. Predictions of the test samples go to `test_predicted.npy` of the folder,
and a line of JSON to the standard output.

Network, optimiser, losses and normalisation are the package's own. As in its `Trainer` with a `DefaultDataProcessor`
fields are normalised channel by channel and the loss is taken of normalised fields; as in its example "Training an FNO
on Darcy-Flow" the learning rate falls by a cosine. A forecast maps `history` frames to the next `bundle`, from places
in the trajectories that are drawn anew, and is rolled out to be scored.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from neuralop import H1Loss, LpLoss  # pyright: ignore[reportMissingImports]
from neuralop.data.transforms.normalizers import UnitGaussianNormalizer  # pyright: ignore[reportMissingImports]
from neuralop.models import FNO  # pyright: ignore[reportMissingImports]
from neuralop.training import AdamW  # pyright: ignore[reportMissingImports]
from torch import Tensor

# of the budget between two looks at the validation samples, whose time is not counted
_BETWEEN_VALIDATIONS = 0.02
_WARMUP_STEPS = 100
_SAMPLES_AT_ONCE = 10


class Data:
    """Samples of one split: of a map `x` [s, i, *grid] and `y`, of a forecast frames `y` [s, t, *grid]."""

    def __init__(self, folder: Path, split: str, spec: dict[str, Any]) -> None:
        self.history, self.bundle = spec["history"], spec["bundle"]
        y = torch.from_numpy(np.load(folder / f"{split}_y.npy"))
        if self.history:
            self.y = y[..., 0].contiguous()
            self.x = self.y
        else:
            self.y = y[:, 0].movedim(-1, 1).contiguous()
            self.x = torch.from_numpy(np.load(folder / f"{split}_x.npy")).movedim(-1, 1).contiguous()

    def pairs(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch's inputs and targets."""
        for numbers in torch.randperm(len(self.y))[: len(self.y) // batch_size * batch_size].split(batch_size):
            if not self.history:
                yield self.x[numbers], self.y[numbers]
                continue
            length = self.history + self.bundle
            starts = torch.randint(0, self.y.shape[1] - length + 1, (len(numbers),)).tolist()
            windows = [self.y[i, start : start + length] for i, start in zip(numbers.tolist(), starts, strict=True)]
            window = torch.stack(windows)
            yield window[:, : self.history], window[:, self.history :]

    @property
    def truth(self) -> Tensor:
        """What predictions are compared with."""
        return self.y[:, self.history :] if self.history else self.y


class Training:
    """A network with its normalisation.

    Args:
        spec: sizes and how to train.
        train: what the normalisation is of.
    """

    def __init__(self, spec: dict[str, Any], train: Data) -> None:
        self.spec = spec
        torch.manual_seed(spec["seed"])
        forecast = bool(train.history)
        self.network = FNO(
            n_modes=tuple(spec["modes"]),
            in_channels=train.history if forecast else train.x.shape[1],
            out_channels=train.bundle if forecast else train.y.shape[1],
            hidden_channels=spec["width"],
            n_layers=spec["layers"],
            norm=spec["norm"],
        )
        axes = list(range(train.y.ndim)) if forecast else [0, *range(2, train.y.ndim)]
        self.encode_x, self.encode_y = UnitGaussianNormalizer(dim=axes), UnitGaussianNormalizer(dim=axes)
        self.encode_x.fit(train.x)
        self.encode_y.fit(train.y)
        d = train.y.ndim - 2
        periodic = dict(zip(("periodic_in_x", "periodic_in_y", "periodic_in_z"), spec["periodic"], strict=False))
        self.loss = H1Loss(d=d, **periodic) if spec["loss"] == "h1" else LpLoss(d=d, p=2)

    def predict(self, data: Data) -> Tensor:
        """Of all samples, in their units."""
        found = []
        with torch.no_grad():
            for start in range(0, len(data.y), _SAMPLES_AT_ONCE):
                part = slice(start, start + _SAMPLES_AT_ONCE)
                if not data.history:
                    found.append(self._call(data.x[part]))
                    continue
                frames, needed = data.y[part, : data.history], data.y.shape[1]
                while frames.shape[1] < needed:
                    frames = torch.cat([frames, self._call(frames[:, -data.history :])], dim=1)
                found.append(frames[:, data.history : needed])
        return torch.cat(found)

    def _call(self, x: Tensor) -> Tensor:
        return self.encode_y.inverse_transform(self.network(self.encode_x.transform(x)))

    def error(self, data: Data) -> float:
        """Mean relative L2 error."""
        error, truth = (self.predict(data) - data.truth).flatten(1), data.truth.flatten(1)
        return float((error.norm(dim=1) / truth.norm(dim=1)).mean())

    def run(self, train: Data, validation: Data) -> dict[str, Any]:
        """Trains until the minutes are over and leaves the network with the best weights."""
        spec, budget = self.spec, 60 * self.spec["minutes"]
        optimizer = AdamW(self.network.parameters(), lr=spec["learning_rate"], weight_decay=spec["weight_decay"])
        used, steps, epochs, due = 0.0, 0, 0, _BETWEEN_VALIDATIONS
        best, best_weights = math.inf, copy.deepcopy(self.network.state_dict())
        while used < budget:
            for x, y in train.pairs(spec["batch_size"]):
                started = time.process_time()
                warm = min(1.0, (steps + 1) / _WARMUP_STEPS)
                for group in optimizer.param_groups:
                    group["lr"] = spec["learning_rate"] * warm * 0.5 * (1 + math.cos(math.pi * used / budget))
                optimizer.zero_grad()
                loss = self.loss(self.network(self.encode_x.transform(x)), self.encode_y.transform(y))
                loss.backward()
                optimizer.step()
                steps += 1
                used = min(budget, used + time.process_time() - started)
                if used >= due * budget or used >= budget:
                    due += _BETWEEN_VALIDATIONS
                    error = self.error(validation)
                    print(f"{used / 60:.2f} min, step {steps}: validation {error:.5f}", file=sys.stderr, flush=True)
                    if error < best:
                        best, best_weights = error, copy.deepcopy(self.network.state_dict())
                if used >= budget:
                    break
            epochs += 1
        self.network.load_state_dict(best_weights)
        return {"steps": steps, "epochs": epochs, "training_cpu_seconds": used, "validation": best}


def main() -> None:
    """Trains as the file of the command line says."""
    torch.set_num_threads(1)
    spec_file = Path(sys.argv[1])
    spec = json.loads(spec_file.read_text())
    folder = spec_file.parent
    train, validation, test = (Data(folder, split, spec) for split in ("train", "validation", "test"))
    training = Training(spec, train)
    found = training.run(train, validation)
    predicted = training.predict(test)
    # [s, n, *grid, o], as sciml has them
    predicted = predicted[..., None] if train.history else predicted.movedim(1, -1).unsqueeze(1)
    np.save(folder / "test_predicted.npy", predicted.numpy())
    # a complex number is two
    parameters = sum(weight.numel() * (1 + weight.is_complex()) for weight in training.network.parameters())
    print(json.dumps({**found, "version": version("neuraloperator"), "parameters": parameters}))


if __name__ == "__main__":
    main()
