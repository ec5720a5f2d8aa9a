"""Named events within forecasts: an anomaly that is put into the truth, and foreseen too late and too weak."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from sciml.weather.cases import Case, load_cases
from sciml.weather.cyclones.ibtracs import open_ibtracs
from sciml.weather.evaluation.cases import score_case
from sciml.weather.evaluation.plan import make_plan
from sciml.weather.scores.regions import Box

HOUR = np.timedelta64(1, "h")


def case_of(kind: str, start: str, end: str, box: tuple[float, float, float, float]) -> Case:
    return Case(7, "ours", kind, np.datetime64(start, "ns"), np.datetime64(end, "ns"), Box(*box))


def heated(data: xr.Dataset, valid: xr.DataArray, peak: str, amount_k: float) -> xr.Dataset:
    """Warmer around a peak by a bell of two days, in 0 to 60 east alone."""
    days = (valid - np.datetime64(peak, "ns")) / np.timedelta64(1, "D")
    bell = amount_k * np.exp(-(days**2)) * (data["longitude"] <= 60)
    flat = xr.full_like(data["t2m"], 290.0)
    return data.assign(t2m=(flat + bell).transpose(*data["t2m"].dims).astype(np.float32).assign_attrs(units="K"))


def test_a_heat_wave_that_is_foreseen_late_and_weak(forecast: xr.Dataset, truth: xr.Dataset):
    warm = heated(truth, truth["time"], "2021-06-07T03", 10.0)
    late = heated(forecast, forecast["time"] + forecast["lead_time"], "2021-06-07T15", 8.0)
    case = case_of("heat_wave", "2021-06-04", "2021-06-09", (30.0, 60.0, 0.0, 60.0))
    facts = score_case(make_plan("late", late, warm), case)
    assert facts["covered"]
    assert (facts["field"], facts["unit"]) == ("t2m", "K")
    assert max(facts["series"]["truth"]) == pytest.approx(290 + 10 * np.exp(-((3 / 24) ** 2)), abs=1e-3)
    # lead times of one and of two and a half days, which is within half a day of three
    assert set(facts["series"]["forecasts"]["late"]) == {"24", "60"}
    errors = {(row["name"], row["lead_hours"]): row["score"] for row in facts["rows"] if row["model"] == "late"}
    assert errors["error of the extreme", 24.0] == pytest.approx(
        8 * np.exp(-((9 / 24) ** 2)) - 10 * np.exp(-((3 / 24) ** 2)), abs=1e-3
    )
    # forecasts of one day are valid at midnight alone, those of two and a half days at noon
    assert errors["error of its time", 24.0] == 24.0
    assert errors["error of its time", 60.0] == 0.0
    persisted = {
        (row["name"], row["lead_hours"]): row["score"] for row in facts["rows"] if row["model"] == "persistence"
    }
    assert persisted["error of its time", 24.0] == 24.0, "a day late, as high"
    assert persisted["error of the extreme", 24.0] == pytest.approx(0.0, abs=1e-6)
    shown = facts["map"]
    assert shown["time"] == "2021-06-07T00:00:00"
    assert np.shape(shown["truth"]) == np.shape(shown["forecast"]) == (len(shown["latitude"]), len(shown["longitude"]))
    assert np.all(np.diff(shown["longitude"]) > 0)
    json.dumps(facts, allow_nan=False)


def test_events_outside_are_not_covered(forecast: xr.Dataset, truth: xr.Dataset):
    plan = make_plan("wave", forecast, truth)
    before = case_of("heat_wave", "2020-06-04", "2020-06-09", (30.0, 60.0, 0.0, 60.0))
    assert not score_case(plan, before)["covered"]
    no_field = case_of("tropical_cyclone", "2021-06-04", "2021-06-09", (30.0, 60.0, 0.0, 60.0))
    assert not score_case(plan, no_field)["covered"]
    between_points = case_of("heat_wave", "2021-06-04", "2021-06-09", (41.0, 44.0, 1.0, 4.0))
    assert not score_case(plan, between_points)["covered"]


def test_every_case_of_the_catalogue_can_be_asked_for(forecast: xr.Dataset, truth: xr.Dataset):
    plan = make_plan("wave", forecast, truth)
    facts = [score_case(plan, case) for case in load_cases()]
    # the Pacific Northwest's heat of 2021 began when these forecasts end
    assert {fact["title"] for fact in facts if fact["covered"]} >= set()
    assert all(set(fact) >= {"id", "title", "kind", "start", "end", "region", "covered"} for fact in facts)


def vortex(tracks, valid: np.ndarray, shift_deg: float, grid: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """msl, u10 and v10 [..., y, x] of a gentle bell of low pressure where the storm is, moved to the east."""
    latitude, longitude = grid
    shape = (*valid.shape, len(latitude), len(longitude))
    msl, u10, v10 = (np.full(shape, value, np.float32) for value in (101300.0, 0.0, 0.0))
    for place in np.ndindex(valid.shape):
        here = tracks.at(np.array([valid[place]]))
        if len(here):
            east = (longitude - here.longitude[0] - shift_deg + 180) % 360 - 180
            north = latitude[:, None] - here.latitude[0]
            distance2 = north**2 + (east * np.cos(np.radians(here.latitude[0]))) ** 2
            bell = np.exp(-distance2 / (2 * 1.5**2))
            msl[place] -= 5000 * bell
            sign = np.sign(here.latitude[0])
            u10[place], v10[place] = -sign * 25 * bell * north / 1.5, sign * 25 * bell * east / 1.5
    return {"msl": msl, "u10": u10, "v10": v10}


@pytest.mark.slow
def test_a_cyclone_is_followed_and_held_against_its_observed_track():
    observed = open_ibtracs(period=("2005-08-25", "2005-08-30"))
    katrina = observed.storm("2005236N23285")
    latitude, longitude = np.arange(10.0, 46.0), np.arange(260.0, 300.0)
    times = np.arange(np.datetime64("2005-08-25", "ns"), np.datetime64("2005-08-30", "ns"), 12 * HOUR)
    leads = (np.arange(1, 7) * 12 * HOUR).astype("timedelta64[ns]")
    coordinates = {"latitude": latitude, "longitude": longitude}
    units = {"msl": "Pa", "u10": "m s**-1", "v10": "m s**-1"}

    def dataset(dims: tuple[str, ...], fields: dict[str, np.ndarray], **more: np.ndarray) -> xr.Dataset:
        data = {
            name: ((*dims, "latitude", "longitude"), array, {"units": units[name]}) for name, array in fields.items()
        }
        return xr.Dataset(data, {**coordinates, **more})

    truth = dataset(("time",), vortex(katrina, times, 0.0, (latitude, longitude)), time=times)
    fields = vortex(katrina, times[:6, None] + leads, 1.0, (latitude, longitude))
    forecast = dataset(("time", "lead_time"), fields, time=times[:6], lead_time=leads)
    case = case_of("tropical_cyclone", "2005-08-23", "2005-08-31", (15.0, 40.0, 265.0, 295.0))
    facts = score_case(make_plan("easterly", forecast, truth), case)
    assert facts["covered"]
    assert len(facts["tracks"]["truth"]["times"]) == len(katrina)
    assert len(facts["tracks"]["forecasts"]) >= 4
    rows = {(row["name"], row["lead_hours"]): row for row in facts["rows"]}
    error = rows["track error", 24.0]
    # one degree of longitude at 25 to 30 north, found to a quarter of the grid's spacing or better
    assert error["score"] == pytest.approx(111.2 * np.cos(np.radians(27)), abs=28)
    assert error["unit"] == "km"
    json.dumps(facts, allow_nan=False)
