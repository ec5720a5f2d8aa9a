"""Exported networks give the numbers of the network: torch.export's in torch, ONNX files in onnxruntime."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno import constants, export
from sciml.fno.export import export_onnx, export_program
from sciml.fno.fno import FNO, FNOConfig
from sciml.fno.grids import Grid

# torch's own code calls what torch deprecates
pytestmark = pytest.mark.filterwarnings("ignore:`isinstance\\(treespec:FutureWarning")


def make(shape: tuple[int, ...], n_conditions: int, **options: Any) -> FNO:
    torch.manual_seed(0)
    options = {"modes": (4,) * len(shape), "width": 4, "layers": 2, "padding": 0.25, **options}
    return FNO(FNOConfig(**options), 2, 3, Grid(shape, (True, False)[: len(shape)]), n_conditions)


def test_a_program_takes_any_number_of_samples() -> None:
    """Of all modes too, for which FFT is the quicker route outside of a program."""
    network = make((256,), n_conditions=0, modes=(256,), layers=1)
    constants._MADE.clear()
    program = export_program(network, (256,))
    assert {type(tensor) for tensor in constants._MADE.values()} == {Tensor}, "nothing of the tracer is left behind"
    assert not [node for node in program.graph.nodes if "fft" in str(node.target)]
    x = torch.randn(5, 256, 2)
    # sums of 256 products of order 1 in float32, in another order
    torch.testing.assert_close(program.module()(x), network(x), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_an_onnx_file_has_the_numbers_of_the_network(tmp_path: Path) -> None:
    """With low-rank weights, which are complex in torch, with padding and conditions, for any number of samples."""
    network = make((10, 9), n_conditions=1, weights="tt")
    export_onnx(network, (10, 9), tmp_path / "network.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["network.onnx"], "weights are inside"
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    x, condition = torch.randn(3, 10, 9, 2), torch.randn(3, 1)
    (y,) = session.run(["y"], {"x": x.numpy(), "condition": condition.numpy()})
    # sums of some hundred products of order 1 in float32, in another order
    torch.testing.assert_close(torch.from_numpy(y), network(x, condition).detach(), atol=1e-5, rtol=0)


def test_what_cannot_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make((10, 9), n_conditions=0)
    with pytest.raises(UserError, match="use a finer grid"):
        export_program(network, (3, 9))
    monkeypatch.setattr(export, "LARGEST_ONNX_BYTES", 100)
    with pytest.raises(UserError, match=r"up to 100 bytes.* Use `export_program` and `torch.export.save`"):
        export_onnx(network, (10, 9), tmp_path / "network.onnx")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install onnx onnxscript"):
        export_onnx(network, (10, 9), tmp_path / "network.onnx")
