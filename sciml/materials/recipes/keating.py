"""Thermal displacements of bonded silicon from Keating's valence force field (Phys. Rev. 145, 637 (1966)).

They are drawn from the classical harmonic distribution exp(-u.H.u / 2kT), so neighbours move together as phonons
make them; independent displacements of the same size would stretch the bonds far too much. The bonds are those of
the undisplaced cell, so vacancies and surfaces need nothing special: what has no neighbour has no spring.

Shapes: n atoms, q = 3n coordinates.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.units import kB

EV_PER_ANGSTROM2_FROM_N_PER_M = 0.0624150907  # 1 N/m in eV/angstrom^2 (CODATA 2018: 1 eV = 1.602176634e-19 J)

# Keating constants of silicon: Martin, Phys. Rev. B 1, 4005 (1970), table III.
ALPHA_EV_PER_ANGSTROM2 = 48.5 * EV_PER_ANGSTROM2_FROM_N_PER_M
BETA_EV_PER_ANGSTROM2 = 13.81 * EV_PER_ANGSTROM2_FROM_N_PER_M

# Between the first (2.37 angstrom) and second (3.87 angstrom) neighbour shell of every strained cell used here.
BOND_CUTOFF_ANGSTROM = 2.9

# Keating's model leaves under-coordinated atoms floppy; softer modes than this move as if they had this stiffness.
# For scale: the transverse acoustic mode at X (4.5 THz) has 2.3, the Raman mode (15.5 THz) 27 eV/angstrom^2.
STIFFNESS_FLOOR_EV_PER_ANGSTROM2 = 1.0


def keating_hessian(atoms: Atoms) -> np.ndarray:
    """Hessian (q, q) of Keating's energy in eV/angstrom^2, with the bonds of `atoms` taken as relaxed.

    E = 3 alpha / 8 d^2 sum_bonds (r^2 - d^2)^2 + 3 beta / 8 d^2 sum_angles (r_ij . r_ik - equilibrium)^2,
    so every bond and every angle adds one outer product of its gradient.
    """
    first, second, vectors = neighbor_list("ijD", atoms, BOND_CUTOFF_ANGSTROM)
    hessian = np.zeros((3 * len(atoms), 3 * len(atoms)))
    for center in range(len(atoms)):
        mine = np.flatnonzero(first == center)
        for count, here in enumerate(mine):
            for there in mine[count:]:
                gradient = np.zeros((len(atoms), 3))
                gradient[second[here]] += vectors[there]
                gradient[second[there]] += vectors[here]
                gradient[center] -= vectors[here] + vectors[there]
                d2 = np.linalg.norm(vectors[here]) * np.linalg.norm(vectors[there])
                # here == there is the stretch of a bond, which both its ends visit: hence half
                stiffness = ALPHA_EV_PER_ANGSTROM2 / 2 if here == there else BETA_EV_PER_ANGSTROM2
                g = gradient.ravel()
                hessian += 2 * 3 * stiffness / (8 * d2) * np.outer(g, g)
    return hessian


def thermal_displacements(atoms: Atoms, temperature_kelvin: float, random: np.random.RandomState) -> np.ndarray:
    """Classical harmonic displacements (n, 3) in angstrom at `temperature_kelvin`, the centre of mass at rest.

    sqrt(kT) H^(-1/2) z with normal z: a function of the matrix H, so the same on every machine even where
    eigenvectors are degenerate.
    """
    stiffness, modes = np.linalg.eigh(keating_hessian(atoms))
    amplitude = np.sqrt(kB * temperature_kelvin / np.maximum(stiffness, STIFFNESS_FLOOR_EV_PER_ANGSTROM2))
    u = modes @ (amplitude * (modes.T @ random.normal(size=stiffness.shape)))
    return u.reshape(-1, 3) - u.reshape(-1, 3).mean(axis=0)
