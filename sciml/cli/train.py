"""`sciml train`: experiment file -> typed configuration -> problem -> trained run, scored and reported."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciml.core.catalogue import suggest, user_path
from sciml.core.errors import UserError

if TYPE_CHECKING:
    from sciml.cli.domains import Domain
    from sciml.core.runs import Run

EXAMPLES = """\
  sciml train si-painn                          an experiment by name: `sciml list experiments`
  sciml train experiments/materials/si-painn.yaml --train.epochs=20 --model.channels=32
  sciml train si-painn --model=schnet --run runs/si-schnet
  sciml train si-painn --dataset.train=my.extxyz --dataset.test=my-test.extxyz
  sciml train si-painn --print_config           show every setting and stop
  sciml train --resume runs/si-painn            continue where a run stopped
  sciml train burgers-fno --train.max_minutes=1          an operator for a PDE
  sciml train speedy-sfno-rollout --start_from=runs/speedy-sfno    forecasts: further, from trained weights"""

_OWN_OPTIONS = ("--resume", "--run", "--overwrite", "--print_config", "--help")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "sciml train EXPERIMENT [--run DIR] [--overwrite] [--print_config] [--key.sub=value ...]\n"
    parser.usage += "       sciml train --resume RUN"
    parser.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="YAML file, or name of one in experiments/")
    parser.add_argument("--resume", metavar="RUN", help="continue this run exactly where its last checkpoint is")
    parser.add_argument("--run", metavar="DIR", help="folder for the run (default: runs/NAME)")
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is in that folder")
    parser.add_argument("--print_config", action="store_true", help="print the resolved configuration and stop")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.cli.domains import load_domain, open_run
    from sciml.core.config import compose, parse, resolve
    from sciml.core.plain_yaml import dump_yaml
    from sciml.core.runs import Run, check_free

    if arguments.resume is not None:
        others = [text for text in (arguments.experiment, arguments.run, *overrides) if text]
        if others or arguments.overwrite:
            raise UserError(f"--resume continues a run as it was set up; leave out `{(others or ['--overwrite'])[0]}`.")
        existing, domain = open_run(arguments.resume)
        raw = existing.config()
        config = parse(domain.config_class(raw), raw, str(existing.config_file))
        if arguments.print_config:
            print(dump_yaml(raw), end="")
            return 0
        return _train(existing, domain, config, resume=True)

    for option in overrides:
        if meant := suggest(option.partition("=")[0], _OWN_OPTIONS, similarity=0.8):
            raise UserError(f"sciml train has no `{option}`; {meant}")
    if overrides and not overrides[0].startswith("--"):
        raise UserError(
            f"sciml train takes one experiment, but `{overrides[0]}` came besides `{arguments.experiment}`."
        )
    if arguments.experiment is None:
        raise UserError("sciml train needs an experiment (`sciml list experiments` shows some) or --resume RUN.")
    raw = compose(arguments.experiment, overrides)
    domain = load_domain(raw, arguments.experiment)
    config = parse(domain.config_class(raw), raw, arguments.experiment)
    resolved = resolve(raw, config)
    if arguments.print_config:
        print(dump_yaml(resolved), end="")
        return 0
    path = user_path(arguments.run) if arguments.run else Path("runs") / raw["name"]
    if _leads():
        check_free(path, overwrite=arguments.overwrite)
    return _train(Run(path), domain, config, resume=False, created_with=(resolved, arguments.overwrite))


def _leads() -> bool:
    """Whether this process is the first of those that train together; the others only compute."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def _train(
    run: Run, domain: Domain, config: Any, *, resume: bool, created_with: tuple[dict[str, Any], bool] | None = None
) -> int:
    from sciml.cli.main import INTERRUPTED
    from sciml.core.runs import now
    from sciml.train.checkpoints import load_state
    from sciml.train.run import check_processes, fit

    problem = domain.build(config)
    check_processes(problem, config.train)  # a run that is refused leaves no folder
    if resume and _leads():
        load_state(run, problem.metadata)  # a run that is refused stays as it is
    if created_with is not None and _leads():
        resolved, overwrite = created_with
        run = type(run).create(run.path, resolved, overwrite=overwrite)
    if _leads():
        parameters = sum(parameter.numel() for parameter in problem.network.parameters())
        run.update(status="training", parameters=parameters)
    try:
        try:
            result = fit(problem, config.train, run, resume=resume)
        except (Exception, KeyboardInterrupt) as error:
            interrupted = isinstance(error, KeyboardInterrupt)  # by a second Ctrl-C
            status, stopped = ("interrupted", "interrupted") if interrupted else ("failed", str(error))
            if _leads():
                with suppress(UserError):  # the disk may be full, which `error` says
                    run.update(status=status, finished=now(), stopped=stopped)
            raise
        if not _leads():
            return 0
        finished = result.stopped != "interrupted"
        status = "finished" if finished else "interrupted"
        run.update(status=status, finished=now(), seconds=result.seconds, epochs=result.epochs, stopped=result.stopped)
        if finished:
            _conclude(run, domain)
            return 0
    except KeyboardInterrupt:
        pass
    remedy = f"`sciml train --resume {run.path}` continues it" if run.last.is_file() else "nothing was saved yet"
    print(f"sciml: interrupted; {remedy}.", file=sys.stderr)
    return INTERRUPTED


def _conclude(run: Run, domain: Domain) -> None:
    from sciml.cli.domains import next_command
    from sciml.cli.scores import print_scores

    scores = domain.evaluate(run, None)
    report = domain.report(run)
    print_scores(scores, f"{run.record().get('name', run.path.name)}: errors of the best checkpoint")
    print(f"report: {report}")
    print(f"next:   {next_command(domain, run.path)}")
