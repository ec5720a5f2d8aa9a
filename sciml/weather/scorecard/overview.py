"""The first screen: tiles, the headline table, and the matrix of all fields, regions and lead times.

Skill is 100 (1 - RMSE of the forecast / RMSE of the baseline) in per cent, above zero where the forecast is better. A
difference is significant where the 95 % interval of RMSE(baseline) - RMSE(forecast) leaves out zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sciml.core.report import (
    Block,
    Column,
    Details,
    Notes,
    Number,
    Paragraph,
    Row,
    Section,
    Table,
    Tile,
    Tiles,
    decimals_for,
    format_number,
)
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.wording import decimals_within

Array = NDArray[np.float64]

MATRIX_LEADS = 10
# of each field that stand open; the others are folded
MATRIX_REGIONS = 6
# per cent of skill from which a cell is shaded more
SHADES = (1.0, 10.0, 30.0)
MARKS = {
    (True, True): ("▲", "significantly better"),
    (True, False): ("△", "better, not significantly"),
    (False, True): ("▼", "significantly worse"),
    (False, False): ("▽", "worse, not significantly"),
}
LEGEND = (
    "▲ and ▼: better and worse than the baseline, where the 95 % interval of the difference of the RMSE, by a block "
    "bootstrap over the forecasts, leaves out zero. △ and ▽: better and worse, but the interval holds zero. No mark: "
    "no interval."
)
# below this the anomaly correlation of a forecast is of little use to a forecaster (Murphy & Epstein, Mon. Wea. Rev.
# 117,
# 1989, by custom of the weather centres)
USEFUL_ACC = 0.6
SPREAD_AND_ERROR = (
    "Spread / error is corrected for the number of members M: variance / M, the part of the mean's squared error that "
    "comes from having only M members, is taken out of that error first. A value far above 1 is that of an ensemble "
    "that spreads so much wider than its mean errs that next to nothing is left to divide by; a dash or a gap stands "
    "where the error is smaller than its sampling part, so that nothing is left."
)


def skill_percent(results: Results, baseline: str, field: str, region: str) -> Array | None:
    """[l] by how much the forecast's RMSE is below the baseline's."""
    ours = results.get("rmse", model=results.forecast, field=field, region=region)
    theirs = results.get("rmse", model=baseline, field=field, region=region)
    if ours is None or theirs is None:
        return None
    skill = 100 * (1 - ours / np.where(theirs > 0, theirs, np.nan))
    return skill if np.isfinite(skill).any() else None


def skill_cells(results: Results, baseline: str, field: str, region: str, *, shaded: bool) -> list[Number]:
    """[l] cells with mark and, if asked for, shade."""
    count = len(results.leads.hours)
    skill = skill_percent(results, baseline, field, region)
    if skill is None:
        return [Number(None)] * count
    nothing = np.full(count, np.nan)
    low, high = (results.get(name, model=baseline, field=field, region=region) for name in ("rmse_low", "rmse_high"))
    low, high = nothing if low is None else low, nothing if high is None else high
    return [
        _skill_cell(*values, shaded=shaded) for values in zip(skill.tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def _skill_cell(skill: float, low: float, high: float, *, shaded: bool) -> Number:
    if not np.isfinite(skill):
        return Number(None)
    mark, meaning = "", ""
    if np.isfinite(low) and np.isfinite(high) and skill != 0:
        mark, meaning = MARKS[skill > 0, low > 0 or high < 0]
    level = sum(abs(skill) >= edge for edge in SHADES)
    shade = f"{'better' if skill > 0 else 'worse'}{level}" if shaded and level else ""
    return Number(skill, 1 if abs(skill) < 99.95 else 0, mark, meaning, shade)


# ------------------------------------------------------------------------------------------------------------ headline


def headline_section(results: Results) -> Section:
    """Tiles, and one row a field and lead time for the globe or the first region."""
    region = results.region
    table = _headline_table(results, region)
    if not table.rows:
        nothing = Paragraph("No score is defined: forecast and truth share no value.")
        return Section("At a glance", [nothing, *([Notes(results.notes)] if results.notes else [])])
    blocks: list[Block] = []
    if tiles := _tiles(results, region):
        blocks.append(Tiles(tiles))
    if results.notes:
        blocks.append(Notes(results.notes))
    blocks.append(table)
    if results.baselines:
        blocks.append(
            Paragraph(
                "Skill is 100 (1 − RMSE of the forecast / RMSE of the baseline), so 0 % is no better than the baseline "
                "and 100 % is perfect. " + (LEGEND if "rmse_low" in results.scores else "")
            )
        )
    if _has(results, "spread_skill_ratio", region):
        blocks.append(Paragraph(SPREAD_AND_ERROR))
    return Section("At a glance", blocks)


def _tiles(results: Results, region: str) -> list[Tile]:
    """One tile a field, for at most six: the skill at a middle lead time, or the RMSE where there is no baseline."""
    leads = results.leads
    at = results.headline_leads[len(results.headline_leads) // 2]
    tiles = []
    for field in results.fields[:6]:
        rmse = results.get("rmse", model=results.forecast, field=field, region=region)
        if rmse is None or not np.isfinite(rmse[at]):
            continue
        remarks = []
        for baseline in results.baselines:
            skill = skill_percent(results, baseline, field, region)
            if skill is not None and np.isfinite(skill[at]):
                remarks.append(f"{format_number(float(skill[at]), 0)} % against {baseline}")
        useful = _useful_until(results, field, region)
        if useful:
            remarks.append(useful)
        shown = format_number(float(rmse[at]), decimals_for([float(rmse[at])]))
        label = f"{results.field_text(field)} RMSE at {leads.text(float(leads.hours[at]))}"
        tiles.append(Tile(label, shown, results.unit(field), " · ".join(remarks)))
    return tiles


def _useful_until(results: Results, field: str, region: str) -> str:
    """The lead time at which the anomaly correlation falls below 0.6, by straight lines between lead times."""
    acc = results.get("acc", model=results.forecast, field=field, region=region)
    if acc is None:
        return ""
    known = np.isfinite(acc)
    hours, acc = results.leads.hours[known], acc[known]
    below = np.flatnonzero(acc < USEFUL_ACC)
    if len(acc) < 2 or (len(below) and below[0] == 0):
        return ""
    if not len(below):
        return f"ACC above {USEFUL_ACC} throughout"
    i = below[0]
    crossing = np.interp(USEFUL_ACC, [acc[i], acc[i - 1]], [hours[i], hours[i - 1]])
    return f"ACC above {USEFUL_ACC} for {crossing / 24:.1f} d"


def _headline_table(results: Results, region: str) -> Table:
    leads = results.leads
    chosen = results.headline_leads
    extra = [
        (title, name)
        for title, name in (
            ("Bias", "bias"),
            ("CRPS", "crps"),
            ("ACC", "acc"),
            ("Spread / error", "spread_skill_ratio"),
        )
        if name in results.scores and _has(results, name, region) and (name != "crps" or results.members > 1)
    ]
    columns = [Column("Field"), Column("Unit"), Column("Lead time")]
    columns += [Column(model, heading="RMSE") for model in results.models]
    columns += [Column(f"against {baseline}", "%", heading="Skill") for baseline in results.baselines]
    columns += [Column(title) for title, _ in extra]
    counts = [results.get("forecasts", model=results.forecast, field=field, region=region) for field in results.fields]
    columns += [Column("Forecasts")] if any(count is not None for count in counts) else []
    rows = []
    for field, count in zip(results.fields, counts, strict=True):
        rmse = [results.get("rmse", model=model, field=field, region=region) for model in results.models]
        if rmse[0] is None:
            continue
        digits = decimals_for([float(values[i]) for values in rmse if values is not None for i in chosen])
        skill = [skill_cells(results, baseline, field, region, shaded=True) for baseline in results.baselines]
        others = [(name, results.get(name, model=results.forecast, field=field, region=region)) for _, name in extra]
        for i in chosen:
            # the unit does not break in two, nor the lead time
            words = (results.field_text(field), results.unit(field) or "–", leads.texts[i])
            cells: list[str | Number] = [word.replace(" ", "\u00a0") for word in words]
            cells += [number(values, i, digits) for values in rmse]
            cells += [column[i] for column in skill]
            cells += [number(values, i, digits if name in {"bias", "crps"} else 3) for name, values in others]
            cells += [number(count, i, 0)] if len(cells) < len(columns) else []
            rows.append(Row(cells, "first" if i == chosen[0] else ""))
    where = f", {results.region_text(region)}" if region else ""
    return Table(
        f"{results.forecast}{where}: scores by field and lead time; RMSE, bias and CRPS in the unit", columns, rows
    )


def _has(results: Results, name: str, region: str) -> bool:
    return any(
        results.get(name, model=results.forecast, field=field, region=region) is not None for field in results.fields
    )


def number(values: Array | None, place: int, decimals: int) -> Number:
    """A cell of at most four significant digits, empty where there is no value."""
    known = values is not None and np.isfinite(values[place])
    if not known or values is None:
        return Number(None)
    value = float(values[place])
    return Number(value, decimals_within(value, decimals))


# -------------------------------------------------------------------------------------------------------------- matrix


def matrix_section(results: Results) -> Section | None:
    """Skill by field, region and lead time, one table a baseline."""
    regions: Sequence[str] = results.regions or [""]
    # the region of the curves is among those that stand open
    regions = sorted(regions, key=lambda region: region != results.region)
    first, others = regions[:MATRIX_REGIONS], regions[MATRIX_REGIONS:]
    tables: list[Block] = []
    for baseline in results.baselines:
        tables += [table] if (table := _matrix(results, baseline, first)) else []
        if more := _matrix(results, baseline, others):
            tables.append(Details(f"{len(others)} more regions against {baseline}", [more]))
    if not tables:
        return None
    blocks: list[Block] = [
        Paragraph(
            "Each cell is the skill in per cent: by how much the forecast's RMSE lies below the baseline's. Blue cells "
            "are better, orange ones worse, with deeper shades from 1, 10 and 30 %. The marks are those of the table "
            "above."
        ),
        *tables,
    ]
    return Section("Scorecard", blocks)


def _matrix(results: Results, baseline: str, regions: Sequence[str]) -> Table | None:
    leads = results.leads
    chosen = leads.chosen(MATRIX_LEADS)
    rows = []
    for field in results.fields:
        first = "first"
        for region in regions:
            cells = skill_cells(results, baseline, field, region, shaded=True)
            if any(cells[i].value is not None for i in chosen):
                words = [results.field_text(field), results.region_text(region, field)]
                rows.append(Row([*words, *(cells[i] for i in chosen)], first))
                first = ""
    columns = [Column("Field"), Column("Region")]
    columns += [Column(leads.text(float(leads.hours[i])), heading="Skill in % by lead time") for i in chosen]
    return Table(f"{results.forecast} against {baseline}", columns, rows) if rows else None
