"""What the tables say about given numbers: skill, marks, shades, lead times, units."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.core.report import Details, Facts, Notes, Table
from sciml.weather.scorecard.limits import compared_section, limits_section
from sciml.weather.scorecard.overview import headline_section, matrix_section, number, skill_cells, skill_percent
from sciml.weather.scorecard.results import Results
from sciml.weather.scorecard.wording import LeadTimes
from tests.sciml.weather.scorecard.conftest import made_up_facts, made_up_scores


def results(**more) -> Results:
    return Results(made_up_scores(**more), made_up_facts())


def set_rmse(found: Results, ours: float, theirs: float, low: float, high: float) -> None:
    """Forecast and persistence of the first field, region and lead time."""
    at = {"field": 0, "region": 0, "lead_time": 0}
    for name, model, value in (
        ("rmse", 0, ours), ("rmse", 1, theirs), ("rmse_low", 1, low), ("rmse_high", 1, high),
    ):  # fmt: skip
        found.scores[name][{**at, "model": model}] = value


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high", "skill", "mark", "shade"),
    [
        (1.0, 2.0, 0.5, 1.5, 50.0, "▲", "better3"),
        (1.0, 1.05, -0.1, 0.2, 100 * (1 - 1 / 1.05), "△", "better1"),
        (1.2, 1.0, -0.3, -0.1, -20.0, "▼", "worse2"),
        (1.004, 1.0, -0.1, 0.1, -0.4, "▽", ""),
        (1.0, 2.0, np.nan, np.nan, 50.0, "", "better3"),
    ],
)
def test_a_cell(ours: float, theirs: float, low: float, high: float, skill: float, mark: str, shade: str) -> None:
    found = results()
    set_rmse(found, ours, theirs, low, high)
    cell = skill_cells(found, "persistence", "t2m", "global", shaded=True)[0]
    assert cell.value == pytest.approx(skill)
    assert (cell.mark, cell.shade) == (mark, shade)
    assert bool(cell.meaning) == bool(mark)


def test_a_baseline_without_error_has_no_skill_against_it() -> None:
    found = results()
    set_rmse(found, 1.0, 0.0, 0.0, 0.0)
    skill = skill_percent(found, "persistence", "t2m", "global")
    assert skill is not None
    assert np.isnan(skill[0])
    assert np.isfinite(skill[1:]).all()
    assert skill_cells(found, "persistence", "t2m", "global", shaded=True)[0].value is None


def test_the_truth_is_no_model() -> None:
    found = results()
    assert found.models == ["unet", "persistence", "climatology"]
    assert found.baselines == ["persistence", "climatology"]
    assert found.get("rmse", model="truth", field="t2m", region="global") is None
    assert found.get("power", model="truth", field="t2m") is not None


def test_rain_is_shown_in_mm_and_pressure_in_hpa() -> None:
    found = results(fields=("tp", "msl", "z500"))
    assert [found.unit(field) for field in found.fields] == ["mm", "hPa", "m² s⁻²"]
    for field, factor in (("tp", 1000.0), ("msl", 0.01), ("z500", 1.0)):
        raw = found.scores["rmse"].sel(model="unet", field=field, region="global").values
        np.testing.assert_allclose(found.get("rmse", model="unet", field=field, region="global"), factor * raw)
        spectrum = found.scores["power"].sel(model="unet", field=field).values
        np.testing.assert_allclose(found.get("power", model="unet", field=field), factor**2 * spectrum)
    # a correlation has no unit
    raw = found.scores["acc"].sel(model="unet", field="tp", region="global").values
    np.testing.assert_array_equal(found.get("acc", model="unet", field="tp", region="global"), raw)


def test_the_globe_comes_first_wherever_it_stands() -> None:
    assert results(regions=("europe", "global")).region == "global"
    assert results(regions=("europe", "tropics")).region == "europe"


def test_the_matrix_has_a_row_a_field_and_region() -> None:
    section = matrix_section(results())
    assert section is not None
    persistence, climatology = section.blocks[1:]
    assert [len(table.rows) for table in (persistence, climatology)] == [6, 6]  # pyright: ignore[reportAttributeAccessIssue]
    assert matrix_section(results(models=("unet",))) is None


def test_tiles_tell_until_when_a_forecast_is_useful() -> None:
    found = results(lead_hours=(24, 48, 72))
    at = {"model": 0, "field": 0, "region": 0}
    found.scores["acc"][at] = [0.9, 0.7, 0.5]
    tiles = headline_section(found).blocks[0].items  # pyright: ignore[reportAttributeAccessIssue]
    # 0.6 is halfway between 2 and 3 days
    assert "ACC above 0.6 for 2.5 d" in tiles[0].remark


@pytest.mark.parametrize(("count", "warned"), [(1, True), (29, True), (30, False)])
def test_few_forecasts_are_named(count: int, warned: bool) -> None:
    notes = limits_section(Results(made_up_scores(), made_up_facts(initial_times=count))).blocks[0].items  # pyright: ignore[reportAttributeAccessIssue]
    assert any("cannot rank models" in note for note in notes) == warned


def test_lead_times_with_fewer_forecasts_are_named() -> None:
    found = results()
    found.scores["forecasts"][{"lead_time": -1}] = 3.0
    notes = limits_section(found).blocks[0].items  # pyright: ignore[reportAttributeAccessIssue]
    assert any("the one with the fewest has 3." in note for note in notes)


def test_lead_times_are_hours_up_to_two_days() -> None:
    short, long = LeadTimes(np.array([6.0, 48.0])), LeadTimes(np.array([6.0, 72.0]))
    assert (short.unit, short.texts) == ("hours", ["6 h", "48 h"])
    assert (long.unit, long.texts) == ("days", ["6 h", "3 d"])
    np.testing.assert_array_equal(long.values, [0.25, 3.0])


def test_the_analysis_itself_is_no_lead_time_to_choose() -> None:
    assert LeadTimes(np.array([0.0, 6.0, 12.0])).chosen(5) == [1, 2]
    assert LeadTimes(np.array([0.0])).chosen(5) == [0]


def test_what_a_reader_must_know_comes_first() -> None:
    note = "The forecast has values on 34 % of the area; all models are scored there alone."
    found = Results(made_up_scores(), {**made_up_facts(), "notes": [note]})
    assert limits_section(found).blocks[0].items[0] == note  # pyright: ignore[reportAttributeAccessIssue]
    kinds = [type(block) for block in headline_section(found).blocks]
    assert kinds.index(Notes) < kinds.index(Table)


def test_regions_that_are_not_whole_say_so() -> None:
    found = results()
    assert found.region_text("global", "t2m") == "global"
    found.scores["coverage"] = 0 * found.scores["rmse"] + 0.995
    found.scores["coverage"][{"field": 0, "region": 0, "lead_time": -1}] = 0.342
    assert [found.region_text("global", field) for field in found.fields] == ["global (34 % of its area)", "global"]
    assert found.region_text("tropics") == "tropics"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"tp": "6h"}, "tp, 6 h sums"),
        ({"tp": "since-start"}, "tp, sums since start"),
        ({"tp": None}, "tp, window not stated"),
        ({}, "tp"),
    ],
)
def test_rain_states_its_window(facts: dict[str, str | None], text: str) -> None:
    found = Results(made_up_scores(("tp", "t2m")), {**made_up_facts(), "windows": facts})
    assert [found.field_text(field) for field in found.fields] == [text, "t2m"]
    rows = headline_section(found).blocks[1].rows  # pyright: ignore[reportAttributeAccessIssue]
    assert rows[0].cells[0].replace("\u00a0", " ") == text


def test_the_headline_has_the_lead_times_of_the_terminal() -> None:
    facts = {**made_up_facts(), "headline": [{"lead_hours": hours} for hours in (24.0, 72.0)]}
    found = Results(made_up_scores(lead_hours=(6, 24, 48, 72, 120)), facts)
    tiles, table = headline_section(found).blocks[:2]
    cells = [[row.cells[2], row.cells[-1].value] for row in table.rows[:2]]  # pyright: ignore[reportAttributeAccessIssue]
    assert cells == [["1\u00a0d", 12.0], ["3\u00a0d", 12.0]]
    assert tiles.items[0].label == "t2m RMSE at 3 d"  # pyright: ignore[reportAttributeAccessIssue]


def test_regions_beyond_the_sixth_are_folded() -> None:
    names = [f"region{i}" for i in range(8)]
    section = matrix_section(results(regions=(*names, "global"), fields=("t2m",)))
    assert section is not None
    table, folded = section.blocks[1:3]
    assert isinstance(table, Table)
    assert isinstance(folded, Details)
    assert [row.cells[1] for row in table.rows] == ["global", *names[:5]]
    assert [row.cells[1] for row in folded.blocks[0].rows] == names[5:]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ((-85.0, 85.0, 0.0, 350.0), "regular, 18 × 36 points, global"),
        ((30.0, 64.0, -10.0, 25.0), "regular, 18 × 36 points, 30°N to 64°N, 10°W to 25°E"),
        # all longitudes, but one half of the latitudes
        ((5.0, 90.0, 0.0, 350.0), "regular, 18 × 36 points, 5°N to 90°N, 0° to 10°W"),
    ],
)
def test_the_grid_in_words(limits: tuple[float, float, float, float], text: str) -> None:
    grid = {"kind": "regular", "latitudes": 18, "longitudes": 36}
    grid |= dict(zip(("south", "north", "west", "east"), limits, strict=True))
    block = compared_section(Results(made_up_scores(), {**made_up_facts(members=0), "grid": grid})).blocks[0]
    assert isinstance(block, Facts)
    assert dict(block.items)["Grid"] == text
    assert dict(block.items)["Members"] == "none (deterministic)"


@pytest.mark.parametrize(
    ("value", "decimals", "shown"), [(12.34567, 4, 2), (0.5, 3, 3), (0.0, 4, 0), (1013.2, 3, 0), (99420.0, 2, 0)]
)
def test_a_number_has_at_most_four_digits(value: float, decimals: int, shown: int) -> None:
    assert number(np.array([value]), 0, decimals).decimals == shown
