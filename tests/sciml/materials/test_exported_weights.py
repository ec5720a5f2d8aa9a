"""A potential whose weights were exported alone, in half precision, is computed in float32 with the energies kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ase.build import bulk

from sciml.core.trained import export_weights
from sciml.materials.calculator import load_calculator
from sciml.materials.potentials import load_potential


@pytest.mark.parametrize("precision", ["float16", "float32", "float64"])
def test_energies_and_forces_of_exported_weights(precision: str, tmp_path: Path) -> None:
    file = tmp_path / f"{precision}.safetensors"
    export_weights("si-painn", file, precision)
    kept, exported = (load_potential(path)[0] for path in ("si-painn", file))
    assert torch.equal(kept.reference_energies_ev, exported.reference_energies_ev)
    assert next(exported.network.parameters()).dtype == (torch.float64 if precision == "float64" else torch.float32)
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    found = []
    for path in ("si-painn", file):
        atoms.calc = load_calculator(path)
        found.append((atoms.get_potential_energy() / len(atoms), atoms.get_forces()))
    # eV per atom, and eV per angstrom: weights of three digits
    size = 2e-3 if precision == "float16" else 1e-5
    assert abs(found[0][0] - found[1][0]) < size
    assert abs(found[0][1] - found[1][1]).max() < 10 * size
