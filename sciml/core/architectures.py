"""Tables of architectures, each name with its configuration and its network: which of them a value means."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import make_dataclass
from typing import Any, TypeVar

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError

T = TypeVar("T")
# name -> (dataclass of sizes, network)
Architectures = Mapping[str, tuple[Any, Any]]


def architecture_of(config: Any, architectures: Architectures) -> str:
    """The name of the architecture that a configuration belongs to.

    >>> architecture_of(2.5, {"whole": (int, None), "real": (float, None)})
    'real'
    """
    for name, (config_class, _) in architectures.items():
        if isinstance(config, config_class):
            return name
    raise ValueError(f"a config of one of {', '.join(architectures)} is needed, but got {type(config).__name__}.")


def experiment_class(base: type[T], architectures: Architectures, raw: Mapping[str, Any], example: str) -> type[T]:
    """The kind of an experiment's dataclass whose `model` has the fields of the architecture that `raw` names.

    Args:
        base: frozen dataclass with a field `model`.
        architectures: of the domain.
        raw: the experiment.
        example: a folder in models/, for the message.

    Raises:
        UserError: no model, or an architecture that is not among them.
    """
    model = raw.get("model")
    name = model.get("architecture") if isinstance(model, Mapping) else None
    if name is None:
        raise UserError(f"`model` is missing. Give one of `sciml list models`, e.g. `model: {example}`.")
    if not isinstance(name, str) or name not in architectures:
        hint = suggest(str(name), architectures)
        wanted = ", ".join(architectures)
        raise UserError(f"`model.architecture` must be one of {wanted}, but is {name!r}. {hint}".strip())
    return _experiment_class(base, architectures[name][0])


@functools.cache
def _experiment_class(base: type[T], model_class: type) -> type[T]:
    name = f"{model_class.__name__.removesuffix('Config')}Experiment"
    return make_dataclass(name, [("model", model_class)], bases=(base,), frozen=True)
