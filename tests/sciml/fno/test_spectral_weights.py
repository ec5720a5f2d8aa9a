"""Every kind of spectral weight: the convolution's law, numpy's FFT as a second road, sizes and spread at the start."""

from __future__ import annotations

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor

from sciml.fno.fno import FNOConfig
from sciml.fno.fourier import frequencies, kept_shape
from sciml.fno.spectral_weights import (
    SPECTRAL_CONVOLUTIONS,
    Axes,
    LowRank,
    SpectralConvolution,
    cp_rank,
    tt_ranks,
    tucker_ranks,
)

KINDS = pytest.mark.parametrize("kind", SPECTRAL_CONVOLUTIONS)
CASES = [((7,), (4,)), ((6, 9), (4, 5)), ((5, 4, 6), (3, 4, 4))]
# sums of some hundred products of order 1 in float64
ROUNDING = 1e-12


def make(kind: str, modes: tuple[int, ...], channels: int = 3, rank: float = 0.5) -> SpectralConvolution:
    torch.manual_seed(0)
    return SPECTRAL_CONVOLUTIONS[kind](modes, channels, rank).double()


def by_numpy(x: Tensor, weight: Tensor, modes: tuple[int, ...]) -> np.ndarray:
    """The convolution with a dense weight, through all coefficients."""
    shape = x.shape[1:-1]
    axes, kept = tuple(range(1, 1 + len(shape))), kept_shape(modes)
    per_axis = [frequencies(k, axis == len(kept) - 1) % n for axis, (k, n) in enumerate(zip(kept, shape, strict=True))]
    where = (slice(None), *np.ix_(*per_axis))
    spectrum = np.fft.rfftn(x.numpy(), axes=axes, norm="forward")
    out = np.zeros_like(spectrum)
    out[where] = np.einsum("b...i,...io->b...o", spectrum[where], torch.view_as_complex(weight.detach()).numpy())
    return np.fft.irfftn(out, s=shape, axes=axes, norm="forward")


def test_the_configuration_names_all_kinds() -> None:
    assert set(get_args(get_type_hints(FNOConfig)["weights"])) == set(SPECTRAL_CONVOLUTIONS)


@KINDS
@pytest.mark.parametrize(("shape", "modes"), CASES, ids=str)
def test_each_coefficient_has_its_matrix(kind: str, shape: tuple[int, ...], modes: tuple[int, ...]) -> None:
    convolution = make(kind, modes)
    x = torch.randn(2, *shape, 3, dtype=torch.float64)
    if isinstance(convolution, Axes):
        expected = np.zeros(x.shape)
        for axis, (along, m) in enumerate(zip(convolution.along, modes, strict=True), start=1):
            lines = x.movedim(axis, -2)
            one = by_numpy(lines.reshape(-1, shape[axis - 1], 3), along.dense(), (m,))
            expected += np.moveaxis(one.reshape(lines.shape), -2, axis)
    else:
        expected = by_numpy(x, convolution.dense(), modes)
    np.testing.assert_allclose(convolution(x).detach().numpy(), expected, atol=ROUNDING)


@KINDS
def test_a_shifted_field_gives_the_shifted_result(kind: str) -> None:
    convolution = make(kind, (4, 5))
    x = torch.randn(1, 8, 9, 3, dtype=torch.float64)
    shifted = convolution(x.roll((3, -2), dims=(1, 2)))
    torch.testing.assert_close(shifted, convolution(x).roll((3, -2), dims=(1, 2)), atol=ROUNDING, rtol=0)


@KINDS
def test_all_parameters_are_real_and_learn(kind: str) -> None:
    convolution = make(kind, (4, 5))
    convolution(torch.randn(1, 8, 9, 3, dtype=torch.float64)).square().sum().backward()
    for name, parameter in convolution.named_parameters():
        assert parameter.dtype == torch.float64 and parameter.shape[-1] == 2, name
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert set(convolution.state_dict()) == {name for name, _ in convolution.named_parameters()}


def test_cp_tucker_and_tt_are_what_their_names_say() -> None:
    """Element by element, from the definitions."""
    at = (1, 2, 3, 0)
    for kind in ("cp", "tucker", "tt"):
        convolution = make(kind, (4, 5))
        assert isinstance(convolution, LowRank)
        factors = [torch.view_as_complex(factor.detach()).numpy() for factor in convolution.factors]
        if kind == "cp":
            element = np.prod([factor[i] for factor, i in zip(factors, at, strict=True)], axis=0).sum()
        elif kind == "tucker":
            core = torch.view_as_complex(convolution.get_parameter("core").detach()).numpy()
            element = np.einsum("abcd,a,b,c,d->", core, *(factor[i] for factor, i in zip(factors, at, strict=True)))
        else:
            element = np.linalg.multi_dot([factor[:, i] for factor, i in zip(factors, at, strict=True)]).item()
        assert convolution.product()[at].item() == pytest.approx(element, rel=1e-12)


@pytest.mark.parametrize("kind", ["cp", "tucker", "tt"])
@pytest.mark.parametrize("rank", [0.05, 0.3, 1.0])
@pytest.mark.parametrize(("modes", "channels"), [((16,), 16), ((12, 12), 16), ((8, 8, 8), 8)], ids=str)
def test_the_rank_is_the_share_of_parameters(kind: str, rank: float, modes: tuple[int, ...], channels: int) -> None:
    low = sum(parameter.numel() for parameter in make(kind, modes, channels, rank).parameters())
    dense = sum(parameter.numel() for parameter in make("dense", modes, channels).parameters())
    # ranks are whole numbers, down to about 3 here, of which TT and Tucker have products
    assert low / dense == pytest.approx(rank, rel=0.35)


def test_a_rank_is_at_least_one() -> None:
    assert cp_rank((2, 2, 3), 0.01) == 1
    assert tucker_ranks((2, 2, 3), 0.01) == (1, 1, 1)
    assert tt_ranks((2, 2, 3), 0.01) == (1, 1, 1, 1)


@pytest.mark.parametrize("kind", ["dense", "separable", "cp", "tucker", "tt"])
def test_the_weight_starts_with_its_standard_deviation(kind: str) -> None:
    weights = [SPECTRAL_CONVOLUTIONS[kind]((8, 8), 16, 0.3) for _ in range(20)]
    if kind == "separable":
        values = torch.stack([weight.get_parameter("weight").detach() for weight in weights])
    else:
        values = torch.stack([weight.dense().detach() for weight in weights])
    # products of four factors have heavy tails, so 20 low-rank weights scatter by some percent
    assert values.square().sum(-1).mean().sqrt().item() == pytest.approx(16**-0.5, rel=0.15)
    assert values[..., 0].std().item() == pytest.approx(values[..., 1].std().item(), rel=0.1)


@KINDS
def test_convolutions_leave_autocast(kind: str) -> None:
    convolution = make(kind, (4, 5)).float()
    x = torch.randn(1, 8, 9, 3).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = convolution(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, convolution(x.float()), rtol=0, atol=0)
