"""The compiled sums of kernels.cpp as functions of tensors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sciml.core import native

SOURCE = Path(__file__).with_name("kernels.cpp")
_SUFFIX = {torch.float32: "f32", torch.float64: "f64"}

Kernel = Callable[[tuple[int, ...], Sequence[Tensor], Tensor], Tensor]


def kernel(name: str, like: Tensor) -> Kernel | None:
    """The kernel for the device and precision of `like`, as a function (sizes, inputs, output) -> output.

    None where there is none: on another device, in half precision, or without a compiler. Inputs must be contiguous.
    """
    if like.device.type != "cpu" or like.dtype not in _SUFFIX:
        return None
    library = native.load(SOURCE)
    if library is None:
        return None
    function = getattr(library, f"{name}_{_SUFFIX[like.dtype]}")

    def run(sizes: tuple[int, ...], inputs: Sequence[Tensor], out: Tensor) -> Tensor:
        assert all(tensor.is_contiguous() for tensor in (*inputs, out))
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (*inputs, out)]
        function(*map(ctypes.c_int64, sizes), *pointers, ctypes.c_int(torch.get_num_threads()))
        return out

    return run
