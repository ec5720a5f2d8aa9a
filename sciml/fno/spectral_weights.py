"""Spectral convolutions: each kept Fourier coefficient times a complex matrix over channels, stored in several ways.

    dense       one matrix per frequency (Li et al. 2021, arXiv:2010.08895)
    separable   one number per frequency and channel: channels do not mix
    axes        sum of convolutions along one axis each (F-FNO of Tran et al. 2023, arXiv:2111.13802, section 3.1)
    cp, tucker, tt
                dense weight as a low-rank tensor (Kossaifi et al. 2024, arXiv:2310.00120); `rank` is its number of
                parameters as a fraction of the dense one's, turned into ranks by the rules of tensorly

Parameters are real with a last axis of 2, so that `Module.to(torch.float64)` does not pass over them. They start as
neuraloperator 2.0's do: complex normal numbers, so that the dense weight has standard deviation channels^(-1/2).
Under autocast the convolutions compute in float32.

Shapes: b batch, c = i = o channels, m kept frequencies ("*kept" axis by axis), r ranks, "2" real and imaginary part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml.fno.fourier import inverse_transform, kept_shape, transform


class SpectralConvolution(nn.Module):
    """What all kinds share: to the kept frequencies and back, never in less than float32."""

    def __init__(self, modes: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.modes = modes
        self.channels = channels
        self.kept = kept_shape(modes)

    def forward(self, x: Float[Tensor, "b *grid c"]) -> Float[Tensor, "b *grid c"]:
        if x.dtype in (torch.bfloat16, torch.float16):
            x = x.float()
        if not torch.is_autocast_enabled(x.device.type):
            return self.convolve(x)
        with torch.autocast(x.device.type, enabled=False):
            return self.convolve(x)

    def convolve(self, x: Float[Tensor, "b *grid c"]) -> Float[Tensor, "b *grid c"]:
        spectrum = self.multiply(transform(x, self.modes))
        return inverse_transform(spectrum, self.modes, tuple(x.shape[1:-1]))

    def multiply(self, spectrum: Float[Tensor, "b 2 *kept c"]) -> Float[Tensor, "b 2 *kept c"]:
        """Each coefficient times its weight."""
        return multiply(spectrum, self.dense())

    def dense(self) -> Float[Tensor, "*kept i o 2"]:
        """The matrices over channels, frequencies first."""
        raise NotImplementedError


def multiply(spectrum: Float[Tensor, "b 2 *kept i"], weight: Float[Tensor, "*kept i o 2"]) -> Float[Tensor, "..."]:
    """y[b, m, o] = sum over i of x[b, m, i] w[m, i, o], complex numbers as pairs of real ones; [b, 2, *kept, o]."""
    b, _, *kept, i = spectrum.shape
    o = weight.shape[-2]
    m = math.prod(kept)
    # one product for both parts, with the weight as it is stored; what belongs together is added up behind it
    x = spectrum.reshape(b, 2, m, i).permute(2, 1, 0, 3).reshape(m, 2 * b, i)
    of_real, of_imaginary = torch.bmm(x, weight.reshape(m, i, 2 * o)).reshape(m, 2, b, o, 2).unbind(1)
    real = of_real[..., 0] - of_imaginary[..., 1]
    imaginary = of_real[..., 1] + of_imaginary[..., 0]
    return torch.stack([real, imaginary]).permute(2, 0, 1, 3).reshape(b, 2, *kept, o)


def _complex_normal(*shape: int, std: float) -> nn.Parameter:
    """Complex numbers of this standard deviation, which their two parts share."""
    return nn.Parameter(torch.randn(*shape, 2) * (std / math.sqrt(2)))


class Dense(SpectralConvolution):
    """A matrix for each frequency."""

    def __init__(self, modes: tuple[int, ...], channels: int, rank: float) -> None:
        super().__init__(modes, channels)
        self.weight = _complex_normal(*self.kept, channels, channels, std=channels**-0.5)

    def dense(self) -> Float[Tensor, "*kept i o 2"]:
        return self.weight


class Separable(SpectralConvolution):
    """A number for each frequency and channel."""

    def __init__(self, modes: tuple[int, ...], channels: int, rank: float) -> None:
        super().__init__(modes, channels)
        self.weight = _complex_normal(*self.kept, channels, std=channels**-0.5)

    def multiply(self, spectrum: Float[Tensor, "b 2 *kept c"]) -> Float[Tensor, "b 2 *kept c"]:
        """Each coefficient times its weight."""
        (x_real, x_imaginary), (real, imaginary) = spectrum.unbind(1), self.weight.unbind(-1)
        return torch.stack([x_real * real - x_imaginary * imaginary, x_real * imaginary + x_imaginary * real], dim=1)

    def dense(self) -> Float[Tensor, "*kept i o 2"]:
        return torch.stack([torch.diag_embed(part) for part in self.weight.unbind(-1)], dim=-1)


class Axes(SpectralConvolution):
    """Sum of dense convolutions along one axis each, all frequencies of the others."""

    def __init__(self, modes: tuple[int, ...], channels: int, rank: float) -> None:
        super().__init__(modes, channels)
        self.along = nn.ModuleList(Dense((m,), channels, rank) for m in modes)

    def convolve(self, x: Float[Tensor, "b *grid c"]) -> Float[Tensor, "b *grid c"]:
        out = torch.zeros_like(x)
        for axis, convolution in enumerate(self.along, start=1):
            lines = x.movedim(axis, -2)
            along = convolution(lines.reshape(-1, *lines.shape[-2:]))
            out = out + along.reshape(lines.shape).movedim(-2, axis)
        return out


class LowRank(SpectralConvolution):
    """A weight made of factors, over the axes (i, o, *kept) in this order."""

    def __init__(self, modes: tuple[int, ...], channels: int) -> None:
        super().__init__(modes, channels)
        self.shape = (channels, channels, *self.kept)
        self.std = channels**-0.5

    def dense(self) -> Float[Tensor, "*kept i o 2"]:
        return torch.view_as_real(self.product().movedim((0, 1), (-2, -1)).contiguous())

    def product(self) -> Tensor:
        """The complex weight [i, o, *kept]."""
        raise NotImplementedError


class CP(LowRank):
    """Sum of outer products of one vector per axis."""

    def __init__(self, modes: tuple[int, ...], channels: int, rank: float) -> None:
        super().__init__(modes, channels)
        r = cp_rank(self.shape, rank)
        std = (self.std / math.sqrt(r)) ** (1 / len(self.shape))
        self.weights = nn.Parameter(torch.tensor([1.0, 0.0]).repeat(r, 1))
        self.factors = nn.ParameterList(_complex_normal(size, r, std=std) for size in self.shape)

    def product(self) -> Tensor:
        of_input, of_output, *of_modes = map(torch.view_as_complex, self.factors)
        modes = torch.view_as_complex(self.weights)
        for factor in of_modes:
            modes = modes.unsqueeze(-2) * factor
        return torch.einsum("ir,or,...r->io...", of_input, of_output, modes)


class Tucker(LowRank):
    """A core tensor times one matrix per axis."""

    def __init__(self, modes: tuple[int, ...], channels: int, rank: float) -> None:
        super().__init__(modes, channels)
        ranks = tucker_ranks(self.shape, rank)
        std = (self.std / math.sqrt(math.prod(ranks))) ** (1 / (len(ranks) + 1))
        self.core = _complex_normal(*ranks, std=std)
        sizes = zip(self.shape, ranks, strict=True)
        self.factors = nn.ParameterList(_complex_normal(size, r, std=std) for size, r in sizes)

    def product(self) -> Tensor:
        weight = torch.view_as_complex(self.core)
        for factor in self.factors:
            # each takes the first axis away and adds its own behind the last
            weight = torch.einsum("r...,nr->...n", weight, torch.view_as_complex(factor))
        return weight


class TT(LowRank):
    """A train of one three-axis tensor per axis.

    The factors start with the spread that gives the weight its standard deviation; neuraloperator divides by the root
    of the ranks' product once more, which makes the spectral part of a fresh network smaller the higher the rank.
    """

    def __init__(self, modes: tuple[int, ...], channels: int, rank: float) -> None:
        super().__init__(modes, channels)
        ranks = tt_ranks(self.shape, rank)
        std = (self.std / math.sqrt(math.prod(ranks))) ** (1 / len(self.shape))
        sizes = zip(ranks[:-1], self.shape, ranks[1:], strict=True)
        self.factors = nn.ParameterList(_complex_normal(*size, std=std) for size in sizes)

    def product(self) -> Tensor:
        first, *others = map(torch.view_as_complex, self.factors)
        weight = first[0]
        for factor in others:
            weight = torch.tensordot(weight, factor, dims=1)
        return weight[..., 0]


def cp_rank(shape: Sequence[int], fraction: float) -> int:
    """Rank at which the vectors have about this fraction of the parameters of a dense tensor.

    >>> cp_rank((32, 32, 16, 9), 0.1)
    166
    """
    return max(1, round(math.prod(shape) * fraction / sum(shape)))


def tucker_ranks(shape: Sequence[int], fraction: float) -> tuple[int, ...]:
    """Ranks in proportion to the axes at which core and matrices have about this fraction of the parameters.

    >>> tucker_ranks((32, 32, 16, 9), 0.1)
    (18, 18, 9, 5)
    """
    size, order = math.prod(shape), len(shape)
    # size x^order + sum of squares x = fraction size, which has one positive root
    roots = np.roots([size, *[0] * (order - 2), sum(n * n for n in shape), -fraction * size])
    share = max(root.real for root in roots if abs(root.imag) < 1e-9)
    return tuple(max(1, round(n * share)) for n in shape)


def tt_ranks(shape: Sequence[int], fraction: float) -> tuple[int, ...]:
    """Ranks in proportion to the means of neighbouring axes, 1 at the ends, for about this fraction of the parameters.

    >>> tt_ranks((32, 32, 16, 9), 0.1)
    (1, 22, 17, 9, 1)
    """
    means = [(a + b) / 2 for a, b in zip(shape[:-1], shape[1:], strict=True)]
    a = sum(before * n * behind for before, n, behind in zip(means[:-1], shape[1:-1], means[1:], strict=True))
    b = shape[0] * means[0] + shape[-1] * means[-1]
    share = (math.sqrt(b * b + 4 * a * math.prod(shape) * fraction) - b) / (2 * a)
    return (1, *(max(1, round(n * share)) for n in means), 1)


SPECTRAL_CONVOLUTIONS = {
    "dense": Dense,
    "separable": Separable,
    "axes": Axes,
    "cp": CP,
    "tucker": Tucker,
    "tt": TT,
}
