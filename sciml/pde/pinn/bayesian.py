"""Where to start from, by Bayesian optimisation: a Gaussian process of the loss over the unknown constants.

Each trial holds the constants fixed and makes a few steps from the best network so far; expected improvement, in its
logarithm (Ament et al. 2023, arXiv:2310.20708), says which constants to try next. Few trials cover orders of magnitude
that a search along slopes would have to walk through.

Shapes: n trials, k unknown constants.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sciml.core.errors import UserError
from sciml.pinn.least_squares import LevenbergMarquardt
from sciml.pinn.system import Equation, JetSystem

if TYPE_CHECKING:
    from sciml.pde.pinn.training import PinnTraining

logger = logging.getLogger(__name__)

# trials before the process has enough to go by, for each constant
_FIRST = 3
# of the acquisition's maximisation: starts, and places that they are chosen from
_RESTARTS, _RAW = 4, 64


def minimise(
    function: Callable[[list[float]], float], low: list[float], high: list[float], trials: int, seed: int
) -> list[float]:
    """Where a function of k numbers was least, of as many trials as are given.

    Raises:
        UserError: botorch is not installed.
    """
    try:
        from botorch.acquisition import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.optim import optimize_acqf
        from gpytorch.mlls import ExactMarginalLogLikelihood
    except ImportError as missing:
        raise UserError(
            "`equation.search` needs botorch. Install it with `pip install 'sciml-surrogates[bayesian]'`."
        ) from missing
    ends = torch.tensor([low, high], dtype=torch.float64)
    unit = torch.stack([torch.zeros(len(low)), torch.ones(len(low))]).double()
    places = (
        torch.quasirandom.SobolEngine(len(low), scramble=True, seed=seed).draw(min(trials, _FIRST * len(low))).double()
    )
    values = [function((ends[0] + place * (ends[1] - ends[0])).tolist()) for place in places]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # of its own means to better a fit that did not converge at once
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        while len(values) < trials:
            seen = torch.tensor(values, dtype=torch.float64)[:, None]
            scaled = -(seen - seen.mean()) / seen.std().clamp_min(1e-12)
            model = SingleTaskGP(places, scaled)
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            gain = LogExpectedImprovement(model, best_f=scaled.max())
            next_place, _ = optimize_acqf(gain, unit, q=1, num_restarts=_RESTARTS, raw_samples=_RAW)
            places = torch.cat([places, next_place])
            values.append(function((ends[0] + next_place[0] * (ends[1] - ends[0])).tolist()))
    best = min(range(len(values)), key=values.__getitem__)
    return (ends[0] + places[best] * (ends[1] - ends[0])).tolist()


def find_start(training: PinnTraining) -> None:
    """Sets the unknown constants and the network to the best of the trials that the experiment asks for.

    Raises:
        UserError: a network without jets, or botorch is not installed.
    """
    search, unknowns = training.config.equation.search, training.config.equation.unknowns
    system, network = training.system, training.network
    assert search is not None
    if not isinstance(system, JetSystem):
        raise UserError("`equation.search` needs `train.optimizer: levenberg-marquardt` and a network that it takes.")
    scale = {name: (lambda x: math.log(x)) if unknown.positive else (lambda x: x) for name, unknown in unknowns.items()}
    low, high = ([scale[name](getattr(unknown, end)) for name, unknown in unknowns.items()] for end in ("low", "high"))
    best_loss, best_state = math.inf, {name: part.clone() for name, part in network.state_dict().items()}

    def trial(raw: list[float]) -> float:
        nonlocal best_loss, best_state
        network.load_state_dict(best_state)
        training.draw()
        fixed = dict(zip(unknowns, raw, strict=True))
        terms = [replace(term, equation=_with(term.equation, fixed)) for term in system.terms]
        trained = JetSystem(system.model, nn.ParameterDict(), terms)
        optimizer = LevenbergMarquardt(trained)
        for _ in range(search.steps):
            optimizer.step()
        loss = sum(trained.losses().values())
        with torch.no_grad():
            for parameter, value in zip(network.unknowns.values(), raw, strict=True):
                parameter.fill_(value)
        if loss < best_loss:
            best_loss, best_state = loss, {name: part.clone() for name, part in network.state_dict().items()}
        told = ", ".join(f"{name} {value:.4g}" for name, value in network.values_of_unknowns().items())
        logger.info("search: %s: loss %.3g", told, loss)
        return math.log(loss)

    minimise(trial, low, high, search.trials, training.config.train.seed)
    network.load_state_dict(best_state)
    training.draw()


def _with(equation: Equation, fixed: Mapping[str, float]) -> Equation:
    """An equation whose unknown constants are these numbers, as they are trained."""

    def held(x: Tensor, u: Tensor, unknowns: Mapping[str, Tensor]) -> Tensor:
        return equation(x, u, {name: u.new_full((len(x),), value) for name, value in fixed.items()})

    return held
