"""The files of an experiment's data set: those of the catalogue, one's own, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from sciml.core.catalogue import check_sha256, find_data_file, user_path
from sciml.core.errors import UserError


@dataclass(frozen=True)
class FileConfig:
    """A file of a data set.

    Attributes:
        path: relative to the data set's folder, $SCIML_DATA or the download cache; without a data set of the catalogue,
            to the current directory.
        format: "auto", or a name that the domain's reader knows.
        url: public address.
        member: what of the archive at that address the file is.
        sha256: checksum of the file.
    """

    path: str
    format: str = "auto"
    url: str | None = None
    member: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class SplitFiles:
    """The part of a `dataset:` that says which file is which.

    Attributes:
        name: folder in datasets/.
        files: train, and where there are any validation, test (or several, test_NAME); the catalogue's, or without
            `name` one's own.
        train: a file of one's own, in place of all files of the data set.
        validation: a file of one's own.
        test: a file of one's own, in place of all test files of the data set.

    Raises:
        UserError: a file that is none of these, or no file to train on.
    """

    # a domain may have more; each is a field too
    ROLES: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    name: str | None = None
    files: Mapping[str, FileConfig] = field(default_factory=dict)
    train: str | None = None
    validation: str | None = None
    test: str | None = None

    def __post_init__(self) -> None:
        for role in self.files:
            if role not in self.ROLES and not role.startswith("test_"):
                raise UserError(f"`files.{role}`: a file is {', '.join(self.ROLES)} or test_NAME.")
        if self.train is None and "train" not in self.files:
            raise UserError("there is no training file. Give `name`, a data set of `sciml list datasets`, or `train`.")
        for role in self.ROLES:
            own = getattr(self, role)
            if own is not None:
                object.__setattr__(self, role, lasting(own))
        if self.name is None:
            files = {role: replace(file, path=lasting(file.path)) for role, file in self.files.items()}
            object.__setattr__(self, "files", files)

    @property
    def sources(self) -> dict[str, FileConfig]:
        """The files in force: the data set's, or in their place one's own."""
        files = dict(self.files) if self.train is None else {}
        if self.test is not None:
            files = {role: file for role, file in files.items() if not role.startswith("test")}
        own = {role: getattr(self, role) for role in self.ROLES}
        return {**files, **{role: FileConfig(path) for role, path in own.items() if path is not None}}

    @property
    def test_splits(self) -> list[str]:
        """Roles of the test files."""
        return [role for role in self.sources if role.startswith("test")]

    def place(self, role: str) -> Path:
        """Where the file in force of a role is.

        Raises:
            UserError: it is nowhere, or has another checksum.
        """
        source = self.sources[role]
        if self.name is not None and getattr(self, role, None) is None:
            return find_data_file(self.name, source.path, source.sha256)
        path = Path(source.path)
        if not path.exists():
            raise UserError(f"{path}: no such file, but it is the {role} file.")
        if source.sha256 is not None:
            check_sha256(path, source.path, source.sha256, f"Correct dataset.files.{role} or restore the file.")
        return path


def lasting(path: str) -> str:
    """The absolute path: a run is evaluated and resumed from other folders than the one it was started in."""
    return str(user_path(path).absolute())
