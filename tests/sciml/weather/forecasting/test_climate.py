"""The guard: what is usual passes, what left the climate is named, and budgets are those that can be done by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sciml.weather.fields import Field
from sciml.weather.forecasting.climate import Climate, Guard, budgets_of, find_climate
from sciml.weather.grid import Grid, gauss_legendre

GRID = Grid(np.degrees(np.arcsin(gauss_legendre(6)[0])), np.arange(12) * 30.0)
FIELDS = (
    *(Field(name, level) for name in "tuvq" for level in (500.0, 1000.0)),
    Field("msl"),
)
UNITS = ("K",) * 2 + ("m s-1",) * 4 + ("kg kg-1",) * 2 + ("Pa",)


def frame(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(len(FIELDS), *GRID.shape))
    middle = np.array([250, 290, 10, 0, 0, 0, 0.002, 0.01, 101_000])[:, None, None]
    size = np.array([5, 5, 5, 5, 5, 5, 1e-4, 1e-4, 500])[:, None, None]
    return middle + size * np.tanh(noise)


@pytest.fixture(scope="module")
def climate() -> Climate:
    frames = np.stack([frame(seed) for seed in range(30)])
    extremes = frames.min(axis=(0, 2, 3)).tolist(), frames.max(axis=(0, 2, 3)).tolist()
    return find_climate(lambda i: frames[i], len(frames), FIELDS, UNITS, extremes, GRID)


def test_mass_and_energy_of_a_uniform_atmosphere():
    state = np.broadcast_to(
        np.array([250.0, 250.0, 3.0, 3.0, 4.0, 4.0, 0.001, 0.001, 101_000.0])[:, None, None], (9, *GRID.shape)
    )
    found = budgets_of(state, FIELDS, GRID)
    assert found["mass"] == pytest.approx(101_000)
    # (1004.709 x 250 + 2.5008e6 x 0.001 + 25 / 2) J/kg over the 500 hPa between the levels
    assert found["energy"] == pytest.approx((251_177.25 + 2500.8 + 12.5) * 50_000 / 9.80665)


def test_budgets_that_lack_their_fields_are_left_out():
    assert set(budgets_of(frame()[:2], FIELDS[:2], GRID)) == {"t500", "t1000"}


def test_the_training_climate_is_not_odd(climate: Climate):
    guard = Guard(climate, FIELDS, GRID)
    assert guard.oddities(frame(100)) == []
    assert guard.breach(frame(100)) is None


def test_the_climate_survives_json(climate: Climate):
    assert Climate.from_json(climate.to_json()) == climate


@pytest.mark.parametrize("number", range(len(FIELDS)))
def test_a_start_that_is_somewhat_outside_is_odd_and_names_the_field(climate: Climate, number: int):
    state = frame(100)
    state[number, 0, 0] = climate.maximum[number] + 0.2 * (climate.maximum[number] - climate.minimum[number])
    guard = Guard(climate, FIELDS, GRID)
    (oddity,) = guard.oddities(state)
    assert oddity.startswith(f"{FIELDS[number]} goes from")
    assert guard.breach(state) is None  # no reason to stop


def test_celsius_for_kelvin_stops(climate: Climate):
    state = frame(100)
    state[:2] -= 273.15
    breach = Guard(climate, FIELDS, GRID).breach(state)
    assert breach is not None and breach.name == "t500"
    assert re.match("t500 goes from .* in training from", breach.text)


def test_a_drift_of_the_mass_is_seen_though_no_value_is_out_of_range(climate: Climate):
    state = frame(100)
    state[-1] = climate.maximum[-1] - 1
    assert any("global mean of mass" in oddity for oddity in Guard(climate, FIELDS, GRID).oddities(state))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stops(climate: Climate, value: float):
    state = frame(100)
    state[3, 2, 1] = value
    assert Guard(climate, FIELDS, GRID).breach(state) == ("u1000", "u1000 is not finite")
