"""Every kind of tensor of a network in double precision."""

from __future__ import annotations

import torch
from torch import nn

from sciml.train.precision import double


def test_double() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    network.register_parameter("spectral", nn.Parameter(torch.ones(2, dtype=torch.complex64)))
    network.register_buffer("filter", torch.ones(2, dtype=torch.complex64), persistent=False)
    parameters = list(network.parameters())
    double(network)
    kinds = {name: tensor.dtype for name, tensor in (*network.named_parameters(), *network.named_buffers())}
    assert kinds.pop("1.num_batches_tracked") == torch.int64
    assert kinds.pop("spectral") == kinds.pop("filter") == torch.complex128
    assert set(kinds.values()) == {torch.float64}
    assert all(old is new for old, new in zip(parameters, network.parameters(), strict=True))
    assert "filter" not in network.state_dict(), "a buffer that is not saved stays so"
