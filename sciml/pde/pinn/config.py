"""What an experiment of a physics-informed network says, every number checked when it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sciml.core.catalogue import suggest
from sciml.core.checks import Excluded, check_ranges
from sciml.core.errors import UserError
from sciml.pde.pinn.space import DomainConfig
from sciml.pinn.domain import PartConfig
from sciml.train.config import TrainConfig


@dataclass(frozen=True)
class Unknown:
    """A constant of the equation that is to be found.

    Attributes:
        start: where the search begins.
        positive: whether it is sought by its logarithm.
        low: end of the range for `equation.search`.
        high: other end.
    """

    start: float
    positive: bool = False
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise UserError(f"an unknown needs `low` below `high`, but has {self.low} and {self.high}.")
        if self.positive and any(end is not None and end <= 0 for end in ends):
            raise UserError(f"a positive unknown needs a positive range, but it is {self.low} to {self.high}.")
        if self.positive and self.start <= 0:
            raise UserError(f"a positive unknown needs a positive `start`, but it is {self.start}.")


@dataclass(frozen=True)
class SearchConfig:
    """How to find where the unknown constants start from, by Bayesian optimisation over their ranges.

    Attributes:
        trials: constants that are tried.
        steps: of Levenberg and Marquardt's method in each, from the best network before.
    """

    trials: int = 10
    steps: int = 15

    def __post_init__(self) -> None:
        check_ranges("equation.search", self, {"trials": (2, 1000), "steps": (1, 1e5)})


@dataclass(frozen=True)
class EquationConfig:
    """The `equation:` part.

    Attributes:
        name: one of the library, or `module.path:function` of your own.
        constants: of the function: numbers, or formulas of the coordinates.
        unknowns: of those, the ones that are to be found from observations.
        search: for where those start from, over the range of each; null takes their `start`.
    """

    name: str
    constants: dict[str, float | str] = field(default_factory=dict)
    unknowns: dict[str, Unknown] = field(default_factory=dict)
    search: SearchConfig | None = None

    def __post_init__(self) -> None:
        if self.search is not None:
            bare = [name for name, unknown in self.unknowns.items() if unknown.low is None or unknown.high is None]
            if bare or not self.unknowns:
                raise UserError(
                    "`equation.search` needs `low` and `high` of each unknown, but "
                    f"{'those of ' + ', '.join(bare) + ' are not given' if bare else 'there is none'}."
                )
        for name in self.unknowns:
            if name in self.constants:
                raise UserError(f"`equation`: `{name}` is given and unknown at once. Leave one of the two out.")


@dataclass(frozen=True)
class ExactConfig:
    """The `exact:` part: field = value + distance * network, so that conditions hold whatever the weights are.

    Attributes:
        let: names for parts of formulas, in their order.
        value: of fields, a formula that meets the conditions; 0 where not given.
        distance: of fields, a formula that is zero where conditions hold and only there; 1 where not given.
    """

    let: dict[str, float | str] = field(default_factory=dict)
    value: dict[str, float | str] = field(default_factory=dict)
    distance: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class ConditionConfig:
    """One of the `conditions:`, which hold as well as training makes them.

    Attributes:
        at: coordinate to the place where it holds, e.g. `{t: 0}`; the others go over all of their range.
        boundary: or the part of the boundary of `space.shape` where it holds; `{}` for all of it.
        values: field or derivative (`u_x`, `u_xx`, on a boundary `u_n` along its outward normal) to a formula.
        weight: of the mean of its squares in the loss.
        points: on which it is asked for.
    """

    values: dict[str, float | str]
    at: dict[str, float] = field(default_factory=dict)
    boundary: PartConfig | None = None
    weight: float = 1.0
    points: int = 500

    def __post_init__(self) -> None:
        check_ranges("conditions", self, {"weight": (Excluded(0), math.inf), "points": (1, 1e7)})
        if bool(self.at) == (self.boundary is not None) or not self.values:
            raise UserError(
                "a condition needs `at`, a coordinate and its value, or `boundary`, and `values` of fields there."
            )


@dataclass(frozen=True)
class ObservationsConfig:
    """The `observations:` part: what was measured, from a table with a column for each coordinate and some fields.

    Attributes:
        file: CSV whose first line names columns and units, as `x [m],t [s],u [m/s]`.
        dataset: name of the dataset that the file belongs to; null for a file of yours.
        weight: of the mean square of its misfits in the loss, each in units of its field's standard deviation.
        noise: observed field to the standard deviation of an observation of it, which intervals of unknowns rest on
            and by which misfits of several fields are weighed against one another; none takes it from the misfit.
        added_noise: normal noise put on the observations, in units of their standard deviation, other for each
            `train.seed`: how well unknowns would be found from worse ones.
    """

    file: Path
    dataset: str | None = None
    weight: float = 1.0
    noise: dict[str, float] = field(default_factory=dict)
    added_noise: float = 0.0

    def __post_init__(self) -> None:
        check_ranges("observations", self, {"weight": (Excluded(0), math.inf), "added_noise": (0, 100)})
        for name, size in self.noise.items():
            if not 0 < size < math.inf:
                raise UserError(f"`observations.noise.{name}` needs to be above 0, but is {size}.")


@dataclass(frozen=True)
class SamplingConfig:
    """The `sampling:` part: the points on which the equation is asked to hold.

    Attributes:
        points: at a time.
        every: steps on the same points, which make an epoch.
        method: residual (RAD, more of them where the residual is large), retain (R3, the worst stay), uniform.
        candidates: for RAD, that many times the points are drawn from.
        power: of the residual, in RAD's density.
        floor: of RAD's density, in units of its mean; larger ones spread points.
        validation: points that are the same for all of the training, to choose the best weights by.
    """

    points: int = 4000
    every: int = 10
    method: Literal["residual", "retain", "uniform"] = "residual"
    candidates: int = 4
    power: float = 1.0
    floor: float = 1.0
    validation: int = 2000

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "points": (1, 1e7),
            "every": (1, 1e6),
            "candidates": (1, 1000),
            "power": (0, 10),
            "floor": (0, 1e6),
            "validation": (1, 1e7),
        }
        check_ranges("sampling", self, ranges)


@dataclass(frozen=True)
class WeightsConfig:
    """The `weights:` part: how points and terms count in the loss.

    Attributes:
        decay: in time: squares at time t count exp(-decay (t - first time)), for equations that amplify early errors.
        formula: of the coordinates: squares of the equation count so much at a place, e.g. nothing where the solution
            is singular.
        causal: tolerance of causal weights, by which later times wait for earlier ones; 0 for none.
        slices: of time, for causal weights.
        attention: whether points count more the longer their residual is large.
        balance: gradient-norm gives all terms' gradients the same norm, ntk the same trace of the tangent kernel.
    """

    decay: float = 0.0
    formula: float | str = 1.0
    causal: float = 0.0
    slices: int = 20
    attention: bool = False
    balance: Literal["none", "gradient-norm", "ntk"] = "none"

    def __post_init__(self) -> None:
        check_ranges("weights", self, {"decay": (0, 1e3), "causal": (0, 1e9), "slices": (1, 10_000)})


@dataclass(frozen=True)
class Ramp:
    """A constant of the equation that starts elsewhere, so that training begins on an easier problem.

    Attributes:
        start: at first; it goes geometrically to its value, or straight where one of both is not positive.
        until: fraction of the training at which it is there.
    """

    start: float
    until: float = 0.2

    def __post_init__(self) -> None:
        check_ranges("curriculum", self, {"until": (Excluded(0), 1)})


@dataclass(frozen=True)
class ReferenceConfig:
    """The `reference:` part: what the trained fields are compared with.

    Attributes:
        solver: one of the conventional solvers of sciml, which is timed as well.
        settings: of the solver.
        constants: of the equation as they truly are, where they are unknown to the network.
        formula: or, for each field, an exact solution.
        file: or a netCDF with the fields on a grid of the coordinates.
        points: along each coordinate, of the grid on which both are compared.
        parameters: values of each parameter of the network at which both are compared, each with each.
        conserved: name to a formula of fields and coordinates whose integral over space should not change in time.
    """

    solver: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, float | str] = field(default_factory=dict)
    formula: dict[str, float | str] = field(default_factory=dict)
    file: Path | None = None
    points: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, list[float]] = field(default_factory=dict)
    conserved: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = [name for name in ("solver", "formula", "file") if getattr(self, name)]
        if len(given) > 1:
            raise UserError(f"`reference` needs one of solver, formula and file, but has {' and '.join(given)}.")
        if any(number < 2 for number in self.points.values()):
            raise UserError("`reference.points` needs two points along each coordinate at least.")


@dataclass(frozen=True)
class PinnExperiment:
    """An experiment on a physics-informed network; `config_class` has one kind for each architecture.

    Attributes:
        start_from: a run or checkpoint whose weights are where training begins: of the same network, or of one that
            has some of the equation's constants as parameters. There is no curriculum then.
    """

    space: DomainConfig
    equation: EquationConfig
    model: Any
    exact: ExactConfig = field(default_factory=ExactConfig)
    conditions: dict[str, ConditionConfig] = field(default_factory=dict)
    observations: ObservationsConfig | None = None
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    curriculum: dict[str, Ramp] = field(default_factory=dict)
    windows: int = 1
    reference: ReferenceConfig | None = None
    start_from: str | None = None
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        check_ranges("experiment", self, {"windows": (1, 1000)})
        if self.windows > 1 and self.space.time is None:
            raise UserError("`windows` cuts the time into parts, but `space.time` names none.")
        if (self.weights.causal or self.weights.decay) and self.space.time is None:
            raise UserError("`weights.causal` and `weights.decay` follow the time, but `space.time` names none.")
        for name in {"equation", "observations", "loss"} & set(self.conditions):
            raise UserError(f"`conditions.{name}`: this name is taken by another term of the loss; choose another one.")
        for name in self.curriculum:
            constant = self.equation.constants.get(name)
            if not isinstance(constant, (int, float, str)):
                raise UserError(
                    f"`curriculum.{name}` needs a constant of the equation, but there are "
                    f"{', '.join(self.equation.constants) or 'none'}."
                )
        for name in self.space.parameters:
            if name in self.equation.constants or name in self.equation.unknowns:
                raise UserError(
                    f"`{name}` is in `space.parameters` and in `equation` at once. Leave it in one of both."
                )
        if self.reference is not None:
            self._check_parameters(self.reference.parameters)
        known = [*self.space.axes, *self.space.outputs, *self.equation.constants, *self.equation.unknowns]
        for name in self.space.units:
            if name not in known:
                hint = suggest(name, known) or f"there are {', '.join(known)}."
                raise UserError(f"`space.units`: there is no `{name}`; {hint}")
        self._check_names("exact.value", self.exact.value)
        self._check_names("exact.distance", self.exact.distance)

    def _check_parameters(self, chosen: Mapping[str, list[float]]) -> None:
        """Of the reference."""
        for name, values in chosen.items():
            if name not in self.space.parameters:
                there = ", ".join(self.space.parameters) or "none"
                hint = suggest(name, self.space.parameters) or f"there are {there}."
                raise UserError(f"`reference.parameters`: there is no parameter `{name}`; {hint}")
            low, high = self.space.parameters[name]
            if not values or not all(low <= value <= high for value in values):
                raise UserError(f"`reference.parameters.{name}` needs numbers from {low} to {high}, but is {values}.")

    def _check_names(self, key: str, formulas: Mapping[str, Any]) -> None:
        for name in formulas:
            if name not in self.space.fields:
                hint = suggest(name, self.space.fields) or f"there are {', '.join(self.space.fields)}."
                raise UserError(f"`{key}`: there is no field `{name}`; {hint}")
