"""Files of the catalogue's weather datasets."""

from __future__ import annotations

from pathlib import Path

from sciml.core.catalogue import find_data_file, find_dataset
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
        raise UserError(f"dataset `{name}` has the files {', '.join(files)}; say which one is meant, not {file!r}.")
    return find_data_file(name, files[file]["path"])
