"""`sciml VERB ...`: finds the verb's module, and turns a user's mistake into one line and exit status 2.

Nothing heavy is imported here or at the top of a verb's module: `sciml --help` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from sciml import __version__
from sciml.core.catalogue import suggest
from sciml.core.errors import UserError

# verb -> (module, one line for `sciml --help`)
VERBS = {
    "train": ("sciml.cli.train", "train a model as an experiment file says, then score it and write a report"),
    "evaluate": ("sciml.cli.evaluate", "score a trained run on its test split, or on a file of yours"),
    "predict": ("sciml.cli.predict", "apply a trained run to a file"),
    "export": ("sciml.cli.export", "write a trained potential as a file for LAMMPS, or a model's weights alone"),
    "lammps": ("sciml.cli.lammps", "build `pair_style sciml` for the LAMMPS at hand, or say what is there"),
    "forecast": ("sciml.cli.forecast", "roll a trained forecasting model out from analyses"),
    "climatology": ("sciml.cli.climatology", "make from years of ERA5 what is normal for the day and hour"),
    "score": ("sciml.cli.score", "score weather forecasts against ERA5 and baselines, and write a scorecard"),
    "report": ("sciml.cli.report", "write the page of a run or a scorecard anew"),
    "list": ("sciml.cli.list", "list the models, datasets or experiments at hand"),
    "data": ("sciml.cli.data", "download, describe or make a dataset"),
}
# the shell's convention for a program that an interrupt ended: 128 + SIGINT
INTERRUPTED = 130


class Verb(Protocol):
    """What a verb's module has."""

    EXAMPLES: str

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None: ...

    @staticmethod
    def run(arguments: argparse.Namespace, overrides: list[str]) -> int: ...


class Parser(argparse.ArgumentParser):
    """Exact option names only; a mistake is a UserError."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            **{"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter, **options}  # pyright: ignore[reportArgumentType] - argparse's own options
        )

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}. `{self.prog} --help` shows how.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit status."""
    try:
        return _dispatch(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        if os.environ.get("SCIML_DEBUG") == "1":
            raise
        print(f"sciml: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sciml: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output, such as `head`, has had enough; the interpreter must not flush into it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in {"-h", "--help"}:
        print(_overview())
        return 0
    if argv[0] == "--version":
        print(f"sciml {__version__}")
        return 0
    if argv[0] not in VERBS:
        hint = suggest(argv[0], VERBS) or "`sciml --help` lists the verbs."
        raise UserError(f"`{argv[0]}` is not a verb; {hint}")
    module, summary = VERBS[argv[0]]
    verb = cast(Verb, importlib.import_module(module))
    parser = Parser(
        prog=f"sciml {argv[0]}", description=f"{summary[0].upper()}{summary[1:]}.", epilog=f"examples:\n{verb.EXAMPLES}"
    )
    verb.add_arguments(parser)
    try:
        arguments, rest = parser.parse_known_args(argv[1:])
    except SystemExit as stop:  # --help, which argparse ends the process with
        return int(stop.code or 0)
    if rest and argv[0] != "train":
        options = [option for action in parser._actions for option in action.option_strings]
        raise UserError(f"sciml {argv[0]} has no `{rest[0]}`; {suggest(rest[0], options) or 'see its --help.'}")
    return verb.run(arguments, rest)


def _overview() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {summary}" for verb, (_, summary) in VERBS.items())
    return (
        "usage: sciml VERB ...\n\nNeural surrogates of the equations of physics, trained from experiment files.\n\n"
        f"verbs:\n{verbs}\n\n"
        "examples:\n"
        "  sciml list experiments\n"
        "  sciml train si-painn --train.epochs=20\n"
        "  sciml predict runs/si-painn structures.extxyz -o predicted.extxyz\n\n"
        "`sciml VERB --help` says more. SCIML_DATA names a folder with published data, SCIML_CACHE the one for\n"
        "downloads, and SCIML_DEBUG=1 shows where an error arose."
    )
