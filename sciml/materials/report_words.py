"""What a report says in words: the summary, the facts of the training, and what a reader should keep in mind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from sciml.core.durations import duration
from sciml.core.report import format_number
from sciml.core.run_report import machine_text, unfinished_notes
from sciml.materials.report_data import Evidence, Predictions

ARCHITECTURES = {"painn": "PaiNN", "schnet": "SchNet", "qace": "QACE"}

# Fewer structures than this give a mean whose own error is as large as a third of it: 1/sqrt(10).
_FEW = 10
_FINISHED = {"finished", "completed", "done"}


def lead(evidence: Evidence) -> str:
    """One paragraph: what was trained on what, with what outcome left to the table."""
    record, train = evidence.record, evidence.part("train")
    parameters = _whole(record.get("parameters"))
    cutoff = evidence.part("model").get("cutoff_angstrom")
    details = [f"{parameters} parameters" if parameters else "", f"cutoff {cutoff:g} Å" if _is_number(cutoff) else ""]
    described = ", ".join(d for d in details if d)
    text = f"{model_name(evidence)}{f' ({described})' if described else ''} was trained on {dataset_name(evidence)}"
    licence = None if "train" in own_files(evidence) else evidence.card.get("licence")
    text += f" ({licence})" if licence else ""
    counts = _training_counts(evidence)
    text += f": {counts}." if counts else "."
    seconds, epochs = _seconds(evidence), _epochs(evidence)
    if seconds is not None:
        text += f" Training took {duration(seconds)}{f' for {epochs} epochs' if epochs else ''}"
        machine = record.get("machine")
        processor = machine.get("processor") if isinstance(machine, Mapping) else machine
        text += f" on {processor}" if processor else ""
        text += f", in {train['precision']} with seed {train.get('seed', 0)}." if "precision" in train else "."
    elif epochs:
        text += f" The log holds {epochs} epochs; how long they took is not recorded."
    return text


def facts(evidence: Evidence) -> list[tuple[str, str]]:
    """Names and values for who wants to know exactly."""
    record, metadata, card = evidence.record, evidence.metadata, evidence.card
    train, dataset = evidence.part("train"), evidence.part("dataset")
    mine = "train" in own_files(evidence)
    cutoff = evidence.part("model").get("cutoff_angstrom")
    seconds = _seconds(evidence)
    elements = metadata.get("elements") or dataset.get("elements")
    found = {
        "Experiment": record.get("name") or evidence.run.path.name,
        "Data set": dataset_name(evidence) + (f": {card['summary']}" if card.get("summary") and not mine else ""),
        "Licence of the data": "as your own files have it" if mine else card.get("licence"),
        "Citation": None if mine else card.get("citation"),
        "Fingerprint": metadata.get("data_fingerprint"),
        "Structures": _training_counts(evidence),
        "Tested on": "; ".join(f"{p.split}: {_count(len(p.n_atoms), p.n_atoms.sum())}" for p in evidence.predictions),
        "Elements": _elements(elements),
        "Model": model_name(evidence),
        "Parameters": _whole(record.get("parameters")),
        "Cutoff": f"{cutoff:g} Å" if _is_number(cutoff) else None,
        "Units": "energy eV, forces eV/Å, stress eV/Å³ (positive under tension); shown in meV/atom, eV/Å, GPa",
        "Loss": ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in evidence.part("loss").items()),
        "Precision, seed": ", ".join(f"{train[key]}" for key in ("precision", "seed") if key in train),
        "Epochs": _epochs(evidence),
        "Best weights": f"of epoch {evidence.best_epoch:g}" if evidence.best_epoch is not None else None,
        "Training time": duration(seconds) if seconds is not None else None,
        "Started, finished": ", ".join(_moment(record[key]) for key in ("started", "finished") if record.get(key)),
        "Machine": machine_text(record.get("machine")),
        "Status": record.get("status"),
    }
    return [(name, str(value) if value else "not recorded") for name, value in found.items()]


def notes(evidence: Evidence) -> list[str]:
    """What the numbers of this run do not say by themselves, good and bad."""
    found = [*evidence.problems, *unfinished_notes(evidence.record, _FINISHED)]
    recorded = evidence.metadata.get("notes")
    found += [str(note) for note in recorded] if isinstance(recorded, list) else []
    for quantity in ("energy", "forces", "stress"):
        if evidence.part("loss").get(f"{quantity}_weight") == 0:
            found.append(f"The loss gave {quantity} no weight: the potential was not trained on it.")
    if not evidence.splits:
        found.append("There are no scores yet (no metrics.json): `sciml evaluate` writes them.")
    if not evidence.predictions:
        found.append("There are no predictions, so nothing below compares them with the reference.")
    elif all(p.split in {"train", "validation"} for p in evidence.predictions):
        found.append("No test split was evaluated: these errors are of data that training has seen or chosen by.")
    for predictions in evidence.predictions:
        found += _notes_on_split(predictions, evidence.splits.get(predictions.split, {}).get("all", {}))
    for split, scores in evidence.splits.items():
        found += _notes_against_baseline(split, scores)
    return found + _notes_on_training(evidence)


def model_name(evidence: Evidence) -> str:
    """The architecture as its authors write it, and the catalogue's name if that is another."""
    model = evidence.part("model")
    architecture = str(model.get("architecture") or evidence.metadata.get("architecture") or "a potential")
    name = ARCHITECTURES.get(architecture, architecture)
    catalogue = str(model.get("name") or "")
    return name if catalogue in {"", architecture} else f"{name} “{catalogue}”"


def dataset_name(evidence: Evidence) -> str:
    """The data set, or the files that the user gave in its place."""
    name = str(evidence.part("dataset").get("name") or "a data set that the run does not name")
    mine = own_files(evidence)
    listed = ", ".join(f"{split}={path}" for split, path in mine.items())
    if "train" in mine:
        return f"your own files ({listed})"
    return f"{name} with your own {listed}" if mine else name


def own_files(evidence: Evidence) -> dict[str, str]:
    """Files in force that are not the catalogue's data set, by split."""
    dataset, published = evidence.part("dataset"), evidence.card.get("files")
    given = {split: dataset.get(split) for split in ("train", "validation", "test", "isolated_atoms")}
    found = {split: str(path) for split, path in given.items() if path}
    files = {} if "train" in found else dataset.get("files")
    for split, file in files.items() if isinstance(files, Mapping) else ():
        replaced = split in found or ("test" in found and split.startswith("test"))
        catalogued = isinstance(published, Mapping) and _identity(file) == _identity(published.get(split))
        if not replaced and not catalogued and (evidence.card or not dataset.get("name")):
            found[split] = str(_identity(file)[0])
    return found


def _identity(file: Any) -> tuple[Any, Any]:
    return (file.get("path"), file.get("sha256")) if isinstance(file, Mapping) else (None, None)


def _notes_on_split(predictions: Predictions, scores: Mapping[str, Any]) -> list[str]:
    split, s = predictions.split, len(predictions.n_atoms)
    found = []
    for quantity, unit in (("energy", "energies"), ("forces", "forces"), ("stress", "stress labels")):
        reference, predicted = getattr(predictions, quantity), getattr(predictions, f"{quantity}_predicted")
        known = np.isfinite(reference).reshape(len(reference), -1).all(axis=1)
        what = "atoms" if quantity == "forces" else "structures"
        if not known.any():
            found.append(f"Split {split} has no {unit}, so they are not compared.")
        elif not known.all():
            found.append(
                f"Split {split}: {(~known).sum()} of {len(known)} {what} have no {unit} and are left out of them."
            )
        broken = int((~np.isfinite(predicted[known])).sum())
        if broken:
            found.append(
                f"Split {split}: {broken} predicted values of {quantity} are not finite. Do not use this potential."
            )
    if s < _FEW:
        found.append(f"Split {split} has only {_count(s)}: its mean errors are rough.")
    for name, value in predictions.scores().items():
        told = scores.get(name)
        # both are computed in float64 from the same numbers; what differs by one in a hundred is another prediction
        if _is_number(told) and abs(float(told) - value) > 0.01 * abs(value) + 1e-12:
            found.append(
                f"metrics.json says {name} = {float(told):.4g} on {split}, but the predictions give {value:.4g}: "
                "they are of different evaluations. Run `sciml evaluate` again."
            )
    return found


def _notes_against_baseline(split: str, scores: Mapping[str, Any]) -> list[str]:
    ours, baseline = scores.get("all") or {}, scores.get("baseline") or {}
    found = []
    for name, unit in (
        ("energy_mae_mev_per_atom", "meV/atom"),
        ("forces_mae_ev_per_angstrom", "eV/Å"),
        ("stress_mae_gpa", "GPa"),
    ):
        a, b = ours.get(name), baseline.get(name)
        if _is_number(a) and _is_number(b) and a >= b:
            quantity = name.partition("_")[0]
            found.append(
                f"On {split} the {quantity} MAE, {format_number(a, 3)} {unit}, is no better than that of predicting "
                f"nothing at all, {format_number(b, 3)} {unit}."
            )
    if ours and not baseline:
        found.append(
            f"metrics.json has no baseline for {split}, so the errors stand without a measure of what is easy."
        )
    return found


def _notes_on_training(evidence: Evidence) -> list[str]:
    best, epochs = evidence.best_epoch, evidence.log.get("epoch")
    if epochs is None or best is None:
        return []
    last = float(np.nanmax(epochs))
    if last >= 5 and best >= last:
        return ["The last epoch was the best, as a schedule that ends there means it to be; longer training may help."]
    if last >= 20 and best < last / 2:
        return [f"The validation error was lowest at epoch {best:g} of {last:g}: the rest of training did not help."]
    return []


def _training_counts(evidence: Evidence) -> str:
    counts = evidence.metadata.get("data_counts")
    if not isinstance(counts, Mapping):
        return ""
    names = {"train": "to train", "validation": "to validate", "test": "to test"}
    parts = [
        f"{_count(c.get('n_structures'), c.get('n_atoms'))} {names.get(str(split), str(split))}"
        for split, c in counts.items()
        if isinstance(c, Mapping)
    ]
    return ", ".join(parts)


def _count(structures: Any, atoms: Any = None) -> str:
    text = f"{_whole(structures) or '?'} structure{'' if structures == 1 else 's'}"
    return f"{text} ({_whole(atoms)} atoms)" if atoms else text


def _moment(text: Any) -> str:
    """An ISO time as one reads it."""
    return str(text).replace("T", " ").replace("+00:00", " UTC")


def _elements(elements: Any) -> str:
    from ase.data import chemical_symbols

    if not isinstance(elements, list):
        return ""
    names = [chemical_symbols[e] if isinstance(e, int) and 0 < e < len(chemical_symbols) else str(e) for e in elements]
    return ", ".join(names)


def _seconds(evidence: Evidence) -> float | None:
    """Time of training: run.json's, or the log's last."""
    recorded = evidence.record.get("seconds")
    if _is_number(recorded):
        return float(recorded)
    logged = evidence.log.get("seconds", np.empty(0))
    logged = logged[np.isfinite(logged)]
    return float(logged[-1]) if len(logged) else None


def _epochs(evidence: Evidence) -> int:
    epochs = evidence.log.get("epoch")
    return len(np.unique(epochs[np.isfinite(epochs)])) if epochs is not None else 0


def _whole(value: Any) -> str:
    """A count with thin spaces between thousands."""
    return f"{int(value):,}".replace(",", "\u202f") if _is_number(value) else ""


def _is_number(value: Any) -> TypeGuard[float]:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and bool(np.isfinite(value))
