"""Spectra against the truth, reliability of probabilities, and rank histograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sciml.core.report import Block, Column, Details, Figures, Heading, Number, Paragraph, Row, Section, Svg, Table
from sciml.weather.scorecard.charts import Line, line_chart, rank_chart, reliability_chart
from sciml.weather.scorecard.overview import number
from sciml.weather.scorecard.results import TRUTH, Results

Array = NDArray[np.float64]

_MOST_LEADS = 3
_RATIO_LEADS = 6
# of ratios that a linear axis would press against zero
_WIDE_RATIO = 100.0
# power below this share of the largest is rounding of the fields, which are float32
_ROUNDING = float(np.finfo(np.float32).eps) ** 2
_TABLE_WAVENUMBERS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 180, 250, 360, 500, 720)


# ------------------------------------------------------------------------------------------------------------- spectra


def spectra_section(results: Results) -> Section | None:
    """None without spectra."""
    blocks: list[Block] = []
    for field in results.fields:
        if figures := _spectra(results, field):
            blocks += [Heading(field), Figures(figures), Details(f"Numbers of {field}", [_power_table(results, field)])]
    if not blocks:
        return None
    lead = Paragraph(
        "Power by the number of waves around a circle of latitude, a mean over latitudes and forecasts. A forecast "
        "below the truth at large wavenumbers is too smooth; one above it is noisy."
    )
    return Section("Spectra", [lead, *blocks])


def _spectra(results: Results, field: str) -> list[tuple[Svg, str]]:
    ours = results.get("power", model=results.forecast, field=field)
    if ours is None:
        return []
    wavenumber = results.coordinate("wavenumber")
    waves = wavenumber > 0  # the mean has no place on a logarithmic axis
    x = wavenumber[waves]
    truth = results.get("power", model=TRUTH, field=field)
    power_unit = results.power_unit(field)
    found = []
    for i in results.leads.chosen(_MOST_LEADS):
        powers = [(m, results.get("power", model=m, field=field), s) for s, m in enumerate(results.models)]
        lines = [Line("truth", x, truth[i][waves], -1)] if truth is not None else []
        lines += [Line(m, x, p[i][waves], s, "dashed" if s else "solid") for m, p, s in powers if p is not None]
        if not any((np.isfinite(line.y) & (line.y > 0)).any() for line in lines):
            continue
        text = results.leads.texts[i]
        svg = line_chart(
            lines,
            title=f"Spectrum of {field}, {text}",
            x_label="zonal wavenumber",
            y_label=f"power ({power_unit})",
            alt=f"Power of {field} at {text} against zonal wavenumber:",
            logarithmic=(True, True),
        )
        found.append((svg, f"At {text}."))
    if truth is not None:
        chosen = results.leads.chosen(_RATIO_LEADS)
        known = truth > _ROUNDING * np.nanmax(truth)
        share = np.where(known, ours / np.where(known, truth, 1), np.nan)
        lines = [Line(results.leads.texts[i], x, share[i][waves], s) for s, i in enumerate(chosen)]
        if np.isfinite(share[chosen][:, waves]).any():
            positive = share[chosen][:, waves]
            positive = positive[np.isfinite(positive) & (positive > 0)]
            wide = len(positive) > 0 and bool(positive.max() > _WIDE_RATIO * positive.min())
            svg = line_chart(
                lines,
                title=f"{field}: power over the truth's",
                x_label="zonal wavenumber",
                y_label="forecast / truth",
                alt=f"Power of the forecast of {field} over the truth's against zonal wavenumber, by lead time:",
                level=1.0,
                logarithmic=(True, wide),
            )
            found.append(
                (
                    svg,
                    "By lead time; 1 is as much power as the truth has. Waves without any in the truth are left out.",
                )
            )
    return found


def _power_table(results: Results, field: str) -> Table:
    wavenumber = results.coordinate("wavenumber")
    shown = [int(np.flatnonzero(wavenumber == k)[0]) for k in _TABLE_WAVENUMBERS if (wavenumber == k).any()]
    names = [name for name in (*results.models, TRUTH) if results.get("power", model=name, field=field) is not None]
    rows = []
    for i in results.leads.chosen(_MOST_LEADS):
        for k in shown:
            cells: list[str | Number] = [results.leads.texts[i], f"{wavenumber[k]:g}"]
            for name in names:
                power = results.get("power", model=name, field=field)
                cells.append(_scientific(power[i, k]) if power is not None else "–")
            rows.append(Row(cells))
    unit = results.power_unit(field)
    columns = [Column("Lead time"), Column("Wavenumber"), *(Column(name, heading=f"Power ({unit})") for name in names)]
    return Table(f"Power of {field} at some wavenumbers", columns, rows)


def _scientific(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"


# ------------------------------------------------------------------------------------------------------ probabilities


def probability_section(results: Results) -> Section | None:
    """Reliability diagrams, Brier scores and rank histograms; None where the results hold none of them."""
    blocks: list[Block] = []
    for field in results.fields:
        diagrams = [d for q in range(_count(results, "quantile")) if (d := _reliability(results, field, q))]
        ranks = _ranks(results, field)
        tables: list[Block] = [*_reliability_tables(results, field), *_brier_table(results, field)]
        if not (diagrams or ranks or tables):
            continue
        blocks.append(Heading(field))
        blocks += [Figures(figures) for figures in (diagrams, ranks) if figures]
        if tables:
            blocks.append(Details(f"Numbers of {field}", tables))
    if not blocks:
        return None
    lead = Paragraph(
        "Probabilities of going beyond a quantile of the local climatology, from the share of members that do. On the "
        "diagonal a probability comes true as often as it says. A rank histogram with high ends belongs to an ensemble "
        "with too little spread, one with a slope to a biased one."
    )
    return Section("Probabilities", [lead, *blocks])


def _count(results: Results, dim: str) -> int:
    return int(results.scores.sizes.get(dim, 0))


def event_text(quantile: float) -> str:
    """The event that a quantile of the climatology stands for.

    >>> event_text(0.95), event_text(0.1)
    ('> 95 % quantile', '< 10 % quantile')
    """
    return f"{'<' if quantile < 0.5 else '>'} {100 * quantile:g} % quantile"


def _reliability(results: Results, field: str, quantile: int) -> tuple[Svg, str] | None:
    lines, counts = [], []
    for place, model in enumerate(results.models):
        said, seen, count = (
            results.get(f"reliability_{name}", model=model, field=field) for name in ("forecast", "observed", "count")
        )
        if said is None or seen is None or count is None:
            continue
        number_of = np.nan_to_num(count[quantile])
        if number_of.sum() > 0 and np.isfinite(seen[quantile]).any():
            lines.append(Line(model, said[quantile], seen[quantile], place))
            counts.append(number_of)
    if not lines:
        return None
    text = event_text(float(results.coordinate("quantile")[quantile]))
    total = counts[0].sum()
    base_rate = float(np.nansum(np.nan_to_num(lines[0].y) * counts[0]) / total)
    caption = f"{field} {text}; {total:,.0f} forecasts at grid points, which are not independent of one another."
    return reliability_chart(lines, counts, title=f"{field} {text}", base_rate=base_rate), caption


def _reliability_tables(results: Results, field: str) -> list[Table]:
    said, seen, count = (
        results.get(f"reliability_{name}", model=results.forecast, field=field)
        for name in ("forecast", "observed", "count")
    )
    if said is None or seen is None or count is None:
        return []
    rows = [
        Row([event_text(float(q)), number(said[i], b, 3), number(seen[i], b, 3), number(count[i], b, 0)])
        for i, q in enumerate(results.coordinate("quantile"))
        for b in range(said.shape[1])
        if np.nan_to_num(count[i, b]) > 0
    ]
    columns = [Column("Event"), Column("Forecast probability"), Column("Observed frequency"), Column("Forecasts")]
    return [Table(f"Reliability of {results.forecast}, {field}", columns, rows)] if rows else []


def _brier_table(results: Results, field: str) -> list[Table]:
    parts = [results.get(name, model=results.forecast, field=field) for name in _BRIER]
    if parts[0] is None:
        return []
    rows = [
        Row([event_text(float(q)), results.leads.texts[i], *(number(p if p is None else p[k], i, 4) for p in parts)])
        for k, q in enumerate(results.coordinate("quantile"))
        for i in results.leads.chosen(5)
        if np.isfinite(parts[0][k, i])
    ]
    columns = [Column("Event"), Column("Lead time"), Column("Brier score")]
    columns += [Column(name) for name in ("Reliability", "Resolution", "Uncertainty")]
    return [Table(f"Brier score of {results.forecast} and its parts, {field}", columns, rows)] if rows else []


_BRIER = ("brier", "brier_reliability", "brier_resolution", "brier_uncertainty")


def _ranks(results: Results, field: str) -> list[tuple[Svg, str]]:
    histogram = results.get("rank_histogram", model=results.forecast, field=field)
    if histogram is None:
        return []
    return [
        (
            rank_chart(histogram[i], title=f"Ranks of {field}, {results.leads.texts[i]}"),
            f"{len(histogram[i])} ranks; the line is the histogram of members that are as likely as the truth.",
        )
        for i in results.leads.chosen(_MOST_LEADS)
        if np.nansum(histogram[i]) > 0
    ]
