"""Do the numbers of a data set fit eV and angstrom, and each other? Four checks that need no second source.

1. Between two neighbouring geometries the energy changes by minus the mean force times the displacement. A factor
   that is not 1 is a unit that differs between energies, forces and lengths; -1 is gradients in place of forces.
2. Atoms that touch are about the sum of their covalent radii apart; lengths in bohr make them twice as far.
3. Forces in kcal/mol are twenty times larger than in eV.
4. The forces imply a stress (see pair_virial): a factor far from 1 is a unit, a negative one the other sign.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sciml.core.errors import UserError
from sciml.materials.pair_virial import stresses_implied_by_forces
from sciml.materials.structures import Structure, neighbour_pairs

# Displacements up to this are near enough for the trapezoid rule, whose error is of third order.
LARGEST_DISPLACEMENT_ANGSTROM = 0.3

# How many structures after one in the file are compared with it: enough to find neighbours among random samples.
NEXT_IN_FILE = 8

# Fewer pairs, or a poorer correlation of work and energy, say nothing.
FEWEST_PAIRS = 5
LEAST_CORRELATION = 0.95

# One part in three: bohr against angstrom is a factor of 1.89, kcal/mol against eV 23, hartree against eV 27.
WORK_RATIO_RANGE = (0.67, 1.5)

# What the pair force implies is 0.5 to 1.1 times the true stress, pressure apart; kbar and GPa are factors of 1600 and
# 160, a virial in place of a stress is the volume. A poorer correlation says nothing.
STRESS_RATIO_RANGE = (0.2, 5.0)
LEAST_STRESS_CORRELATION = 0.8

# Enough structures for the four checks; more cost time and say the same.
STRUCTURES_FOR_STRESS = 100

# The shortest distance of a data set over the sum of covalent radii (Cordero et al. 2008, Dalton Trans. 2832) is 0.8
# to 1.2 in molecules, crystals and metals; in bohr it would be 1.5 and more. Noble gases do not bond and are left out.
LARGEST_BOND_RATIO = 1.45
NOBLE_GASES = (2, 10, 18, 36, 54, 86)

# Root mean square of force components: 1 eV/angstrom in a melt, 3 far from equilibrium; in kcal/mol 20 and more.
LARGEST_RMS_FORCE_EV_PER_ANGSTROM = 10.0


def check_units(structures: Sequence[Structure], source: str, *, length_is_declared: bool = False) -> None:
    """Refuses a data set whose numbers do not fit eV and angstrom.

    Args:
        structures: in the order of the file.
        source: the file, for the message.
        length_is_declared: the user has said what the lengths are, so they are not judged.

    Raises:
        UserError: which check failed, by how much, and how to declare units.
    """
    remedy = (
        "Declare the file's units (--dataset.variables.energy=kcal/mol and the like), or turn this check off "
        "(--dataset.check_units=false)."
    )
    forces = [structure.forces.ravel() for structure in structures if structure.has_forces]
    rms = float(np.sqrt(np.mean(np.square(np.concatenate(forces))))) if forces else 0.0
    if rms > LARGEST_RMS_FORCE_EV_PER_ANGSTROM:
        raise UserError(
            f"{source}: forces in eV/angstrom have a root mean square of at most "
            f"{LARGEST_RMS_FORCE_EV_PER_ANGSTROM:g}, but these have {rms:.3g}. {remedy}"
        )
    bond = shortest_bond_ratio(structures)
    if not length_is_declared and np.isfinite(bond) and bond > LARGEST_BOND_RATIO:
        raise UserError(
            f"{source}: the closest atoms are {bond:.2f} times the sum of covalent radii apart, as if lengths were "
            "in bohr. Declare their unit: --dataset.variables.length=bohr, or =angstrom if that is what they are."
        )
    ratio = work_ratio(structures)
    if ratio is not None and not WORK_RATIO_RANGE[0] < ratio < WORK_RATIO_RANGE[1]:
        reason = (
            "The forces have the wrong sign, as gradients have"
            if -1 / WORK_RATIO_RANGE[0] < ratio < -WORK_RATIO_RANGE[0]
            else "Energies, forces and lengths are in different units"
        )
        raise UserError(
            f"{source}: between neighbouring structures the energy should change by the work of the forces, but it "
            f"changes by {ratio:.3g} times that. {reason}. {remedy}"
        )
    _check_stress(structures, source)


def _check_stress(structures: Sequence[Structure], source: str) -> None:
    ratio = stress_ratio(structures)
    if ratio is None or STRESS_RATIO_RANGE[0] < ratio < STRESS_RATIO_RANGE[1]:
        return
    if -STRESS_RATIO_RANGE[1] < ratio < -STRESS_RATIO_RANGE[0]:
        raise UserError(
            f"{source}: the stress has the wrong sign: it must be positive under tension, as in ASE, but the forces "
            "say that it is positive under compression. Change its sign, or store a virial (minus stress times volume)."
        )
    raise UserError(
        f"{source}: the stress is {ratio:.3g} times what the forces imply, so its unit is not eV/angstrom^3. "
        "Declare it: --dataset.variables.stress=GPa or the like (--dataset.check_units=false turns this check off)."
    )


def stress_ratio(structures: Sequence[Structure]) -> float | None:
    """Stress over what the forces imply, pressure apart; None where there are too few, or the two hardly correlate."""
    able = [s for s in structures if s.has_stress and s.has_forces and s.pbc.all() and np.abs(s.forces).max() > 0]
    if len(able) < FEWEST_PAIRS:
        return None
    # evenly over the file, so that each kind of structure is among them
    able = [able[k] for k in np.unique(np.linspace(0, len(able) - 1, STRUCTURES_FOR_STRESS).astype(int))]
    labelled = _without_pressure(np.stack([structure.stress for structure in able]))
    implied = _without_pressure(stresses_implied_by_forces(able))
    norm = float(np.linalg.norm(labelled) * np.linalg.norm(implied))
    product = float(np.sum(labelled * implied))
    if norm == 0 or abs(product) < LEAST_STRESS_CORRELATION * norm:
        return None
    return product / float(np.sum(implied**2))


def _without_pressure(stress_s33: Float[np.ndarray, "s 3 3"]) -> Float[np.ndarray, "s 3 3"]:
    return stress_s33 - np.trace(stress_s33, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3


def work_ratio(structures: Sequence[Structure]) -> float | None:
    """Change of energy over work of the forces between structures near each other in the file; 1 where units agree.

    None where too few pairs of structures are near enough, or the two hardly correlate.
    """
    complete = [structure for structure in structures if structure.has_energy and structure.has_forces]
    pairs = [
        pair
        for index, first in enumerate(complete)
        for second in complete[index + 1 : index + 1 + NEXT_IN_FILE]
        if (pair := _change_and_work(first, second)) is not None
    ]
    if len(pairs) < FEWEST_PAIRS:
        return None
    change, work = np.array(pairs).T
    norm = float(np.linalg.norm(change) * np.linalg.norm(work))
    if norm == 0 or abs(float(change @ work)) < LEAST_CORRELATION * norm:
        return None
    return float(change @ work / (work @ work))


def _change_and_work(a: Structure, b: Structure) -> tuple[float, float] | None:
    """(energy change, work of the mean force) from a to b, or None if they are too far from each other."""
    if not (np.array_equal(a.atomic_numbers, b.atomic_numbers) and np.array_equal(a.pbc, b.pbc)):
        return None
    if a.pbc.all():
        if not np.array_equal(a.cell, b.cell):
            return None
        fractional = np.linalg.solve(a.cell.T, (b.positions - a.positions).T).T
        step = (fractional - np.round(fractional)) @ a.cell
        forces = a.forces + b.forces
    elif not a.pbc.any():
        rotation = _rotation_onto(b.positions, a.positions)
        step = _centred(b.positions) @ rotation - _centred(a.positions)
        forces = a.forces + b.forces @ rotation
    else:
        return None
    if np.abs(_centred(step)).max() > LARGEST_DISPLACEMENT_ANGSTROM:
        return None
    return b.energy - a.energy, -0.5 * float(np.sum(forces * step))


def _centred(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return points - points.mean(axis=0)


def _rotation_onto(points: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3 3"]:
    """The rotation R with the least squares of points @ R - target, both centred (Kabsch 1976, Acta Cryst. A32:922)."""
    left, _, right = np.linalg.svd(_centred(points).T @ _centred(target))
    handedness = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right)) or 1.0])
    return left @ handedness @ right


def shortest_bond_ratio(structures: Sequence[Structure]) -> float:
    """The shortest distance of the data set over the sum of the two covalent radii; infinite where nothing bonds."""
    from ase.data import covalent_radii

    shortest = np.inf
    for structure in structures:
        if structure.n_atoms < 2 and not structure.pbc.any():
            continue
        i, j, d = neighbour_pairs(structure, 2.0 * 2.0 * float(covalent_radii[structure.atomic_numbers].max()), "ijd")
        numbers = structure.atomic_numbers[np.stack([i, j]).astype(np.int64)]
        radii = covalent_radii[numbers].sum(axis=0)
        bonds = ~np.isin(numbers, NOBLE_GASES).any(axis=0)
        if bonds.any():
            shortest = min(shortest, float((d[bonds] / radii[bonds]).min()))
        if shortest < LARGEST_BOND_RATIO:
            break
    return float(shortest)
