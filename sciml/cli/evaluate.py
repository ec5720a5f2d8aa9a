"""`sciml evaluate`: scores of a run's best checkpoint."""

from __future__ import annotations

import argparse

EXAMPLES = """\
  sciml evaluate runs/si-painn                        the experiment's own test split
  sciml evaluate runs/si-painn --data other.extxyz    a file of yours, with reference values
  sciml evaluate runs/speedy-sfno --data s3://bucket/era5.zarr"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder that `sciml train` wrote")
    parser.add_argument("--data", metavar="FILE", help="score on this instead of the test split")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import find_data, trained_run
    from sciml.cli.scores import print_scores

    trained, domain = trained_run(arguments.run)
    data = find_data(domain, arguments.data) if arguments.data is not None else None
    print_scores(domain.evaluate(trained, data), arguments.run)
    return 0
