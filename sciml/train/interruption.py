"""Ctrl-C and SIGTERM, by which people and clusters ask a run to stop: it finishes its step and saves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sciml.train.progress import Progress

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def listen(progress: Progress) -> None:
    """From here on a signal sets `progress.interrupted`; a second Ctrl-C raises KeyboardInterrupt.

    Called when training has begun, because Lightning sets a handler of its own before, which would end the process
    without a checkpoint.
    """

    def ask(number: int, frame: object) -> None:
        if progress.interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        progress.interrupted = True

    if _may_set_handlers():
        for number in SIGNALS:
            signal.signal(number, ask)


@contextmanager
def handlers_restored() -> Iterator[None]:
    """Afterwards the handlers of signals are what they were before."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        if _may_set_handlers():
            for number, handler in before.items():
                signal.signal(number, handler)


def _may_set_handlers() -> bool:
    return threading.current_thread() is threading.main_thread()
