"""Both routes of the partial transforms against numpy's FFT, and what they do at the ends of the spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sciml.core.errors import UserError
from sciml.fno import constants, fourier
from sciml.fno.fourier import frequencies, inverse_transform, kept_shape, transform

MATRICES = (fourier._matrix_transform, fourier._matrix_inverse)
FFT = (fourier._fft_transform, fourier._fft_inverse)
ROUTES = pytest.mark.parametrize("route", [MATRICES, FFT], ids=["matrices", "FFT"])
# sums of some hundred products of order 1 in float64
ROUNDING = 1e-13

Route = tuple[Callable[..., Tensor], Callable[..., Tensor]]


@st.composite
def grids(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A grid of one to three axes, odd and even, and modes from one to all of it."""
    shape = draw(st.lists(st.integers(2, 9), min_size=1, max_size=3))
    return tuple(shape), tuple(draw(st.integers(1, n)) for n in shape)


def indices(modes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Where the kept coefficients stand in numpy's order: negative frequencies at the end."""
    kept = kept_shape(modes)
    per_axis = [frequencies(k, axis == len(kept) - 1) % n for axis, (k, n) in enumerate(zip(kept, shape, strict=True))]
    return np.ix_(*per_axis)


def as_complex(spectrum: Tensor) -> np.ndarray:
    return torch.complex(spectrum[:, 0], spectrum[:, 1]).numpy()


@ROUTES
@given(case=grids())
@settings(max_examples=40)
def test_the_coefficients_are_those_of_numpy(route: Route, case: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    shape, modes = case
    x = np.random.default_rng(0).normal(size=(2, *shape, 3))
    axes = tuple(range(1, 1 + len(shape)))
    everything = np.fft.rfftn(x, axes=axes, norm="forward")
    expected = everything[(slice(None), *indices(modes, shape))]
    np.testing.assert_allclose(as_complex(route[0](torch.from_numpy(x), modes)), expected, atol=ROUNDING)


@ROUTES
@given(case=grids())
@settings(max_examples=40)
def test_the_field_is_that_of_numpy(route: Route, case: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """Any coefficients, also those that no real field has: of frequency 0 and n / 2 of the last axis."""
    shape, modes = case
    spectrum = np.random.default_rng(0).normal(size=(2, 2, *kept_shape(modes), 3))
    everything = np.zeros((2, *shape[:-1], shape[-1] // 2 + 1, 3), complex)
    everything[(slice(None), *indices(modes, shape))] = spectrum[:, 0] + 1j * spectrum[:, 1]
    expected = np.fft.irfftn(everything, s=shape, axes=tuple(range(1, 1 + len(shape))), norm="forward")
    np.testing.assert_allclose(route[1](torch.from_numpy(spectrum), modes, shape), expected, atol=10 * ROUNDING)


@ROUTES
@pytest.mark.parametrize("shape", [(8,), (9,), (7, 10), (10, 7), (4, 5, 6)], ids=str)
def test_all_modes_give_the_field_back(route: Route, shape: tuple[int, ...]) -> None:
    x = torch.randn(2, *shape, 3, dtype=torch.float64)
    torch.testing.assert_close(route[1](route[0](x, shape), shape, shape), x, atol=ROUNDING, rtol=0)


@ROUTES
@pytest.mark.parametrize("n", [8, 9])
def test_imaginary_parts_that_a_real_field_has_not_are_dropped(route: Route, n: int) -> None:
    spectrum = torch.randn(1, 2, n // 2 + 1, 1, dtype=torch.float64)
    changed = spectrum.clone()
    changed[:, 1, [0, -1] if n % 2 == 0 else [0]] += 1
    torch.testing.assert_close(route[1](changed, (n,), (n,)), route[1](spectrum, (n,), (n,)), atol=ROUNDING, rtol=0)
    changed[:, 1, 1] += 1
    assert (route[1](changed, (n,), (n,)) - route[1](spectrum, (n,), (n,))).abs().max() > 1


@ROUTES
def test_coefficients_and_field_do_not_depend_on_the_resolution(route: Route) -> None:
    """sin(2 pi (2 x - 3 y)) + cos(2 pi x) on two grids, one of which is twice as fine."""

    def field(*shape: int) -> Tensor:
        x, y = (torch.arange(n, dtype=torch.float64) / n for n in shape)
        waves = torch.sin(2 * torch.pi * (2 * x[:, None] - 3 * y)) + torch.cos(2 * torch.pi * x[:, None])
        return waves[None, :, :, None]

    modes = (6, 7)
    coarse, fine = route[0](field(8, 9), modes), route[0](field(16, 18), modes)
    torch.testing.assert_close(fine, coarse, atol=ROUNDING, rtol=0)
    # cos is half of frequency 1 and half of -1; sin(2x - 3y), seen at +3, is +i/2 at (-2, 3)
    assert coarse[0, 0, [2, 4], 0, 0].tolist() == pytest.approx([0.5, 0.5])
    assert coarse[0, 1, 1, 3, 0].item() == pytest.approx(0.5)
    torch.testing.assert_close(route[1](coarse, modes, (8, 9)), field(8, 9), atol=ROUNDING, rtol=0)
    back = route[1](coarse, modes, (16, 18))[:, ::2, ::2]
    torch.testing.assert_close(back, field(8, 9), atol=ROUNDING, rtol=0)


@ROUTES
def test_gradients(route: Route) -> None:
    x = torch.randn(1, 5, 6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: route[0](x, (3, 6)), [x], fast_mode=True)
    spectrum = torch.randn(1, 2, 3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda spectrum: route[1](spectrum, (3, 6), (5, 6)), [spectrum], fast_mode=True)


def test_high_frequencies_are_as_exact_as_low_ones() -> None:
    """Whole turns are left out of the angles: 1024 points and frequencies, and the errors of sums alone."""
    torch.manual_seed(0)
    x = torch.randn(1, 1024, 4, dtype=torch.float64)
    exact = fourier._fft_transform(x, (1024,))
    assert (fourier._matrix_transform(x, (1024,)) - exact).abs().max() < 1e-15
    # coefficients of order 1 / 32 from 1024 additions, each of which may round by 2e-9
    assert (fourier._matrix_transform(x.float(), (1024,)) - exact).abs().max() < 2e-6


@pytest.mark.parametrize(("n", "modes", "route"), [(64, 16, "_matrix_"), (256, 256, "_fft_")])
def test_the_rule_chooses_the_route(n: int, modes: int, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for name in ("_matrix_transform", "_fft_transform", "_matrix_inverse", "_fft_inverse"):
        function = getattr(fourier, name)
        monkeypatch.setattr(fourier, name, lambda *args, f=function, name=name: taken.append(name) or f(*args))
    inverse_transform(transform(torch.zeros(1, n, 1), (modes,)), (modes,), (n,))
    assert taken == [f"{route}transform", f"{route}inverse"]


@pytest.mark.parametrize("modes", [(9, 4), (8, 9)])
def test_more_modes_than_points_are_refused(modes: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"modes need at least as many points .* has 8 x 8. Lower `modes`"):
        transform(torch.zeros(1, 8, 8, 1), modes)
    with pytest.raises(UserError, match="use a finer grid"):
        inverse_transform(torch.zeros(1, 2, *kept_shape(modes), 1), modes, (8, 8))


def test_a_matrix_that_inference_made_serves_training() -> None:
    constants._MADE.clear()
    with torch.inference_mode():
        transform(torch.zeros(1, 12, 1), (3,))
    x = torch.randn(1, 12, 1, requires_grad=True)
    transform(x, (3,)).sum().backward()
    assert x.grad is not None
