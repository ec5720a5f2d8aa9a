"""Small structures with labels of a classical potential, and a small potential with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from sciml.gnn.potential import Potential, build_potential
from sciml.gnn.schnet import SchNetConfig
from sciml.materials.structures import Structure, from_atoms, with_labels


def label(atoms: Atoms, group: str, name: str) -> Structure:
    """Energy, forces and stress of effective-medium theory, an analytic potential that ASE carries."""
    atoms = atoms.copy()
    atoms.calc = EMT()
    return with_labels(
        from_atoms(atoms, name),
        energy=float(atoms.get_potential_energy()),
        forces=np.array(atoms.get_forces()),
        stress=np.array(atoms.get_stress(voigt=False)),
        group=group,
    )


@pytest.fixture(scope="session")
def alloys() -> list[Structure]:
    """Twelve rattled and strained copper-aluminium crystals of four atoms, in two groups."""
    rng = np.random.default_rng(0)
    structures = []
    for index in range(12):
        atoms = bulk("Cu", cubic=True)
        atoms.numbers[rng.random(4) < 0.4] = 13
        atoms.numbers[0] = 29
        atoms.rattle(0.1, seed=index)
        if index % 3 == 0:
            atoms.set_cell(atoms.cell @ (np.eye(3) + 0.03 * rng.normal(size=(3, 3))), scale_atoms=True)
        structures.append(label(atoms, "strained" if index % 3 == 0 else "rattled", f"alloys@{index}"))
    return structures


@pytest.fixture
def potential() -> Potential:
    """SchNet, float64, over copper and aluminium; random weights give tiny forces, so the scale of energy is large."""
    torch.manual_seed(3)
    config = SchNetConfig(cutoff_angstrom=4.0, channels=12, layers=2, gaussians=10)
    made = build_potential(config, (13, 29), (-0.2, -0.1), energy_scale_ev=500.0)
    made.network.double()
    return made.eval()
