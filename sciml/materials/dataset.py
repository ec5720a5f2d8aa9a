"""A data set of an experiment: which files, read how, cut into training, validation and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from sciml.core.data_files import FileConfig, SplitFiles
from sciml.core.errors import UserError
from sciml.materials.formats import check_format
from sciml.materials.reading import ReadOptions, read_structures
from sciml.materials.references import elements_of, geometry_digest
from sciml.materials.structures import Structure
from sciml.materials.unit_checks import check_units

# A group's validation structures come in this many runs of neighbours, not one by one: consecutive snapshots of a
# trajectory resemble each other, and a validation set amid the training set would measure memory.
VALIDATION_BLOCKS = 4


@dataclass(frozen=True)
class StructureFile(FileConfig):
    """A file of a data set; its format is "auto", "mlearn", "extxyz", "db" or another name that ase.io knows."""

    def __post_init__(self) -> None:
        check_format(self.format)


@dataclass(frozen=True)
class DatasetConfig(SplitFiles):
    """The `dataset:` part of an experiment: a folder of the catalogue, one's own files, or both.

    Attributes:
        name: folder in datasets/.
        files: train, and where there are any validation, test (or several, test_NAME) and isolated_atoms; the
            catalogue's, or without `name` one's own.
        train: a file of one's own, in place of all files of the data set.
        validation: a file of one's own.
        test: a file of one's own, in place of all test files of the data set.
        isolated_atoms: a file of one's own with lone atoms, whose energies are the reference energies.
        elements: what the files hold; ignored with a `train` of one's own.
        variables: unit of length, energy, forces, stress, virial in the files where it is not eV and angstrom.
        keys: name of energy, forces, stress, virial, group in the files where it is none of the usual ones.
        reference_energies: "isolated_atoms" (exactly theirs, where there are any) or "least_squares".
        validation_fraction: share of the training file that validates, when there is no validation file.
        validation_seed: which share.
        minimum_distance_angstrom: structures with closer atoms are refused.
        maximum_force_ev_per_angstrom: structures with larger forces are refused.
        check_units: compare forces with energies and distances with radii, and refuse what does not fit.
    """

    ROLES: ClassVar[tuple[str, ...]] = (*SplitFiles.ROLES, "isolated_atoms")
    OTHER_NAMES: ClassVar[dict[str, str]] = {"units": "variables", "key": "keys", "valid": "validation"}

    files: dict[str, StructureFile] = field(default_factory=dict)
    isolated_atoms: str | None = None
    elements: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    reference_energies: Literal["isolated_atoms", "least_squares"] = "isolated_atoms"
    validation_fraction: float = 0.1
    validation_seed: int = 0
    minimum_distance_angstrom: float = 0.3
    maximum_force_ev_per_angstrom: float = 200.0
    check_units: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.validation_fraction < 1:
            raise UserError(f"`validation_fraction` must lie between 0 and 1, but is {self.validation_fraction}.")
        super().__post_init__()

    @property
    def options(self) -> ReadOptions:
        return ReadOptions(
            self.variables, self.keys, self.minimum_distance_angstrom, self.maximum_force_ev_per_angstrom
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a potential learns from.

    Attributes:
        train: structures to learn from, isolated atoms not among them.
        validation: structures to choose the best weights by.
        isolated_atoms: lone atoms, for the reference energies.
        notes: what the user should know of the data, one sentence each.
    """

    train: list[Structure]
    validation: list[Structure]
    isolated_atoms: list[Structure]
    notes: list[str]

    @property
    def elements(self) -> tuple[int, ...]:
        return elements_of(self.train)


def read_split(config: DatasetConfig, role: str) -> list[Structure]:
    """The structures of one file of the data set.

    Raises:
        UserError: the file is nowhere, damaged, or holds what no calculation can have given.
    """
    return read_structures(config.place(role), config.sources[role].format, config.options)


def load_training_data(config: DatasetConfig) -> TrainingData:
    """Training and validation structures, with what is odd about them noted.

    The test files are read too, so that a mistake in them shows before hours of training and not after.

    Raises:
        UserError: damaged files, implausible units, elements other than declared, too few structures.
    """
    read = read_split(config, "train")
    isolated = [structure for structure in read if structure.is_isolated_atom]
    if "isolated_atoms" in config.sources:
        isolated = read_split(config, "isolated_atoms") + isolated
        if strangers := [s.name for s in isolated if not s.is_isolated_atom]:
            raise UserError(f"{strangers[0]}: an isolated atom is one atom without periodicity. Set pbc to false.")
    structures = [structure for structure in read if not structure.is_isolated_atom]
    labelled = [s for s in structures if s.has_energy or s.has_forces or s.has_stress]
    if not labelled:
        raise UserError(
            f"the training file {_file_name(config, 'train')} has neither energies nor forces nor stresses. "
            f"If they have unusual names, declare them: --dataset.keys.energy=NAME --dataset.keys.forces=NAME"
        )
    if "validation" in config.sources:
        train, validation = labelled, read_split(config, "validation")
    else:
        train, validation = split_validation(labelled, config.validation_fraction, config.validation_seed)
    if config.check_units:
        check_units(labelled, _file_name(config, "train"), length_is_declared="length" in config.variables)
    held_out = {"validation": validation, **{role: read_split(config, role) for role in config.test_splits}}
    _check_elements(config, train, held_out)
    return TrainingData(train, validation, isolated, _notes(structures, labelled, train, held_out))


def split_validation(
    structures: Sequence[Structure], fraction: float, seed: int
) -> tuple[list[Structure], list[Structure]]:
    """(training, validation): of each group its share, in a few runs of neighbours at seeded places.

    Raises:
        UserError: fewer than two structures.
    """
    if len(structures) < 2:
        raise UserError(
            f"training needs at least 2 structures, one of them to validate, but there is {len(structures)}. "
            "Give more, or a file of your own as dataset.validation."
        )
    generator = np.random.default_rng(seed)
    groups = Counter(structure.group for structure in structures)
    wanted = min(max(1, round(fraction * len(structures))), len(structures) - 1)
    quota = _shares(groups, wanted, generator)
    chosen: set[int] = set()
    for group in groups:
        members = [index for index, structure in enumerate(structures) if structure.group == group]
        chosen |= {members[place] for place in _blocks(len(members), quota[group], generator)}
    train = [structure for index, structure in enumerate(structures) if index not in chosen]
    return train, [structures[index] for index in sorted(chosen)]


def _shares(groups: Counter[str], total: int, generator: np.random.Generator) -> dict[str, int]:
    """Whole numbers that add up to `total`, in proportion to the groups' sizes: largest remainders first.

    A group never gives its last structure, unless every group has one only.
    """
    n = sum(groups.values())
    exact = {group: total * size / n for group, size in groups.items()}
    shares = {group: int(share) for group, share in exact.items()}
    # equal remainders are drawn for, so that no group is favoured for its name or place
    able = [group for group in groups if shares[group] + 1 < groups[group]] or list(groups)
    order = sorted(able, key=lambda group: (shares[group] - exact[group], generator.random()))
    for group in order[: total - sum(shares.values())]:
        shares[group] += 1
    return shares


def _blocks(n: int, k: int, generator: np.random.Generator) -> list[int]:
    """`k` of `n` places in `VALIDATION_BLOCKS` runs, or fewer, that neither touch nor overlap where there is room."""
    if not k:
        return []
    lengths = [part.size for part in np.array_split(np.arange(k), min(k, VALIDATION_BLOCKS))]
    # the places not chosen are dealt out before, between and after the runs
    gaps = np.sort(generator.choice(n - k + 1, size=len(lengths), replace=len(lengths) > n - k + 1))
    starts = gaps + np.cumsum([0, *lengths[:-1]])
    return [int(start) + step for start, length in zip(starts, lengths, strict=True) for step in range(length)]


def _check_elements(
    config: DatasetConfig, train: Sequence[Structure], held_out: Mapping[str, Sequence[Structure]]
) -> None:
    from ase.data import atomic_numbers, chemical_symbols

    present = elements_of(train)
    if config.elements and config.train is None:
        declared = {atomic_numbers.get(symbol, 0) for symbol in config.elements}
        if declared != set(present):
            symbols = ", ".join(chemical_symbols[number] for number in present)
            raise UserError(
                f"the training file {_file_name(config, 'train')} holds {symbols}, but `dataset.elements` says "
                f"{', '.join(config.elements)}."
            )
    for role, structures in held_out.items():
        for structure in structures:
            if unknown := set(elements_of([structure])) - set(present):
                symbols = ", ".join(chemical_symbols[number] for number in sorted(unknown))
                raise UserError(
                    f"{structure.name} of the {role} set has {symbols}, which the training structures lack. "
                    "Add such structures, or remove it."
                )


def _notes(
    structures: Sequence[Structure],
    labelled: Sequence[Structure],
    train: Sequence[Structure],
    held_out: Mapping[str, Sequence[Structure]],
) -> list[str]:
    notes = []
    if len(labelled) < len(structures):
        notes.append(f"{len(structures) - len(labelled)} of {len(structures)} structures have no label: left out.")
    for label in ("energy", "forces", "stress"):
        # a structure that repeats along fewer than three directions has no stress to miss
        able = [s for s in labelled if label != "stress" or s.pbc.all()]
        missing = sum(not getattr(structure, f"has_{label}") for structure in able)
        if missing and missing == len(able):
            notes.append(f"The training data have no {label}: the potential is trained without.")
        elif missing:
            notes.append(f"{missing} of {len(able)} training structures have no {label}: they are trained without it.")
    seen = {geometry_digest(structure) for structure in train}
    for role, others in held_out.items():
        twice = [structure.name for structure in others if geometry_digest(structure) in seen]
        if twice:
            notes.append(
                f"The {role} set shares {len(twice)} of its {len(others)} structures with the training set, "
                f"e.g. {twice[0]}."
            )
    return notes


def _file_name(config: DatasetConfig, role: str) -> str:
    return config.sources[role].path
