"""Training that begins from the weights of a trained network, perhaps of one that has the solutions of many parameters.

Such a network with its parameters held fixed is a network of the coordinates alone: what the first layers make of the
parameters becomes a part of their biases.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from sciml.core.architectures import architecture_of
from sciml.core.checkpoint import load_checkpoint, load_weights, network_tensors
from sciml.core.errors import UserError
from sciml.core.trained import find_weights
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.places import constant
from sciml.pde.pinn.space import DomainConfig
from sciml.pinn.networks import NETWORKS

logger = logging.getLogger(__name__)

DOMAIN = "pinn"
# beginnings of the names of tensors of a network, of the layers that see its coordinates
_FIRST_LAYERS = ("hidden.0.", "gates.0.", "gates.1.")
_FOLDABLE = ("mlp", "modified-mlp")


def start_from(config: PinnExperiment, network: PinnNetwork) -> None:
    """Puts the weights of the run that `start_from` names into the network of an experiment.

    Parameters that are coordinates of that network alone are held at the value that the experiment has for them: among
    `equation.constants`, or the start of one of `equation.unknowns`, whose values here stay as they are.

    Raises:
        UserError: no such run; a network of another kind, size, space or equation; or no value for a parameter.
    """
    file = find_weights(str(config.start_from))
    tensors, metadata = load_checkpoint(file)
    if metadata.get("domain") != DOMAIN or "space" not in metadata:
        raise UserError(
            f"{file}: `start_from` needs a physics-informed network, but this is one of {metadata.get('domain')!r}."
        )
    theirs = DomainConfig(**{**metadata["space"], "shape": None})
    architecture = architecture_of(config.model, NETWORKS)
    for name, came, needed in (
        ("equation", metadata["equation"], config.equation.name),
        ("architecture", metadata["architecture"], architecture),
        ("windows", metadata["windows"], config.windows),
        *((key, getattr(theirs, key), getattr(config.space, key)) for key in ("coordinates", "fields")),
        *((key, sorted(getattr(theirs, key)), sorted(getattr(config.space, key))) for key in ("periodic", "even")),
        *((f"model.{key}", metadata["model"].get(key), value) for key, value in asdict(config.model).items()),
    ):
        if came != needed:
            raise UserError(f"{file}: `start_from` needs a network with the same {name}, {needed}, but its is {came}.")
    weights = network_tensors(tensors)
    held = _held(config, theirs, str(file))
    if held:
        if architecture not in _FOLDABLE or config.model.factorised or config.model.fourier:
            raise UserError(
                f"{file} has the parameters {', '.join(held)}; they can be held fixed in the architectures "
                f"{' and '.join(_FOLDABLE)} without `factorised` and `fourier` alone."
            )
        weights = _fold(weights, theirs, held)
    ours = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("unknowns.")}
    weights = {name: tensor for name, tensor in weights.items() if not name.startswith("unknowns.")}
    load_weights(network, {**weights, **ours}, file)


def _held(config: PinnExperiment, theirs: DomainConfig, source: str) -> dict[str, float]:
    """Values of the parameters that are to be fixed; those left have to be the experiment's own."""
    space, found = config.space, {}
    for name, (low, high) in theirs.parameters.items():
        if name in space.parameters:
            continue
        if name in config.equation.constants:
            found[name] = constant(config.equation.constants[name], f"equation.constants.{name}")
        elif name in config.equation.unknowns:
            found[name] = config.equation.unknowns[name].start
        else:
            raise UserError(f"{source} has the parameter `{name}`; give its value in `equation.constants`.")
        if not low <= found[name] <= high:
            logger.warning(
                "`%s`, %g, is outside of what %s was trained for: %g to %g", name, found[name], source, low, high
            )
        if name in theirs.log and found[name] <= 0:
            raise UserError(f"{source} has the parameter `{name}` by its logarithm, but it is {found[name]} here.")
    for key, came, needed in (
        ("space.parameters", {n: ends for n, ends in theirs.parameters.items() if n not in found}, space.parameters),
        ("space.log", [n for n in theirs.log if n not in found], space.log),
    ):
        if came != needed:
            raise UserError(
                f"{source}: `start_from` needs a network with the same `{key}`, {needed}, but its is {came}."
            )
    return found


def _fold(weights: Mapping[str, Tensor], theirs: DomainConfig, held: Mapping[str, float]) -> dict[str, Tensor]:
    """Weights of the network without the parameters that are held."""
    box = theirs.box()
    middle = [(low + high) / 2 for low, high in zip(theirs.low, theirs.high, strict=True)]
    place = [held.get(name, value) for name, value in zip(theirs.axes, middle, strict=True)]
    low, high = box.ends()
    here = box.straight(torch.tensor([place], dtype=torch.float64))[0]
    scaled = 2 * (here - low) / (high - low) - 1
    # parameters come first and none of them is periodic, so each is one feature
    gone = torch.tensor([place for place, name in enumerate(theirs.parameters) if name in held])
    found: dict[str, Any] = dict(weights)
    for name, weight in weights.items():
        if name.partition(".network.")[2].startswith(_FIRST_LAYERS) and name.endswith(".weight"):
            bias = name.removesuffix("weight") + "bias"
            stays = torch.ones(weight.shape[1], dtype=torch.bool)
            stays[gone] = False
            found[name] = weight[:, stays]
            found[bias] = weights[bias] + weight[:, gone] @ scaled[gone]
    return found
