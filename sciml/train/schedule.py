"""The learning rate as a function of where the run is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sciml.train.config import TrainConfig
from sciml.train.progress import Progress


def fraction_done(config: TrainConfig, progress: Progress, batches_per_epoch: int) -> float:
    """How far the run is, from 0 to 1, in steps or in its budget of time, whichever is further."""
    done = progress.step / (config.epochs * batches_per_epoch)
    if config.max_minutes is not None:
        done = max(done, progress.seconds / (60 * config.max_minutes))
    return min(done, 1.0)


def learning_rate(config: TrainConfig, step: int, fraction: float, plateau_scale: float = 1.0) -> float:
    """The learning rate of a step, counted from 0.

    >>> config = TrainConfig(learning_rate=1.0, minimum_learning_rate=0.0, warmup_steps=4)
    >>> [learning_rate(config, step, fraction) for step, fraction in [(0, 0.0), (3, 0.0), (50, 0.5)]]
    [0.25, 1.0, 0.5]
    """
    low, high = config.minimum_learning_rate, config.learning_rate
    match config.schedule:
        case "constant":
            rate = high
        case "cosine":
            rate = low + (high - low) * 0.5 * (1 + math.cos(math.pi * fraction))
        case "plateau":
            rate = max(low, high * plateau_scale)
    return rate * min(1.0, (step + 1) / max(1, config.warmup_steps))


@dataclass
class Best:
    """The best validation score so far, the smallest one, and the epoch it came after."""

    score: float = math.inf
    epoch: int = 0

    def update(self, score: float, epoch: int) -> bool:
        """Whether the score is the best so far, which it then becomes."""
        if not score < self.score:
            return False
        self.score, self.epoch = score, epoch
        return True


@dataclass
class Plateau:
    """Shrinks the learning rate when the score has not improved for more than some epochs.

    Attributes:
        scale: what the learning rate is multiplied by.
        since: the epoch of the last improvement or the last shrinking.
    """

    scale: float = 1.0
    since: int = 0

    def update(self, config: TrainConfig, improved: bool, epoch: int) -> None:
        if improved:
            self.since = epoch
        elif epoch - self.since > config.plateau_patience_epochs:
            self.scale *= config.plateau_factor
            self.since = epoch
