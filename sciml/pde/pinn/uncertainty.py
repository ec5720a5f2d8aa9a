"""How well unknown constants are determined by the observations: Laplace's approximation around the trained network.

With the noise of an observation, the weighted loss is the negative logarithm of a posterior; its curvature J^T J, to
which the equation's residual and all weights of the network belong, is inverted for the constants' own variances
(MacKay 1992, Neural Comput. 4, 448).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from sciml.pde.pinn.config import PinnExperiment
from sciml.pde.pinn.network import PinnNetwork
from sciml.pde.pinn.observations import OBSERVATIONS, Observations
from sciml.pde.pinn.training import PinnTraining
from sciml.pinn.system import JetSystem

# of a normal distribution between whose ends lie 95%
NORMAL_95 = 1.959963984540054
# of the equation: too few would leave a network with hundreds of numbers free between them
_POINTS = 20_000
# least curvature, in units of the largest: what is below is rounding, in directions that nothing determines
_RIDGE = 1e-15


@dataclass(frozen=True)
class Interval:
    """A constant and its 95% interval; that of a positive one is of its logarithm."""

    value: float
    low: float
    high: float


def intervals(config: PinnExperiment, network: PinnNetwork, observations: Observations) -> dict[str, Interval]:
    """Of the unknown constants, by name; empty for networks without jets and for several windows of time.

    The noise of an observation is what the experiment says, or the root mean square of what is left of the misfit.
    What training has left undone, and what the network cannot be, is not in them: they are for observations whose noise
    is larger than both.
    """
    if config.windows > 1 or not network.unknowns:
        return {}
    # balanced weights would be other ones here
    plain = replace(config.weights, balance="none", attention=False, causal=0.0)
    denser = replace(config, weights=plain, sampling=replace(config.sampling, points=_POINTS))
    training = PinnTraining(denser, network, observations)
    system = training.system
    if not isinstance(system, JetSystem):
        return {}
    training.equation.fraction_done = 1.0
    training.draw()
    noise = observations.noise
    if noise is None:
        noise = float(system.residual_sizes(OBSERVATIONS).square().mean().sqrt()) / math.sqrt(len(observations.fields))
    equations = system.normal_equations()
    curvatures, directions = np.linalg.eigh(equations.matrix, UPLO="L")
    count = len(network.unknowns)
    mine = directions[-count:] / np.sqrt(np.maximum(curvatures, _RIDGE * curvatures[-1]))
    # the loss has the mean of squared misfits times the weight, the posterior their sum over the variance
    scale = noise**2 * observations.weight / len(observations.points)
    covariance = scale * mine @ mine.T
    found = {}
    for place, (name, raw) in enumerate(network.unknowns.items()):
        middle, reach = float(raw.detach()), NORMAL_95 * math.sqrt(covariance[place, place])
        ends = [middle - reach, middle, middle + reach]
        if network.positive[name]:
            ends = torch.tensor(ends, dtype=torch.float64).exp().tolist()
        if math.isfinite(ends[2]):  # else nothing is known of it
            found[name] = Interval(ends[1], ends[0], ends[2])
    return found
