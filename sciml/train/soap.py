"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv:2409.11321).

A matrix G of gradients has Shampoo's left and right preconditioners L = E[G G^T] and R = E[G^T G]. Projected on their
eigenvectors its entries are nearly uncorrelated, which is where Adam's division by each entry's own size is at its
best. The price is a few products of small matrices a step: little beside the loss of a network whose forces are a
derivative themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.train.matrices import MatrixOptimizer, as_matrices, is_matrix

# steps between two corrections of the eigenvectors (precondition frequency, section 5 of the paper)
STEPS_PER_CORRECTION = 10
# a longer side is not projected (the paper's one-sided SOAP): its eigenvectors would cost more than they bring
LONGEST_SIDE = 1024
# entries of a projected gradient below this part of the largest are its rounding: they get no step of full size
ROUNDING = 100


class SOAP(MatrixOptimizer):
    """SOAP with decoupled weight decay.

    Vectors, scalars and complex tensors get AdamW's step.

    Args:
        parameters: tensors to train, or groups of them as every optimiser of torch takes them.
        lr: learning rate.
        betas: decay of the mean of the gradient, and of its second moments and preconditioners; the defaults are
            those of the paper's section 5.
        eps: added to the root of the second moment, as in Adam.
        weight_decay: decoupled, as in AdamW: the weights shrink by lr * weight_decay a step.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "kernels": False}
        super().__init__(parameters, options)

    def move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """The first step leaves matrices as they are, and takes its gradient for the preconditioners alone.

        Raises UserError for a first gradient that is not finite, or whose square is not.
        """
        state = self.state[parameter]
        if parameter.is_complex():
            parameter, gradient = torch.view_as_real(parameter), torch.view_as_real(gradient)
            sides = []
        else:
            gradient = as_matrices(gradient, group.get("kernels", False))
            sides = _sides(gradient)
        beta1, beta2 = group["betas"]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(gradient)
            state["second_moment"] = torch.zeros_like(gradient)
            for side in sides:
                preconditioner = _outer(gradient, side)
                state[f"{side}_preconditioner"] = (1 - beta2) * preconditioner
                state[f"{side}_basis"] = _eigenvectors(preconditioner)
            if sides:
                return  # its own eigenvectors make it diagonal, and all else would be rounding divided by itself
        else:
            for side in sides:
                state[f"{side}_preconditioner"].lerp_(_outer(gradient, side), 1 - beta2)
        state["step"] += 1

        projected = _project(gradient, state)
        state["mean"].lerp_(gradient, 1 - beta1)
        state["second_moment"].mul_(beta2).addcmul_(projected, projected, value=1 - beta2)
        size = (state["second_moment"] / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        if sides:
            size += ROUNDING * torch.finfo(size.dtype).eps * size.amax((-2, -1), keepdim=True)
        update = _project(state["mean"] / (1 - beta1 ** state["step"]), state) / size
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(_project_back(update, state).reshape(parameter.shape), alpha=group["lr"])
        if state["step"] % STEPS_PER_CORRECTION == 0:
            for side in sides:
                _correct(state, side)


def _sides(gradient: Tensor) -> list[str]:
    """Which sides of the matrix are projected."""
    if not is_matrix(gradient):
        return []
    return [side for side, size in zip(("left", "right"), gradient.shape[-2:], strict=True) if size <= LONGEST_SIDE]


def _outer(gradient: Float[Tensor, "*m a b"], side: str) -> Float[Tensor, "*m s s"]:
    return gradient @ gradient.mT if side == "left" else gradient.mT @ gradient


def _project(x: Tensor, state: dict[str, Any]) -> Tensor:
    if "left_basis" in state:
        x = state["left_basis"].mT @ x
    return x @ state["right_basis"] if "right_basis" in state else x


def _project_back(x: Tensor, state: dict[str, Any]) -> Tensor:
    if "left_basis" in state:
        x = state["left_basis"] @ x
    return x @ state["right_basis"].mT if "right_basis" in state else x


def _eigenvectors(preconditioner: Float[Tensor, "*m s s"]) -> Float[Tensor, "*m s s"]:
    """Columns, that of the largest eigenvalue first."""
    if not torch.isfinite(preconditioner).all():
        raise UserError("the first gradient, or its square, is not finite. Lower the weights of the loss.")
    return torch.linalg.eigh(preconditioner.double()).eigenvectors.flip(-1).to(preconditioner).contiguous()


def _correct(state: dict[str, Any], side: str) -> None:
    """One step of subspace iteration (the paper's algorithm 4).

    The columns are put in order first, and Adam's second moments follow their columns.
    """
    basis, second_moment = state[f"{side}_basis"], state["second_moment"]
    moved = state[f"{side}_preconditioner"] @ basis
    order = (basis * moved).sum(-2).argsort(dim=-1, descending=True, stable=True)
    # contiguous, as a checkpoint has them: the layout decides how products are summed, and so their last digits
    corrected = torch.linalg.qr(moved.gather(-1, order.unsqueeze(-2).expand_as(moved))).Q
    state[f"{side}_basis"] = corrected.contiguous()
    if side == "left":
        state["second_moment"] = second_moment.gather(-2, order.unsqueeze(-1).expand_as(second_moment))
    else:
        state["second_moment"] = second_moment.gather(-1, order.unsqueeze(-2).expand_as(second_moment))
