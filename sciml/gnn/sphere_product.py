"""Product of two functions on the sphere, given and returned by their coefficients in spherical harmonics.

The coefficients of a product are sums of Gaunt's coefficients, the integrals of three harmonics over the sphere, of
which few are not zero; products of even parity, as densities need them, are exactly these.

Shapes: n atoms, k = (l_max + 1)^2 harmonics, c channels, g grid points.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function

from sciml.gnn.kernels import kernel
from sciml.nn.sphere import sphere_grid


class SphereProduct(nn.Module):
    """Coefficients of the product of two functions of the same channel, up to the degree that they have themselves."""

    def __init__(self, l_max: int) -> None:
        super().__init__()
        # exact for the product of two functions with the harmonic that it is projected on
        grid, weights = sphere_grid(l_max, 3 * l_max)
        gaunt = torch.einsum("g,ga,gb,gc->abc", weights, grid, grid, grid)
        # zero by symmetry, up to the 12 digits of the quadrature's tables; the others are above 0.1
        terms = (gaunt.abs() > 1e-6).nonzero()
        terms = terms[terms[:, 2].sort(stable=True).indices]
        # plain tensors in float64, not buffers: a module moved to float32 and back keeps them exact
        self.gaunt = torch.zeros_like(gaunt)
        self.gaunt[tuple(terms.T)] = gaunt[tuple(terms.T)]
        self.terms = terms.contiguous()

    def forward(self, a: Float[Tensor, "n k c"], b: Float[Tensor, "n k c"]) -> Float[Tensor, "n k c"]:
        return _Product.apply(self, a, b)  # pyright: ignore[reportReturnType]


class _Product(Function):
    """Symmetric in its factors and in the result, so that each derivative is again a product."""

    @staticmethod
    def forward(ctx: Any, product: SphereProduct, a: Tensor, b: Tensor) -> Tensor:
        ctx.product = product
        ctx.save_for_backward(a, b)
        n, k, c = a.shape
        if (run := kernel("sparse_product", a)) is None:
            return torch.einsum("xyz,nxc,nyc->nzc", product.gaunt.to(a), a, b)
        terms = product.terms
        coefficients = product.gaunt[tuple(terms.T)].to(a)
        return run((n, k, c, len(terms)), [terms, coefficients, a.contiguous(), b.contiguous()], a.new_empty(n, k, c))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        a, b = ctx.saved_tensors
        (g,) = gradients
        of_a = _Product.apply(ctx.product, g, b) if ctx.needs_input_grad[1] else None
        return None, of_a, _Product.apply(ctx.product, a, g) if ctx.needs_input_grad[2] else None
