"""Double precision for networks and batches, real and complex."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def double(network: nn.Module) -> None:
    """Turns a network's real and complex tensors, in place, into double precision (`Module.double` skips complex)."""
    network.double()
    for parameter in network.parameters():
        parameter.data = doubled(parameter.data)
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, doubled(buffer))


def doubled(tensor: Tensor) -> Tensor:
    """The tensor in double precision, if it is of numbers that are not whole.

    >>> doubled(torch.ones(1, dtype=torch.complex64)).dtype, doubled(torch.ones(1, dtype=torch.int32)).dtype
    (torch.complex128, torch.int32)
    """
    if tensor.is_complex():
        return tensor.to(torch.complex128)
    return tensor.double() if tensor.is_floating_point() else tensor
