"""The two sums of which every transform on the sphere is made, each the transpose of the other.

    analysis   out[l, m] = sum over y, x of  matrix[m, l, y] exp(-i m longitude[x]) field[y, x]
    synthesis  out[y, x] = sum over m, l of  matrix[m, l, y] Re(exp(i m longitude[x]) coefficient[l, m])

Coefficients are packed: all orders m = 0 .. min(l, orders - 1) of degree 0, then those of degree 1 and so on, without
the zeros of a rectangle. A matrix holds functions of latitude that are even or odd about the equator as l - m is even
or odd (or the other way around), so that half of it says all.

On a CPU both are C++ (sphere_kernels.cpp); without a compiler, on another device, or while a graph is traced, they are
matrix products and Fourier transforms of torch.

Shapes: b batch, y latitudes, x longitudes, c channels, l degrees, m orders, t coefficients, 2 real and imaginary part.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function

from sciml.fno import kernels
from sciml.fno.constants import constant
from sciml.fno.kernel_memory import empty
from sciml.fno.sphere_kernels import call, runs_on


class Truncation:
    """Which coefficients there are: l < degrees and m <= l, m < orders."""

    def __init__(self, degrees: int, orders: int) -> None:
        self.degrees, self.orders = degrees, orders
        # coefficients of each degree
        self.sizes = [min(l + 1, orders) for l in range(degrees)]  # noqa: E741
        l, m = np.nonzero(np.arange(orders) <= np.arange(degrees)[:, None])  # noqa: E741
        # made for good: autograd refuses tensors of inference mode when training asks for the same sizes later
        with torch.inference_mode(False):
            self.degree, self.order = torch.from_numpy(l), torch.from_numpy(m)
            self._place = torch.from_numpy(l * orders + m)

    @property
    def size(self) -> int:
        return len(self.degree)

    def pack(self, rectangle: Float[Tensor, "b l m 2 c"]) -> Float[Tensor, "t b 2 c"]:
        rows = rectangle.permute(1, 2, 0, 3, 4).flatten(0, 1)
        return rows.index_select(0, self._place.to(rows.device))

    def unpack(self, packed: Float[Tensor, "t b 2 c"]) -> Float[Tensor, "b l m 2 c"]:
        rows = packed.new_zeros(self.degrees * self.orders, *packed.shape[1:])
        rows = rows.index_copy(0, self._place.to(rows.device), packed)
        return rows.unflatten(0, (self.degrees, self.orders)).permute(2, 0, 1, 3, 4)


@functools.cache
def truncation(degrees: int, orders: int) -> Truncation:
    """The one object of these sizes."""
    return Truncation(degrees, orders)


class Sums:
    """A matrix [m, l, y] of functions of latitude, and the number of longitudes.

    Args:
        odd: 0 if functions are even about the equator where l - m is, 1 if they are odd there.
    """

    def __init__(self, matrix: NDArray[np.float64], longitudes: int, odd: int = 0) -> None:
        orders, degrees, self.latitudes = matrix.shape
        self.matrix, self.longitudes, self.odd = matrix, longitudes, odd
        self.truncation = truncation(degrees, orders)

    def analysis(self, field: Float[Tensor, "b y x c"]) -> Float[Tensor, "t b 2 c"]:
        return _Analysis.apply(field, self) if runs_on(field) else _plain_analysis(self, field)

    def synthesis(self, packed: Float[Tensor, "t b 2 c"]) -> Float[Tensor, "b y x c"]:
        return _Synthesis.apply(packed, self) if runs_on(packed) else _plain_synthesis(self, packed)

    def matrix_like(self, like: Tensor) -> Tensor:
        """The matrix in the precision and on the device of a tensor."""
        return constant(_matrix, self, dtype=like.dtype, device=like.device)

    def waves_like(self, like: Tensor) -> Tensor:
        """cos(m longitude) and -sin(m longitude), [m 2, x]."""
        return constant(waves, self.truncation.orders, self.longitudes, dtype=like.dtype, device=like.device)


def _matrix(sums: Sums) -> NDArray[np.float64]:
    return sums.matrix


def waves(orders: int, longitudes: int) -> NDArray[np.float64]:
    """cos(m longitude) and -sin(m longitude), [m 2, x].

    >>> waves(2, 4).round(1) + 0.0
    array([[ 1.,  1.,  1.,  1.],
           [ 0.,  0.,  0.,  0.],
           [ 1.,  0., -1.,  0.],
           [ 0., -1.,  0.,  1.]])
    """
    # whole turns are left out before they cost digits
    angle = 2 * np.pi * (np.outer(np.arange(orders), np.arange(longitudes)) % longitudes) / longitudes
    return np.stack([np.cos(angle), -np.sin(angle)], axis=1).reshape(-1, longitudes)


class _Analysis(Function):
    @staticmethod
    def forward(ctx: Any, field: Tensor, sums: Sums) -> Tensor:
        ctx.sums = sums
        b, _, _, c = field.shape
        return _run("analysis", sums, field, empty(kernels.library(), field, sums.truncation.size, b, 2, c))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Synthesis.apply(gradients[0], ctx.sums), None


class _Synthesis(Function):
    @staticmethod
    def forward(ctx: Any, packed: Tensor, sums: Sums) -> Tensor:
        ctx.sums = sums
        _, b, _, c = packed.shape
        return _run("synthesis", sums, packed, empty(kernels.library(), packed, b, sums.latitudes, sums.longitudes, c))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Analysis.apply(gradients[0], ctx.sums), None


# ---------------------------------------------------------------------------------------------------- torch's own route

# FFTs are faster than matrix products from so many orders on, or for fewer channels (measured on 64 to 360 longitudes
# with one thread: with 64 channels matrices take half the time for a third of the orders that there can be)
FFT_ORDERS, FFT_CHANNELS = 100, 8


def _by_fft(sums: Sums, x: Tensor) -> bool:
    # an exported graph has no FFT, and MKL's refuses a batch without samples
    if torch.compiler.is_exporting() or x.numel() == 0:
        return False
    return sums.truncation.orders > FFT_ORDERS or x.shape[-1] < FFT_CHANNELS


def _plain_analysis(sums: Sums, field: Tensor) -> Tensor:
    orders = sums.truncation.orders
    if _by_fft(sums, field):
        parts = torch.view_as_real(torch.fft.rfft(field, dim=2)[:, :, :orders]).permute(2, 1, 0, 4, 3)
    else:
        parts = (sums.waves_like(field) @ field).unflatten(2, (orders, 2)).permute(2, 1, 0, 3, 4)
    rows = sums.matrix_like(field) @ parts.flatten(2)  # [m, l, b 2 c]
    rows = rows.unflatten(2, parts.shape[2:])
    return rows[sums.truncation.order, sums.truncation.degree]


def _plain_synthesis(sums: Sums, packed: Tensor) -> Tensor:
    kept = sums.truncation
    rows = packed.new_zeros(kept.orders, kept.degrees, *packed.shape[1:])
    rows = rows.index_put((kept.order, kept.degree), packed)
    parts = (sums.matrix_like(packed).mT @ rows.flatten(2)).unflatten(2, packed.shape[1:])  # [m, y, b, 2, c]
    parts = parts.permute(2, 1, 0, 3, 4)
    if _by_fft(sums, packed):
        half = torch.full((kept.orders, 1), 0.5).to(parts)
        half[0] = 1.0
        spectrum = torch.complex(parts[..., 0, :] * half, parts[..., 1, :] * half)
        return torch.fft.irfft(spectrum, n=sums.longitudes, dim=2, norm="forward")
    return sums.waves_like(packed).mT @ parts.flatten(2, 3)


# ------------------------------------------------------------------------------------------------------- compiled route

# the kernels read rows in whole vectors of at most so many numbers
_LANES = 16


def _run(name: str, sums: Sums, x: Tensor, out: Tensor) -> Tensor:
    kept, c = sums.truncation, x.shape[-1]
    b = x.shape[0] if name == "analysis" else x.shape[1]
    tables = [constant(make, sums, name, dtype=x.dtype, device=x.device) for make in (folded_waves, folded_matrix)]
    width = -(-2 * c // _LANES) * _LANES
    scratch = empty(kernels.library(), x, kept.orders * 2 * ((sums.latitudes + 1) // 2) * width + _LANES)
    sizes = (b, sums.latitudes, sums.longitudes, c, kept.degrees, kept.orders, sums.odd)
    return call(name, sizes, [x.contiguous(), *tables, scratch], out)


def folded_waves(sums: Sums, name: str) -> NDArray[np.float64]:
    """Tables of the kernels: of even, then of odd orders if the number of longitudes is even, cosines, then sines.

    Only longitudes up to 90 degrees (180 if their number is odd); [j, m] for analysis, where those that are their own
    mirror image come twice and are halved, and [m, j] for synthesis.
    """
    n, orders = sums.longitudes, sums.truncation.orders
    folded = n // 4 + 1 if n % 2 == 0 else n // 2 + 1
    table = waves(orders, n).reshape(orders, 2, n)[:, :, :folded]
    if name == "analysis":
        table = table * np.where((np.arange(folded) == 0) | (4 * np.arange(folded) == n), 0.5, 1.0)
    classes = [slice(0, None, 2), slice(1, None, 2)] if n % 2 == 0 else [slice(None)]
    parts = [table[kept, part] for kept in classes for part in range(2)]
    return np.concatenate([(part.T if name == "analysis" else part).ravel() for part in parts])


def folded_matrix(sums: Sums, name: str) -> NDArray[np.float64]:
    """The matrix on the southern half, for each order even functions, then odd ones, without zeros of l < m.

    [h, l] for analysis and [l, h] for synthesis.
    """
    half = sums.matrix[:, :, : (sums.latitudes + 1) // 2]
    parts = [half[m, m + (s != sums.odd) :: 2] for m in range(len(half)) for s in range(2)]
    return np.concatenate([(part.T if name == "analysis" else part).ravel() for part in parts])
