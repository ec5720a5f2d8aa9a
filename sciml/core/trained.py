"""Where the weights of a trained model are: in a run, in a file, or in the catalogue; and a file of them alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch

from sciml.core.catalogue import entries, user_path
from sciml.core.checkpoint import load_checkpoint, network_tensors, save_checkpoint
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


def export_weights(path: str | Path, output: Path, precision: str) -> str:
    """Writes a model's weights and description without what only a trainer needs: a run's checkpoint, smaller.

    Args:
        path: what `find_weights` takes.
        output: the file to write, .safetensors.
        precision: of the weights in the file, "float16", "float32" or "float64". Numbers that the model keeps in
            another precision than its weights, such as energies of free atoms, stay in theirs. Float16 is for the file
            alone: who loads it computes in float32.

    Returns:
        What was written, for the user.

    Raises:
        UserError: no such model, a weight too large for the precision, or a file that cannot be written.
    """
    source = find_weights(path)
    tensors, metadata = load_checkpoint(source)
    kept = network_tensors(tensors)
    number, count = getattr(torch, precision), Counter[torch.dtype]()
    for one in kept.values():
        count[one.dtype] += one.numel()
    weights = next(kind for kind, _ in count.most_common() if kind.is_floating_point)
    rounded = {name: one.to(number) if one.dtype == weights else one for name, one in kept.items()}
    if bad := [name for name, one in rounded.items() if not torch.isfinite(one).all()]:
        raise UserError(f"{source}: `{bad[0]}` has numbers too large for {precision}. Export in float32.")
    save_checkpoint(output, rounded, metadata)
    size = output.stat().st_size / 1e6
    return f"{output}: {sum(one.numel() for one in kept.values())} weights in {precision}, {size:.2f} MB"
