from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciml.core.errors import UserError
from sciml.pde.reading import read_pde

RANDOM = np.random.RandomState(0)
W = RANDOM.normal(size=(3, 5, 8, 4)).astype(np.float32)
A = RANDOM.normal(size=(3, 8, 4)).astype(np.float32)


def dataset() -> xr.Dataset:
    return xr.Dataset(
        {
            "w": (("sample", "time", "x", "y"), W, {"units": "s-1"}),
            "a": (("sample", "x", "y"), A),
            "viscosity": (("sample",), np.array([0.1, 0.2, 0.3])),
        },
        {
            "time": np.arange(5.0),
            "x": ("x", np.arange(8) / 8, {"periodic": 1}),
            "y": ("y", np.linspace(0, 1, 4), {"periodic": 0}),
        },
        {"equation": "made up"},
    )


@pytest.mark.parametrize("name", ["made.nc", "classic.nc", "made.zarr"])
def test_netcdf_and_zarr_are_read_by_the_names_of_their_dimensions(tmp_path: Path, name: str):
    path = tmp_path / name
    if path.suffix == ".zarr":
        dataset().to_zarr(path, zarr_format=2)
    else:
        # another order of dimensions is as good
        turned = dataset().transpose("x", "time", "sample", "y")
        turned.to_netcdf(path, engine="netcdf4", format="NETCDF3_64BIT" if name == "classic.nc" else "NETCDF4")
    data = read_pde(path)
    assert set(data.names) == {"w", "a"} and data.axes == ("x", "y") and data.periodic == (True, False)
    assert data.field("w").unit == "s-1" and data.attributes["equation"] == "made up"
    np.testing.assert_array_equal(data.parameters["viscosity"], [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(data.times, np.arange(5.0))
    found = data.read(["w", "a"], [2, 0], slice(1, 4))
    np.testing.assert_array_equal(found[..., 0], W[[2, 0], 1:4])
    np.testing.assert_array_equal(found[:, 1, ..., 1], A[[2, 0]])


def test_what_nothing_says_of_periods_can_be_said(tmp_path: Path):
    dataset().to_netcdf(tmp_path / "made.nc")
    assert read_pde(tmp_path / "made.nc", [False, True]).periodic == (False, True)
    with pytest.raises(UserError, match="`periodic` needs 2 values"):
        read_pde(tmp_path / "made.nc", [False])


def test_files_without_samples_or_coordinates_are_refused(tmp_path: Path):
    path = tmp_path / "made.nc"
    dataset().rename(sample="member").to_netcdf(path)
    with pytest.raises(UserError, match="needs a dimension `sample`, but its dimensions are"):
        read_pde(path)
    dataset().drop_vars("y").to_netcdf(tmp_path / "other.nc")
    with pytest.raises(UserError, match="no values for its dimension `y`"):
        read_pde(tmp_path / "other.nc")


def test_missing_and_damaged_files_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="there is no file"):
        read_pde(tmp_path / "nothing.nc")
    whole = tmp_path / "made.nc"
    dataset().to_netcdf(whole)
    cut = tmp_path / "cut.nc"
    cut.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(UserError, match="cannot be read as HDF5"):
        read_pde(cut)
    text = tmp_path / "text.nc"
    text.write_text("no netCDF at all")
    with pytest.raises(UserError, match="cannot be read as netCDF"):
        read_pde(text)
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(UserError, match="cannot be read as Zarr"):
        read_pde(tmp_path / "empty.zarr")
