"""Jets: a field's derivatives at points, carried forward through a network all at once (Taylor-mode differentiation).

A jet has one value for each multi-index, the numbers of derivatives along each coordinate: (0, 0) is the field, (2, 0)
its second derivative along the first coordinate. Composition follows Faa di Bruno's formula and products Leibniz's
rule (Constantine & Savits 1996, Trans. Am. Math. Soc. 348, 503). Only derivatives that an equation uses are carried,
with those that they are made of.

Shapes: n points, d coordinates, s multi-indices, w features, f fields.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

MultiIndex: TypeAlias = tuple[int, ...]
# highest total order of a derivative; the equations of the library go to four
MAX_ORDER = 4
# of the random jets by which it is found what an equation uses; None for positive ones
_TRIED_SIZES = (None, 1.0, 5.0, 100.0)


@dataclass(frozen=True)
class Term:
    """One term of Faa di Bruno's formula: factor * activation^(order) * product of jets at `parts`."""

    factor: float
    order: int
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Indices:
    """The multi-indices of a jet, by total order, each with all that are below it.

    Attributes:
        all: the multi-indices; the first is the field itself.
    """

    all: tuple[MultiIndex, ...]

    @classmethod
    def with_lower(cls, wanted: Sequence[MultiIndex], n_dims: int) -> Indices:
        """Those wanted and those that they are made of.

        >>> Indices.with_lower([(2, 0), (0, 1)], 2).all
        ((0, 0), (0, 1), (1, 0), (2, 0))
        """
        found = {(0,) * n_dims}
        for index in wanted:
            found |= set(itertools.product(*(range(order + 1) for order in index)))
        return cls(tuple(sorted(found, key=lambda index: (sum(index), index))))

    def __len__(self) -> int:
        return len(self.all)

    @property
    def order(self) -> int:
        """The highest total order."""
        return max(sum(index) for index in self.all)

    @cached_property
    def position(self) -> dict[MultiIndex, int]:
        """Where in a jet a multi-index stands."""
        return {index: place for place, index in enumerate(self.all)}

    @cached_property
    def composition(self) -> tuple[tuple[Term, ...], ...]:
        """Faa di Bruno's terms of each multi-index; those of the first, the value itself, are none.

        >>> Indices.with_lower([(2,)], 1).composition[2]
        (Term(factor=1.0, order=1, parts=(2,)), Term(factor=1.0, order=2, parts=(1, 1)))
        """
        return tuple(self._terms(index) for index in self.all)

    def _terms(self, index: MultiIndex) -> tuple[Term, ...]:
        # each partition of the single derivatives into blocks is one term; equal ones are counted
        single = [axis for axis, order in enumerate(index) for _ in range(order)]
        counted: Counter[tuple[int, ...]] = Counter()
        for blocks in _partitions(list(range(len(single)))):
            parts = []
            for block in blocks:
                axes = Counter(single[item] for item in block)
                parts.append(self.position[tuple(axes[axis] for axis in range(len(index)))])
            if parts:
                counted[tuple(sorted(parts))] += 1
        terms = [Term(float(count), len(parts), parts) for parts, count in counted.items()]
        return tuple(sorted(terms, key=lambda term: (term.order, term.parts)))

    @cached_property
    def products(self) -> tuple[tuple[tuple[float, int, int], ...], ...]:
        """Leibniz's rule: for each multi-index the (factor, place in one jet, place in the other).

        >>> Indices.with_lower([(2,)], 1).products[2]
        ((1.0, 0, 2), (2.0, 1, 1), (1.0, 2, 0))
        """
        rules = []
        for index in self.all:
            rule = []
            for part in itertools.product(*(range(order + 1) for order in index)):
                rest = tuple(a - b for a, b in zip(index, part, strict=True))
                factor = math.prod(math.comb(a, b) for a, b in zip(index, part, strict=True))
                rule.append((float(factor), self.position[part], self.position[rest]))
            rules.append(tuple(rule))
        return tuple(rules)


def points_innermost(jet: Float[Tensor, "n s f"]) -> Float[Tensor, "n s f"]:
    """The same numbers with a memory of [s, f, n], where what is done point by point runs along the memory."""
    return jet.permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _stacked(rows: Sequence[Float[Tensor, "n f"]]) -> Float[Tensor, "n s f"]:
    """The jet of these rows, points innermost."""
    return torch.stack([row.T for row in rows]).permute(2, 0, 1)


def multiply(indices: Indices, a: Float[Tensor, "n s f"], b: Float[Tensor, "n s f"]) -> Float[Tensor, "n s f"]:
    """The jet of a product."""
    rows = []
    for (first, i, j), *others in indices.products:
        total = first * a[:, i] * b[:, j]
        for factor, i, j in others:
            total = total + factor * a[:, i] * b[:, j]
        rows.append(total)
    return _stacked(rows)


def multiply_transposed(
    indices: Indices, a: Float[Tensor, "n s f"], cotangent: Float[Tensor, "n s f"]
) -> Float[Tensor, "n s f"]:
    """The cotangent of b of that of `multiply(a, b)`."""
    found = torch.zeros_like(cotangent)
    for place, rule in enumerate(indices.products):
        for factor, i, j in rule:
            found[:, j] += factor * a[:, i] * cotangent[:, place]
    return found


def compose(
    indices: Indices, slopes: Sequence[Float[Tensor, "n w"]], z: Float[Tensor, "n s w"]
) -> Float[Tensor, "n s w"]:
    """The jet of an activation of z.

    Args:
        indices: of both jets.
        slopes: the activation and its derivatives up to the jet's order, at z's values.
        z: jet of the argument.
    """
    rows = [slopes[0]]
    for terms in indices.composition[1:]:
        total = None
        for term in terms:
            product = slopes[term.order] if term.factor == 1 else term.factor * slopes[term.order]
            for part in term.parts:
                product = product * z[:, part]
            total = product if total is None else total + product
        assert total is not None, "each derivative has a partition"
        rows.append(total)
    return torch.stack(rows, dim=1)


def jet_of(indices: Indices, function: Callable[[Tensor], Tensor], x: Float[Tensor, "n d"]) -> Float[Tensor, "n s f"]:
    """The jet of a plain function of the coordinates, such as what a condition prescribes; no graph is kept.

    >>> x = torch.tensor([[3.0]], dtype=torch.float64)
    >>> jet_of(Indices.with_lower([(2,)], 1), lambda x: x**3, x).flatten().tolist()
    [27.0, 27.0, 18.0]
    """
    d = x.shape[1]
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        value = function(x)
        rows: dict[MultiIndex, Tensor] = {}
        for index in indices.all:
            if not any(index):
                rows[index] = value
                continue
            axis = next(axis for axis in range(d) if index[axis])
            below = tuple(order - (place == axis) for place, order in enumerate(index))
            rows[index] = _along(rows[below], x, axis)
    return _stacked([rows[index].detach() for index in indices.all])


def taylor_field(indices: Indices, jet: Float[Tensor, "n s f"], x: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
    """Fields that automatic differentiation by x finds to have the derivatives of a jet.

    So an equation that is written with `sciml.pinn.derivatives` takes them from the jet. What the jet lacks is zero.

    Args:
        indices: of the jet.
        jet: derivatives at the points.
        x: the points, requiring gradients.
    """
    step = x - x.detach()  # zero, with a slope
    powers: dict[MultiIndex, Tensor] = {}
    fields = jet[:, 0]
    for place, index in enumerate(indices.all[1:], start=1):
        axis = next(axis for axis, order in enumerate(index) if order)
        below = tuple(order - (place == axis) for place, order in enumerate(index))
        powers[index] = step[:, axis] * powers[below] if any(below) else step[:, axis]
        scale = 1 / math.prod(math.factorial(order) for order in index)
        fields = fields + (scale * powers[index])[:, None] * jet[:, place]
    return fields


def find_indices(equation: Callable[[Tensor, Tensor], Tensor], x: Float[Tensor, "n d"], fields: int) -> Indices:
    """The derivatives that an equation uses, found by trying it on random jets.

    Args:
        equation: of coordinates [n, d] and fields [n, f].
        x: some points where it is defined; a few are enough.
        fields: how many fields it takes.
    """
    d = x.shape[1]
    every = Indices.with_lower([i for i in itertools.product(range(MAX_ORDER + 1), repeat=d) if sum(i) <= MAX_ORDER], d)
    generator = torch.Generator().manual_seed(0)
    shape = len(x), len(every), fields
    used = torch.zeros(len(every), dtype=torch.bool, device=x.device)
    for size in _TRIED_SIZES:  # positive numbers first, of which a root or a logarithm can be taken
        drawn = torch.randn(shape, generator=generator, dtype=x.dtype).to(x.device)
        jet = drawn.abs() + 0.5 if size is None else size * drawn
        with torch.enable_grad():
            jet.requires_grad_()
            place = x.detach().clone().requires_grad_()
            residual = equation(place, taylor_field(every, jet, place))
            (slope,) = torch.autograd.grad(residual.square().sum(), jet, materialize_grads=True)
        used |= slope.nan_to_num(0.0).abs().amax(dim=(0, 2)) > 0
    return Indices.with_lower([index for index, is_used in zip(every.all, used.tolist(), strict=True) if is_used], d)


def _along(values: Tensor, x: Tensor, axis: int) -> Tensor:
    """The derivative of each column by a coordinate, with a graph."""
    columns = []
    for column in values.unbind(1):
        if not column.requires_grad:
            columns.append(torch.zeros_like(column))
            continue
        (found,) = torch.autograd.grad(column, x, torch.ones_like(column), create_graph=True, materialize_grads=True)
        columns.append(found[:, axis])
    return torch.stack(columns, dim=1)


def _partitions(items: list[int]) -> list[list[list[int]]]:
    """All ways to put items into blocks.

    >>> len(_partitions([0, 1, 2, 3]))
    15
    """
    if not items:
        return [[]]
    first, rest = items[0], items[1:]
    found = []
    for blocks in _partitions(rest):
        found.append([[first], *blocks])
        for place in range(len(blocks)):
            found.append([*blocks[:place], [first, *blocks[place]], *blocks[place + 1 :]])
    return found
