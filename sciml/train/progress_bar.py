"""What the user watches: one live line on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TaskID, TextColumn

from sciml.core.durations import duration

# seconds between two redraws of the live line, and between two plain lines
_REDRAW_SECONDS = 0.5
_LINE_SECONDS = 10.0


class ProgressDisplay:
    """Shows epoch, share done, losses and the time left. Drawing is throttled, so that a step costs next to nothing."""

    def __init__(self, epochs: int, console: Console | None = None) -> None:
        self.epochs = epochs
        self.console = console or Console()
        self.live = self.console.is_terminal
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._drawn = -float("inf")
        self._scores = ""
        self._started: tuple[float, float] | None = None

    def start(self, fraction: float) -> None:
        self._started = (time.monotonic(), fraction)
        if self.live:
            columns: list[ProgressColumn] = [
                TextColumn("epoch"),
                MofNCompleteColumn(),
                BarColumn(bar_width=20),
                TextColumn("{task.fields[text]}"),
            ]
            bar = Progress(*columns, console=self.console, auto_refresh=False, transient=True)
            self._bar, self._task = bar, bar.add_task("", total=self.epochs, text="")
            bar.start()

    def step(self, epoch: int, fraction: float, losses: Mapping[str, float]) -> None:
        """After a step, with its loss and the terms that it is made of."""
        if self._bar is None or time.monotonic() - self._drawn < _REDRAW_SECONDS:
            return
        self._draw(epoch, fraction, _loss(losses))

    def epoch(self, epoch: int, fraction: float, train: Mapping[str, float], validation: Mapping[str, float]) -> None:
        """After an epoch, with its averages."""
        if validation:
            # NaN stands for a label that the data lack
            known = {name: value for name, value in validation.items() if not math.isnan(value)}
            self._scores = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in known.items())
        text = _loss(train)
        if self._bar is not None:
            self._draw(epoch, fraction, text)
        elif time.monotonic() - self._drawn >= _LINE_SECONDS or fraction >= 1:
            self._drawn = time.monotonic()
            line = f"epoch {epoch}/{self.epochs}  {text}  {self._scores}  {self._left(fraction)}".rstrip()
            self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, epoch: int, fraction: float, text: str) -> None:
        assert self._bar is not None
        assert self._task is not None
        self._drawn = time.monotonic()
        line = f"{100 * fraction:3.0f}%  {self._left(fraction)}  {text}  {self._scores}"
        self._bar.update(self._task, completed=epoch, text=line)
        self._bar.refresh()

    def _left(self, fraction: float) -> str:
        """The time left, from how fast this process went so far."""
        assert self._started is not None
        since, first = self._started
        if fraction >= 1:
            return "done"
        if fraction <= first:
            return ""
        return f"{duration((time.monotonic() - since) * (1 - fraction) / (fraction - first))} left"


def _loss(losses: Mapping[str, float]) -> str:
    """The loss, and its terms where it has several.

    >>> _loss({"loss": 0.75, "equation": 0.5, "initial": 0.25})
    'loss 0.75 (equation 0.5, initial 0.25)'
    """
    terms = [f"{name.replace('_', ' ')} {value:.3g}" for name, value in losses.items() if name != "loss"]
    return f"loss {losses['loss']:.4g}" + (f" ({', '.join(terms)})" if terms else "")
