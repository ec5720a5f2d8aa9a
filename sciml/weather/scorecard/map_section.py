"""Maps of bias and error of the forecast, and of its error less a baseline's, one scale a field and kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sciml.core.report import Block, Details, Figures, Heading, Paragraph, Section, Svg, decimals_for, format_number
from sciml.weather.grid import Grid
from sciml.weather.map_scales import Scale, difference_scale, error_scale
from sciml.weather.maps import draw_map
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.wording import LeadTimes

Array = NDArray[np.float64]

MOST_LEADS = 4
# a map takes 15 to 35 kB; this many keep the page below 3 MB
MOST_MAPS = 100


def maps_section(results: Results) -> Section | None:
    """None without maps."""
    if "rmse_map" not in results.scores and "bias_map" not in results.scores:
        return None
    baselines = [b for b in results.baselines if results.get("rmse_map", model=b) is not None]
    kinds = 2 + len(baselines)
    leads = LeadTimes(results.hours("map_lead_time"))
    most = max(1, min(MOST_LEADS, MOST_MAPS // (kinds * max(1, len(results.fields)))))
    chosen = leads.chosen(most)
    blocks: list[Block] = []
    for field in results.fields:
        bias = results.get("bias_map", model=results.forecast, field=field)
        rmse = results.get("rmse_map", model=results.forecast, field=field)
        if bias is None and rmse is None:
            continue
        blocks.append(Heading(results.field_text(field)))
        if bias is not None:
            blocks.append(_figures(results, "Bias", field, bias, difference_scale(bias[chosen]), leads, chosen))
        if rmse is None:
            continue
        blocks.append(_figures(results, "RMSE", field, rmse, error_scale(rmse[chosen]), leads, chosen))
        for baseline in baselines:
            theirs = results.get("rmse_map", model=baseline, field=field)
            if theirs is not None and np.isfinite(difference := rmse - theirs).any():
                scale = difference_scale(difference[chosen])
                figures = _figures(results, f"RMSE less {baseline}'s", field, difference, scale, leads, chosen)
                blocks.append(
                    Details(f"{field}: where the RMSE is below that of {baseline}", [_BLUE_IS_BETTER, figures])
                )
    if not blocks:
        return None
    lead = Paragraph(
        "Bias is the mean of forecast minus truth, RMSE the root mean square error, both over the forecasts at each "
        "grid point, drawn with linear interpolation between them. The globe is in the Equal Earth projection, on "
        "which areas compare. The maps of a row share one scale; a pointed end of the colour bar stands for all that "
        "lies beyond."
    )
    return Section("Maps of error", [lead, *blocks])


_BLUE_IS_BETTER = Paragraph("Blue: the forecast's RMSE is lower than the baseline's; red: higher.")


def _figures(
    results: Results, kind: str, field: str, fields: Array, scale: Scale, leads: LeadTimes, chosen: list[int]
) -> Figures:
    latitude, longitude = results.coordinate("latitude"), results.coordinate("longitude")
    weights = Grid(latitude, longitude).area_weights()
    drawings: list[tuple[Svg, str]] = []
    for i in chosen:
        known = np.isfinite(fields[i])
        if not known.any():
            continue
        text = leads.text(float(leads.hours[i]))
        mean = float(np.average(fields[i][known], weights=weights[known]))
        unit = results.unit(field)
        low, high = float(fields[i][known].min()), float(fields[i][known].max())
        digits = decimals_for([max(abs(low), abs(high))])
        span = f"{format_number(low, digits)} to {format_number(high, digits)}"
        facts = f"area mean {format_number(mean, digits + 1)}, from {span} {unit}".rstrip()
        facts = facts if low < high or low != 0 else "zero at every grid point"
        svg = draw_map(
            fields[i],
            latitude,
            longitude,
            title=f"{kind}, {field}, {text}",
            alt=f"Map of {kind} of {field} at {text}: {facts}.",
            scale=scale,
            unit=unit,
        )
        drawings.append((svg, f"{facts[0].upper()}{facts[1:]}."))
    return Figures(drawings)
