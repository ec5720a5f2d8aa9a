"""Tables of yes-no forecasts: known tables, laws, limits, and two other packages."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.scores.categories import (
    CATEGORICAL_SCORES,
    Table,
    contingency,
    equitable_threat_score,
    event_scores,
    extremal_dependence_index,
    heidke_skill_score,
    symmetric_extremal_dependence_index,
)

HOUR = np.timedelta64(1, "h")
counts = st.integers(0, 50).map(float)
tables = st.builds(lambda *cells: Table(*(np.array([cell]) for cell in cells)), counts, counts, counts, counts)


def table_of(hits: float, misses: float, false_alarms: float, correct_negatives: float) -> Table:
    return Table(*(np.array([cell]) for cell in (hits, misses, false_alarms, correct_negatives)))


# Finley's tornadoes of 1884, 28 hits, 72 false alarms, 23 misses, 2680 correct negatives, by hand
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hit_rate", 28 / 51),
        ("false_alarm_rate", 72 / 2752),
        ("false_alarm_ratio", 0.72),
        ("base_rate", 51 / 2803),
        ("frequency_bias", 100 / 51),
        ("csi", 28 / 123),
        ("ets", (28 - 51 * 100 / 2803) / (123 - 51 * 100 / 2803)),
        ("peirce", 28 / 51 - 72 / 2752),
        # 2 (28 * 2680 - 72 * 23) / (51 * 2703 + 100 * 2752)
        ("hss", 146768 / 413053),
        # ln(72/2752) = -3.643417, ln(28/51) = -0.599621, ln(2680/2752) = -0.026511, ln(23/51) = -0.796331
        ("edi", (-3.643417 + 0.599621) / (-3.643417 - 0.599621)),
        ("sedi", (-3.643417 + 0.599621 + 0.026511 - 0.796331) / (-3.643417 - 0.599621 - 0.026511 - 0.796331)),
    ],
)
def test_finleys_tornadoes(name: str, value: float) -> None:
    # the logarithms above have six decimals
    assert CATEGORICAL_SCORES[name](table_of(28.0, 23.0, 72.0, 2680.0))[0] == pytest.approx(value, rel=2e-6)


@given(tables)
def test_ranges_and_symmetries(table: Table) -> None:
    swapped = Table(table.hits, table.false_alarms, table.misses, table.correct_negatives)
    opposite = Table(table.correct_negatives, table.false_alarms, table.misses, table.hits)
    ranges = {"ets": (-1 / 3, 1), "hss": (-1, 1), "peirce": (-1, 1), "csi": (0, 1), "edi": (-1, 1), "sedi": (-1, 1)}
    for name, (low, high) in ranges.items():
        value = CATEGORICAL_SCORES[name](table)[0]
        # rounding of a quotient of sums
        assert np.isnan(value) or low - 1e-12 <= value <= high + 1e-12
    # what is asked and what is answered may change places
    for score in (equitable_threat_score, heidke_skill_score):
        np.testing.assert_allclose(score(table), score(swapped), rtol=1e-12)
    # the event and its opposite
    for score in (heidke_skill_score, symmetric_extremal_dependence_index):
        np.testing.assert_allclose(score(table), score(opposite), rtol=1e-9, atol=1e-12)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_no_relation_is_no_skill(a: int, b: int, c: int, d: int) -> None:
    # forecasts with odds a : b whether the event, with odds c : d, occurs or not
    table = table_of(float(a * c), float(b * c), float(a * d), float(b * d))
    for name in ("ets", "hss", "peirce", "edi", "sedi"):
        assert CATEGORICAL_SCORES[name](table)[0] == pytest.approx(0, abs=1e-12)


NAN = np.nan


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # no events, and none forecast
        (table_of(0.0, 0.0, 0.0, 9.0), {"hit_rate": NAN, "csi": NAN, "ets": NAN, "hss": NAN, "edi": NAN, "sedi": NAN}),
        # always, and always forecast; 0.7 so that rounding could show
        (table_of(0.7, 0.0, 0.0, 0.0), {"hit_rate": 1, "csi": 1, "ets": NAN, "hss": NAN, "peirce": NAN, "sedi": NAN}),
        # a perfect forecast
        (table_of(0.7, 0.0, 0.0, 0.9), {"csi": 1, "ets": 1, "hss": 1, "peirce": 1, "edi": 1, "sedi": 1}),
        # the opposite of it
        (
            table_of(0.0, 0.7, 0.9, 0.0),
            {"csi": 0, "hss": -2 * 0.63 / (0.49 + 0.81), "peirce": -1, "edi": -1, "sedi": -1},
        ),
        # never forecast: hit rate and false alarm rate 0
        (table_of(0.0, 2.0, 0.0, 7.0), {"hit_rate": 0, "false_alarm_ratio": NAN, "ets": 0, "edi": NAN, "sedi": NAN}),
        # always forecast: both 1
        (table_of(2.0, 0.0, 7.0, 0.0), {"hit_rate": 1, "ets": 0, "hss": 0, "edi": NAN, "sedi": NAN}),
        # no hit, some false alarms; every hit, some false alarms; no false alarm, some misses; only false alarms
        (table_of(0.0, 2.0, 1.0, 7.0), {"edi": -1, "sedi": -1}),
        (table_of(2.0, 0.0, 1.0, 7.0), {"edi": 1, "sedi": 1}),
        (table_of(2.0, 1.0, 0.0, 7.0), {"edi": 1, "sedi": 1}),
        (table_of(2.0, 1.0, 7.0, 0.0), {"edi": -1, "sedi": -1}),
    ],
)
def test_degenerate_tables(table: Table, expected: dict[str, float]) -> None:
    for name, value in expected.items():
        assert CATEGORICAL_SCORES[name](table)[0] == pytest.approx(value, nan_ok=True), name


def test_limits_are_where_the_formula_leads() -> None:
    near = 1e-300
    for score in (extremal_dependence_index, symmetric_extremal_dependence_index):
        at, close = (score(table_of(hits, 2.0, 1.0, 7.0)) for hits in (0.0, near))
        # the approach is as slow as 1 / ln
        assert at == pytest.approx(close, abs=0.02)
    with pytest.raises(UserError, match="limit, nan or clip"):
        extremal_dependence_index(table_of(1.0, 1.0, 1.0, 1.0), "zero")


def test_clipped_as_weatherbench_x_does() -> None:
    # H = 1e-6 and F = 1/8 in its formula
    low, f = 1e-6, 0.125
    expected = (np.log(f) - np.log(low) + np.log(1 - low) - np.log(1 - f)) / (
        np.log(low) + np.log(f) + np.log(1 - low) + np.log(1 - f)
    )
    table = table_of(0.0, 2.0, 1.0, 7.0)
    assert symmetric_extremal_dependence_index(table, "clip")[0] == pytest.approx(expected, rel=1e-12)
    assert symmetric_extremal_dependence_index(table, "nan")[0] != pytest.approx(expected)


@given(st.integers(0, 2**31), st.booleans(), st.booleans())
def test_a_table_counts_one_by_one(seed: int, above: bool, inclusive: bool) -> None:
    random = np.random.default_rng(seed)
    # small integers, so that values equal thresholds
    forecast, truth = random.integers(0, 4, (2, 3, 4, 5)).astype(np.float32)
    threshold = random.integers(0, 4, (2, 1, 4, 5)).astype(np.float64)
    for field in (forecast, truth, threshold):
        field[random.random(field.shape) < 0.1] = np.nan
    weights = random.random((2, 4, 5))
    table = contingency(forecast, truth, threshold, weights, above=[above, not above], inclusive=inclusive)
    expected = np.zeros((2, 2, 2, 3, 2))
    for q, side in enumerate((above, not above)):
        for n, y, x in np.ndindex(3, 4, 5):
            f, o, limit = forecast[n, y, x], truth[n, y, x], threshold[q, 0, y, x]
            if not np.isnan([f, o, limit]).any():
                beyond = [(v > limit if side else v < limit) or (inclusive and v == limit) for v in (f, o)]
                expected[int(beyond[0]), int(beyond[1]), q, n] += weights[:, y, x]
    # sums of a few numbers below 1 in another order
    for cell, wanted in (
        (table.hits, expected[1, 1]),
        (table.misses, expected[0, 1]),
        (table.false_alarms, expected[1, 0]),
        (table.correct_negatives, expected[0, 0]),
    ):
        np.testing.assert_allclose(cell, wanted, atol=1e-14)


def test_tables_of_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    forecast, truth = random.normal(size=(2, 6, 4, 5)).astype(np.float32)
    weights = np.ones((1, 4, 5))
    whole = contingency(forecast, truth, 0.5, weights).sum(0)
    parts = [contingency(forecast[i : i + 2], truth[i : i + 2], 0.5, weights).sum(0) for i in (0, 2, 4)]
    # whole numbers: exact
    assert (parts[0] + parts[1] + parts[2]).hits == whole.hits
    monkeypatch.setattr("sciml.weather.scores.sums.POINTS_AT_ONCE", 40)
    assert contingency(forecast, truth, 0.5, weights).sum(0) == whole


def test_thresholds_are_rounded_as_values_are() -> None:
    # 1 mm in metres is 0.0010000000475 in float32, which is no rain above 1 mm but rain of at least 1 mm
    rain, weights = np.full((1, 1, 2), 0.001, np.float32), np.ones((1, 1, 2))
    assert contingency(rain, rain, 0.001, weights).hits[0, 0] == 0
    assert contingency(rain, rain, 0.001, weights, inclusive=True).hits[0, 0] == 2


def test_thresholds_of_a_wrong_shape_are_refused() -> None:
    field, weights = np.zeros((2, 3, 4)), np.ones((1, 3, 4))
    with pytest.raises(UserError, match=r"\[y, x\].*\(2, 3, 4\).*\(4, 3\)"):
        contingency(field, field, np.zeros((4, 3)), weights)
    with pytest.raises(UserError, match="at most"):
        contingency(field, field, np.zeros((1, 1, 2, 3, 4)), weights)


# both packages are on the machines of developers alone; they warn about their own future
@pytest.mark.filterwarnings("ignore")
def test_same_as_scores_and_xskillscore() -> None:
    from scores.categorical import BinaryContingencyManager
    from xskillscore import Contingency

    random = np.random.default_rng(1)
    truth = random.normal(size=(4, 6, 8))
    forecast = 0.7 * truth + 0.7 * random.normal(size=truth.shape)
    ours = contingency(forecast, truth, 0.5, np.ones((1, 6, 8))).sum((0, 1))
    theirs = BinaryContingencyManager(*(xr.DataArray((field > 0.5).astype(float)) for field in (forecast, truth)))
    names = {
        "hit_rate": "probability_of_detection",
        "false_alarm_rate": "probability_of_false_detection",
        "false_alarm_ratio": "false_alarm_ratio",
        "base_rate": "base_rate",
        "frequency_bias": "frequency_bias",
        "csi": "critical_success_index",
        "ets": "equitable_threat_score",
        "peirce": "peirce_skill_score",
        "hss": "heidke_skill_score",
        "sedi": "symmetric_extremal_dependence_index",
    }
    for name, their_name in names.items():
        # the issue asks for 1e-6; both are float64
        assert CATEGORICAL_SCORES[name](ours) == pytest.approx(getattr(theirs, their_name)().item(), abs=1e-12), name

    edges = np.array([-np.inf, 0.5, np.inf])
    dims = ["y", "x", "n"]
    other = Contingency(
        xr.DataArray(truth, dims=["n", "y", "x"]), xr.DataArray(forecast, dims=["n", "y", "x"]), edges, edges, dims
    )
    for name, their_name in {
        "hit_rate": "hit_rate",
        "false_alarm_rate": "false_alarm_rate",
        "false_alarm_ratio": "false_alarm_ratio",
        "frequency_bias": "bias_score",
        "csi": "threat_score",
        "ets": "equit_threat_score",
        "hss": "heidke_score",
        "peirce": "peirce_score",
    }.items():
        assert CATEGORICAL_SCORES[name](ours) == pytest.approx(getattr(other, their_name)().item(), abs=1e-12), name


def fields() -> tuple[xr.DataArray, xr.DataArray]:
    random = np.random.default_rng(2)
    latitude, longitude = np.linspace(-80, 80, 5), np.arange(0.0, 360.0, 45.0)
    start = np.datetime64("2020-01-01", "ns")
    space = {"latitude": latitude, "longitude": longitude}
    truth = xr.DataArray(
        random.normal(280, 10, (6, 5, 8)).astype(np.float32),
        {"time": start + 24 * HOUR * np.arange(6), **space},
        ["time", "latitude", "longitude"],
        attrs={"units": "K"},
    )
    forecast = xr.DataArray(
        random.normal(280, 10, (3, 2, 5, 8)).astype(np.float32),
        {"time": start + 24 * HOUR * np.arange(3), "lead_time": 24 * HOUR * np.array([1, 3]), **space},
        ["time", "lead_time", "latitude", "longitude"],
        attrs={"units": "K"},
    )
    return forecast, truth


def test_arrays_with_names() -> None:
    forecast, truth = fields()
    weights = xr.DataArray(
        np.stack([np.ones((5, 8)), np.eye(5, 8)]),
        {"region": ["all", "some"], "latitude": truth.latitude, "longitude": truth.longitude},
        ["region", "latitude", "longitude"],
    )
    limit = xr.concat([0 * truth + 280, 0 * truth + 285], "quantile").assign_coords(quantile=[0.5, 0.7])
    found = event_scores(forecast.transpose("longitude", ...), truth, limit, scores=["ets", "csi"], weights=weights)
    assert found["ets"].dims == ("quantile", "lead_time", "region")
    assert found["ets"].attrs == {"long_name": "equitable threat score", "units": "1"}
    # 3 days ahead of the first three days are days 3, 4, 5
    by_hand = contingency(forecast.values[:, 1], truth.values[3:6], 285.0, np.eye(5, 8)[None]).sum(0)
    assert found["csi"].sel(quantile=0.7, region="some").values[1] == CATEGORICAL_SCORES["csi"](by_hand)[0]
    globe = event_scores(forecast, truth, 285.0, scores=["csi"], pool=["time", "lead_time"])
    assert globe["csi"].dims == ()


def test_units_of_truth_and_threshold_are_read() -> None:
    forecast, truth = fields()
    celsius_like = (truth * 1000).assign_attrs(units="mK")
    limit = xr.DataArray([285e3], {"threshold": [285e3]}, ["threshold"], attrs={"units": "mK"})
    found = event_scores(forecast, celsius_like, limit, scores=["csi"])
    # 285 K is no value of the fields, so rounding on the way to mK and back does not matter
    xr.testing.assert_allclose(
        found["csi"].isel(threshold=0, drop=True), event_scores(forecast, truth, 285.0, scores=["csi"])["csi"]
    )
    with pytest.raises(UserError, match="does not measure the same"):
        event_scores(forecast, truth.assign_attrs(units="m"), 285.0)


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth = fields()
    with pytest.raises(UserError, match=r"truth has none of the .* valid times of the forecast, from 2020-01"):
        event_scores(forecast, truth.assign_coords(time=truth["time"] + np.timedelta64(9999, "h")), 285.0)
    with pytest.raises(UserError, match=r"truth needs the grid of the forecast.*4 latitudes from -80.*5 latitudes"):
        event_scores(forecast, truth.isel(latitude=slice(0, 4)), 285.0)
    coarse = (truth.isel(time=0, drop=True)).isel(longitude=slice(0, 8, 2))
    with pytest.raises(UserError, match=r"threshold needs the grid of the forecast.*4 longitudes.*8 longitudes"):
        event_scores(forecast, truth, coarse)
    with pytest.raises(UserError, match=r"Scores of events are.*not skill"):
        event_scores(forecast, truth, 285.0, scores=["skill"])
    with pytest.raises(UserError, match="lacks latitude"):
        event_scores(forecast.isel(latitude=0), truth, 285.0)
    with pytest.raises(UserError, match="number that the forecast has not"):
        event_scores(forecast, truth.expand_dims(number=2), 285.0)
    with pytest.raises(UserError, match="one dimension"):
        event_scores(forecast, truth, truth.expand_dims(quantile=2, season=2))


def test_missing_values_and_empty_regions() -> None:
    forecast, truth = fields()
    everywhere = event_scores(forecast, truth.where(truth < 0), 285.0)
    assert all(everywhere[name].isnull().all() for name in everywhere)
    nowhere = xr.zeros_like(truth.isel(time=[0], drop=True)).rename(time="region")
    assert event_scores(forecast, truth, 285.0, weights=nowhere)["csi"].isnull().all()
