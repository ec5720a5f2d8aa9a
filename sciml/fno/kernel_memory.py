"""Tensors in memory of the compiled kernels' pool (kernels_memory.h), which spares the time to map new pages.

The memory goes back to the pool when the last tensor that stands in it is gone, whoever holds it until then.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

_TYPE = {torch.float32: "f4", torch.float64: "f8"}
# smaller ones torch allocates as quickly
_LEAST_BYTES = 1 << 20


class _Lease:
    """What numpy asks for an array's memory."""

    def __init__(self, library: ctypes.CDLL, shape: tuple[int, ...], kind: str, size: int) -> None:
        self.size = ctypes.c_int64(size)
        self.give = library.give_memory
        self.give.argtypes, self.give.restype = [ctypes.c_void_p, ctypes.c_int64], None
        take = library.take_memory
        take.argtypes, take.restype = [ctypes.c_int64], ctypes.c_void_p
        self.at = take(self.size)
        if self.at is None:
            raise MemoryError(f"There is no memory left for a field of shape {list(shape)}, {size / 1e6:.0f} MB.")
        self.__array_interface__: dict[str, Any] = {
            "data": (self.at, False),
            "shape": shape,
            "typestr": f"={kind}",
            "version": 3,
        }

    def __del__(self) -> None:
        if getattr(self, "at", None) is not None:
            self.give(self.at, self.size)


def empty(library: ctypes.CDLL, like: Tensor, *shape: int) -> Tensor:
    """A tensor whose numbers are not set, of the precision of another.

    Raises:
        MemoryError: there is not enough.
    """
    size = math.prod(shape) * like.element_size()
    if size < _LEAST_BYTES:
        return like.new_empty(shape)
    return torch.from_numpy(np.asarray(_Lease(library, shape, _TYPE[like.dtype], size)))
