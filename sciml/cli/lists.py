"""Types of options that take several words or numbers with commas between them."""

from __future__ import annotations

import argparse


def words(text: str) -> tuple[str, ...]:
    """`z500, t2m` -> ("z500", "t2m")."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str) -> tuple[float, ...]:
    """`24,72` -> (24.0, 72.0)."""
    try:
        return tuple(float(word) for word in words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs numbers with commas between them, but got {text!r}") from None


def whole_numbers(text: str) -> tuple[int, ...]:
    """`0,6,12,18` -> (0, 6, 12, 18)."""
    try:
        return tuple(int(word) for word in words(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs whole numbers with commas between them, but got {text!r}") from None


def positive(text: str) -> float:
    """One number above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"needs a number above zero, but got {text!r}")
    return value
