"""The domains that an experiment may belong to, each imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from sciml.core.catalogue import suggest, user_path
from sciml.core.errors import UserError

if TYPE_CHECKING:
    from sciml.core.runs import Run
    from sciml.train.problem import Problem

# domain -> module with the functions of `Domain`; the optional dependencies of each have the domain's name
DOMAINS = {
    "materials": "sciml.materials.experiment",
    "weather": "sciml.weather.experiment",
    "pde": "sciml.pde.experiment",
    "pinn": "sciml.pde.pinn.experiment",
}


# what is done with a trained run, where the domain does not say it in NEXT
_USUAL_NEXT = "sciml predict {run} INPUT -o OUTPUT"


@runtime_checkable
class Domain(Protocol):
    """What a domain's experiment module has.

    It may have two things more: `NEXT`, the command for a trained run, and `find_data`, from how a user names data to
    what `evaluate` and `predict` take, for data that may be something else than a file.
    """

    @staticmethod
    def config_class(raw: Mapping[str, Any]) -> type: ...

    @staticmethod
    def build(config: Any) -> Problem: ...

    @staticmethod
    def evaluate(run: Run, data: Any) -> dict[str, Any]: ...

    @staticmethod
    def predict(run: Run, source: Any, output: Path) -> str: ...

    @staticmethod
    def report(run: Run) -> Path: ...


def load_domain(config: Mapping[str, Any], source: str) -> Domain:
    """The module of the configuration's domain.

    Raises:
        UserError: no such domain, or a package that it needs is not installed.
    """
    name = config.get("domain")
    if not isinstance(name, str) or name not in DOMAINS:
        wanted = ", ".join(DOMAINS)
        hint = suggest(str(name), DOMAINS)
        raise UserError(f"{source}: `domain` must be one of {wanted}, but is {name!r}{'; ' + hint if hint else '.'}")
    with needs_extra(name):
        return cast(Domain, importlib.import_module(DOMAINS[name]))


@contextmanager
def needs_extra(domain: str) -> Iterator[None]:
    """Within it a package that is not installed is a UserError that says how to install what the domain needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "sciml":
            raise
        raise UserError(
            f"{domain} needs the package {error.name}, which is not installed. "
            f"Run `pip install 'sciml-surrogates[{domain}]'`."
        ) from error


def next_command(domain: Domain, run: Path) -> str:
    """The command for a run that is trained."""
    return getattr(domain, "NEXT", _USUAL_NEXT).format(run=run)


def find_data(domain: Domain, text: str) -> Path | str:
    """What a user means by data: a file that is there, or what else the domain reads.

    Raises:
        UserError: there is nothing of the kind.
    """
    if hasattr(domain, "find_data"):
        return domain.find_data(text)  # pyright: ignore[reportAttributeAccessIssue] - not each domain has it
    if not (path := user_path(text)).exists():
        raise UserError(f"{path}: no such file.")
    return path


def open_run(path: str) -> tuple[Run, Domain]:
    """A run that was trained, and its domain."""
    from sciml.core.runs import Run

    run = Run.open(user_path(path))
    return run, load_domain(run.config(), str(run.config_file))


def trained_run(path: str) -> tuple[Run, Domain]:
    """The same, refused with UserError when no checkpoint has been written yet."""
    run, domain = open_run(path)
    if not run.best.is_file():
        unfinished = run.last.is_file() and run.record().get("status") != "finished"
        remedy = f"--resume {path}" if unfinished else f"{run.config_file} --run {path} --overwrite"
        raise UserError(f"{path} has no {run.best.relative_to(run.path)}. Train it first: `sciml train {remedy}`.")
    return run, domain
