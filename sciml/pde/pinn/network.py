"""The network of an experiment: one MLP or several, one after another in time, within exact conditions.

Shapes: n points, d coordinates, f fields.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.core.architectures import architecture_of
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.places import OfPlace, columns, of_place, parse_derivative, parts_of_formulas
from sciml.pde.pinn.regions import Region
from sciml.pde.pinn.space import DomainConfig
from sciml.pinn.constraints import HardConstraint
from sciml.pinn.derivatives import derivative
from sciml.pinn.embeddings import Box
from sciml.pinn.networks import NETWORKS
from sciml.pinn.sampling import latin_points

# places at the first time, where a distance is zero, but for rounding, or is not
_PROBES, _ZERO = 16, 1e-12


class PinnNetwork(nn.Module):
    """Windows of time, each with a network that starts from where the one before ends, and the unknown constants.

    Attributes:
        windows: of time; the first has the experiment's exact conditions. Those of the others are its own shifted in
            time, on top of the end of the window before, so what holds at boundaries must not change in time. A
            distance that is not zero at the first time is multiplied by the time since the window's start.
        ends: times between the windows.
        unknowns: as they are trained, the logarithm of those that are positive.
    """

    def __init__(self, config: PinnExperiment) -> None:
        super().__init__()
        space = config.space
        self.time_axis = len(space.axes) - 1
        first, last = space.low[-1], space.high[-1]
        count = config.windows
        self.ends = [first + (last - first) * window / count for window in range(1, count)]
        self.low, self.high = space.low, space.high
        value, distance = exact_conditions(config)
        windows: list[HardConstraint] = []
        for window in range(count):
            if window:
                value = _held(windows[-1], self.time_axis, self.ends[window - 1])
            start = first if not window else self.ends[window - 1]
            moved = distance if not window else self._later(distance, start - first)
            network = _network(config.model, self._box(config, window), len(space.fields))
            windows.append(HardConstraint(network, value, moved))
        self.windows = nn.ModuleList(windows)
        self.region = Region(space)
        self.derived = [_derived(text, space, f"space.derived.{name}") for name, text in space.derived.items()]
        self.positive = {name: unknown.positive for name, unknown in config.equation.unknowns.items()}
        self.unknowns = nn.ParameterDict()
        for name, unknown in config.equation.unknowns.items():
            start = torch.tensor(unknown.start, dtype=torch.float64)
            self.unknowns[name] = nn.Parameter(start.log() if unknown.positive else start)

    def window_box(self, window: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The least and largest coordinates of a window."""
        times = [self.low[-1], *self.ends, self.high[-1]]
        if len(self.windows) == 1:
            return self.low, self.high
        return (*self.low[:-1], times[window]), (*self.high[:-1], times[window + 1])

    def values_of_unknowns(self) -> dict[str, float]:
        """The unknown constants, in their own units."""
        found = {name: parameter.detach() for name, parameter in self.unknowns.items()}
        return {name: float(raw.exp() if self.positive[name] else raw) for name, raw in found.items()}

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
        if len(self.windows) == 1:
            return self.windows[0](x)
        number = torch.bucketize(x[:, self.time_axis].detach().contiguous(), torch.tensor(self.ends, dtype=x.dtype))
        parts, order = [], []
        for window, network in enumerate(self.windows):
            mine = (number == window).nonzero()[:, 0]
            if len(mine):
                parts.append(network(x[mine]))
                order.append(mine)
        return torch.cat(parts)[torch.argsort(torch.cat(order))]

    def outputs(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n o"]:
        """The fields and what derives from them, without a graph."""
        if not self.derived:
            return self(x).detach()
        with torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            u = self(x)
            derived = [sign * derivative(u[:, field], x, *axes) for sign, field, axes in self.derived]
        return torch.cat([u, torch.stack(derived, dim=1)], dim=1).detach()

    def _later(self, distance: OfPlace, by: float) -> OfPlace:
        """The distance of a window that starts later, where it is zero."""
        axis, first = self.time_axis, self.low[-1]
        probes = latin_points(Box(self.low, self.high), _PROBES, torch.Generator().manual_seed(0))
        probes[:, axis] = first
        starts_at_zero = (distance(probes).abs() < _ZERO).all(dim=0)

        def moved(x: Tensor) -> Tensor:
            since = x[:, axis:] - by
            shifted = distance(torch.cat([x[:, :axis], since], dim=1))
            return torch.where(starts_at_zero, shifted, shifted * (since - first))

        return moved

    def _box(self, config: PinnExperiment, window: int) -> Box:
        space = config.space
        times = [self.low[-1], *self.ends, self.high[-1]]
        low, high = self.low, self.high
        if config.windows > 1:
            low, high = (*low[:-1], times[window]), (*high[:-1], times[window + 1])
        return space.box(low, high)


def exact_conditions(config: PinnExperiment) -> tuple[OfPlace, OfPlace]:
    """The value and the distance of all fields, from points [n, d] to [n, f].

    Raises:
        UserError: a formula that is none.
    """
    exact, names, let = config.exact, list(config.space.axes), parts_of_formulas(config)
    value = [of_place(exact.value.get(name, 0.0), names, let, f"exact.value.{name}") for name in config.space.fields]
    distance = [
        of_place(exact.distance.get(name, 1.0), names, let, f"exact.distance.{name}") for name in config.space.fields
    ]
    return columns(value), columns(distance)


def _derived(text: str, space: DomainConfig, key: str) -> tuple[float, int, tuple[int, ...]]:
    """Sign, place of the field and axes of a derivative, e.g. of `-psi_x`."""
    return (-1.0 if text.startswith("-") else 1.0, *parse_derivative(text.removeprefix("-"), space, key))


def _network(model: Any, box: Box, fields: int) -> nn.Module:
    return NETWORKS[architecture_of(model, NETWORKS)][1](model, box, fields)


def _held(network: nn.Module, axis: int, time: float) -> OfPlace:
    """The fields at one time, at all times; the network's weights get no gradient."""

    def value(x: Tensor) -> Tensor:
        moved = torch.cat([x[:, :axis], torch.full_like(x[:, axis:], time)], dim=1)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        try:
            return network(moved)
        finally:
            for parameter in network.parameters():
                parameter.requires_grad_(True)

    return value
