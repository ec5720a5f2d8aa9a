"""Windows of a box of tokens that goes around the globe, as the Swin transformer shifts them.

Shapes: b batch, (l, m, n) tokens along level, latitude and longitude, c channels; w windows that differ by level or
latitude, t tokens of a window.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


class Windows:
    """How a box of tokens is cut into windows: sizes, shift, and what may attend to what.

    Tokens of a window that is cut at an end, or that only fill it up, are kept apart by a mask.
    """

    def __init__(self, tokens: tuple[int, int, int], window: tuple[int, int, int], is_shifted: bool) -> None:
        self.tokens = tokens
        # a window that covers an axis needs no shift along it
        self.window = (min(window[0], tokens[0]), min(window[1], tokens[1]), whole_window(tokens[2], window[2]))
        self.shift = tuple(
            size // 2 if is_shifted and size < n else 0 for n, size in zip(tokens, self.window, strict=True)
        )
        self.counts = tuple(-(-n // size) for n, size in zip(tokens, self.window, strict=True))
        self.padding = tuple(count * size - n for n, size, count in zip(tokens, self.window, self.counts, strict=True))

    @property
    def n_kinds(self) -> int:
        """Windows that differ by level or latitude."""
        return self.counts[0] * self.counts[1]

    def cut(self, x: Float[Tensor, "b l m n c"]) -> Float[Tensor, "b_n w t c"]:
        """Tokens by window."""
        if any(self.padding):
            x = functional.pad(x, (0, 0, 0, 0, 0, self.padding[1], 0, self.padding[0]))
        if any(self.shift):
            x = x.roll([-shift for shift in self.shift], dims=(1, 2, 3))
        (i, j, k), (p, q, r), (b, c) = self.counts, self.window, (x.shape[0], x.shape[4])
        x = x.view(b, i, p, j, q, k, r, c).permute(0, 5, 1, 3, 2, 4, 6, 7)
        return x.reshape(b * k, i * j, p * q * r, c)

    def join(self, x: Float[Tensor, "b_n w t c"]) -> Float[Tensor, "b l m n c"]:
        """The other way."""
        (i, j, k), (p, q, r), c = self.counts, self.window, x.shape[3]
        x = x.view(-1, k, i, j, p, q, r, c).permute(0, 2, 4, 3, 5, 1, 6, 7)
        x = x.reshape(-1, i * p, j * q, k * r, c)
        if any(self.shift):
            x = x.roll(self.shift, dims=(1, 2, 3))
        return x[:, : self.tokens[0], : self.tokens[1]]

    def apart(self) -> Bool[Tensor, "w t t"]:
        """Which tokens of a window must not see each other."""
        sides = []
        for axis in (0, 1):
            size = self.counts[axis] * self.window[axis]
            place = (torch.arange(size) + self.shift[axis]) % size
            # beyond the end: filled up; before the shift: from the other end
            side = torch.where(place >= self.tokens[axis], 2, (place < self.shift[axis]).long())
            sides.append(side.view(self.counts[axis], self.window[axis]))
        i, j = self.counts[:2]
        side = 3 * sides[0].view(i, 1, -1, 1, 1) + sides[1].view(1, j, 1, -1, 1)
        side = side.expand(i, j, *self.window).reshape(i * j, -1)
        return side.unsqueeze(1) != side.unsqueeze(2)

    def pairs(self) -> tuple[Int[Tensor, "t t"], int, Int[Tensor, "t t"], int]:
        """Two tables of pairs of tokens, each with its number of entries.

        The first tells pairs apart by heights and latitudes of both and the way between their longitudes, the second by
        the way between them.
        """
        p, q, r = self.window
        place = torch.stack(torch.meshgrid(torch.arange(p), torch.arange(q), torch.arange(r), indexing="ij")).flatten(1)
        (a, d, f), (b, e, g) = place.unsqueeze(2), place.unsqueeze(1)
        turn = g - f + r - 1
        earth = (((a * p + b) * q + d) * q + e) * (2 * r - 1) + turn
        relative = ((b - a + p - 1) * (2 * q - 1) + e - d + q - 1) * (2 * r - 1) + turn
        return earth, p * p * q * q * (2 * r - 1), relative, (2 * p - 1) * (2 * q - 1) * (2 * r - 1)


def whole_window(tokens: int, largest: int) -> int:
    """The largest size, up to one, of windows that fill a circle of tokens."""
    return max(size for size in range(1, largest + 1) if tokens % size == 0)
