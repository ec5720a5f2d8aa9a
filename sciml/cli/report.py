"""`sciml report`: the page that shows a run to a colleague."""

from __future__ import annotations

import argparse

EXAMPLES = """\
  sciml report runs/si-painn"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder that `sciml train` wrote")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import trained_run

    trained, domain = trained_run(arguments.run)
    print(domain.report(trained))
    return 0
