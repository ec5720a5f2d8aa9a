"""Static channels are of order one, on the samples' grid, and complete."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.weather.grid import Grid
from sciml.weather.training.static import static_channels

GRID = Grid(np.array([-60.0, 0, 60]), np.array([0.0, 90, 180, 270]))
DIMS = ("latitude", "longitude")


def static() -> xr.Dataset:
    z = 100 * np.arange(12.0).reshape(3, 4)
    return xr.Dataset(
        {"lsm": (DIMS, np.linspace(0, 1, 12).reshape(3, 4)), "z": (DIMS, z), "flat": (DIMS, np.full((3, 4), 7.0))},
        coords={"latitude": GRID.latitude, "longitude": GRID.longitude},
    )


def test_channels() -> None:
    found = static_channels(static(), ("lsm", "z", "position"), GRID)
    assert found.shape == (6, 3, 4) and found.dtype == np.float32
    np.testing.assert_allclose(found[0], np.linspace(0, 1, 12).reshape(3, 4), rtol=1e-6)
    weights = GRID.area_weights()
    # float32
    assert np.average(found[1], weights=weights) == pytest.approx(0, abs=1e-6)
    assert np.average(found[1] ** 2, weights=weights) == pytest.approx(1, rel=1e-5)
    # sin(60) = 0.866, cos(60) = 0.5; 90 degrees east
    np.testing.assert_allclose(found[2:, 2, 1], [0.8660254, 0.5, 1, 0], atol=1e-6)
    assert static_channels(None, (), GRID).shape == (0, 3, 4)


def test_bad_input_is_refused() -> None:
    data = static()
    with pytest.raises(UserError, match="given are: none"):
        static_channels(None, ("lsm",), GRID)
    with pytest.raises(UserError, match="given are: lsm, z, flat"):
        static_channels(data, ("orography",), GRID)
    with pytest.raises(UserError, match=r"isel\(time=0\)"):
        static_channels(data.expand_dims("time"), ("lsm",), GRID)
    for other in (data.isel(latitude=slice(None, None, -1)), data.isel(longitude=slice(3))):
        with pytest.raises(UserError, match="another grid"):
            static_channels(other, ("lsm",), GRID)
    with pytest.raises(UserError, match="`flat` is the same everywhere"):
        static_channels(data, ("flat",), GRID)
    data["lsm"][0, 0] = np.nan
    with pytest.raises(UserError, match="missing values"):
        static_channels(data, ("lsm",), GRID)
