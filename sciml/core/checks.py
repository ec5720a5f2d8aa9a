"""Checks of numbers that a user sets."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sciml.core.errors import UserError


def check_ranges(part: str, config: object, ranges: Mapping[str, tuple[float | int, float | int]]) -> None:
    """Refuses fields of a dataclass outside of their range, both ends allowed.

    Args:
        part: name of the dataclass in an experiment, e.g. "model".
        config: the dataclass.
        ranges: smallest and largest value by field.

    Raises:
        UserError: naming the field, its range and its value.

    >>> from types import SimpleNamespace
    >>> check_ranges("model", SimpleNamespace(layers=0), {"layers": (1, 20)})
    Traceback (most recent call last):
        ...
    sciml.core.errors.UserError: `model.layers` needs to be between 1 and 20, but is 0.
    """
    for name, (smallest, largest) in ranges.items():
        value = getattr(config, name)
        if not (math.isfinite(value) and smallest <= value <= largest):
            wanted = f"at least {smallest:g}" if math.isinf(largest) else f"between {smallest:g} and {largest:g}"
            raise UserError(f"`{part}.{name}` needs to be {wanted}, but is {value}.")
