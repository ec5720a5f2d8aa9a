"""`sciml report`: the page that shows a run or a scorecard to a colleague."""

from __future__ import annotations

import argparse

from sciml.core.catalogue import user_path
from sciml.core.errors import UserError

EXAMPLES = """\
  sciml report runs/si-painn
  sciml report scorecard          # what `sciml score` wrote"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder that `sciml train` or `sciml score` wrote")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import needs_extra, trained_run

    folder = user_path(arguments.run)
    if (folder / "scores.json").is_file() and not (folder / "run.json").is_file():
        with needs_extra("weather"):
            from sciml.weather.scorecard import write_scorecard
        try:
            print(write_scorecard(folder))
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{folder}/scores.json is not as `sciml score` writes it: {error!r}. Score again."
            ) from error
        return 0
    trained, domain = trained_run(arguments.run)
    print(domain.report(trained))
    return 0
