"""Scores of fields: analytic cases, WeatherBench 2's formulas written out, and what users hand in."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.scores import fields
from sciml.weather.scores.field_sums import FieldSums, field_sums, map_sums
from sciml.weather.scores.regions import region_weights

LATITUDE, LONGITUDE = np.linspace(-90, 90, 13), np.arange(0.0, 360.0, 20.0)
GRID = {"latitude": LATITUDE, "longitude": LONGITUDE}
STEP = np.timedelta64(6, "h").astype("timedelta64[ns]")
START = np.datetime64("2020-02-27", "ns")


def _truth(times: int = 14) -> xr.DataArray:
    values = np.random.default_rng(0).normal(5e4, 800, (times, 2, 13, 18)).astype(np.float32)
    coordinates = {"time": START + np.arange(times) * STEP, "level": [500.0, 850.0], **GRID}
    return xr.DataArray(values, coordinates, name="z", attrs={"units": "m**2 s**-2"})


def _forecast(times: int = 5, leads: int = 4) -> xr.DataArray:
    """Every 12 hours, of which the last lead times of the last initial times have no truth."""
    values = np.random.default_rng(1).normal(5e4, 800, (times, leads, 2, 13, 18)).astype(np.float32)
    lead = (np.arange(leads) * 2 * STEP.astype(np.int64)).astype("timedelta64[ns]")
    coordinates = {"time": START + np.arange(times) * 2 * STEP, "lead_time": lead, "level": [500.0, 850.0], **GRID}
    return xr.DataArray(values, coordinates, name="z", attrs={"units": "m**2 s**-2"})


def _climatology() -> xr.DataArray:
    values = np.random.default_rng(2).normal(5e4, 100, (4, 366, 2, 13, 18)).astype(np.float32)
    coordinates = {"hour": [0, 6, 12, 18], "dayofyear": np.arange(1, 367), "level": [500.0, 850.0], **GRID}
    return xr.DataArray(values, coordinates, name="z")


def _aligned() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Forecast, truth and climatology in float64, put beside each other by xarray's own selection."""
    forecast = _forecast()
    times = forecast["time"] + forecast["lead_time"]
    truth = _truth().reindex(time=np.unique(times)).sel(time=times)
    climatology = _climatology().sel(dayofyear=times.dt.dayofyear, hour=times.dt.hour)
    aligned = [
        array.drop_vars(["time", "dayofyear", "hour"], errors="ignore").assign_coords(time=forecast["time"])
        for array in (truth, climatology)
    ]
    return forecast.astype(float), *(array.transpose(*forecast.dims).astype(float) for array in aligned)


def _mean(array: xr.DataArray) -> xr.DataArray:
    weights = xr.DataArray(Grid(LATITUDE, LONGITUDE).area_weights()[:, 0], {"latitude": LATITUDE})
    return array.weighted(weights).mean(["latitude", "longitude"])


def test_a_constant_error() -> None:
    truth = _truth()
    assert np.unique(fields.bias(truth - 3.0, truth)) == -3.0
    assert np.unique(fields.mae(truth - 3.0, truth)) == 3.0
    assert np.unique(fields.rmse(truth - 3.0, truth)) == 3.0


def test_half_the_globe_is_wrong() -> None:
    truth = xr.zeros_like(_truth().isel(level=0, drop=True))
    # the cells of the row on the equator are half north of it
    wrong = truth + (truth["latitude"] > 0) * 2.0 + (truth["latitude"] == 0) * np.sqrt(2)
    assert float(fields.rmse(wrong.astype(np.float32), truth)) == pytest.approx(np.sqrt(2), rel=1e-7)


def test_all_scores_are_weatherbench_2s_formulas() -> None:
    """Written out with xarray; where there is no truth, a time leaves the mean."""
    forecast, truth, climatology = _aligned()
    a, b = forecast - climatology, truth - climatology
    expected = {
        "rmse": np.sqrt(_mean((forecast - truth) ** 2).mean("time")),
        "mae": _mean(abs(forecast - truth)).mean("time"),
        "bias": _mean(forecast - truth).mean("time"),
        "acc": (_mean(a * b) / np.sqrt(_mean(a**2) * _mean(b**2))).mean("time"),
        "activity": np.sqrt(_mean(a**2).where(truth.notnull().all(["latitude", "longitude"])).mean("time")),
    }
    found = fields.field_scores(_forecast(), _truth(), climatology=_climatology(), scores=tuple(expected))
    assert truth.isnull().any()
    for name, values in expected.items():
        assert found[name].dims == ("lead_time", "level")
        # float64 in another order
        np.testing.assert_allclose(found[name], values.transpose("lead_time", "level"), rtol=1e-10)
    assert found["rmse"].attrs == {"long_name": "root mean squared error", "units": "m**2 s**-2"}
    assert found["acc"].attrs["units"] == ""


def test_anomaly_correlation_in_other_definitions() -> None:
    forecast, truth, climatology = (array.isel(time=slice(3)) for array in _aligned())
    a, b = forecast - climatology, truth - climatology
    pooled = _mean(a * b).mean("time") / np.sqrt(_mean(a**2).mean("time") * _mean(b**2).mean("time"))
    arguments = (_forecast().isel(time=slice(3)), _truth(), _climatology())
    np.testing.assert_allclose(fields.acc(*arguments, pooled=True), pooled, rtol=1e-10)
    a, b = a - _mean(a), b - _mean(b)
    centred = (_mean(a * b) / np.sqrt(_mean(a**2) * _mean(b**2))).mean("time")
    np.testing.assert_allclose(fields.acc(*arguments, centred=True), centred, rtol=1e-9)


def test_a_perfect_and_an_opposite_forecast() -> None:
    truth, climatology = _truth(), _climatology()
    assert np.allclose(fields.acc(truth, truth, climatology), 1, rtol=0, atol=1e-12)
    mean = truth.mean("time")
    assert np.allclose(
        fields.acc(2 * mean - truth.astype(float), truth.astype(float), mean.astype(float)), -1, atol=1e-9
    )


def test_activity_of_a_wave_is_its_amplitude_over_root_two() -> None:
    wave = xr.DataArray(np.zeros((13, 18), np.float32), GRID) + 3 * np.cos(
        np.radians(2 * xr.DataArray(LONGITUDE, {"longitude": LONGITUDE}))
    )
    flat = xr.zeros_like(wave)
    assert float(fields.activity(wave + 1, flat, centred=True)) == pytest.approx(3 / np.sqrt(2))
    assert float(fields.activity(wave + 1, flat)) == pytest.approx(np.sqrt(4.5 + 1))


def test_the_root_comes_after_the_mean_over_time() -> None:
    truth = xr.zeros_like(_truth(2).isel(level=0, drop=True))
    forecast = truth + xr.DataArray(np.array([1.0, 7.0], np.float32), {"time": truth["time"]})
    # weights add up to their sum to rounding
    assert float(fields.rmse(forecast, truth)) == pytest.approx(5, rel=1e-14)
    assert fields.rmse(forecast, truth, over=()).values.tolist() == pytest.approx([1, 7], rel=1e-14)


def test_small_errors_of_large_numbers_are_exact() -> None:
    """Geopotential of the stratosphere in float32 has steps of 1/32: differences of 3 steps must come out as that."""
    truth = np.full((1, 60, 70), 4.8e5, np.float32)
    forecast = truth + np.float32(3 / 32)
    sums = field_sums(forecast, truth, np.ones((1, 60, 70)), truth)
    assert sums.bias().item() == 3 / 32
    assert sums.rmse().item() == 3 / 32
    assert sums.activity().item() == 3 / 32


def test_missing_points_leave_sums_and_weights_alike() -> None:
    forecast, truth = _forecast(), _truth()
    hidden = truth.where(truth["latitude"] > -40)
    region = {"part": xr.where(truth.isel(time=0, level=0) * 0 + truth["latitude"] > -40, 1.0, 0.0)}
    expected = fields.rmse(forecast, truth, regions=region).isel(region=0)
    np.testing.assert_allclose(fields.rmse(forecast, hidden), expected, rtol=1e-12)
    assert fields.rmse(forecast, hidden, skipna=False).isnull().all()
    assert fields.rmse(forecast.isel(time=[0]), truth, skipna=False).notnull().all()
    # a gap in the climatology is none of the errors'
    gap = _climatology().where(truth["latitude"] > -40)
    both = fields.field_scores(forecast, truth, climatology=gap, scores=("rmse", "acc"))
    np.testing.assert_array_equal(both["rmse"], fields.rmse(forecast, truth))
    assert both["acc"].notnull().all()


@given(
    shift=st.floats(-100, 100, width=32),
    scale=st.floats(0.125, 8, width=32),
    seed=st.integers(0, 100),
)
def test_laws_of_shift_and_scale(shift: float, scale: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    forecast, truth = random.normal(size=(2, 3, 4, 5))
    weights = random.random((2, 4, 5))
    sums = field_sums(forecast, truth, weights)
    moved = field_sums(scale * (forecast + shift), scale * (truth + shift), weights)
    # float64 numbers of up to 800, whose last digit is 1e-13
    close = {"rtol": 1e-9, "atol": 1e-11}
    np.testing.assert_allclose(moved.rmse(0), scale * sums.rmse(0), **close)
    np.testing.assert_allclose(moved.bias(0), scale * sums.bias(0), **close)
    assert (np.abs(sums.bias(0)) <= sums.mae(0) + 1e-12).all()
    assert (sums.mae(0) <= sums.rmse(0) + 1e-12).all()


def test_sums_of_parts_add_up() -> None:
    random = np.random.default_rng(0)
    forecast, truth, climatology = random.normal(size=(3, 6, 4, 5))
    weights = np.ones((1, 4, 5))
    whole = field_sums(forecast, truth, weights, climatology).total(0)
    first, second = (
        field_sums(forecast[part], truth[part], weights, climatology[part]).total(0) for part in (slice(2), slice(2, 6))
    )
    np.testing.assert_allclose((first + second).stacked(), whole.stacked(), rtol=1e-12)
    np.testing.assert_array_equal(FieldSums.of(whole.stacked()).error, whole.error)
    maps = map_sums(forecast, truth)
    parts = map_sums(forecast[:2], truth[:2]) + map_sums(forecast[2:], truth[2:])
    np.testing.assert_allclose(parts.rmse(), maps.rmse(), rtol=1e-12)


@pytest.mark.parametrize("chunks", [{"time": 2}, {"time": 3, "lead_time": 2, "latitude": 5}, {"level": 1}])
@pytest.mark.parametrize("lazy", ["forecast", "truth", "both"])
def test_lazy_scores_are_those_of_arrays_in_memory(chunks: dict[str, int], lazy: str) -> None:
    forecast, truth, climatology = _forecast(), _truth(), _climatology()
    options = {"regions": ["global", "tropics"], "scores": ("rmse", "acc"), "climatology": climatology}
    expected = fields.field_scores(forecast, truth, **options)
    if lazy != "truth":
        forecast = forecast.chunk(chunks)
    if lazy != "forecast":
        truth = truth.chunk({"time": 3})
        options["climatology"] = climatology.chunk({"dayofyear": 100})
    found = fields.field_scores(forecast, truth, **options)
    assert found["rmse"].chunks is not None
    # a sum over the same terms in the same order
    xr.testing.assert_allclose(found.compute(), expected, rtol=1e-13)


def test_a_lazy_score_reads_the_truth_it_needs() -> None:
    truth = _truth()
    broken = truth.where(truth["time"] < truth["time"][3]).chunk({"time": 1})
    read = []

    def note(block: np.ndarray) -> np.ndarray:
        read.append(block.shape)
        return block

    noted = broken.copy(data=broken.data.map_blocks(note, dtype=broken.dtype, meta=np.empty((0, 0, 0, 0), np.float32)))
    fields.rmse(_forecast().isel(time=[0], lead_time=[0, 1]), noted).compute()
    assert len(read) == 2


def test_truths_of_other_shapes() -> None:
    forecast, truth = _forecast(), _truth(40)
    times = forecast["time"] + forecast["lead_time"]
    paired = truth.sel(time=times).drop_vars("time").assign_coords(time=forecast["time"])
    expected = fields.rmse(forecast, truth)
    np.testing.assert_array_equal(fields.rmse(forecast, paired), expected)
    # upside down, other order of dimensions, more levels than needed
    np.testing.assert_allclose(fields.rmse(forecast, truth[:, :, ::-1]), expected, rtol=1e-13)
    np.testing.assert_array_equal(
        fields.rmse(forecast, truth.transpose("level", "longitude", "time", "latitude")), expected
    )
    one = forecast.sel(level=850.0)
    np.testing.assert_array_equal(fields.rmse(one, truth), expected.sel(level=850.0))
    # one initial time as a scalar, and no times at all
    np.testing.assert_array_equal(fields.rmse(forecast[0], truth), fields.rmse(forecast[:1], truth))
    still = truth.isel(time=0, drop=True)
    assert fields.rmse(still, still).values.tolist() == [0.0, 0.0]
    # members are scored one by one
    members = xr.concat([forecast, forecast + 1], "number")
    np.testing.assert_array_equal(fields.rmse(members, truth).isel(number=0).T, expected.T)


def test_error_maps() -> None:
    forecast, truth, _ = _aligned()
    maps = fields.error_maps(_forecast(), _truth())
    np.testing.assert_allclose(maps["bias"], (forecast - truth).mean("time"), rtol=1e-9)
    np.testing.assert_allclose(maps["rmse"], np.sqrt(((forecast - truth) ** 2).mean("time")), rtol=1e-9)
    assert maps["forecasts"].dims == ("lead_time", "level", "latitude", "longitude")
    assert maps["forecasts"].isel(level=0, latitude=0, longitude=0).values.tolist() == [5, 5, 5, 4]
    xr.testing.assert_allclose(fields.error_maps(_forecast().chunk({"time": 2}), _truth().chunk({"time": 1})), maps)


def test_what_does_not_fit_is_refused() -> None:
    forecast, truth = _forecast(), _truth()
    with pytest.raises(UserError, match=r"need the same grid, .* 13 latitudes .* 12 latitudes.*sciml\.weather\.regrid"):
        fields.rmse(forecast, truth[:, :, 1:])
    with pytest.raises(UserError, match="same grid"):
        fields.rmse(forecast, truth.assign_coords(longitude=truth["longitude"] + 1))
    with pytest.raises(UserError, match="No forecast has a truth.*2020-02-27T00 to .*2021-"):
        fields.rmse(forecast, truth.assign_coords(time=truth["time"] + np.timedelta64(400, "D")))
    with pytest.raises(UserError, match=r"level 500, 850, but the forecast has 500, 700"):
        fields.rmse(forecast.assign_coords(level=[500.0, 700.0]), truth)
    with pytest.raises(UserError, match="dimension level, which the forecast has not"):
        fields.rmse(forecast.isel(level=0, drop=True), truth)
    with pytest.raises(UserError, match="no field for the valid time 2020-02-27T12.*hours 0, 6"):
        fields.acc(forecast, truth, _climatology().isel(hour=[0, 1]))
    with pytest.raises(UserError, match="no score 'r2'"):
        fields.field_scores(forecast, truth, scores=("r2",))
    with pytest.raises(UserError, match="need a climatology"):
        fields.field_scores(forecast, truth, scores=("acc",))
    with pytest.raises(UserError, match="cannot go over 'day'.*time, lead_time, level"):
        fields.rmse(forecast, truth, over=["day"])
    with pytest.raises(UserError, match="latitude and longitude"):
        fields.rmse(forecast.rename(latitude="lat"), truth)


def test_regions_are_weighted_means_over_their_points() -> None:
    forecast, truth = _forecast().isel(time=[0], lead_time=0, level=0), _truth().isel(level=0)
    names, weights = region_weights(Grid(LATITUDE, LONGITUDE), ["europe", "tropics"])
    found = fields.bias(forecast, truth, regions=["europe", "tropics"])
    error = forecast[0].values.astype(float) - truth[0].values
    assert found["region"].values.tolist() == names
    np.testing.assert_allclose(found, [(error * w).sum() / w.sum() for w in weights], rtol=1e-10)


def test_units_are_brought_to_one() -> None:
    places = {"latitude": [-45.0, 45.0], "longitude": [0.0, 90.0, 180.0, 270.0]}
    celsius = xr.DataArray(np.full((2, 4), 10.0, np.float32), places, attrs={"units": "degC"})
    kelvin = xr.DataArray(np.full((2, 4), 284.15, np.float32), places, attrs={"units": "K"})
    # float32 near 280 has steps of 3e-5
    assert float(fields.rmse(celsius, kelvin)) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(UserError, match="does not measure the same"):
        fields.rmse(celsius, kelvin.assign_attrs(units="Pa"))
