"""What a report reads: the run's records, and of each split the fields that are shown.

Shapes: k samples that are shown, t times, grid points along each axis, i input and o output channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from sciml.core.catalogue import find_dataset
from sciml.core.checkpoint import load_checkpoint
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.core.run_report import Log, best_epoch, read_log
from sciml.core.runs import Run

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Shown:
    """What `sciml.pde.scores.evaluate_split` kept of a split.

    Attributes:
        split: its name.
        samples: numbers of the samples that are shown: the worst, the median and the best.
        errors: their relative L2 errors.
        sample_errors: those of all samples.
        times: that are shown.
        axes, coordinates: of space.
        inputs, outputs, units: names and units of the channels.
        input_fields: [k, *grid, i].
        truth, prediction: [k, t, *grid, o].
        points: true and predicted numbers, [2, m, o].
        spectra: power of predictions, of the truth and of errors, summed over samples and times, [3, w, o].
    """

    split: str
    samples: Sequence[int]
    errors: Sequence[float]
    sample_errors: Float[np.ndarray, " s"]
    times: Sequence[float]
    axes: Sequence[str]
    coordinates: Sequence[Float[np.ndarray, " _"]]
    inputs: Sequence[str]
    outputs: Sequence[str]
    units: Mapping[str, str]
    input_fields: Float[np.ndarray, "k *grid i"]
    truth: Float[np.ndarray, "k t *grid o"]
    prediction: Float[np.ndarray, "k t *grid o"]
    points: Float[np.ndarray, "2 m o"]
    spectra: Float[np.ndarray, "3 w o"]

    def unit(self, name: str) -> str:
        """Of a variable, "" for a number without one."""
        unit = self.units.get(name, "")
        return "" if unit == "1" else unit

    def label(self, name: str) -> str:
        """Name and unit."""
        return f"{name} ({self.unit(name)})" if self.unit(name) else name


def read_shown(path: Path) -> Shown:
    """Read what was kept of one split.

    Raises:
        UserError: the file is damaged, or does not hold what `sciml evaluate` writes.
    """
    tensors, metadata = load_checkpoint(path)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    try:
        return Shown(
            split=path.stem,
            samples=[int(number) for number in metadata["samples"]],
            errors=[float(error) for error in metadata["errors"]],
            sample_errors=np.array(metadata["sample_errors"], float),
            times=[float(time) for time in metadata["times"]],
            axes=list(metadata["axes"]),
            coordinates=[np.array(values, float) for values in metadata["coordinates"]],
            inputs=list(metadata["inputs"]),
            outputs=list(metadata["outputs"]),
            units=dict(metadata["units"]),
            input_fields=arrays["inputs"],
            truth=arrays["truth"],
            prediction=arrays["prediction"],
            points=arrays["points"],
            spectra=arrays["spectra"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} lacks what a report shows ({error!r}). Run `sciml evaluate` again.") from error


@dataclass(frozen=True)
class Evidence:
    """All that a run's folder says; what could not be read is in `problems`, in words.

    Attributes:
        record: run.json.
        config: config.yaml.
        card: dataset.yaml of the data set in the catalogue, for its summary, licence and citation.
        metadata: of checkpoints/best.safetensors.
        splits: metrics.json's scores by split.
        shown: fields by split.
    """

    run: Run
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    card: Mapping[str, Any]
    metadata: Mapping[str, Any]
    log: Log
    splits: Mapping[str, Mapping[str, Any]]
    shown: Sequence[Shown]
    problems: Sequence[str]

    @property
    def best_epoch(self) -> float | None:
        training = self.metadata.get("training")
        recorded = training.get("epoch") if isinstance(training, Mapping) else None
        return float(recorded) if isinstance(recorded, int) else best_epoch(self.log)

    def part(self, name: str) -> Mapping[str, Any]:
        """A part of the configuration such as "dataset", empty if it has none."""
        value = self.config.get(name)
        return value if isinstance(value, Mapping) else {}


def read_evidence(run: Run) -> Evidence:
    """Read every piece of the run that is there."""
    problems: list[str] = []

    def attempt(read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except UserError as error:
            problems.append(f"Left out of this report: {error}")
            return otherwise

    config = attempt(lambda: run.config() if run.config_file.is_file() else {}, {})
    files = sorted(run.predictions("any").parent.glob("*.safetensors"))
    shown = [attempt(lambda file=file: read_shown(file), None) for file in files]
    return Evidence(
        run=run,
        record=attempt(run.record, {}),
        config=config,
        card=_card(config),
        metadata=attempt(lambda: load_checkpoint(run.best)[1] if run.best.is_file() else {}, {}),
        log=attempt(lambda: read_log(run.log_file), {}),
        splits={name: scores for name, scores in attempt(run.scores, {}).items() if isinstance(scores, dict)},
        shown=[found for found in shown if found is not None],
        problems=problems,
    )


def _card(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of the data set's card; empty for a data set that is not in the catalogue."""
    dataset = config.get("dataset")
    name = dataset.get("name") if isinstance(dataset, Mapping) else dataset
    try:
        return read_yaml(find_dataset(str(name)) / "dataset.yaml")
    except UserError:
        return {}
