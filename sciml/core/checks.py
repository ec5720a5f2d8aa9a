"""Checks of numbers that a user sets."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sciml.core.errors import UserError


class Excluded(float):
    """An end of a range that is not allowed itself."""


def check_ranges(part: str, config: object, ranges: Mapping[str, tuple[float | int, float | int]]) -> None:
    """Refuses fields of a dataclass outside of their range, and NaN and infinity in any; None, "turned off", passes.

    Args:
        part: name of the dataclass in an experiment, e.g. "model".
        config: the dataclass.
        ranges: smallest and largest value by field, both allowed unless `Excluded`; a largest of infinity is no bound.

    Raises:
        UserError: naming the field, its range and its value.

    >>> from types import SimpleNamespace
    >>> check_ranges("model", SimpleNamespace(layers=0), {"layers": (1, 20)})
    Traceback (most recent call last):
        ...
    sciml.core.errors.UserError: `model.layers` needs to be between 1 and 20, but is 0.
    >>> check_ranges("train", SimpleNamespace(ema_decay=1.0), {"ema_decay": (0, Excluded(1))})
    Traceback (most recent call last):
        ...
    sciml.core.errors.UserError: `train.ema_decay` needs to be at least 0 and less than 1, but is 1.0.
    """
    for name, (smallest, largest) in ranges.items():
        value = getattr(config, name)
        if value is None:
            continue
        outside = (
            not smallest <= value <= largest  # so that NaN is outside
            or math.inf in (value, -value)
            or any(isinstance(end, Excluded) and value == end for end in (smallest, largest))
        )
        if outside:
            finite = "a finite number, " if math.inf in (value, -value) else ""
            raise UserError(f"`{part}.{name}` needs to be {finite}{_in_words(smallest, largest)}, but is {value}.")


def _in_words(smallest: float | int, largest: float | int) -> str:
    low, high = (str(end) if isinstance(end, int) else f"{end:g}" for end in (smallest, largest))
    from_low = f"more than {low}" if isinstance(smallest, Excluded) else f"at least {low}"
    if math.isinf(largest):
        return from_low
    if isinstance(largest, Excluded):
        return f"{from_low} and less than {high}"
    if isinstance(smallest, Excluded):
        return f"{from_low} and at most {high}"
    return f"between {low} and {high}"
