"""The residuals of a problem on any network, with derivatives by nested automatic differentiation.

It does for every network what `sciml.pinn.system` does faster for an MLP, apart from the normal equations.

Shapes: n points, r residuals a point, p trained numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from sciml.pinn.residuals import check_residuals
from sciml.pinn.system import CHUNK, Term


class NestedSystem:
    """The terms of a problem on a network; the methods are those of `JetSystem`.

    Args:
        model: coordinates to fields.
        constants: unknown constants, each a single number.
        terms: what is to vanish.
    """

    def __init__(self, model: nn.Module, constants: nn.ParameterDict, terms: Sequence[Term]) -> None:
        self.model, self.constants = model, constants
        self.set_terms(terms)

    def set_terms(self, terms: Sequence[Term]) -> None:
        """Takes other points or weights."""
        self.terms = list(terms)

    def weigh(self, name: str, weights: Float64[Tensor, " n"]) -> None:
        """Gives the points of a term other weights."""
        self.terms = [replace(term, weights=weights) if term.name == name else term for term in self.terms]

    def residuals(self, term: Term) -> Float64[Tensor, "n r"]:
        """Of all points of a term at once, with a graph to the trained numbers."""
        return self._residual(term, slice(None))

    @property
    def parameters(self) -> list[Tensor]:
        """The network's, then the constants."""
        return [*self.model.parameters(), *self.constants.values()]

    def losses(self) -> dict[str, float]:
        """The loss of each term."""
        return {
            term.name: float(sum(self._squares(term, part).detach() for part in _parts(term))) for term in self.terms
        }

    def residual_sizes(self, name: str) -> Float64[Tensor, " n"]:
        """Root of the sum of squares of a term's residuals at each of its points, without weights."""
        term = next(term for term in self.terms if term.name == name)
        return torch.cat([self._residual(term, part).detach().norm(dim=1) for part in _parts(term)])

    def gradient(self) -> tuple[dict[str, float], Float64[Tensor, " p"]]:
        """The losses of the terms, and the gradient of their sum."""
        total = torch.cat([torch.zeros_like(parameter).flatten() for parameter in self.parameters])
        losses = dict.fromkeys((term.name for term in self.terms), 0.0)
        for term in self.terms:
            for part in _parts(term):
                loss = self._squares(term, part)
                losses[term.name] += float(loss.detach())
                slopes = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
                total += torch.cat([slope.flatten() for slope in slopes])
        return losses, total

    def _squares(self, term: Term, part: slice) -> Tensor:
        square = self._residual(term, part).square().sum(dim=1)
        return (term.weights[part] * square).sum() / len(term.points)

    def _residual(self, term: Term, part: slice) -> Tensor:
        with torch.enable_grad():
            x = term.points[part].detach().clone().requires_grad_()
            constants = {name: constant.expand(len(x)) for name, constant in self.constants.items()}
            found = check_residuals(term.equation(x, self.model(x), constants), x, term.name)
        return found if term.targets is None else found - term.targets[part]


def _parts(term: Term) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, len(term.points), CHUNK)]
