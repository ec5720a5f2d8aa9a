"""Processes that train together: who is first, and sums over all of them. One process needs no setup."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number; 0 writes the files."""
    return dist.get_rank() if world_size() > 1 else 0


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum of a tensor over all processes."""
    return _reduced(values, dist.ReduceOp.SUM)


def largest_over_ranks(values: Tensor) -> Tensor:
    """The largest of each number over all processes."""
    return _reduced(values, dist.ReduceOp.MAX)


def _reduced(values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    if world_size() == 1:
        return values
    # nccl reduces on the GPU only
    moved = values.cuda() if dist.get_backend() == "nccl" else values.clone()
    dist.all_reduce(moved, op=operation)
    return moved.to(values.device)
