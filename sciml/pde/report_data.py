"""What a report reads: the run's records, and of each split the fields that are shown.

Shapes: k samples that are shown, t times, grid points along each axis, i input and o output channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from sciml.core import evidence
from sciml.core.checkpoint import load_checkpoint
from sciml.core.errors import UserError
from sciml.core.runs import Run


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


Evidence = evidence.Evidence[Shown]


def read_evidence(run: Run) -> Evidence:
    """Every piece of the run that is there."""
    return evidence.read_evidence(run, read_shown)
