"""One seed for all generators, and their states there and back through a file."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from sciml.core.checkpoint import load_checkpoint, pack_state, save_checkpoint, unpack_state
from sciml.train.seeding import mix, restore_rng_state, rng_state, seed_everything


def draw() -> tuple[float, float, float, list[float]]:
    # two normal numbers come at once, of which the generators keep the second
    return random.random(), random.gauss(0, 1), np.random.standard_normal(), torch.randn(3).tolist()  # noqa: NPY002


def test_seed_everything() -> None:
    seed_everything(0, 1)
    first = draw()
    seed_everything(0, 1)
    assert draw() == first
    seed_everything(1, 0)
    assert draw() != first


def test_states_through_a_file(tmp_path: Path) -> None:
    draw()
    state = rng_state()
    # not simply drawn on: the checks of types in tests draw from Python's generator as well
    restore_rng_state(state)
    first = draw(), draw()
    tensors, structure = pack_state(state)
    save_checkpoint(tmp_path / "a", tensors, {"rng": structure})
    tensors, metadata = load_checkpoint(tmp_path / "a")
    restore_rng_state(unpack_state(tensors, metadata["rng"]))
    assert (draw(), draw()) == first


def test_mix_is_what_torch_takes_and_has_no_collisions() -> None:
    seeds = {mix(seed, epoch, rank) for seed in range(10) for epoch in range(10) for rank in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
