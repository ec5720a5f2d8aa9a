"""An epoch has each sample once and reads each block once, in memory that is known, the same after a resume."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.training.plan import Plan, SampleFrames, ordered_plan, shuffled_plan, steps_per_epoch


@st.composite
def sample_frames(draw: st.DrawFn) -> SampleFrames:
    """Samples with some of the times missing, in blocks of any lengths."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=30))
    edges = np.cumsum([0, *lengths])
    offsets = np.array(draw(st.sampled_from([[0], [0, 1], [0, 3], [0, 1, 2], [0, 2, 7]])))
    frames = np.arange(edges[-1])[:, None] + offsets
    frames = frames[frames[:, -1] < edges[-1]]
    kept = draw(st.lists(st.booleans(), min_size=len(frames), max_size=len(frames)))
    return SampleFrames(frames[np.array(kept, bool)], edges)


SOME = sample_frames().filter(lambda samples: len(samples.frames) > 0)


def check(samples: SampleFrames, plan: Plan) -> None:
    """What is read is what is needed, once, before it is needed; the pool holds it all."""
    emitted = np.concatenate([*plan.batches, np.zeros(0, int)])
    read = np.concatenate([*plan.reads, np.zeros(0, int)])
    assert sorted(read) == np.unique(samples.frames[emitted]).tolist()
    assert all(len(np.unique(samples.blocks_of(frames))) == 1 for frames in plan.reads)
    blocks = [int(samples.blocks_of(frames[:1])[0]) for frames in plan.reads]
    assert len(set(blocks)) == len(blocks)
    there: set[int] = set()
    done, most = 0, 0
    for batch, needs, frees in zip(plan.batches, plan.needs, plan.frees, strict=True):
        for frames in plan.reads[done:needs]:
            there |= set(frames.tolist())
        done, most = max(done, needs), max(most, len(there))
        assert set(samples.frames[batch].ravel().tolist()) <= there
        assert set(frees.tolist()) <= there
        there -= set(frees.tolist())
    assert not there
    assert most == plan.live_frames


def order(plan: Plan) -> list[int]:
    return np.concatenate([*plan.batches, np.zeros(0, int)]).tolist()


ANY: Any = {"batch_size": st.integers(1, 7), "shuffle_blocks": st.integers(1, 6), "seed": st.integers(0, 2**63 - 1)}


@settings(max_examples=25)
@given(samples=SOME, epoch=st.integers(0, 99), **ANY)
def test_an_epoch_has_each_sample_once_and_each_block_once(
    samples: SampleFrames, epoch: int, batch_size: int, shuffle_blocks: int, seed: int
) -> None:
    options: Any = {"batch_size": batch_size, "shuffle_blocks": shuffle_blocks, "seed": seed, "epoch": epoch}
    plan = shuffled_plan(samples, **options)
    check(samples, plan)
    assert sorted(order(plan)) == list(range(len(samples.frames)))
    assert len(plan.batches) == steps_per_epoch(samples, batch_size, 1)
    assert order(shuffled_plan(samples, **options)) == order(plan)


@settings(max_examples=25)
@given(samples=SOME, start=st.integers(0, 40), **ANY)
def test_a_resumed_epoch_has_the_rest(
    samples: SampleFrames, start: int, batch_size: int, shuffle_blocks: int, seed: int
) -> None:
    options: Any = {"batch_size": batch_size, "shuffle_blocks": shuffle_blocks, "seed": seed, "epoch": 3}
    whole, rest = shuffled_plan(samples, **options), shuffled_plan(samples, **options, start=start)
    check(samples, rest)
    assert [batch.tolist() for batch in rest.batches] == [batch.tolist() for batch in whole.batches[start:]]
    assert rest.live_frames <= whole.live_frames


@settings(max_examples=25)
@given(samples=SOME, world=st.integers(2, 4), epoch=st.integers(0, 5), **ANY)
def test_processes_share_samples_and_blocks(
    samples: SampleFrames, world: int, epoch: int, batch_size: int, shuffle_blocks: int, seed: int
) -> None:
    options: Any = {"batch_size": batch_size, "shuffle_blocks": shuffle_blocks, "seed": seed, "epoch": epoch}
    try:
        steps = steps_per_epoch(samples, batch_size, world)
    except UserError:
        return
    plans = [shuffled_plan(samples, **options, rank=rank, world=world) for rank in range(world)]
    for plan in plans:
        check(samples, plan)
        assert [len(batch) for batch in plan.batches] == [batch_size] * steps
    for one, other in itertools.combinations(plans, 2):
        assert not set(order(one)) & set(order(other))
        blocks = [{int(samples.blocks_of(read[:1])[0]) for read in plan.reads} for plan in (one, other)]
        assert not blocks[0] & blocks[1]


@settings(max_examples=25)
@given(samples=sample_frames(), world=st.integers(1, 4), batch_size=st.integers(1, 7), start=st.integers(0, 4))
def test_in_order_all_processes_have_all_samples(
    samples: SampleFrames, world: int, batch_size: int, start: int
) -> None:
    plans = [ordered_plan(samples, batch_size=batch_size, rank=rank, world=world) for rank in range(world)]
    for plan in plans:
        check(samples, plan)
    assert sum((order(plan) for plan in plans), []) == list(range(len(samples.frames)))
    rest = ordered_plan(samples, batch_size=batch_size, world=world, start=start)
    check(samples, rest)
    assert order(rest) == order(plans[0])[start * batch_size :]


def years(times: int = 4000, length: int = 20) -> SampleFrames:
    frames = np.arange(times - 1)[:, None] + np.array([0, 1])
    return SampleFrames(frames, np.append(np.arange(0, times, length), times))


def test_seeds_epochs_and_processes_differ() -> None:
    samples = years(400)
    orders = {
        tuple(order(shuffled_plan(samples, batch_size=4, shuffle_blocks=4, seed=seed, epoch=epoch, rank=rank, world=2)))
        for seed in range(3)
        for epoch in range(3)
        for rank in range(2)
    }
    assert len(orders) == 18


@pytest.mark.parametrize("length", [1, 4, 20])
def test_an_epoch_is_random_in_little_memory(length: int) -> None:
    """Batches come from all of the data, although the pool is a small part of it."""
    samples = years(4000, length)
    plan = shuffled_plan(samples, batch_size=16, shuffle_blocks=16, seed=0, epoch=0)
    # samples that wait, with their neighbours in other blocks, and the ends of runs that wait for a run before
    assert plan.live_frames < 3 * 16 * length + 2 * 16
    spread = np.mean([np.std(batch) for batch in plan.batches])
    # the standard deviation of numbers below n drawn at random is n / sqrt(12); of sixteen about 2 percent less
    assert spread > 0.7 * 4000 / np.sqrt(12)
    positions = np.empty(len(samples.frames))
    positions[order(plan)] = np.arange(len(samples.frames))
    # the order of coming out has little to do with the order in time: of a random order, within 3 / sqrt(4000) = 0.05
    assert abs(np.corrcoef(positions, np.arange(len(positions)))[0, 1]) < 0.35


def test_few_samples_are_lost_to_processes_and_others_in_every_epoch() -> None:
    samples = years(2000)
    assert steps_per_epoch(samples, 5, 4) * 5 * 4 > 0.92 * len(samples.frames)
    lost = set(range(len(samples.frames)))
    for epoch in range(8):
        for rank in range(4):
            options: Any = {"batch_size": 5, "shuffle_blocks": 4, "seed": 0, "epoch": epoch, "rank": rank, "world": 4}
            lost -= set(order(shuffled_plan(samples, **options)))
    assert not lost


def test_too_many_processes_are_refused() -> None:
    with pytest.raises(UserError, match="Use fewer processes"):
        steps_per_epoch(years(40, 20), 1, 3)
    with pytest.raises(UserError, match="Use fewer processes"):
        shuffled_plan(years(100, 20), batch_size=50, shuffle_blocks=2, seed=0, epoch=0, world=2)
