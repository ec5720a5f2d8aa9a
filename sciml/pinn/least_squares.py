"""Levenberg and Marquardt's method: the residuals are linearised, and a damped least-squares problem gives the step.

A physics-informed loss is a sum of squares of few thousand residuals of about a thousand numbers. Its curvatures span
more than ten orders of magnitude, which first-order and quasi-Newton methods learn over tens of thousands of steps;
J^T J has most of them in each step (More 1978, Lect. Notes Math. 630, 105; for physics-informed networks Muller &
Zeinhofer 2023, arXiv:2302.13163, and Jnini, Vella & Zeinhofer 2024, arXiv:2402.10680). The damping follows the gain,
the decrease of the loss over that of the linear model (Nielsen 1999, IMM-REP-1999-05, with other factors). The step is
bent by the residuals' second derivative along it (geodesic acceleration: Transtrum & Sethna 2012, arXiv:1201.5885,
section 3), which costs two evaluations and a gradient, little beside J^T J, and follows the loss's curved valleys.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from torch import Tensor
from torch.optim import Optimizer

from sciml.core.errors import UserError
from sciml.pinn.system import JetSystem, not_finite

# gain above which damping falls, and below which it grows
GOOD, BAD = 0.75, 0.25
LESS, MORE, MUCH_MORE = 1 / 3, 2.0, 4.0
# of the step, over which the second derivative is a difference, and the largest bend that is taken
DIFFERENCE, MOST_BEND = 0.1, 0.75
LEAST_DAMPING, MOST_DAMPING = 1e-18, 1e18


class LevenbergMarquardt(Optimizer):
    """One damped Gauss-Newton step a call; the loss never grows on the points that it sees.

    Args:
        system: the residuals, which may change between two calls.
        damping: at first.
        tries: dampings tried in a call, each larger than the one before, until the loss decreases.

    Raises:
        UserError: parameters that are not of float64, or numbers out of range.
    """

    def __init__(self, system: JetSystem, damping: float = 1e-2, tries: int = 12) -> None:
        if not 0 < damping < math.inf or tries < 1:
            raise UserError(f"a positive damping and a try at least are needed, but got {damping} and {tries}.")
        parameters = system.parameters
        if any(parameter.dtype != torch.float64 for parameter in parameters):
            raise UserError("levenberg-marquardt needs `train.precision: float64`: J^T J squares what is rounded.")
        super().__init__(parameters, {"damping": damping, "tries": tries, "stuck": False})
        self.system = system

    def take(self, system: JetSystem, damping: float) -> None:
        """Goes on with other residuals of other numbers, such as those of the next window of time."""
        self.system = system
        group = self.param_groups[0]
        group["params"], group["damping"] = system.parameters, damping

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step; the loss that the closure gives, or that of the residuals, before it.

        Raises:
            UserError: a residual that is not finite where the parameters are, with its term and point.
        """
        reported = None
        if closure is not None:
            with torch.enable_grad():
                reported = closure()
        group, system = self.param_groups[0], self.system
        equations = system.normal_equations()
        matrix, vector, loss = _over_processes(equations.matrix, equations.vector, equations.loss)
        if not math.isfinite(loss):
            raise not_finite(system.terms, system.residual_sizes)
        here = torch.cat(equations.residuals)
        start, damping = system.vector(), float(group["damping"])
        group["stuck"] = True
        for _ in range(group["tries"]):
            factor = _factor(matrix, damping)
            if factor is not None:
                change = _solve(factor, vector)
                system.place(start - change + self._bend(factor, start, change, here))
                found = _over_processes(None, None, sum(system.losses().values()))[2]
                if found < loss:  # which NaN is not
                    promised = float(change @ (vector + damping * change))
                    gain = (loss - found) / max(promised, 1e-300)
                    damping *= LESS if gain > GOOD else MORE if gain < BAD else 1.0
                    group["stuck"] = False
                    break
            damping *= MUCH_MORE
        if group["stuck"]:
            system.place(start)
        group["damping"] = min(max(damping, LEAST_DAMPING), MOST_DAMPING)
        return loss if reported is None else reported

    def _bend(self, factor: Any, start: Tensor, change: Tensor, here: Tensor) -> Tensor:
        """Half the acceleration along the step, nothing where it is no small part of it."""
        system, beside = self.system, []
        for part in (-DIFFERENCE, DIFFERENCE):
            system.place(start - part * change)
            beside.append(system.residuals())
        second = (beside[0] - 2 * here + beside[1]) / DIFFERENCE**2
        system.place(start)
        _, vector, _ = _over_processes(None, system.transposed(second), 0.0)
        bend = -0.5 * _solve(factor, vector)
        is_small = float(2 * bend.norm()) < MOST_BEND * float(change.norm())  # which NaN is not
        return bend if is_small else torch.zeros_like(bend)


def _factor(matrix: NDArray[np.float64], damping: float) -> Any:
    """Cholesky's factor of J^T J + damping; None where rounding leaves it without one."""
    damped = matrix.copy(order="F")
    damped[np.diag_indices_from(damped)] += damping
    try:
        return cho_factor(damped, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return None


def _solve(factor: Any, vector: Tensor) -> Tensor:
    return torch.from_numpy(cho_solve(factor, vector.numpy(), check_finite=False))


def _over_processes(matrix: Any, vector: Any, loss: float) -> tuple[Any, Any, float]:
    """Means over the processes that train together, each with its own points."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return matrix, vector, loss
    world = torch.distributed.get_world_size()
    total = torch.tensor(loss, dtype=torch.float64)
    torch.distributed.all_reduce(total)
    for part in (None if matrix is None else torch.from_numpy(matrix.T), vector):  # the same memory
        if part is not None:
            torch.distributed.all_reduce(part)
            part /= world
    return matrix, vector, float(total) / world
