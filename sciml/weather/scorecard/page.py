"""index.html and a page for each named event, written beside the results that they show."""

from __future__ import annotations

from pathlib import Path

from sciml.core.report import Page, Section, render_page
from sciml.core.runs import write_text
from sciml.weather.scorecard.cases import case_page, cases_section, page_name
from sciml.weather.scorecard.distributions import probability_section, spectra_section
from sciml.weather.scorecard.events import extremes_section, rain_section
from sciml.weather.scorecard.limits import FEW_FORECASTS, compared_section, forecasts, limits_section, time_text
from sciml.weather.scorecard.map_section import maps_section
from sciml.weather.scorecard.overview import headline_section, matrix_section
from sciml.weather.scorecard.results import Results, read_results
from sciml.weather.scorecard.skill import skill_section


def write_scorecard(folder: Path) -> Path:
    """Write index.html, and cases/<id>.html for each event that the forecasts cover, into the folder of an evaluation.

    Args:
        folder: holds scores.nc and scores.json, as `sciml.weather.evaluation` writes them.

    Returns:
        The path of index.html.

    Raises:
        UserError: the results are missing or damaged, or a page cannot be written.
    """
    results = read_results(folder)
    for case in results.cases:
        if case.get("covered"):
            write_text(folder / page_name(case), render_page(case_page(results, case)))
    # last, so that its links never lead to a page that is not there
    index = folder / "index.html"
    write_text(index, render_page(build_index(results)))
    return index


def build_index(results: Results) -> Page:
    """The page of all scores; a section without data is left out."""
    sections: list[Section | None] = [
        headline_section(results),
        matrix_section(results),
        limits_section(results),
        skill_section(results),
        maps_section(results),
        spectra_section(results),
        probability_section(results),
        extremes_section(results),
        rain_section(results),
        cases_section(results),
        compared_section(results),
    ]
    return Page(
        title=f"{results.forecast}: forecast scores",
        kicker="Weather forecast scorecard",
        lead=_lead(results),
        sections=[section for section in sections if section is not None],
        footer="Written by sciml. This page fetches nothing; pages of events lie in cases/. Coastlines: Natural Earth.",
    )


def _lead(results: Results) -> str:
    count = forecasts(results)
    text = "One forecast" if count == 1 else "Forecasts" if count is None else f"{count} forecasts"
    members = f" of {results.members} members" if results.members > 1 else ""
    period = results.facts.get("period") or []
    when = f", begun from {time_text(period[0])} to {time_text(period[1])}" if len(period) == 2 else ""
    truth = f", against {results.facts['truth']}" if results.facts.get("truth") else ""
    leads = results.leads
    first, last = leads.texts[0], leads.texts[-1]
    reach = f"at {first}" if first == last else f"from {first} to {last} ahead"
    few = " Too few to rank models." if count is not None and count < FEW_FORECASTS else ""
    return f"{text}{members}{when}{truth}, scored {reach}.{few}"
