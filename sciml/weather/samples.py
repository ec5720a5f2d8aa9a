"""Files of the catalogue's weather datasets, and what a user calls them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sciml.core.catalogue import entries, find_data_file, find_dataset, suggest, user_path
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml


def sample_path(name: str, file: str | None = None) -> Path:
    """Where a file of a dataset is: its only one, or the one that dataset.yaml calls `file`.

    Raises:
        UserError: no such dataset or file, or it is not there yet (`sciml data get` brings it).
    """
    facts = read_yaml(find_dataset(name) / "dataset.yaml")
    files = facts["files"]
    if file is None and len(files) == 1:
        file = next(iter(files))
    if file not in files:
        choices = ", ".join(f"{name}/{one}" for one in files)
        raise UserError(f"dataset `{name}` has files of its own names; say which one is meant: {choices}.")
    return find_data_file(name, files[file]["path"])


def source_of(text: str, words: Sequence[str] = ()) -> str:
    """The file of a dataset of the catalogue if `text` is the name of one, else the path or address that it is.

    Of a dataset with several files one is meant by its name in dataset.yaml: `speedy-t31/test`.

    Args:
        text: as a user gives it.
        words: what else it might have been meant to be, for the message.

    Raises:
        UserError: there is no such file.
    """
    known = entries("datasets")
    if text in known:
        return str(sample_path(text))
    if "://" in text or any(mark in text for mark in "*?["):
        return text if "://" in text else str(user_path(text))
    if not (path := user_path(text)).exists():
        name, slash, file = text.partition("/")
        if slash and name in known:
            return str(sample_path(name, file))
        hint = suggest(text, [*words, *known])
        raise UserError(f"{path}: no such file{f'; {hint}' if hint else '. Check the path.'}")
    return str(path)
