"""A table of scores in the terminal, whatever the domain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

# a score that is an error: quantity, kind, unit
_ERROR = re.compile(r"(.+)_(mae|rmse)(?:_(.+))?")
# how a score's name ends -> how its unit is written
_UNITS = {
    "mev_per_atom": "meV/atom",
    "ev_per_angstrom": "eV/Å",
    "gpa": "GPa",
}


def print_scores(scores: Mapping[str, Any], title: str) -> None:
    """Prints the errors of each split beside the baseline's, and those of its groups where the terminal is wide enough.

    Args:
        scores: split -> {"all": {score: value}, "groups": {group: {...}}, "baseline": {...}}, as metrics.json has them
            under "splits".
        title: what stands above each table, before the split's name.
    """
    from rich.console import Console

    console = Console()
    for split, parts in scores.get("splits", scores).items():
        groups = parts.get("groups", {}) if len(parts.get("groups", {})) > 1 else {}
        table = _table(f"{title}, {split} split", parts, groups)
        if console.measure(table, options=console.options.update(max_width=10_000)).maximum > console.width:
            table = _table(f"{title}, {split} split", parts, {})
        console.print(table)


def _table(title: str, parts: Mapping[str, Any], groups: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    baseline = {"baseline": parts["baseline"]} if parts.get("baseline") else {}
    columns = {"all": parts["all"], **groups, **baseline}
    table.add_column("error", no_wrap=True)
    for name in columns:
        style = "bold" if name == "all" else "dim" if name == "baseline" else ""
        table.add_column(name, justify="right", style=style, no_wrap=True)
    for score in parts["all"]:
        if error := _ERROR.fullmatch(score):
            quantity, kind, unit = error.groups()
            name = f"{quantity.replace('_', ' ')} {kind.upper()}" + (f" ({_UNITS.get(unit, unit)})" if unit else "")
            table.add_row(name, *(_number(column.get(score)) for column in columns.values()))
    return table


def _number(value: float | None) -> str:
    """Three digits that count, as nobody compares more."""
    return "-" if value is None else f"{value:#.3g}".rstrip(".")
