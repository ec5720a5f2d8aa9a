"""What a report says in words: the summary, the facts of the training, and what a reader should keep in mind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sciml.core.durations import duration
from sciml.core.run_report import machine_text, unfinished_notes
from sciml.pde.report_data import Evidence

ARCHITECTURES = {
    "fno": "Fourier neural operator",
    "sfno": "Spherical Fourier neural operator",
    "unet": "UNet",
    "deeponet": "DeepONet",
    "transolver": "Transolver",
}
# a mean of fewer errors than this is itself uncertain by a third: 1/sqrt(10)
_FEW = 10


def lead(evidence: Evidence) -> str:
    """One paragraph: what was trained on what, with what outcome left to the table."""
    record, metadata = evidence.record, evidence.metadata
    parameters = record.get("parameters")
    size = f" ({parameters:,} parameters)".replace(",", "\u202f") if isinstance(parameters, int) else ""
    counts = metadata.get("data_counts")
    samples = f": {counts['train']} samples on {_points(evidence)} points" if isinstance(counts, Mapping) else ""
    text = f"{model_name(evidence)}{size} was trained to {task(evidence)} on {dataset_name(evidence)}{samples}."
    seconds = record.get("seconds")
    if isinstance(seconds, int | float):
        machine = record.get("machine")
        processor = machine.get("processor") if isinstance(machine, Mapping) else None
        text += f" Training took {duration(float(seconds))} for {record.get('epochs', '?')} epochs"
        text += f" on {processor}." if processor else "."
    return text


def task(evidence: Evidence) -> str:
    """What the network does."""
    dataset, rollout = evidence.part("dataset"), evidence.part("rollout")
    outputs = ", ".join(map(str, dataset.get("outputs") or [])) or "fields"
    if rollout:
        return (
            f"forecast {outputs} from {_frames(rollout.get('history', 1))}, "
            f"{_frames(rollout.get('bundle', 1))} at a time,"
        )
    return f"map {', '.join(map(str, dataset.get('inputs') or []))} to {outputs}"


def facts(evidence: Evidence) -> list[tuple[str, str]]:
    """Names and values for who wants to know exactly."""
    record, metadata, card = evidence.record, evidence.metadata, evidence.card
    train, dataset = evidence.part("train"), evidence.part("dataset")
    mine = bool(own_files(evidence))
    seconds, counts = record.get("seconds"), metadata.get("data_counts")
    normalisation = metadata.get("normalisation")
    found = {
        "Experiment": record.get("name") or evidence.run.path.name,
        "Data set": dataset_name(evidence) + (f": {card['summary']}" if card.get("summary") and not mine else ""),
        "Licence of the data": "as your own files have it" if mine else card.get("licence"),
        "Citation": None if mine else card.get("citation"),
        "Samples": ", ".join(f"{n} to {role}" for role, n in counts.items()) if isinstance(counts, Mapping) else None,
        "Points": _points(evidence),
        "Task": task(evidence),
        "Scaling": _scaling(normalisation) if isinstance(normalisation, Mapping) else None,
        "Model": model_name(evidence),
        "Loss": _loss(evidence.part("loss")),
        "Rollout": ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in evidence.part("rollout").items())
        or "none: a map",
        "Resolution": dataset.get("resolution") or "as in the file",
        "Precision, seed": ", ".join(f"{train[key]}" for key in ("precision", "seed") if key in train),
        "Epochs": record.get("epochs"),
        "Best weights": f"of epoch {evidence.best_epoch:g}" if evidence.best_epoch is not None else None,
        "Training time": duration(float(seconds)) if isinstance(seconds, int | float) else None,
        "Machine": machine_text(record.get("machine")),
        "Status": record.get("status"),
    }
    return [(name, str(value) if value else "not recorded") for name, value in found.items()]


def notes(evidence: Evidence) -> list[str]:
    """What the numbers of this run do not say by themselves, good and bad."""
    found = [*evidence.problems, *unfinished_notes(evidence.record)]
    if not evidence.splits:
        found.append("There are no scores yet (no metrics.json): `sciml evaluate` writes them.")
    elif set(evidence.splits) <= {"train", "validation"}:
        found.append("No test split was evaluated: these errors are of data that training has seen or chosen by.")
    for split, scores in evidence.splits.items():
        ours = scores.get("all", {})
        if 0 < ours.get("n_samples", 0) < _FEW:
            found.append(f"Split {split} has only {ours['n_samples']} samples: its mean errors are rough.")
        for name, baseline in scores.get("baselines", {}).items():
            a, b = ours.get("relative_l2_mean"), baseline.get("relative_l2_mean")
            if a is not None and b is not None and a >= b:
                found.append(f"On {split} the relative L2 error, {a:.3g}, is no better than that of {name}, {b:.3g}.")
    best, epochs = evidence.best_epoch, evidence.record.get("epochs")
    if best is not None and isinstance(epochs, int) and epochs >= 20 and best < epochs / 2:
        found.append(f"The validation error was lowest at epoch {best:g} of {epochs}: the rest did not help.")
    return found


def model_name(evidence: Evidence) -> str:
    """The architecture as its authors write it."""
    architecture = str(evidence.part("model").get("architecture") or evidence.metadata.get("architecture") or "")
    return ARCHITECTURES.get(architecture, architecture or "A network")


def dataset_name(evidence: Evidence) -> str:
    """The data set, or the files that the user gave in its place."""
    mine = own_files(evidence)
    name = evidence.part("dataset").get("name")
    if not mine:
        return str(name or "a data set that the run does not name")
    listed = ", ".join(f"{role}={path}" for role, path in mine.items())
    return f"your own files ({listed})" if "train" in mine or not name else f"{name} with your own {listed}"


def own_files(evidence: Evidence) -> dict[str, str]:
    """Files in force that are not the catalogue's, by role."""
    dataset = evidence.part("dataset")
    given = {role: dataset.get(role) for role in ("train", "validation", "test")}
    found = {role: str(path) for role, path in given.items() if path}
    files = dataset.get("files")
    if not dataset.get("name") and "train" not in found and isinstance(files, Mapping):
        found.update({role: str(file.get("path")) for role, file in files.items() if isinstance(file, Mapping)})
    return found


def _loss(loss: Mapping[str, Any]) -> str:
    """The terms that have a weight."""
    terms = {key.removesuffix("_weight"): value for key, value in loss.items() if key.endswith("_weight") and value}
    found = [f"{value:g} × {term.replace('_', ' ')}" for term, value in terms.items()]
    physics = loss.get("physics")
    if isinstance(physics, Mapping):
        solutions = physics.get("solutions")
        of = "" if solutions is None else f", with the solutions of {solutions} samples"
        found.append(f"{physics.get('weight', 1.0):g} × residual of {physics.get('equation')}{of}")
    return ", ".join(found)


def _points(evidence: Evidence) -> str:
    grid = evidence.metadata.get("grid")
    shape = grid.get("shape") if isinstance(grid, Mapping) else None
    return " × ".join(map(str, shape)) if shape else "?"


def _frames(n: Any) -> str:
    return "one frame" if n == 1 else f"{n} frames"


def _scaling(normalisation: Mapping[str, Any]) -> str:
    channels = {**(normalisation.get("inputs") or {}), **(normalisation.get("outputs") or {})}
    return "; ".join(f"{name}: mean {m:.4g}, deviation {s:.4g}" for name, (m, s) in channels.items())
