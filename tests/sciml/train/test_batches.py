"""Which samples come when: each once an epoch, the same after a resume, fairly dealt to processes."""

from __future__ import annotations

from collections import namedtuple
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch as GraphBatch
from torch_geometric.data import Data

from sciml.train import batches
from sciml.train.batches import Batch, Collate, Loaders, TrainBatches, ValidationBatches, map_tensors
from sciml.train.config import TrainConfig
from sciml.train.progress import Progress


def of_rank(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(batches, "rank", lambda: number)


@given(n=st.integers(1, 50), size=st.integers(1, 9), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 1000))
def test_an_epoch_has_each_sample_once(n: int, size: int, seed: int, epoch: int) -> None:
    found = list(TrainBatches(n, size, seed, 1, Progress(epoch=epoch)))
    assert sorted(sum(found, [])) == list(range(n))
    assert {len(batch) for batch in found[:-1]} <= {size}
    assert found == list(TrainBatches(n, size, seed, 1, Progress(epoch=epoch)))


def test_epochs_and_seeds_differ() -> None:
    orders = {
        tuple(sum(TrainBatches(20, 4, seed, 1, Progress(epoch=epoch)), [])) for seed in range(5) for epoch in range(5)
    }
    assert len(orders) == 25


@given(n=st.integers(1, 50), size=st.integers(1, 9), done=st.integers(0, 50))
def test_a_resumed_epoch_has_the_rest(n: int, size: int, done: int) -> None:
    whole = list(TrainBatches(n, size, 0, 1, Progress(epoch=3)))
    assert list(TrainBatches(n, size, 0, 1, Progress(epoch=3, batch=done))) == whole[done:]


@given(n=st.integers(3, 60), size=st.integers(1, 5))
def test_processes_share_the_steps_of_the_doubled_batch(n: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        shares = []
        for number in range(3):
            of_rank(patch, number)
            shares.append(list(TrainBatches(n, size, 0, 3, Progress())))
    together = [sum(parts, []) for parts in zip(*shares, strict=True)]
    whole = list(TrainBatches(n, 3 * size, 0, 1, Progress()))
    # fewer samples than processes do not make a step
    assert together == [batch for batch in whole if len(batch) >= 3]
    for parts in zip(*shares, strict=True):
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(n=st.integers(2, 30), size=st.integers(1, 7))
def test_validation_shares_are_everything_once(n: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found: list[int] = []
        for number in range(2):
            of_rank(patch, number)
            for batch in ValidationBatches(n, size, 2):
                assert 1 <= len(batch) <= size
                found += batch
    assert sorted(found) == list(range(n))


def test_loaders_leave_the_global_generator_alone(toy: ModuleType) -> None:
    loaders = Loaders(toy.make_problem(), TrainConfig(), Progress())
    before = torch.get_rng_state()
    assert [batch.samples for batch in loaders.train] == [8, 8, 4]
    assert [batch.samples for batch in loaders.validation] == [7]
    assert torch.equal(torch.get_rng_state(), before)


def test_double_precision_reaches_every_kind_of_batch() -> None:
    graph = Data(pos=torch.zeros(2, 3), z=torch.ones(2, dtype=torch.long))
    batch, samples = Collate(GraphBatch.from_data_list, double=True)([graph, graph])
    assert (batch.pos.dtype, batch.z.dtype, samples) == (torch.float64, torch.int64, 2)
    assert graph.pos.dtype == torch.float32, "the data itself stays as it is"
    assert Collate(GraphBatch.from_data_list, double=False)([graph]).data.pos.dtype == torch.float32


def test_map_tensors() -> None:
    pair = namedtuple("pair", "a b")
    nested = {"x": [torch.ones(1), (torch.ones(1), "name")], "y": pair(torch.ones(1), None)}
    mapped = map_tensors(lambda tensor: tensor + 1, nested)
    assert mapped == {"x": [torch.tensor([2.0]), (torch.tensor([2.0]), "name")], "y": pair(torch.tensor([2.0]), None)}
    assert isinstance(mapped["y"], pair)
    assert isinstance(map_tensors(lambda tensor: tensor, Batch(torch.ones(1), 1)), Batch)
