"""An MLP's jets at many points, the gradient of its parameters, and their Jacobian point by point.

The layers are linear and the same for every multi-index, so a jet goes through them as more rows of one product.
The Jacobian of one number a point (Gauss-Newton methods need it) comes of the same cotangents as the gradient: at each
layer it is the outer product of the layer's cotangent and input, summed over the jet. In float64 on a CPU all of it is
compiled (`sciml.pinn.kernels`); elsewhere torch's operations do the same.

Shapes: n points, s multi-indices, w features, f fields, p parameters (weight and bias of one layer after another, each
flattened).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.pinn.jets import Indices, compose
from sciml.pinn.kernels import JetKernel, library_for


@runtime_checkable
class Pulled(Protocol):
    """What `mlp_jets` keeps for the way back."""

    def gradient(self, cotangent: Float[Tensor, "n s f"]) -> Float[Tensor, " p"]:
        """Of sum(cotangent * jet) by the parameters."""
        ...

    def jacobian(
        self,
        cotangent: Float[Tensor, "n s f"],
        scale: Float[Tensor, " n"] | None = None,
        out: Float[Tensor, "n p"] | None = None,
    ) -> Float[Tensor, "n p"]:
        """Of each point's scale * sum(cotangent * jet) by the parameters, into `out` if it is given."""
        ...


def tanh_slopes(z: Float[Tensor, "n w"], order: int) -> list[Tensor]:
    """tanh and its derivatives to an order of at most five."""
    y = torch.tanh(z)
    q = 1 - y * y
    found = [y, q, -2 * y * q, (6 * y * y - 2) * q, (16 - 24 * y * y) * y * q, (16 - 120 * y * y + 120 * y**4) * q]
    return found[: order + 1]


def sin_slopes(z: Float[Tensor, "n w"], order: int) -> list[Tensor]:
    """The sine and its derivatives."""
    s, c = torch.sin(z), torch.cos(z)
    return [s, c, -s, -c, s, c][: order + 1]


SLOPES = {"tanh": tanh_slopes, "sin": sin_slopes}


class _Layers:
    """The way back by automatic differentiation down to each layer's cotangent."""

    def __init__(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        self.inputs, self.outputs = inputs, outputs

    def _cotangents(self, cotangent: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(self.outputs[-1], self.outputs, cotangent, retain_graph=True)

    def gradient(self, cotangent: Tensor) -> Tensor:
        parts = []
        for seen, back in zip(self.inputs, self._cotangents(cotangent), strict=True):
            parts += [(back.flatten(0, 1).T @ seen.flatten(0, 1)).flatten(), back[:, 0].sum(0)]
        return torch.cat(parts)

    def jacobian(self, cotangent: Tensor, scale: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        parts = []
        cotangent = cotangent if scale is None else scale[:, None, None] * cotangent
        for seen, back in zip(self.inputs, self._cotangents(cotangent), strict=True):
            parts += [torch.bmm(back.transpose(1, 2), seen).flatten(1), back[:, 0]]
        found = torch.cat(parts, dim=1)
        return found if out is None else out.copy_(found)


def mlp_jets(
    indices: Indices,
    features: Float[Tensor, "n s w"],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    activation: str,
    *,
    way_back: bool,
) -> tuple[Float[Tensor, "n s f"], Pulled | None]:
    """The fields' jets of those of the features that the first layer takes.

    Args:
        indices: of the jets.
        features: what the first layer takes.
        weights: [out, in] of each layer; the last has no activation.
        biases: [out] of each layer.
        activation: one of SLOPES.
        way_back: whether gradients are to come; None comes else.
    """
    if (library := library_for(features, weights, indices, activation)) is not None:
        kernel = JetKernel(library, indices, features, weights, biases, activation)
        return kernel.forward(), kernel if way_back else None
    inputs, outputs = [], []
    h = features.detach()
    with torch.set_grad_enabled(way_back):
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            if layer:
                h = compose(indices, SLOPES[activation](h[:, 0], indices.order), h)
            inputs.append(h.detach())
            h = h @ weight.detach().T
            h = torch.cat([h[:, :1] + bias.detach(), h[:, 1:]], dim=1)
            if way_back and not layer:
                h = h.detach().requires_grad_()
            outputs.append(h)
    return h.detach(), _Layers(inputs, outputs) if way_back else None
