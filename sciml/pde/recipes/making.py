"""Makes the files of a dataset in chunks of samples, so that a killed run goes on where it stopped.

Each chunk is one .npy file a field in `<work>/<split>`; a file that exists is complete. `<work>/recipe.json` holds the
settings that the chunks were made with; chunks of other settings are refused, never mixed in.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sciml.core.config import parse
from sciml.core.errors import UserError
from sciml.core.processes import in_processes
from sciml.core.runs import write_bytes, write_json
from sciml.pde.writing import Layout, write_samples

Fields = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Split:
    """One file.

    Attributes:
        path: in the output folder.
        samples: how many.
        of: the split whose first samples these are; None for samples of its own.
        every: keeps each such point of the grid along every axis.
        times: keeps these times only; None for all.
    """

    path: str
    samples: int
    of: str | None = None
    every: int = 1
    times: list[float] | None = None


@runtime_checkable
class Recipe(Protocol):
    """The settings of one dataset, and what is made of them. A frozen dataclass, checked in `__post_init__`."""

    @property
    def chunk(self) -> int:
        """Samples that are made at once."""
        ...

    @property
    def splits(self) -> dict[str, Split]: ...

    def layout(self) -> Layout:
        """Names, coordinates and attributes of the files, at full resolution."""
        ...

    def samples(self, split: str, numbers: Sequence[int]) -> Fields:
        """The fields of some samples of a split, [sample, ...] in the order of the layout."""
        ...


def make(
    recipe_class: type[Any],
    dataset_yaml: Mapping[str, Any],
    out_dir: Path,
    work_dir: Path,
    *,
    workers: int = 1,
    limit: int | None = None,
) -> None:
    """Write one netCDF file for each split of `recipe.splits` into `out_dir`; a file that exists is left alone.

    `work_dir` keeps the chunks until a split's file is written, and may be reused after any interruption; `limit`
    makes the first N samples of each split only, and leaves out those that another split takes samples of.

    Raises:
        UserError: settings that cannot be, or `work_dir` holds chunks of other settings.
    """
    settings = {key: value for key, value in dataset_yaml["recipe"].items() if key != "name"}
    recipe: Recipe = parse(recipe_class, settings, "dataset.yaml")
    _check_splits(recipe.splits)
    _check_work_folder(work_dir, recipe)
    console = Console()
    order = sorted(recipe.splits.items(), key=lambda item: item[1].of is None)
    for name, split in order:
        path = out_dir / split.path
        if path.exists():
            console.print(f"{name}: {path} is there", highlight=False, soft_wrap=True)
            continue
        count = min(split.samples, limit or split.samples)
        chunks = _chunks(recipe, work_dir, split.of or name, count)
        _make_chunks(recipe, chunks, name, workers, console)
        _write(recipe, name, split, [chunk.path for chunk in chunks], count, path)
        console.print(f"{name}: {count} samples in {path}", highlight=False, soft_wrap=True)
    _remove_chunks(work_dir)


@dataclass(frozen=True)
class _Chunk:
    recipe: Recipe
    split: str
    first: int
    samples: int
    path: Path


def _check_splits(splits: Mapping[str, Split]) -> None:
    for name, split in splits.items():
        source = splits.get(split.of) if split.of else split
        if source is None or source.of is not None:
            raise UserError(
                f"dataset.yaml: split `{name}` takes samples of `{split.of}`, which is no split of its own."
            )
        if not 0 < split.samples <= source.samples:
            raise UserError(
                f"dataset.yaml: split `{name}` needs 1 to {source.samples} samples, but has {split.samples}."
            )


def _check_work_folder(work_dir: Path, recipe: Recipe) -> None:
    settings = {key: value for key, value in asdict(recipe).items() if key != "splits"}  # pyright: ignore[reportArgumentType]
    record = work_dir / "recipe.json"
    if record.exists() and json.loads(record.read_text()) != json.loads(json.dumps(settings)):
        raise UserError(
            f"{work_dir} holds samples that were made with other settings. Restore the settings, or give an empty work "
            "folder with --work."
        )
    write_json(record, settings)


def _chunks(recipe: Recipe, work_dir: Path, split: str, count: int) -> list[_Chunk]:
    firsts = range(0, count, recipe.chunk)
    # always whole chunks, as far as the split has them: what is made beside a sample may change its last digit
    most = recipe.splits[split].samples
    return [
        _Chunk(recipe, split, first, min(recipe.chunk, most - first), work_dir / split / f"{first:06d}.npz")
        for first in firsts
    ]


def _make_chunks(recipe: Recipe, chunks: list[_Chunk], name: str, workers: int, console: Console) -> None:
    todo = [chunk for chunk in chunks if not chunk.path.exists()]
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(name, total=len(chunks), completed=len(chunks) - len(todo))
        for _ in in_processes(_make_chunk, [(chunk,) for chunk in todo], workers):
            progress.advance(bar)


def _make_chunk(chunk: _Chunk) -> None:
    numbers = range(chunk.first, chunk.first + chunk.samples)
    fields = chunk.recipe.samples(chunk.split, numbers)
    packed = io.BytesIO()
    np.savez(packed, **fields)  # pyright: ignore[reportArgumentType] - arrays alone, so no pickle
    write_bytes(chunk.path, packed.getvalue())


def _write(recipe: Recipe, name: str, split: Split, chunks: Sequence[Path], count: int, path: Path) -> None:
    layout = recipe.layout().thinned(split.every, split.times)
    kept = recipe.layout().kept(split.every, split.times)

    def pieces() -> Iterator[Fields]:
        left = count
        for file in chunks:
            with np.load(file, allow_pickle=False) as found:
                fields = {field: found[field][:left] for field in layout.fields}
            left -= recipe.chunk
            yield {field: values[(slice(None), *kept[field])] for field, values in fields.items()}

    write_samples(path, layout, {"split": split.of or name}, count, pieces())


def _remove_chunks(work_dir: Path) -> None:
    for file in work_dir.glob("*/*.npz"):
        file.unlink()
    for folder in [entry for entry in work_dir.iterdir() if entry.is_dir()]:
        folder.rmdir()
    (work_dir / "recipe.json").unlink(missing_ok=True)
    work_dir.rmdir()
