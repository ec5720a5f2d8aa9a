"""The moving average against its definition, and that borrowing it leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sciml.train.ema import ExponentialAverage


def test_is_the_recursion() -> None:
    network = nn.Linear(1, 1, bias=False).double()
    average = ExponentialAverage(network, decay=0.5)
    expected = network.weight.item()
    for step, value in enumerate([1.0, 2.0, 3.0, 10.0] * 4):
        nn.init.constant_(network.weight, value)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert average.average[0].item() == pytest.approx(expected, rel=1e-14)  # a dozen roundings of float64


def test_applied_leaves_no_trace_even_after_an_error() -> None:
    network = nn.Linear(3, 2)
    average = ExponentialAverage(network, decay=0.9)
    first = network.weight.detach().clone()
    nn.init.normal_(network.weight)
    own = network.weight.detach().clone()
    inside: list[torch.Tensor] = []

    def fail() -> None:
        with average.applied():
            inside.append(network.weight.detach().clone())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert torch.equal(inside[0], first)
    assert torch.equal(network.weight, own)
    assert torch.equal(average.average[0], first)


def test_restore() -> None:
    network = nn.Linear(3, 2)
    average = ExponentialAverage(network, decay=0.9)
    saved = [torch.ones(2, 3), torch.zeros(2)]
    average.restore(saved)
    saved[0].zero_()
    assert torch.equal(average.average[0], torch.ones(2, 3)), "a copy, not the tensor itself"
