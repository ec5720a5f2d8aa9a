from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.grid import Grid, gauss_legendre
from sciml.weather.scores.regions import REGIONS, Box, area_weights, region_weights

DEGREE = Grid(np.linspace(-90, 90, 181), np.arange(360.0))
QUARTER = Grid(np.linspace(-90, 90, 721), np.arange(0, 360, 0.25))

# slices of WeatherBench 2, scripts/evaluate.py: latitudes and longitudes, both ends included
WEATHERBENCH_2 = {
    "tropics": ([(-20, 20)], [(0, 360)]),
    "extra-tropics": ([(-90, -20), (20, 90)], [(0, 360)]),
    "northern-hemisphere": ([(20, 90)], [(0, 360)]),
    "southern-hemisphere": ([(-90, -20)], [(0, 360)]),
    "europe": ([(35, 75)], [(347.5, 360), (0, 42.5)]),
    "north-america": ([(25, 60)], [(240, 285)]),
    "north-atlantic": ([(25, 65)], [(290, 350)]),
    "north-pacific": ([(25, 60)], [(145, 230)]),
    "east-asia": ([(25, 60)], [(102.5, 150)]),
    "ausnz": ([(-45, -12.5)], [(120, 175)]),
    "arctic": ([(60, 90)], [(0, 360)]),
    "antarctic": ([(-90, -60)], [(0, 360)]),
}


def _between(values: np.ndarray, slices: list[tuple[float, float]]) -> np.ndarray:
    return np.any([(values >= low) & (values <= high) for low, high in slices], axis=0)


@pytest.mark.parametrize("grid", [DEGREE, QUARTER, Grid(np.linspace(87.5, -87.5, 36), np.arange(2.5, 360, 5))])
@pytest.mark.parametrize("name", WEATHERBENCH_2)
def test_regions_have_the_points_of_weatherbench_2(grid: Grid, name: str) -> None:
    latitudes, longitudes = WEATHERBENCH_2[name]
    inside = _between(grid.latitude, latitudes)[:, None] & _between(grid.longitude, longitudes)
    np.testing.assert_array_equal(region_weights(grid, [name])[1][0], area_weights(grid) * inside)


def test_boxes_cross_the_seam() -> None:
    for box in (Box(0, 10, 350, 20), Box(0, 10, -10, 20)):
        columns = DEGREE.longitude[box.contains(DEGREE)[95]]
        assert columns.tolist() == [*range(21), *range(350, 360)]
    assert Box(0, 10, 350, 10).contains(DEGREE)[95].sum() == 21
    assert Box(0, 10, -180, 180).contains(DEGREE)[95].all()
    # the grid of a map that begins at -180
    west = Grid(DEGREE.latitude, np.arange(-180.0, 180.0))
    assert west.longitude[Box(0, 10, 350, 20).contains(west)[95]].tolist() == list(range(-10, 21))


def test_a_mask_is_a_region() -> None:
    land = xr.DataArray(
        np.random.default_rng(0).random((181, 360)), {"latitude": DEGREE.latitude, "longitude": DEGREE.longitude}
    )
    names, weights = region_weights(DEGREE, {"land": land, "box": Box(0, 10, 0, 10)})
    assert names == ["land", "box"]
    np.testing.assert_array_equal(weights[0], area_weights(DEGREE) * land.values)
    with pytest.raises(UserError, match="mask of region .land. is on another grid"):
        region_weights(DEGREE, {"land": land[1:]})
    with pytest.raises(UserError, match="least value"):
        region_weights(DEGREE, {"land": land - 1})


def test_what_is_no_region_is_refused() -> None:
    with pytest.raises(UserError, match="no region 'atlantis'; there are: global, tropics"):
        region_weights(DEGREE, ["atlantis"])
    with pytest.raises(UserError, match="Region 'arctic' has no point.* -20 to 20 "):
        region_weights(Grid(np.linspace(-20, 20, 5), np.arange(5.0)), ["arctic"])
    with pytest.raises(UserError, match="south < north"):
        Box(10, 0)
    with pytest.raises(UserError, match="-180 to 360"):
        Box(0, 10, -200, 0)
    with pytest.raises(UserError, match="no area 'flat'"):
        area_weights(DEGREE, "flat")


@pytest.mark.parametrize("area", ["cells", "weatherbench2", "weatherbenchx", "cosine"])
@pytest.mark.parametrize("turned", [1, -1])
def test_area_weights_have_the_mean_one(area: str, turned: int) -> None:
    for grid in (
        DEGREE,
        Grid(np.linspace(-89.5, 89.5, 180)[::turned], np.arange(360.0)),
        Grid(np.degrees(np.arcsin(gauss_legendre(32)[0]))[::turned], np.arange(0, 360, 5.625)),
        Grid(np.linspace(30, 60, 20)[::turned], np.linspace(0, 30, 20)),
    ):
        weights = area_weights(grid, area)
        assert weights.shape == grid.shape
        assert weights.mean() == pytest.approx(1, abs=1e-12)
        assert (weights >= 0).all()


def test_on_a_global_regular_grid_areas_agree() -> None:
    for grid in (DEGREE, Grid(np.linspace(-89.5, 89.5, 180), np.arange(360.0))):
        for area in ("weatherbench2", "weatherbenchx"):
            np.testing.assert_allclose(area_weights(grid, area), area_weights(grid), rtol=1e-12)


def test_weatherbench_2_lets_a_region_reach_the_poles() -> None:
    """Its formula: the outermost bounds are the poles."""
    latitude = np.array([40.0, 50.0, 60.0])
    bounds = np.sin(np.radians([-90, 45, 55, 90]))
    expected = np.diff(bounds) / np.diff(bounds).mean()
    np.testing.assert_allclose(area_weights(Grid(latitude, np.arange(3.0)), "weatherbench2")[:, 0], expected)
    turned = area_weights(Grid(latitude[::-1], np.arange(3.0)), "weatherbench2")
    np.testing.assert_allclose(turned[::-1, 0], expected)


def test_the_globe_is_every_point() -> None:
    assert (region_weights(DEGREE, ["global"])[1] == region_weights(DEGREE)[1]).all()
    assert len(REGIONS) == len(set(REGIONS))


def test_a_mask_belongs_to_its_coordinates() -> None:
    latitude, longitude = DEGREE.latitude, DEGREE.longitude
    mask = xr.DataArray(
        (latitude > 0)[:, None] * np.ones(len(longitude)), {"latitude": latitude, "longitude": longitude}
    )
    turned = mask.isel(latitude=slice(None, None, -1))
    np.testing.assert_array_equal(
        region_weights(DEGREE, {"north": turned})[1], region_weights(DEGREE, {"north": mask})[1]
    )
    with pytest.raises(UserError, match="mask of region 'north' is on another grid"):
        region_weights(DEGREE, {"north": mask.assign_coords(latitude=latitude + 0.5)})
