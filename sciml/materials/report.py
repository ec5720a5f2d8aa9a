"""report.html of a potential's run: what was trained on what, how well it does, and where it fails.

Everything is read from the run's folder; a piece that is not there is named in words on the page. Energies are compared
per atom in meV, forces by component in eV/angstrom, stresses by component in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.figures import error_against_size, error_ridges, parity
from sciml.core.report import (
    Block,
    Column,
    Facts,
    Figures,
    Notes,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Svg,
    Table,
    Tile,
    Tiles,
    decimals_for,
    format_number,
    render_page,
)
from sciml.core.run_report import learning_section, reproduce_section
from sciml.core.runs import Run, write_text
from sciml.core.units import EV_PER_ANGSTROM3_IN_GPA
from sciml.materials import report_words as words
from sciml.materials.drawing import MOST_ATOMS, draw_structure
from sciml.materials.report_data import Evidence, Predictions, judged, read_evidence

# heading, unit, name of the MAE and of the RMSE in metrics.json
SCORES = (
    ("Energy", "meV/atom", "energy_mae_mev_per_atom", "energy_rmse_mev_per_atom"),
    ("Forces", "eV/Å", "forces_mae_ev_per_angstrom", "forces_rmse_ev_per_angstrom"),
    ("Stress", "GPa", "stress_mae_gpa", "stress_rmse_gpa"),
)
# of the errors that `sciml.materials.loss.metrics` logs
LOG_UNITS = {"energy": "meV/atom", "forces": "eV/Å", "stress": "GPa"}
_MOST_GROUPS = 12
_WORST = 10


def write_report(run: Run) -> Path:
    """Write the run's report.html, whole or not at all, and return its path.

    Raises:
        UserError: the file cannot be written, or matplotlib is not installed.
    """
    write_text(run.report_file, render_page(build_page(read_evidence(run))))
    return run.report_file


def build_page(evidence: Evidence) -> Page:
    """The page of all sections, each with what the run's folder has of it."""
    remarks = words.notes(evidence)
    return Page(
        title=str(evidence.record.get("name") or evidence.run.path.name),
        kicker="Interatomic potential: training report",
        lead=words.lead(evidence),
        sections=[
            _errors_section(evidence),
            Section("Good to know", [Notes(remarks) if remarks else Paragraph("Nothing stood out.")]),
            Section("What was trained on what", [Facts(words.facts(evidence))]),
            learning_section(evidence.log, evidence.best_epoch, LOG_UNITS),
            _parity_section(evidence),
            _distribution_section(evidence),
            _worst_section(evidence),
            reproduce_section(evidence.run, evidence.record, evidence.config),
        ],
        footer="Written by sciml. This page is one file: it fetches nothing, and can be mailed or printed as it is.",
    )


# ------------------------------------------------------------------------------------------------ scores


def _errors_section(evidence: Evidence) -> Section:
    if not evidence.splits:
        return Section("Test errors", [Paragraph("This run has not been evaluated yet: there is no metrics.json.")])
    ordered = sorted(evidence.splits.items(), key=lambda item: item[0] in {"train", "validation"})
    blocks: list[Block] = []
    for split, scores in ordered[:2]:
        if split not in {"train", "validation"}:
            blocks.append(Tiles(_tiles(split, scores)))
    kinds = [
        score
        for score in SCORES
        if any(_score(row, score[2]) is not None for _, scores in ordered for _, row, _ in _score_rows("", scores))
    ]
    blocks.append(_score_table(ordered, kinds))
    absent = [score[0].lower() for score in SCORES if score not in kinds]
    if absent:
        blocks.append(
            Paragraph(f"The data has no reference for {' and '.join(absent)}, so there is no error to state.")
        )
    blocks.append(
        Paragraph(
            "The baseline knows what an atom of each element costs on average in the training data, and nothing "
            "else: no force, no stress. MAE is the mean absolute error, RMSE the root of the mean square."
        )
    )
    return Section("Test errors", blocks)


def _tiles(split: str, scores: Mapping[str, Any]) -> list[Tile]:
    tiles = []
    for heading, unit, mae, rmse in SCORES:
        value, spread = _score(scores.get("all"), mae), _score(scores.get("all"), rmse)
        if value is None:
            continue
        easy = _score(scores.get("baseline"), mae)
        remark = f"RMSE {format_number(spread, decimals_for([spread]))}" if spread is not None else ""
        if easy is not None:
            remark += f"{' · ' if remark else ''}baseline {format_number(easy, decimals_for([easy]))}"
        shown = format_number(value, decimals_for([value]))
        tiles.append(Tile(f"{heading} MAE, {split}", shown, unit, remark))
    return tiles


def _score_rows(split: str, scores: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    groups = scores.get("groups")
    named = sorted(groups.items()) if isinstance(groups, Mapping) and len(groups) > 1 else []
    return [
        (split, scores.get("all"), "total"),
        *((str(name), row, "group") for name, row in named),
        ("baseline", scores.get("baseline"), "baseline"),
    ]


def _score_table(ordered: Sequence[tuple[str, Mapping[str, Any]]], kinds: Sequence[tuple[str, str, str, str]]) -> Table:
    keys = [key for _, _, mae, rmse in kinds for key in (mae, rmse)]
    listed = [row for split, scores in ordered for row in _score_rows(split, scores) if isinstance(row[1], Mapping)]
    # three digits of the error of a whole split; groups and baseline are aligned with it
    digits = {key: decimals_for([_score(row, key) for _, row, kind in listed if kind == "total"]) for key in keys}
    columns = [Column("Split, group"), Column("Structures"), Column("Atoms")]
    columns += [Column(name, heading=f"{head} ({unit})") for head, unit, _, _ in kinds for name in ("MAE", "RMSE")]
    rows = [
        Row(
            [
                name,
                Number(_score(row, "n_structures"), 0),
                Number(_score(row, "n_atoms"), 0),
                *(Number(_score(row, key), digits[key]) for key in keys),
            ],
            kind,
        )
        for name, row, kind in listed
    ]
    return Table("Errors of the best weights by split and kind of configuration", columns, rows)


def _score(row: Any, key: str) -> float | int | None:
    value = row.get(key) if isinstance(row, Mapping) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


# ------------------------------------------------------------------------------------------------ figures


def _parity_section(evidence: Evidence) -> Section:
    blocks: list[Block] = []
    for predictions in evidence.predictions:
        panels = _parities(predictions)
        blocks.append(
            Figures(panels)
            if panels
            else Paragraph(f"Split {predictions.split} has no reference values to compare with.")
        )
    if not blocks:
        blocks = [Paragraph("There are no predictions yet.")]
    return Section("Predicted against reference", blocks)


def _parities(p: Predictions) -> list[tuple[Svg, str]]:
    """Energy, forces and stress, as far as there are both a reference and a prediction."""
    kinds = (
        (
            ("Energy", "energy", "eV/atom", "meV/atom", 1000.0),
            (p.energy / p.n_atoms, p.energy_predicted / p.n_atoms, p.groups),
            "Energy per atom of {} structures.",
        ),
        (
            ("Forces", "force component", "eV/Å", "eV/Å", 1.0),
            (p.forces.ravel(), p.forces_predicted.ravel(), None),
            "{} force components.",
        ),
        (
            ("Stress", "stress component", "GPa", "GPa", 1.0),
            (_gpa(p.stress), _gpa(p.stress_predicted), np.repeat(p.groups, 9)),
            "{} stress components (nine a structure), positive under tension.",
        ),
    )
    panels = []
    for (title, quantity, unit, error_unit, error_scale), (reference, predicted, groups), caption in kinds:
        known = np.isfinite(reference) & np.isfinite(predicted)
        if known.any():
            svg = parity(
                reference[known],
                predicted[known],
                title=f"{title}, {p.split}",
                quantity=quantity,
                unit=unit,
                error_unit=error_unit,
                error_scale=error_scale,
                groups=None if groups is None else np.array(groups)[known].tolist(),
            )
            panels.append((svg, caption.format(known.sum())))
    return panels


def _gpa(stress: NDArray[np.float64]) -> NDArray[np.float64]:
    return EV_PER_ANGSTROM3_IN_GPA * stress.ravel()


def _distribution_section(evidence: Evidence) -> Section:
    figures: list[tuple[Svg, str]] = []
    for p in judged(evidence):
        kinds = (
            (
                "Energy error",
                p.energy_error_mev_per_atom,
                np.array(p.groups),
                "predicted − reference (meV/atom)",
                False,
            ),
            (
                "Force error",
                p.force_error,
                np.array(p.groups)[p.structure_of_atom],
                "length of the error vector (eV/Å)",
                True,
            ),
            ("Stress error", p.stress_error_gpa.ravel(), np.repeat(p.groups, 9), "predicted − reference (GPa)", False),
        )
        for title, errors, groups, label, logarithmic in kinds:
            by_group = _by_group(errors, groups)
            if by_group:
                svg = error_ridges(by_group, title=f"{title}, {p.split}", label=label, logarithmic=logarithmic)
                figures.append((svg, "Number of values in brackets; the upright stroke is the median of its row."))
        size = np.linalg.norm(p.forces, axis=1)
        shown = np.isfinite(size) & np.isfinite(p.force_error) & (size > 0) & (p.force_error > 0)
        if shown.sum() > 1:
            svg = error_against_size(
                size[shown],
                p.force_error[shown],
                title=f"Force error by force, {p.split}",
                size_label="length of the reference force (eV/Å)",
                error_label="length of the error (eV/Å)",
            )
            figures.append((svg, "Each atom once. On the dashed line the error is as large as the force itself."))
    if not figures:
        return Section(
            "Where the errors are", [Paragraph("There is no error to show: no prediction meets a reference.")]
        )
    return Section("Where the errors are", [Figures(figures)])


def _by_group(errors: NDArray[np.float64], groups: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Finite errors by group, the groups by name; of more than twelve the smallest share a row."""
    known = np.isfinite(errors)
    errors, groups = errors[known], groups[known]
    names, sizes = np.unique(groups, return_counts=True)
    kept = set(names if len(names) <= _MOST_GROUPS else names[np.argsort(-sizes)][: _MOST_GROUPS - 1])
    found = {str(name): errors[groups == name] for name in names if name in kept}
    if len(kept) < len(names):
        found[f"{len(names) - len(kept)} other groups"] = errors[~np.isin(groups, list(kept))]
    return found


# ------------------------------------------------------------------------------------------------ worst structures


def _worst_section(evidence: Evidence) -> Section:
    tested = judged(evidence)
    candidates = [(p, i) for p in tested for i in range(len(p.n_atoms))]
    by_force = any(np.isfinite(p.force_rmse).any() for p in tested)
    measures = {id(p): p.force_rmse if by_force else np.abs(p.energy_error_mev_per_atom) for p in tested}
    ranked = [(float(measures[id(p)][i]), p, i) for p, i in candidates if np.isfinite(measures[id(p)][i])]
    ranked.sort(key=lambda item: -item[0])
    worst = [(p, i) for _, p, i in ranked[:_WORST]]
    if not worst:
        return Section("Worst structures", [Paragraph("There is no structure with both a prediction and a reference.")])

    several = len(tested) > 1
    drawings = [_drawing(p, i) for p, i in worst]
    energy = [float(p.energy_error_mev_per_atom[i]) for p, i in worst]
    rmse = [float(p.force_rmse[i]) for p, i in worst]
    largest = [float(p.largest_force_error[i]) for p, i in worst]
    columns = [Column("Structure"), *([Column("Split")] if several else []), Column("Group"), Column("Atoms")]
    columns += [Column("Energy error", "meV/atom"), Column("Force RMSE", "eV/Å"), Column("Largest force error", "eV/Å")]
    columns += [Column("Force errors")] if any(drawings) else []
    rows = [
        Row(
            [
                p.names[i],
                *([p.split] if several else []),
                p.groups[i],
                Number(int(p.n_atoms[i]), 0),
                Number(_known(energy[row]), decimals_for(energy)),
                Number(_known(rmse[row]), decimals_for(rmse)),
                Number(_known(largest[row]), decimals_for(largest)),
                *([drawings[row] or "not drawn"] if any(drawings) else []),
            ]
        )
        for row, (p, i) in enumerate(worst)
    ]
    measure = "force RMSE" if by_force else "energy error"
    blocks: list[Block] = [Table(f"The {len(rows)} structures with the largest {measure}", columns, rows)]
    if any(drawings):
        blocks.append(
            Paragraph(
                "Each drawing looks at the structure from beside and slightly above. The stronger an atom's colour, "
                "the larger its force error; each structure has a scale of its own."
            )
        )
    return Section("Worst structures", blocks)


def _drawing(p: Predictions, structure: int) -> Svg | None:
    atoms = p.atoms_of(structure)
    if p.positions is None or p.atomic_numbers is None or p.n_atoms[structure] > MOST_ATOMS:
        return None
    if not (np.isfinite(p.positions[atoms]).all() and np.isfinite(p.force_error[atoms]).all()):
        return None
    cell = np.zeros((3, 3)) if p.cell is None else p.cell[structure]
    error = p.force_error[atoms]
    return draw_structure(p.positions[atoms], p.atomic_numbers[atoms], cell, error, what="force error in eV/Å")


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
