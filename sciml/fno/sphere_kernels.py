"""The compiled loops of sphere_kernels.cpp as functions of tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from sciml.core import native
from sciml.fno import kernels

SOURCE = Path(__file__).with_name("sphere_kernels.cpp")


def runs_on(x: Tensor) -> bool:
    """Whether compiled loops can take over for this tensor, here and now."""
    return kernels.runs_on(x) and native.load(SOURCE) is not None


def call(name: str, sizes: tuple[int, ...], inputs: Sequence[Tensor], out: Tensor) -> Tensor:
    """Runs one loop on contiguous tensors and gives back its output."""
    library = native.load(SOURCE)
    assert library is not None and all(tensor.is_contiguous() for tensor in (*inputs, out))
    kernels.call(library, name, out, [ctypes.c_int64(size) for size in sizes], [*inputs, out])
    return out
