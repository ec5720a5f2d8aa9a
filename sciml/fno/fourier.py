"""Partial Fourier transforms of real fields, channels last: only the modes that an operator keeps.

Modes are counted as neuraloperator 2.0 does, so that weights can be shared: `modes` (16, 16) keeps 16 frequencies of
the first axis, -8 to 7, and 16 // 2 + 1 = 9 of the last, 0 to 8, since a real field has the others as conjugates; of an
odd number, 5, the first axis keeps -2 to 2 and the last 0 to 2. Coefficients are those of numpy's `rfftn` with
`norm="forward"`: the mean of the field times exp(-2 pi i k x) over the unit box, at any resolution.

The inverse is that of `irfftn`: the real field which has these coefficients, or where there is none, as the imaginary
part of frequency 0 or of n / 2 (the Nyquist frequency of an even number n of points) of the last axis is not zero, the
one without this part. Frequencies of the last axis count twice, for themselves and their conjugate, but for these two.

Resolution: below the Nyquist frequency of the coarser grid, transform and inverse are of the function and not of its
samples: a band-limited field on a finer grid has the same coefficients, and the inverse the same values at the points
which both grids share. Frequency -n / 2 of an axis but the last is the exception: sampled by n points it is +n / 2 too.

Two routes with the same results, `few_modes` says which is taken:

    matrices    each axis by one real matrix product, the last axis first; no FFT and no complex numbers, so it exports
    FFT         torch.fft, axis by axis, cut to the kept frequencies before the next axis

Shapes: b batch, c channels, n points and m frequencies of an axis, K of the last, "2" real and imaginary part.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.constants import constant

# measured, see `few_modes`
MULTIPLICATIONS_OF_A_PASS = 130


def kept_shape(modes: tuple[int, ...]) -> tuple[int, ...]:
    """Frequencies that are kept along each axis.

    >>> kept_shape((16, 16))
    (16, 9)
    """
    return (*modes[:-1], modes[-1] // 2 + 1)


def frequencies(kept: int, last: bool) -> np.ndarray:
    """Whole numbers of waves along an axis, in the order of the coefficients.

    >>> frequencies(4, last=False), frequencies(5, last=False), frequencies(3, last=True)
    (array([-2, -1,  0,  1]), array([-2, -1,  0,  1,  2]), array([0, 1, 2]))
    """
    return np.arange(kept) if last else np.arange(kept) - kept // 2


def check_modes(modes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuses a grid that is too coarse for the modes.

    Raises:
        UserError: naming modes and points.
    """
    if any(m > n for m, n in zip(modes, shape, strict=True)):
        raise UserError(
            f"{_times(modes)} Fourier modes need at least as many points along each axis, but the field has "
            f"{_times(shape)}. Lower `modes` or use a finer grid."
        )


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))


def transform(x: Float[Tensor, "b *grid c"], modes: tuple[int, ...]) -> Float[Tensor, "b 2 *kept c"]:
    """Coefficients of the kept frequencies, `kept_shape(modes)`, the real parts before the imaginary ones.

    Raises:
        UserError: more modes than points.
    """
    shape = tuple(x.shape[1:-1])
    check_modes(modes, shape)
    # MKL's FFT refuses a batch without samples
    matrices = few_modes(modes, shape) or x.numel() == 0
    return _matrix_transform(x, modes) if matrices else _fft_transform(x, modes)


def inverse_transform(
    spectrum: Float[Tensor, "b 2 *kept c"], modes: tuple[int, ...], shape: tuple[int, ...]
) -> Float[Tensor, "b *grid c"]:
    """The real field on a grid of `shape` with these coefficients, and no other frequencies.

    Raises:
        UserError: more modes than points.
    """
    check_modes(modes, shape)
    matrices = few_modes(modes, shape) or spectrum.numel() == 0
    return _matrix_inverse(spectrum, modes, shape) if matrices else _fft_inverse(spectrum, modes, shape)


def few_modes(modes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether matrices are the quicker route, by multiplications: an FFT of all points costs as much as 130 for each.

    The last axis takes 2 K multiplications a point, another 4 m for each complex number that the axes behind it leave;
    the FFT passes over the same numbers. Measured by tests/benchmarks/fourier_routes.py on one core of an AMD EPYC with
    AVX-512 (torch 2.13, float32, 32 channels; to the modes, back, and the gradient), time of FFT / time of matrices:

        n = 256       m = 16: 3.5    64: 1.7   128: 1.3   256: 0.6
        n = 8192      m = 16: 5.6    64: 1.9   128: 0.9   256: 0.5
        64 x 64       m = 16: 2.7    32: 1.8    48: 1.4    64: 1.0 to 1.5
        85 x 85       m = 16: 6.4    32: 4.3    64: 2.5
        128 x 128     m = 16: 3.4    64: 1.2    96: 0.9   128: 0.7
        32 x 32 x 32  m =  8: 3.9    16: 2.4    32: 1.7

    Near 1 the rule may choose the slower route, which costs some 10 percent; other machines and GPUs were not measured.
    While a network is exported, matrices are taken for any modes.

    >>> few_modes((16, 16), (64, 64)), few_modes((128, 128), (128, 128)), few_modes((256,), (8192,))
    (True, False, False)
    """
    *leading, last = zip(kept_shape(modes), shape, strict=True)
    m, n = last
    multiplications, passes, left = 2 * m, 1.0, m / n
    for m, n in reversed(leading):
        multiplications += 4 * m * left
        passes += 2 * left
        left *= m / n
    return multiplications <= MULTIPLICATIONS_OF_A_PASS * passes or torch.compiler.is_exporting()


# ------------------------------------------------------------------------------------------------------------ matrices


def _angles(n: int, kept: int, last: bool) -> np.ndarray:
    """2 pi k j / n of frequency k and point j, [kept, n]; whole turns are left out before they cost digits."""
    return 2 * np.pi * (np.outer(frequencies(kept, last), np.arange(n)) % n) / n


def last_analysis(n: int, kept: int) -> Float64[np.ndarray, "2*{kept} {n}"]:
    """From n real values to the real, then the imaginary parts of frequencies 0 to kept - 1."""
    angles = _angles(n, kept, last=True)
    return np.concatenate([np.cos(angles), -np.sin(angles)]) / n


def last_synthesis(n: int, kept: int) -> Float64[np.ndarray, "{n} 2*{kept}"]:
    """From real, then imaginary parts of frequencies 0 to kept - 1 to n real values; the pseudo-inverse of analysis."""
    angles = _angles(n, kept, last=True)
    k = frequencies(kept, last=True)
    # the sines of 0 and n / 2 are zero themselves
    count = np.where((k == 0) | (2 * k == n), 1.0, 2.0)[:, None]
    return np.concatenate([count * np.cos(angles), -count * np.sin(angles)]).T


def complex_analysis(n: int, kept: int) -> Float64[np.ndarray, "2*{kept} 2*{n}"]:
    """From n complex values, parts side by side, to all real, then all imaginary parts of the coefficients."""
    angles = _angles(n, kept, last=False)
    cos, sin = np.cos(angles), np.sin(angles)
    real, imaginary = np.stack([cos, sin], axis=2), np.stack([-sin, cos], axis=2)
    return np.concatenate([real, imaginary]).reshape(2 * kept, 2 * n) / n


def complex_synthesis(n: int, kept: int) -> Float64[np.ndarray, "2*{n} 2*{kept}"]:
    """From coefficients to n complex values, in the same orders; n times the transpose of `complex_analysis`."""
    return n * complex_analysis(n, kept).T


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix [p, q] times each of x [batch, q, r]; `matmul` would make a copy of the matrix for each."""
    return torch.bmm(matrix.expand(x.shape[0], -1, -1), x)


def _matrix_transform(x: Tensor, modes: tuple[int, ...]) -> Tensor:
    b, *shape, c = x.shape
    *leading, last = kept_shape(modes)
    kind = {"dtype": x.dtype, "device": x.device}
    x = _product(constant(last_analysis, shape[-1], last, **kind), x.reshape(b * math.prod(shape[:-1]), shape[-1], c))
    for axis in reversed(range(len(leading))):
        matrix = constant(complex_analysis, shape[axis], leading[axis], **kind)
        behind = math.prod(leading[axis + 1 :]) * last * c
        x = _product(matrix, x.reshape(b * math.prod(shape[:axis]), 2 * shape[axis], behind))
    return x.reshape(b, 2, *leading, last, c)


def _matrix_inverse(spectrum: Tensor, modes: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    b, c = spectrum.shape[0], spectrum.shape[-1]
    *leading, last = kept_shape(modes)
    kind = {"dtype": spectrum.dtype, "device": spectrum.device}
    x = spectrum
    for axis in range(len(leading)):
        matrix = constant(complex_synthesis, shape[axis], leading[axis], **kind)
        behind = math.prod(leading[axis + 1 :]) * last * c
        x = _product(matrix, x.reshape(b * math.prod(shape[:axis]), 2 * leading[axis], behind))
    x = x.reshape(b * math.prod(shape[:-1]), 2 * last, c)
    return _product(constant(last_synthesis, shape[-1], last, **kind), x).reshape(b, *shape, c)


# ----------------------------------------------------------------------------------------------------------------- FFT


def _fft_transform(x: Tensor, modes: tuple[int, ...]) -> Tensor:
    *leading, last = kept_shape(modes)
    spectrum = torch.fft.rfft(x, dim=-2, norm="forward").narrow(-2, 0, last)
    for axis, m in enumerate(leading, start=1):
        spectrum = torch.fft.fft(spectrum, dim=axis, norm="forward")
        n = spectrum.shape[axis]
        negative, rest = spectrum.narrow(axis, n - m // 2, m // 2), spectrum.narrow(axis, 0, m - m // 2)
        spectrum = torch.cat([negative, rest], dim=axis)
    return torch.view_as_real(spectrum).movedim(-1, 1)


def _fft_inverse(spectrum: Tensor, modes: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    *leading, _ = kept_shape(modes)
    x = torch.complex(spectrum[:, 0], spectrum[:, 1])
    for axis, m in enumerate(leading, start=1):
        n = shape[axis - 1]
        negative, rest = x.split([m // 2, m - m // 2], dim=axis)
        none = x.new_zeros(*x.shape[:axis], n - m, *x.shape[axis + 1 :])
        x = torch.fft.ifft(torch.cat([rest, none, negative], dim=axis), dim=axis, norm="forward")
    return torch.fft.irfft(x, n=shape[-1], dim=-2, norm="forward")
