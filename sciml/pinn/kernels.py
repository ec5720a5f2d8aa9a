"""An MLP's jets, the gradient of its parameters and their Jacobian by the compiled kernels.cpp, in double precision.

Jets [n, s, f] lie in memory as [s, f, n], points innermost; those that come otherwise are copied.

Shapes: n points, s multi-indices, w features, f fields, p parameters (weight and bias of one layer after another).
"""

from __future__ import annotations

import ctypes
import functools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray
from torch import Tensor

from sciml.core import native
from sciml.pinn.jets import Indices, points_innermost

SOURCE = Path(__file__).with_name("kernels.cpp")
ACTIVATIONS = ("tanh", "sin")
# what the kernels have slopes for
_MOST_ORDER = 4

# factors by (target, source, order, parts); the source of values of the activation itself is -1
_Monomials = dict[tuple[int, int, int, tuple[int, ...]], float]


class _Polynomial(ctypes.Structure):
    """As in kernels_activation.h."""

    _fields_ = (("count", ctypes.c_int64), ("monomials", ctypes.c_void_p), ("factors", ctypes.c_void_p))


class JetKernel:
    """An MLP at points, and the way back, which computes the way forward again.

    Args:
        library: the kernels.
        indices: of the jets.
        features: what the first layer takes.
        weights: [out, in] of each layer.
        biases: [out] of each layer.
        activation: one of ACTIVATIONS.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        indices: Indices,
        features: Float64[Tensor, "n s w"],
        weights: Sequence[Tensor],
        biases: Sequence[Tensor],
        activation: str,
    ) -> None:
        n, s, _ = features.shape
        widths = [features.shape[2], *(len(bias) for bias in biases)]
        assert s == len(indices) and indices.order <= _MOST_ORDER and len(weights) == len(biases)
        for weight, bias, i, o in zip(weights, biases, widths[:-1], widths[1:], strict=True):
            assert weight.shape == (o, i) and bias.shape == (o,)
        parts = [tensor.detach().flatten() for layer in zip(weights, biases, strict=True) for tensor in layer]
        self._library, self._widths, self._shape = library, widths, (n, s, widths[-1])
        self._parameters, self._features = torch.cat(parts), points_innermost(features)
        numbers = [n, s, indices.order, ACTIVATIONS.index(activation), len(weights), *widths]
        self._sizes = (ctypes.c_int64 * len(numbers))(*numbers)
        self._tables = _tables(indices)

    def forward(self) -> Float64[Tensor, "n s f"]:
        """The fields' jets."""
        n, s, f = self._shape
        out = self._parameters.new_empty(s, f, n)
        self._call("jets_forward", _pointer(out))
        return out.permute(2, 0, 1)

    def gradient(self, cotangent: Float64[Tensor, "n s f"]) -> Float64[Tensor, " p"]:
        """Of sum(cotangent * jet) by the parameters; the same with any number of threads."""
        cotangent = self._seen(cotangent)
        out = torch.empty_like(self._parameters)
        self._call("jets_gradient", _pointer(cotangent), _pointer(out))
        return out

    def jacobian(
        self,
        cotangent: Float64[Tensor, "n s f"],
        scale: Float64[Tensor, " n"] | None = None,
        out: Float64[Tensor, "n p"] | None = None,
    ) -> Float64[Tensor, "n p"]:
        """Of each point's scale * sum(cotangent * jet) by the parameters."""
        cotangent = self._seen(cotangent)
        if scale is not None:
            assert scale.shape == self._shape[:1]
            scale = scale.detach().contiguous()
        found = self._parameters.new_empty(self._shape[0], len(self._parameters)) if out is None else out
        assert found.shape == (self._shape[0], len(self._parameters)) and found.dtype == torch.float64
        direct = found.stride(1) == 1
        rows = found if direct else torch.empty_like(found, memory_format=torch.contiguous_format)
        pointers = [_pointer(cotangent), None if scale is None else _pointer(scale), _pointer(rows)]
        self._call("jets_jacobian", *pointers, ctypes.c_int64(rows.stride(0)))
        return found if direct else found.copy_(rows)

    def _seen(self, cotangent: Tensor) -> Tensor:
        assert cotangent.shape == self._shape and cotangent.dtype == torch.float64
        return points_innermost(cotangent.detach())

    def _call(self, name: str, *arguments: ctypes.c_void_p | ctypes.c_int64 | None) -> None:
        given = (self._sizes, _pointer(self._parameters), self._tables.polynomials, _pointer(self._features))
        if getattr(self._library, name)(*given, *arguments, ctypes.c_int(torch.get_num_threads())) != 0:
            raise MemoryError(f"There is no memory left for `{name}` with {len(self._parameters)} parameters.")


def library_for(features: Tensor, weights: Sequence[Tensor], indices: Indices, activation: str) -> ctypes.CDLL | None:
    """The compiled kernels where they can take over: with points, on a CPU, in double precision, with a compiler."""
    given = [features, *weights]
    if any(tensor.device.type != "cpu" or tensor.dtype != torch.float64 for tensor in given):
        return None
    if not len(features) or indices.order > _MOST_ORDER or activation not in ACTIVATIONS:
        return None
    return native.load(SOURCE)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


class _Tables:
    """Faa di Bruno's formula and its derivative as the kernels read them.

    Attributes:
        polynomials: of the jet of an activation, and of the cotangents back through it.
    """

    def __init__(self, forward: _Monomials, back: _Monomials) -> None:
        # what the pointers point to
        self._arrays = [_arrays(monomials) for monomials in (forward, back)]
        self.polynomials = (_Polynomial * 2)()
        for polynomial, (rows, factors) in zip(self.polynomials, self._arrays, strict=True):
            polynomial.count = len(rows)
            polynomial.monomials, polynomial.factors = rows.ctypes.data, factors.ctypes.data


def _arrays(monomials: _Monomials) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    ordered = sorted(monomials)
    rows = [(*place, len(parts), *parts, *[0] * (_MOST_ORDER - len(parts))) for *place, parts in ordered]
    factors = [monomials[monomial] for monomial in ordered]
    return np.array(rows, dtype=np.int64).reshape(-1, 4 + _MOST_ORDER), np.array(factors, dtype=np.float64)


@functools.lru_cache(maxsize=64)
def _tables(indices: Indices) -> _Tables:
    forward: _Monomials = {}
    back: _Monomials = defaultdict(float)
    back[0, 0, 1, ()] = 1.0
    for place, terms in enumerate(indices.composition):
        for term in terms:
            forward[place, -1, term.order, term.parts] = term.factor
            # the product rule: by the slope's argument, then by each part
            back[0, place, term.order + 1, term.parts] += term.factor
            for k, part in enumerate(term.parts):
                back[part, place, term.order, term.parts[:k] + term.parts[k + 1 :]] += term.factor
    return _Tables(forward, back)
