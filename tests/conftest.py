"""Settings and stand-in data of the whole suite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import ase.io
import hypothesis
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, covalent_radii

# a busy machine is no failure; pytest's own durations show what is slow
hypothesis.settings.register_profile("sciml", deadline=None)
hypothesis.settings.load_profile("sciml")


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., Path]:
    """Writes small crystals of any elements with consistent energies, forces and stresses of a Lennard-Jones pair."""

    def write(name: str, elements: Sequence[str], count: int = 10) -> Path:
        random = np.random.default_rng(len(name))
        # a little more than the bond of the largest element, as readers check that lengths make sense
        bond_angstrom = 2.3 * max(covalent_radii[atomic_numbers[element]] for element in elements)
        structures = []
        for _ in range(count):
            # eight atoms on a simple cubic lattice near the pair's equilibrium distance, 2^(1/6) sigma
            length_angstrom = 2 * bond_angstrom * random.uniform(0.97, 1.03)
            atoms = Atoms(
                symbols=list(islice(cycle(elements), 8)),
                scaled_positions=[[x / 2, y / 2, z / 2] for x in range(2) for y in range(2) for z in range(2)],
                cell=[length_angstrom] * 3,
                pbc=True,
            )
            atoms.rattle(0.03 * bond_angstrom, rng=random)
            atoms.calc = LennardJones(
                sigma=bond_angstrom / 2 ** (1 / 6), epsilon=0.3, rc=2 * bond_angstrom, smooth=True
            )
            labels = {
                "energy": atoms.get_potential_energy(),
                "forces": atoms.get_forces(),
                "stress": atoms.get_stress(),
            }
            atoms.calc = SinglePointCalculator(atoms, **labels)
            structures.append(atoms)
        file = tmp_path / name
        ase.io.write(file, structures, format="extxyz")
        return file

    return write
