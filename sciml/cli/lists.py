"""Types of options: numbers above zero, and several words or numbers with commas between them."""

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


def count(text: str) -> int:
    """One whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"needs a whole number above zero, but got {text!r}")
    return int(text)


def units(text: str) -> dict[str, str] | str:
    """`t2m=K,tp=mm` -> {"t2m": "K", "tp": "mm"}; `ecmwf` stays."""
    if text == "ecmwf":
        return text
    pairs = [word.partition("=") for word in words(text)]
    if not pairs or not all(name and unit for name, _, unit in pairs):
        raise argparse.ArgumentTypeError(f"needs `ecmwf` or NAME=UNIT,... such as t2m=K,tp=mm, but got {text!r}")
    return {name.strip(): unit.strip() for name, _, unit in pairs}


def add_reading(parser: argparse._ArgumentGroup) -> None:
    """The options that say of files what they do not say themselves."""
    parser.add_argument("--units", metavar="N=U,...", type=units, help="units that files lack: t2m=K, or ecmwf")
    parser.add_argument("--accumulate-hours", metavar="H", type=int, help="sum rain to windows of so many hours")
    parser.add_argument("--accumulation", metavar="W", help="window of ERA5's rain, if files do not say: 1h")
