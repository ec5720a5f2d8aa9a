"""Memory is used again, and never while somebody holds it."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sciml.weather.training.memory import RecycledMemory


def test_memory_is_used_again_only_when_nobody_holds_it() -> None:
    memory = RecycledMemory()
    one = memory.take((3, 4))
    view, address = one[1:].numpy(), one.data_ptr()
    del one
    other = memory.take((3, 4))
    assert other.data_ptr() != address
    del view
    # a little smaller fits too
    assert memory.take((3, 3)).data_ptr() == address
    assert memory.take((100,)).shape == (100,)
    assert memory.take((2, 0)).shape == (2, 0)


def test_views_of_views_hold_it() -> None:
    memory = RecycledMemory()
    one = memory.take_bytes(64)
    address, view = one.ctypes.data, one.view(np.float32).reshape(4, 4)[1:][:, 2]
    del one
    assert memory.take_bytes(64).ctypes.data != address
    del view
    assert address in [memory.take_bytes(64).ctypes.data, memory.take_bytes(64).ctypes.data]


def test_threads_do_not_get_the_same() -> None:
    memory = RecycledMemory()

    def work(number: int) -> bool:
        for _ in range(200):
            mine = memory.take_bytes(40)
            mine[:] = number
            if (mine != number).any():
                return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))


def test_a_copy_begins_empty() -> None:
    memory = RecycledMemory()
    memory.take((8,))
    assert copy.copy(memory)._free == []
