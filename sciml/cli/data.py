"""`sciml data`: get, show or make a dataset of the catalogue."""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sciml.cli.lists import count
from sciml.core.catalogue import (
    contents_sha256,
    data_places,
    download_place,
    find_dataset,
    user_path,
)
from sciml.core.downloads import download
from sciml.core.errors import UserError

EXAMPLES = """\
  sciml data show mlearn-si        what it is, where its files are, whether they are whole
  sciml data get mlearn-si         download what is missing and check it
  sciml data make si-gpaw -o made/si-gpaw --workers 2"""

# domain -> module whose RECIPES make its datasets
_RECIPES = {"materials": "sciml.materials.recipes", "pde": "sciml.pde.recipes", "weather": "sciml.weather.recipes"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="ACTION", choices=("get", "show", "make"), help="get | show | make")
    parser.add_argument("name", metavar="NAME", help="a dataset of `sciml list datasets`")
    making = parser.add_argument_group("make")
    making.add_argument("-o", "--output", metavar="DIR", help="folder for the dataset (default: NAME)")
    making.add_argument("--work", metavar="DIR", help="folder for what a stopped run continues from (default: in DIR)")
    making.add_argument("--workers", metavar="N", type=count, default=1, help="processes side by side (default: 1)")
    making.add_argument("--limit", metavar="N", type=count, help="make only the first N structures")


def run(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from sciml.core.plain_yaml import read_yaml

    facts = read_yaml(find_dataset(arguments.name) / "dataset.yaml")
    if arguments.action != "make" and (arguments.output or arguments.work or arguments.limit or arguments.workers != 1):
        raise UserError(f"--output, --work, --workers and --limit belong to `sciml data make`, not {arguments.action}.")
    return {"get": _get, "show": _show, "make": _make}[arguments.action](arguments, facts)


def _files(name: str, facts: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The dataset's files by split, each with at least a path."""
    files = facts.get("files")
    if not isinstance(files, Mapping) or not all(
        isinstance(f, Mapping) and isinstance(f.get("path"), str) for f in files.values()
    ):
        raise UserError(f"{find_dataset(name) / 'dataset.yaml'}: `files` must map each split to a mapping with `path`.")
    return dict(files)


# ----------------------------------------------------------------------------------------------------------------- get


def _get(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> int:
    for split, spec in _files(arguments.name, facts).items():
        places = data_places(arguments.name, spec["path"])
        target = download_place(arguments.name, spec["path"])
        found = next((place for place in places if place.exists()), None)
        if found is not None and found != target and _whole(found, spec) is False:
            raise UserError(f"{found} is damaged or another version, and comes before a download. Move it away.")
        if found is not None and _whole(found, spec) is not False:
            print(f"{split}: {found} is there")
        elif "url" in spec:
            download(spec["url"], target, spec.get("sha256"), member=spec.get("member"))
            print(f"{split}: {target}")
        else:
            remedy = f"Run `sciml data make {arguments.name}`." if "recipe" in facts else f"Put it at {places[0]}."
            raise UserError(f"dataset `{arguments.name}` gives no address for {spec['path']}. {remedy}")
    return 0


# ---------------------------------------------------------------------------------------------------------------- show


def _show(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> int:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    console = Console()
    card = Table.grid(padding=(0, 2))
    for key in ("summary", "domain", "elements", "variables", "licence", "citation", "homepage", "validation_fraction"):
        if key in facts:
            card.add_row(f"[bold]{key.replace('_', ' ')}", escape(_text(facts[key])))
    card.add_row("[bold]folder", escape(str(find_dataset(arguments.name))))
    console.print(card)
    table = Table("split", Column("file", overflow="fold"), Column("size", no_wrap=True), "contents")
    missing = False
    for split, spec in _files(arguments.name, facts).items():
        place = next((place for place in data_places(arguments.name, spec["path"]) if place.exists()), None)
        if place is None:
            missing = True
            table.add_row(split, escape(spec["path"]), "-", "[yellow]not here")
            continue
        whole = _whole(place, spec)
        state = "no checksum to compare" if whole is None else "[green]sha256 as published" if whole else "[red]damaged"
        table.add_row(split, escape(str(place)), _size(_bytes(place)), state)
    console.print(table)
    if missing:
        from_address = any("url" in spec for spec in _files(arguments.name, facts).values())
        print(f"next: sciml data {'get' if from_address or 'recipe' not in facts else 'make'} {arguments.name}")
    return 0


def _whole(place: Path, spec: Mapping[str, Any]) -> bool | None:
    """Whether the contents are the published ones; None when nothing says what these are."""
    if "sha256" not in spec:
        return None
    return contents_sha256(place, spec["path"]) == str(spec["sha256"]).lower()


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} in {unit}" for key, unit in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _bytes(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files if file.is_file())


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"


# ---------------------------------------------------------------------------------------------------------------- make


def _make(arguments: argparse.Namespace, facts: Mapping[str, Any]) -> int:
    from sciml.cli.main import INTERRUPTED

    recipe = facts.get("recipe")
    if recipe is None:
        raise UserError(f"dataset `{arguments.name}` has no recipe. Run `sciml data get {arguments.name}`.")
    recipes = _recipes(str(facts.get("domain")))
    name = str(recipe.get("name", arguments.name)) if isinstance(recipe, Mapping) else str(recipe)
    if name not in recipes:
        raise UserError(f"dataset `{arguments.name}`: there is no recipe `{name}`; known: {', '.join(recipes)}.")
    files = _files(arguments.name, facts)
    if isinstance(recipe, Mapping) and isinstance(recipe.get("splits"), Mapping):
        files = recipe["splits"]  # of which the dataset's files are a sample
    output = user_path(arguments.output or arguments.name)
    work = user_path(arguments.work) if arguments.work else output / "work"
    try:
        recipes[name](dict(facts), output, work, workers=arguments.workers, limit=arguments.limit)
    except ModuleNotFoundError as error:
        raise UserError(f"making `{arguments.name}` needs the package {error.name}; its README.md says how.") from error
    except KeyboardInterrupt:
        print(f"sciml: interrupted; the same command continues from {work}.", file=sys.stderr)
        return INTERRUPTED
    print(f"made: {output}")
    own = recipe.get("use") if isinstance(recipe, Mapping) else None
    if use := own.format(output=shlex.quote(str(output))) if own else _use(arguments.name, files, output):
        print(f"use:  {use}")
    return 0


def _use(name: str, files: Mapping[str, Mapping[str, Any]], output: Path) -> str:
    """The command that trains on what was made: nothing looks for it there by itself."""
    # the roles for which an experiment takes a file in place of the dataset's
    roles = [role for role in ("train", "validation", "test", "isolated_atoms") if role in files]
    made = {role: file for role in roles if (file := output / files[role]["path"]).is_file()}
    given = " ".join(shlex.quote(f"--dataset.{role}={file}") for role, file in made.items())
    return f"sciml train EXPERIMENT --dataset={name} {given}" if "train" in made else ""


def _recipes(domain: str) -> Mapping[str, Any]:
    if domain not in _RECIPES:
        raise UserError(f"no recipes are known for datasets of the domain `{domain}`.")
    return importlib.import_module(_RECIPES[domain]).RECIPES
