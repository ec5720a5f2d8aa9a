"""What a physics-informed network is trained on: point sets that follow the residual, window after window.

Shapes: n points, d coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from sciml.core.errors import UserError
from sciml.pde.pinn.bayesian import find_start
from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.observations import Observations
from sciml.pde.pinn.regions import Region
from sciml.pde.pinn.terms import EQUATION, EquationTerm, PointWeights, conditions
from sciml.pinn.constraints import HardConstraint
from sciml.pinn.jets import MAX_ORDER
from sciml.pinn.least_squares import LevenbergMarquardt
from sciml.pinn.nested import NestedSystem
from sciml.pinn.networks import MLP
from sciml.pinn.quasi_newton import DenseQuasiNewton, LimitedQuasiNewton
from sciml.pinn.residuals import residuals
from sciml.pinn.sampling import by_residual, retain_and_release
from sciml.pinn.system import JetSystem, Term, not_finite
from sciml.pinn.weighting import causal_point_weights, gradient_norm_weights, ntk_weights, residual_attention
from sciml.train.config import SECOND_ORDER
from sciml.train.ranks import rank, world_size

# the first damping of Levenberg and Marquardt's method, in each window
DAMPING = 1e-2
LEVENBERG_MARQUARDT = "levenberg-marquardt"
# points on which an equation is tried before the training
_TRIED = 16
# of residuals by jets and by nested differentiation, which round otherwise
_SAME = 1e-6
# of each term, to balance by, and how much of the balance before is kept
_BALANCE_POINTS, _BALANCE_KEPT = 500, 0.9


class Epochs:
    """Batches without data: an epoch is as many steps as are made on the same points."""

    def __init__(self, steps: int, points: int) -> None:
        self.steps, self.points = steps, points

    def __len__(self) -> int:
        return self.points

    def batches_per_epoch(self, batch_size: int, world: int, /) -> int:
        return self.steps

    def batches(
        self, batch_size: int, /, *, seed: int, epoch: int, rank: int, world: int, start: int, shuffle: bool
    ) -> Iterable[tuple[Any, int]]:
        """The numbers of steps, of which the first of an epoch asks for fresh points."""
        return (({"step": torch.tensor(step)}, 1) for step in range(start, self.steps))


class PinnTraining:
    """The loss of an experiment, and the points that it is computed on.

    Attributes:
        equation: with its constants, some of which may be on their way.
        window: the part of the time that is trained now.
    """

    def __init__(self, config: PinnExperiment, network: PinnNetwork, observations: Observations | None) -> None:
        self.config, self.network, self.observations = config, network, observations
        self.equation = EquationTerm(config)
        self.conditions = conditions(config)
        self.weigh = PointWeights(config)
        self.region = Region(config.space)
        self.window = 0
        self.generator = Generator().manual_seed(config.train.seed)
        self.points: dict[str, Tensor] = {}
        self.attention: Tensor | None = None
        self.balance: dict[str, float] = {}
        self.optimizer: LevenbergMarquardt | None = None
        self._step: Tensor | None = None
        self.system = self._make_system()
        self._refuse_optimizer()
        self._try_equation()
        self._check_jets(self.region.points(_TRIED, Generator().manual_seed(config.train.seed)))
        self.system.set_terms([])

    @property
    def steps_an_epoch(self) -> int:
        """Of the optimiser; a quasi-Newton one makes all its iterations on the same points in a single step."""
        kind = self.config.train.optimizer
        return 1 if kind in SECOND_ORDER and kind != LEVENBERG_MARQUARDT else self.config.sampling.every

    def validation_terms(self) -> list[Term]:
        """The conditions and observations of all windows, on points of their own."""
        generator = Generator().manual_seed(self.config.train.seed + 2)
        low, high = self.config.space.low, self.config.space.high
        return [
            *self._of_conditions({c.name: c.points(self.config.space, generator, low, high) for c in self.conditions}),
            *self._observed(low, high),
        ]

    # ------------------------------------------------------------------------------------------ what the trainer asks

    def on_progress(self, fraction_done: float) -> None:
        """Hears the fraction of the training that is done: which window it is, and how far its curriculum."""
        count = self.config.windows
        window = min(int(fraction_done * count), count - 1)
        self.equation.fraction_done = fraction_done * count - window
        if window != self.window:
            self._enter(window)

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss and its terms; its gradient is exact, whichever way it was computed."""
        is_first = batch["step"] is not self._step  # of a line search's calls, which see the same loss
        self._step = batch["step"]
        if not self.points and self.config.equation.search is not None:
            find_start(self)
        elif not self.points or (is_first and int(batch["step"]) == 0):
            self.draw()
        elif not self.system.terms:  # a run that goes on
            self.system.set_terms(self._terms())
        if is_first:
            self._follow_residuals()
        if isinstance(self.optimizer, LevenbergMarquardt):  # which needs no gradient
            losses = self.system.losses()
            total = torch.tensor(sum(losses.values()), dtype=torch.float64, requires_grad=True)
        else:
            losses, slopes = self.system.gradient()
            total = _with_gradient(sum(losses.values()), self.system.parameters, slopes)
        if is_first and world_size() == 1 and not math.isfinite(sum(losses.values())):
            raise not_finite(self.system.terms, self.system.residual_sizes)
        named = {name: torch.tensor(loss, dtype=torch.float64) for name, loss in losses.items()}
        return {"loss": total, **named} if len(named) > 1 or EQUATION not in named else {"loss": total}

    def second_order(self, name: str) -> Optimizer:
        """One of SECOND_ORDER."""
        assert name in SECOND_ORDER
        if name == LEVENBERG_MARQUARDT:
            assert isinstance(self.system, JetSystem)
            self.optimizer = LevenbergMarquardt(self.system, DAMPING)
            return self.optimizer
        kind = LimitedQuasiNewton if name in ("limited-ssbroyden", "l-bfgs") else DenseQuasiNewton
        update = {"limited-ssbroyden": "ssbroyden", "l-bfgs": "bfgs"}.get(name, name)
        return kind(self.system.parameters, update=update, iterations=self.config.sampling.every)

    def state_dict(self) -> dict[str, Any]:
        """All that changes on the way beside the network."""
        return {
            "window": self.window,
            "generator": self.generator.get_state(),
            "points": self.points,
            "attention": self.attention,
            "balance": self.balance,
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """The inverse; the points are taken when the first step asks for the loss."""
        if state["window"] != self.window:
            self._enter(state["window"])
        self.generator.set_state(state["generator"])
        self.points, self.attention, self.balance = state["points"], state["attention"], state["balance"]

    def _refuse_optimizer(self) -> None:
        """UserError for an optimiser that does not go with the rest of the experiment."""
        name, config = self.config.train.optimizer, self.config
        if config.train.precision != "float64":
            raise UserError(
                f"`train.precision: {config.train.precision}`: physics-informed networks train in float64, whose "
                "rounding leaves room for their errors."
            )
        if name == LEVENBERG_MARQUARDT and not isinstance(self.system, JetSystem):
            raise UserError(
                "`train.optimizer: levenberg-marquardt` needs `model.architecture: mlp` without `factorised`, with the "
                "activation tanh or sin. Take ssbroyden for other networks."
            )
        if name in SECOND_ORDER and name != LEVENBERG_MARQUARDT:
            for key, given in (("windows", config.windows), ("train.devices", config.train.devices)):
                if given > 1:
                    raise UserError(
                        f"`{key}: {given}` goes with levenberg-marquardt, adam and the like, not with {name}."
                    )

    def _try_equation(self) -> None:
        """UserError for an equation that fails, gives another shape than [n, r], or no finite number."""
        unknowns = {name: parameter.detach() for name, parameter in self.network.unknowns.items()}
        points = self.region.points(_TRIED, Generator().manual_seed(self.config.train.seed))
        try:
            residuals(lambda x, u: self.equation(x, u, unknowns), self.network, points, EQUATION)
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"`equation.name: {self.config.equation.name}` fails on coordinates {list(points.shape)} and fields "
                f"[{len(points)}, {len(self.config.space.fields)}]: {type(error).__name__}: {error}"
            ) from error

    # --------------------------------------------------------------------------------------------------------- points

    def _make_system(self) -> JetSystem | NestedSystem:
        model = self._model()
        inner = model.network
        if isinstance(inner, MLP) and inner.has_jets:
            return JetSystem(model, self.network.unknowns, [])
        return NestedSystem(model, self.network.unknowns, [])

    def _model(self) -> HardConstraint:
        model = self.network.windows[self.window]
        assert isinstance(model, HardConstraint)
        return model

    def _enter(self, window: int) -> None:
        self.window = window
        self.points, self.attention = {}, None
        self.system = self._make_system()
        if self.optimizer is not None:
            assert isinstance(self.system, JetSystem)
            self.optimizer.take(self.system, DAMPING)

    def draw(self) -> None:
        """Fresh points, those of the equation where its residual is large."""
        sampling, low, high = self.config.sampling, *self.network.window_box(self.window)
        n = sampling.points
        old = self.points.get(EQUATION)
        generator = self.generator
        fresh = {c.name: c.points(self.config.space, generator, low, high) for c in self.conditions}
        inside = self.region.points(n, generator, low, high)
        if old is not None and sampling.method == "residual":
            candidates = self.region.points(n * sampling.candidates, generator, low, high)
            sizes = self._sizes(candidates)
            inside = by_residual(candidates, sizes, n, generator, sampling.power, sampling.floor)
        elif old is not None and sampling.method == "retain":
            inside = retain_and_release(old, self._sizes(old), inside)
        self.points = {EQUATION: inside, **fresh}
        if self.config.curriculum and isinstance(self.system, JetSystem):
            self.system.forget()  # a constant that was zero may be none now
        if old is None:
            self._check_jets(inside[:_TRIED])
        self.attention = torch.ones(n, dtype=torch.float64) if self.config.weights.attention else None
        self.system.set_terms(self._balanced())

    def _terms(self, inside: Tensor | None = None) -> list[Term]:
        """On this process's share of the equation's points, or on others."""
        low, high = self.network.window_box(self.window)
        inside = self.points[EQUATION][_share()] if inside is None else inside
        terms = [Term(EQUATION, self.equation, inside, self.weigh(inside))]
        terms += [*self._of_conditions(self.points), *self._observed(low, high)]
        return [replace(term, weights=term.weights * self.balance.get(term.name, 1.0)) for term in terms]

    def _of_conditions(self, points: Mapping[str, Tensor]) -> list[Term]:
        terms = []
        for condition in self.conditions:
            x = points[condition.name]
            if len(x):
                size = torch.full((len(x),), condition.config.weight, dtype=torch.float64)
                terms.append(Term(condition.name, condition.equation, x, size, condition.prescribed(x)))
        return terms

    def _observed(self, low: Sequence[float], high: Sequence[float]) -> list[Term]:
        return [] if self.observations is None else self.observations.terms(low, high)

    def _balanced(self) -> list[Term]:
        """The terms, with weights that make their gradients or tangent kernels alike."""
        kind = self.config.weights.balance
        terms = self._terms()
        if kind == "none" or len(terms) < 2:
            return terms
        nested = NestedSystem(self._model(), self.network.unknowns, [])
        few = [_first(term, _BALANCE_POINTS) for term in self._unbalanced()]
        residuals: list[Tensor] = [nested.residuals(term) for term in few]
        if kind == "ntk":
            found = ntk_weights(residuals, nested.parameters, self.generator)
        else:
            squares = [(t.weights * r.square().sum(dim=1)).mean() for t, r in zip(few, residuals, strict=True)]
            found = gradient_norm_weights(squares, nested.parameters)
        for term, weight in zip(few, found.tolist(), strict=True):
            old = self.balance.setdefault(term.name, weight)
            self.balance[term.name] = _BALANCE_KEPT * old + (1 - _BALANCE_KEPT) * weight
        return self._terms()

    def _unbalanced(self) -> list[Term]:
        kept, self.balance = self.balance, {}
        terms = self._terms(self.points[EQUATION])
        self.balance = kept
        return terms

    def _follow_residuals(self) -> None:
        """Weights of the equation's points by what is left there: causal ones and attention."""
        weights, inside = self.config.weights, self.points[EQUATION][_share()]
        if not weights.causal and self.attention is None:
            return
        sizes = self.system.residual_sizes(EQUATION)
        count = self.weigh(inside) * self.balance.get(EQUATION, 1.0)
        if self.attention is not None:
            found = residual_attention(self.attention[_share()], sizes)
            self.attention[_share()] = found
            count = count * found.square()
        if weights.causal:
            low, high = self.network.window_box(self.window)
            count = count * causal_point_weights(
                inside[:, -1], sizes, weights.slices, weights.causal, low[-1], high[-1]
            )
        self.system.weigh(EQUATION, count)

    def _check_jets(self, points: Tensor) -> None:
        """Takes nested differentiation where jets do not give the same, as for derivatives beyond their order.

        UserError where the optimiser needs jets.
        """
        if not isinstance(self.system, JetSystem):
            return
        nested = NestedSystem(self._model(), self.network.unknowns, [])
        terms = [Term(EQUATION, self.equation, points, torch.ones(len(points), dtype=torch.float64))]
        found = []
        for system in (self.system, nested):
            system.set_terms(terms)
            found.append(system.residual_sizes(EQUATION))
        if torch.allclose(*found, rtol=_SAME, atol=_SAME * float(found[1].nan_to_num(0, 0, 0).max()), equal_nan=True):
            return
        if self.config.train.optimizer == LEVENBERG_MARQUARDT:
            raise UserError(
                f"levenberg-marquardt needs derivatives up to order {MAX_ORDER} that an equation always uses, but "
                f"`{self.config.equation.name}` has others. Take ssbroyden, or write branches by `torch.where`."
            )
        self.system = nested

    def _sizes(self, points: Tensor) -> Tensor:
        """How large the equation's residual is, where it counts."""
        self.system.set_terms([Term(EQUATION, self.equation, points, torch.ones(len(points), dtype=torch.float64))])
        return self.system.residual_sizes(EQUATION) * self.weigh.by_place(points).sqrt()


def _share() -> slice:
    """Of points that all processes draw alike: those of this one."""
    return slice(rank(), None, world_size())


def _first(term: Term, n: int) -> Term:
    targets = None if term.targets is None else term.targets[:n]
    return replace(term, points=term.points[:n], weights=term.weights[:n], targets=targets)


def _with_gradient(loss: float, parameters: list[Tensor], slopes: Tensor) -> Tensor:
    """The loss as a scalar whose backward pass gives these slopes."""
    start, total = 0, torch.tensor(loss, dtype=torch.float64)
    for parameter in parameters:
        mine = slopes[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()
        product = (parameter * mine).sum()
        total = total + (product - product.detach())
    return total
