"""`sciml evaluate`: scores of a run's best checkpoint."""

from __future__ import annotations

import argparse

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

EXAMPLES = """\
  sciml evaluate runs/si-painn                        the experiment's own test split
  sciml evaluate runs/si-painn --data other.extxyz    a file of yours, with reference values"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder that `sciml train` wrote")
    parser.add_argument("--data", metavar="FILE", help="score on this file instead of the test split")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import trained_run
    from sciml.cli.scores import print_scores

    trained, domain = trained_run(arguments.run)
    data = user_path(arguments.data) if arguments.data is not None else None
    if data is not None and not data.exists():
        raise UserError(f"{data}: no such file.")
    print_scores(domain.evaluate(trained, data), arguments.run)
    return 0
