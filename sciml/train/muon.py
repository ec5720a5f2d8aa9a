"""Muon: momentum whose matrices are made orthogonal before each step (Jordan et al. 2024, kellerjordan.github.io/posts/
muon), scaled to Adam's step (Liu et al. 2025, arXiv:2502.16982).

The gradient of a matrix of weights is mostly a few directions; Adam hardly moves the others. The orthogonal matrix
nearest to it, U V^T of its singular value decomposition, moves all of them alike. Five steps of a Newton-Schulz
iteration find it well enough, with nothing but products of matrices.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.train.matrices import MatrixOptimizer, as_matrices, is_matrix

# the quintic's coefficients (Jordan et al. 2024): steep at zero, so that small singular values grow fast, for which the
# large ones end between 0.7 and 1.2 rather than at 1
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
# norm of a gradient that counts as none: what is left of the momentum of weights that get none any more fades away
NOTHING = 1e-12
# root mean square of an update of Adam's, which the step of a matrix is scaled to (Liu et al. 2025, section 2.2)
ADAM_SIZE = 0.2


class Muon(MatrixOptimizer):
    """Muon for matrices, AdamW for all else, both with decoupled weight decay.

    Vectors, scalars and complex tensors get AdamW's step.

    Args:
        parameters: tensors to train, or groups of them as every optimiser of torch takes them.
        lr: learning rate, in AdamW's units; larger ones than its are borne.
        momentum: decay of the mean of the gradient of matrices.
        betas: of AdamW.
        eps: of AdamW.
        weight_decay: decoupled: the weights shrink by lr * weight_decay a step.
        half: whether matrices are made orthogonal in bfloat16, which is enough for it and faster where a processor
            multiplies such numbers.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 3e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        half: bool = False,
    ) -> None:
        of_all = {"lr": lr, "weight_decay": weight_decay, "kernels": False}
        super().__init__(parameters, {**of_all, "momentum": momentum, "betas": betas, "eps": eps})
        self.half = half

    def move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Raises UserError where the gradient of a matrix is not finite."""
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        if (is_matrix(parameter) or group.get("kernels", False)) and not parameter.is_complex():
            self._step_of_muon(parameter, gradient, group)
        else:
            self._step_of_adam(parameter, gradient, group)

    def _step_of_muon(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(gradient)
        mean = state["mean"]
        mean.lerp_(gradient, 1 - group["momentum"])
        # Nesterov's: where the mean will be after a further gradient alike
        ahead = gradient.lerp(mean, group["momentum"])
        matrix = as_matrices(ahead, group.get("kernels", False))
        update = orthogonalised(matrix, self.half).reshape(parameter.shape)
        parameter.sub_(update, alpha=group["lr"] * ADAM_SIZE * max(matrix.shape[-2:]) ** 0.5)

    def _step_of_adam(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if gradient.is_complex():
            parameter, gradient = torch.view_as_real(parameter), torch.view_as_real(gradient)
        if not state:
            state["step"] = 0
            state["mean"], state["second_moment"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        state["mean"].lerp_(gradient, 1 - beta1)
        state["second_moment"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        size = (state["second_moment"] / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        parameter.addcdiv_(state["mean"], size, value=-group["lr"] / (1 - beta1 ** state["step"]))


def orthogonalised(matrix: Float[Tensor, "*m a b"], half: bool = False) -> Float[Tensor, "*m a b"]:
    """A matrix with the singular vectors of the given one, nearly orthogonal; zero for zero.

    Singular values end between about 0.7 and 1.2 where they were above a thirtieth of the matrix's norm, and below that
    where they were smaller.

    Raises:
        UserError: it is not finite.
    """
    scale = matrix.norm(dim=(-2, -1), keepdim=True)
    if not torch.isfinite(scale).all():
        raise UserError("the gradient of a matrix of weights, or its square, is not finite. Lower the learning rate.")
    upright = matrix.shape[-2] > matrix.shape[-1]
    x = (matrix / (scale + NOTHING)).to(torch.bfloat16 if half else matrix.dtype)
    x = x.mT if upright else x
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if upright else x).to(matrix)
