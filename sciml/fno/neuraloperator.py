"""Weights of neuraloperator 2.0's `FNO` for ours: the same structure, other names and orders of axes.

    network = FNO(FNOConfig(modes=(16, 16)), 1, 1, Grid((64, 64), (True, True)))
    network.load_state_dict(from_neuraloperator(network, theirs.state_dict()))

The outputs agree on periodic grids, up to rounding, where an axis but the last has an even number of points: with an
odd number neuraloperator shifts the frequencies of its result by one. It places coordinates at i / n of all axes and
pads by another rule, so on axes that are not periodic only weights can be shared. Without a channel MLP it applies GELU
twice behind each block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.fno import FNO

# their names, as patterns, and ours
_NAMES = {
    r"(lifting|projection)\.fcs\.0\.(weight|bias)": r"\1.first.\2",
    r"(lifting|projection)\.fcs\.1\.(weight|bias)": r"\1.second.\2",
    r"fno_blocks\.convs\.(\d+)\.bias": r"blocks.\1.bias",
    r"fno_blocks\.convs\.(\d+)\.weight\.tensor": r"blocks.\1.spectral.weight",
    r"fno_blocks\.convs\.(\d+)\.weight\.(weights|core)": r"blocks.\1.spectral.\2",
    r"fno_blocks\.convs\.(\d+)\.weight\.factors\.factor_(\d+)": r"blocks.\1.spectral.factors.\2",
    r"fno_blocks\.fno_skips\.(\d+)\.(?:conv\.)?weight": r"blocks.\1.skip.weight",
    r"fno_blocks\.channel_mlp\.(\d+)\.fcs\.0\.(weight|bias)": r"blocks.\1.mlp.first.\2",
    r"fno_blocks\.channel_mlp\.(\d+)\.fcs\.1\.(weight|bias)": r"blocks.\1.mlp.second.\2",
    r"fno_blocks\.channel_mlp_skips\.(\d+)\.(?:conv\.)?weight": r"blocks.\1.mlp_skip.weight",
}


def from_neuraloperator(network: FNO, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict for `network` out of the tensors of a state dict of neuraloperator's `FNO`.

    Raises:
        UserError: a tensor which has no place in the network, one without a tensor, or another size.
    """
    ours = network.state_dict()
    converted: dict[str, Tensor] = {}
    for theirs, tensor in tensors.items():
        name = _our_name(theirs)
        if name not in ours:
            raise UserError(
                f"{theirs} of neuraloperator has no place in the network; are `skip` and `weights` the same?"
            )
        tensor = _converted(name, tensor, network.config.weights == "separable")
        # what is left over are axes of length 1 of maps over channels
        if tensor.numel() != ours[name].numel():
            raise UserError(
                f"{theirs} of neuraloperator has {list(tensor.shape)} numbers, but the network has "
                f"{list(ours[name].shape)} in {name}. Give both the same channels, modes and rank."
            )
        converted[name] = tensor.reshape(ours[name].shape).to(ours[name].dtype)
    if missing := ours.keys() - converted.keys():
        raise UserError(f"neuraloperator's tensors lack {sorted(missing)[0]}; are `layers` and the MLPs the same?")
    return converted


def _our_name(theirs: str) -> str:
    for pattern, ours in _NAMES.items():
        if match := re.fullmatch(pattern, theirs):
            return match.expand(ours)
    return theirs


def _converted(name: str, tensor: Tensor, separable: bool) -> Tensor:
    """Complex numbers as pairs; of a weight that is stored as a whole, frequencies before channels."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    if name.endswith("spectral.weight"):
        channels = 1 if separable else 2
        tensor = tensor.movedim(tuple(range(channels)), tuple(range(-channels - 1, -1)))
    return tensor
