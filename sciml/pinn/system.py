"""The residuals of a problem at its points: their values, the gradient of their squares, and the normal equations.

The loss is, over the terms, the mean over a term's points of weight times the sum of squared residuals. Derivatives
of the fields come as jets (`sciml.pinn.jets`), so the network has to be an MLP within its exact conditions.

Shapes: n points, d coordinates, f fields, r residuals a point, k unknown constants, p trained numbers, those of the
network first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from scipy.linalg import blas
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.pinn.constraints import HardConstraint
from sciml.pinn.jet_fields import Route, field_route
from sciml.pinn.jets import Indices, find_indices, jet_of, multiply, multiply_transposed
from sciml.pinn.mlp_jets import SLOPES, Pulled, mlp_jets
from sciml.pinn.networks import MLP
from sciml.pinn.residuals import check_residuals

# coordinates [n, d], fields [n, f] and unknown constants, each [n], to residuals [n, r]
Equation: TypeAlias = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Tensor]
# points at once: what bounds memory
CHUNK = 4096
# of the points of a term, from which it is seen what derivatives an equation uses
_PROBES = 16


@dataclass(frozen=True, eq=False)
class Term:
    """One sum of squares.

    Attributes:
        name: for messages and logs.
        equation: what should be zero, or be the targets.
        points: [n, d].
        weights: [n], of the squares.
        targets: [n, r] that are subtracted from what the equation gives; None for zero.
    """

    name: str
    equation: Equation
    points: Tensor
    weights: Tensor
    targets: Tensor | None = None

    def __post_init__(self) -> None:
        if not len(self.points):
            raise UserError(f"The term `{self.name}` has no points. Check its geometry and its condition.")


@dataclass(frozen=True, eq=False)
class _Part:
    """Some points of a term, with the jets that do not change while the network trains."""

    term: Term
    indices: Indices
    route: Route
    points: Tensor
    root_weights: Tensor
    targets: Tensor | None
    features: Tensor
    value: Tensor
    distance: Tensor


class NormalEquations:
    """J^T J (lower triangle), J^T r, r and the loss r^T r, of weighted residuals r."""

    def __init__(self, size: int) -> None:
        self.matrix: NDArray[np.float64] = np.zeros((size, size), order="F")
        self.vector = torch.zeros(size, dtype=torch.float64)
        self.residuals: list[Tensor] = []
        self.loss = 0.0

    def add(self, jacobian: Float64[Tensor, "n p"], residual: Float64[Tensor, " n"]) -> None:
        columns = jacobian.contiguous().numpy().T
        self.matrix = blas.dsyrk(  # pyright: ignore[reportAttributeAccessIssue] - scipy makes it when it is loaded
            1.0, columns, beta=1.0, c=self.matrix, lower=1, overwrite_c=1
        )
        self.vector += jacobian.T @ residual
        self.loss += float(residual @ residual)


class JetSystem:
    """The terms of a problem on a network, through jets.

    Args:
        model: an MLP within exact conditions.
        constants: unknown constants, each a single number; the equations get them by name.
        terms: what is to vanish.

    Raises:
        UserError: a network that is no plain MLP of an activation that has jets.
    """

    def __init__(self, model: HardConstraint, constants: nn.ParameterDict, terms: Sequence[Term]) -> None:
        self.model, self.constants = model, constants
        self.network = _plain_mlp(model.network)
        self._routes: dict[str, tuple[Indices, Route]] = {}
        self.set_terms(terms)

    def forget(self) -> None:
        """Derivatives that the equations use are sought anew for the next terms, as for constants that have changed."""
        self._routes.clear()

    def set_terms(self, terms: Sequence[Term]) -> None:
        """Takes other points or weights; the derivatives that the equations use stay known by the terms' names."""
        self.terms = list(terms)
        self._parts = [part for term in self.terms for part in self._prepare(term)]

    def weigh(self, name: str, weights: Float64[Tensor, " n"]) -> None:
        """Gives the points of a term other weights."""
        start, parts = 0, []
        for part in self._parts:
            if part.term.name == name:
                mine = weights[start : start + len(part.points)]
                start += len(mine)
                part = replace(part, root_weights=(mine / len(weights)).sqrt()[:, None])
            parts.append(part)
        self._parts = parts

    # --------------------------------------------------------------------------------------- the numbers in training

    @property
    def parameters(self) -> list[Tensor]:
        """Weight and bias of each layer, then the constants."""
        return [*self.network.parameters(), *self.constants.values()]

    def vector(self) -> Float64[Tensor, " p"]:
        """All of them in a row."""
        return torch.cat([parameter.detach().flatten() for parameter in self.parameters])

    @torch.no_grad()
    def place(self, vector: Float64[Tensor, " p"]) -> None:
        """Sets them."""
        start = 0
        for parameter in self.parameters:
            parameter.copy_(vector[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()

    # --------------------------------------------------------------------------------------- what is computed of them

    def losses(self) -> dict[str, float]:
        """The loss of each term."""
        found = dict.fromkeys((term.name for term in self.terms), 0.0)
        for part in self._parts:
            residual, _, _ = self._residual(part, slopes=False)
            found[part.term.name] += float(residual.square().sum())
        return found

    def residual_sizes(self, name: str) -> Float64[Tensor, " n"]:
        """Root of the sum of squares of a term's residuals at each of its points, without weights."""
        mine = (part for part in self._parts if part.term.name == name)
        parts = [replace(part, root_weights=torch.ones_like(part.root_weights)) for part in mine]
        return torch.cat([self._residual(part, slopes=False)[0].norm(dim=1) for part in parts])

    def residuals(self) -> Float64[Tensor, " m"]:
        """All weighted residuals in a row, whose squares sum up to the loss."""
        return torch.cat([self._residual(part, slopes=False)[0].flatten() for part in self._parts])

    def transposed(self, vector: Float64[Tensor, " m"]) -> Float64[Tensor, " p"]:
        """J^T v, J being the slopes of `residuals` by the trained numbers."""
        total, start = torch.zeros_like(self.vector()), 0
        for part in self._parts:
            residual, jet, back = self._residual(part, slopes=True)
            cotangent = vector[start : start + residual.numel()].view_as(residual)
            start += residual.numel()
            self._pull(part, residual, jet, back, cotangent, total)
        return total

    def gradient(self) -> tuple[dict[str, float], Float64[Tensor, " p"]]:
        """The losses of the terms, and the gradient of their sum."""
        losses = dict.fromkeys((term.name for term in self.terms), 0.0)
        total = torch.zeros_like(self.vector())
        for part in self._parts:
            residual, jet, back = self._residual(part, slopes=True)
            losses[part.term.name] += float(residual.detach().square().sum())
            self._pull(part, residual, jet, back, 2 * residual.detach(), total)
        return losses, total

    def normal_equations(self) -> NormalEquations:
        """Of the weighted residuals, linear in a change of the trained numbers."""
        found = NormalEquations(len(self.vector()))
        for part in self._parts:
            residual, jet, back = self._residual(part, slopes=True)
            assert back is not None
            found.residuals.append(residual.detach().flatten())
            for column in range(residual.shape[1]):
                chosen = torch.zeros_like(residual)
                chosen[:, column] = 1
                to_jet, to_constants = self._slopes(residual, jet, chosen)
                jacobian = back.jacobian(self._to_network(part, to_jet))
                if to_constants:
                    jacobian = torch.cat([jacobian, torch.stack(to_constants, dim=1)], dim=1)
                found.add(jacobian, residual.detach()[:, column])
        return found

    # ------------------------------------------------------------------------------------------------------- details

    def _prepare(self, term: Term) -> Iterator[_Part]:
        n, f = len(term.points), self.network.n_fields
        if term.name not in self._routes:
            probes = term.points[:_PROBES]
            # not where they are, which may be zero, where a derivative that they multiply would not be seen
            constants = {name: constant.detach() + _elsewhere(len(probes)) for name, constant in self.constants.items()}

            def trial(x: Tensor, u: Tensor) -> Tensor:
                return check_residuals(term.equation(x, u, constants), x, term.name)

            indices = find_indices(trial, probes, f)
            self._routes[term.name] = indices, field_route(trial, indices, probes, f)
        indices, route = self._routes[term.name]
        for start in range(0, n, CHUNK):
            part = slice(start, start + CHUNK)
            x = term.points[part]
            yield _Part(
                term=term,
                indices=indices,
                route=route,
                points=x,
                root_weights=(term.weights[part] / n).sqrt()[:, None],
                targets=None if term.targets is None else term.targets[part],
                features=jet_of(indices, self.network.embedding, x),
                value=jet_of(indices, self.model.value, x),
                distance=jet_of(indices, self.model.distance, x).expand(-1, -1, f),
            )

    def _residual(self, part: _Part, *, slopes: bool) -> tuple[Tensor, Tensor, Pulled | None]:
        """Weighted residuals [n, r], the jet that they are made of, and the way back through the network."""
        network = self.network
        weights, biases = network.weights_and_biases()
        output, back = mlp_jets(
            part.indices, part.features, weights, biases, network.config.activation, way_back=slopes
        )
        jet = part.value + multiply(part.indices, part.distance, output)
        self._expanded = {
            name: constant.detach().expand(len(jet)).clone().requires_grad_(slopes)
            for name, constant in self.constants.items()
        }
        with torch.enable_grad():
            jet.requires_grad_(slopes)
            x = part.points.detach().clone().requires_grad_()
            found = part.term.equation(*part.route(part.indices, jet, x), self._expanded)
            found = found if part.targets is None else found - part.targets
            residual = part.root_weights * found
        return (residual if slopes else residual.detach()), jet, back

    def _pull(
        self, part: _Part, residual: Tensor, jet: Tensor, back: Pulled | None, cotangent: Tensor, total: Tensor
    ) -> None:
        """Adds the gradient of sum(cotangent * residual) to the total."""
        assert back is not None
        to_jet, to_constants = self._slopes(residual, jet, cotangent)
        n = len(total) - len(to_constants)
        total[:n] += back.gradient(self._to_network(part, to_jet))
        if to_constants:
            total[n:] += torch.stack([slope.sum() for slope in to_constants])

    def _slopes(self, residual: Tensor, jet: Tensor, cotangent: Tensor) -> tuple[Tensor, list[Tensor]]:
        to_jet, *to_constants = torch.autograd.grad(
            residual, [jet, *self._expanded.values()], cotangent, retain_graph=True, materialize_grads=True
        )
        return to_jet, list(to_constants)

    def _to_network(self, part: _Part, to_jet: Tensor) -> Tensor:
        return multiply_transposed(part.indices, part.distance, to_jet)


def _elsewhere(n: int) -> Tensor:
    return 0.5 + torch.rand(n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def not_finite(terms: Sequence[Term], residual_sizes: Callable[[str], Tensor]) -> UserError:
    """What to say of a loss that is not finite: the term and the first point that make it so.

    Args:
        terms: of the loss.
        residual_sizes: [n] of a term by its name.
    """
    for term in terms:
        sizes = residual_sizes(term.name)
        bad = ~torch.isfinite(sizes)
        if bad.any():
            place = [float(f"{number:.6g}") for number in term.points[int(bad.int().argmax())].tolist()]
            others = f" and {int(bad.sum()) - 1} other points" if int(bad.sum()) > 1 else ""
            return UserError(
                f"the term `{term.name}` is not finite at {place}{others}. Look for a root, a logarithm or a division "
                "there, or lower the learning rate; checkpoints written before are good."
            )
    return UserError("the loss is not finite, though each residual is: its square or its weight is too large.")


def _plain_mlp(network: nn.Module) -> MLP:
    if not (isinstance(network, MLP) and network.has_jets):
        raise UserError(
            f"derivatives by jets need `model.architecture: mlp` without `factorised`, with an activation of "
            f"{' or '.join(SLOPES)}, but the network is {type(network).__name__}. Take another `train.optimizer`."
        )
    return network
