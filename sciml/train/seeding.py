"""Everything random: one seed for all generators, and their states for a resumed run."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch


def mix(*numbers: int) -> int:
    """One seed from some whole numbers, such as seed, epoch and rank, that no other such numbers share."""
    digest = hashlib.sha256(repr(numbers).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1  # what torch takes: below 2**63


def seed_everything(*numbers: int) -> None:
    """Seeds Python, NumPy and torch (all devices) from some whole numbers; call it before a network is built."""
    seed = mix(*numbers)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  domains' libraries use the global generator; it takes 32 bits
    torch.manual_seed(seed)


def rng_state() -> dict[str, Any]:
    """The states of all generators, as `sciml.core.checkpoint.pack_state` takes them."""
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002  as above
    assert isinstance(numpy, dict)
    generator = numpy["state"]
    return {
        "python": random.getstate(),
        "numpy": {**numpy, "state": {**generator, "key": torch.from_numpy(generator["key"].astype(np.int64))}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def restore_rng_state(state: dict[str, Any]) -> None:
    """Puts all generators back to where `rng_state` found them."""
    random.setstate(state["python"])
    numpy = state["numpy"]
    generator = numpy["state"]
    key = generator["key"].numpy().astype(np.uint32)
    np.random.set_state({**numpy, "state": {**generator, "key": key}})  # noqa: NPY002  as above
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(state["cuda"])
