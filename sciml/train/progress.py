"""Where a training run is: epochs, steps and seconds, which a resumed run continues."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Progress:
    """Counters of a run over all its processes in a row.

    Attributes:
        epoch: whole epochs done.
        batch: batches done in the epoch under way.
        step: optimiser steps done.
        seconds: wall-clock time spent inside the training loop, up to the last `tick`.
        interrupted: a signal asked this process to stop after the step under way.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    _ticked: float | None = field(default=None, repr=False)

    def start(self) -> None:
        self._ticked = time.monotonic()

    def tick(self) -> float:
        """Brings `seconds` up to date and returns it."""
        now = time.monotonic()
        self.seconds += now - (now if self._ticked is None else self._ticked)
        self._ticked = now
        return self.seconds

    def state(self) -> dict[str, Any]:
        """The counters, without what belongs to this process alone."""
        return {"epoch": self.epoch, "batch": self.batch, "step": self.step, "seconds": self.seconds}

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
