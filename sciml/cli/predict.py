"""`sciml predict`: a trained run applied to a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

EXAMPLES = """\
  sciml predict runs/si-painn structures.extxyz -o predicted.extxyz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder that `sciml train` wrote")
    parser.add_argument("input", metavar="INPUT", help="file to predict for")
    parser.add_argument("-o", "--output", metavar="OUTPUT", required=True, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import find_data, trained_run

    output = user_path(arguments.output)
    trained, domain = trained_run(arguments.run)
    source = find_data(domain, arguments.input)
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise UserError(f"{output} is the input; give another file with -o.")
    if output.is_dir():
        raise UserError(f"{output} is a folder; name a file with -o.")
    if output.exists() and not arguments.overwrite:
        raise UserError(f"{output} is there already. Replace it with --overwrite, or choose another with -o.")
    if not output.parent.is_dir():
        raise UserError(f"{output.parent}: no such folder to write {output.name} into.")
    print(domain.predict(trained, source, output))
    return 0
