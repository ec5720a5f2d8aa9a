"""The compiled sums of kernels.cpp as functions of tensors."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sciml.core import native

SOURCE = Path(__file__).with_name("kernels.cpp")
_SUFFIX = {torch.float32: "f32", torch.float64: "f64"}

Kernel = Callable[[tuple[int, ...], Sequence[Tensor], Tensor], Tensor]

_recording: ContextVar[bool] = ContextVar("recording", default=False)


@contextmanager
def recorded() -> Iterator[None]:
    """Within it the kernels do not run: a tracer records them as operators `sciml::kernel`.

    Whatever runs the recorded graph must implement that operator, as the LAMMPS plugin does.
    """
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


def kernel(name: str, like: Tensor) -> Kernel | None:
    """The kernel for the device and precision of `like`, as a function (sizes, inputs, output) -> output.

    None where there is none: on another device, in half precision, or without a compiler. Inputs must be contiguous.
    """
    if like.device.type != "cpu" or like.dtype not in _SUFFIX:
        return None
    if _recording.get():
        return _operator(name)
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


def _operator(name: str) -> Kernel:
    _define_operator()

    # sizes may be symbols, which the types of a `Kernel` do not say
    def run(sizes: Any, inputs: Sequence[Tensor], out: Tensor) -> Tensor:
        return torch.ops.sciml.kernel(name, sizes, inputs, out.shape)

    return run


@functools.cache
def _define_operator() -> None:
    # the plugin, loaded into this process before, has the same definition
    if not hasattr(torch.ops.sciml, "kernel"):
        torch.library.define("sciml::kernel", "(str name, SymInt[] sizes, Tensor[] inputs, SymInt[] shape) -> Tensor")
    torch.library.register_fake("sciml::kernel", lambda name, sizes, inputs, shape: inputs[-1].new_empty(shape))
