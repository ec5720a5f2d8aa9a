"""Figures of a solution: profiles against a reference, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from sciml.core.figures import colour, draw, plain_log_ticks
from sciml.core.report import SERIES, Svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# errors below this part of the largest would make the axis all of rounding
_SMALLEST_ERROR = 1e-6


def profiles(
    x: Float[np.ndarray, " n"],
    values: Float[np.ndarray, "l n"],
    references: Float[np.ndarray, "l n"] | None,
    names: Sequence[str],
    *,
    title: str,
    axis: str,
    label: str,
) -> Svg:
    """Lines of a field along a coordinate, the reference dashed on top of them.

    Args:
        names: of the lines; empty where one needs none.
        axis, label: quantity and unit of both axes.
    """

    def paint(axes: Axes) -> None:
        for line, (series, shown) in enumerate(zip(SERIES, values, strict=False)):
            axes.plot(x, shown, color=colour(series), label=names[line] or "network")
            if references is not None:
                last = line == min(len(values), len(SERIES)) - 1
                style = {"linestyle": (0, (3, 3)), "linewidth": 1.0, "color": colour("ink")}
                axes.plot(x, references[line], label="reference" if last else None, **style)
        _finish(axes, title, axis, label)

    alt = f"{title} along {axis}: {_ranges(names, values)}."
    return draw(paint, alt=alt, height_px=290)


def profile_errors(
    x: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, "l n"],
    names: Sequence[str],
    *,
    title: str,
    axis: str,
    label: str,
) -> Svg:
    """Sizes of errors along a coordinate, on a logarithmic axis unless all are zero."""
    sizes = np.abs(errors)
    largest = float(np.nanmax(sizes))
    floor = _SMALLEST_ERROR * largest

    def paint(axes: Axes) -> None:
        for line, (series, shown) in enumerate(zip(SERIES, sizes, strict=False)):
            axes.plot(x, np.where(shown > floor, shown, np.nan), color=colour(series), label=names[line] or None)
        if largest > 0:
            axes.set_yscale("log")
            plain_log_ticks(axes, "y", sizes[sizes > floor])
        _finish(axes, title, axis, label)

    return draw(paint, alt=f"{title} along {axis}, logarithmic: {_ranges(names, sizes)}.", height_px=290)


def _finish(axes: Axes, title: str, axis: str, label: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(axis)
    axes.set_ylabel(label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")


def _ranges(names: Sequence[str], values: Float[np.ndarray, "l n"]) -> str:
    return "; ".join(
        f"{name or 'network'} from {np.nanmin(line):.3g} to {np.nanmax(line):.3g}"
        for name, line in zip(names, values, strict=True)
        if np.isfinite(line).any()  # outside of a shape there is none
    )
