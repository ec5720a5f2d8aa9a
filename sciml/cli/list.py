"""`sciml list`: what the catalogue holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sciml.core.catalogue import KINDS, entries

EXAMPLES = """\
  sciml list experiments
  sciml list models
  sciml list datasets"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=" | ".join(KINDS))


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from rich.console import Console
    from rich.table import Table

    columns = ("domain", "dataset", "model") if arguments.kind == "experiments" else ("domain", "summary")
    table = Table("name", *columns)
    for name, path in sorted(entries(arguments.kind).items()):
        facts = _facts(arguments.kind, path)
        table.add_row(name, *(_text(facts.get(column, "")) for column in columns))
    Console().print(table)
    return 0


def _facts(kind: str, path: Path) -> dict[str, Any]:
    from sciml.core.plain_yaml import read_yaml

    return read_yaml(path if kind == "experiments" else path / f"{kind.removesuffix('s')}.yaml")


def _text(value: Any) -> str:
    return str(value.get("name", "")) if isinstance(value, dict) else str(value)
