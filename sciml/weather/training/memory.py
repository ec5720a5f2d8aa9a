"""Memory that is used again: new memory is cleared first, page by page, which takes longer than filling it."""

from __future__ import annotations

import math
import threading
import weakref

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor


class RecycledMemory:
    """Arrays whose memory is used again when nobody holds them any more. Any number of threads may take some."""

    def __init__(self) -> None:
        self._free: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[RecycledMemory], tuple[()]]:
        """A copy for another process begins empty."""
        return RecycledMemory, ()

    def take_bytes(self, size: int) -> UInt8[np.ndarray, " size"]:
        """So many bytes with any values, nobody else's until the array and all views of it are gone."""
        # what comes back, in whichever thread and at whatever moment, is appended without the lock
        with self._lock:
            # one of about this size, which is replaced when it is too small
            index = next((i for i, buffer in enumerate(self._free) if size / 2 <= buffer.size <= 2 * size), None)
            buffer = np.empty(0, np.uint8) if index is None else self._free.pop(index)
        if buffer.size < size:
            # up to a quarter more, which is not touched, so that it serves for what is about as large
            step = 2 ** max(size.bit_length() - 3, 0)
            buffer = np.empty(-(-size // step) * step, np.uint8)
        # views of views hold the last array before something else than an array, so that has to be this one
        lent = np.asarray(buffer.data[:size])
        weakref.finalize(lent, self._free.append, buffer).atexit = False
        return lent

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """A float32 tensor in such memory."""
        return torch.from_numpy(self.take_bytes(4 * math.prod(shape)).view(np.float32).reshape(shape))
