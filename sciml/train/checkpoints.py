"""The two checkpoints of a run.

best.safetensors: the network's tensors (averaged weights) after the epoch with the best validation score.
last.safetensors: the same of the last state, and under "trainer/" all that a resumed run needs to go on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from sciml.core.checkpoint import (
    TRAINER_PREFIX,
    load_checkpoint,
    not_finite,
    pack_state,
    save_checkpoint,
    unpack_state,
)
from sciml.core.errors import UserError
from sciml.core.runs import Run
from sciml.train.module import TrainingModule
from sciml.train.seeding import rng_state

# the metadata's key for what of the trainer's state is no tensor
TRAINER = "trainer"


# what a resumed run must have in common with the part before, where the checkpoint and the problem both say it
_LASTING = ("data_fingerprint", "elements", "normalisation", "architecture", "model")
# a least-squares fit, such as reference energies, differs by rounding between machines and numbers of threads
_ROUNDING = 1e-6


def load_state(run: Run, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What `Checkpoints.write` put into last.safetensors.

    Args:
        run: the folder.
        metadata: of the problem that is to go on.

    Raises:
        UserError: the file is missing, no good, has weights only, or comes from other data or another model.
    """
    again = f"Train again with `sciml train {run.config_file} --run {run.path} --overwrite`"
    if not run.last.is_file():
        raise UserError(f"{run.path} cannot be continued: it has no {run.last.relative_to(run.path)}. {again}.")
    tensors, saved = load_checkpoint(run.last)
    if TRAINER not in saved:
        raise UserError(f"{run.last} has weights only, and training cannot continue from those. {again}.")
    both = [key for key in _LASTING if key in saved and key in metadata]
    if differing := [f"`{key}`" for key in both if not _same(saved[key], metadata[key])]:
        raise UserError(
            f"{run.path} cannot be continued: {', '.join(differing)} of {run.last.name} differ from what the data and "
            f"{run.config_file.name} give now. Put back those that it was trained with. {again} to train on these."
        )
    return unpack_state(tensors, saved[TRAINER])


class Checkpoints:
    """Writes both files, at most every `save_every_minutes`."""

    def __init__(self, run: Run, module: TrainingModule) -> None:
        self.run, self.module = run, module
        self._best: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._written = -math.inf  # the first step is saved, so that there is a checkpoint

    def remove(self) -> None:
        """Forgets the checkpoints of an earlier run in the same folder."""
        for path in (self.run.best, self.run.last):
            path.unlink(missing_ok=True)

    def keep_best(self, score: float) -> None:
        """Takes the present averaged weights as the best; they are written together with the last."""
        self._best = (_copies(self._evaluated()), self._metadata(score=score))

    @property
    def due(self) -> bool:
        return time.monotonic() - self._written >= 60 * self.module.config.save_every_minutes

    def write(self, optimizer: Optimizer) -> None:
        """Writes the best, if it is new, and then the last.

        Raises:
            UserError: the weights are not finite, or the disk is full; the older files stay.
        """
        network = self.module.network
        if bad := not_finite(network.state_dict()):
            raise UserError(
                f"the weights `{bad}` are not finite after step {self.module.progress.step}; checkpoints "
                "written before are good. Lower train.learning_rate or train.gradient_clip."
            )
        if self._best is not None:
            tensors, metadata = self._best
            save_checkpoint(self.run.best, tensors, metadata)
            self._best = None
        packed, structure = pack_state(self._trainer_state(optimizer), prefix=TRAINER_PREFIX)
        save_checkpoint(self.run.last, {**self._evaluated(), **packed}, {**self._metadata(), TRAINER: structure})
        self._written = time.monotonic()

    def _trainer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        return {
            "network": self.module.network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "rng": rng_state(),
            **self.module.state(),
        }

    def _evaluated(self) -> dict[str, Tensor]:
        """The tensors to evaluate with: averaged weights, or the network's own without an average."""
        average = self.module.average
        with nullcontext() if average is None else average.applied():
            return _copies(self.module.network.state_dict())

    def _metadata(self, **more: Any) -> dict[str, Any]:
        progress = self.module.progress
        training = {"epoch": progress.epoch, "step": progress.step, "precision": self.module.config.precision, **more}
        return {**self.module.problem.metadata, "training": training}


def _same(saved: Any, present: Any) -> bool:
    """Whether two values are equal as JSON has them, numbers but for rounding."""
    match saved, present:
        case (float(), int() | float()) | (int(), float()):
            return math.isclose(saved, present, rel_tol=_ROUNDING, abs_tol=1e-3 * _ROUNDING)
        case Mapping(), Mapping():
            texts = {str(key): value for key, value in present.items()}
            return saved.keys() == texts.keys() and all(_same(saved[key], texts[key]) for key in saved)
        case list() | tuple(), list() | tuple():
            return len(saved) == len(present) and all(map(_same, saved, present))
        case _:
            return saved == present


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}
