"""Is `si-gpaw` right? The tables of datasets/si-gpaw/README.md, computed anew.

    python -m sciml.materials.recipes.silicon_checks datasets/si-gpaw            # from the files alone, seconds
    python -m sciml.materials.recipes.silicon_checks datasets/si-gpaw --gpaw     # with GPAW, some ten minutes

From the files: counts and ranges, and the equation of state of the strained perfect cell. With GPAW: forces and
stresses against finite differences of the energy, and the convergence with cutoff and k-points.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import yaml
from ase import Atoms
from ase.build import bulk
from ase.eos import EquationOfState
from ase.units import GPa

from sciml.materials.recipes.silicon_gpaw import gpaw_calculator
from sciml.materials.recipes.silicon_structures import strained

CUTOFFS_EV = (200, 250, 300, 400, 600)
MESHES = ("2x2x2", "3x3x3", "4x4x4", "5x5x5", "6x6x6")
CONVERGENCE_NAMES = ("rattled-00-900k", "vacancy-00-900k")
FINITE_DIFFERENCE_NAME = "primitive-00-2"


def read_frames(folder: Path) -> dict[str, Atoms]:
    """Every frame of the three files of the dataset in `folder`: name -> Atoms; `info["split"]` says which file."""
    frames = {}
    for split, entry in yaml.safe_load((folder / "dataset.yaml").read_text())["files"].items():
        for frame in ase.io.read(folder / entry["path"], ":", format="extxyz"):
            assert isinstance(frame, Atoms)
            frame.info["split"] = split
            frames[str(frame.info["name"])] = frame
    return frames


def equation_of_state(frames: Mapping[str, Atoms]) -> tuple[float, float]:
    """Birch-Murnaghan fit of the group `volume`: (lattice constant in angstrom, bulk modulus in GPa)."""
    scan = [frame for frame in frames.values() if frame.info["group"] == "volume"]
    volumes = [frame.get_volume() for frame in scan]
    energies = [frame.get_potential_energy() for frame in scan]
    volume, _, modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    return float(volume ** (1 / 3)), float(modulus / GPa)


def pressure_mismatch_gpa(frames: Mapping[str, Atoms]) -> float:
    """Largest difference between the labelled pressure and -dE/dV of a cubic spline through the group `volume`.

    The two end points are left out: a spline's slope is poor there.
    """
    from scipy.interpolate import CubicSpline

    scan = sorted((f for f in frames.values() if f.info["group"] == "volume"), key=lambda f: f.get_volume())
    slope = CubicSpline([f.get_volume() for f in scan], [f.get_potential_energy() for f in scan]).derivative()
    differences = [np.trace(f.get_stress(voigt=False)) / 3 - slope(f.get_volume()) for f in scan]
    return float(np.abs(differences[1:-1]).max() / GPa)


def elastic_constants_gpa(frames: Mapping[str, Atoms]) -> tuple[float, float]:
    """(C11, C12) from the stress of the two smallest strains along 001, one of each sign."""
    scan = [f for f in frames.values() if f.info["name"].startswith("uniaxial-001")]
    strain = {f.info["name"]: f.cell.array[2, 2] / f.cell.array[0, 0] - 1 for f in scan}
    less, more = sorted(sorted(scan, key=lambda f: abs(strain[f.info["name"]]))[:2], key=lambda f: f.cell.array[2, 2])
    slope = (more.get_stress() - less.get_stress()) / (strain[more.info["name"]] - strain[less.info["name"]]) / GPa
    return float(slope[2]), float(slope[0])


def group_table(frames: Mapping[str, Atoms]) -> list[str]:
    """Markdown rows: counts by split, atoms, and the ranges of energy, force and pressure of every group."""
    ranges = "energy above the lowest, eV/atom", "force rms (largest), eV/angstrom", "pressure, GPa"
    rows = [row("group", "train", "validation", "test", "atoms", *ranges), "|---" * 8 + "|"]
    lowest = min(f.get_potential_energy() / len(f) for f in frames.values())
    for group in dict.fromkeys(f.info["group"] for f in frames.values()):
        mine = [f for f in frames.values() if f.info["group"] == group]
        counts = [sum(f.info["split"] == split for f in mine) for split in ("train", "validation", "test")]
        atoms = "/".join(str(n) for n in sorted({len(f) for f in mine}))
        energies = [f.get_potential_energy() / len(f) - lowest for f in mine]
        forces = np.concatenate([f.get_forces() for f in mine])
        pressures = [-np.trace(f.get_stress(voigt=False)) / 3 / GPa for f in mine]
        force = f"{np.sqrt((forces**2).mean()):.2f} ({np.linalg.norm(forces, axis=1).max():.1f})"
        ranges = f"{min(energies):.3f} to {max(energies):.3f}", force, f"{min(pressures):.1f} to {max(pressures):.1f}"
        rows.append(row(group, *counts, atoms, *ranges))
    return rows


def row(*cells: object) -> str:
    """One row of a Markdown table.

    >>> row("volume", 13)
    '| volume | 13 |'
    """
    return f"| {' | '.join(map(str, cells))} |"


def label(atoms: Atoms, settings: Mapping[str, Any]) -> tuple[float, np.ndarray, np.ndarray]:
    """Free energy (eV), forces (eV/angstrom) and 3x3 stress (eV/angstrom^3) with these settings."""
    atoms = atoms.copy()
    atoms.calc = gpaw_calculator(atoms, settings)
    return atoms.get_potential_energy(force_consistent=True), atoms.get_forces(), atoms.get_stress(voigt=False)


def finite_differences(atoms: Atoms, settings: Mapping[str, Any]) -> tuple[float, float]:
    """(force error in eV/angstrom, stress error in GPa) against central differences of the energy.

    One force component by moving the last atom along x, and the stress along one strain with all components.
    """
    step_angstrom, step_strain = 0.01, 0.005
    _, forces, stress = label(atoms, settings)
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[-1, 0] += sign * step_angstrom
        energies.append(label(moved, settings)[0])
    force_error = forces[-1, 0] + (energies[0] - energies[1]) / (2 * step_angstrom)
    direction = np.array([[0.5, 0.4, -0.3], [0.4, -0.2, 0.6], [-0.3, 0.6, 1.0]])
    plus, minus = (label(strained(atoms, sign * step_strain * direction), settings)[0] for sign in (1, -1))
    slope = (plus - minus) / (2 * step_strain) / atoms.get_volume()
    return float(abs(force_error)), float(abs(np.sum(stress * direction) - slope) / GPa)


def convergence_rows(
    structures: Sequence[Atoms], perfect: Atoms, settings: Mapping[str, Any], variants: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Markdown rows of what each variant of the settings changes against the last, most exact one.

    Every variant names its mesh, `kpoints`. Columns: structure, variant, energy (meV/atom), energy above `perfect`
    (meV/atom), force rms and largest component (meV/angstrom), largest stress component (GPa).
    """
    results: dict[str, list[tuple]] = {str(atoms.info["name"]): [] for atoms in structures}
    for change in variants.values():
        energy_perfect = label(_with_mesh(perfect, change), {**settings, **change})[0] / len(perfect)
        for atoms in structures:
            energy, forces, stress = label(_with_mesh(atoms, change), {**settings, **change})
            energy /= len(atoms)
            results[str(atoms.info["name"])].append(
                (1e3 * energy, 1e3 * (energy - energy_perfect), 1e3 * forces, stress)
            )
    rows = []
    for name, labels in results.items():
        exact = labels[-1]
        for variant, (energy, above, forces, stress) in zip(variants, labels, strict=True):
            error = forces - exact[2]
            sizes = f"{np.sqrt((error**2).mean()):.1f}", f"{np.abs(error).max():.1f}"
            largest_stress = f"{np.abs(stress - exact[3]).max() / GPa:.3f}"
            rows.append(
                row(name, variant, f"{energy - exact[0]:.2f}", f"{above - exact[1]:.2f}", *sizes, largest_stress)
            )
    return rows


def _with_mesh(atoms: Atoms, change: Mapping[str, Any]) -> Atoms:
    copy = atoms.copy()
    copy.info["kpoints"] = change["kpoints"]
    return copy


def main() -> None:
    """Print the tables for the dataset folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="folder with dataset.yaml and its files")
    parser.add_argument("--gpaw", action="store_true", help="also the checks that compute new labels")
    arguments = parser.parse_args()
    frames = read_frames(arguments.folder)
    print("\n".join(group_table(frames)))
    a, modulus = equation_of_state(frames)
    print(f"lattice constant {a:.3f} angstrom, bulk modulus {modulus:.1f} GPa")
    print("C11 {:.0f} GPa, C12 {:.0f} GPa".format(*elastic_constants_gpa(frames)))
    print(f"pressure against the slope of the energy: {pressure_mismatch_gpa(frames):.3f} GPa at most")
    if not arguments.gpaw:
        return
    recipe = yaml.safe_load((arguments.folder / "dataset.yaml").read_text())["recipe"]
    settings, a = recipe["gpaw"], recipe["structures"]["lattice_constant_angstrom"]
    force, stress = finite_differences(frames[FINITE_DIFFERENCE_NAME], settings)
    print(
        f"finite differences, {FINITE_DIFFERENCE_NAME}: force {1e3 * force:.2f} meV/angstrom, stress {stress:.3f} GPa"
    )
    perfect = bulk("Si", "diamond", a=a, cubic=True)
    structures = [frames[name] for name in CONVERGENCE_NAMES]
    cutoffs = {f"{cutoff} eV": {"cutoff_ev": cutoff, "kpoints": "2x2x2"} for cutoff in CUTOFFS_EV}
    print("\n".join(convergence_rows(structures, perfect, settings, cutoffs)), flush=True)
    meshes = {mesh: {"kpoints": mesh} for mesh in MESHES}
    print("\n".join(convergence_rows(structures, perfect, settings, meshes)), flush=True)


if __name__ == "__main__":
    main()
