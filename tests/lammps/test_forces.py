"""Energies, forces and virials of LAMMPS against the package's own, on 200 random structures in boxes of every kind."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms

from tests.lammps.conftest import Exported, Lammps, separated

# eV/angstrom for forces of about 1: the tables' error in double precision, rounding in single
TOLERANCE = {"float64": 1e-9, "float32": 2e-5}
# bar in one eV/angstrom^3, as `units metal` of LAMMPS has it (update.cpp)
BAR = 1.6021765e6
KINDS = ("orthogonal", "triclinic", "smaller than the cutoff", "one atom", "molecule", "shrink-wrapped slab", "wire")
SIZES = {"schnet": {"channels": 24, "layers": 3}, "painn": {"channels": 20, "layers": 2}}


@functools.cache
def structure(number: int) -> tuple[Atoms, str]:
    """A random structure, and LAMMPS' `boundary` for it."""
    random = np.random.default_rng(number)
    kind = KINDS[number % len(KINDS)]
    count = int(random.integers(1, 301)) if number % 5 == 0 else int(random.integers(1, 60))
    # 0.04 atoms in a cubic angstrom; silicon has 0.05
    length = (count / 0.04) ** (1 / 3)
    cell = np.diag(length * random.uniform(0.7, 1.4, 3))
    boundary, pbc = "p p p", (True, True, True)
    if kind == "triclinic":
        cell[1, 0], cell[2, 0], cell[2, 1] = 0.45 * length * random.uniform(-1, 1, 3)
    elif kind == "smaller than the cutoff":
        count, cell = int(random.integers(1, 5)), np.diag(random.uniform(2.6, 4.5, 3))
        cell[1, 0] = 0.3 * cell[0, 0]
    elif kind == "one atom":
        count, cell = 1, np.diag(random.uniform(2.2, 9.0, 3))
    elif kind == "molecule":
        boundary, pbc = "f f f", (False, False, False)
    elif kind == "shrink-wrapped slab":
        boundary, pbc = "p p s", (True, True, False)
    elif kind == "wire":
        boundary, pbc = "p s m", (True, False, False)
    return separated(random, cell, pbc, count), boundary


def script(
    exported: Exported, atoms: Atoms, boundary: str, number: int, style: str = "sciml", newton: str = "on"
) -> str:
    """Energies, forces and virials of one structure, written with all their digits."""
    virial = " ".join(f"$(c_virial[{k}]:%.17g)" for k in range(1, 7))
    total = " ".join(f"$(c_sum[{k}]:%.17g)" for k in range(1, 7))
    return f"""
clear
units metal
newton {newton}
atom_modify map yes
boundary {boundary}
box tilt large
read_data {number}.data
neighbor 1.0 nsq
pair_style {style}
pair_coeff * * {exported.file.name} Si O
compute atomic all pe/atom
compute stresses all stress/atom NULL virial
compute sum all reduce sum c_stresses[*]
compute virial all pressure NULL virial
thermo_style custom step pe c_virial[*] c_sum[*]
run 0 post no
write_dump all custom {number}.dump id fx fy fz c_atomic modify format float %.17g
print "$(pe:%.17g) {virial} {total} $(vol:%.17g)" file {number}.txt screen no
"""


def voigt(matrix: np.ndarray) -> np.ndarray:
    """In LAMMPS' order: xx, yy, zz, xy, xz, yz."""
    return matrix[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]


def compare(lammps: Lammps, exported: Exported, atoms: Atoms, number: int, tolerance: float) -> None:
    expected = exported.reference(atoms)
    rows = lammps.dumped(f"{number}.dump")
    values = np.loadtxt(lammps.folder / f"{number}.txt")
    size = max(1.0, np.abs(expected.forces).max())
    np.testing.assert_allclose(
        rows[:, :3], expected.forces, rtol=0, atol=tolerance * size, err_msg=f"forces of {number}"
    )
    of_energy = tolerance * max(size, np.abs(expected.atom_energies).max())
    np.testing.assert_allclose(rows[:, 3], expected.atom_energies, rtol=0, atol=of_energy)
    assert values[0] == pytest.approx(expected.energy, rel=0, abs=of_energy * len(atoms))
    if atoms.pbc.all():
        volume = values[13]
        assert volume == pytest.approx(atoms.get_volume(), rel=1e-12)
        # distances of up to the cutoff times the forces of every edge
        bound = tolerance * size * len(atoms) * 30
        np.testing.assert_allclose(values[1:7] * volume / BAR, voigt(expected.virial), rtol=0, atol=bound)
        # stress/atom is minus the virial of each atom
        np.testing.assert_allclose(-values[7:13] / BAR, voigt(expected.virial), rtol=0, atol=bound)


@pytest.mark.slow
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("architecture", SIZES)
def test_200_structures(lammps: Lammps, export: Callable[..., Exported], architecture: str, precision: str):
    exported = export(architecture, precision=precision, **SIZES[architecture])
    cases = {number: structure(number) for number in range(200)}
    commands = []
    for number, (atoms, boundary) in cases.items():
        lammps.write(f"{number}.data", atoms)
        commands.append(script(exported, atoms, boundary, number, newton="off" if number % 3 else "on"))
    lammps("".join(commands))
    for number, (atoms, _) in cases.items():
        compare(lammps, exported, atoms, number, TOLERANCE[precision])


@pytest.mark.parametrize("instructions", ["base", "v3", "v4"])
@pytest.mark.parametrize("sizes", [{"channels": 33, "layers": 1}, {"channels": 8, "layers": 3, "cutoff_angstrom": 3.5}])
@pytest.mark.parametrize("architecture", SIZES)
def test_every_instruction_set(
    lammps: Lammps, export: Callable[..., Exported], architecture: str, sizes: dict[str, float], instructions: str
):
    exported = export(architecture, **sizes)
    commands = []
    for number in range(14):
        atoms, boundary = structure(number)
        lammps.write(f"{number}.data", atoms)
        for precision in TOLERANCE:
            commands.append(
                script(exported, atoms, boundary, number, style=f"sciml {precision}")
                .replace(f"{number}.dump", f"{number}-{precision}.dump")
                .replace(f"{number}.txt", f"{number}-{precision}.txt")
            )
    log = lammps("".join(commands), environment={"SCIML_ISA": instructions}).stdout
    chosen = {"base": "baseline", "v3": "AVX2", "v4": "AVX-512"}[instructions]
    if f"native code for {chosen}" not in log:
        pytest.skip(f"this processor has not the instructions of x86-64-{instructions}")
    for number in range(14):
        for precision, tolerance in TOLERANCE.items():
            for end in ("dump", "txt"):
                (lammps.folder / f"{number}-{precision}.{end}").replace(lammps.folder / f"{number}.{end}")
            compare(lammps, exported, structure(number)[0], number, tolerance)
