"""Vortices of known tracks are found where they were put; what is no tropical cyclone is not; and real fields."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.cyclones.detection import DetectionSettings, fields_at, find_lows
from sciml.weather.cyclones.sphere import great_circle_km
from sciml.weather.cyclones.stitching import StitchSettings
from sciml.weather.cyclones.tracker import follow_storms, track_cyclones
from sciml.weather.cyclones.tracks import make_tracks
from sciml.weather.grid import gauss_legendre

Storms = Callable[..., xr.Dataset]
KM_A_DEGREE = 111.195
N = np.arange(13)
# warm-core thickness anomaly at the centre, m2/s2: ten times what the criterion asks for
WARM = 600.0

GRIDS = {
    "regular": (np.arange(-90.0, 90.1, 1.0), np.arange(0.0, 360.0, 1.0)),
    "descending": (np.arange(-90.0, 90.1, 1.0)[::-1], np.arange(0.0, 360.0, 1.0)),
    "gaussian": (np.degrees(np.arcsin(gauss_legendre(128)[0])), np.arange(0.0, 360.0, 360 / 256)),
    "regional": (np.arange(-45.0, 46.0, 1.5), np.arange(0.0, 300.1, 1.5)),
}
TRACKS = {
    "north": (12 + 0.41 * N, 160.3 - 0.93 * N),
    "south": (-11.2 - 0.67 * N, 75.1 - 0.31 * N),
    "recurving": (18 + 0.9 * N, 140 - 1.1 * N + 0.12 * N**2),
    "across Greenwich": (14.3 + 0.22 * N, (4.3 - 0.71 * N) % 360),
}


def spacing_km(latitude: np.ndarray) -> float:
    return float(np.abs(np.diff(latitude)).max()) * KM_A_DEGREE


# the region has no Greenwich inside
@pytest.mark.parametrize(
    ("grid", "track"),
    [(grid, track) for grid in GRIDS for track in TRACKS if (grid, track) != ("regional", "across Greenwich")],
)
def test_a_vortex_is_found_within_a_quarter_of_the_grid_spacing(
    storms: Storms, six_hourly: np.ndarray, grid: str, track: str
):
    latitude, longitude = GRIDS[grid]
    dataset = storms(latitude, longitude, six_hourly, [TRACKS[track]], warmth_m2_s2=WARM)
    found = track_cyclones(dataset)
    assert found.ids == ("2020090100-1",)
    assert found.time.tolist() == six_hourly.tolist()
    error_km = great_circle_km(*TRACKS[track], found.latitude, found.longitude)
    assert error_km.max() < 0.25 * spacing_km(latitude)
    # the grid's own lowest value and strongest wind, as they are within 2 degrees
    np.testing.assert_allclose(found.pressure_pa, dataset["msl"].min(["latitude", "longitude"]))
    np.testing.assert_allclose(found.wind_m_s, np.hypot(dataset["u10"], dataset["v10"]).max(["latitude", "longitude"]))


def test_over_the_pole(storms: Storms, six_hourly: np.ndarray):
    # no tropical cyclone does, but a grid must not show: up 40 E and down 220 E
    track = (90 - np.abs(8.6 - 1.3 * N), np.where(N < 7, 40.0, 220.0))
    anywhere = StitchSettings(maximum_latitude_deg=90.0)
    for name in ("regular", "gaussian"):
        found = track_cyclones(storms(*GRIDS[name], six_hourly, [track]), stitching=anywhere)
        assert len(found.ids) == 1 and len(found) == 13
        # at the pole the circles of longitude are too close for a fit: a grid spacing at most
        assert great_circle_km(*track, found.latitude, found.longitude).max() < spacing_km(GRIDS[name][0])


def test_two_storms_that_pass_keep_their_tracks(storms: Storms, six_hourly: np.ndarray):
    # they cross each other's longitude 7 degrees apart, at a degree and more in six hours
    west, east = (11 + 0.05 * N, 150 - 1.2 * N), (18.3 - 0.05 * N, 136 + 1.15 * N)
    dataset = storms(*GRIDS["regular"], six_hourly, [west, east], warmth_m2_s2=WARM, radius_km=80.0)
    found = track_cyclones(dataset)
    assert len(found.ids) == 2 and len(found) == 26
    for _, storm in found.storms():
        errors = [great_circle_km(*track, storm.latitude, storm.longitude).max() for track in (west, east)]
        assert min(errors) < 0.25 * KM_A_DEGREE < 500 < max(errors)


def test_a_time_without_its_low_is_bridged(storms: Storms, six_hourly: np.ndarray):
    dataset = storms(*GRIDS["regular"], six_hourly, [TRACKS["north"]], warmth_m2_s2=WARM)
    dataset["msl"][5:7] = 101000.0
    found = track_cyclones(dataset)
    assert len(found.ids) == 1 and len(found) == 11
    assert track_cyclones(dataset, stitching=StitchSettings(maximum_gap_h=12.0)).ids == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"depth_pa": 0.0}, "no low"),
        ({"depth_pa": 300.0, "radius_km": 400.0}, "no closed contour"),
        ({"warmth_m2_s2": -WARM}, "a cold core"),
        ({"warmth_m2_s2": 0.0}, "no warm core"),
    ],
)
def test_what_is_no_tropical_cyclone(storms: Storms, six_hourly: np.ndarray, change: dict[str, float], why: str):
    options = {"warmth_m2_s2": WARM} | change
    dataset = storms(*GRIDS["regional"], six_hourly, [TRACKS["north"]], **options)
    assert track_cyclones(dataset).ids == (), why
    if "cold" in why:
        # the same low without levels has nothing that tells it
        assert len(track_cyclones(dataset.drop_vars("z")).ids) == 1
        assert len(track_cyclones(dataset, DetectionSettings(warm_core=False)).ids) == 1


def test_too_short_too_fast_too_far_from_the_tropics(storms: Storms, six_hourly: np.ndarray):
    dataset = storms(*GRIDS["regional"], six_hourly, [TRACKS["north"]], warmth_m2_s2=WARM)
    assert track_cyclones(dataset.isel(time=slice(0, 9))).ids == ()  # 48 hours
    assert len(track_cyclones(dataset.isel(time=slice(0, 10))).ids) == 1  # 54 hours
    assert track_cyclones(dataset, stitching=StitchSettings(maximum_speed_m_s=4.0)).ids == ()  # it does 5 m/s
    assert track_cyclones(dataset, stitching=StitchSettings(maximum_latitude_deg=12.5)).ids == ()
    assert track_cyclones(dataset, stitching=StitchSettings(minimum_wind_m_s=70.0)).ids == ()


def test_temperature_tells_a_warm_core_without_geopotential(storms: Storms, six_hourly: np.ndarray):
    dataset = storms(*GRIDS["regional"], six_hourly, [TRACKS["south"]], warmth_m2_s2=WARM)
    # thickness over R ln(500/300) with R = 287 J/(kg K) is the mean temperature of the layer, on both levels here
    warm = (dataset["z"].sel(level=300.0) - dataset["z"].sel(level=500.0)) / (287 * np.log(500 / 300))
    layer = xr.concat([warm, warm], "level").assign_coords(level=[300.0, 500.0])
    with_temperature = dataset.drop_vars("z").assign(t=layer)
    assert len(track_cyclones(with_temperature).ids) == 1
    assert track_cyclones(with_temperature.assign(t=500 - layer)).ids == ()


@pytest.mark.parametrize("with_levels", [False, True])
def test_an_observed_storm_is_followed(storms: Storms, six_hourly: np.ndarray, with_levels: bool):
    # 1.6 degrees in six hours, and a second storm that was not observed 6 degrees away
    track, other = (13 + 0.5 * N, 170.2 - 1.6 * N), (20.5 + 0.5 * N, 170.2 - 1.6 * N)
    dataset = storms(*GRIDS["regular"], six_hourly, [track, other], radius_km=80.0)
    if with_levels:
        # a steering wind that carries the storm as it moves, m/s
        level = xr.DataArray([500.0, 700.0, 850.0], dims="level", coords={"level": [500.0, 700.0, 850.0]})
        east = -1.6 * KM_A_DEGREE * 1000 * np.cos(np.radians(16)) / 21600
        dataset = dataset.assign(u=dataset["u10"] + east + 0 * level, v=dataset["v10"] + 2.6 + 0 * level)
    # best tracks are 40 km off, and from before the first time
    before = six_hourly[0] - np.timedelta64(6, "h")
    observed = make_tracks(["S"] * 2, [before, six_hourly[0]], [12.8, 13.3], [171.8, 170.2], basin=["WP"] * 2)
    forecast = dataset.assign_coords(lead_time=("time", six_hourly - six_hourly[0])).swap_dims(time="lead_time")
    forecast = forecast.drop_vars("time").assign_coords(time=six_hourly[0])
    found = follow_storms(forecast, observed)
    assert found.ids == ("S",) and set(found.basin) == {"WP"}
    assert found.time.tolist() == six_hourly.tolist()
    assert great_circle_km(*track, found.latitude, found.longitude).max() < 0.25 * KM_A_DEGREE
    assert follow_storms(dataset, observed).latitude.tolist() == found.latitude.tolist()
    # a forecast that begins after 12 hours, and one with a field a day: 6.4 degrees on, which motion or wind foresee
    late = follow_storms(forecast.isel(lead_time=slice(2, None)), observed)
    assert late.latitude.tolist() == found.latitude[2:].tolist()
    daily = follow_storms(forecast.isel(lead_time=slice(0, None, 4)), observed)
    assert daily.latitude.tolist() == found.latitude[::4].tolist()


def test_a_storm_that_dies_or_is_not_there_is_given_up(storms: Storms, six_hourly: np.ndarray):
    dataset = storms(*GRIDS["regional"], six_hourly, [TRACKS["north"]])
    dataset["msl"][6:] = 101000.0
    observed = make_tracks(["S", "T"], six_hourly[[0, 0]], [12.0, -20.0], [160.3, 60.0])
    found = follow_storms(dataset, observed)
    assert found.ids == ("S",) and len(found) == 6
    assert follow_storms(dataset, observed.storm("T")).ids == ()
    # outside the region, with steering winds to be read there
    level = xr.DataArray([850.0], dims="level", coords={"level": [850.0]})
    with_levels = dataset.assign(u=dataset["u10"] + 0 * level, v=dataset["v10"] + 0 * level)
    outside = make_tracks(["U", "V"], six_hourly[[0, 0]], [80.0, 10.0], [160.3, 330.0])
    assert follow_storms(with_levels, outside).ids == ()


def test_lazy_data_are_read_one_time_after_the_other(storms: Storms, six_hourly: np.ndarray):
    dataset = storms(*GRIDS["regional"], six_hourly, [TRACKS["north"]], warmth_m2_s2=WARM)
    lazy = dataset.chunk(time=1)
    assert track_cyclones(lazy).latitude.tolist() == track_cyclones(dataset).latitude.tolist()


def test_what_cannot_be_tracked(storms: Storms, six_hourly: np.ndarray):
    dataset = storms(*GRIDS["regional"], six_hourly[:2], [TRACKS["north"]])
    with pytest.raises(UserError, match="but u10, v10 is missing"):
        track_cyclones(dataset[["msl"]])
    with pytest.raises(UserError, match="msl has number too"):
        track_cyclones(dataset.expand_dims(number=[0, 1]))
    with pytest.raises(UserError, match="neither dimension"):
        track_cyclones(dataset.isel(time=0))
    with pytest.raises(UserError, match="one forecast at a time"):
        track_cyclones(dataset.expand_dims(lead_time=[np.timedelta64(0, "h")]))
    with pytest.raises(UserError, match="three rows and columns"):
        track_cyclones(dataset.isel(latitude=slice(0, 2)))


# ------------------------------------------------------------------------------------------------------------ real ERA5


@pytest.fixture(scope="module")
def march_2026() -> xr.Dataset:
    from sciml.weather.samples import sample_path

    try:
        path = sample_path("era5-1deg")
    except UserError as error:
        pytest.skip(str(error))
    raw = xr.open_dataset(path, engine="zarr", consolidated=False, chunks={})
    hours = raw["time_index"].values * np.timedelta64(1, "h")
    times = np.datetime64("1940-01-01", "ns") + hours
    return raw.rename(time_index="time").assign_coords(time=times).sortby("latitude")


@pytest.mark.filterwarnings("ignore:Object at sample_info.json")  # a file beside the arrays
def test_real_fields(march_2026: xr.Dataset):
    band = march_2026.sel(latitude=slice(-60, 60))
    found = track_cyclones(band, stitching=StitchSettings(maximum_latitude_deg=30.0))
    # one storm spends 54 hours in the tropics: from 17 S 120 E it deepens to 963 hPa and turns around Western Australia
    (name,) = found.ids
    assert name == "2026032500-1"
    assert found.pressure_pa.min() == pytest.approx(96302.44, abs=0.01)
    assert (found.latitude < 0).all() and (found.longitude > 110).all() and (found.longitude < 140).all()
    # second road: where the raw field has its minimum within 3 degrees of each position
    for record in range(len(found)):
        msl = march_2026["msl"].sel(time=found.time[record]).values
        grid_latitude, grid_longitude = march_2026["latitude"].values[:, None], march_2026["longitude"].values[None, :]
        far = great_circle_km(found.latitude[record], found.longitude[record], grid_latitude, grid_longitude)
        near = np.where(far < 2.5 * KM_A_DEGREE, msl, np.inf)
        assert near.min() == np.float32(found.pressure_pa[record])
        assert far.flat[near.argmin()] < KM_A_DEGREE
    # third road: followed from a first position that is half a degree off
    seed = make_tracks(["S"], found.time[:1], found.latitude[:1] + 0.5, found.longitude[:1])
    followed = follow_storms(band.isel(time=slice(0, 12)), seed)
    assert followed.latitude.tolist() == found.latitude[:12].tolist()
    assert followed.pressure_pa.tolist() == found.pressure_pa[:12].tolist()


@pytest.mark.filterwarnings("ignore:Object at sample_info.json")
def test_closed_contours_of_a_real_field_by_walking_from_point_to_point(march_2026: xr.Dataset):
    settings = DetectionSettings(vorticity_per_s=-1.0, merge_deg=0.0)
    fields = fields_at(march_2026.isel(time=0), settings)
    lows = find_lows(fields, settings)
    msl, grid = fields.pressure_pa, fields.grid
    walked = []
    for row in range(11, 170):  # away from the poles, where rows end in this walk
        for column in range(360):
            neighbours = msl[row - 1 : row + 2, [column - 1, column, (column + 1) % 360]]
            if msl[row, column] == neighbours.min() and stays_near(msl, row, column, settings):
                walked.append(float(msl[row, column]))
    found = lows.pressure_pa[np.abs(lows.latitude) < 79.4]
    assert sorted(found.tolist()) == sorted(walked)
    # lows deeper than 2 hPa: dozens on the globe, of which a few in the tropics
    assert 40 < len(walked) < 120 and 1 <= (np.abs(lows.latitude) < 25).sum() <= 12
    strict = find_lows(fields, DetectionSettings())
    assert 20 < len(strict) < len(lows)
    assert grid.shape == (181, 360)


def stays_near(msl: np.ndarray, row: int, column: int, settings: DetectionSettings) -> bool:
    limit = msl[row, column] + np.float64(settings.contour_pa)
    seen, waiting = {(row, column)}, [(row, column)]
    while waiting:
        r, c = waiting.pop()
        if great_circle_km(row - 90.0, float(column), r - 90.0, float(c)) > settings.contour_radius_deg * KM_A_DEGREE:
            return False
        for point in ((r - 1, c), (r + 1, c), (r, (c - 1) % 360), (r, (c + 1) % 360)):
            if point not in seen and msl[point] < limit:
                seen.add(point)
                waiting.append(point)
    return True
