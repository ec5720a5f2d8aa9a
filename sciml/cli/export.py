"""`sciml export`: a trained potential as a file that LAMMPS reads."""

from __future__ import annotations

import argparse

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

EXAMPLES = """\
  sciml export runs/si-painn -o si.sciml
  sciml export runs/si-painn -o si.sciml --precision float64    # for phonons and tight minimisations
  sciml export runs/si-qace -o si.sciml                         # compiled by torch, for this machine's processor"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", help="folder that `sciml train` wrote, a checkpoint, or a trained model such as si-painn"
    )
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the .sciml file to write")
    parser.add_argument("--precision", metavar="NAME", help="float32 (the default, the faster) or float64")
    parser.add_argument(
        "--backend", metavar="NAME", help="native (SchNet, PaiNN; the default for them) or generic (any, by torch)"
    )


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.materials.potential_file import export_potential

    output = user_path(arguments.output)
    if output.suffix != ".sciml":
        raise UserError(f"{output}: a potential for LAMMPS ends in .sciml; name the file so.")
    if output.is_dir():
        raise UserError(f"{output} is a folder; name a file with -o.")
    if not output.parent.is_dir():
        raise UserError(f"{output.parent}: no such folder to write {output.name} into.")
    print(export_potential(arguments.run, output, precision=arguments.precision, backend=arguments.backend))
    return 0
