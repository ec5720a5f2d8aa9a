"""Batches come out with their frames, threads end, errors arrive, and memory is what was said."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sciml.core.errors import UserError
from sciml.weather.training.memory import RecycledMemory
from sciml.weather.training.plan import SampleFrames, shuffled_plan
from sciml.weather.training.stream import Reading, pool_frames, stream

SHAPE = (2, 3, 4)
FRAMES = np.arange(99)[:, None] + np.array([0, 1])
SAMPLES = SampleFrames(FRAMES, np.arange(0, 101, 10))


def plan(batch_size: int = 4) -> Any:
    return shuffled_plan(SAMPLES, batch_size=batch_size, shuffle_blocks=3, seed=1, epoch=0)


def fill(frames: Any, out: list[Any]) -> None:
    for frame, array in zip(frames, out, strict=True):
        array[:] = frame


def run(read: Callable[..., None] = fill, **options: Any) -> Any:
    return stream(plan(), FRAMES, SHAPE, read, Reading(shuffle_blocks=3, **options), RecycledMemory())


def threads_alive() -> int:
    return sum(thread.name.startswith("frames") for thread in threading.enumerate())


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("prefetch_blocks", [1, 4])
def test_every_batch_has_its_frames(threads: int, prefetch_blocks: int) -> None:
    seen = []
    for batch in run(threads=threads, prefetch_blocks=prefetch_blocks):
        np.testing.assert_array_equal(batch.frames, FRAMES[batch.samples])
        np.testing.assert_array_equal(batch.pool[batch.slots][..., 0, 0, 0], batch.frames)
        assert len(batch.pool) == pool_frames(plan(), Reading(prefetch_blocks=prefetch_blocks))
        seen += batch.samples.tolist()
    assert sorted(seen) == list(range(99))
    assert threads_alive() == 0


def test_an_error_of_a_thread_is_raised_and_ends_the_others() -> None:
    def fail(frames: Any, out: list[Any]) -> None:
        if 50 in frames:
            raise UserError("block 5 is damaged")
        fill(frames, out)

    with pytest.raises(UserError, match="block 5 is damaged"):
        list(run(fail))
    assert threads_alive() == 0


def test_an_interrupt_goes_through() -> None:
    def interrupt(frames: Any, out: list[Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run(interrupt))
    assert threads_alive() == 0


@pytest.mark.parametrize("drop", [False, True])
def test_threads_end_when_nobody_goes_on(drop: bool) -> None:
    batches = run(threads=2)
    next(batches)
    assert threads_alive() > 0
    if drop:
        del batches
        gc.collect()
    else:
        batches.close()
    assert threads_alive() == 0


def test_reading_goes_ahead_while_the_caller_works_but_not_beyond_the_pool() -> None:
    read: list[int] = []
    ahead = threading.Event()

    def note(frames: Any, out: list[Any]) -> None:
        fill(frames, out)
        read.extend(frames.tolist())
        if len(read) > first:
            ahead.set()

    first = len(plan().reads[0]) * int(plan().needs[0])
    batches = run(note, threads=1)
    next(batches)
    # without being asked for the next batch
    assert ahead.wait(10)
    assert len(read) <= pool_frames(plan(), Reading())
    batches.close()


def test_too_large_a_pool_is_refused() -> None:
    with pytest.raises(UserError, match=r"lower shuffle_blocks \(3\)"):
        run(memory_gb=1e-6)
    with pytest.raises(UserError, match="threads of at least 1"):
        Reading(threads=0)
