"""A table of scores in the terminal, whatever the domain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

# a score that is an error: quantity, kind, unit
_ERROR = re.compile(r"(.+)_(mae|rmse|mean|median|worst)(?:_(.+))?")
# how a quantity is written, where it is not as its name
_QUANTITIES = {"relative_l2": "relative L2 error"}
# how a score's name ends -> how its unit is written
_UNITS = {
    "mev_per_atom": "meV/atom",
    "ev_per_angstrom": "eV/Å",
    "gpa": "GPa",
    "k": "K",
    "m2_s2": "m²/s²",
    "m_s": "m/s",
    "pa": "Pa",
}
# of scores whose units come with them: how a name ends -> how that is written
_ENDINGS = {
    "_relative_l2": " relative L2 error",
    "_relative_error": " relative error",
    "_largest_error": " largest error",
    "_rms": " residual RMS",
    "_drift": " relative drift",
    "_seconds": " time",
}


def print_scores(scores: Mapping[str, Any], title: str) -> None:
    """Prints the errors of each split beside the baseline's, and those of its groups where the terminal is wide enough.

    Args:
        scores: split -> {"all": {score: value}, "groups": {group: {...}}, "baseline": {...}}, as metrics.json has them
            under "splits"; several baselines are under "baselines" by name. Where names of scores do not say their
            units, {"units": {score: unit}} does, and all that it names are printed.
        title: what stands above each table, before the split's name.
    """
    from rich.console import Console

    console = Console()
    for split, parts in scores.get("splits", scores).items():
        if parts.get("units"):
            console.print(_table_with_units(f"{title}, {split}", parts))
            continue
        groups = parts.get("groups", {}) if len(parts.get("groups", {})) > 1 else {}
        table = _table(f"{title}, {split} split", parts, groups)
        if console.measure(table, options=console.options.update(max_width=10_000)).maximum > console.width:
            table = _table(f"{title}, {split} split", parts, {})
        console.print(table)


def _table(title: str, parts: Mapping[str, Any], groups: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    baselines = {"baseline": parts["baseline"]} if parts.get("baseline") else parts.get("baselines", {})
    columns = {"all": parts["all"], **groups, **baselines}
    table.add_column("error", no_wrap=True)
    for name in columns:
        style = "bold" if name == "all" else "dim" if name in baselines else ""
        table.add_column(name, justify="right", style=style, no_wrap=True)
    for score in parts["all"]:
        if error := _ERROR.fullmatch(score):
            quantity, kind, unit = error.groups()
            kind = kind.upper() if kind in {"mae", "rmse"} else kind
            name = f"{_QUANTITIES.get(quantity, quantity.replace('_', ' '))} {kind}"
            name += f" ({_UNITS.get(unit, unit)})" if unit else ""
            table.add_row(name, *(_number(column.get(score)) for column in columns.values()))
    return table


def _table_with_units(title: str, parts: Mapping[str, Any]) -> Table:
    from rich.table import Table

    groups, intervals = parts.get("groups", {}), parts.get("intervals", {})
    table = Table(title=title, title_justify="left")
    table.add_column("score", no_wrap=True)
    table.add_column("worst" if groups else "value", justify="right", style="bold", no_wrap=True)
    for group in groups:
        table.add_column(group, justify="right", no_wrap=True)
    if intervals:
        table.add_column("95 % interval", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for score, unit in parts["units"].items():
        ending = next((ending for ending in _ENDINGS if score.endswith(ending)), "")
        name = score.removesuffix(ending).replace("_", " ") + _ENDINGS.get(ending, "")
        # a constant that was found has a name of its own, and six digits
        digits = 3 if ending else 6
        cells = [_number(column.get(score), digits) for column in (parts["all"], *groups.values())]
        if intervals:
            cells.append(" to ".join(_number(end, digits) for end in intervals.get(score, ())))
        table.add_row(name, *cells, unit if unit != "1" else "")
    return table


def _number(value: float | None, digits: int = 3) -> str:
    """Three digits that count, as nobody compares more."""
    return "-" if value is None else f"{value:#.{digits}g}".rstrip(".")
