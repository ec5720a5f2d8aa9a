"""Figures of fields: maps, profiles, errors by time, spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from sciml.core.figures import colour, draw, plain_log_ticks
from sciml.core.report import SERIES, Svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# a map of 300 pixels shows no more points along an axis
_MOST_PIXELS = 160
# names of matplotlib's colour maps: even steps of lightness for a quantity, white at zero for a difference
_QUANTITY, _DIFFERENCE = "viridis", "RdBu_r"
# powers below this part of the largest are rounding of float32
_SMALLEST_POWER = 1e-13


def field_map(
    values: Float[np.ndarray, "nx ny"],
    *,
    title: str,
    label: str,
    axes_names: Sequence[str],
    coordinates: Sequence[Float[np.ndarray, " _"]],
    limits: tuple[float, float] | None,
    in_proportion: bool = True,
) -> Svg:
    """A field in colours, its first axis to the right; NaN is left out.

    Args:
        label: quantity and unit, beside the colour bar.
        limits: ends of the colours; None for a difference, whose colours are symmetric about zero.
        in_proportion: whether a length is as long along both axes, which time and space have no way to be.
    """
    every = [-(-n // _MOST_PIXELS) for n in values.shape]
    shown = values[:: every[0], :: every[1]].T
    largest = float(np.nanmax(np.abs(values))) or 1.0
    low, high = limits or (-largest, largest)
    x, y = coordinates

    def paint(axes: Axes) -> None:
        image = axes.imshow(
            shown,
            origin="lower",
            extent=(float(x[0]), float(x[-1]), float(y[0]), float(y[-1])),
            cmap=_DIFFERENCE if limits is None else _QUANTITY,
            vmin=low,
            vmax=high,
            interpolation="none",
            aspect="equal" if in_proportion else "auto",
        )
        axes.grid(visible=False)
        axes.set_title(title)
        axes.set_xlabel(axes_names[0])
        axes.set_ylabel(axes_names[1])
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.85)
        bar.set_label(label)
        bar.ax.grid(visible=False)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue] - a spine

    alt = f"{title}: map of {label}, from {np.nanmin(values):.3g} to {np.nanmax(values):.3g}."
    return draw(paint, alt=alt, height_px=290)


def profiles(
    x: Float[np.ndarray, " n"],
    curves: Mapping[str, Float[np.ndarray, " n"]],
    *,
    title: str,
    axis: str,
    label: str,
) -> Svg:
    """Fields along one axis; the second is dashed, so that one that hides another shows."""

    def paint(axes: Axes) -> None:
        for i, (series, (name, values)) in enumerate(zip(SERIES, curves.items(), strict=False)):
            axes.plot(x, values, color=colour(series), label=name, linestyle=(0, (4, 2)) if i == 1 else "-")
        axes.set_title(title)
        axes.set_xlabel(axis)
        axes.set_ylabel(label)
        if len(curves) > 1:
            axes.legend(loc="best")

    ranges = "; ".join(f"{name} from {values.min():.3g} to {values.max():.3g}" for name, values in curves.items())
    return draw(paint, alt=f"{title} along {axis}: {ranges}.", height_px=270)


def error_by_time(times: Sequence[float], errors: Mapping[str, Sequence[float]], *, title: str) -> Svg:
    """The relative L2 error at each predicted time, of the surrogate and of baselines."""

    def paint(axes: Axes) -> None:
        for series, (name, values) in zip(SERIES, errors.items(), strict=False):
            marker = "o" if len(times) < 16 else None
            axes.plot(times, values, color=colour(series), label=name, marker=marker, markersize=4)
        everything = np.concatenate([np.asarray(values, float) for values in errors.values()])
        if (everything > 0).all():
            axes.set_yscale("log")
            plain_log_ticks(axes, "y", everything)
        axes.set_title(title)
        axes.set_xlabel("time")
        axes.set_ylabel("relative L2 error")
        axes.legend(loc="best")

    ends = "; ".join(f"{name} from {values[0]:.3g} to {values[-1]:.3g}" for name, values in errors.items())
    return draw(paint, alt=f"{title} from time {times[0]:g} to {times[-1]:g}: {ends}.", height_px=270)


def spectra(
    power: Mapping[str, Float[np.ndarray, " w"]],
    *,
    title: str,
) -> Svg:
    """Power by wavenumber, both logarithmic; wavenumber 0, the mean, is left out."""
    largest = max(float(values[1:].max()) for values in power.values() if len(values) > 1)
    floor = _SMALLEST_POWER * largest

    def paint(axes: Axes) -> None:
        for i, (series, (name, values)) in enumerate(zip(SERIES, power.items(), strict=False)):
            waves = np.arange(1, len(values))
            shown = values[1:] > floor
            style = (0, (4, 2)) if i == 1 else "-"
            axes.plot(waves[shown], values[1:][shown], color=colour(series), label=name, linestyle=style)
        axes.set_xscale("log")
        axes.set_yscale("log")
        plain_log_ticks(axes, "x", np.array([1.0, max(len(values) - 1 for values in power.values())]))
        plain_log_ticks(axes, "y", np.array([max(floor, largest * 1e-14), largest]))
        axes.set_title(title)
        axes.set_xlabel("waves per length of the domain")
        axes.set_ylabel("power")
        axes.legend(loc="best")

    return draw(paint, alt=f"{title} by wavenumber: {', '.join(power)}.", height_px=270)
