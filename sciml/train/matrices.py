"""Which parameters an optimiser of matrices takes as matrices, and how."""

from __future__ import annotations

from torch import Tensor


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
