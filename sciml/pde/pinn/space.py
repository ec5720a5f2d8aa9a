"""The `space:` part of an experiment: coordinates, fields, and where the equation holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sciml.core.catalogue import suggest
from sciml.core.errors import UserError
from sciml.pinn.embeddings import Box
from sciml.pinn.shapes import ShapeConfig


@dataclass(frozen=True)
class DomainConfig:
    """The `space:` part: where the equation holds, and what is sought there.

    Attributes:
        coordinates: name to its range, e.g. `{x: [-1, 1], t: [0, 1]}`; time is the last one, where there is time.
        parameters: name to its range, e.g. `{viscosity: [0.003, 0.1]}`: what the network takes as further coordinates,
            so that it has the solutions for all of their values. The equation gets them as its constants of that name,
            and formulas may have them.
        log: parameters that are scaled and drawn by their logarithm.
        fields: names of what is sought, in the order in which the equation takes them.
        derived: name to a derivative of a field, e.g. `{u: psi_y, v: -psi_x}`: what is compared, written and shown too.
        time: name of the coordinate that is time, null for none.
        periodic: coordinates along which all is periodic.
        even: coordinates along which all fields mirror at the middle of a periodic range.
        shape: of space, inside of the coordinates' ranges, where the equation holds; null for all of the box.
        units: of coordinates, fields and constants; "1" where not given.
    """

    coordinates: dict[str, list[float]]
    fields: list[str]
    derived: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, list[float]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    time: str | None = None
    periodic: list[str] = field(default_factory=list)
    even: list[str] = field(default_factory=list)
    shape: ShapeConfig | None = None
    units: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("coordinates", "parameters"):
            for name, ends in getattr(self, key).items():
                if len(ends) != 2 or not ends[0] < ends[1]:
                    raise UserError(f"`space.{key}.{name}` needs two numbers, the smaller one first, but is {ends}.")
        if not self.coordinates or not self.fields:
            raise UserError("`space` needs a coordinate and a field at least.")
        if len({*self.axes, *self.outputs}) < len(self.coordinates) + len(self.parameters) + len(self.outputs):
            raise UserError("`space` has a name twice; coordinates, parameters and fields need names of their own.")
        for name in self.log:
            if name not in self.parameters:
                hint = suggest(name, self.parameters) or f"there are {', '.join(self.parameters) or 'none'}."
                raise UserError(f"`space.log`: there is no parameter `{name}`; {hint}")
            if self.parameters[name][0] <= 0:
                raise UserError(f"`space.log`: `{name}` needs a positive range, but it is {self.parameters[name]}.")
        for name in (*self.periodic, *self.even, *([self.time] if self.time is not None else [])):
            if name not in self.coordinates:
                hint = suggest(name, self.coordinates) or f"there are {', '.join(self.coordinates)}."
                raise UserError(f"`space`: there is no coordinate `{name}`; {hint}")
        if self.time is not None and self.time != list(self.coordinates)[-1]:
            raise UserError(f"`space.coordinates`: the time `{self.time}` needs to come last, as equations take it.")
        if self.time in self.periodic:
            raise UserError(f"`space.periodic`: the time `{self.time}` cannot be periodic.")
        if not set(self.even) <= set(self.periodic):
            raise UserError("`space.even` needs coordinates that are in `space.periodic` too.")

    @property
    def outputs(self) -> list[str]:
        """Fields, then what derives from them."""
        return [*self.fields, *self.derived]

    @property
    def axes(self) -> dict[str, list[float]]:
        """What the network takes, and its range: parameters, then coordinates, so that time is the last one."""
        return {**self.parameters, **self.coordinates}

    @property
    def low(self) -> tuple[float, ...]:
        """Of all axes."""
        return tuple(float(ends[0]) for ends in self.axes.values())

    @property
    def high(self) -> tuple[float, ...]:
        """Of all axes."""
        return tuple(float(ends[1]) for ends in self.axes.values())

    def box(self, low: Sequence[float] | None = None, high: Sequence[float] | None = None) -> Box:
        """All axes, or the part of them from low to high."""
        return Box(
            tuple(self.low if low is None else low),
            tuple(self.high if high is None else high),
            *(tuple(name in chosen for name in self.axes) for chosen in (self.periodic, self.even, self.log)),
        )

    def unit(self, name: str) -> str:
        """Of a coordinate, field or constant."""
        return self.units.get(name, "1")
