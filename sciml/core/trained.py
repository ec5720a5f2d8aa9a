"""Where the weights of a trained model are: in a run, in a file, or in the catalogue."""

from __future__ import annotations

from pathlib import Path

from sciml.core.catalogue import entries, user_path
from sciml.core.errors import UserError
from sciml.core.runs import Run

# in the folder of a model of the catalogue that is trained
WEIGHTS = "weights.safetensors"


def find_weights(path: str | Path) -> Path:
    """The checkpoint of a run (its best weights), the file itself, or that of a trained model's name.

    Raises:
        UserError: there is nothing of the kind.
    """
    place = user_path(path)
    if place.is_dir():
        return Run.open(place).best
    if place.exists():
        return place
    trained = {name: folder / WEIGHTS for name, folder in entries("models").items() if (folder / WEIGHTS).is_file()}
    if str(path) in trained:
        return trained[str(path)]
    raise UserError(
        f"there is no run, checkpoint or trained model at {path}. A run is the folder that `sciml train` wrote; "
        f"trained models are {', '.join(trained)}."
    )
