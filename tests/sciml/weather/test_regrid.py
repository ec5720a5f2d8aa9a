"""Regridding: what is kept (integral, constants, bounds), what it is checked against, and the borders of grids."""

from __future__ import annotations

import itertools

import dask.array
import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.interpolate
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.grid import Grid, gauss_legendre
from sciml.weather.regrid import Regridder, as_grid, grid_named, regrid


def gaussian(rows: int) -> np.ndarray:
    return np.degrees(np.arcsin(gauss_legendre(rows)[0]))


def shifted(grid: Grid, start_deg: float) -> Grid:
    return Grid(grid.latitude, grid.longitude + start_deg)


GLOBAL = {
    "poles": grid_named("24x13"),
    "no poles": grid_named("20x10"),
    "descending": Grid(grid_named("30deg").latitude[::-1], grid_named("30deg").longitude),
    "gaussian": grid_named("N8"),
    "gaussian, descending": Grid(gaussian(12)[::-1], np.arange(0.0, 360.0, 15.0)),
    "starts at 0.5": shifted(grid_named("N4"), 0.5),
    "starts at -180": shifted(grid_named("24x12"), -180.0),
    "starts at 350": shifted(grid_named("16x9"), 350.0),
    "uneven": Grid(np.array([-80.0, -50, -45, 0, 10, 40, 85]), np.array([3.0, 20, 90, 91, 180, 200, 260, 330])),
}
REGIONS = {
    "europe": Grid(np.arange(30.0, 75.0, 5.0), np.arange(-15.0, 45.0, 4.0)),
    "across the date line": Grid(np.arange(-12.0, 13.0, 4.0), np.arange(165.0, 200.0, 5.0)),
    "arctic": Grid(np.arange(90.0, 60.0, -5.0), np.arange(0.0, 360.0, 20.0)),
}
PAIRS = list(itertools.permutations(GLOBAL, 2))
ALL = GLOBAL | REGIONS


def random_field(grid: Grid, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(280.0, 20.0, grid.shape)


def overlap_areas(source: Grid, target: Grid) -> np.ndarray:
    """[v, u, y, x] by the plain definition: each pair of cells, on all turns around the Earth."""

    def lengths(to: np.ndarray, of: np.ndarray) -> np.ndarray:
        (a, b), (c, d) = (np.sort([edges[:-1], edges[1:]], axis=0) for edges in (to, of))
        return np.clip(np.minimum.outer(b, d) - np.maximum.outer(a, c), 0, None)

    rows = lengths(*(np.sin(np.radians(grid.latitude_edges)) for grid in (target, source)))
    turns = 360.0 * np.arange(-3, 4)
    columns = sum(lengths(target.longitude_edges, source.longitude_edges + turn) for turn in turns)
    return np.einsum("vy,ux->vuyx", rows, columns)


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(ALL, 2)))
def test_conservative_is_the_mean_over_overlaps(source: str, target: str) -> None:
    field = random_field(ALL[source])
    valid = np.random.default_rng(1).random(field.shape) < 0.8
    areas = overlap_areas(ALL[source], ALL[target])
    rows = np.abs(np.diff(np.sin(np.radians(ALL[target].latitude_edges))))
    cell_area = np.outer(rows, np.diff(ALL[target].longitude_edges))
    for known in (np.ones_like(valid), valid):
        covered = (areas * known).sum(axis=(2, 3))
        with np.errstate(invalid="ignore"):
            mean = (areas * np.where(known, field, 0)).sum(axis=(2, 3)) / covered
        # shares equal to one half to the last digits could fall on either side; there are none that near
        for least in (0.0, 0.4999, 1 - 1e-6):
            out = Regridder(ALL[source], ALL[target], min_valid_share=least)(np.where(known, field, np.nan))
            wanted = np.where((covered > least * cell_area) & (covered > 1e-8 * cell_area), mean, np.nan)
            # rounding of values of 300, whose shares may be small
            np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_conservative_keeps_the_integral(source: str, target: str) -> None:
    before, after = GLOBAL[source], GLOBAL[target]
    field = random_field(before)
    kept = (after.area_weights() * Regridder(before, after)(field)).mean()
    assert kept == pytest.approx((before.area_weights() * field).mean(), rel=1e-12)  # asked for; rounding is 1e-15


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
@pytest.mark.parametrize(("source", "target"), [*PAIRS, ("poles", "europe"), ("europe", "across the date line")])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_constant_stays_the_same_to_the_last_bit(source: str, target: str, method: str, kind: type) -> None:
    field = np.full(ALL[source].shape, 273.16, kind)
    field[::3, ::4] = np.nan
    out = Regridder(ALL[source], ALL[target], method)(field)
    assert out.dtype == kind
    assert (out[np.isfinite(out)] == kind(273.16)).all()
    if source in GLOBAL:
        assert np.isfinite(Regridder(ALL[source], ALL[target], method)(np.full_like(field, 0.1))).all()


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
@hypothesis.settings(max_examples=40)
@hypothesis.given(
    field=hypothesis.extra.numpy.arrays(
        np.float32,
        (10, 20),
        elements=st.floats(-(2.0**100), 2.0**100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0]),
    ),
    target=st.sampled_from(sorted(ALL)),
    share=st.floats(0, 1),
)
def test_values_stay_within_those_of_the_source(method: str, field: np.ndarray, target: str, share: float) -> None:
    out = Regridder(GLOBAL["no poles"], ALL[target], method, min_valid_share=share)(field)
    known = field[np.isfinite(field)]
    assert not np.isinf(out).any()
    if known.size:
        assert np.nanmin(out, initial=np.inf) >= known.min() and np.nanmax(out, initial=-np.inf) <= known.max()
    else:
        assert np.isnan(out).all()


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_dry_places_stay_dry(method: str) -> None:
    rain = np.zeros((10, 20), np.float32)
    rain[6, 7] = 0.013
    for target in GLOBAL.values():
        out = Regridder(GLOBAL["no poles"], target, method)(rain)
        assert (out >= 0).all()
        # what is further away than two cells of either grid has not a trace
        assert (out[np.abs(target.latitude - 27) > 60] == 0).all()


def test_weights_are_those_of_weatherbench_2_on_grids_with_poles() -> None:
    """regridding.py of WeatherBench 2: latitude cells end at the poles, values that are not numbers are left out."""
    source, target = grid_named("24x13"), grid_named("16x8")
    field = random_field(source)
    field[4:7, 10:15] = np.nan

    def row_edges(latitude: np.ndarray) -> np.ndarray:
        return np.radians(np.concatenate([[-90], (latitude[1:] + latitude[:-1]) / 2, [90]]))

    def weights(low: np.ndarray, high: np.ndarray, of_low: np.ndarray, of_high: np.ndarray) -> np.ndarray:
        return np.clip(np.minimum.outer(high, of_high) - np.maximum.outer(low, of_low), 0, None)

    to, of = (np.sin(row_edges(grid.latitude)) for grid in (target, source))
    rows = weights(to[:-1], to[1:], of[:-1], of[1:])
    halves = [360 / len(grid.longitude) / 2 for grid in (target, source)]
    columns = sum(
        weights(
            target.longitude - halves[0],
            target.longitude + halves[0],
            source.longitude + turn - halves[1],
            source.longitude + turn + halves[1],
        )
        for turn in (-360, 0, 360)
    )
    total = np.einsum("vy,ux,yx->vu", rows, columns, np.nan_to_num(field))
    with np.errstate(invalid="ignore"):
        mean = total / np.einsum("vy,ux,yx->vu", rows, columns, np.isfinite(field).astype(float))
    # rounding of values of 300
    np.testing.assert_allclose(Regridder(source, target, min_valid_share=0.0)(field), mean, rtol=0, atol=1e-10)


def wave(grid: Grid) -> np.ndarray:
    latitude, longitude = np.radians(grid.latitude)[:, None], np.radians(grid.longitude)
    return np.cos(latitude) ** 2 * np.cos(2 * longitude - 0.3) + np.sin(latitude)


@pytest.mark.parametrize("kind", ["poles", "no poles", "gaussian"])
@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_errors_fall_with_the_square_of_the_step(kind: str, method: str) -> None:
    def grid(rows: int) -> Grid:
        if kind == "gaussian":
            return grid_named(f"N{rows // 2}")
        return grid_named(f"{2 * rows}x{rows + int(kind == 'poles')}")

    errors = []
    for rows in (24, 48, 96):
        if method == "bilinear":  # to places off any source point; from Gaussian rows to nearly the poles
            target = shifted(grid_named("14x7"), 1.7)
            error = Regridder(grid(rows), target, method)(wave(grid(rows))) - wave(target)
        else:  # three rows into one; means over coarse cells from means over fine ones
            target = grid(rows // 3)
            fine = Regridder(grid(4 * rows), target, method)(wave(grid(4 * rows)))
            error = Regridder(grid(rows), target, method)(wave(grid(rows))) - fine
        errors.append(np.abs(error).max())
    # second order; the grids' points fall differently on those of the target
    assert np.array(errors[:-1]) / errors[1:] == pytest.approx([4, 4], rel=0.35)


@pytest.mark.parametrize("target", ["europe", "starts at 350", "starts at -180", "gaussian"])
def test_bilinear_is_the_interpolation_of_scipy(target: str) -> None:
    source, to = GLOBAL["poles"], ALL[target]
    field = random_field(source)
    turns = np.concatenate([source.longitude - 360, source.longitude, source.longitude + 360])
    by_scipy = scipy.interpolate.RegularGridInterpolator((source.latitude, turns), np.tile(field, 3))
    longitude = np.mod(to.longitude, 360)
    wanted = by_scipy(tuple(np.meshgrid(to.latitude, longitude, indexing="ij")))
    # rounding of values of 300
    np.testing.assert_allclose(Regridder(source, to, "bilinear")(field), wanted, rtol=0, atol=1e-10)


def test_bilinear_goes_to_the_mean_of_the_last_row_at_the_pole() -> None:
    source = grid_named("8x4")  # rows at +-67.5 and +-22.5
    field = random_field(source)
    target = Grid(np.array([-90.0, -78.75, 0.0, 90.0]), source.longitude)
    out = Regridder(source, target, "bilinear")(field)
    # rounding of values of 300
    np.testing.assert_allclose(out[0], field[0].mean(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(out[1], (field[0] + field[0].mean()) / 2, rtol=0, atol=1e-11)
    np.testing.assert_allclose(out[2], (field[1] + field[2]) / 2, rtol=0, atol=1e-11)
    np.testing.assert_allclose(out[3], field[3].mean(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
@pytest.mark.parametrize("turn", [-360.0, 360.0, 720.0])
@pytest.mark.parametrize("columns", [0, 5, 19])
def test_where_the_longitudes_begin_makes_no_difference(method: str, turn: float, columns: int) -> None:
    source, target = GLOBAL["no poles"], REGIONS["across the date line"]
    field = random_field(source)
    wanted = Regridder(source, target, method)(field)
    rolled = np.roll(source.longitude, -columns)
    rolled[len(rolled) - columns :] += 360
    other = Grid(source.latitude, rolled + turn)
    # rounding of longitudes of up to 1,000 degrees, times steps of 60 between neighbours of 20 degrees
    out = Regridder(other, target, method)(np.roll(field, -columns, axis=1))
    np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-10)


def test_outside_of_a_region_there_is_no_value() -> None:
    source = Grid(np.arange(0.0, 41.0, 10.0), np.arange(0.0, 41.0, 10.0))  # cells reach from -5 to 45
    target = Grid(np.array([-20.0, -5.0, -1.0, 20.0, 40.0]), np.array([-20.0, -4.0, 10.0, 40.0, 46.0]))
    field = random_field(source)
    conservative = np.isfinite(Regridder(source, target)(field))
    # rows begin at -28, -12.5, -3, 9.5, 30 and columns at -28, -12, 3, 25, 43; half of a cell has to be inside
    assert conservative.any(axis=1).tolist() == [False, False, True, True, True]
    assert conservative.any(axis=0).tolist() == [False, True, True, True, False]
    partly = np.isfinite(Regridder(source, target, min_valid_share=0.0)(field))
    assert partly.any(axis=1).tolist() == [False, True, True, True, True]
    assert not np.isfinite(Regridder(source, target, min_valid_share=1.0)(field))[:, -1].any()
    bilinear = np.isfinite(Regridder(source, target, "bilinear")(field))
    assert bilinear.any(axis=1).tolist() == [False, False, False, True, True]
    assert bilinear.any(axis=0).tolist() == [False, False, True, True, False]


def test_the_last_point_is_inside_in_single_precision_too() -> None:
    source = Grid(np.array([10.0, 10.1, 10.2]), np.array([0.1, 0.2, 0.3]))
    target = Grid(*(np.float64(np.float32(points)) for points in (source.latitude, source.longitude)))
    assert np.isfinite(Regridder(source, target, "bilinear")(np.ones((3, 3)))).all()
    assert np.isfinite(Regridder(target, source, "bilinear")(np.ones((3, 3)))).all()


@pytest.mark.parametrize(("least", "is_known"), [(0.0, True), (0.5, True), (0.51, False), (1.0, False)])
def test_half_of_a_cell_has_to_be_known(least: float, is_known: bool) -> None:
    fine = Grid(np.array([-30.0, 30.0]), np.arange(45.0, 360, 90))
    coarse = Grid(fine.latitude, np.array([90.0, 270.0]))
    field = np.array([[1.0, np.nan, 3.0, 5.0], [1.0, 1.0, np.nan, np.nan]])
    for method in ("conservative", "bilinear"):
        out = Regridder(fine, coarse, method, min_valid_share=least)(field)
        assert out[0, 0] == 1 if is_known else np.isnan(out[0, 0])
        assert out[0, 1] == 4 and out[1, 0] == 1 and np.isnan(out[1, 1])


def test_leading_dimensions_are_fields_of_their_own() -> None:
    regridder = Regridder(GLOBAL["poles"], GLOBAL["gaussian"])
    fields = np.stack([random_field(regridder.source, seed) for seed in range(6)]).reshape(
        2, 3, *regridder.source.shape
    )
    fields[1, 2, 3, 4] = np.nan
    out = regridder(fields)
    assert out.shape == (2, 3, *regridder.target.shape)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(out[index], regridder(fields[index]))


def canonical(lazy: bool = False) -> xr.Dataset:
    grid = GLOBAL["poles"]
    shape = (3, 2, *grid.shape)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    data = dask.array.from_array(values, chunks=(1, 1, 5, 7)) if lazy else values
    dims = ("time", "level", "latitude", "longitude")
    coordinates = {
        "time": np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]").astype("datetime64[ns]"),
        "level": [500.0, 850.0],
        "latitude": grid.latitude,
        "longitude": grid.longitude,
    }
    fields = {
        "z": (dims, data, {"units": "m**2 s**-2"}),
        "lsm": (dims[2:], values[0, 0], {"units": "1"}),
        "co2": ("time", np.arange(3.0)),
    }
    return xr.Dataset(fields, coordinates, {"repairs": "none"})


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_datasets_keep_what_does_not_lie_on_the_grid(method: str) -> None:
    dataset = canonical()
    out = regrid(dataset, "N4", method)
    assert out.attrs == dataset.attrs and out["z"].attrs == dataset["z"].attrs
    assert out["z"].dims == dataset["z"].dims and out["z"].dtype == np.float32
    assert out["latitude"].attrs["units"] == "degrees_north" and out["longitude"].attrs["units"] == "degrees_east"
    xr.testing.assert_identical(out["co2"], dataset["co2"])
    by_arrays = Regridder(GLOBAL["poles"], grid_named("N4"), method)
    np.testing.assert_array_equal(out["z"].values, by_arrays(dataset["z"].values))
    np.testing.assert_array_equal(out["lsm"].values, by_arrays(dataset["lsm"].values))
    xr.testing.assert_identical(regrid(dataset["z"], "N4", method), out["z"])


def test_lazy_data_stay_lazy_and_give_the_same() -> None:
    out = regrid(canonical(lazy=True), "N4")
    assert out["z"].chunksizes["time"] == (1, 1, 1) and out["z"].chunksizes["latitude"] == (8,)
    xr.testing.assert_identical(out.compute(), regrid(canonical(), "N4"))


def test_the_target_may_be_data_and_keeps_its_order_of_latitudes() -> None:
    onto = regrid(canonical(), GLOBAL["descending"])
    assert onto["latitude"].values.tolist() == GLOBAL["descending"].latitude.tolist()
    xr.testing.assert_identical(regrid(canonical(), onto), onto)
    assert regrid(onto, onto["z"]) is onto


@pytest.mark.parametrize(
    ("name", "rows", "columns", "first"),
    [
        ("64x32", 32, 64, -87.1875),
        ("32x64", 32, 64, -87.1875),
        ("240x121", 121, 240, -90),
        ("1440x721", 721, 1440, -90),
        ("0.25deg", 721, 1440, -90),
        (" 1.5 degrees", 121, 240, -90),
        ("5.625deg", 32, 64, -87.1875),
        ("1.40625DEG", 128, 256, -89.296875),
        ("N16", 32, 64, -85.7605871204438),  # ECMWF's table of Gaussian latitudes, N16: 85.76058712
        ("f32", 64, 128, -87.86379883923263),  # N32: 87.86379884
    ],
)
def test_names_of_grids(name: str, rows: int, columns: int, first: float) -> None:
    grid = grid_named(name)
    assert grid.shape == (rows, columns)
    assert grid.latitude[0] == pytest.approx(first, abs=1e-8)  # as many digits as the table has
    assert grid.longitude[:2].tolist() == [0, 360 / columns]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "64",
        "64x34",
        "65x33",
        "0deg",
        "0.7deg",
        "N0",
        "N1",
        "T21",
        "1x2",
        "deg",
        "-1deg",
        "9999999x19999998",
        "N9999",
        "1e-3deg",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="no grid named"):
        grid_named(name)


@hypothesis.given(st.text(max_size=9) | st.from_regex(r"[nfNF]?[0-9.]{1,9}(x|deg)?[0-9]{0,9}", fullmatch=True))
def test_any_name_is_a_grid_or_refused(name: str) -> None:
    hypothesis.assume(
        not name.lower().startswith(("n", "f")) or len(name) < 5
    )  # roots of thousands of rows take seconds
    try:
        assert grid_named(name).kind in ("regular", "gaussian")
    except UserError as error:
        assert repr(name) in str(error)


def test_what_cannot_be_regridded_is_refused() -> None:
    with pytest.raises(UserError, match="conservative or bilinear, but the method is 'nearest'"):
        Regridder(GLOBAL["poles"], GLOBAL["gaussian"], "nearest")
    with pytest.raises(UserError, match=r"between 0 and 1, but is 50\.0"):
        Regridder(GLOBAL["poles"], GLOBAL["gaussian"], min_valid_share=50.0)
    with pytest.raises(UserError, match=r"13 x 24 points .* shape \(24, 13\)"):
        Regridder(GLOBAL["poles"], GLOBAL["gaussian"])(np.zeros((24, 13)))
    with pytest.raises(UserError, match="zonal has only latitude"):
        regrid(canonical().assign(zonal=("latitude", np.zeros(13))), "N4")
    with pytest.raises(UserError, match="no longitude"):
        as_grid(canonical().drop_vars("longitude"))
    with pytest.raises(UserError, match="drop repeated rows"):
        as_grid(canonical().isel(latitude=[0, 0, 1]))


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_a_region_across_greenwich_is_regridded_as_one(method: str) -> None:
    latitude = np.linspace(40, 60, 21)
    torn = Grid(latitude, np.concatenate([np.arange(0.0, 21.0), np.arange(345.0, 360.0)]))
    whole, columns = torn.in_one_piece()
    coarse = Grid(np.linspace(42, 58, 9), np.arange(-12.0, 19.0, 2.0))
    field = np.random.default_rng(5).normal(size=whole.shape)
    split = np.empty_like(field)
    split[:, columns] = field
    wanted = Regridder(whole, coarse, method)(field)
    np.testing.assert_allclose(Regridder(torn, coarse, method)(split), wanted, rtol=1e-12)
    # and the other way round: to a torn target
    back = Regridder(coarse, whole, method)(wanted)
    np.testing.assert_allclose(Regridder(coarse, torn, method)(wanted)[:, columns], back, rtol=1e-12)
