"""The figures of a report: matplotlib draws them, the page's style colours them.

A figure is drawn in the light colours of `sciml.core.report.COLOURS`; in the SVG each becomes a CSS variable, so that
the figure follows the page into dark mode. Text stays text. Many points become hexagons coloured by their number, so a
figure of a million points is as small as one of a thousand. matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sciml.core.errors import UserError
from sciml.core.report import COLOURS, RAMP, SERIES, Svg, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.typing import RcKeyType

Array = NDArray[np.float64]

# beside the colour, so that groups differ in print and to any eye
MARKERS = ("o", "s", "^", "D", "v", "P")
# more points than this overlap in a panel of 360 pixels, and each costs a hundred bytes of the page
MOST_POINTS = 1500
# a longer logarithmic axis has powers of ten alone
_MOST_DECADES = 5
_NAME_OF_COLOUR = {light: name for name, (light, _) in COLOURS.items()}


def colour(name: str) -> str:
    """The colour to draw with, which the page replaces by its own."""
    return COLOURS[name][0]


def draw(paint: Callable[[Axes], None], *, alt: str, width_px: int = 360, height_px: int = 300) -> Svg:
    """Run `paint` on the axes of a new figure and return it as SVG.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("The report's figures need matplotlib. Install it: pip install matplotlib.") from None

    with matplotlib.rc_context(_style()), warnings.catch_warnings():
        # the browser's fonts draw the text, so a letter that matplotlib's own font lacks is no matter
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure = Figure(figsize=(width_px / 72, height_px / 72), dpi=72, layout="constrained", facecolor="none")
        canvas = FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        file = StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        canvas.print_svg(file, metadata=nothing)  # savefig would lay the figure out twice
    markup = file.getvalue()
    markup = re.sub(r"<!--.*?-->", "", markup[markup.index("<svg") :], flags=re.DOTALL)
    markup = re.sub(r"<svg [^>]*>", f'<svg viewBox="0 0 {width_px} {height_px}" width="{width_px}">', markup, count=1)
    markup = markup.replace("xlink:href", "href")
    markup = re.sub(r": (#[0-9a-f]{6})", _as_variable, markup)
    # a hundredth of a pixel is enough; texts stand outside of the tags
    markup = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), markup)
    return Svg(re.sub(r"\n\s*", "\n", markup).strip(), alt)


def _as_variable(match: re.Match[str]) -> str:
    name = _NAME_OF_COLOUR.get(match[1])
    return f": var(--{name},{match[1]})" if name else match[0]


def _style() -> dict[RcKeyType, Any]:
    ink, muted, line = colour("ink"), colour("muted"), colour("line")
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "sciml",
        "text.parse_math": False,  # a user's name may hold a dollar
        "axes.facecolor": "none",
        "font.size": 11,
        "font.family": "sans-serif",
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.labelsize": 11,
        "axes.titlesize": 11.5,
        "axes.titleweight": "normal",
        "axes.titlelocation": "left",
        "axes.edgecolor": muted,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "axes.formatter.useoffset": False,
        "axes.formatter.use_mathtext": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": line,
        "grid.linewidth": 0.6,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "legend.frameon": False,
        "legend.fontsize": 10,
        "lines.linewidth": 1.6,
    }


@dataclass(frozen=True)
class Curve:
    """A quantity over the course of training: `x` is the epoch."""

    label: str
    x: Array
    y: Array


def learning_curves(curves: Sequence[Curve], *, title: str, unit: str, best: float | None = None) -> Svg:
    """Curves on a logarithmic axis (linear where a value is not positive), the best epoch marked by an upright line."""

    def paint(axes: Axes) -> None:
        for series, curve in zip(SERIES, curves, strict=False):
            marker = "o" if len(curve.x) < 3 else None
            axes.plot(curve.x, curve.y, color=colour(series), label=curve.label, marker=marker, markersize=5)
        values = np.concatenate([curve.y for curve in curves])
        if (values > 0).all():
            axes.set_yscale("log")
            plain_log_ticks(axes, "y", values)
        if best is not None:
            axes.axvline(best, color=colour("muted"), linewidth=1, linestyle=(0, (3, 2)), label=f"best ({best:g})")
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        if len(curves) > 1 or best is not None:
            axes.legend(loc="best")

    ends = "; ".join(f"{curve.label} from {curve.y[0]:.3g} to {curve.y[-1]:.3g}" for curve in curves)
    return draw(paint, alt=f"{title} against the epoch: {ends}.", height_px=250)


def parity(
    reference: Array,
    predicted: Array,
    *,
    title: str,
    quantity: str,
    unit: str,
    error_unit: str,
    error_scale: float = 1.0,
    groups: Sequence[str] | None = None,
) -> Svg:
    """Predicted against reference values with the identity line; MAE and RMSE stand in the corner.

    Few points are drawn one by one, coloured by their group if there are at most six groups; many as hexagons.
    """
    error = (predicted - reference) * error_scale
    mae, rmse = float(np.abs(error).mean()), float(np.sqrt((error**2).mean()))

    def paint(axes: Axes) -> None:
        low, high = _range(np.concatenate([reference, predicted]))
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
        axes.axline((low, low), slope=1, color=colour("muted"), linewidth=0.9, zorder=1)
        if len(reference) > MOST_POINTS:
            counts = axes.hexbin(
                reference,
                predicted,
                gridsize=(50, 29),
                extent=(low, high, low, high),
                bins="log",
                mincnt=1,
                cmap=_ramp(),
                linewidths=0.2,
                zorder=2,
            ).get_array()
            _density_key(axes, np.asarray(counts))
        else:
            _points(axes, reference, predicted, groups)
        corner = f"MAE {mae:.3g} {error_unit}\nRMSE {rmse:.3g} {error_unit}"
        axes.text(0.03, 0.97, corner, transform=axes.transAxes, va="top", fontsize=10, linespacing=1.4)
        axes.set_title(title)
        axes.set_xlabel(f"reference {quantity} ({unit})")
        axes.set_ylabel(f"predicted {quantity} ({unit})")
        _few_ticks(axes)

    alt = (
        f"{title}: predicted against reference {quantity} in {unit}, {len(reference)} points; "
        f"MAE {mae:.3g} {error_unit}, RMSE {rmse:.3g} {error_unit}."
    )
    return draw(paint, alt=alt, height_px=360)


def error_ridges(errors: Mapping[str, Array], *, title: str, label: str, logarithmic: bool) -> Svg:
    """One histogram a group, one above the other on a common axis; a tick marks the median (mean size if signed)."""
    everything = np.concatenate(list(errors.values()))
    if logarithmic:
        positive = everything[everything > 0]
        # a decade below the first percentile: one perfect atom does not stretch the axis
        low = np.log10(np.quantile(positive, 0.01) / 3) if len(positive) else -1.0
        high = np.log10(positive.max() * 1.1) if len(positive) else 0.0
    else:
        high = float(np.abs(everything).max()) * 1.08 or 1.0
        low = -high
    edges = np.linspace(low, high, 41)

    def paint(axes: Axes) -> None:
        for row, values in enumerate(reversed(list(errors.values()))):
            x = np.log10(np.maximum(values, 10**low)) if logarithmic else values
            counts = np.histogram(np.clip(x, low, high), bins=edges)[0]
            height = counts / counts.max() * 0.82
            scaled_edges = 10**edges if logarithmic else edges
            axes.stairs(height + row, scaled_edges, baseline=row, fill=True, color=colour("blue"), alpha=0.3)
            axes.stairs(height + row, scaled_edges, baseline=row, color=colour("blue"), linewidth=1)
            median = float(np.median(values))
            axes.plot([median, median], [row, row + 0.9], color=colour("orange"), linewidth=1.6)
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(10**low, 10**high)
            plain_log_ticks(axes, "x", 10 ** np.array([low, high]))
        else:
            axes.axvline(0, color=colour("muted"), linewidth=0.9, zorder=1)
            axes.set_xlim(low, high)
        names = [f"{shortened(name)} ({len(values)})" for name, values in reversed(list(errors.items()))]
        axes.set_yticks(range(len(errors)), names, fontsize=9.5, va="bottom")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(0, len(errors))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(label)
        axes.set_title(title)

    medians = "; ".join(f"{name} {np.median(values):.3g}" for name, values in errors.items())
    alt = f"{title}, one histogram a group; medians in {label}: {medians}."
    return draw(paint, alt=alt, height_px=100 + 34 * max(3, len(errors)))


def error_against_size(size: Array, error: Array, *, title: str, size_label: str, error_label: str) -> Svg:
    """Error against the size of the thing itself, both logarithmic, with the running median and a line at 100 %."""
    shown = (size > 0) & (error > 0)
    size, error = size[shown], error[shown]
    low = np.log10([np.quantile(size, 0.002) / 1.2, np.quantile(error, 0.002) / 1.2])
    high = np.log10([size.max() * 1.2, error.max() * 1.2])
    high = np.maximum(high, low + 0.5)
    edges = np.linspace(np.log10(size).min(), np.log10(size).max() + 1e-9, 13)
    bins = np.digitize(np.log10(size), edges) - 1
    # a median of fewer than five points says nothing
    middles = [
        (10 ** np.mean(np.log10(size[bins == b])), np.median(error[bins == b]))
        for b in range(12)
        if (bins == b).sum() > 4
    ]

    def paint(axes: Axes) -> None:
        axes.set_xscale("log")
        axes.set_yscale("log")
        if len(size) > MOST_POINTS:
            hexagons = axes.hexbin(
                size,
                error,
                gridsize=(44, 25),
                extent=(low[0], high[0], low[1], high[1]),
                xscale="log",
                yscale="log",
                bins="log",
                mincnt=1,
                cmap=_ramp(),
                linewidths=0.2,
            )
            _density_key(axes, np.asarray(hexagons.get_array()))
        else:
            _points(axes, size, error, None)
        axes.axline((1, 1), (10, 10), color=colour("muted"), linewidth=0.9, linestyle=(0, (3, 2)), label="error = size")
        if middles:
            axes.plot(*np.array(middles).T, color=colour("orange"), marker="o", markersize=4, label="median")
        axes.set_xlim(10 ** low[0], 10 ** high[0])
        axes.set_ylim(10 ** low[1], 10 ** high[1])
        plain_log_ticks(axes, "x", 10 ** np.array([low[0], high[0]]))
        plain_log_ticks(axes, "y", 10 ** np.array([low[1], high[1]]))
        axes.set_title(title)
        axes.set_xlabel(size_label)
        axes.set_ylabel(error_label)
        axes.legend(loc="upper left")

    ends = ""
    if middles:
        (x_first, y_first), (x_last, y_last) = middles[0], middles[-1]
        ends = f" The median goes from {y_first:.3g} at {x_first:.3g} to {y_last:.3g} at {x_last:.3g}."
    return draw(paint, alt=f"{title}: {error_label} against {size_label}, {len(size)} points.{ends}", height_px=360)


def _points(axes: Axes, x: Array, y: Array, groups: Sequence[str] | None) -> None:
    size = 22 if len(x) < 300 else 5
    names = sorted(set(groups or ()))
    if groups is None or not 1 < len(names) <= len(SERIES):
        axes.scatter(x, y, s=size, color=colour("blue"), alpha=0.65, linewidths=0, zorder=2)
        return
    member = np.asarray(groups, dtype=object)
    for series, marker, name in zip(SERIES, MARKERS, names, strict=False):
        chosen = member == name
        # matplotlib shows no label that begins with an underscore; a space of no width goes before
        label = "\u200b" + shortened(name)
        axes.scatter(
            x[chosen],
            y[chosen],
            s=size,
            color=colour(series),
            marker=marker,
            alpha=0.8,
            linewidths=0,
            label=label,
            zorder=2,
        )
    axes.legend(loc="lower right", handletextpad=0.1, borderpad=0.1, labelspacing=0.25)


def _ramp() -> ListedColormap:
    from matplotlib.colors import ListedColormap

    return ListedColormap([colour(name) for name in RAMP])


def _density_key(axes: Axes, counts: NDArray[np.generic]) -> None:
    """A small colour bar in the lower right corner: how many points a hexagon holds."""
    key = axes.inset_axes((0.6, 0.1, 0.36, 0.03))
    key.pcolormesh(np.arange(len(RAMP) + 1), [0, 1], [np.arange(len(RAMP))], cmap=_ramp(), edgecolors="none")
    key.axis("off")
    texts = ((0.0, -0.4, f"{counts.min():.0f}", "left"), (1.0, -0.4, f"{counts.max():.0f}", "right"))
    for x, y, text, side in (*texts, (0.5, 3.3, "points a hexagon", "center")):
        key.text(x, y, text, ha=side, va="top", fontsize=9, transform=key.transAxes)


def _range(values: Array) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _few_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def plain_log_ticks(axes: Axes, which: str, values: Array) -> None:
    """Ticks at 1, or at more numbers of each decade the fewer decades there are, written out (0.02, 50)."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    decades = np.log10(values.max() / values.min()) if values.min() > 0 else 1.0
    steps = (
        (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        if decades < 1
        else (1.0, 2.0, 5.0)
        if decades < 2
        else (1.0, 3.0)
        if decades < 3.5
        else (1.0,)
    )
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_power_text if decades > _MOST_DECADES else _tick_text))


def _tick_text(value: float, _: object) -> str:
    """0.001, 50, and 10⁻⁵ where zeros could no longer be counted."""
    return f"{value:g}" if -4 <= round(np.log10(value)) < 5 else _power_text(value, None)


def _power_text(value: float, _: object) -> str:
    """10⁻⁵ or 3·10⁴."""
    exponent = round(np.log10(value))
    mantissa = value / 10.0**exponent
    power = "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if abs(mantissa - 1) < 1e-6 else f"{mantissa:.0f}·{power}"


def shortened(name: str, longest: int = 22) -> str:
    """A name on one line, cut off where it is too long for a figure."""
    text = plain(name).replace("\n", " ")
    return text if len(text) <= longest else text[: longest - 1] + "…"
