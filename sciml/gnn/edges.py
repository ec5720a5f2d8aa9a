"""The neighbourhood as networks see it: pairs of atoms, and the bookkeeping that makes sums over neighbours fast.

What depends on a distance is the same for both atoms of a pair, so it is computed once a pair; the two directed edges
of the pair share it.

Shapes: n atoms, p pairs, e = 2 p directed edges sorted by centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

# No bond is shorter than 0.7 angstrom (H2); at 40 angstrom an atom of silicon has 13 thousand neighbours.
SENSIBLE_CUTOFF_ANGSTROM = (0.7, 40.0)

# far more than any potential has had: what is above is a slip of the pen that would fill the memory
LARGEST_SIZE = 4096
MOST_LAYERS = 64


@dataclass(frozen=True, eq=False)
class Edges:
    """Pairs of neighbours, and each pair's two directed edges, sorted by centre.

    Attributes:
        first: atom that the pair's vector starts from.
        second: atom that it points to.
        vectors: from first to second, in angstrom.
        centre: atom that a directed edge starts from.
        neighbour: atom that it points to.
        pair: pair that it belongs to.
        sign: +1 if it runs with the pair's vector, -1 if against it.
        row_start: [n + 1] first edge of each atom, and the number of edges.
        opposite: edge that runs the other way.
    """

    first: Int[Tensor, " p"]
    second: Int[Tensor, " p"]
    vectors: Float[Tensor, "p 3"]
    centre: Int[Tensor, " e"]
    neighbour: Int[Tensor, " e"]
    pair: Int[Tensor, " e"]
    sign: Float[Tensor, " e"]
    row_start: Int[Tensor, " r"]
    opposite: Int[Tensor, " e"]

    @property
    def n_atoms(self) -> int:
        return len(self.row_start) - 1


def opposite_edges(
    centre: Int[Tensor, " e"], neighbour: Int[Tensor, " e"], shift: Float[Tensor, "e 3"]
) -> Int[Tensor, " e"]:
    """Position of each edge's opposite, found by sorting both directions by the same key.

    Raises:
        ValueError: an edge whose opposite is missing, as in a half neighbour list.
    """
    if not len(centre):
        return torch.zeros_like(centre)
    whole = shift.round().long()
    reach = int(whole.abs().max())
    width = 2 * reach + 1
    n = int(torch.maximum(centre.max(), neighbour.max())) + 1
    place = torch.tensor([width * width, width, 1], device=whole.device)
    offset = (whole * place).sum(1)
    middle = int(place.sum()) * reach
    forward_key, forward_order = ((centre * n + neighbour) * width**3 + middle + offset).sort()
    backward_key, backward_order = ((neighbour * n + centre) * width**3 + middle - offset).sort()
    if not torch.equal(forward_key, backward_key):
        raise ValueError("A potential needs each edge in both directions, but some have no opposite. Use a full list.")
    opposite = torch.empty_like(centre)
    opposite[forward_order] = backward_order
    return opposite


def pair_edges(
    edge_index: Int[Tensor, "2 e"], shift: Float[Tensor, "e 3"], vectors: Float[Tensor, "e 3"], n_atoms: int
) -> Edges:
    """Edges from a full neighbour list that is sorted by centre; `vectors` belong to its directed edges."""
    centre, neighbour = edge_index
    opposite = opposite_edges(centre, neighbour, shift)
    position = torch.arange(len(centre), device=centre.device)
    forward = position < opposite
    stored = forward.nonzero().squeeze(1)
    number = forward.cumsum(0) - 1
    count = torch.bincount(centre, minlength=n_atoms)
    return Edges(
        first=centre[stored],
        second=neighbour[stored],
        vectors=vectors[stored],
        centre=centre,
        neighbour=neighbour,
        pair=torch.where(forward, number, number[opposite]),
        sign=forward.to(vectors.dtype) * 2.0 - 1.0,
        row_start=torch.cat([count.new_zeros(1), count.cumsum(0)]),
        opposite=opposite,
    )
