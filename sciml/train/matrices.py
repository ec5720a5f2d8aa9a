"""What optimisers of matrices share: which parameters they take as matrices, and how they go over them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class MatrixOptimizer(Optimizer):
    """An optimiser that takes a step for each parameter alone.

    `as_matrices` says what of a parameter is a matrix; `kernels: True` marks a group of kernels of convolutions.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step of all parameters that have a gradient; the closure's loss.

        Raises:
            UserError: a gradient that no step can be taken with.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, parameter.grad, group)
        return loss

    def move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """The step of one parameter, in place."""
        raise NotImplementedError


def is_matrix(x: Tensor) -> bool:
    """Whether the last two dimensions are a matrix, and neither a row nor a column."""
    return x.ndim > 1 and min(x.shape[-2:]) > 1


def as_matrices(x: Tensor, kernel: bool = False) -> Tensor:
    """The last two dimensions as a matrix, those before as a stack of them; a vector stays one.

    Real and imaginary parts in a last dimension of two are columns of one matrix.

    Args:
        x: a parameter or its gradient.
        kernel: whether it is a convolution's, whose last dimensions are places: then a row is all that shares the first
            index.
    """
    if kernel:
        return x.flatten(1)
    parts = x.ndim > 2 and x.shape[-1] == 2
    return x.flatten(-2) if parts else x
