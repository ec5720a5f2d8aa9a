"""Power of fields by wavenumber, in a box and on the sphere.

Shapes: b samples, grid points along one or more axes, c channels, k shells, p coefficients of a transform.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.sphere import counted_twice, spherical_transform


def cross_spectra(
    x: Float[Tensor, "b *grid c"], y: Float[Tensor, "b *grid c"], grid: Grid
) -> tuple[Float[Tensor, "b k c"], Float[Tensor, "b k c"], Float[Tensor, "b k c"]]:
    """Power of x, power of y and their common power in shells of wavenumber 0, 1, ... (rounded, waves per unit length).

    Summed over shells they are the mean of x^2, y^2 and x y over points, those at the ends of an axis counting half. An
    axis with ends is continued by its mirror image, so that no jump fills the spectrum. On the sphere shells are the
    degrees of spherical harmonics, as far as the grid carries all orders, and means are over the area.

    >>> wave = 2 * torch.cos(2 * torch.pi * 3 * torch.arange(8) / 8).view(1, 8, 1)
    >>> [round(power, 6) for power in cross_spectra(wave, wave, Grid((8,), (True,)))[0].flatten().tolist()]
    [0.0, 0.0, 0.0, 2.0, 0.0]
    """
    if x.shape != y.shape or x.ndim != grid.n_dims + 2:
        raise UserError(
            f"Spectra need two fields of one shape with {grid.n_dims} axes between samples and channels, but got "
            f"{tuple(x.shape)} and {tuple(y.shape)}."
        )
    spectra, shells = (_of_sphere if grid.sphere is not None else _of_box)(full_precision(x), full_precision(y), grid)
    n_shells = int(shells.max()) + 1
    power_x, power_y, cross = (
        spectrum.new_zeros(len(spectrum), n_shells, spectrum.shape[-1]).index_add(1, shells, spectrum)
        for spectrum in spectra
    )
    return power_x, power_y, cross


def _of_sphere(x: Tensor, y: Tensor, grid: Grid) -> tuple[list[Float[Tensor, "b p c"]], Int[Tensor, " p"]]:
    """Products of coefficients, and the degree of each."""
    latitudes, longitudes = x.shape[1:3]
    transform = spherical_transform(replace(grid, shape=(latitudes, longitudes)))
    parts_x, parts_y = transform.analysis(x), transform.analysis(y)
    degrees, orders = parts_x.shape[1:3]
    counts = torch.from_numpy(counted_twice(orders)).to(x).view(-1, 1) / (4 * torch.pi)
    shells = torch.arange(degrees, device=x.device).repeat_interleave(orders)
    return [(counts * product).flatten(1, 2) for product in _products(parts_x, parts_y, dim=3)], shells


def _of_box(x: Tensor, y: Tensor, grid: Grid) -> tuple[list[Float[Tensor, "b p c"]], Int[Tensor, " p"]]:
    """Products of coefficients, and the shell of each."""
    axes = list(range(1, x.ndim - 1))
    for axis in axes:
        if not grid.periodic[axis - 1]:
            x, y = _mirrored(x, axis), _mirrored(y, axis)
    parts = (torch.view_as_real(torch.fft.rfftn(field, dim=axes, norm="forward")) for field in (x, y))
    shells, counts = _shells([x.shape[axis] for axis in axes], grid.periodic, x.device)
    counts = counts.to(x.dtype).view(-1, 1)
    return [counts * product.flatten(1, -2) for product in _products(*parts, dim=-1)], shells


def _products(x: Tensor, y: Tensor, dim: int) -> list[Tensor]:
    """|x|^2, |y|^2 and the real part of x times y's conjugate."""
    return [(a * b).sum(dim) for a, b in ((x, x), (y, y), (x, y))]


def full_precision(x: Tensor) -> Tensor:
    """Float32 for a lower precision, in which sums of many squares and Fourier transforms would be useless."""
    return x if x.dtype == torch.float64 else x.float()


def _mirrored(x: Tensor, dim: int) -> Tensor:
    inner = x.narrow(dim, 1, x.shape[dim] - 2)
    return torch.cat([x, inner.flip(dim)], dim=dim)


def _shells(
    sizes: list[int], periodic: tuple[bool, ...], device: torch.device
) -> tuple[Int[Tensor, " p"], Float[Tensor, " p"]]:
    """Of every coefficient of `rfftn` its shell, and for how many of the whole transform it stands."""
    square = torch.zeros([1] * len(sizes))
    for i, (n, is_periodic) in enumerate(zip(sizes, periodic, strict=True)):
        last = i == len(sizes) - 1
        waves = torch.fft.rfftfreq(n, 1 / n) if last else torch.fft.fftfreq(n, 1 / n)
        shape = [-1 if j == i else 1 for j in range(len(sizes))]
        square = square + (waves if is_periodic else waves / 2).square().view(shape)
    counts = torch.full((square.shape[-1],), 2.0)
    counts[0] = 1
    if sizes[-1] % 2 == 0:
        counts[-1] = 1
    shells = (square.sqrt() + 0.5).floor().long()
    return shells.flatten().to(device), counts.expand_as(square).flatten().to(device)
