"""Where models/, datasets/ and experiments/ are, checked out or installed, and where a dataset's files are.

The folders are facts, so a name is enough to find one. The current directory is looked in first, then the checkout
that this package belongs to, or the copy that the wheel carries, so that users add their own beside ours.
"""

from __future__ import annotations

import difflib
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml

# kind of entry -> file that makes a folder an entry; an experiment is a file by itself
_ENTRY_FILE = {"models": "model.yaml", "datasets": "dataset.yaml"}
KINDS = ("models", "datasets", "experiments")


def roots() -> list[Path]:
    """Folders that may hold models/, datasets/ and experiments/, first one first."""
    own = own_root()
    return [Path()] if own == Path.cwd() else [Path(), own]


def own_root() -> Path:
    """The folder with what came with this package: the checkout, or the copy that the wheel carries."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_catalogue"
    return shipped if shipped.is_dir() else package.parent


def entries(kind: str) -> dict[str, Path]:
    """Every entry of a kind by name: a model's or dataset's folder, an experiment's YAML file."""
    found: dict[str, Path] = {}
    for root in roots():
        folder = root / kind
        if kind == "experiments":
            candidates = sorted((*folder.glob("*.yaml"), *folder.glob("*/*.yaml")))
            paths = {path.stem: path for path in candidates}
        else:
            paths = {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{_ENTRY_FILE[kind]}"))}
        for name, path in paths.items():
            found.setdefault(name, path)
    return found


def find_dataset(name: str) -> Path:
    """The folder of a dataset. Raises UserError with the nearest name."""
    return _find("datasets", name)


def find_model(name: str) -> Path:
    """The folder of a model. Raises UserError with the nearest name."""
    return _find("models", name)


def find_experiment(name: str) -> Path:
    """An experiment's YAML file, from its path, its name, or `experiments/...` of the catalogue."""
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        raise UserError(f"{name} is a folder, but an experiment is a YAML file. Give the file, or one of its names.")
    if path.suffix in {".yaml", ".yml"}:
        for root in roots():
            if (root / path).is_file():
                return root / path
        known = entries("experiments")
        hint = f"did you mean `{known[path.stem]}`?" if path.stem in known else suggest(path.stem, known)
        raise UserError(f"{name}: no such file; {hint or '`sciml list experiments` shows the ones at hand.'}")
    return _find("experiments", name)


def user_path(text: str | Path) -> Path:
    """A path as a user writes it, in which ~ is the home folder.

    A shell leaves the ~ of `--key=~/file` and of a YAML file as it is.
    """
    return Path(os.path.expanduser(text))  # noqa: PTH111  Path.expanduser raises for ~ of nobody


def find_data_file(dataset: str, path: str, sha256: str | None = None) -> Path:
    """A dataset's file, or folder of files: in its own folder, then below $SCIML_DATA, then in the download cache.

    Args:
        dataset: name of the dataset that the file belongs to.
        path: where dataset.yaml says the file is, relative to any of the three; `path`.gz serves as well.
        sha256: the checksum that the file (unpacked, if it is there as `path`.gz) must have, in hexadecimal.

    Raises:
        UserError: the file is nowhere, or the first one found has other contents.
    """
    places = data_places(dataset, path)
    file = next((place for place in places if place.exists()), None)
    if file is None:
        facts = read_yaml(find_dataset(dataset) / "dataset.yaml")
        remedy = "sciml data make" if "recipe" in facts and not _has_url(facts, path) else "sciml data get"
        looked = ", ".join(str(place) for place in places if place.suffix != ".gz" or path.endswith(".gz"))
        raise UserError(f"dataset `{dataset}` needs {path}, which is not at {looked}. Run `{remedy} {dataset}`.")
    if sha256 is not None:
        check_sha256(file, path, sha256, f"Move it away and run `sciml data get {dataset}`.")
    return file


def check_sha256(file: Path, path: str, sha256: str, remedy: str) -> None:
    """Refuses, with UserError, a file whose contents (see `contents_sha256`) have another checksum."""
    if (found := contents_sha256(file, path)) != sha256.lower():
        raise UserError(
            f"{file} should have sha256 {sha256}, but has {found}: the file is damaged or another version. {remedy}"
        )


def data_places(dataset: str, path: str) -> list[Path]:
    """Where a file may be, first one first: each of the three folders, as it is and packed with gzip."""
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise UserError(f"dataset `{dataset}`: file path {path} must be relative and stay inside the dataset's folder.")
    shared = os.environ.get("SCIML_DATA")
    folders = [find_dataset(dataset), *([user_path(shared)] if shared else []), _downloads(dataset)]
    return [folder / name for folder in folders for name in (path, f"{path}.gz")]


def download_place(dataset: str, path: str) -> Path:
    """Where a download of a dataset's file goes."""
    return _downloads(dataset) / path


def contents_sha256(place: Path, path: str) -> str:
    """Checksum of what dataset.yaml calls `path` and is at `place`, which may be that file packed with gzip.

    A folder's is the checksum of the lines "checksum  path" of its files, as `sha256sum` prints them, sorted by path.

    Raises:
        UserError: the packed file is damaged.
    """
    if place.is_dir():
        files = sorted(file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file())
        lines = "".join(f"{file_sha256(place / file)}  {file}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    if place.name != f"{Path(path).name}.gz":
        return file_sha256(place)
    try:
        with gzip.open(place) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType] - reads bytes
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{place} is damaged: {error}. Move it away.") from error


def cache_dir() -> Path:
    """Folder for downloads and compiled kernels: $SCIML_CACHE, or ~/.cache/sciml."""
    return user_path(os.environ.get("SCIML_CACHE") or "~/.cache/sciml")


def file_sha256(path: Path) -> str:
    """Checksum of a file's contents, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def suggest(word: str, known: Iterable[str], similarity: float = 0.6) -> str:
    """`did you mean ...?` for the nearest known word, or nothing when none is near (1: the same, 0: nothing common)."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=similarity)
    return f"did you mean `{near[0]}`?" if near else ""


def _downloads(dataset: str) -> Path:
    return cache_dir() / "data" / dataset


def _find(kind: str, name: str) -> Path:
    known = entries(kind)
    if name not in known:
        what = kind.removesuffix("s")
        hint = suggest(name, known) or f"`sciml list {kind}` shows the ones at hand."
        raise UserError(f"there is no {what} `{name}`; {hint}")
    return known[name]


def _has_url(facts: Mapping[str, object], path: str) -> bool:
    files = facts.get("files")
    specs = files.values() if isinstance(files, Mapping) else []
    return any(isinstance(spec, Mapping) and spec.get("path") == path and "url" in spec for spec in specs)
