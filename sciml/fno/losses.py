"""Losses between predicted and true fields, of several kinds, each a pure function to one number.

Shapes: b samples, grid points along one or more axes, c channels, k shells of wavenumbers, m members of an ensemble.
Weights broadcast to [b, *grid, c] as usual: [c] of channels, [y, 1, 1] of latitudes, [b, *grid, c] of what is known. A
loss is the mean of what weights multiply, so weights of mean one leave its size alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno.grids import Grid
from sciml.fno.spectra import cross_spectra, full_precision

SpectralKind: TypeAlias = Literal["log", "amplitude", "adjusted"]

# ------------------------------------------------------------------------------------------------------- point by point


def weighted_mse(
    prediction: Float[Tensor, "b *grid c"], truth: Float[Tensor, "b *grid c"], weights: Tensor | None = None
) -> Float[Tensor, ""]:
    """Mean of weights times squared errors.

    >>> prediction, truth = torch.tensor([[[3.0], [1.0]]]), torch.tensor([[[1.0], [2.0]]])
    >>> weighted_mse(prediction, truth, torch.tensor([[1.5], [0.5]])).item()
    3.25
    """
    return _mean(_error(prediction, truth).square(), weights)


def weighted_mae(
    prediction: Float[Tensor, "b *grid c"], truth: Float[Tensor, "b *grid c"], weights: Tensor | None = None
) -> Float[Tensor, ""]:
    """Mean of weights times absolute errors.

    >>> weighted_mae(torch.tensor([[[3.0], [1.0]]]), torch.tensor([[[1.0], [2.0]]])).item()
    1.5
    """
    return _mean(_error(prediction, truth).abs(), weights)


def quantile_loss(
    prediction: Float[Tensor, "b *grid c"],
    truth: Float[Tensor, "b *grid c"],
    level: float | Float[Tensor, " c"],
    weights: Tensor | None = None,
) -> Float[Tensor, ""]:
    """Pinball loss, least where the prediction is the quantile of this level (Koenker & Bassett 1978, Econometrica 46).

    With e = truth - prediction it is the mean of max(level e, (level - 1) e). Levels may differ between channels, so
    that a network can predict several quantiles of a variable.

    >>> low, high = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    >>> round(quantile_loss(low, high, 0.9).item(), 6), round(quantile_loss(high, low, 0.9).item(), 6)
    (0.9, 0.1)
    """
    error = -_error(prediction, truth)
    return _mean(torch.maximum(level * error, (level - 1) * error), weights)


def exceedance_weights(
    truth: Float[Tensor, "b *grid c"],
    *,
    low: Float[Tensor, " c"] | None = None,
    high: Float[Tensor, " c"] | None = None,
    strength: float = 1.0,
    largest: float = 10.0,
) -> Float[Tensor, "b *grid c"]:
    """Weights of errors that grow with how far the truth is in a tail: min(1 + strength * excess, largest).

    Excess is the distance beyond the threshold of a channel, in the units of the truth, so normalise first. A threshold
    of infinity leaves a channel's side alone. Weights of the truth alone are no proper score: what is least is the
    mean under the weighted distribution, which lies further in the tail than the mean.

    Args:
        low: thresholds below which weights grow.
        high: thresholds above which weights grow.

    >>> truth = torch.tensor([[[0.0], [2.5], [-4.0], [90.0]]])
    >>> exceedance_weights(truth, high=torch.tensor([2.0]), strength=4.0).flatten().tolist()
    [1.0, 3.0, 1.0, 10.0]
    """
    truth = full_precision(truth)
    excess = torch.zeros_like(truth)
    if high is not None:
        excess = excess + (truth - high).clamp_min(0)
    if low is not None:
        excess = excess + (low - truth).clamp_min(0)
    return (1 + strength * excess).clamp_max(largest)


def almost_fair_crps(
    ensemble: Float[Tensor, "b m *grid c"],
    truth: Float[Tensor, "b *grid c"],
    alpha: float = 0.95,
    weights: Tensor | None = None,
) -> Float[Tensor, ""]:
    """Almost fair continuous ranked probability score (Lang et al. 2024, arXiv:2412.15832, equation 4).

    The mean of |x_j - y| over members less (1 - epsilon) / (2 m (m - 1)) times the sum of |x_j - x_k| over all pairs,
    where epsilon = (1 - alpha) / m. It is the fair score for alpha = 1 and the score of the empirical distribution for
    alpha = 0. The fair one alone does not see a member that strays when all others are right.

    >>> members, truth = torch.tensor([[[[1.0]], [[3.0]]]]), torch.tensor([[[0.0]]])
    >>> [almost_fair_crps(members, truth, alpha).item() for alpha in (0.0, 1.0)]
    [1.5, 1.0]

    Raises:
        UserError: a single member.
    """
    ensemble, m = full_precision(ensemble), ensemble.shape[1]
    if m < 2:
        raise UserError(f"The CRPS of an ensemble needs at least two members, but got {m}. Draw more, or use the MAE.")
    error = _error(ensemble, truth.unsqueeze(1).expand_as(ensemble)).abs().mean(dim=1)
    pairs = torch.stack([(ensemble[:, i:] - ensemble[:, :-i]).abs().sum(dim=1) for i in range(1, m)]).sum(dim=0)
    epsilon = (1 - alpha) / m
    return _mean(error - (1 - epsilon) / (m * (m - 1)) * pairs, weights)


def _error(prediction: Tensor, truth: Tensor) -> Tensor:
    """The difference, in float32 at least."""
    if prediction.shape != truth.shape:
        raise UserError(
            f"A loss needs a prediction of the truth's shape {tuple(truth.shape)}, but got {tuple(prediction.shape)}."
        )
    return full_precision(prediction) - full_precision(truth)


def _mean(value: Tensor, weights: Tensor | None) -> Tensor:
    return value.mean() if weights is None else (weights * value).mean()


# ------------------------------------------------------------------------------------------------------- whole samples


def relative_l2(
    prediction: Float[Tensor, "b *grid c"], truth: Float[Tensor, "b *grid c"], weights: Tensor | None = None
) -> Float[Tensor, ""]:
    """|prediction - truth| / |truth| of each sample over points and channels, averaged over samples.

    The error of Li et al. 2021 (arXiv:2010.08895). Infinite for a truth that is zero everywhere.

    >>> relative_l2(torch.tensor([[[3.0], [0.0]]]), torch.tensor([[[3.0], [4.0]]])).item()
    0.800000011920929
    """
    error, truth = _error(prediction, truth), full_precision(truth)
    if weights is not None:
        error, truth = error * weights.sqrt(), truth * weights.sqrt()
    return (_norm(error) / _norm(truth)).mean()


def relative_h1(
    prediction: Float[Tensor, "b *grid c"], truth: Float[Tensor, "b *grid c"], periodic: Sequence[bool]
) -> Float[Tensor, ""]:
    """As `relative_l2`, with the squared gradient added to the square under each norm: the Sobolev norm of order one.

    Lengths are of the unit box; see `derivative` for how the gradient is taken.

    A sine of one period and amplitude a has the squared norm (1 + 4 pi^2) a^2 / 2, so half of it is 0.5 away:

    >>> sine = torch.sin(2 * torch.pi * torch.arange(8) / 8).view(1, 8, 1)
    >>> round(relative_h1(0.5 * sine, sine, (True,)).item(), 6)
    0.5
    """
    error, truth = _error(prediction, truth), full_precision(truth)
    return (_norm(*_with_gradient(error, periodic)) / _norm(*_with_gradient(truth, periodic))).mean()


def derivative(x: Float[Tensor, "b *grid c"], axis: int, periodic: bool) -> Float[Tensor, "b *grid c"]:
    """First derivative along an axis of the unit box, 0 being the first after the samples.

    Spectral on a periodic axis, exact for what the grid resolves (a wave at its limit has slope zero). On another one
    by central differences, one-sided at its ends, exact for parabolas.

    >>> parabola = (torch.arange(4) / 3).square().view(1, 4, 1)
    >>> [round(slope, 6) for slope in derivative(parabola, 0, periodic=False).flatten().tolist()]
    [0.0, 0.666667, 1.333333, 2.0]

    Raises:
        UserError: fewer than three points on an axis with ends.
    """
    dim, n = axis + 1, x.shape[axis + 1]
    if periodic:
        wavenumber = torch.arange(n // 2 + 1, dtype=x.dtype, device=x.device)
        if n % 2 == 0:
            wavenumber[-1] = 0
        slope = torch.fft.rfft(x, dim=dim).movedim(dim, -1) * (2j * torch.pi * wavenumber)
        return torch.fft.irfft(slope, n=n, dim=-1).movedim(-1, dim)
    if n < 3:
        raise UserError(f"Slopes along an axis with ends need at least three points, but it has {n}. Use a finer grid.")
    first, second, third = (x.narrow(dim, i, 1) for i in range(3))
    last, next_last, third_last = (x.narrow(dim, n - 1 - i, 1) for i in range(3))
    inside = x.narrow(dim, 2, n - 2) - x.narrow(dim, 0, n - 2)
    ends = (4 * second - 3 * first - third, 3 * last - 4 * next_last + third_last)
    return torch.cat([ends[0], inside, ends[1]], dim=dim) * ((n - 1) / 2)


def _with_gradient(x: Tensor, periodic: Sequence[bool]) -> list[Tensor]:
    if len(periodic) != x.ndim - 2:
        raise UserError(f"Fields of shape {tuple(x.shape)} need `periodic` for {x.ndim - 2} axes, but got {periodic}.")
    return [x, *(derivative(x, axis, is_periodic) for axis, is_periodic in enumerate(periodic))]


def _norm(*parts: Tensor) -> Float[Tensor, " b"]:
    """Root of the sum of squares of each sample; unlike a bare root its gradient at zero is zero."""
    flat = [part.flatten(1) for part in parts]
    return torch.linalg.vector_norm(torch.cat(flat, dim=1) if len(flat) > 1 else flat[0], dim=1)


# ------------------------------------------------------------------------------------------------------------- spectra

# Power below this part of the truth's is as good as none: float32 transforms are exact to some 1e-14 of the power, and
# spectra of turbulence and weather reach some 1e-6 at the limit of their grids.
POWER_FLOOR = 1e-8


def spectral_loss(
    prediction: Float[Tensor, "b *grid c"],
    truth: Float[Tensor, "b *grid c"],
    grid: Grid,
    kind: SpectralKind = "adjusted",
    weights: Float[Tensor, " c"] | None = None,
) -> Float[Tensor, ""]:
    """What differs between the power spectra P of a prediction and T of the truth (see `cross_spectra`), by channel.

    - "log": mean over all shells but the first, the mean's, of ln(P / T)^2: every scale counts alike.
    - "amplitude": sum over shells of (sqrt P - sqrt T)^2: scales count as their power does; phases do not matter.
    - "adjusted": that plus 2 max(P, T) (1 - coherence), the adjusted mean squared error of Subich et al. 2025
      (arXiv:2501.19374). With the geometric mean of P and T for their maximum it would be the mean squared
      error, which forecasts lower by smoothing whatever they cannot place.

    Two waves of equal power a quarter of a period apart, which no power spectrum tells apart:

    >>> angle, grid = 2 * torch.pi * torch.arange(8) / 8, Grid((8,), (True,))
    >>> sine, cosine = torch.sin(angle).view(1, 8, 1), torch.cos(angle).view(1, 8, 1)
    >>> [round(spectral_loss(sine, cosine, grid, kind).item(), 6) for kind in ("log", "amplitude", "adjusted")]
    [0.0, 0.0, 1.0]
    """
    power_p, power_t, cross = cross_spectra(prediction, truth, grid)
    floor = POWER_FLOOR * power_t.sum(dim=1, keepdim=True) + torch.finfo(power_t.dtype).tiny
    if kind == "log":
        return _mean(((power_p + floor) / (power_t + floor)).log()[:, 1:].square().mean(dim=1), weights)
    root_p, root_t = (power_p + floor).sqrt(), (power_t + floor).sqrt()
    difference = (root_p - root_t).square()
    if kind == "adjusted":
        # products of small powers would underflow in float32: divide by one root after the other
        coherence = (cross + floor) / root_p / root_t
        difference = difference + 2 * torch.maximum(power_p, power_t) * (1 - coherence)
    return _mean(difference.sum(dim=1), weights)
