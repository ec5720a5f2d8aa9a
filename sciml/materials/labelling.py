"""Label structures with a reference calculator, so that a killed run goes on where it stopped.

Each finished label is one small extended-XYZ file in `<work_dir>/labels`; a file that exists is complete. Each
carries a fingerprint of its structure and of the calculator's settings; labels made with other settings are refused,
never mixed in. A structure the calculator cannot converge leaves `<name>.failed.json` with the reason and is passed
over; where the machine failed instead (memory, disk, a file that is missing), the run stops.

Units are ASE's: angstrom, eV, eV/angstrom, and eV/angstrom^3 with positive stress for a cell under tension.
The energy stored is the one whose gradient the forces are: the electronic free energy where the calculator smears
occupations (`force_consistent=True`), the plain energy where it does not.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.singlepoint import SinglePointCalculator
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sciml.core.errors import UserError
from sciml.core.processes import in_processes
from sciml.core.runs import write_json, write_text
from sciml.materials.structures import extxyz_text

# Positions and cells are fingerprinted to this many decimals (angstrom): far below any physical meaning,
# far above the last bits in which two machines differ.
FINGERPRINT_DECIMALS = 6


@dataclass(frozen=True)
class Candidate:
    """One structure to label: a file-safe unique `name`, the `group` it is counted under, and the atoms.

    `atoms` must hold positions and cell already rounded to `FINGERPRINT_DECIMALS`, so that the geometry that is
    labelled is the geometry that is stored; `rounded` does this. `atoms.info` (plain JSON values) may carry what the
    calculator factory needs to know, such as a k-point mesh; it is fingerprinted and stays with the label.
    """

    name: str
    group: str
    atoms: Atoms

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise UserError(
                f"A structure's name becomes a file name and needs letters, digits, '.', '_' or '-' only, "
                f"but {self.name!r} came. Rename it."
            )


@dataclass(frozen=True)
class Outcome:
    """What happened to one candidate in this run; `reason` is empty for a good label."""

    name: str
    seconds: float
    reason: str = ""


CalculatorFactory = Callable[[Atoms], object]
"""Structure in, fresh ASE calculator out. Must be picklable (a module's function or a partial of one)."""


def rounded(atoms: Atoms) -> Atoms:
    """Return a copy with positions and cell rounded to `FINGERPRINT_DECIMALS`."""
    copy = atoms.copy()
    copy.set_cell(np.round(atoms.cell.array, FINGERPRINT_DECIMALS) + 0.0)
    copy.positions = np.round(atoms.positions, FINGERPRINT_DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0
    return copy


def fingerprint(atoms: Atoms, settings: Mapping[str, object]) -> str:
    """SHA-256 over the settings and the structure (`info` included) to `FINGERPRINT_DECIMALS` decimals.

    >>> from ase import Atoms
    >>> dimer = Atoms("Si2", [[0, 0, 0], [0, 0, 2.2]])
    >>> fingerprint(dimer, {"cutoff_ev": 300}) == fingerprint(dimer, {"cutoff_ev": 350})
    False
    """
    clean = rounded(atoms)
    record = {
        "settings": settings,
        "numbers": clean.numbers.tolist(),
        "pbc": clean.pbc.tolist(),
        "cell_angstrom": clean.cell.array.tolist(),
        "positions_angstrom": clean.positions.tolist(),
        "info": clean.info,
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def label_path(work_dir: Path, name: str) -> Path:
    """Where the finished label of `name` lies."""
    return work_dir / "labels" / f"{name}.xyz"


def failure_path(work_dir: Path, name: str) -> Path:
    """Where the reason lies when `name` could not be labelled."""
    return work_dir / "labels" / f"{name}.failed.json"


def label_all(
    candidates: Sequence[Candidate],
    make_calculator: CalculatorFactory,
    settings: Mapping[str, object],
    work_dir: Path,
    *,
    workers: int = 1,
    console: Console | None = None,
) -> list[Outcome]:
    """Label every candidate that has no label yet, in order; return the outcomes of this run only.

    `settings` is everything that decides the numbers (plain JSON values). `workers` structures run side by side,
    each in its own process; with 1 they run in this process.

    Raises UserError when `work_dir` holds labels made with other settings, when not one structure could be labelled,
    or when memory, a disk or a file failed; the same call then goes on where it stopped.
    """
    _refuse_duplicates(candidates)
    prints = {c.name: fingerprint(c.atoms, settings) for c in candidates}
    (work_dir / "labels").mkdir(parents=True, exist_ok=True)
    todo = [c for c in candidates if not _is_finished(c.name, prints[c.name], work_dir)]
    done = len(candidates) - len(todo)
    tasks = [(c, make_calculator, prints[c.name], work_dir) for c in todo]

    outcomes = []
    console = console or Console()
    columns = (TextColumn("label"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("label", total=len(candidates), completed=done)
        for outcome in in_processes(_label_one, tasks, workers):
            outcomes.append(outcome)
            progress.advance(bar)
            verdict = f"failed: {outcome.reason}" if outcome.reason else "ok"
            progress.console.print(f"{outcome.name}  {outcome.seconds:.1f} s  {verdict}", highlight=False, markup=False)

    if outcomes and done == 0 and all(o.reason for o in outcomes):
        raise UserError(
            f"All {len(outcomes)} structures failed; the first, {outcomes[0].name}, said: {outcomes[0].reason}. "
            f"Mend the cause, delete {work_dir / 'labels'} and run again."
        )
    return outcomes


def read_labels(candidates: Iterable[Candidate], work_dir: Path) -> dict[str, Atoms]:
    """Read the finished labels of `candidates`, in their order: name -> Atoms with energy, forces and stress.

    `info` holds `name`, `group` and the candidate's own info; candidates without a label are left out.
    """
    frames = {}
    for candidate in candidates:
        path = label_path(work_dir, candidate.name)
        if path.exists():
            frame = _read_frame(path)
            frame.info = {"name": candidate.name, "group": candidate.group, **candidate.atoms.info}
            frames[candidate.name] = frame
    return frames


def read_failures(candidates: Iterable[Candidate], work_dir: Path) -> dict[str, str]:
    """Read why labels are missing: name -> reason."""
    paths = {c.name: failure_path(work_dir, c.name) for c in candidates}
    return {name: json.loads(path.read_text())["reason"] for name, path in paths.items() if path.exists()}


def write_frames(frames: Sequence[Atoms], path: Path) -> str:
    """Write `frames` as extended XYZ at once or not at all; return the file's SHA-256."""
    text = extxyz_text(frames)
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_duplicates(candidates: Sequence[Candidate]) -> None:
    names = [c.name for c in candidates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"Every structure needs a name of its own, but {', '.join(twice)} came twice. Rename them.")


def _is_finished(name: str, expected: str, work_dir: Path) -> bool:
    """Whether `name` has a label or a recorded failure; raise UserError when it was made with other settings."""
    label, failure = label_path(work_dir, name), failure_path(work_dir, name)
    if label.exists():
        found, path = _read_frame(label).info["fingerprint"], label
    elif failure.exists():
        found, path = json.loads(failure.read_text())["fingerprint"], failure
    else:
        return False
    if found != expected:
        raise UserError(
            f"{path} was made with other settings or from another structure (fingerprint {found[:12]}, needed "
            f"{expected[:12]}). Labels of two kinds do not mix: restore the settings, or give an empty work folder."
        )
    return True


def _label_one(candidate: Candidate, make_calculator: CalculatorFactory, print_: str, work_dir: Path) -> Outcome:
    start = time.perf_counter()
    atoms = candidate.atoms.copy()
    try:
        frame = _labelled(atoms, make_calculator)
    except (OSError, MemoryError) as error:
        raise UserError(
            f"{candidate.name} could not be labelled for no fault of its own: {_first_line(error)}. The labels made so "
            "far are kept: mend the cause and run again."
        ) from error
    except Exception as error:  # a calculator may raise anything; the reason is kept and the run goes on
        reason = _first_line(error)
        record = {"name": candidate.name, "fingerprint": print_, "reason": reason}
        write_json(failure_path(work_dir, candidate.name), record)
        return Outcome(candidate.name, time.perf_counter() - start, reason)
    seconds = time.perf_counter() - start
    frame.info = {"name": candidate.name, "group": candidate.group, "fingerprint": print_, "seconds": round(seconds, 2)}
    write_frames([frame], label_path(work_dir, candidate.name))
    return Outcome(candidate.name, seconds)


def _labelled(atoms: Atoms, make_calculator: CalculatorFactory) -> Atoms:
    frame = atoms.copy()
    atoms.calc = make_calculator(atoms)
    try:
        energy = atoms.get_potential_energy(force_consistent=True)
    except PropertyNotImplementedError:  # no smearing, so no free energy: forces belong to the energy itself
        energy = atoms.get_potential_energy()
    results = {"energy": float(energy), "forces": atoms.get_forces()}
    if all(atoms.pbc):
        results["stress"] = atoms.get_stress()
    bad = [name for name, value in results.items() if not np.all(np.isfinite(value))]
    if bad:
        raise ArithmeticError(f"the calculator gave non-finite {', '.join(bad)}")
    frame.calc = SinglePointCalculator(frame, **results)
    return frame


def _read_frame(path: Path) -> Atoms:
    try:
        frame = ase.io.read(path, format="extxyz")
        assert isinstance(frame, Atoms)
        if "fingerprint" not in frame.info:
            raise KeyError("no fingerprint in its header")
    except Exception as error:
        raise UserError(f"{path} is not a label written here ({error}). Delete it and run again.") from error
    return frame


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:500]
