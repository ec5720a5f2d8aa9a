"""The scorecard's charts: scores over lead time, power spectra, reliability, rank histograms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sciml.core.figures import colour, draw, plain_log_ticks, shortened
from sciml.core.report import SERIES, Svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]

DASHES = {"solid": "-", "dashed": (0, (5, 2)), "dotted": (0, (1, 1.6))}
# beside the colour, so that lines differ in print and to any eye
_MARKERS = ("o", "s", "^", "D", "v", "P")
# more than this on a line and they run into one another
_MOST_MARKERS = 14
# that fit side by side below the axes, counting a line before each label as eight
_LETTERS_OF_KEY = 60


@dataclass(frozen=True)
class Line:
    """One curve; `series` is a place in the list of colours, -1 for the truth; a band from `low` to `high` if given."""

    label: str
    x: Array
    y: Array
    series: int = 0
    dash: str = "solid"
    low: Array | None = None
    high: Array | None = None

    @property
    def colour(self) -> str:
        return colour("ink" if self.series < 0 else SERIES[self.series % len(SERIES)])


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_label: str,
    alt: str,
    level: float | None = None,
    level_label: str = "",
    logarithmic: tuple[bool, bool] = (False, False),
    before: Callable[[Axes], None] | None = None,
) -> Svg:
    """Curves with markers; points that are not finite are left out.

    Args:
        lines: at least one, with at least one finite point in all.
        title: above the axes.
        x_label: with unit.
        y_label: with unit.
        alt: in words; what the curves' ends are is added here.
        level: where to draw a thin level line.
        level_label: of that line, for the legend.
        logarithmic: whether the axes along x and y are.
        before: draws on the axes before the curves do.
    """

    def paint(axes: Axes) -> None:
        if before is not None:
            before(axes)
        if level is not None:
            # matplotlib shows no label that begins with an underscore, and none for an empty one
            axes.axhline(level, color=colour("muted"), linewidth=1, zorder=1.5, label=level_label or None)
        for line in lines:
            known = np.isfinite(line.y) & ~(np.array(logarithmic[1]) & (line.y <= 0))
            # a name that begins with an underscore would be hidden; a space of no width goes before
            axes.plot(
                line.x[known],
                line.y[known],
                color=line.colour,
                linestyle=DASHES[line.dash],
                label="\u200b" + shortened(line.label),
                marker=_MARKERS[max(line.series, 0) % len(_MARKERS)] if known.sum() <= _MOST_MARKERS else None,
                markersize=4,
                zorder=3 - 0.01 * abs(line.series),
            )
            if line.low is not None and line.high is not None:
                shown = known & np.isfinite(line.low) & np.isfinite(line.high)
                axes.fill_between(
                    line.x[shown], line.low[shown], line.high[shown], color=line.colour, alpha=0.18, linewidth=0
                )
        for axis, is_logarithmic, name in zip((axes.set_xscale, axes.set_yscale), logarithmic, "xy", strict=True):
            if is_logarithmic:
                axis("log")
                values = np.concatenate([getattr(line, name)[np.isfinite(line.y)] for line in lines])
                plain_log_ticks(axes, name, values[values > 0])
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if len(lines) > 1 or level_label:
            legend_below(axes)

    return draw(paint, alt=f"{alt} {ends_in_words(lines)}".strip(), height_px=290)


def legend_below(axes: Axes) -> None:
    """The key under the axes, where it hides no curve, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, min(3, _LETTERS_OF_KEY // (8 + max(map(len, labels)))))
    axes.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.19),
        ncols=columns,
        handlelength=2.2,
        labelspacing=0.3,
        columnspacing=1.2,
        borderaxespad=0,
    )


def ends_in_words(lines: Sequence[Line]) -> str:
    """Each curve's first and last finite point."""
    texts = []
    for line in lines:
        known = np.flatnonzero(np.isfinite(line.y))
        if len(known):
            i, j = known[0], known[-1]
            first, last = (f"{line.y[k]:.3g} at {line.x[k]:g}" for k in (i, j))
            texts.append(f"{line.label} {first}" if i == j else f"{line.label} from {first} to {last}")
    return "; ".join(texts) + "." if texts else ""


def lead_ticks(axes: Axes, values: Array) -> None:
    """Ticks of a lead time axis at steps that forecasters count in."""
    span = float(values.max())
    step = next((s for s in (1, 2, 3, 6, 12, 24) if span / s <= 10), max(1, round(span / 8)))
    axes.set_xticks(np.arange(0, span + 0.01, step))


def reliability_chart(lines: Sequence[Line], counts: Sequence[Array], *, title: str, base_rate: float) -> Svg:
    """Observed frequency against forecast probability, on the diagonal when reliable; below, how often each was said.

    `counts` are [b] numbers of forecasts of each line's bins.
    """
    most = max(float(count.max()) for count in counts)

    def paint(axes: Axes) -> None:
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.42, 1.03)
        axes.axline((0, 0), slope=1, color=colour("muted"), linewidth=1, label="reliable")
        axes.axhline(base_rate, color=colour("muted"), linewidth=0.9, linestyle=(0, (2, 2)), label="base rate")
        width = 0.07 / len(lines)
        for place, (line, count) in enumerate(zip(lines, counts, strict=True)):
            known = np.isfinite(line.x) & np.isfinite(line.y) & (count > 0)
            marker = _MARKERS[max(line.series, 0) % len(_MARKERS)]
            label = "\u200b" + shortened(line.label)
            axes.plot(line.x[known], line.y[known], color=line.colour, marker=marker, markersize=5, label=label)
            height = 0.22 * np.log10(1 + count[known]) / np.log10(1 + most)
            offset = (place - 0.5 * (len(lines) - 1)) * width
            axes.bar(line.x[known] + offset, height, width, bottom=-0.4, color=line.colour, alpha=0.75)
        axes.axhline(-0.05, color=colour("line"), linewidth=0.8)
        axes.text(
            0.0, -0.075, f"forecasts, logarithmic, up to {most:,.0f}", va="top", fontsize=9, color=colour("muted")
        )
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.set_title(title)
        axes.set_xlabel("forecast probability")
        axes.set_ylabel("observed frequency")
        axes.legend(loc="upper left")

    alt = f"{title}: observed frequency against forecast probability; base rate {base_rate:.3g}."
    return draw(paint, alt=f"{alt} {ends_in_words(lines)}", height_px=360)


def rank_chart(frequency: Array, *, title: str) -> Svg:
    """How often the truth had each rank among the members, over what it would be for equally likely members."""
    relative = frequency / np.nansum(frequency) * len(frequency)

    def paint(axes: Axes) -> None:
        axes.bar(np.arange(1, len(relative) + 1), np.nan_to_num(relative), width=0.9, color=colour("sky"))
        axes.axhline(1, color=colour("ink"), linewidth=1)
        axes.set_title(title)
        axes.set_xlabel("rank of the truth among the members")
        axes.set_ylabel("relative frequency")

    ends = f"first rank {relative[0]:.3g}, middle {relative[len(relative) // 2]:.3g}, last {relative[-1]:.3g}"
    return draw(paint, alt=f"{title}: frequency of each rank over the expected one; {ends}.", height_px=240)
