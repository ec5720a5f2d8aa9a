"""One block of a Fourier neural operator and a perceptron of two layers by the compiled kernels.cpp, in one pass each.

They take over where they can, on a CPU in single or double precision; elsewhere torch's operations do the same. The
backward pass is compiled too; if it is itself to be differentiated (`create_graph=True`), it goes the plain route, from
the same inputs.

Shapes: b batch, c channels, e hidden channels, "2" real and imaginary part.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn.functional import gelu, linear

from sciml.core import native
from sciml.fno.fourier import check_modes, inverse_transform, kept_shape, transform
from sciml.fno.kernel_memory import empty
from sciml.fno.spectral_weights import multiply

SOURCE = Path(__file__).with_name("kernels.cpp")
_SUFFIX = {torch.float32: "f32", torch.float64: "f64"}
# what the kernels are written for
_MOST_AXES = 3
# of a perceptron: below it takes as long to read what was ahead of GELU as to find it again
_INPUTS_TO_KEEP = 16

_switched_off: ContextVar[bool] = ContextVar("switched_off", default=False)


@contextmanager
def plain_route() -> Iterator[None]:
    """Within it nothing is compiled: every operation is torch's own."""
    token = _switched_off.set(True)
    try:
        yield
    finally:
        _switched_off.reset(token)


def runs_on(x: Tensor) -> bool:
    """Whether the kernels can take over for this field, here and now."""
    return _library([x]) is not None


def library() -> ctypes.CDLL:
    """The compiled kernels, for callers whom `runs_on` has told that there are some."""
    compiled = native.load(SOURCE)
    assert compiled is not None
    return compiled


def block(
    modes: tuple[int, ...],
    x: Float[Tensor, "b *grid c"],
    spectral: Float[Tensor, "*kept c c 2"],
    bias: Float[Tensor, "*samples c"],
    skip: Float[Tensor, "*o c"] | None,
    mlp: tuple[Tensor, Tensor, Tensor, Tensor] | None,
    mlp_skip: Float[Tensor, "*p c"] | None,
    activate: bool = True,
) -> Float[Tensor, "b *grid c"] | None:
    """y = gelu(convolution(x) + bias + skip(x)), then gelu(mlp(y) + mlp_skip(x)); None where the kernels do not run.

    Args:
        modes: along each axis, counted as in `sciml.fno.fourier`.
        x: the field.
        spectral: complex matrices of the kept modes, from channels i to channels o.
        bias: of all samples [c], or of each [b, c].
        skip: around the convolution: a matrix [o, i], a factor for each channel [c], or None.
        mlp: weight [e, c] and bias [e] of its first layer, weight [c, e] and bias [c] of its second; None for none.
        mlp_skip: around the perceptron, as `skip`.
        activate: whether GELU follows the two sums.

    Raises:
        UserError: more modes than points.
    """
    check_modes(modes, tuple(x.shape[1:-1]))
    given = [x, spectral, bias, skip, *(mlp or [None] * 4), None if mlp is None else mlp_skip]
    if len(modes) > _MOST_AXES or (library := _library(given)) is None:
        return None
    _check_shapes(modes, given)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in given):
        return _Block.apply(library, modes, activate, *given)
    return _run_block(library, activate, _contiguous(given))[0]


def plain_block(modes: tuple[int, ...], activate: bool, *given: Tensor | None) -> Tensor:
    """The same by torch's operations; of x, spectral, bias, skip, the four of the perceptron, mlp_skip."""
    x, spectral, bias, skip, w1, b1, w2, b2, mlp_skip = given
    assert x is not None and spectral is not None and bias is not None
    mlp = None
    if w1 is not None and b1 is not None and w2 is not None and b2 is not None:
        mlp = functools.partial(plain_two_layers, w1=w1, b1=b1, w2=w2, b2=b2)
    spectrum = multiply(transform(x, modes), spectral)
    convolved = inverse_transform(spectrum, modes, tuple(x.shape[1:-1]))
    return behind_convolution(convolved, x, bias, skip, mlp, mlp_skip, activate)


def behind_convolution(
    convolved: Float[Tensor, "b *grid c"],
    x: Float[Tensor, "b *grid c"],
    bias: Float[Tensor, "*samples c"],
    skip: Float[Tensor, "*o c"] | None,
    mlp: Callable[[Tensor], Tensor] | None,
    mlp_skip: Float[Tensor, "*p c"] | None,
    activate: bool,
) -> Float[Tensor, "b *grid c"]:
    """What a block does point by point, by torch's operations; all arguments but `mlp` are those of `block`."""
    if bias.ndim > 1:
        bias = bias.reshape(bias.shape[0], *[1] * (x.ndim - 2), bias.shape[1])
    y = convolved + bias + _skipped(skip, x)
    y = gelu(y) if activate else y
    if mlp is None:
        return y
    y = mlp(y) + _skipped(mlp_skip, x)
    return gelu(y) if activate else y


def _skipped(weight: Tensor | None, x: Tensor) -> Tensor | float:
    if weight is None:
        return 0.0
    return linear(x, weight) if weight.ndim == 2 else weight * x


def _check_shapes(modes: tuple[int, ...], given: Sequence[Tensor | None]) -> None:
    x, spectral, bias, skip, w1, b1, w2, b2, mlp_skip = given
    assert x is not None and spectral is not None and bias is not None
    c = x.shape[-1]
    assert x.ndim == len(modes) + 2 and spectral.shape == (*kept_shape(modes), c, c, 2)
    assert bias.shape in ((c,), (x.shape[0], c))
    assert all(weight is None or weight.shape in ((c,), (c, c)) for weight in (skip, mlp_skip))
    if w1 is not None and b1 is not None and w2 is not None and b2 is not None:
        e = w1.shape[0]
        assert w1.shape == (e, c) and b1.shape == (e,) and w2.shape == (c, e) and b2.shape == (c,)


def two_layers(
    x: Float[Tensor, "*points i"],
    w1: Float[Tensor, "e k"],
    b1: Float[Tensor, "e"],
    w2: Float[Tensor, "o e"],
    b2: Float[Tensor, "o"],
    places: Float[Tensor, "*grid j"] | None = None,
) -> Float[Tensor, "*points o"]:
    """Two linear maps of channels with GELU between, by the kernels where they run.

    Args:
        places: further channels, the same in each sample of x; no gradient goes to them.
    """
    given = [x, w1, b1, w2, b2]
    inputs = x.shape[-1] + (0 if places is None else places.shape[-1])
    assert places is None or places.shape[:-1] == x.shape[1:-1]
    assert w1.shape == (*b1.shape, inputs) and w2.shape == (*b2.shape, *b1.shape)
    if (library := _library([*given, places])) is None:
        return plain_two_layers(*given, places=places)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        return _TwoLayers.apply(library, places, *given)
    return _run_two_layers(library, _contiguous([*given, places]))[0]


def plain_two_layers(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, places: Tensor | None = None) -> Tensor:
    """The same by torch."""
    if places is not None:
        x = torch.cat([x, places.expand(*x.shape[:-1], -1)], dim=-1)
    return linear(gelu(linear(x, w1, b1)), w2, b2)


# ----------------------------------------------------------------------------------------------- whether, and the calls


def _library(given: Sequence[Tensor | None]) -> ctypes.CDLL | None:
    """The compiled kernels, if they can take these tensors here and now."""
    x = given[0]
    assert x is not None
    if (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or torch._C._are_functorch_transforms_active()
    ):
        return None
    if _switched_off.get() or x.dtype not in _SUFFIX or x.numel() == 0:
        return None
    for tensor in given:
        # subclasses are tracers' stand-ins without numbers
        if tensor is not None and (
            tensor.device.type != "cpu"
            or tensor.dtype != x.dtype
            or type(tensor) not in (Tensor, torch.nn.Parameter)
            or forward_ad.unpack_dual(tensor).tangent is not None
        ):
            return None
    if torch.is_autocast_enabled("cpu"):
        return None
    return native.load(SOURCE)


def _contiguous(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    # an imaginary part of what is conjugated is memory with a sign to be applied
    return [None if tensor is None else tensor.detach().resolve_neg().contiguous() for tensor in tensors]


def call(library: ctypes.CDLL, name: str, like: Tensor, sizes: Sequence[Any], tensors: Sequence[Tensor | None]) -> None:
    """Runs a function of a library on contiguous tensors of the precision of `like`, with torch's number of threads.

    Raises:
        MemoryError: there is not enough for what the function needs beside them.
    """
    function: Callable[..., int] = getattr(library, f"{name}_{_SUFFIX[like.dtype]}")
    pointers = [None if tensor is None else ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    if function(*sizes, *pointers, ctypes.c_int(torch.get_num_threads())) != 0:
        shapes = [list(tensor.shape) for tensor in tensors if tensor is not None]
        raise MemoryError(f"There is no memory left for the intermediate fields of `{name}` with tensors {shapes}.")


def _padded(channels: int, like: Tensor) -> int:
    """At least as many channels as the kernels fill up to, for any vector length."""
    lanes = 64 // like.element_size()
    return -(-channels // lanes) * lanes


def _block_sizes(activate: bool, given: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_int64]:
    x, spectral, bias, skip, w1, *_, mlp_skip = given
    assert x is not None and spectral is not None and bias is not None
    axes = x.ndim - 2
    sizes = [x.shape[0], axes, x.shape[-1], *x.shape[1:-1], *spectral.shape[:axes]]
    # a skip is nothing, a matrix or factors
    kinds = [0 if weight is None else 3 - weight.ndim for weight in (skip, mlp_skip)]
    sizes += [0 if w1 is None else w1.shape[0], *kinds, int(activate), int(bias.ndim > 1)]
    return (ctypes.c_int64 * len(sizes))(*sizes)


def _run_block(
    library: ctypes.CDLL, activate: bool, given: Sequence[Tensor | None], slopes: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The output, and for the backward pass the spectrum and the sums ahead of two nonlinearities."""
    x, spectral, _, _, w1, *_ = given
    assert x is not None and spectral is not None
    out = empty(library, x, *x.shape)
    channels = _padded(x.shape[-1], x)
    spectrum = empty(library, x, *spectral.shape[:-3], x.shape[0], 2, channels)
    hidden = 0 if w1 is None else _padded(w1.shape[0], x)
    kept = empty(library, x, *x.shape[:-1], channels + hidden) if slopes else None
    call(library, "block", x, [_block_sizes(activate, given)], [*given, out, spectrum, kept])
    return out, spectrum, kept


def _run_two_layers(
    library: ctypes.CDLL, given: Sequence[Tensor | None], slopes: bool = False
) -> tuple[Tensor, Tensor | None]:
    """The output, and for the backward pass the sums ahead of GELU if they take longer to find than to read."""
    x, w1, _, w2, *_ = given
    assert x is not None and w1 is not None and w2 is not None
    out = empty(library, x, *x.shape[:-1], w2.shape[0])
    keep = slopes and w1.shape[1] >= _INPUTS_TO_KEEP
    kept = empty(library, x, *x.shape[:-1], _padded(w1.shape[0], x)) if keep else None
    *layers, places = given[1:]
    call(library, "two_layers", x, _layer_sizes(x, w1, w2, places), [x, places, *layers, out, kept])
    return out, kept


def _layer_sizes(x: Tensor, w1: Tensor, w2: Tensor, places: Tensor | None) -> list[ctypes.c_int64]:
    own = x.shape[-1]
    of_places = (1, 0) if places is None else (places.numel() // places.shape[-1], places.shape[-1])
    return [ctypes.c_int64(size) for size in (x.numel() // own, own, *of_places, w1.shape[0], w2.shape[0])]


# ------------------------------------------------------------------------------------------------- with their gradients


def plain_gradients(function: Callable[..., Tensor], given: Sequence[Tensor | None], d_out: Tensor) -> list[Any]:
    """The gradients as a graph of torch's own operations, for second derivatives."""
    # a view of each, so that inputs which depend on one another count as independent
    inputs = [None if tensor is None else tensor.view_as(tensor) for tensor in given]
    out = function(*inputs)
    wanted = [tensor for tensor in inputs if tensor is not None and tensor.requires_grad]
    found = iter(torch.autograd.grad(out, wanted, d_out, create_graph=True, allow_unused=True))
    return [next(found) if tensor is not None and tensor.requires_grad else None for tensor in inputs]


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, modes: tuple[int, ...], activate: bool, *given: Tensor | None
    ) -> Tensor:
        out, spectrum, kept = _run_block(library, activate, _contiguous(given), slopes=True)
        ctx.library, ctx.modes, ctx.activate = library, modes, activate
        ctx.save_for_backward(spectrum, kept, *given)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        (d_out,) = grads
        spectrum, kept, *given = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is to be differentiated
            plain = functools.partial(plain_block, ctx.modes, ctx.activate)
            return None, None, None, *plain_gradients(plain, given, d_out)
        given = _contiguous(given)
        slopes = [None if tensor is None else empty(ctx.library, tensor, *tensor.shape) for tensor in given]
        numbers = [*given, spectrum, kept, d_out.resolve_neg().contiguous(), *slopes]
        call(ctx.library, "block_slope", d_out, [_block_sizes(ctx.activate, given)], numbers)
        return None, None, None, *slopes


class _TwoLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, library: ctypes.CDLL, places: Tensor | None, *given: Tensor) -> Tensor:
        ctx.library = library
        out, kept = _run_two_layers(library, _contiguous([*given, places]), slopes=True)
        ctx.save_for_backward(kept, places, *given)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        (d_out,) = grads
        kept, places, *given = ctx.saved_tensors
        if torch.is_grad_enabled():
            plain = functools.partial(plain_two_layers, places=places)
            return None, None, *plain_gradients(plain, given, d_out)
        x, w1, b1, w2, b2 = (tensor.contiguous() for tensor in given)
        d_x = empty(ctx.library, x, *x.shape) if ctx.needs_input_grad[2] else None
        slopes = [torch.empty_like(tensor) for tensor in (w1, b1, w2, b2)]
        places = None if places is None else places.contiguous()
        numbers = [x, places, w1, b1, w2, kept, d_out.resolve_neg().contiguous(), d_x, *slopes]
        call(ctx.library, "two_layers_slope", d_out, _layer_sizes(x, w1, w2, places), numbers)
        return None, None, d_x, *slopes
