"""A trained potential as an ASE calculator.

from sciml.materials.calculator import load_calculator
atoms.calc = load_calculator("runs/si-painn")
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from vesin import NeighborList

from sciml.core.errors import UserError
from sciml.gnn.potential import Potential
from sciml.materials.graphs import graph_from_pairs
from sciml.materials.labels import as_voigt
from sciml.materials.potentials import load_potential
from sciml.materials.scores import check_elements
from sciml.materials.structures import from_atoms

# The neighbour list is kept until an atom has moved half of this. Measured in molecular dynamics of 512 silicon atoms
# (600 K, 2 fs, cutoff 5 angstrom, one core): 1.9 ms a step without a skin, 1.3 with 0.5, 1.05 with 1.0; the network of
# a small PaiNN takes 30.
SKIN_ANGSTROM = 1.0


class SciMLCalculator(Calculator):
    """Energy, forces and stress of a potential for ASE.

    Properties: energy and free_energy (equal) in eV, energies of the atoms in eV, forces in eV/angstrom, and for
    structures periodic in three directions stress in eV/angstrom^3 (xx, yy, zz, yz, xz, xy; positive under tension).

    Args:
        potential: what `load_potential` or training gives.
        skin_angstrom: the neighbour list reaches so much beyond the cutoff and is kept until an atom has moved half
            of it; 0 makes a new list each time.
        threads: CPU threads for torch, in the whole process; None leaves them as they are.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "energies", "forces", "stress"]  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self, potential: Potential, *, skin_angstrom: float = SKIN_ANGSTROM, threads: int | None = None
    ) -> None:
        super().__init__()
        if skin_angstrom < 0:
            raise UserError(f"skin_angstrom must be at least 0, but is {skin_angstrom}.")
        if threads is not None:
            if threads < 1:
                raise UserError(f"threads must be at least 1, but is {threads}.")
            torch.set_num_threads(threads)
        self.potential = potential.eval()
        self.neighbours = NeighborList(
            cutoff=potential.cutoff_angstrom, full_list=True, sorted=True, skin=float(skin_angstrom)
        )

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """All properties at once: they come from one pass.

        Raises:
            UserError: an element that the potential does not know, a cell without volume, a coordinate that is NaN,
                a result that is not finite (two atoms in the same place).
        """
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None
        structure = from_atoms(self.atoms, self.atoms.get_chemical_formula())
        check_elements(self.potential, [structure])
        i, j, shift = self.neighbours.compute(structure.positions, structure.cell, structure.pbc, "ijS")
        with torch.no_grad():
            prediction = self.potential(graph_from_pairs(structure, i, j, shift))
        energy = float(prediction.energy)
        broken = ~prediction.forces.isfinite().all(dim=1)
        if broken.any() or not math.isfinite(energy):
            raise UserError(
                f"{structure.name}: energy or forces are not finite, first at atom {int(broken.int().argmax())}. "
                "Are two atoms in the same place, or has the simulation blown up?"
            )
        self.results: dict[str, Any] = {
            "energy": energy,
            "free_energy": energy,
            "energies": prediction.atom_energies.numpy(),
            "forces": np.array(prediction.forces.numpy(), dtype=np.float64),
        }
        if structure.pbc.all():
            self.results["stress"] = as_voigt(np.array(prediction.stress[0].numpy(), dtype=np.float64))


def load_calculator(
    path: str | Path,
    *,
    precision: str | None = None,
    skin_angstrom: float = SKIN_ANGSTROM,
    threads: int | None = None,
) -> SciMLCalculator:
    """The ASE calculator of a trained potential.

    Args:
        path: a run's folder (its best weights are taken), a checkpoint file, or a trained model's name ("si-painn").
        precision: "float32" (fast) or "float64" (for phonons and tight relaxations); that of the weights if not given.
        skin_angstrom: see SciMLCalculator.
        threads: see SciMLCalculator.

    Raises:
        UserError: no checkpoint there, or not one of an interatomic potential.
    """
    potential, _ = load_potential(path, precision)
    return SciMLCalculator(potential, skin_angstrom=skin_angstrom, threads=threads)
