"""What was compared, and what the scores do not say."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from sciml.core.report import Block, Code, Facts, Heading, Notes, Section
from sciml.weather.maps import east_text, north_text
from sciml.weather.scorecard.results import Results

# fewer forecasts than this are hardly independent in number: a bootstrap of their blocks has too few blocks to draw
# from
FEW_FORECASTS = 30
# of comparisons at 95 %: this many have one by chance
_MANY_TESTS = 20
# a front is about 100 km wide, and no grid holds what is narrower than a few of its boxes
_COARSE_DEG = 1.5


def limits_section(results: Results) -> Section:
    """Remarks that follow from the results at hand."""
    count = forecasts(results)
    notes = list(results.notes)
    if count is not None and count < FEW_FORECASTS:
        what = "A single forecast" if count == 1 else f"{count} forecasts"
        notes.append(
            f"{what} cannot rank models: below {FEW_FORECASTS} forecasts, and most of all when they follow one another "
            "closely, the intervals and marks of significance are not to be trusted."
        )
    days = _days(results)
    if days is not None and days < 330:
        notes.append(
            f"The initial times span {days:.0f} days. They say nothing about other seasons, nor about weather that "
            "did not occur then."
        )
    fewest = _fewest(results)
    if fewest is not None and count is not None and fewest < count:
        notes.append(
            f"Not every lead time has all {count} forecasts: the one with the fewest has {fewest}. A curve over lead "
            "time then compares different weather, not only different lead times."
        )
    tests = len(results.fields) * max(1, len(results.regions)) * len(results.leads.hours) * len(results.baselines)
    if "rmse_low" not in results.scores and results.baselines:
        notes.append("There are no intervals, so whether a difference is more than chance cannot be told here.")
    elif "rmse_low" in results.scores and tests >= _MANY_TESTS:
        notes.append(
            f"The marks come from {tests} comparisons, each at 95 %: about {max(1, round(tests / 20))} of them would "
            "be filled by chance if nothing differed."
        )
    if results.members == 1:
        notes.append(
            "A forecast without members has no spread: nothing here speaks of probabilities, or of its own doubt."
        )
    step = _spacing(results)
    if step is not None and step > _COARSE_DEG:
        notes.append(
            f"On a grid of {step:.3g} degrees, fronts, heavy rain and the core of a cyclone are smeared out in "
            "forecast and truth alike; the scores do not tell how well these are forecast."
        )
    notes += [
        f"The truth, {results.facts.get('truth', 'an analysis')}, has errors of its own, and a model trained on it is "
        "closer to it than to the atmosphere.",
        "RMSE rewards a forecast that smooths what it is not sure of; look at activity and spectra beside it.",
    ]
    if results.baselines:
        notes.append("The baselines are easy ones: a forecast has to beat them, and is not yet of use when it does.")
    return Section("What this does not say", [Notes(notes)])


def forecasts(results: Results) -> int | None:
    """How many initial times were scored."""
    count = results.facts.get("initial_times")
    return int(count) if count is not None else None


def _fewest(results: Results) -> int | None:
    """Forecasts of the lead time that has the fewest, but some."""
    counts = [results.get("forecasts", model=results.forecast, field=f, region=results.region) for f in results.fields]
    known = [int(n) for values in counts if values is not None for n in values if n > 0]
    return min(known, default=None)


def _days(results: Results) -> float | None:
    period = results.facts.get("period") or []
    if len(period) != 2:
        return None
    first, last = (np.datetime64(str(time)[:19]) for time in period)
    return float((last - first) / np.timedelta64(1, "D"))


def _spacing(results: Results) -> float | None:
    if "longitude" not in results.scores.coords or results.scores.sizes["longitude"] < 2:
        return None
    return float(np.median(np.diff(results.coordinate("longitude"))))


def compared_section(results: Results) -> Section:
    """Data, times, grid, and what was changed on reading."""
    facts = results.facts
    items = [
        ("Forecast", results.forecast),
        ("Members", str(results.members) if facts.get("members") else "none (deterministic)"),
    ]
    items += [
        (name, str(facts[key])) for name, key in (("Truth", "truth"), ("Climatology", "climatology")) if facts.get(key)
    ]
    period = facts.get("period") or []
    if len(period) == 2:
        items.append(("Initial times", f"{time_text(period[0])} to {time_text(period[1])}"))
    if (count := forecasts(results)) is not None:
        items.append(("Forecasts", str(count)))
    items.append(
        ("Lead times", f"{len(results.leads.hours)}, from {results.leads.texts[0]} to {results.leads.texts[-1]}")
    )
    if grid := _grid_text(facts.get("grid")):
        items.append(("Grid", grid))
    if results.regions:
        items.append(("Regions", ", ".join(map(results.region_text, results.regions))))
    items += [(name, str(facts[key])) for name, key in (("Made at", "created"), ("sciml", "version")) if facts.get(key)]
    blocks: list[Block] = [Facts(items)]
    if command := facts.get("command"):
        blocks.append(Code(shlex.join(map(str, command))))
    if repairs := facts.get("repairs"):
        blocks += [Heading("Changed on reading"), Notes([str(repair) for repair in repairs])]
    return Section("What was compared", blocks)


def _grid_text(grid: Any) -> str:
    """A grid in words: what it is, its points, and how far it reaches.

    >>> limits = {"south": -90, "north": 90, "west": 0, "east": 350}
    >>> _grid_text({"kind": "regular", "latitudes": 19, "longitudes": 36, **limits})
    'regular, 19 × 36 points, global'
    """
    if isinstance(grid, Mapping) and {"kind", "latitudes", "longitudes"} <= grid.keys():
        size = f"{grid['kind']}, {grid['latitudes']} × {grid['longitudes']} points"
        if not {"south", "north", "west", "east"} <= grid.keys():
            return size
        south, north, west, east = (float(grid[name]) for name in ("south", "north", "west", "east"))
        step_y, step_x = (
            (b - a) / max(1, n - 1)
            for a, b, n in ((south, north, int(grid["latitudes"])), (west, east, int(grid["longitudes"])))
        )
        # the first and the last point of a globe are less than a step from the poles, and one from each other
        if max(90 + south, 90 - north) < step_y and abs(east - west + step_x - 360) < 0.5 * step_x:
            return f"{size}, global"
        return f"{size}, {north_text(south)} to {north_text(north)}, {east_text(west)} to {east_text(east)}"
    if isinstance(grid, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in grid.items())
    return str(grid) if grid else ""


def time_text(time: Any) -> str:
    """A time of scores.json, to the minute.

    >>> time_text("2026-03-25T06:00:00.000000000")
    '2026-03-25 06:00 UTC'
    """
    return f"{str(time)[:16].replace('T', ' ')} UTC"
