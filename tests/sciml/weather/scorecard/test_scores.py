"""What the tables say about given numbers: skill, marks, shades, lead times, units."""

from __future__ import annotations

import numpy as np
import pytest

from sciml.weather.scorecard.limits import limits_section
from sciml.weather.scorecard.overview import headline_section, matrix_section, skill_cells, skill_percent
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
