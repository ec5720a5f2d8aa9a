"""The stress that a structure's forces imply, without any cell being strained: a second opinion on stress labels.

A force along each pair, the same function of distance for all of them, is fitted to the forces of the data (a linear
least squares problem). That crude potential has a stress too. Its pressure is worth little, for metals and covalent
crystals have energies that depend on the density; but the rest, shear above all, correlates with the true stress by 0.9
in melts and crystals, which is enough to tell signs, orders of components and units.

Shapes: s structures, n atoms, f = 3 n force components, e directed edges, k radial functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sciml.materials.structures import Structure, neighbour_pairs

# the second shell of most crystals is within; a wider reach adds little to the forces
CUTOFF_ANGSTROM = 5.0
SHORTEST_ANGSTROM = 0.8
RADIAL_FUNCTIONS = 14


def stresses_implied_by_forces(structures: Sequence[Structure]) -> Float[np.ndarray, "s 3 3"]:
    """Stress of the pair force that fits these structures' forces best, in eV/angstrom^3, positive under tension.

    Args:
        structures: periodic in three directions, with forces.
    """
    responses = [_responses(structure) for structure in structures]
    forces = np.concatenate([force for force, _ in responses])
    wanted = np.concatenate([structure.forces.ravel() for structure in structures])
    # singular values below 1e-8 of the largest belong to distances that no pair has
    coefficients, *_ = np.linalg.lstsq(forces, wanted, rcond=1e-8)
    return np.stack([stress @ coefficients for _, stress in responses])


def _responses(structure: Structure) -> tuple[Float[np.ndarray, "f k"], Float[np.ndarray, "3 3 k"]]:
    """Forces and stress that each radial function would give."""
    i, j, vector_e3 = neighbour_pairs(structure, CUTOFF_ANGSTROM, "ijD")
    d_e = np.linalg.norm(vector_e3, axis=1)
    centres_k, width = np.linspace(SHORTEST_ANGSTROM, CUTOFF_ANGSTROM, RADIAL_FUNCTIONS, retstep=True)
    attraction_ek = np.exp(-0.5 * ((d_e[:, None] - centres_k) / width) ** 2) * (1 - d_e / CUTOFF_ANGSTROM)[:, None] ** 2
    # force on i towards j; as an edge exists both ways, half of r (x) f is each edge's share of the virial
    pull_e3k = (vector_e3 / d_e[:, None])[:, :, None] * attraction_ek[:, None, :]
    forces_n3k = np.zeros((structure.n_atoms, 3, RADIAL_FUNCTIONS))
    starts = np.flatnonzero(np.diff(i, prepend=i[:1] + 1)) if len(i) else np.zeros(0, dtype=int)
    if len(i):
        forces_n3k[i[starts]] = np.add.reduceat(pull_e3k, starts, axis=0)
    virial_33k = 0.5 * np.einsum("ea,ebk->abk", vector_e3, pull_e3k)
    return forces_n3k.reshape(-1, RADIAL_FUNCTIONS), virial_33k / abs(float(np.linalg.det(structure.cell)))
