"""Gaussian random fields N(0, s^2 (-Laplacian + tau^2)^-alpha), from which initial states and coefficients are drawn.

The eigenfunctions of the covariance are those of the Laplacian: waves on the periodic unit box, cosines on the unit
square with zero Neumann conditions. A field is the sum of the eigenfunctions (of norm 1), each times the root of its
eigenvalue s^2 (|kappa|^2 + tau^2)^-alpha and a normal number; |kappa| is its wave number in radians. The constant is
left out, so the mean of a field over the box is zero: as in the scripts published with Li et al. 2021
(arXiv:2010.08895), `GRF1.m`, `random_fields.py` and `GRF.m`.

Shapes: n points along an axis, k modes.
"""

from __future__ import annotations

import zlib

import numpy as np
from jaxtyping import Complex, Float

from sciml.core.errors import UserError
from sciml.pde.solvers.transforms import fft


def random_stream(seed: int, split: str, sample: int) -> np.random.RandomState:
    """The random numbers of one sample: the same whatever else is made, and other ones in every split.

    RandomState, not default_rng: its stream alone is frozen across numpy versions (NEP 19).
    """
    return np.random.RandomState([seed, zlib.crc32(split.encode()), sample])


def wave_numbers(n: int) -> Float[np.ndarray, " n"]:
    """Wave numbers of a periodic axis in radians: 2 pi times 0, 1, ..., -1.

    >>> (wave_numbers(4) / (2 * np.pi)).tolist()
    [0.0, 1.0, -2.0, -1.0]
    """
    return 2 * np.pi * fft.fftfreq(n, 1 / n)


def periodic_field(
    noise: Float[np.ndarray, "*grid"], variance: float, tau: float, alpha: float
) -> Float[np.ndarray, "*grid"]:
    """A field on the periodic unit box from standard normal noise on the same points, of any dimension.

    The noise decides the field at all scales that the grid carries; its highest ("Nyquist") waves are left out.

    Args:
        noise: independent standard normal numbers.
        variance: s^2 of the covariance.
        tau: inverse length, at which the spectrum bends.
        alpha: power of the covariance; above half the dimension, else fields are no functions.

    Raises:
        UserError: a parameter outside of its range.
    """
    _check(variance, tau, alpha, noise.ndim)
    square = np.zeros(noise.shape)
    kept = np.ones(noise.shape, bool)
    for axis, n in enumerate(noise.shape):
        along = [1] * noise.ndim
        along[axis] = n
        square = square + (wave_numbers(n) ** 2).reshape(along)
        if n % 2 == 0:
            kept &= (np.arange(n) != n // 2).reshape(along)
    root = np.sqrt(variance) * (square + tau**2) ** (-alpha / 2) * kept
    root.flat[0] = 0
    # the transform of normal noise, over the root of the number of points, has modes of variance 1
    spectrum: Complex[np.ndarray, "*grid"] = fft.fftn(noise) * (root * np.sqrt(noise.size))
    return np.ascontiguousarray(fft.ifftn(spectrum).real)


def neumann_field(
    noise: Float[np.ndarray, "k k"], points: int, variance: float, tau: float, alpha: float
) -> Float[np.ndarray, "n n"]:
    """A field on the unit square, ends included, whose normal derivative vanishes on the boundary.

    Args:
        noise: independent standard normal numbers, one for each pair of cosines.
        points: n along each axis, at least one more than k, so that none of the cosines is taken for another.
        variance: s^2 of the covariance.
        tau: inverse length, at which the spectrum bends.
        alpha: power of the covariance, above 1.

    Raises:
        UserError: a parameter outside of its range, or too few points.
    """
    _check(variance, tau, alpha, 2)
    modes = len(noise)
    if points <= modes:
        raise UserError(f"A field of {modes} cosines needs at least {modes + 1} points an axis, but {points} came.")
    square = (np.pi * np.arange(modes)) ** 2
    root = np.sqrt(variance) * (square[:, None] + square[None] + tau**2) ** (-alpha / 2)
    root[0, 0] = 0
    # cosines other than the constant have norm 1 with a factor of sqrt(2); the transform brings 2 itself
    norm = np.where(np.arange(modes) == 0, 1.0, np.sqrt(2.0) / 2)
    padded = np.zeros((points, points))
    padded[:modes, :modes] = noise * root * norm[:, None] * norm[None]
    return fft.dctn(padded, type=1)


def _check(variance: float, tau: float, alpha: float, n_dims: int) -> None:
    if not (0 < variance < np.inf and 0 < tau < np.inf and n_dims / 2 < alpha < np.inf):
        raise UserError(
            f"A Gaussian field in {n_dims} dimensions needs variance > 0, tau > 0 and alpha > {n_dims / 2:g}, but got "
            f"variance {variance:g}, tau {tau:g} and alpha {alpha:g}."
        )
