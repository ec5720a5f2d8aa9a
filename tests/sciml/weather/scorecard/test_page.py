"""The pages: every section with its data, none without, no request, no foreign tag, words for every figure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.core.report import Figures
from sciml.weather.scorecard import write_scorecard
from sciml.weather.scorecard.distributions import spectra_section
from sciml.weather.scorecard.map_section import maps_section
from sciml.weather.scorecard.results import Results
from tests.sciml.weather.scorecard.conftest import made_up_facts, made_up_scores

Write = Callable[..., Path]
EVERYTHING = [
    "At a glance",
    "Scorecard",
    "What this does not say",
    "Skill over lead time",
    "Maps of error",
    "Spectra",
    "Probabilities",
    "Extremes",
    "Rain",
    "Named events",
    "What was compared",
]


class Parsed(HTMLParser):
    """Tags with attributes, headings, and the text of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "h2":
            self.headings.append(data)
        if "style" not in self._open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an ensemble with everything that a scorecard can show."""
    folder = tmp_path_factory.mktemp("whole")
    scores = made_up_scores(("t2m", "tp"), regions=("tropics", "global"), lead_hours=(24, 72), members=8)
    write_results(folder, scores, made_up_facts(members=8))
    assert write_scorecard(folder) == folder / "index.html"
    return folder


def write_results(folder: Path, scores: xr.Dataset, facts: dict[str, Any]) -> None:
    import json

    scores.to_netcdf(folder / "scores.nc", engine="netcdf4")
    (folder / "scores.json").write_text(json.dumps(facts))


# ------------------------------------------------------------------------------------------------------------ the whole


def test_every_section_is_there(whole: Path) -> None:
    assert Parsed(whole / "index.html").headings == EVERYTHING


@pytest.mark.parametrize("name", ["index.html", "cases/1.html", "cases/12.html"])
def test_a_page_asks_for_nothing_and_runs_nothing(whole: Path, name: str) -> None:
    page = Parsed(whole / name)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in page.tags:
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in {"href", "src", "xlink:href"}:
                assert re.match(r"#|data:image/png;base64,|cases/\d+\.html$|\.\./index\.html$", str(value)), value
    assert "http" not in page.source
    assert "@import" not in page.source
    assert not re.search(r"url\((?!#)", page.source)


@pytest.mark.parametrize("name", ["index.html", "cases/1.html", "cases/12.html"])
def test_a_reader_who_does_not_see_gets_words(whole: Path, name: str) -> None:
    page = Parsed(whole / name)
    drawings = page.all("svg")
    assert drawings
    for svg in drawings:
        assert svg.get("aria-hidden") == "true" or (svg["role"] == "img" and len(str(svg["aria-label"])) > 20)
    for cell in page.all("th"):
        assert cell["scope"] in {"col", "row", "colgroup"}
    assert all(table.get("aria-label") for table in page.all("table"))
    ids = [str(a["id"]) for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', page.source):
        assert (reference[0] or reference[1]) in ids


def test_no_number_is_missing_its_sense(whole: Path) -> None:
    text = Parsed(whole / "index.html").text
    assert "nan" not in re.findall(r"\b\w+\b", text.lower())
    assert "None" not in text
    assert "not a number" not in text


def test_axes_have_units(whole: Path) -> None:
    text = Parsed(whole / "index.html").text
    for label in ("RMSE (K)", "RMSE (mm)", "lead time (days)", "zonal wavenumber", "power (K² m)", "grid boxes"):
        assert label in text, label


def test_lines_of_maps_stand_once(whole: Path) -> None:
    source = (whole / "index.html").read_text(encoding="utf-8")
    assert source.count('id="shared-map-') == 1
    # 2 fields x 2 lead times x (bias, RMSE, and its difference to two baselines)
    assert source.count('href="#shared-map-') == 16
    assert source.count("data:image/png") == 16


def test_numbers_stand_behind_the_figures(whole: Path) -> None:
    summaries = re.findall(r"<summary>([^<]*)", (whole / "index.html").read_text(encoding="utf-8"))
    for words in ("Numbers of t2m", "Numbers of tp", "Numbers of rain"):
        assert words in summaries
    # scores, spectra, probabilities, extremes
    assert summaries.count("Numbers of t2m") == 4


def test_links_lead_to_pages_that_are_there(whole: Path) -> None:
    for page, folder in ((whole / "index.html", whole), (whole / "cases/1.html", whole / "cases")):
        links = [str(a["href"]) for a in Parsed(page).all("a")]
        for link in links:
            assert link.startswith("#") or (folder / link).is_file()
    assert not (whole / "cases/13.html").exists(), "not covered by the forecasts"
    assert "1 of 3 events of the catalogue lie outside" in Parsed(whole / "index.html").text


def test_pages_can_be_written_again(results_folder: Write) -> None:
    folder = results_folder(small())
    write_scorecard(folder)
    before = {file: file.read_bytes() for file in folder.rglob("*.html")}
    write_scorecard(folder)
    assert {file: file.read_bytes() for file in folder.rglob("*.html")} == before
    assert len(list(folder.iterdir())) == 4, "scores.nc, scores.json, index.html, cases"


# -------------------------------------------------------------------------------------------------------------- cases


def test_the_page_of_an_event(whole: Path) -> None:
    page = Parsed(whole / "cases/1.html")
    assert page.headings == ["The event", "Scores", "Course", "Maps"]
    for words in (
        "onset error (h)",
        "peak error (K)",
        "30°N to 50°N, 0° to 30°E",
        "t2m, mean over the region",
        "valid time (UTC)",
        "t2m (K)",
    ):
        assert words in page.text
    maps = [str(svg["aria-label"]) for svg in page.all("svg") if "Map of" in str(svg.get("aria-label"))]
    assert [label.split(":")[0] for label in maps] == [
        "Map of t2m, Truth",
        "Map of t2m, unet, 3 d ahead",
        "Map of t2m, Forecast less truth",
    ]


def test_the_page_of_a_cyclone(whole: Path) -> None:
    page = Parsed(whole / "cases/12.html")
    assert page.headings == ["The event", "Scores", "Tracks"]
    for words in ("track error (km)", "from 2026-03-18 00:00 UTC", "largest wind (m s⁻¹)", "lowest pressure (hPa)"):
        assert words in page.text
    # the map is of the storm's surroundings, across the antimeridian, and not of the globe
    assert "170°E" in page.text
    assert "170°W" in page.text
    assert "0°" not in re.findall(r"\d+°[EW]?", page.text)


def test_an_event_is_shown_in_the_units_of_the_scores(results_folder: Write) -> None:
    facts = made_up_facts()
    wave = facts["cases"][0]
    wave.update(field="msl", unit="Pa", rows=[
        {"model": "unet", "lead_hours": hours, "name": "error of the extreme", "score": score, "unit": "Pa"}
        for hours, score in ((24.0, 0.0), (72.0, -123.456))
    ])  # fmt: skip
    wave["map"].update(truth=(np.array(wave["map"]["truth"]) + 1e5).tolist(), forecast=None)
    folder = results_folder(small(), facts)
    write_scorecard(folder)
    page = Parsed(folder / "cases/1.html")
    text = page.text
    # its course, from 300 to 308 Pa
    assert "the truth between 3 and 3.08 hPa" in page.source
    for words in ("msl (hPa)", "−1.23", "error of the extreme (hPa)", "From 1003 to 1003 hPa. No forecast of the lead"):
        assert words in text, words
    assert " Pa" not in text
    assert "−1.23\u00a0hPa\u00a0at\u00a072\u00a0h" in Parsed(folder / "index.html").text


def test_a_course_with_gaps_is_a_line(results_folder: Write) -> None:
    facts = made_up_facts()
    series = facts["cases"][0]["series"]
    series["forecasts"]["unet"] = {"24": [300.0 + i % 4 if i % 2 else None for i in range(20)]}
    folder = results_folder(small(), facts)
    write_scorecard(folder)
    page = (folder / "cases/1.html").read_text(encoding="utf-8")
    # ten points that are joined by nine strokes, in the colour of the longest line
    paths = re.findall(r'<path d="M ([^"]*)"[^>]*stroke: var\(--ramp6', page)
    assert any(path.count("L") == 9 for path in paths)


def test_scores_of_an_event_are_explained(whole: Path) -> None:
    assert "A dash:" in Parsed(whole / "cases/1.html").text
    assert "mean distance from the position of IBTrACS" in Parsed(whole / "cases/12.html").text
    assert "truth" not in Parsed(whole / "cases/12.html").text


@pytest.mark.parametrize(("smallest", "ticks"), [(0.5, False), (1e-4, True)])
def test_ratios_of_spectra_over_two_decades_are_logarithmic(smallest: float, ticks: bool) -> None:
    scores = small()
    power = made_up_scores(("t2m",), regions=("global",), lead_hours=(24, 48))["power"]
    power[{"model": -1}] = 1.0
    power[{"model": 0}] = np.geomspace(1.0, smallest, power.sizes["wavenumber"])
    # a wave that the truth has not: its ratio is no number to draw
    power[{"model": -1, "wavenumber": 5}] = 1e-20
    section = spectra_section(Results(scores.assign(power=power), made_up_facts()))
    assert section is not None
    ratio = section.blocks[2].items[-1][0]  # pyright: ignore[reportAttributeAccessIssue]
    assert ("0.001" in ratio.markup) == ticks
    assert "10000000" not in ratio.markup
    assert "e+" not in ratio.alt


def test_an_event_without_any_result_says_so(results_folder: Write) -> None:
    facts = made_up_facts()
    case = {k: v for k, v in facts["cases"][0].items() if k not in {"rows", "series", "map"}}
    facts["cases"] = [{**case, "rows": [], "series": {"times": [], "truth": [], "forecasts": {}}, "map": None}]
    folder = results_folder(small(), facts)
    write_scorecard(folder)
    assert "nothing of it could be scored" in Parsed(folder / "cases/1.html").text


# ------------------------------------------------------------------------------------------- when something is missing


def small(**more: Any) -> xr.Dataset:
    """One field, without what takes long to draw."""
    scores = made_up_scores(**{"fields": ("t2m",), "regions": ("global",), "lead_hours": (24, 48), **more})
    return scores.drop_vars(["bias_map", "rmse_map", "power", "sedi", "frequency_bias", "hit_rate"])


def sections(folder: Path) -> list[str]:
    write_scorecard(folder)
    return Parsed(folder / "index.html").headings


def test_a_single_forecast_without_climatology(results_folder: Write) -> None:
    facts = made_up_facts(initial_times=1)
    facts.update(climatology=None, cases=[], repairs=[])
    folder = results_folder(small(models=("unet", "persistence")).drop_vars(["acc", "activity", "rmse_low"]), facts)
    assert sections(folder) == [n for n in EVERYTHING if n in {
        "At a glance", "Scorecard", "What this does not say", "Skill over lead time", "What was compared",
    }]  # fmt: skip
    text = Parsed(folder / "index.html").text
    assert "A single forecast cannot rank models" in text
    assert "There are no intervals" in text
    assert "▲" not in text
    assert "ACC" not in text
    assert "against climatology" not in text


def test_no_baseline_and_one_lead_time(results_folder: Write) -> None:
    folder = results_folder(small(models=("unet",), lead_hours=(6,)), {**made_up_facts(), "cases": []})
    assert sections(folder) == ["At a glance", "What this does not say", "All scores", "What was compared"]
    assert "Skill" not in Parsed(folder / "index.html").text


def test_nothing_but_missing_values(results_folder: Write) -> None:
    scores = made_up_scores(("t2m",), regions=("global",), lead_hours=(24, 48), members=4)
    for name in scores.data_vars:
        scores[name] = scores[name] * math.nan
    folder = results_folder(scores, {**made_up_facts(), "cases": []})
    assert sections(folder) == ["At a glance", "What this does not say", "What was compared"]
    assert "No score is defined" in Parsed(folder / "index.html").text


def test_results_without_regions(results_folder: Write) -> None:
    scores = small().isel(region=0, drop=True)
    folder = results_folder(scores, {**made_up_facts(), "cases": []})
    assert "Scorecard" in sections(folder)


def test_a_regional_grid(results_folder: Write) -> None:
    scores = made_up_scores(("t2m",), regions=("europe",), lead_hours=(24,))
    scores = scores.drop_vars(["power", "sedi", "frequency_bias", "hit_rate"])
    scores = scores.isel(latitude=slice(10, 15), longitude=slice(2, 9))
    folder = results_folder(scores, {**made_up_facts(), "cases": []})
    assert "Maps of error" in sections(folder)
    labels = [svg.get("aria-label") for svg in Parsed(folder / "index.html").all("svg")]
    assert "Map of Bias of t2m at 24 h" in " ".join(str(label) for label in labels)


HOSTILE = ["<script>alert(1)</script>", '_hidden $x^2$ & "quotes" \'', "</style></svg>\x00<!--", "x" * 300]


def test_hostile_names_stay_words(results_folder: Write) -> None:
    scores = made_up_scores(("t2m",), models=HOSTILE, regions=("<b>r</b>",), lead_hours=(24, 48), members=3)
    scores = scores.drop_vars(["bias_map", "rmse_map"]).assign_coords(field=["<i>f</i>"])
    scores = scores.assign_coords(field_units=("field", ["<u>"]))
    facts = made_up_facts(forecast="<script>x</script>")
    for case in facts["cases"]:
        case.update(title='"><script>alert(2)</script>', unit="<s>", field="</svg><script>")
    facts.update(truth="<script>", repairs=["<script>"], grid={"<script>": "<script>"})
    folder = results_folder(scores, facts)
    write_scorecard(folder)
    allowed = {tag for tag, _ in Parsed(folder / "index.html").tags}
    for page in [folder / "index.html", *folder.glob("cases/*.html")]:
        found = Parsed(page)
        tags = {tag for tag, _ in found.tags}
        assert not tags & {"script", "b", "i", "u", "s"}, page
        assert "http" not in found.source
    assert "<script>alert(1)</script>" in Parsed(folder / "index.html").text
    assert "svg" in allowed


def test_many_maps_keep_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sciml.weather.scorecard.map_section.MOST_MAPS", 8)
    fields = ("t2m", "u10", "v10")
    rough = dict.fromkeys(fields, np.random.default_rng(0).normal(size=(4, 181, 360)))
    scores = made_up_scores(fields, models=("unet",), lead_hours=(24, 72, 120, 240), shape=(181, 360), maps=rough)
    section = maps_section(Results(scores, made_up_facts()))
    assert section is not None
    maps = [svg for block in section.blocks if isinstance(block, Figures) for svg, _ in block.items]
    # one lead time of bias and RMSE a field
    assert len(maps) == 6
    # MOST_MAPS of noise, the worst case, without the lines that they share, stay below 8 MB
    assert max(len(re.sub("<defs.*</defs>", "", svg.markup)) for svg in maps) < 80_000


# ------------------------------------------------------------------------------------------------------ what it refuses


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"scores\.json"):
        write_scorecard(tmp_path)


@pytest.mark.parametrize("damage", ["absent", "empty", "other"])
def test_results_that_are_none(results_folder: Write, damage: str) -> None:
    folder = results_folder(small())
    file = folder / "scores.nc"
    file.unlink()
    if damage == "empty":
        file.write_bytes(b"")
    if damage == "other":
        xr.Dataset({"x": ("y", np.zeros(2))}).to_netcdf(file, engine="netcdf4")
    with pytest.raises(UserError, match=r"scores\.nc"):
        write_scorecard(folder)
