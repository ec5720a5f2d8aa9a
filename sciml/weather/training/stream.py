"""Runs a plan: threads read blocks ahead into a pool of frames, and samples are handed out when theirs are there.

The pool is taken at the start, so memory is known before the first read: the frames that are needed at once, and those
of `prefetch_blocks` blocks more. While they are read, each thread also holds a decoded chunk, or those of one variable
in its block where chunks have to be worked on together. Decoders release the interpreter's lock, so reading goes on
while a network is trained.

Shapes: b samples, f frames of a sample, s slots of the pool, r rows of a frame, y latitudes, x longitudes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.weather.training.memory import RecycledMemory
from sciml.weather.training.plan import Plan

# reads frames, numbers of times of one block, into arrays, one a frame
ReadFrames = Callable[[NDArray[np.int64], list[NDArray[np.float32]]], Any]


@dataclass(frozen=True)
class Reading:
    """How an epoch is read.

    Attributes:
        shuffle_blocks: from how many blocks at once samples are drawn; more is more random and takes more memory.
        prefetch_blocks: blocks that are read ahead, at least one.
        threads: that read.
        memory_gb: an epoch that needs a larger pool of frames than so many 1e9 bytes is refused.
    """

    shuffle_blocks: int = 8
    prefetch_blocks: int = 2
    threads: int = 2
    memory_gb: float = 8.0

    def __post_init__(self) -> None:
        for name in ("shuffle_blocks", "prefetch_blocks", "threads"):
            if getattr(self, name) < 1:
                raise UserError(f"Reading needs {name} of at least 1, but it is {getattr(self, name)}.")


@dataclass(frozen=True)
class PooledBatch:
    """Some samples whose frames lie in the pool until the next batch is asked for.

    Attributes:
        samples: [b] their numbers.
        frames: [b, f] numbers of their times.
        pool: all slots.
        slots: [b, f] where the frames are.
    """

    samples: Int[np.ndarray, " b"]
    frames: Int[np.ndarray, "b f"]
    pool: Float[np.ndarray, "s r y x"]
    slots: Int[np.ndarray, "b f"]


def pool_frames(plan: Plan, reading: Reading) -> int:
    """How many frames the pool of a plan has."""
    longest = sorted((len(frames) for frames in plan.reads), reverse=True)[: reading.prefetch_blocks]
    return plan.live_frames + sum(longest)


def stream(
    plan: Plan,
    frames: Int[np.ndarray, "n f"],
    row_shape: tuple[int, int, int],
    read: ReadFrames,
    reading: Reading,
    memory: RecycledMemory,
) -> Iterator[PooledBatch]:
    """The batches of a plan, one after the other.

    What goes wrong in a thread that reads is raised here. When the iterator is closed or dropped, its threads end
    after the block that they are at.

    Args:
        plan: what to read and emit.
        frames: of all samples of the data, which the plan numbers.
        row_shape: of a frame, (r, y, x).
        read: puts frames into arrays.
        reading: threads and memory.
        memory: where the pool is taken from.

    Raises:
        UserError: the pool would be larger than `reading.memory_gb`.
    """
    size = pool_frames(plan, reading)
    gigabytes = 4e-9 * size * int(np.prod(row_shape))
    if gigabytes > reading.memory_gb:
        raise UserError(
            f"Reading in this order needs {gigabytes:.3g} GB for {size} frames, but memory_gb is "
            f"{reading.memory_gb:.3g}. Raise it, lower shuffle_blocks ({reading.shuffle_blocks}), or store the data in "
            "chunks with fewer times, alike for all variables."
        )
    return _stream(plan, frames, memory.take((size, *row_shape)).numpy(), read, reading)


def _stream(
    plan: Plan,
    frames: NDArray[np.int64],
    pool: NDArray[np.float32],
    read: ReadFrames,
    reading: Reading,
) -> Iterator[PooledBatch]:
    free = list(range(len(pool)))
    slot = np.full(int(frames.max(initial=-1)) + 1, -1)
    waiting = deque(plan.reads)
    under_way: deque[Future[Any]] = deque()
    done = 0

    def read_ahead() -> None:
        while waiting and len(free) >= len(waiting[0]):
            wanted = waiting.popleft()
            slot[wanted] = [free.pop() for _ in wanted]
            under_way.append(executor.submit(read, wanted, [pool[i] for i in slot[wanted]]))

    executor = ThreadPoolExecutor(reading.threads, thread_name_prefix="frames")
    try:
        for chosen, needed, freed in zip(plan.batches, plan.needs.tolist(), plan.frees, strict=True):
            read_ahead()
            while done < needed:
                under_way.popleft().result()
                done += 1
            yield PooledBatch(chosen, frames[chosen], pool, slot[frames[chosen]])
            free.extend(slot[freed].tolist())
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
