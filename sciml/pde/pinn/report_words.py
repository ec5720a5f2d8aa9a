"""What a report of a physics-informed network says in words: the summary, the facts, and what to keep in mind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sciml.core.durations import duration
from sciml.core.run_report import machine_text, unfinished_notes
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.report_data import Evidence

ARCHITECTURES = {"mlp": "MLP", "modified-mlp": "Modified MLP", "piratenet": "PirateNet"}
SAMPLING = {
    "residual": "more of them where the residual is large",
    "retain": "those of large residuals stay",
    "uniform": "alike all over",
}
# a time less than this part of another is said to be shorter
_CLEARLY = 0.8


def lead(evidence: Evidence, config: PinnExperiment) -> str:
    """One paragraph: what was trained on what, with what outcome left to the tables."""
    record, space = evidence.record, config.space
    parameters = record.get("parameters")
    size = f" ({parameters:,} parameters)".replace(",", "\u202f") if isinstance(parameters, int) else ""
    text = (
        f"{model_name(evidence)}{size} was trained to solve {config.equation.name} for {_listed(space.fields)} of "
        f"{_listed(space.coordinates)}"
    )
    text += f", for all {_listed(space.parameters)} of a range." if space.parameters else "."
    if config.equation.unknowns:
        text += f" Measurements were to tell {_listed(config.equation.unknowns)}."
    seconds = record.get("seconds")
    if isinstance(seconds, int | float):
        machine = record.get("machine")
        processor = machine.get("processor") if isinstance(machine, Mapping) else None
        text += f" Training took {duration(float(seconds))}" + (f" on {processor}." if processor else ".")
    return text


def advice(scores: Mapping[str, Any], conventional: Mapping[str, Any]) -> str:
    """When to take the conventional solver and not a network, from what both took here."""
    ours, theirs, once = scores.get("training_seconds"), conventional.get("seconds"), scores.get("prediction_seconds")
    if theirs is None:
        return (
            f"No setting of the conventional solver that was tried was as accurate as this network: "
            f"{conventional.get('missed', '')} Its settings are finite in number, so this says less than it seems."
        )
    if not ours:
        return "The time of the training is not recorded, so the two cannot be compared."
    if once is not None and theirs <= once:
        return (
            f"For a solution as accurate as the worst of this network, the conventional solver takes "
            f"{time_text(theirs)}, and the network {time_text(once)} once it is trained. Take the solver."
        )
    if once is not None:
        return (
            f"Once trained, the network gives a solution in {time_text(once)}. The conventional solver takes "
            f"{time_text(theirs)} to be as accurate as the worst of them, so training ({time_text(ours)}) pays from "
            f"{ours / (theirs - once):.3g} solutions on."
        )
    if theirs < _CLEARLY * ours:
        return (
            f"To be as accurate, the conventional solver takes {time_text(theirs)} where training took "
            f"{time_text(ours)}: it is {ours / theirs:.3g} times faster. For one solution of known constants and "
            "conditions take the solver. A network earns its time where a solver has no way: constants or fields that "
            "only measurements tell, or conditions that are known in part."
        )
    if ours < _CLEARLY * theirs:
        return (
            f"Training took {time_text(ours)}, and the conventional solver {time_text(theirs)} for the same accuracy. "
            "Here the network is the faster of the two; a finer or adaptive solver may still be faster."
        )
    return f"Training and the conventional solver take about as long: {time_text(ours)} and {time_text(theirs)}."


def facts(evidence: Evidence, config: PinnExperiment) -> list[tuple[str, str]]:
    """Names and values for who wants to know exactly."""
    record, space, train, model = evidence.record, config.space, config.train, config.model
    seconds, sampling = record.get("seconds"), config.sampling
    found = {
        "Experiment": record.get("name") or evidence.run.path.name,
        "Equation": config.equation.name,
        "Constants": _lines(
            f"{name} = {_with_unit(value, space.unit(name))}" for name, value in config.equation.constants.items()
        ),
        "Unknown constants": _lines(
            f"{name}, {'positive, ' if unknown.positive else ''}at first {_with_unit(unknown.start, space.unit(name))}"
            for name, unknown in config.equation.unknowns.items()
        ),
        "Coordinates": _lines(
            f"{name} from {_with_unit(low, '')} to {_with_unit(high, space.unit(name))}"
            f"{', periodic' if name in space.periodic else ''}{', even' if name in space.even else ''}"
            for name, (low, high) in space.coordinates.items()
        ),
        "Parameters": _lines(
            f"{name} from {_with_unit(low, '')} to {_with_unit(high, space.unit(name))}"
            f"{', by its logarithm' if name in space.log else ''}"
            for name, (low, high) in space.parameters.items()
        ),
        "Started from": config.start_from,
        "Fields": _lines(with_unit_of(name, space.unit(name)) for name in space.fields),
        "Exact conditions": _lines(
            f"{name} = {config.exact.value.get(name, 0)} + ({config.exact.distance.get(name, 1)}) · network"
            for name in space.fields
            if name in config.exact.value or name in config.exact.distance
        ),
        "Parts of formulas": _lines(f"{name} = {formula}" for name, formula in config.exact.let.items()),
        "Conditions by training": _lines(
            f"{name}: "
            + ", ".join(f"{field} = {value}" for field, value in given.values.items())
            + " at "
            + ", ".join(f"{coordinate} = {place:g}" for coordinate, place in given.at.items())
            + f", weight {given.weight:g}"
            for name, given in config.conditions.items()
        ),
        "Observations": None if config.observations is None else str(config.observations.file),
        "Network": _network(evidence, model),
        "Windows of time": config.windows if config.windows > 1 else None,
        "Points": f"{sampling.points}, fresh after {sampling.every} steps, {SAMPLING[sampling.method]}",
        "Weights of points": _weights(config),
        "Curriculum": _lines(
            f"{name} from {ramp.start:g} until {100 * ramp.until:g} % of the training"
            for name, ramp in config.curriculum.items()
        ),
        "Optimiser": train.optimizer,
        "Precision, seed": f"{train.precision}, {train.seed}",
        "Epochs": record.get("epochs"),
        "Best weights": f"of epoch {evidence.best_epoch:g}" if evidence.best_epoch is not None else None,
        "Training time": duration(float(seconds)) if isinstance(seconds, int | float) else None,
        "Machine": machine_text(record.get("machine")),
        "Status": record.get("status"),
    }
    return [(name, str(value)) for name, value in found.items() if value]


def notes(evidence: Evidence) -> list[str]:
    """What the numbers of this run do not say by themselves, good and bad."""
    found = [*evidence.problems, *unfinished_notes(evidence.record)]
    if not evidence.splits:
        found.append("There are no scores yet (no metrics.json): `sciml evaluate` writes them.")
    for split, scores in evidence.splits.items():
        ours = scores.get("all", {})
        if "reference" not in scores:
            found.append(
                f"“{split}” has no reference: a small residual alone does not say that a solution is right. Give one "
                "by `reference:` in the experiment, or by `sciml evaluate RUN --data FILE`."
            )
        for key, value in ours.items():
            if key.endswith("_relative_l2") and isinstance(value, int | float) and value > 0.1:
                name = key.removesuffix("_relative_l2")
                found.append(f"{name} of “{split}” is off by {100 * value:.3g} %: this is no solution.")
            if key.endswith("_drift") and isinstance(value, int | float) and value > 1e-2:
                found.append(
                    f"{key.removesuffix('_drift')} of “{split}”, to be conserved, drifts by {100 * value:.3g} %."
                )
    return found


def model_name(evidence: Evidence) -> str:
    """The architecture as its authors write it."""
    architecture = str(evidence.part("model").get("architecture") or evidence.metadata.get("architecture") or "")
    return ARCHITECTURES.get(architecture, architecture or "A network")


def shown_unit(unit: str) -> str:
    """Nothing for a number without a unit."""
    return "" if unit == "1" else unit


def with_unit_of(name: str, unit: str) -> str:
    """Name and unit, as an axis has them.

    >>> with_unit_of("u", "m/s"), with_unit_of("u", "1")
    ('u (m/s)', 'u')
    """
    return f"{name} ({unit})" if shown_unit(unit) else name


def time_text(seconds: float) -> str:
    """A time span, in milliseconds where it is short.

    >>> time_text(0.0213), time_text(75.0)
    ('21.3 ms', '1 min 15 s')
    """
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else duration(seconds)


def _with_unit(value: float | str, unit: str) -> str:
    text = value if isinstance(value, str) else f"{value:g}"
    return f"{text} {unit}" if shown_unit(unit) else text


def _network(evidence: Evidence, model: Any) -> str:
    text = f"{model_name(evidence)}, {model.layers} × {model.width}, {model.activation}"
    text += f", {model.fourier} random Fourier features of scale {model.fourier_scale:g}" if model.fourier else ""
    return text + (", factorised weights" if model.factorised else "")


def _weights(config: PinnExperiment) -> str:
    weights = config.weights
    parts = [
        f"exp(−{weights.decay:g} t)" if weights.decay else "",
        f"causal, tolerance {weights.causal:g}, {weights.slices} slices" if weights.causal else "",
        "attention to residuals" if weights.attention else "",
        f"terms balanced by {weights.balance}" if weights.balance != "none" else "",
    ]
    return "; ".join(part for part in parts if part)


def _lines(parts: Iterable[str]) -> str:
    return "; ".join(parts)


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
