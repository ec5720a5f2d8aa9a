"""Operator networks for other programs: as a torch.export program, or as an ONNX file.

The graph is for one grid and any number of samples. It has no FFT and no complex numbers: Fourier transforms are
products with constant matrices, and low-rank spectral weights are multiplied out.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import warnings
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from sciml.core.errors import UserError
from sciml.fno.spectral_weights import Dense, LowRank

# the file format ends there; larger networks would need a second file for their weights
LARGEST_ONNX_BYTES = 2**31


def export_program(network: nn.Module, shape: tuple[int, ...]) -> ExportedProgram:
    """The network as a graph (x [b, *shape, i], and condition [b, k] if it has any) -> y [b, *shape, o].

    `torch.export.save` writes it to a file; `.module()` runs it.

    Args:
        network: an operator network on the CPU; it stays as it is.
        shape: points along each axis of the fields.

    Raises:
        UserError: a grid that the network does not take.
    """
    network = _without_factors(network).eval()
    dtype = next(network.parameters()).dtype
    # two samples: a size of one would be taken for a constant
    inputs = [torch.zeros(2, *shape, cast(int, network.in_channels), dtype=dtype)]
    if n_conditions := cast(int, network.n_conditions):
        inputs.append(torch.zeros(2, n_conditions, dtype=dtype))
    batch = Dim("batch")
    with torch.no_grad():
        network(*inputs)
        return torch.export.export(network, tuple(inputs), dynamic_shapes=tuple({0: batch} for _ in inputs))


def export_onnx(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """Writes the network as one ONNX file with inputs "x" and, if it has any, "condition", and output "y".

    Args:
        network: an operator network on the CPU; it stays as it is.
        shape: points along each axis of the fields.
        path: of the file, which is replaced.

    Raises:
        UserError: onnx or onnxscript is not installed, the weights exceed what a file may hold, or a grid that the
            network does not take.
    """
    if any(importlib.util.find_spec(package) is None for package in ("onnx", "onnxscript")):
        raise UserError("Writing ONNX needs two more packages: pip install onnx onnxscript")
    program = export_program(network, shape)
    size = sum(tensor.nbytes for tensor in program.state_dict.values())
    if size > LARGEST_ONNX_BYTES:
        raise UserError(
            f"An ONNX file holds up to {LARGEST_ONNX_BYTES} bytes, but the network has {size}. "
            "Use `export_program` and `torch.export.save`."
        )
    names = ["x", "condition"][: len(program.graph_signature.user_inputs)]
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    # it names each operator of torchvision that is not installed
    registry.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch's own deprecated calls, and that both inputs have the same batch
            warnings.simplefilter("ignore")
            torch.onnx.export(
                program, (), path, input_names=names, output_names=["y"], external_data=False, verbose=False
            )
    finally:
        registry.setLevel(level)


def _without_factors(network: nn.Module) -> nn.Module:
    """A copy in which low-rank spectral weights are dense ones."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LowRank):
                dense = Dense(child.modes, child.channels, rank=1.0)
                dense.weight = nn.Parameter(child.dense().detach())
                setattr(parent, name, dense)
    return network
