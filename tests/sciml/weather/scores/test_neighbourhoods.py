"""Fractions skill score: worked cases, one window at a time, symmetries, and another package."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.scores.neighbourhoods import (
    FractionSums,
    Window,
    fractions_skill_score,
    fss_sums,
    km_window,
    square_window,
)

HALF = np.array([0.5])


def grid(rows: int = 6, columns: int = 10) -> Grid:
    return Grid(np.linspace(-75, 75, rows), np.arange(columns) * 360.0 / columns)


def slowly(
    forecast: np.ndarray,
    truth: np.ndarray,
    window: Window,
    cyclic: bool,
    edges: str,
    weights: np.ndarray,
    cell_weights: np.ndarray,
) -> float:
    """The score of one pair of fields above 0.5, window by window and cell by cell."""
    rows, columns = truth.shape
    known = ~(np.isnan(forecast) | np.isnan(truth))
    error = reference = 0.0
    for y, x in np.ndindex(rows, columns):
        if not known[y, x]:
            continue
        whole = f = o = 0.0
        fits = True
        for j in range(y - window.rows // 2, y - window.rows // 2 + window.rows):
            if not 0 <= j < rows:
                fits = False
                whole += (min(window.columns[y], columns) if cyclic else window.columns[y]) if edges == "zeros" else 0
                continue
            length = min(window.columns[j], columns) if cyclic else window.columns[j]
            for i in range(x - length // 2, x - length // 2 + length):
                inside = cyclic or 0 <= i < columns
                fits &= inside
                if inside and (known[j, i % columns] or edges != "truncate"):
                    cell = cell_weights[j, i % columns]
                    whole += cell
                    f += cell * (known[j, i % columns] and forecast[j, i % columns] >= 0.5)
                    o += cell * (known[j, i % columns] and truth[j, i % columns] >= 0.5)
                elif edges == "zeros":
                    whole += 1
        if fits or edges != "inside":
            error += weights[y, x] * (f / whole - o / whole) ** 2
            reference += weights[y, x] * ((f / whole) ** 2 + (o / whole) ** 2)
    return 1 - error / reference if reference else np.nan


@settings(max_examples=40)  # a hundred loops over cells take seconds
@given(st.integers(0, 2**31), st.sampled_from(["truncate", "zeros", "inside"]), st.booleans(), st.integers(1, 12))
def test_window_by_window(seed: int, edges: str, cyclic: bool, points: int) -> None:
    random = np.random.default_rng(seed)
    forecast, truth = random.random((2, 1, 5, 7))
    forecast[random.random(forecast.shape) < 0.1] = np.nan
    weights = random.random((5, 7))
    cells = np.ones((5, 7)) if edges == "zeros" else random.uniform(0.5, 2, (5, 7))
    window = Window(min(points, 6), random.integers(1, 9, 5))
    sums = fss_sums(
        forecast,
        truth,
        HALF,
        [window],
        cyclic=cyclic,
        edges=edges,
        weights=weights,
        cell_weights=None if edges == "zeros" else cells,
    )
    expected = slowly(forecast[0], truth[0], window, cyclic, edges, weights, cells)
    # differences of running sums of numbers near 1
    np.testing.assert_allclose(sums.score()[0, 0, 0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("points", "score"), [(1, 0.0), (3, 0.0), (5, 0.2), (7, 3 / 7), (9, 5 / 9)])
def test_a_band_four_columns_off(points: int, score: float) -> None:
    # windows of n columns share n - 4 of them: 1 - 2 * 4 / (2 n), and nothing when they share none
    forecast, truth = np.zeros((2, 1, 6, 24))
    forecast[..., 1], truth[..., 21] = 1, 1
    sums = fss_sums(forecast, truth, HALF, [square_window(grid(6, 24), points)], cyclic=True)
    assert sums.score()[0, 0, 0] == pytest.approx(score, abs=1e-12)


def test_one_window_for_all_compares_how_often() -> None:
    # a quarter and a half: 1 - (1/4)^2 / (1/16 + 1/4)
    forecast, truth = np.zeros((2, 1, 4, 4))
    forecast[0, 0], truth[0, :2] = 1, 1
    sums = fss_sums(forecast, truth, HALF, [square_window(grid(4, 4), 99)], cyclic=True)
    assert sums.score()[0, 0, 0] == pytest.approx(0.8, abs=1e-12)


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(0, 9))
def test_a_turn_of_the_globe_changes_nothing(seed: int, shift: int) -> None:
    random = np.random.default_rng(seed)
    forecast, truth = random.random((2, 2, 6, 10))
    windows = [square_window(grid(), 3), km_window(grid(), 5000.0)]
    area = grid().area_weights()
    first, second = (
        fss_sums(
            np.roll(forecast, by, -1),
            np.roll(truth, by, -1),
            HALF,
            windows,
            cyclic=True,
            weights=area,
            cell_weights=area,
        ).score()
        for by in (0, shift)
    )
    # running sums begin elsewhere
    np.testing.assert_allclose(first, second, rtol=1e-12)
    assert (first >= 0).all() and (first <= 1).all()
    swapped = fss_sums(truth, forecast, HALF, windows, cyclic=True, weights=area, cell_weights=area).score()
    np.testing.assert_allclose(first, swapped, rtol=1e-12)


def test_blocks_add_up_and_thresholds_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    forecast, truth = random.random((2, 5, 6, 10)).astype(np.float32)
    windows = [square_window(grid(), 1), square_window(grid(), 3)]
    levels = np.array([0.3, 0.6])
    whole = fss_sums(forecast, truth, levels, windows, cyclic=True)
    assert whole.error.shape == (2, 2, 5)
    parts = [fss_sums(forecast[s], truth[s], levels, windows, cyclic=True).sum(-1) for s in (slice(0, 2), slice(2, 5))]
    # sums in another order
    np.testing.assert_allclose((parts[0] + parts[1]).score(), whole.sum(-1).score(), rtol=1e-13)
    monkeypatch.setattr("sciml.weather.scores.sums.POINTS_AT_ONCE", 1)
    np.testing.assert_allclose(fss_sums(forecast, truth, levels, windows, cyclic=True).error, whole.error, rtol=1e-13)
    # local thresholds [q, 1, y, x]
    local = np.broadcast_to(levels[:, None, None, None], (2, 1, 6, 10))
    np.testing.assert_allclose(fss_sums(forecast, truth, local, windows, cyclic=True).error, whole.error, rtol=1e-13)


def test_without_events_there_is_no_score() -> None:
    nothing = np.zeros((1, 6, 10))
    assert np.isnan(fss_sums(nothing, nothing, HALF, [square_window(grid(), 3)], cyclic=True).score()).all()
    missing = np.full((1, 6, 10), np.nan)
    assert np.isnan(fss_sums(missing, missing, HALF, [square_window(grid(), 3)], cyclic=True).score()).all()
    assert np.isnan(FractionSums(np.zeros(2), np.zeros(2)).sum(0).score())
    # no window of 7 rows fits into 6
    ones = np.ones((1, 6, 10))
    assert np.isnan(fss_sums(ones, ones, HALF, [square_window(grid(), 7)], cyclic=True, edges="inside").score()).all()


def test_windows_in_kilometres() -> None:
    # 1 degree of a meridian is 111.2 km
    fine = Grid(np.arange(-89.5, 90), np.arange(0.0, 360.0))
    window = km_window(fine, 556.0)
    assert window.rows == 5
    assert window.columns[[90, 30]].tolist() == [5, 9]  # at 0.5 and -59.5 degrees: 5.0 and 9.85 columns
    # 0.5 degrees from a pole a row is 349 km long, less than a window
    assert window.columns[[0, -1]].tolist() == [360, 360] and (window.columns[1:-1] % 2 == 1).all()
    assert km_window(fine, 10.0).rows == 1
    part = Grid(np.arange(50.0, 60), np.arange(5.0))
    assert km_window(part, 5000.0).columns.min() >= 9  # from any of 5 columns to any other
    for scale in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(UserError, match="above 0 km"):
            km_window(fine, scale)
    with pytest.raises(UserError, match="at least 1 point"):
        square_window(fine, 0)


# this package is on the machines of developers alone; it warns about its own future
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("points", [1, 2, 3, 8])
def test_same_as_scores(points: int) -> None:
    from scores.spatial import fss_2d

    random = np.random.default_rng(3)
    forecast, truth = random.random((2, 3, 20, 30))
    dims = ["n", "y", "x"]
    for padding in (False, True):
        theirs = fss_2d(
            xr.DataArray(forecast, dims=dims),
            xr.DataArray(truth, dims=dims),
            event_threshold=0.7,
            window_size=(points, points),
            spatial_dims=("y", "x"),
            preserve_dims=["n"],
            zero_padding=padding,
        )
        # with padding they have one window more than points in either direction: an empty last row and column
        wide = ((0, 0), (0, int(padding)), (0, int(padding)))
        ours = fss_sums(
            np.pad(forecast, wide),
            np.pad(truth, wide),
            np.array([0.7]),
            [Window(points, np.full(20 + padding, points))],
            cyclic=False,
            edges="zeros" if padding else "inside",
            inclusive=False,
        )
        # the issue asks for 1e-6; both are float64
        np.testing.assert_allclose(ours.score()[0, 0], theirs, rtol=1e-12)


def test_arrays_with_names() -> None:
    random = np.random.default_rng(4)
    space = {"latitude": grid().latitude, "longitude": grid().longitude}
    start, day = np.datetime64("2021-06-01", "ns"), np.timedelta64(24, "h")
    rain = random.gamma(0.5, 0.01, (4, 6, 10)).astype(np.float32)
    truth = xr.DataArray(
        rain, {"time": start + day * np.arange(4), **space}, ["time", "latitude", "longitude"], "tp", {"units": "m"}
    )
    forecast = xr.DataArray(
        np.stack([rain[:3], rain[1:][..., ::-1]], 1),
        {"time": start + day * np.arange(3), "lead_time": day * np.arange(2), **space},
        ["time", "lead_time", "latitude", "longitude"],
        attrs={"units": "m"},
    )
    found = fractions_skill_score(forecast, truth, thresholds_mm=[1.0, 5.0], scales_km=[500.0, 4000.0])
    assert found.dims == ("threshold", "scale", "lead_time")
    assert found["scale"].attrs["units"] == "km"
    np.testing.assert_array_equal(found.sel(lead_time=0 * day), 1)
    assert (found.isel(lead_time=1) < 1).all()
    by_points = fractions_skill_score(forecast, truth, thresholds_mm=[1.0], points=[3], by_area=False, edges="zeros")
    by_hand = fss_sums(
        forecast.values[:, 1], rain[1:], np.array([0.001]), [square_window(grid(), 3)], cyclic=True, edges="zeros"
    )
    assert by_points.values[0, 0, 1] == pytest.approx(by_hand.sum(-1).score()[0, 0], rel=1e-12)
    with pytest.raises(UserError, match="one of the two"):
        fractions_skill_score(forecast, truth, thresholds_mm=[1.0])
    with pytest.raises(UserError, match="does not measure the same"):
        fractions_skill_score(forecast.assign_attrs(units="K"), truth, thresholds_mm=[1.0], points=[1])
    with pytest.raises(UserError, match="truncate, zeros, inside"):
        fractions_skill_score(forecast, truth, thresholds_mm=[1.0], points=[1], edges="mirror")
