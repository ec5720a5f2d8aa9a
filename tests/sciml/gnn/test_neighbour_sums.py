"""The C++ sums against plain torch, and both against their own numerical derivatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from sciml.core import native
from sciml.core.atoms import edge_vectors
from sciml.gnn import kernels
from sciml.gnn.edges import Edges, opposite_edges, pair_edges
from sciml.gnn.neighbour_sums import bond_sum, expanded_sum, filtered_sum
from sciml.gnn.sphere_product import SphereProduct
from sciml.materials.graphs import build_graph
from sciml.materials.structures import from_atoms
from sciml.nn.sphere import SphericalHarmonics


@pytest.fixture
def edges() -> Edges:
    """A triclinic cell smaller than the cutoff, so that an atom is its own neighbour, and one atom beside it."""
    positions = np.random.default_rng(0).uniform(0, 3, size=(5, 3))
    atoms = Atoms("H5", positions, cell=[[3.0, 0.4, 0], [0.1, 2.9, 0.2], [0, 0.3, 3.2]], pbc=True)
    graph = build_graph(from_atoms(atoms), 3.1)
    assert (graph.edge_index[0] == graph.edge_index[1]).any()
    return pair_edges(graph.edge_index, graph.edge_shift, edge_vectors(graph), n_atoms=6)


def values(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


def cases(edges: Edges, dtype: torch.dtype, c: int = 3) -> dict[str, tuple[Callable[..., Tensor], list[Tensor]]]:
    torch.manual_seed(1)
    p, n = len(edges.first), edges.n_atoms
    odd = torch.tensor([0, 1, 1, 0])
    edges = Edges(**{**vars(edges), "sign": edges.sign.to(dtype)})
    return {
        "filtered": (
            lambda weight, x: filtered_sum(edges, weight, x),
            [values(p, c, dtype=dtype), values(n, 2, c, dtype=dtype)],
        ),
        "expanded": (
            lambda harmonic, weight, x: expanded_sum(edges, odd, harmonic, weight, x),
            [values(p, 4, dtype=dtype), values(p, c, dtype=dtype), values(n, c, dtype=dtype)],
        ),
        "bond": (
            lambda harmonic, weight, x: bond_sum(edges, odd, harmonic, weight, x),
            [values(p, 4, dtype=dtype), values(p, c, dtype=dtype), values(n, 4, c, dtype=dtype)],
        ),
        "product": (SphereProduct(2), [values(n, 9, c, dtype=dtype), values(n, 9, c, dtype=dtype)]),
    }


def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "load", lambda source: None)


def test_pairs_and_directed_edges_belong_together(edges: Edges) -> None:
    assert len(edges.centre) == 2 * len(edges.first)
    torch.testing.assert_close(edges.opposite[edges.opposite], torch.arange(len(edges.centre)), rtol=0, atol=0)
    ahead = edges.sign > 0
    assert torch.equal(edges.centre[ahead], edges.first[edges.pair[ahead]])
    assert torch.equal(edges.centre[~ahead], edges.second[edges.pair[~ahead]])
    assert torch.equal(edges.pair[edges.opposite], edges.pair)
    assert int(edges.row_start[-1]) == len(edges.centre)


def test_a_half_list_is_refused() -> None:
    with pytest.raises(ValueError, match="both directions"):
        opposite_edges(torch.tensor([0]), torch.tensor([1]), torch.zeros(1, 3))


FORMS = ["filtered", "expanded", "bond", "product"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("channels", [3, 16], ids=["any number of channels", "an unrolled number of channels"])
def test_compiled_sums_agree_with_torch(
    edges: Edges, form: str, dtype: torch.dtype, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if native.load(kernels.SOURCE) is None:
        pytest.skip("no C++ compiler, or SCIML_KERNELS=0: there are no compiled sums to compare")
    function, inputs = cases(edges, dtype, channels)[form]

    def derivatives() -> list[Tensor]:
        out = function(*inputs)
        first = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
        second = torch.autograd.grad(sum(slope.square().sum() for slope in first), inputs)
        return [out.detach(), *(slope.detach() for slope in first), *second]

    compiled = derivatives()
    without_kernels(monkeypatch)
    plain = derivatives()
    # the second derivatives are sums of some thousand products of order 10
    tolerance = 1e-4 if dtype == torch.float32 else 1e-12
    for ours, reference in zip(compiled, plain, strict=True):
        assert (ours - reference).abs().max() <= tolerance * reference.abs().max()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("compiled", [True, False])
def test_gradients_of_both_orders(edges: Edges, form: str, compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        without_kernels(monkeypatch)
    function, inputs = cases(edges, torch.float64)[form]
    assert gradcheck(function, inputs, fast_mode=True)
    assert gradgradcheck(function, inputs, fast_mode=True)


def test_the_product_is_the_product_of_the_functions() -> None:
    """Against values of two functions whose product has no degree beyond those kept."""
    c00, c1m = torch.tensor([0.7]), torch.tensor([0.2, -0.5, 1.1])
    constant, vector = torch.zeros(1, 9, 1).double(), torch.zeros(1, 9, 1).double()
    constant[0, 0, 0], vector[0, 1:4, 0] = c00.item(), c1m.double()
    direction = torch.nn.functional.normalize(torch.randn(5, 3, dtype=torch.float64), dim=1)
    harmonics = SphericalHarmonics(2)(direction)
    for a, b in ((constant, vector), (vector, vector), (constant, constant)):
        product = SphereProduct(2)(a, b)
        torch.testing.assert_close(harmonics @ product[0], (harmonics @ a[0]) * (harmonics @ b[0]), atol=1e-10, rtol=0)
