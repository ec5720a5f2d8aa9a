"""Self-scaled quasi-Newton methods for a loss of all points at once, in float64.

The inverse Hessian H follows from each step and change of the gradient, as `sciml.pinn.updates` says.

An update costs one product of H with a vector and one change of rank two: H g of the old gradient is the direction,
so H y = H g_new - H g, and the new H g_new follows from s and H y.

Shapes: n parameters, m steps remembered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer

from sciml.core.errors import UserError
from sciml.pinn.line_search import Trial, strong_wolfe
from sciml.pinn.updates import UPDATES, Step, change, scales

# y^T s relative to |y| |s| below which a step says nothing about the curvature
NO_CURVATURE = 1e-15


class QuasiNewton(Optimizer):
    """What the dense and the limited-memory method share: iterations with a line search.

    A call of `step` evaluates the loss where the parameters are, then makes `iterations` iterations with mostly one
    evaluation each. Points and weights of the loss may change between two calls, not within one. All that it knows is
    in `state_dict`: saved and loaded, it goes on bit for bit.

    Args:
        parameters: tensors of float64 to train, in one group.
        update: which formula.
        iterations: in a call of `step`.
        evaluations: most evaluations of the loss in an iteration.

    Raises:
        UserError: parameters of another type, several groups, an unknown update, or numbers below one.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        update: str = "ssbroyden",
        iterations: int = 100,
        evaluations: int = 25,
        **options: Any,
    ) -> None:
        options = {"iterations": iterations, "evaluations": evaluations, **options}
        super().__init__(parameters, {"update": update, **options})
        if len(self.param_groups) != 1:
            raise UserError(
                f"{type(self).__name__} needs all parameters in one group, but got {len(self.param_groups)} groups."
            )
        if update not in UPDATES:
            raise UserError(f"`update` needs to be one of {', '.join(UPDATES)}, but is {update!r}.")
        for name in options:
            if self.param_groups[0][name] < 1:
                raise UserError(f"`{name}` needs to be at least 1, but is {self.param_groups[0][name]}.")
        self._parameters: list[Tensor] = self.param_groups[0]["params"]
        for parameter in self._parameters:
            if parameter.dtype != torch.float64:
                raise UserError(
                    f"{type(self).__name__} needs parameters of float64, but got {parameter.dtype}. Call "
                    "`network.double()`; in float32 its differences of gradients are rounding after some hundred steps."
                )

    @property
    def memory(self) -> dict[str, Any]:
        """State of all parameters, kept at the first one as torch's LBFGS does."""
        return self.state[self._parameters[0]]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Some iterations; the loss before them.

        Afterwards the gradients are those of the last evaluation. `memory["stuck"]` tells whether the line search found
        no lower loss, from the gradient's own direction neither.

        Args:
            closure: sets gradients to zero, computes the loss, its gradients, and returns it.

        Raises:
            UserError: a loss or gradient that is not finite where the parameters are.
        """
        group, memory = self.param_groups[0], self.memory
        self._parameters = group["params"]
        evaluate = torch.enable_grad()(closure)
        before = evaluate()
        loss, gradient = float(before), self._gradient()
        if not (math.isfinite(loss) and bool(torch.isfinite(gradient).all())):
            raise UserError(
                f"the loss is {loss} or its gradient not finite; no parameter was changed. Look for the term and the "
                "point that give it, or go back to the last checkpoint."
            )
        place = torch.cat([parameter.reshape(-1) for parameter in self._parameters])
        memory["stuck"] = False
        image = self._apply(gradient)
        for _ in range(group["iterations"]):
            slope = -float(gradient @ image)
            if not slope < 0:
                self._forget()
                image, slope = gradient.clone(), -float(gradient @ gradient)
                if slope == 0:
                    break
            start, is_fresh = Trial(0.0, loss, slope, gradient), self._is_empty()

            def at(length: float, image: Tensor = image, place: Tensor = place) -> Trial:
                self._place(torch.add(place, image, alpha=-length))
                value = float(evaluate())
                found = self._gradient()
                return Trial(length, value, -float(found @ image), found)

            first = min(1.0, 1 / float(gradient.norm())) if is_fresh else 1.0
            found = strong_wolfe(at, start, first, group["evaluations"])
            if found.step == 0:
                self._place(place)
                if is_fresh:
                    memory["stuck"] = True
                    break
                self._forget()
                image = gradient.clone()
                continue
            s, y = image * -found.step, found.gradient - gradient
            place = place + s
            self._place(place)
            loss, gradient, image = found.loss, found.gradient, self._learn(s, y, found, slope, image)
        return before

    def _learn(self, s: Tensor, y: Tensor, found: Trial, slope: float, image: Tensor) -> Tensor:
        """Updates H; H g of the new gradient."""
        memory, ys = self.memory, float(y @ s)
        if ys <= NO_CURVATURE * float(y.norm() * s.norm()):
            return self._apply(found.gradient)
        if self._is_empty():
            # the first H: that of the curvature along s (Nocedal & Wright, equation 6.20)
            gamma = ys / float(y @ y)
            self._begin(gamma)
            new, old, sbs = gamma * found.gradient, gamma * (found.gradient - y), float(s @ s) / gamma
        else:
            new, old, sbs = self._apply(found.gradient), image, -slope * found.step**2
        memory["updates"] = memory.get("updates", 0) + 1
        hy = new - old
        return self._update(Step(s, y, hy, ys, float(y @ hy), sbs), found.gradient, new)

    def _gradient(self) -> Float[Tensor, " n"]:
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        return torch.cat([part.reshape(-1) for part in parts])

    def _place(self, values: Tensor) -> None:
        sizes = [parameter.numel() for parameter in self._parameters]
        for parameter, part in zip(self._parameters, values.split(sizes), strict=True):
            parameter.copy_(part.view_as(parameter))

    def _is_empty(self) -> bool:
        raise NotImplementedError

    def _forget(self) -> None:
        """Back to the identity."""
        raise NotImplementedError

    def _begin(self, gamma: float) -> None:
        """H is gamma times the identity."""
        raise NotImplementedError

    def _apply(self, gradient: Tensor) -> Tensor:
        """H g."""
        raise NotImplementedError

    def _update(self, step: Step, gradient: Tensor, image: Tensor) -> Tensor:
        """Changes H; the new H g, `image` being the old one."""
        raise NotImplementedError


class DenseQuasiNewton(QuasiNewton):
    """H as a matrix: n^2 numbers, and about 6 n^2 operations an iteration; for up to some ten thousand parameters.

    Arguments and errors are those of `QuasiNewton`.
    """

    def _is_empty(self) -> bool:
        return "inverse" not in self.memory

    def _forget(self) -> None:
        self.memory.pop("inverse", None)

    def _begin(self, gamma: float) -> None:
        n = sum(parameter.numel() for parameter in self._parameters)
        like = self._parameters[0]
        self.memory["inverse"] = torch.eye(n, dtype=like.dtype, device=like.device).mul_(gamma)

    def _apply(self, gradient: Tensor) -> Tensor:
        return gradient.clone() if self._is_empty() else self.memory["inverse"] @ gradient

    def _update(self, step: Step, gradient: Tensor, image: Tensor) -> Tensor:
        tau, phi = scales(self.param_groups[0]["update"], step.ys, step.yhy, step.sbs, len(step.s))
        ss, sh, hh = change(tau, phi, step.ys, step.yhy)
        columns = torch.stack([step.s, step.image], dim=1)
        weighted = columns @ columns.new_tensor([[ss, sh], [sh, hh]])
        self.memory["inverse"].addmm_(weighted, columns.T, beta=1 / tau)
        return (image / tau).addmv_(weighted, columns.T @ gradient)


class LimitedQuasiNewton(QuasiNewton):
    """H from the last m steps: 3 m n numbers; about 4 m^2 n operations an iteration once m steps are remembered.

    H stays positive when the oldest step is dropped, as phi is not negative: each update then takes a positive H to a
    positive one.

    Args:
        parameters: as of `QuasiNewton`, and so are the other arguments and errors.
        memory_steps: m.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
        update: str = "ssbroyden",
        iterations: int = 100,
        evaluations: int = 25,
        memory_steps: int = 30,
    ) -> None:
        super().__init__(parameters, update, iterations, evaluations, memory_steps=memory_steps)

    def _is_empty(self) -> bool:
        return "gamma" not in self.memory

    def _forget(self) -> None:
        for name in ("gamma", "s", "y", "image", "tau", "phi", "change"):
            self.memory.pop(name, None)

    def _begin(self, gamma: float) -> None:
        n = sum(parameter.numel() for parameter in self._parameters)
        empty = self._parameters[0].new_empty(0, n)
        self.memory.update({"gamma": gamma, "s": empty, "y": empty, "image": empty, "tau": [], "phi": [], "change": []})

    def _apply(self, gradient: Tensor) -> Tensor:
        return gradient.clone() if self._is_empty() else self._product(gradient, len(self.memory["tau"]))

    def _product(self, x: Tensor, k: int) -> Tensor:
        """H x, with H as it was after the first k of the steps remembered."""
        memory = self.memory
        left = 1.0
        factors: list[tuple[float, float, float]] = []
        for tau, (ss, sh, hh) in zip(memory["tau"][:k][::-1], memory["change"][:k][::-1], strict=True):
            factors.append((left * ss, left * sh, left * hh))
            left /= tau
        result = x * (memory["gamma"] * left)
        if k:
            ss, sh, hh = x.new_tensor(factors[::-1]).T
            s, image = memory["s"][:k], memory["image"][:k]
            on_s, on_image = s @ x, image @ x
            result.addmv_(s.T, ss * on_s + sh * on_image).addmv_(image.T, sh * on_s + hh * on_image)
        return result

    def _update(self, step: Step, gradient: Tensor, image: Tensor) -> Tensor:
        memory, group = self.memory, self.param_groups[0]
        tau, phi = scales(group["update"], step.ys, step.yhy, step.sbs, len(step.s))
        full = len(memory["tau"]) >= group["memory_steps"]
        for name, row in (("s", step.s), ("y", step.y), ("image", step.image)):
            memory[name] = torch.cat([memory[name][1:] if full else memory[name], row[None]])
        for name, number in (("tau", tau), ("phi", phi), ("change", change(tau, phi, step.ys, step.yhy))):
            memory[name] = [*(memory[name][1:] if full else memory[name]), number]
        if full:
            self._rebuild(step.ys / float(step.y @ step.y))
        return self._apply(gradient)

    def _rebuild(self, gamma: float) -> None:
        """H y of each step anew, as the first H has changed."""
        memory = self.memory
        memory["gamma"] = gamma
        for k, (s, y) in enumerate(zip(memory["s"], memory["y"], strict=True)):
            image = self._product(y, k)
            memory["image"][k] = image
            memory["change"][k] = change(memory["tau"][k], memory["phi"][k], float(y @ s), float(y @ image))
