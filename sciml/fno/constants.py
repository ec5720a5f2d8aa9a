"""Tensors that follow from sizes alone (matrices, coordinates), made once for each precision and device."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import ParamSpec, TypeAlias, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

Given = ParamSpec("Given")
Made = TypeVar("Made")
Builder: TypeAlias = Callable[..., Float64[np.ndarray, "..."]]

_MADE: dict[Hashable, Tensor] = {}


def outside_graphs(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """A decorator: `torch.compile` leaves its graph for this function, of which the result depends on sizes alone.

    (With `assume_constant_result` torch 2.13 takes two results of a function for one.)
    """
    return cast(Callable[Given, Made], torch.compiler.disable(function))


@outside_graphs
def constant(build: Builder, *sizes: Hashable, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`build(*sizes)`, a float64 array, as a tensor of this precision and device: made once, and in no state dict.

    >>> constant(np.eye, 2, dtype=torch.float32, device=torch.device("cpu"))
    tensor([[1., 0.],
            [0., 1.]])
    """
    key = (build, sizes, dtype, device)
    if (made := _MADE.get(key)) is None:
        # made for good: autograd refuses a tensor of inference mode when training asks for the same sizes later
        with torch.inference_mode(False):
            made = torch.from_numpy(build(*sizes)).to(device=device, dtype=dtype)
        # within a tracer it is the tracer's, which nobody else may use
        if type(made) is Tensor:
            _MADE[key] = made
    return made
