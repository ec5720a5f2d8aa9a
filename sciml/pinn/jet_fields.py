"""Fields with a jet beside them, so that the derivatives of an equation are looked up instead of computed.

`sciml.pinn.derivatives.gradient` finds a field's derivatives, and theirs, in the jet; of what an equation computes from
them it takes the chain rule: the derivative by each number of the jet times the jet's next number.

Shapes: n points, d coordinates, s multi-indices, f fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.pinn.jets import Indices, MultiIndex, taylor_field

# indices, jet [n, s, f] and points [n, d] to points and fields that an equation takes
Route: TypeAlias = Callable[[Indices, Tensor, Tensor], tuple[Tensor, Tensor]]
# of residuals by either route; their derivatives are sums in another order
_SAME = 1e-9


class _Plain(Tensor):
    """A tensor with more beside it; what is computed of it has nothing beside it."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # pyright: ignore[reportAssignmentType]


class Source(Protocol):
    """What has derivatives by points."""

    def gradient(self, u: Tensor, /) -> Tensor:
        """All first derivatives [n, d]."""
        ...


class Points(_Plain):
    """The coordinates of a jet.

    Attributes:
        jet: what has derivatives by them.
    """

    jet: Source


class Known(_Plain):
    """Columns of a jet: [n], or [n, columns].

    Attributes:
        jet: where they are from.
        places: multi-index and field of each.
    """

    jet: _Jet
    places: tuple[tuple[MultiIndex, int], ...]

    def __getitem__(self, key: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.ndim == 2 and isinstance(key, tuple) and len(key) == 2 and key[0] == slice(None):
            if isinstance(key[1], int):
                return self.jet.known(self.places[key[1]])
            if isinstance(key[1], slice):
                return self.jet.stacked(self.places[key[1]])
            if isinstance(key[1], list) and all(type(column) is int for column in key[1]):
                return self.jet.stacked(tuple(self.places[column] for column in key[1]))
        return super().__getitem__(key)


class _Jet:
    def __init__(self, indices: Indices, jet: Tensor, x: Tensor) -> None:
        # the chain rule goes through a graph to the jet, whether or not anything else does
        jet = jet if jet.requires_grad else jet.detach().requires_grad_()
        columns = iter(jet.permute(1, 2, 0).flatten(0, 1).unbind(0))
        self.x = x
        self.columns = {(index, field): next(columns) for index in indices.all for field in range(jet.shape[2])}

    def column(self, place: tuple[MultiIndex, int]) -> Tensor:
        found = self.columns.get(place)
        return self.x.new_zeros(len(self.x)) if found is None else found

    def known(self, place: tuple[MultiIndex, int]) -> Known:
        return self._marked(self.column(place), (place,))

    def stacked(self, places: tuple[tuple[MultiIndex, int], ...]) -> Known:
        columns = [self.column(place) for place in places]
        return self._marked(torch.stack(columns, dim=1) if columns else self.x[:, :0], places)

    def _marked(self, values: Tensor, places: tuple[tuple[MultiIndex, int], ...]) -> Known:
        known = values.as_subclass(Known)
        known.jet, known.places = self, places
        return known

    def gradient(self, u: Tensor) -> Tensor:
        """All first derivatives [n, d] of what is from this jet or was computed of it and of the points."""
        axes = range(self.x.shape[1])
        if isinstance(u, Known) and u.jet is self and u.ndim == 1:
            return self.stacked(tuple(_next(u.places[0], axis) for axis in axes))
        if not u.requires_grad:
            return torch.zeros_like(self.x)
        inputs = [self.x, *self.columns.values()]
        of_x, *of_columns = torch.autograd.grad(u, inputs, torch.ones_like(u), create_graph=True, allow_unused=True)
        parts = []
        for axis in axes:
            part = torch.zeros_like(u) if of_x is None else of_x[:, axis]
            for place, slope in zip(self.columns, of_columns, strict=True):
                if slope is not None and (column := self.columns.get(_next(place, axis))) is not None:
                    part = part + slope * column
            parts.append(part)
        return torch.stack(parts, dim=1)


def _next(place: tuple[MultiIndex, int], axis: int) -> tuple[MultiIndex, int]:
    index, field = place
    return tuple(order + (at == axis) for at, order in enumerate(index)), field


def looked_up(indices: Indices, jet: Float[Tensor, "n s f"], x: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
    """Points and fields for an equation that takes derivatives by `sciml.pinn.derivatives` alone.

    What the jet lacks is zero.

    >>> from sciml.pinn.derivatives import gradient
    >>> jet = torch.tensor([[[3.0], [5.0], [7.0]]])  # u, u_x and u_xx at one point
    >>> x, u = looked_up(Indices.with_lower([(2,)], 1), jet.requires_grad_(), torch.zeros(1, 1).requires_grad_())
    >>> gradient(u[:, 0], x)[:, 0].tolist(), gradient(u[:, 0] ** 2, x)[:, 0].tolist()
    ([5.0], [30.0])
    """
    source = _Jet(indices, jet, x)
    points = x.as_subclass(Points)
    points.jet = source
    return points, source.stacked(tuple(((0,) * x.shape[1], field) for field in range(jet.shape[2])))


def differentiated(indices: Indices, jet: Float[Tensor, "n s f"], x: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
    """Points and fields for any equation, however it differentiates."""
    return x, taylor_field(indices, jet, x)


def field_route(
    equation: Callable[[Tensor, Tensor], Tensor], indices: Indices, x: Float[Tensor, "n d"], fields: int
) -> Route:
    """`looked_up` where an equation gives the same by it, which is quicker, and `differentiated` elsewhere.

    Args:
        equation: of coordinates [n, d] and fields [n, f].
        indices: that it uses.
        x: some points where it is defined; a few are enough.
        fields: how many it takes.
    """
    generator = torch.Generator().manual_seed(0)
    numbers = 0.5 + torch.rand(len(x), len(indices), fields, generator=generator, dtype=x.dtype).to(x.device)
    found = []
    for route in (differentiated, looked_up):
        with torch.enable_grad():
            jet = numbers.clone().requires_grad_()
            try:
                residual = equation(*route(indices, jet, x.detach().clone().requires_grad_()))
                (slope,) = torch.autograd.grad(residual.square().sum(), jet, materialize_grads=True)
            except RuntimeError:  # what an equation's own differentiation by the points comes to
                if route is looked_up:
                    return differentiated
                raise
            found.append((residual.detach(), slope))
    same = all(
        first.shape == second.shape and torch.allclose(first, second, rtol=_SAME, atol=_bound(first), equal_nan=True)
        for first, second in zip(*found, strict=True)
    )
    return looked_up if same else differentiated


def _bound(values: Tensor) -> float:
    return _SAME * float(values.nan_to_num(0.0, 0.0, 0.0).abs().max())
