"""Every potential of the package, in float64 with random weights, for the laws that all of them must obey."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms

from sciml.core.atoms import AtomGraph
from sciml.gnn.potential import POTENTIALS, Potential, build_potential
from sciml.materials.graphs import build_graph
from sciml.materials.structures import from_atoms

# small, but with every part of the architecture in use
SIZES = {
    "schnet": {"channels": 16, "layers": 2, "gaussians": 12},
    "painn": {"channels": 16, "layers": 3, "radial_functions": 8},
    "qace": {"channels": 8, "layers": 3, "radial_functions": 5, "hidden": 16, "species_channels": 2},
}
ELEMENTS = (1, 8, 14)
REFERENCES = (-13.6, -430.0, -5.5)


@pytest.fixture(params=sorted(POTENTIALS))
def potential(request: pytest.FixtureRequest) -> Potential:
    torch.manual_seed(7)
    config_class, _ = POTENTIALS[request.param]
    # a short cutoff keeps the sums short; the laws hold at any
    config = config_class(cutoff_angstrom=3.5, **SIZES[request.param])
    return build_potential(config, ELEMENTS, REFERENCES, energy_scale_ev=0.7).double().eval()


@pytest.fixture
def crystal() -> Atoms:
    """A triclinic cell of mixed elements without any symmetry, smaller than twice the cutoff."""
    cell = np.array([[5.1, 0.2, 0.0], [0.9, 4.8, -0.3], [0.4, -0.6, 5.6]])
    scaled = np.random.default_rng(3).permutation(np.indices((2, 2, 2)).reshape(3, -1).T) / 2.0
    atoms = Atoms("SiO2HSi2OH", scaled_positions=scaled, cell=cell, pbc=True)
    atoms.rattle(0.25, seed=4)
    return atoms


@pytest.fixture
def graph_of(potential: Potential) -> Callable[[Atoms], AtomGraph]:
    return lambda atoms: build_graph(from_atoms(atoms), potential.cutoff_angstrom)
