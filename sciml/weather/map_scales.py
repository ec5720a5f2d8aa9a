"""Classes of colour for maps: round steps, symmetric about zero where the sign matters, one scale for maps to compare.

The palettes are ColorBrewer's RdBu and YlGnBu (Harrower & Brewer, The Cartographic Journal 40, 2003), which
colour-blind readers can follow, and viridis; matplotlib has all three.

Shapes: k edges of classes, hence k + 1 colours, the first and the last for what lies outside of all edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# of |values| or of values that the edges cover; what lies outside has the colour at the bar's pointed end
_COVERED = 0.98
_CLASSES = 10
_ROUND_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Edges of classes and the colours between and beyond them."""

    edges: Array
    colours: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.colours) != len(self.edges) + 1 or (np.diff(self.edges) <= 0).any():
            raise ValueError("a scale needs ascending edges and one more colour than edges")

    def classes(self, values: Array) -> NDArray[np.uint8]:
        """Which colour each value has, counted from 1; 0 for NaN.

        >>> Scale(np.array([0.0, 1.0]), ("a", "b", "c")).classes(np.array([-1.0, 0.5, 7.0, np.nan])).tolist()
        [1, 2, 3, 0]
        """
        found = np.searchsorted(self.edges, values, side="right") + 1
        return np.where(np.isnan(values), 0, found).astype(np.uint8)


def difference_scale(*fields: Array) -> Scale:
    """Blue below zero, red above, symmetric; what lies within one step of zero is white.

    >>> difference_scale(np.linspace(-2.5, 2.5, 101)).edges.tolist()
    [-2.5, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 2.5]
    """
    size = np.concatenate([np.abs(field[np.isfinite(field)]).ravel() for field in fields])
    step = _round_step(_covered(size) / (_CLASSES / 2))
    up = step * np.arange(1.0, _CLASSES // 2 + 1)
    return Scale(_exact(np.concatenate([-up[::-1], up])), _colours("RdBu_r", _CLASSES + 1))


def error_scale(*fields: Array) -> Scale:
    """From pale, zero, to dark, for values that are not negative.

    >>> error_scale(np.linspace(0, 5, 101)).edges.tolist()[:4]
    [0.0, 0.5, 1.0, 1.5]
    """
    size = np.concatenate([field[np.isfinite(field)].ravel() for field in fields])
    step = _round_step(_covered(size) / _CLASSES)
    count = max(3, int(np.ceil(_covered(size) / step - 1e-9)))
    edges = _exact(step * np.arange(0.0, count + 1))
    return Scale(edges, ("#ffffff", *_colours("YlGnBu", count + 1)))


def field_scale(*fields: Array) -> Scale:
    """From the lowest to the highest values, for a field itself."""
    known = np.concatenate([field[np.isfinite(field)].ravel() for field in fields])
    low, high = _quantile(known, 1 - _COVERED), _quantile(known, _COVERED)
    step = _round_step((high - low) / _CLASSES)
    edges = _exact(step * np.arange(np.floor(low / step), np.ceil(high / step) + 1))
    return Scale(edges, _colours("viridis", len(edges) + 1))


def _covered(size: Array) -> float:
    """What the edges reach; where nearly all values are zero, up to the largest, so that the others show.

    >>> _covered(np.array([0.0] * 99 + [2e-5]))
    2e-05
    """
    return _quantile(size, _COVERED) or _quantile(size, 1.0)


def _quantile(values: Array, level: float) -> float:
    return float(np.quantile(values, level)) if len(values) else 0.0


def _round_step(step: float) -> float:
    """The next round number up, such as 1, 1.5 or 2 times a power of ten; 1 for a field without any range."""
    if not step > np.finfo(np.float32).tiny:
        return 1.0
    power = 10.0 ** np.floor(np.log10(step))
    return float(power * next(r for r in _ROUND_STEPS if r * power >= step * (1 - 1e-9)))


def _exact(edges: Array) -> Array:
    """Without the noise of multiplication, which a colour bar would print; a product of zero has no sign."""
    return np.array([float(f"{edge:.10g}") for edge in edges]) + 0.0


def _colours(name: str, count: int) -> tuple[str, ...]:
    import matplotlib
    from matplotlib.colors import to_hex

    # the outermost 3 % of RdBu and YlGnBu are too dark for a coastline to be seen
    return tuple(to_hex(c) for c in matplotlib.colormaps[name](np.linspace(0.03, 0.97, count)))
