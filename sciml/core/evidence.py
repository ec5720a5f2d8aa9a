"""What a run's folder holds for its report, as far as it can be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sciml.core.catalogue import find_dataset
from sciml.core.checkpoint import load_checkpoint
from sciml.core.errors import UserError
from sciml.core.plain_yaml import read_yaml
from sciml.core.run_report import Log, best_epoch, read_log
from sciml.core.runs import Run

T = TypeVar("T")
P = TypeVar("P")


@dataclass(frozen=True)
class Evidence(Generic[P]):
    """All that a run's folder says; what could not be read is in `problems`, in words.

    Attributes:
        record: run.json.
        config: config.yaml.
        card: dataset.yaml of the data set in the catalogue, for its summary, licence and citation.
        metadata: of checkpoints/best.safetensors.
        splits: metrics.json's scores by split.
        predictions: what the domain reads of each predictions/<split>.safetensors.
    """

    run: Run
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    card: Mapping[str, Any]
    metadata: Mapping[str, Any]
    log: Log
    splits: Mapping[str, Mapping[str, Any]]
    predictions: Sequence[P]
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


def read_evidence(run: Run, read_predictions: Callable[[Path], P]) -> Evidence[P]:
    """Reads every piece of the run that is there.

    Args:
        run: whose folder.
        read_predictions: of one split; may raise UserError.
    """
    problems: list[str] = []

    def attempt(read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except UserError as error:
            problems.append(f"Left out of this report: {error}")
            return otherwise

    config = attempt(lambda: run.config() if run.config_file.is_file() else {}, {})
    found: list[P] = []
    for file in sorted(run.predictions("any").parent.glob("*.safetensors")):
        attempt(lambda file=file: found.append(read_predictions(file)), None)
    return Evidence(
        run=run,
        record=attempt(run.record, {}),
        config=config,
        card=_card(config),
        metadata=attempt(lambda: load_checkpoint(run.best)[1] if run.best.is_file() else {}, {}),
        log=attempt(lambda: read_log(run.log_file), {}),
        splits={name: scores for name, scores in attempt(run.scores, {}).items() if isinstance(scores, dict)},
        predictions=found,
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
