"""What a report of a physics-informed network reads: the run's records, and the fields that were compared.

Shapes: a grid has the points along each coordinate in their order; f fields, k of them with a reference.
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
class Solution:
    """What `sciml evaluate` kept.

    Attributes:
        name: of the split.
        grid: points along each coordinate.
        fields: names of the network's fields.
        prediction: [*grid, f].
        reference_fields: names of those that have a reference.
        reference: [*grid, k]; k is 0 without one.
    """

    name: str
    grid: Mapping[str, Float[np.ndarray, " _"]]
    fields: Sequence[str]
    prediction: Float[np.ndarray, "*grid f"]
    reference_fields: Sequence[str]
    reference: Float[np.ndarray, "*grid k"]

    def __post_init__(self) -> None:
        shape = tuple(map(len, self.grid.values()))
        given = {"prediction": (self.prediction, self.fields), "reference": (self.reference, self.reference_fields)}
        for name, (array, fields) in given.items():
            if array.shape != (*shape, len(fields)):
                raise ValueError(f"`{name}` needs the shape {(*shape, len(fields))}, but has {array.shape}.")

    def field(self, name: str) -> Float[np.ndarray, "*grid"]:
        """The network's."""
        return self.prediction[..., list(self.fields).index(name)]

    def reference_of(self, name: str) -> Float[np.ndarray, "*grid"] | None:
        """The reference; None for a field without one."""
        if name not in self.reference_fields:
            return None
        return self.reference[..., list(self.reference_fields).index(name)]


def read_solution(path: Path) -> Solution:
    """Read what was kept of one split.

    Raises:
        UserError: the file is damaged, or does not hold what `sciml evaluate` writes.
    """
    tensors, metadata = load_checkpoint(path)
    arrays = {name: tensor.double().numpy() for name, tensor in tensors.items()}
    try:
        grid = {name: arrays[f"coordinates/{name}"] for name in metadata["coordinates"]}
        prediction = arrays["prediction"]
        return Solution(
            name=path.stem,
            grid=grid,
            fields=list(metadata["fields"]),
            prediction=prediction,
            reference_fields=list(metadata["reference_fields"]),
            reference=arrays.get("reference", prediction[..., :0]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} lacks what a report shows ({error!r}). Run `sciml evaluate` again.") from error


Evidence = evidence.Evidence[Solution]


def read_evidence(run: Run) -> Evidence:
    """Every piece of the run that is there."""
    return evidence.read_evidence(run, read_solution)
