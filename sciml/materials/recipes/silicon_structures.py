"""The silicon configurations of the recipe `silicon-gpaw`, drawn from a seed; no calculator is needed here.

Every random number comes from (seed, group, family, member): more families never change the ones before. A family
is one random strain and all that is made from it, and it stays on one side of the train / validation / test split.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, diamond100

from sciml.core.errors import UserError
from sciml.materials.labelling import Candidate, rounded
from sciml.materials.recipes.keating import thermal_displacements

# Sign of the displacement in the four (001) layers of the cubic cell, its direction, and the side of the split.
# "gamma" moves the sublattices against each other; "x" doubles the period along z, as phonons at X do.
FROZEN_PATTERNS = {
    "gamma-001": ((1, -1, 1, -1), (0, 0, 1), "train"),
    "gamma-110": ((1, -1, 1, -1), (1, 1, 0), "validation"),
    "gamma-111": ((1, -1, 1, -1), (1, 1, 1), "train"),
    "gamma-111-back": ((-1, 1, -1, 1), (1, 1, 1), "train"),
    "x-longitudinal": ((1, 1, -1, -1), (0, 0, 1), "train"),
    "x-transverse": ((1, 1, -1, -1), (1, 1, 0), "test"),
    "x-transverse-odd": ((1, -1, -1, 1), (1, 1, 0), "train"),
}

CHEAP = -1  # rank of the structures whose symmetry or size makes them quick: first in the queue

TRIES = 200  # redraws before the minimum distance is called out of reach


@dataclass(frozen=True)
class Draw:
    """One structure of the recipe: what to label, on which side of the split it lies, and its place in the queue."""

    candidate: Candidate
    split: str
    rank: float


def silicon_draws(structures: Mapping[str, Any], kpoint_density_per_angstrom: float) -> list[Draw]:
    """Every structure the `structures` block of dataset.yaml asks for, in labelling order.

    The order runs through the families (all groups' first families, then the second, ...), so that a run cut short
    has every group. `info["kpoints"]` is the mesh of the undeformed cell: one mesh for a whole family of strains.
    """
    known = {"seed", "lattice_constant_angstrom", "minimum_distance_angstrom", "temperatures_kelvin", *GROUPS}
    unknown = sorted(set(structures) - known)
    if unknown:
        raise UserError(
            f"The recipe silicon-gpaw knows no structures {', '.join(unknown)}; it knows {', '.join(sorted(known))}. "
            f"Correct the `structures:` block of dataset.yaml."
        )
    draws = []
    for group, make in GROUPS.items():
        if group in structures:
            options = {**structures, **structures[group], "group": group}
            draws += make(options, kpoint_density_per_angstrom)
    return sorted(draws, key=lambda draw: draw.rank)


def split_of(family: int) -> str:
    """Of every six families four train, one validates and one tests.

    >>> [split_of(family) for family in range(6)]
    ['train', 'test', 'validation', 'train', 'train', 'train']
    """
    return ("train", "test", "validation", "train", "train", "train")[family % 6]


def kpoint_mesh(cell: np.ndarray, density_per_angstrom: float) -> tuple[int, int, int]:
    """Monkhorst-Pack divisions nearest to density * 2 pi / |a_i|, at least 1; `cell` (3, 3) holds a_i in angstrom.

    The periodic images of a sampled cell then lie about as far apart along every lattice vector of every cell.

    >>> kpoint_mesh(5.47 * np.eye(3), 3.48)
    (4, 4, 4)
    """
    lengths = 2 * np.pi / np.linalg.norm(cell, axis=1)
    first, second, third = (max(1, round(float(density_per_angstrom * length))) for length in lengths)
    return first, second, third


def minimum_distance(atoms: Atoms) -> float:
    """Shortest distance in angstrom between two atoms or an atom and its own image, in a periodic cell.

    >>> round(minimum_distance(bulk("Si", "diamond", a=5.43)), 4)
    2.3513
    """
    scaled = atoms.get_scaled_positions()
    between = scaled[:, None] - scaled[None, :]
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 1, 3)
    vectors = (between - np.round(between) + images) @ atoms.cell.array
    distances = np.linalg.norm(vectors, axis=-1)
    distances[len(images) // 2, range(len(atoms)), range(len(atoms))] = np.inf  # an atom and itself
    return float(distances.min())


def random_strain(rms: float, random: np.random.RandomState) -> np.ndarray:
    """Symmetric (3, 3) strain whose six independent components have standard deviation `rms`."""
    components = random.normal(scale=rms, size=(3, 3))
    return np.triu(components) + np.triu(components, 1).T


def strained(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """Copy with every lattice vector and position multiplied by (1 + strain)."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return copy


def _random(options: Mapping[str, Any], family: int, member: int = 0) -> np.random.RandomState:
    # RandomState, not default_rng: its stream alone is frozen across numpy versions (NEP 19)
    return np.random.RandomState([options["seed"], zlib.crc32(options["group"].encode()), family, member])


def _draw(options: Mapping[str, Any], name: str, atoms: Atoms, mesh: tuple, family: int, **place: Any) -> Draw:
    """Round and name one structure; `place` may set the `split` and the `rank` that its family would give."""
    atoms = rounded(atoms)
    atoms.info = {"family": f"{options['group']}-{family:02d}", "kpoints": "x".join(map(str, mesh))}
    candidate = Candidate(f"{options['group']}-{name}", options["group"], atoms)
    return Draw(candidate, place.get("split", split_of(family)), float(place.get("rank", family)))


def _spaced(make: Callable[[], Atoms], options: Mapping[str, Any], name: str) -> Atoms:
    """Call `make` until its atoms keep the minimum distance from each other."""
    least = options["minimum_distance_angstrom"]
    for _ in range(TRIES):
        atoms = make()
        if minimum_distance(atoms) >= least:
            return atoms
    raise UserError(
        f"{options['group']}-{name}: no draw out of {TRIES} kept its atoms {least} angstrom apart. "
        f"Lower minimum_distance_angstrom or the disorder in dataset.yaml."
    )


def _cubic(options: Mapping[str, Any]) -> Atoms:
    return bulk("Si", "diamond", a=options["lattice_constant_angstrom"], cubic=True)


def _scan(options: Mapping[str, Any], density: float, directions: Mapping[str, tuple]) -> Iterator[Draw]:
    """Strain one perfect 8-atom cell along each direction; a direction is a family, with its split named."""
    cell = _cubic(options)
    mesh = kpoint_mesh(cell.cell.array, density)
    for family, (direction, (tensor, split)) in enumerate(directions.items()):
        for member, strain in enumerate(options["strains"]):
            atoms = strained(cell, strain * np.array(tensor, dtype=float))
            yield _draw(options, f"{direction}-{member:02d}", atoms, mesh, family, split=split, rank=CHEAP)


def _volume(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    return _scan(options, density, {"hydrostatic": (np.eye(3), "train")})


def _uniaxial(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    along_110 = [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]
    return _scan(options, density, {"001": (np.diag([0, 0, 1]), "train"), "110": (along_110, "validation")})


def _shear(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    xy = [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    trigonal = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    return _scan(options, density, {"xy": (xy, "train"), "trigonal": (trigonal, "test")})


def _frozen(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    """Frozen phonons of the 8-atom cell: one pattern of displacements a family, at growing amplitudes."""
    cell = _cubic(options)
    mesh = kpoint_mesh(cell.cell.array, density)
    layer = np.round(4 * cell.get_scaled_positions()[:, 2]).astype(int)  # 0..3 along z; odd ones are one sublattice
    for family, (pattern, (signs, direction, split)) in enumerate(FROZEN_PATTERNS.items()):
        unit = np.array(signs)[layer, None] * np.array(direction) / np.linalg.norm(direction)
        for member, amplitude in enumerate(options["amplitudes_angstrom"]):
            atoms = cell.copy()
            atoms.positions += amplitude * unit
            yield _draw(options, f"{pattern}-{member:02d}", atoms, mesh, family, split=split, rank=CHEAP)


def _primitive(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    """Strain the 2-atom cell once a family, then move its atoms with each standard deviation in turn."""
    cell = bulk("Si", "diamond", a=options["lattice_constant_angstrom"])
    mesh = kpoint_mesh(cell.cell.array, density)
    for family in range(options["families"]):
        base = strained(cell, random_strain(options["strain_rms"], _random(options, family)))
        for member, size in enumerate(options["rattles_angstrom"], start=1):
            name, random = f"{family:02d}-{member}", _random(options, family, member)
            atoms = _spaced(partial(_moved, base, size, random), options, name)
            yield _draw(options, name, atoms, mesh, family, rank=CHEAP)


def _moved(base: Atoms, size_angstrom: float, random: np.random.RandomState) -> Atoms:
    atoms = base.copy()
    atoms.positions += random.normal(scale=size_angstrom, size=atoms.positions.shape)
    return atoms


def _thermal(options: Mapping[str, Any], density: float, ideal: Callable[[int], Atoms]) -> Iterator[Draw]:
    """Strain the ideal cell of each family, then rattle it once to each temperature."""
    for family in range(options["families"]):
        cell = ideal(family)
        mesh = kpoint_mesh(cell.cell.array, density)
        strain = random_strain(options["strain_rms"], _random(options, family)) * options.get("strain_mask", 1)
        base = strained(cell, strain)
        for member, kelvin in enumerate(options["temperatures_kelvin"], start=1):
            name, random = f"{family:02d}-{kelvin}k", _random(options, family, member)
            atoms = _spaced(partial(_heated, base, float(kelvin), random), options, name)
            yield _draw(options, name, atoms, mesh, family)


def _heated(base: Atoms, kelvin: float, random: np.random.RandomState) -> Atoms:
    atoms = base.copy()
    atoms.positions += thermal_displacements(base, kelvin, random)
    return atoms


def _rattled(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    return _thermal(options, density, lambda family: _cubic(options))


def _vacancy(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    def without_one(family: int) -> Atoms:
        cell = _cubic(options)
        del cell[family % len(cell)]
        return cell

    return _thermal(options, density, without_one)


def _surface(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    slab = diamond100("Si", (1, 1, options["layers"]), a=options["lattice_constant_angstrom"])
    slab.center(vacuum=options["vacuum_angstrom"] / 2, axis=2)
    slab.pbc = True
    in_plane = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    return _thermal({**options, "strain_mask": in_plane}, density, lambda family: slab)


def _disordered(options: Mapping[str, Any], density: float) -> Iterator[Draw]:
    """Eight atoms dropped at random into a cube, none nearer than the minimum distance: a hot, dense liquid."""
    low, high = options["volumes_per_atom_angstrom3"]
    mesh = kpoint_mesh(_cubic(options).cell.array, density)
    for family in range(options["families"]):
        name, random = f"{family:02d}", _random(options, family)
        edge = (8 * random.uniform(low, high)) ** (1 / 3)
        atoms = _spaced(partial(_dropped, edge, options["minimum_distance_angstrom"], random), options, name)
        yield _draw(options, name, atoms, mesh, family, rank=family / 3)


def _dropped(edge_angstrom: float, least_angstrom: float, random: np.random.RandomState) -> Atoms:
    atoms = Atoms(cell=edge_angstrom * np.eye(3), pbc=True)
    for _ in range(8):
        trial = atoms
        for _ in range(50):
            trial = atoms + Atoms("Si", positions=[edge_angstrom * random.uniform(size=3)])
            if minimum_distance(trial) >= least_angstrom:
                break
        atoms = trial
    return atoms


GROUPS: dict[str, Callable[[Mapping[str, Any], float], Iterator[Draw]]] = {
    "volume": _volume,
    "uniaxial": _uniaxial,
    "shear": _shear,
    "frozen": _frozen,
    "primitive": _primitive,
    "rattled": _rattled,
    "vacancy": _vacancy,
    "surface": _surface,
    "disordered": _disordered,
}
