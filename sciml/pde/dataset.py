"""A data set of an experiment: which files and variables, and which samples train, validate and test."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from sciml.core.catalogue import suggest
from sciml.core.checks import check_ranges
from sciml.core.data_files import FileConfig, SplitFiles
from sciml.core.errors import UserError
from sciml.pde.data import PdeData
from sciml.pde.formulas import with_formulas
from sciml.pde.reading import read_pde
from sciml.pde.samples import Domain, FieldSamples, Selection, take
from sciml.pde.surrogate import Rollout
from sciml.pde.symmetries import Symmetries, Symmetry


@dataclass(frozen=True)
class DatasetConfig(SplitFiles):
    """The `dataset:` part of an experiment: a folder of the catalogue, one's own files, or both.

    Attributes:
        name: folder in datasets/.
        files: train, and where there are any validation, test (or several, test_NAME); the catalogue's, or without
            `name` one's own.
        train: a file of one's own, in place of all files of the data set.
        validation: a file of one's own.
        test: a file of one's own, in place of all test files of the data set.
        variables: unit of each variable; what a file says itself comes first.
        inputs: variables that are given.
        outputs: variables that are predicted. A forecast's are its state, and inputs that are not among them do not
            change with time.
        parameters: numbers of each sample that are given, such as a viscosity.
        periodic: of each axis, for files that do not say it.
        n_train: samples to learn from, the first of the training file; null for all that the other splits leave.
        n_validation: samples that choose the best weights, the first of the validation file or, without one, those
            after the training samples; null for all, or a tenth of the training file.
        n_test: samples to test on, the first of the test file; without one the last of the training file, or none.
        resolution: points along the first axis of space; files have as many or more, and all axes are thinned alike.
            Null for those of each file.
        test_resolutions: other numbers of points at which a test file that has them is scored too.
        first_frame: of the frames of time in a file, the first that is used: the one that a map starts from.
        last_frame: the last that is used, the one that a map ends with; null for the last there is.
        frame_step: frames of the file from one that is used to the next.
        formulas: further fields that do not change, by name, of the axes: `forcing: "0.1 * sin(2 * pi * x)"`. They
            are given where `inputs` names them.
        symmetries: transformations of space that take solutions to solutions.
        augment: whether training samples are transformed by them, drawn anew each time.
        average: whether a prediction is the mean over all combinations of the symmetries without `slide`, so that it
            has them itself; it costs as many calls of the network.
    """

    OTHER_NAMES: ClassVar[dict[str, str]] = {"units": "variables", "input": "inputs", "output": "outputs"}

    files: dict[str, FileConfig] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    periodic: list[bool] | None = None
    n_train: int | None = None
    n_validation: int | None = None
    n_test: int | None = None
    resolution: int | None = None
    test_resolutions: list[int] = field(default_factory=list)
    first_frame: int = 0
    last_frame: int | None = None
    frame_step: int = 1
    formulas: dict[str, str] = field(default_factory=dict)
    symmetries: list[Symmetry] = field(default_factory=list)
    augment: bool = False
    average: bool = False

    def __post_init__(self) -> None:
        check_ranges(
            "dataset",
            self,
            {
                "n_train": (1, math.inf),
                "n_validation": (1, math.inf),
                "n_test": (1, math.inf),
                "resolution": (2, math.inf),
                "first_frame": (0, math.inf),
                "last_frame": (self.first_frame, math.inf),
                "frame_step": (1, math.inf),
            },
        )
        super().__post_init__()
        if not self.outputs:
            raise UserError("`dataset.outputs` names no variable to predict. Give some, such as [u].")
        for option in ("augment", "average"):
            if getattr(self, option) and not self.symmetries:
                raise UserError(
                    f"`dataset.{option}` is on, but `dataset.symmetries` has none. Give some, or turn it off."
                )
        known = {*self.inputs, *self.outputs, *self.formulas}
        for name in (name for symmetry in self.symmetries for name in symmetry.negate):
            if name not in known:
                hint = suggest(name, known) or f"there are {', '.join(sorted(known))}."
                raise UserError(f"`dataset.symmetries` negates `{name}`, which is no input, output or formula; {hint}")

    def symmetries_of(self, domain: Domain) -> Symmetries:
        """On the points of some samples. Raises UserError where they do not have them."""
        return Symmetries(tuple(self.symmetries), domain.axes, domain.periodic, domain.grid.shape)

    @property
    def selection(self) -> Selection:
        """What of a file is taken."""
        return Selection(
            tuple(self.inputs),
            tuple(self.outputs),
            tuple(self.parameters),
            self.first_frame,
            self.last_frame,
            self.frame_step,
            self.variables,
        )

    @property
    def test_splits(self) -> list[str]:
        """Roles of the test files; "test" too where the training file's last samples are the test."""
        return super().test_splits or (["test"] if self.n_test is not None else [])


def load_training_data(config: DatasetConfig, rollout: Rollout | None) -> tuple[FieldSamples, FieldSamples]:
    """Training and validation samples.

    Raises:
        UserError: damaged files, files without the variables, too few samples or frames, NaN, or files that differ.
    """
    train = load_split(config, rollout, "train")
    validation = load_split(config, rollout, "validation")
    train.domain.check(validation.domain, validation.source)
    return train, validation


def open_file(config: DatasetConfig, file: Path) -> PdeData:
    """A file, and the fields that formulas give.

    Raises:
        UserError: a damaged file, or a formula that is none.
    """
    return with_formulas(read_pde(file, config.periodic), config.formulas)


def load_split(
    config: DatasetConfig, rollout: Rollout | None, role: str, resolution: int | None = None
) -> FieldSamples:
    """The samples of train, validation or a test role, at the experiment's resolution or another.

    Raises:
        UserError: see `load_training_data`.
    """
    own = role in config.sources
    file = config.place(role if own else "train")
    data = open_file(config, file)
    part = _part(config, role, own, data.n_samples, file)
    return take(data, config.selection, rollout, part, resolution or config.resolution)


def _part(config: DatasetConfig, role: str, own: bool, n: int, file: Path) -> slice:
    """Which of a file's n samples are a role's; in the training file come training, validation, ..., test."""
    if own and role != "train":
        size = (config.n_validation if role == "validation" else config.n_test) or n
        if size > n:
            raise UserError(f"{file} has {n} samples, but {size} are asked of it for {role}. Lower that number.")
        return slice(0, size)
    n_test = 0 if "test" in config.sources else config.n_test or 0
    n_validation = 0 if "validation" in config.sources else config.n_validation
    if n_validation is None:
        n_validation = max(0, min(max(1, n // 10), n - n_test - (config.n_train or 0)))
    n_train = n - n_test - n_validation if config.n_train is None else config.n_train
    first, size = {"train": (0, n_train), "validation": (n_train, n_validation)}.get(role, (n - n_test, n_test))
    if size < 1 or n_train + n_validation + n_test > n:
        asked = f"{max(n_train, 0)} to train, {n_validation} to validate and {n_test} to test with"
        raise UserError(
            f"{file} has {n} samples, which leaves none for {role} or lets them overlap: {asked}. Lower n_train, "
            "n_validation or n_test of `dataset`, or give more."
        )
    return slice(first, first + size)
