"""Fields and parameters brought to mean 0 and standard deviation 1, channel by channel, as the training data have them.

Shapes: c channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError

# numbers that are summed in float64 at once
_BLOCK = 2**22


@dataclass(frozen=True, eq=False)
class Scaling:
    """Mean and standard deviation of each channel; a channel that never changes has the deviation 1.

    >>> scaling = Scaling.of(["u"], np.array([[1.0], [3.0]], np.float32))
    >>> scaling.encode(torch.tensor([[5.0]])).item(), scaling.decode(torch.tensor([[3.0]])).item()
    (3.0, 5.0)
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, names: Sequence[str], values: Float[np.ndarray, "*points c"]) -> Scaling:
        """Of all numbers of each channel."""
        rows = values.reshape(-1, len(names)) if names else np.empty((1, 0))
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        mean = np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks], axis=0) / len(rows)
        square = np.sum([np.square(block - mean).sum(axis=0) for block in blocks], axis=0) / len(rows)
        # rounding of float32 makes a constant vary by some 1e-7 of its size
        constant = np.sqrt(square) <= 1e-6 * np.abs(mean)
        std = np.where(constant, 1.0, np.sqrt(square))
        return cls(tuple(names), tuple(mean.tolist()), tuple(std.tolist()))

    def encode(self, values: Float[Tensor, "*points c"]) -> Float[Tensor, "*points c"]:
        """In units of the standard deviation, from the mean."""
        return (values - self._tensor(self.mean, values)) / self._tensor(self.std, values)

    def decode(self, scaled: Float[Tensor, "*points c"]) -> Float[Tensor, "*points c"]:
        """The inverse of `encode`."""
        return scaled * self._tensor(self.std, scaled) + self._tensor(self.mean, scaled)

    def from_zero(self, scaled: Float[Tensor, "*points c"]) -> Float[Tensor, "*points c"]:
        """In units of the standard deviation, from zero: what a relative error of several channels is taken of."""
        return scaled + self._tensor(self.mean, scaled) / self._tensor(self.std, scaled)

    def _tensor(self, numbers: Sequence[float], like: Tensor) -> Tensor:
        return torch.tensor(numbers, dtype=like.dtype, device=like.device)

    def described(self) -> dict[str, list[float]]:
        """Channel -> [mean, standard deviation], as a checkpoint has it."""
        return {name: [m, s] for name, m, s in zip(self.names, self.mean, self.std, strict=True)}

    @classmethod
    def from_description(cls, described: Mapping[str, Any], source: str) -> Scaling:
        """The inverse of `described`.

        Raises:
            UserError: it is not what `described` gives.
        """
        try:
            pairs = {str(name): (float(m), float(s)) for name, (m, s) in described.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(f"{source}: the checkpoint's normalisation is not one of fields ({error}).") from error
        if bad := [name for name, (m, s) in pairs.items() if not (np.isfinite(m) and np.isfinite(s) and s > 0)]:
            raise UserError(f"{source}: the normalisation of `{bad[0]}` is not a mean and a deviation above zero.")
        return cls(tuple(pairs), tuple(m for m, _ in pairs.values()), tuple(s for _, s in pairs.values()))
