"""Work that is done by several processes side by side."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from sciml.core.errors import UserError

T = TypeVar("T")


def in_processes(function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[T]:
    """Results of a function of each task's arguments as they come; in this process for a single worker.

    Raises:
        UserError: a process was killed.
    """
    if workers <= 1:
        yield from (function(*task) for task in tasks)
        return
    # spawn: a forked child would share the parent's threads and their locks
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(function, *task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "A process was killed, perhaps for want of memory. What was made so far is kept: run again, with fewer "
                "workers if it comes back."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an error, what waits is not begun
