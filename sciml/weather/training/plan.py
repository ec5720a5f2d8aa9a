"""The order of an epoch: which blocks are read when, and which samples come when, so that no block is read twice.

A sample needs frames at several times, and may need the ends of two blocks. Blocks are read in an order that is random
on the whole, samples wait until all of their frames are there, and a frame stays in memory until its last sample is
gone. So that few frames have to wait for a block that comes much later:

1. The blocks, which lie around a circle, are cut at random places into runs of neighbours, and the runs are shuffled.
2. `shuffle_blocks` runs are read at once; which of them goes on to its next block is drawn.
3. Samples whose frames are there are drawn at random, but only while more of them wait than `shuffle_blocks - 1` blocks
   have on average.

A batch therefore has samples from about `shuffle_blocks` blocks drawn from the whole data. Runs are single blocks as
long as the ends that wait take less memory than the samples that do. All of it is a function of seed, epoch and
process.

Several processes share the blocks: the circle is cut into as many arcs as there are processes, at random places.
Samples that reach from one arc into the next are left out of that epoch, and so are those beyond a number of batches
that is the same for all processes and epochs.

Shapes: n samples, f frames of a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from sciml.core.errors import UserError

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class SampleFrames:
    """Which frames samples need, and which blocks these are in.

    Attributes:
        frames: [n, f] numbers of times, ascending along a sample.
        edges: block `i` has the frames from `edges[i]` to `edges[i + 1]`.
    """

    frames: Int[np.ndarray, "n f"]
    edges: Int[np.ndarray, " blocks_and_one"]

    def blocks_of(self, frames: Numbers) -> Numbers:
        return np.searchsorted(self.edges, frames, side="right") - 1


@dataclass(frozen=True)
class Plan:
    """What is read and emitted, one after the other.

    Attributes:
        batches: numbers of the samples of every batch.
        reads: of every read the frames, ascending and of one block, that a sample needs.
        needs: how many reads have to be done before every batch; never falls.
        frees: of every batch the frames that are needed no more after it.
        live_frames: the most frames that are needed at once.
    """

    batches: list[Numbers]
    reads: list[Numbers]
    needs: Numbers
    frees: list[Numbers]
    live_frames: int


def steps_per_epoch(samples: SampleFrames, batch_size: int, world: int) -> int:
    """Batches that each of `world` processes has in every shuffled epoch.

    Raises:
        UserError: the samples do not make a batch for every process.
    """
    if world == 1:
        return -(-len(samples.frames) // batch_size)
    cuts = _Arcs(samples)
    steps = min(cuts.sizes(offset, world).min() for offset in range(len(cuts.blocks))) // batch_size
    if steps == 0:
        raise UserError(
            f"{world} processes with batches of {batch_size} need more samples than these {len(samples.frames)} in "
            f"{len(cuts.blocks)} blocks. Use fewer processes, smaller batches, more data or shorter chunks of time."
        )
    return int(steps)


def shuffled_plan(
    samples: SampleFrames,
    *,
    batch_size: int,
    shuffle_blocks: int,
    seed: int,
    epoch: int,
    rank: int = 0,
    world: int = 1,
    start: int = 0,
) -> Plan:
    """The plan of a shuffled epoch for one process, without the first `start` batches.

    What comes after the batches left out is the same as with them, and only blocks that it needs are read.

    Raises:
        UserError: as `steps_per_epoch`.
    """
    blocks, chosen = np.unique(samples.blocks_of(samples.frames)), np.arange(len(samples.frames))
    if world > 1:
        arcs = _Arcs(samples)
        offset = int(np.random.default_rng([seed, epoch]).integers(len(arcs.blocks)))
        blocks, chosen = arcs.arc(offset, rank, world)
    generator = np.random.default_rng([seed, epoch, rank])
    order = _shuffled_blocks(samples, blocks, len(chosen), shuffle_blocks, generator)
    emitted = _shuffled_samples(samples, chosen, order, shuffle_blocks, generator)
    stop = steps_per_epoch(samples, batch_size, world) * batch_size
    return _plan(samples, emitted[start * batch_size : stop], order, batch_size)


def ordered_plan(samples: SampleFrames, *, batch_size: int, rank: int = 0, world: int = 1, start: int = 0) -> Plan:
    """The plan of all samples in order of time, without the first `start` batches.

    Processes have consecutive parts, of nearly the same length.
    """
    part = np.array_split(np.arange(len(samples.frames)), world)[rank]
    return _plan(samples, part[start * batch_size :], np.arange(len(samples.edges) - 1), batch_size)


# ---------------------------------------------------------------------------------------------------- several processes


class _Arcs:
    """The circle of blocks that have frames of samples, and how to cut it for processes."""

    def __init__(self, samples: SampleFrames) -> None:
        places = samples.blocks_of(samples.frames)
        self.blocks, inverse = np.unique(places, return_inverse=True)
        self.places = inverse.reshape(places.shape)
        self.owned = np.bincount(self.places[:, 0], minlength=len(self.blocks))
        # crossing[b]: samples with frames both before the end of block b and after it
        self.crossing = np.cumsum(self.owned - np.bincount(self.places[:, -1], minlength=len(self.blocks)))

    def cuts(self, offset: int, world: int) -> Numbers:
        """[world + 1] where arcs begin on the circle, counted from block `offset` on, alike in samples."""
        total = np.cumsum(np.roll(self.owned, -offset))
        targets = total[-1] * np.arange(1, world) / world
        return np.concatenate([[0], np.searchsorted(total, targets, side="left") + 1, [len(self.blocks)]])

    def sizes(self, offset: int, world: int) -> Numbers:
        """[world] samples within every arc."""
        cuts = self.cuts(offset, world)
        total = np.concatenate([[0], np.cumsum(np.roll(self.owned, -offset))])
        lost = np.roll(self.crossing, -offset)[cuts[1:] - 1]
        return np.maximum(total[cuts[1:]] - total[cuts[:-1]] - lost, 0)

    def arc(self, offset: int, rank: int, world: int) -> tuple[Numbers, Numbers]:
        """The blocks of one arc in their order, and the samples within it."""
        cuts = self.cuts(offset, world)
        places = (offset + np.arange(cuts[rank], cuts[rank + 1])) % len(self.blocks)
        return self.blocks[places], np.flatnonzero(np.isin(self.places, places).all(axis=1))


# ------------------------------------------------------------------------------------------------------------ the order


def _shuffled_blocks(
    samples: SampleFrames, blocks: Numbers, n_samples: int, shuffle_blocks: int, generator: np.random.Generator
) -> Numbers:
    """Blocks in the order of reading: steps 1 and 2 of the file's opening."""
    reach = int((samples.frames[:, -1] - samples.frames[:, 0]).max())
    mean_frames = float(np.diff(samples.edges)[blocks].mean())
    length = int(np.ceil(len(blocks) * min(reach, mean_frames) / (shuffle_blocks * mean_frames)))
    length = max(1, min(length, len(blocks) // shuffle_blocks))
    turned = np.roll(blocks, -int(generator.integers(len(blocks))))
    runs = [turned[i : i + length].tolist() for i in range(0, len(turned), length)]
    waiting = [runs[i] for i in generator.permutation(len(runs))]
    opened, order = [], []
    while waiting or opened:
        while waiting and len(opened) < shuffle_blocks:
            opened.append(waiting.pop())
        i = int(generator.integers(len(opened)))
        order.append(opened[i].pop(0))
        if not opened[i]:
            opened.pop(i)
    return np.array(order)


def _shuffled_samples(
    samples: SampleFrames, chosen: Numbers, order: Numbers, shuffle_blocks: int, generator: np.random.Generator
) -> Numbers:
    """Samples in the order of coming out: step 3."""
    position = np.full(len(samples.edges) - 1, -1)
    position[order] = np.arange(len(order))
    complete = position[samples.blocks_of(samples.frames[chosen])].max(axis=1)
    by_read = np.argsort(complete, kind="stable")
    ends = np.searchsorted(complete[by_read], np.arange(len(order)), side="right")
    least = len(chosen) * (shuffle_blocks - 1) // len(order)
    # one number a sample decides which of those that wait comes out
    draws = generator.random(len(chosen))
    waiting: list[int] = []
    emitted: list[int] = []
    begin = 0
    for end in ends.tolist():
        waiting.extend(chosen[by_read[begin:end]].tolist())
        begin = end
        keep = 0 if end == len(chosen) else least
        while len(waiting) > keep:
            i = int(draws[len(emitted)] * len(waiting))
            waiting[i], waiting[-1] = waiting[-1], waiting[i]
            emitted.append(waiting.pop())
    return np.array(emitted, np.int64)


def _plan(samples: SampleFrames, emitted: Numbers, order: Numbers, batch_size: int) -> Plan:
    """The plan that emits samples in this order and reads blocks in that order, as far as they need them."""
    frames = samples.frames[emitted]
    used = np.unique(frames)
    blocks = samples.blocks_of(used)
    position = np.full(len(samples.edges) - 1, -1)
    read_order = order[np.isin(order, blocks)]
    position[read_order] = np.arange(len(read_order))
    by_read = used[np.argsort(position[blocks], kind="stable")]
    reads = np.split(by_read, np.cumsum(np.bincount(position[blocks])))[:-1]
    batch = np.arange(len(emitted)) // batch_size
    n_batches = -(-len(emitted) // batch_size)
    needs = np.zeros(n_batches, np.int64)
    np.maximum.at(needs, batch, position[samples.blocks_of(frames)].max(axis=1, initial=-1) + 1)
    needs = np.maximum.accumulate(needs)
    # the last batch that needs a frame
    last = np.zeros(int(samples.edges[-1]), np.int64)
    np.maximum.at(last, frames, batch[:, None])
    by_release = used[np.argsort(last[used], kind="stable")]
    release_ends = np.searchsorted(last[by_release], np.arange(n_batches), side="right")
    frees = np.split(by_release, release_ends)[:-1]
    # when read r is needed, the batches before the first that needs it have gone
    arrived = np.cumsum([len(read) for read in reads])
    gone = np.concatenate([[0], release_ends])[np.searchsorted(needs, np.arange(len(reads)), side="right")]
    batches = np.split(emitted, np.arange(batch_size, len(emitted), batch_size)) if len(emitted) else []
    return Plan(batches, reads, needs, frees, int((arrived - gone).max(initial=0)))
