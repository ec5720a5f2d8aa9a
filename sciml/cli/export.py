"""`sciml export`: a trained potential as a file that LAMMPS reads, or any model's weights as a small file."""

from __future__ import annotations

import argparse

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

EXAMPLES = """\
  sciml export runs/si-painn -o si.sciml
  sciml export runs/si-painn -o si.sciml --precision float64    # for phonons and tight minimisations
  sciml export runs/si-qace -o si.sciml                         # compiled by torch, for this machine's processor
  sciml export runs/speedy-sfno -o sfno.safetensors --precision float16   # weights alone, at half the size"""

PRECISIONS = ("float16", "float32", "float64")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", metavar="RUN", help="folder that `sciml train` wrote, a checkpoint, or a trained model such as si-painn"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the file to write: .sciml, or .safetensors"
    )
    parser.add_argument(
        "--precision", metavar="NAME", help="float32 (the default, the faster) or float64; float16 for .safetensors"
    )
    parser.add_argument(
        "--backend", metavar="NAME", help="native (SchNet, PaiNN; the default for them) or generic (any, by torch)"
    )


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    output = user_path(arguments.output)
    if output.suffix not in {".sciml", ".safetensors"}:
        raise UserError(f"{output}: a potential for LAMMPS ends in .sciml, weights in .safetensors; name the file so.")
    if output.is_dir():
        raise UserError(f"{output} is a folder; name a file with -o.")
    if not output.parent.is_dir():
        raise UserError(f"{output.parent}: no such folder to write {output.name} into.")
    if output.suffix == ".sciml":
        from sciml.materials.potential_file import export_potential

        print(export_potential(arguments.run, output, precision=arguments.precision, backend=arguments.backend))
        return 0
    from sciml.core.trained import export_weights

    precision = arguments.precision or "float32"
    if precision not in PRECISIONS:
        raise UserError(f"--precision of weights is one of {', '.join(PRECISIONS)}, but is {precision}.")
    if arguments.backend is not None:
        raise UserError("--backend is for potentials (.sciml); weights have none. Leave it out.")
    print(export_weights(arguments.run, output, precision))
    return 0
