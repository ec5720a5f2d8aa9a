"""The compiled block and perceptron against torch's own operations, which are tested for themselves elsewhere."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from sciml.core import native
from sciml.core.errors import UserError
from sciml.fno import kernels
from sciml.fno.fno import FNO, FNOConfig
from sciml.fno.fourier import kept_shape
from sciml.fno.grids import Grid
from sciml.fno.kernel_memory import empty
from sciml.fno.sphere_mixing import mixed
from sciml.fno.sphere_sums import truncation

# sums of some hundred terms differ by their order: a few units of the last place of the largest
FLOAT64, FLOAT32 = 1e-12, 1e-5
# in float32 the slopes of weights are sums over all points, and GELU's is a polynomial to 2e-7
FLOAT32_SLOPES = 1e-4

Parts = list[Tensor | None]


@pytest.fixture(autouse=True)
def compiled() -> None:
    if native.load(kernels.SOURCE) is None:
        pytest.skip("no C++ compiler, or SCIML_KERNELS=0: there are no compiled kernels to compare")


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def parts(
    modes: tuple[int, ...],
    shape: tuple[int, ...],
    channels: int = 5,
    hidden: int | None = 3,
    skip: int = 2,
    mlp_skip: int = 1,
    batch: int = 2,
    by_sample: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Parts:
    """Random tensors of a block; a skip is nothing (0), factors (1) or a matrix (2)."""
    generator = torch.Generator().manual_seed(0)
    c = channels

    def normal(*size: int) -> Tensor:
        # of unit variance behind a map of so many channels
        scale = size[-1] ** -0.5 if len(size) == 2 else 1.0
        return (scale * torch.randn(*size, generator=generator, dtype=dtype)).requires_grad_()

    around = [None if kind == 0 else normal(*[c] * kind) for kind in (skip, mlp_skip)]
    convolution = (torch.randn(*kept_shape(modes), c, c, 2, generator=generator, dtype=dtype) / c).requires_grad_()
    bias = normal(batch, c) if by_sample else normal(c)
    mlp: Parts = [None] * 4
    if hidden is not None:
        mlp = [normal(hidden, c), normal(hidden), normal(c, hidden), normal(c)]
    return [normal(batch, *shape, c), convolution, bias, around[0], *mlp, around[1] if hidden is not None else None]


def fused(modes: tuple[int, ...], activate: bool, *given: Tensor | None) -> Tensor:
    x, convolution, bias, skip, w1, b1, w2, b2, mlp_skip = given
    assert x is not None
    assert convolution is not None
    assert bias is not None
    mlp = None if w1 is None or b1 is None or w2 is None or b2 is None else (w1, b1, w2, b2)
    out = kernels.block(modes, x, convolution, bias, skip, mlp, mlp_skip, activate)
    assert out is not None
    return out


def results(function: Callable[..., Tensor], given: Sequence[Tensor | None]) -> list[Tensor]:
    """Output and gradients."""
    out = function(*given)
    inputs = [tensor for tensor in given if tensor is not None and tensor.requires_grad]
    direction = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=out.dtype)
    return [out.detach(), *torch.autograd.grad(out, inputs, direction)]


def deviations(ours: list[Tensor], theirs: list[Tensor]) -> list[float]:
    return [float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, theirs, strict=True)]


def check_block(modes: tuple[int, ...], given: Parts, activate: bool, tolerance: float, of_slopes: float) -> None:
    ours = results(lambda *inputs: fused(modes, activate, *inputs), given)
    theirs = results(lambda *inputs: kernels.plain_block(modes, activate, *inputs), given)
    out, *slopes = deviations(ours, theirs)
    assert out < tolerance
    assert max(slopes) < of_slopes


# odd and even numbers of points and modes; all the modes there are, the Nyquist frequency among them; a single one
GRIDS = [
    ((5,), (8,)),
    ((8,), (9,)),
    ((4, 6), (8, 6)),
    ((7, 4), (7, 9)),
    ((1, 1), (2, 2)),
    ((3, 2, 4), (6, 5, 8)),
    ((4, 4, 4), (4, 4, 4)),
]
# everything that a block may be made of; more and fewer channels than a vector has, and more than two vectors
KINDS = [
    ({"skip": 2, "mlp_skip": 1, "channels": 5, "hidden": 3, "batch": 1}, True),
    ({"skip": 1, "mlp_skip": 2, "channels": 16, "hidden": 8, "by_sample": True}, False),
    ({"skip": 0, "mlp_skip": 0, "channels": 20, "hidden": 33, "batch": 3}, True),
    ({"skip": 2, "channels": 40, "hidden": None}, True),
]


@pytest.mark.parametrize(("modes", "shape"), GRIDS)
@pytest.mark.parametrize(("kind", "activate"), KINDS)
def test_block_is_that_of_torch(modes: tuple[int, ...], shape: tuple[int, ...], kind: dict, activate: bool) -> None:
    check_block(modes, parts(modes, shape, **kind), activate, FLOAT64, FLOAT64)


@pytest.mark.parametrize(("modes", "shape"), [((16,), (100,)), ((16, 16), (32, 64)), ((4, 4, 4), (8, 8, 8))])
def test_block_in_single_precision(modes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    check_block(modes, parts(modes, shape, channels=32, hidden=16, dtype=torch.float32), True, FLOAT32, FLOAT32_SLOPES)


@pytest.mark.parametrize("activate", [True, False])
def test_gradient_of_the_block_is_the_slope_of_its_output(activate: bool) -> None:
    given = parts((3, 4), (4, 5), channels=2, hidden=2, batch=1)
    inputs = tuple(tensor for tensor in given if tensor is not None)
    assert torch.autograd.gradcheck(lambda *inputs: fused((3, 4), activate, *inputs), inputs)


@pytest.mark.parametrize("sizes", [(3, 64, 32), (32, 64, 1), (5, 7, 9)])
@pytest.mark.parametrize(
    ("dtype", "out", "slopes"), [(torch.float64, FLOAT64, FLOAT64), (torch.float32, FLOAT32, FLOAT32_SLOPES)]
)
def test_perceptron_is_that_of_torch(
    sizes: tuple[int, int, int], dtype: torch.dtype, out: float, slopes: float
) -> None:
    i, e, o = sizes
    shapes = [(2, 2100, i), (e, i), (e,), (o, e), (o,)]  # more than one part of points, and not whole tiles
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]
    found = deviations(results(kernels.two_layers, given), results(kernels.plain_two_layers, given))
    assert found[0] < out
    assert max(found[1:]) < slopes
    # the gradients of the weights alone, as in the first layer of a network
    given[0] = given[0].detach()
    assert max(deviations(results(kernels.two_layers, given), results(kernels.plain_two_layers, given))) < slopes


def test_memory_with_a_sign_to_be_applied_is_read_with_it() -> None:
    shapes = [(3, 9, 5), (7, 5), (7,), (4, 7), (4,)]
    given = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    conjugated = torch.complex(given[0], given[0]).conj().imag
    assert conjugated.is_neg()
    found = kernels.two_layers(conjugated, *given[1:])
    torch.testing.assert_close(found, kernels.plain_two_layers(-given[0], *given[1:]))


@pytest.mark.parametrize("hidden", [5, 64])
def test_perceptron_takes_channels_that_samples_share(hidden: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 9, 5, 2), (hidden, 5), (hidden,), (4, hidden), (4,)]
    given = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    places = torch.randn(9, 5, 3, generator=generator, dtype=torch.float64)
    ours = results(lambda *inputs: kernels.two_layers(*inputs, places), given)
    theirs = results(lambda *inputs: kernels.plain_two_layers(*inputs, places), given)
    assert max(deviations(ours, theirs)) < FLOAT64


@pytest.mark.parametrize("complex_parts", [[2], []])
@pytest.mark.parametrize(("i", "o"), [(16, 32), (5, 7)])
def test_matrices_of_degrees_are_those_of_torch(i: int, o: int, complex_parts: list[int]) -> None:
    kept, generator = truncation(6, 4), torch.Generator().manual_seed(0)
    shapes = [(kept.size, 2, 2, i), (6, i, o, *complex_parts)]
    given = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    ours = results(lambda x, weight: mixed(x, weight, kept), given)
    with kernels.plain_route():
        theirs = results(lambda x, weight: mixed(x, weight, kept), given)
    assert max(deviations(ours, theirs)) < FLOAT64
    # one of both gradients alone
    (slope,) = torch.autograd.grad(mixed(given[0].detach(), given[1], kept).sum(), given[1])
    assert slope.shape == given[1].shape


def test_memory_is_used_again_when_nobody_holds_it() -> None:
    library, like = kernels.library(), torch.zeros(())
    first = empty(library, like, 1024, 512)
    held = first[3:5].detach()
    second = empty(library, like, 1024, 512)
    assert second.data_ptr() != first.data_ptr()
    held.fill_(7.0)
    at = first.data_ptr()
    del first
    assert empty(library, like, 1024, 512).data_ptr() not in (at, second.data_ptr())
    assert bool((held == 7.0).all())
    del held
    assert empty(library, like, 1024, 512).data_ptr() == at


def test_too_little_memory_is_an_error_of_python() -> None:
    library, like = kernels.library(), torch.zeros(())
    with pytest.raises(MemoryError, match="no memory left for a field"):
        empty(library, like, 2**50)
    # the scratch of a call: 2^52 points, of which no number is read before there is room for their sums
    sizes = [ctypes.c_int64(size) for size in (2**52, 1, 1, 0, 1, 1)]
    with pytest.raises(MemoryError, match="no memory left for the intermediate fields"):
        kernels.call(library, "two_layers_slope", like, sizes, [like, None, *[like] * 3, None, *[like] * 6])


def test_a_changed_header_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIML_CACHE", str(tmp_path))
    source, header = tmp_path / "one.cpp", tmp_path / "one.h"
    source.write_text('#include "one.h"\nextern "C" int number() { return NUMBER; }\n')
    for number in (1, 2):
        header.write_text(f"#define NUMBER {number}\n")
        native.load.cache_clear()
        library = native.load(source)
        assert library is not None
        assert library.number() == number
    native.load.cache_clear()


def test_gelu_is_exact_to_rounding() -> None:
    # through a perceptron that does nothing else
    x = torch.cat([torch.linspace(-12, 12, 100_001), torch.tensor([-100.0, -0.0, 100.0, 1e-30])])[:, None]
    one, none = torch.ones(1, 1), torch.zeros(1)
    x.requires_grad_()
    out = kernels.two_layers(x, one, none, one, none)
    (slope,) = torch.autograd.grad(out.sum(), x)
    exact = x.detach().double().requires_grad_()
    (exact_slope,) = torch.autograd.grad(gelu(exact).sum(), exact)
    # the fits' 5e-8 and 1e-7 (2e-7 without AVX-512), and the rounding of numbers up to 100 and 1
    assert (out - gelu(exact)).abs().div(1 + exact.abs()).max() < 2e-7
    assert (slope - exact_slope).abs().max() < 4e-7
    assert kernels.two_layers(torch.tensor([[float("nan")]]), one, none, one, none).isnan().all()


def test_strides_and_threads_do_not_matter(threads: Callable[[int], None]) -> None:
    given = parts((4, 4), (12, 10), channels=16, hidden=8, batch=3)
    threads(1)
    once = results(lambda *inputs: fused((4, 4), True, *inputs), given)
    threads(3)
    for ours, alone in zip(results(lambda *inputs: fused((4, 4), True, *inputs), given), once, strict=True):
        assert torch.equal(ours, alone)
    strided = [
        None if t is None else t.detach().mT.contiguous().mT.requires_grad_() if t.ndim > 1 else t for t in given
    ]
    for ours, alone in zip(results(lambda *inputs: fused((4, 4), True, *inputs), strided), once, strict=True):
        assert torch.equal(ours, alone)


def test_second_derivatives_go_the_plain_route() -> None:
    network, x = small_network(), torch.randn(1, 6, 8, 1, dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.float64)

    def twice() -> Tensor:
        (first,) = torch.autograd.grad(network(x, one).sum(), x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), x)[0]

    ours = twice()
    with kernels.plain_route():
        assert (ours - twice()).abs().max() < FLOAT64 * ours.abs().max()


def small_network(**changes: object) -> FNO:
    torch.manual_seed(0)
    config = FNOConfig(**{"modes": (4, 4), "width": 6, "layers": 2, **changes})  # pyright: ignore[reportArgumentType]
    return FNO(config, 1, 1, Grid((6, 8), (True, False)), n_conditions=1).double()


NETWORKS = [
    {},
    {"skip": "identity", "channel_mlp_skip": "linear"},
    {"skip": "soft-gating", "channel_mlp_skip": None},
    {"channel_mlp_expansion": None, "skip": None},
    {"weights": "cp"},
    {"weights": "separable"},
]


@pytest.mark.parametrize("changes", NETWORKS)
def test_network_takes_either_route(changes: dict) -> None:
    network = small_network(**changes)
    x, condition = torch.randn(2, 6, 8, 1, dtype=torch.float64), torch.randn(2, 1, dtype=torch.float64)
    given = [x, condition, *network.parameters()]
    ours = results(lambda x, condition, *_: network(x, condition), given)
    with kernels.plain_route():
        theirs = results(lambda x, condition, *_: network(x, condition), given)
    assert max(deviations(ours, theirs)) < FLOAT64
    with torch.inference_mode():
        assert torch.equal(network(x, condition), ours[0])


def test_the_kernels_leave_what_they_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1, 6, 8, 1)
    assert kernels.runs_on(x)
    assert not kernels.runs_on(x.half())
    assert not kernels.runs_on(x.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not kernels.runs_on(x)
    with kernels.plain_route():
        assert not kernels.runs_on(x)
    network = small_network().float()
    one = torch.ones(1, 1)
    # forward mode and functorch have rules for torch's operations
    _, slope = torch.func.jvp(lambda x: network(x, one), (x,), (x,))
    assert slope.shape == x.shape
    before = network(x, one)
    monkeypatch.setattr(native, "load", lambda source: None)
    assert not kernels.runs_on(x)
    # float32: two routes
    torch.testing.assert_close(network(x, one), before, rtol=FLOAT32, atol=FLOAT32)


def test_a_grid_too_coarse_for_the_modes_is_refused() -> None:
    given = parts((4, 4), (8, 8))
    coarse = given[0]
    assert coarse is not None
    with pytest.raises(UserError, match="4 x 4 Fourier modes"):
        fused((4, 4), True, coarse[:, :3], *given[1:])
