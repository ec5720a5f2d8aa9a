"""What mlearn's `virial_stress` is, found from the energies and forces in the real files.

1. A cell that is strained a little further changes its energy by volume * stress : strain. Over the strained silicon
   crystals (six modes, strains of -10 % to 10 %) this work and the energies must have a ratio of one, and of all signs,
   orders and units only one gives it.
2. In melts and vacancies no cell is strained, but the forces imply a stress, which agrees with one order of the shears.
3. A slab whose plane x = 0 is a mirror can have a shear yz only.
"""

from __future__ import annotations

import functools
import gzip
import json
import logging
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from sciml.materials.mlearn import shear_orders
from sciml.materials.pair_virial import stresses_implied_by_forces
from sciml.materials.reading import read_structures
from sciml.materials.structures import Structure

FOLDER = Path(os.environ.get("SCIML_DATA", "")) / "mlearn"
pytestmark = pytest.mark.skipif(
    not (FOLDER / "Si" / "training.json.gz").is_file(), reason="needs mlearn/Si and mlearn/Li below $SCIML_DATA"
)


@functools.cache
def strained(element: str) -> list[tuple[str, Structure]]:
    """(mode, structure) in the order of the file."""
    path = FOLDER / element / "training.json.gz"
    with gzip.open(path) as file:
        descriptions = [entry["description"] for entry in json.load(file)]
    pairs = zip(descriptions, read_structures(path), strict=True)
    return [(text.split(", strain")[0], s) for text, s in pairs if "strain" in text]


def changes_and_works(element: str, mode: str, order: list[int] | None = None) -> np.ndarray:
    """(energy change, work of the stress) between neighbouring strains of one mode.

    `order` shuffles the stress's six numbers (xx, yy, zz, yz, xz, xy) first.
    """
    rows = []
    for (mode_a, a), (mode_b, b) in pairwise(strained(element)):
        if mode_a != mode_b or not mode_a.endswith(mode):
            continue
        strain = scipy.linalg.logm(np.linalg.solve(a.cell, b.cell)).real
        pull = sum(abs(np.linalg.det(s.cell)) * shuffled(s.stress, order) for s in (a, b)) / 2
        rows.append((b.energy - a.energy, float(np.sum(pull * (strain + strain.T) / 2))))
    return np.array(rows)


def shuffled(stress: np.ndarray, order: list[int] | None) -> np.ndarray:
    six = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]][order or [0, 1, 2, 3, 4, 5]]
    return six[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


def ratio(rows: np.ndarray) -> float:
    change, work = rows.T
    return float(change @ work / (work @ work))


@pytest.mark.parametrize("mode", ["mode 0", "mode 1", "mode 2", "mode 3", "mode 4", "mode 5"])
def test_silicon_stress_is_the_derivative_of_the_energy(mode: str) -> None:
    """Modes 0 to 2 stretch along x, y, z; 3 to 5 shear xy, xz, yz: sign, unit and each place are seen."""
    rows = changes_and_works("Si", mode)
    assert len(rows) >= 7
    # the trapezoid rule over strain steps of 2 to 4 % is off by third order: 0.2 % is measured
    assert ratio(rows) == pytest.approx(1.0, abs=5e-3)


@pytest.mark.parametrize("mode", ["mode 3", "mode 5"])
def test_in_voigts_order_the_shears_would_not_fit(mode: str) -> None:
    """Taking the six numbers as xx, yy, zz, yz, xz, xy puts the xy shear into yz: it then does no work."""
    rows = changes_and_works("Si", mode, order=[0, 1, 2, 5, 3, 4])
    assert abs(ratio(rows) - 1) > 0.5


@pytest.mark.parametrize("mode", ["mode 1", "mode 3"])
def test_lithium_axial_stress_is_the_derivative_of_the_energy(mode: str) -> None:
    # lithium's two-atom cell: k points leave 2 % between the two (measured 1.022)
    assert ratio(changes_and_works("Li", mode)) == pytest.approx(1.0, abs=0.04)


def test_every_structure_of_the_authors_is_read() -> None:
    counts = {
        (element, split): len(read_structures(FOLDER / element / f"{split}.json.gz"))
        for element in ("Si", "Li")
        for split in ("training", "test")
    }
    assert counts == {("Si", "training"): 214, ("Si", "test"): 25, ("Li", "training"): 241, ("Li", "test"): 29}


FILES = [("Si", "training"), ("Si", "test"), ("Li", "training"), ("Li", "test")]


@pytest.mark.parametrize(("element", "split"), FILES)
def test_shears_agree_with_the_forces(element: str, split: str) -> None:
    structures = [s for s in read_structures(FOLDER / element / f"{split}.json.gz") if np.abs(s.forces).max() > 0]
    implied = stresses_implied_by_forces(structures)
    for group in ("AIMD-NVT", "Vacancy"):
        here = [k for k, s in enumerate(structures) if s.group == group]
        for a, b in ((0, 1), (0, 2), (1, 2)):
            shear = np.array([structures[k].stress[a, b] for k in here])
            # 0.84 to 0.98 are measured; with xz and yz exchanged -0.4 to 0.3, with the wrong sign below -0.8
            correlation = shear @ implied[here, a, b] / np.linalg.norm(shear) / np.linalg.norm(implied[here, a, b])
            assert correlation > 0.8, (group, a, b)


@pytest.mark.parametrize(("element", "split"), FILES)
def test_after_reading_all_groups_have_one_order(element: str, split: str) -> None:
    orders = shear_orders(read_structures(FOLDER / element / f"{split}.json.gz"))
    assert orders == dict.fromkeys(orders, "yz, xz")


def test_which_groups_of_silicon_were_exchanged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sciml"):
        read_structures(FOLDER / "Si" / "training.json.gz")
        read_structures(FOLDER / "Li" / "training.json.gz")
    (record,) = caplog.records
    assert record.getMessage().endswith("Si/training.json.gz: the forces say that virial_stress has xz before yz in "
                                        "AIMD-NVT, Surface, Vacancy.")  # fmt: skip


@pytest.mark.parametrize(
    ("element", "split", "plane"), [("Si", "training", "3_2_2"), ("Si", "test", "3_1_0"), ("Li", "training", "3_2_0")]
)
def test_slabs_with_a_mirror_have_the_shear_that_it_allows(element: str, split: str, plane: str) -> None:
    """Their cells have a along x and b and c in the yz plane, and no atom breaks the mirror x -> -x."""
    path = FOLDER / element / f"{split}.json.gz"
    with gzip.open(path) as file:
        (index,) = [k for k, e in enumerate(json.load(file)) if f"_({plane})" in e["description"]]
    slab = read_structures(path)[index]
    assert np.abs(slab.cell[0, 1:]).max() == pytest.approx(0, abs=1e-6)
    assert np.abs(slab.cell[1:, 0]).max() == pytest.approx(0, abs=1e-6)
    assert abs(slab.stress[1, 2]) > 1e-4
    # the files print the forbidden shears as 0.000 kbar, up to the tolerance of the self-consistency
    assert max(abs(slab.stress[0, 2]), abs(slab.stress[0, 1])) < 0.02 * abs(slab.stress[1, 2])
