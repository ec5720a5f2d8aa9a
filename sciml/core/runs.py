"""A run's folder: what every verb reads and writes, and nothing that is half written.

config.yaml (resolved), run.json (who, when, with what), log.csv, tensorboard/, checkpoints/{best,last}.safetensors,
metrics.json, predictions/<split>.safetensors, report.html.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from sciml.core.errors import UserError
from sciml.core.plain_yaml import describe_value, dump_yaml, read_yaml
from sciml.core.writing import replaced

# the packages whose version may change a result
_RECORDED_PACKAGES = (
    "sciml-surrogates",
    "torch",
    "lightning",
    "numpy",
    "safetensors",
    "torch-geometric",
    "ase",
    "vesin",
)


@dataclass(frozen=True)
class Run:
    """The folder of one training run. Use `Run.create` for a new one and `Run.open` for one that exists."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def record_file(self) -> Path:
        return self.path / "run.json"

    @property
    def log_file(self) -> Path:
        return self.path / "log.csv"

    @property
    def tensorboard_dir(self) -> Path:
        return self.path / "tensorboard"

    @property
    def checkpoint_dir(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        return self.checkpoint_dir / "best.safetensors"

    @property
    def last(self) -> Path:
        return self.checkpoint_dir / "last.safetensors"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    def predictions(self, split: str) -> Path:
        return self.path / "predictions" / f"{split}.safetensors"

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], *, overwrite: bool = False) -> Run:
        """Makes the folder with its config.yaml and run.json.

        Raises:
            UserError: the folder has files and `overwrite` is off, or they are not a run's.
        """
        check_free(path, overwrite=overwrite)
        run = cls(path)
        try:
            # emptied, not removed: it may be a link to a folder, or the current directory
            for entry in path.iterdir() if path.is_dir() else ():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            run.checkpoint_dir.mkdir(parents=True)
            write_text(run.config_file, dump_yaml(config))
        except OSError as error:
            raise UserError(f"cannot write the run's folder {path}: {error.strerror}.") from error
        run.update(
            name=str(config.get("name", path.name)),
            command=command_line(),
            versions=versions(),
            machine=machine(),
            started=now(),
            status="started",
        )
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """A run that exists. Raises UserError when the folder is missing or no run."""
        if not path.is_dir():
            raise UserError(f"there is no run at {path}. A run is the folder that `sciml train` wrote, as runs/NAME.")
        run = cls(path)
        for file in (run.config_file, run.record_file):
            if not file.is_file():
                raise UserError(
                    f"{path} is not a run: it has no {file.name}. Give the folder that `sciml train` wrote."
                )
        return run

    def config(self) -> dict[str, Any]:
        """The resolved configuration, as `sciml.core.config.compose` gave it."""
        return read_yaml(self.config_file)

    def record(self) -> dict[str, Any]:
        """The facts in run.json; empty before the first one is written."""
        return read_json(self.record_file) if self.record_file.is_file() else {}

    def update(self, **facts: Any) -> None:
        """Adds facts to run.json."""
        write_json(self.record_file, {**self.record(), **facts})

    def scores(self) -> dict[str, Any]:
        """The scores in metrics.json by split; empty before the first evaluation.

        Raises:
            UserError: metrics.json is damaged.
        """
        if not self.metrics_file.is_file():
            return {}
        splits = read_json(self.metrics_file).get("splits", {})
        if not isinstance(splits, dict):
            raise UserError(
                f"{self.metrics_file}: `splits` should be a mapping of scores by split, but is "
                f"{describe_value(splits)}. Put back a good copy, or move the file away."
            )
        return splits


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuses, with UserError, a folder for a new run that holds one (unless `overwrite`) or other files."""
    if path.exists() and not path.is_dir():
        raise UserError(f"a run needs a folder, but {path} is a file. Choose another with --run DIR.")
    if path.is_dir() and any(path.iterdir()):
        if not (path / "run.json").is_file():
            raise UserError(f"{path} holds files that are not a run. Choose another folder with --run DIR.")
        if not overwrite:
            raise UserError(
                f"{path} holds a run already. Continue it with --resume {path}, replace it with --overwrite, "
                "or choose another folder with --run DIR."
            )


def write_text(path: Path, text: str) -> None:
    """Writes a file so that a reader sees the old contents or the new, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file so that a reader sees the old contents or the new, never a part.

    Raises:
        UserError: it cannot be written; a file that was there is left as it was.
    """
    with replaced(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON atomically. NaN and infinity, which JSON lacks, are refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object. Raises UserError when the file is missing or holds something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {str(error).splitlines()[0]}.") from error
    if not isinstance(value, dict):
        raise UserError(
            f"{path} should hold a JSON object, but is {describe_value(value)}. "
            "Put back a good copy, or move the file away."
        )
    return value


def now() -> str:
    """The time in UTC, to the second, as ISO 8601 writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def command_line() -> list[str]:
    """The command that started this process, as one would type it again."""
    program = Path(sys.argv[0])
    return ["sciml" if program.name == "__main__.py" else program.name, *sys.argv[1:]]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that may change a result."""
    found = {"python": platform.python_version()}
    for name in _RECORDED_PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What computed: system, processor and its cores, with no name of the host."""
    return {"system": f"{platform.system()} {platform.machine()}", "processor": _processor(), "cores": os.cpu_count()}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
