"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv:2409.11321).

A matrix G of gradients has the second moments L = E[G G^T] and R = E[G^T G]. Rotated into their eigenvectors its
entries are nearly uncorrelated, which is where Adam's division by each entry's own size is at its best. The price is a
few products of small matrices a step: little beside the loss of a network whose forces are a derivative themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

# steps between two corrections of the eigenvectors, by one step of subspace iteration (the paper's section 4)
STEPS_PER_CORRECTION = 10
# a side longer than this is left as it is: its eigenvectors would cost more than they bring
LONGEST_SIDE = 1024


class SOAP(Optimizer):
    """SOAP with decoupled weight decay.

    The last two dimensions of a parameter are taken as a matrix and those before as a stack of them. Vectors, scalars
    and complex parameters get Adam's step.

    Args:
        parameters: tensors to train.
        lr: learning rate.
        betas: decay of the mean of the gradient, and of its second moments in both bases.
        eps: added to the root of the second moment, as in Adam.
        weight_decay: decoupled, as in AdamW: the weights shrink by lr * weight_decay a step.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, group)
        return loss

    def _step(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        beta1, beta2 = group["betas"]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(gradient)
            state["square"] = torch.zeros_like(gradient, dtype=gradient.abs().dtype)
            for side in _sides(gradient):
                moment = _moment(gradient, side)
                state[f"{side}_moment"] = (1 - beta2) * moment
                state[f"{side}_vectors"] = _eigenvectors(moment)
        else:
            for side in _sides(gradient):
                state[f"{side}_moment"].lerp_(_moment(gradient, side), 1 - beta2)
        state["step"] += 1

        turned = _turned(gradient, state)
        state["mean"].lerp_(gradient, 1 - beta1)
        state["square"].mul_(beta2).add_((turned * turned.conj()).real, alpha=1 - beta2)
        size = (state["square"] / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        update = _turned(state["mean"] / (1 - beta1 ** state["step"]), state) / size
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.sub_(_turned_back(update, state), alpha=group["lr"])
        if state["step"] % STEPS_PER_CORRECTION == 0:
            for side in _sides(gradient):
                _correct(state, side)


def _sides(gradient: Tensor) -> list[str]:
    """Which sides of the matrix are turned."""
    if gradient.ndim < 2 or gradient.is_complex() or 1 in gradient.shape[-2:]:
        return []
    return [side for side, size in zip(("left", "right"), gradient.shape[-2:], strict=True) if size <= LONGEST_SIDE]


def _moment(gradient: Float[Tensor, "... a b"], side: str) -> Float[Tensor, "... s s"]:
    return gradient @ gradient.mT if side == "left" else gradient.mT @ gradient


def _turned(x: Tensor, state: dict[str, Any]) -> Tensor:
    """x in the basis of the eigenvectors."""
    if "left_vectors" in state:
        x = state["left_vectors"].mT @ x
    return x @ state["right_vectors"] if "right_vectors" in state else x


def _turned_back(x: Tensor, state: dict[str, Any]) -> Tensor:
    if "left_vectors" in state:
        x = state["left_vectors"] @ x
    return x @ state["right_vectors"].mT if "right_vectors" in state else x


def _eigenvectors(moment: Float[Tensor, "... s s"]) -> Float[Tensor, "... s s"]:
    """Columns, that of the largest eigenvalue first."""
    return torch.linalg.eigh(moment.double()).eigenvectors.flip(-1).to(moment).contiguous()


def _correct(state: dict[str, Any], side: str) -> None:
    """One step of subspace iteration; the columns are put in order first, and Adam's squares follow their columns."""
    moment, vectors = state[f"{side}_moment"], state[f"{side}_vectors"]
    moved = moment @ vectors
    order = (vectors * moved).sum(-2).argsort(dim=-1, descending=True, stable=True)
    # contiguous, as a checkpoint has them: the layout decides how products are summed, and so their last digits
    turned = torch.linalg.qr(moved.gather(-1, order.unsqueeze(-2).expand_as(moved))).Q
    state[f"{side}_vectors"] = turned.contiguous()
    square = state["square"]
    if side == "left":
        state["square"] = square.gather(-2, order.unsqueeze(-1).expand_as(square))
    else:
        state["square"] = square.gather(-1, order.unsqueeze(-2).expand_as(square))
